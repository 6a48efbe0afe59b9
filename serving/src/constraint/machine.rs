//! Which byte may come next.
//!
//! A thread is one way to read the bytes so far: the values that are open, and what is expected of the innermost. Where a
//! schema leaves a choice there are several; those that a byte does not fit are dropped.

use super::schema::{ANY_ARRAY, ANY_NUMBER, ANY_OBJECT, ANY_TEXT, Node, NodeId, Object, Schema};
use super::text::{Character, Taken};
use std::sync::Arc;

/// Values inside values.
const DEPTH_MAX: usize = 64;
/// Ways to read the same bytes.
const THREADS_MAX: usize = 256;
/// Spaces and tabs after a line end: room for an indent, and no room to go on for ever.
const INDENT_MAX: u8 = 20;
/// Digits of each part of a number: what a double keeps.
const DIGITS_MAX: u8 = 15;
/// Digits of an exponent: no finite number becomes infinite.
const EXPONENT_DIGITS_MAX: u8 = 2;

/// All ways to read the bytes so far.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Threads(Vec<Thread>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Thread {
    /// The innermost value that is open, but for one without parts.
    inside: Option<Arc<Frame>>,
    now: Now,
}

/// An object or an array that is open.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Frame {
    outer: Option<Arc<Frame>>,
    depth: usize,
    node: NodeId,
    /// Bits of the fields that are there, or how many items, as far as it matters.
    seen: u64,
}

/// What is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Now {
    /// A value.
    Value {
        node: NodeId,
        spaces: u8,
    },
    /// The rest of one of the values that are listed.
    Listed {
        node: NodeId,
        index: usize,
        done: usize,
    },
    Text {
        node: NodeId,
        character: Character,
        count: u32,
    },
    Number {
        whole: bool,
        part: Part,
        digits: u8,
    },
    /// Digits of a whole number that has bounds.
    Whole {
        node: NodeId,
        is_negative: bool,
        /// What the digits so far say; `None` before the first.
        said: Option<i64>,
    },
    /// After `{`, or after a comma in an object.
    Name {
        may_end: bool,
        spaces: u8,
    },
    /// Inside a name: fields that it may still be, and those that other names may not be.
    InName {
        fields: u64,
        done: usize,
        is_other: bool,
        character: Character,
    },
    Colon {
        node: NodeId,
        spaces: u8,
    },
    /// After `[`: an item or the end.
    Item {
        spaces: u8,
    },
    /// After a value.
    After {
        spaces: u8,
    },
}

/// Where in a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Part {
    Minus,
    Zero,
    Whole,
    Point,
    Fraction,
    E,
    Sign,
    Exponent,
}

impl Part {
    fn may_end(self) -> bool {
        matches!(self, Self::Zero | Self::Whole | Self::Fraction | Self::Exponent)
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

/// Spaces so far, with one more: a single space, or a line end and an indent. Models that may write more do so for ever.
fn with_space(spaces: u8, byte: u8) -> Option<u8> {
    match (spaces, byte) {
        (0, b' ') => Some(1),
        (0, b'\n') => Some(2),
        (2.., b' ' | b'\t') if spaces < 2 + INDENT_MAX => Some(spaces + 1),
        _ => None,
    }
}

impl Threads {
    /// Before the first byte.
    pub fn start(schema: &Schema) -> Self {
        Self(vec![Thread { inside: None, now: Now::Value { node: schema.root(), spaces: 0 } }])
    }

    /// After one more byte.
    pub fn step(&self, schema: &Schema, byte: u8) -> Self {
        let mut next = Vec::with_capacity(self.0.len());
        self.0.iter().for_each(|thread| thread.step(schema, byte, &mut next));
        if next.len() > 1 {
            let mut distinct: Vec<Thread> = Vec::with_capacity(next.len());
            for thread in next {
                if distinct.len() < THREADS_MAX && !distinct.contains(&thread) {
                    distinct.push(thread);
                }
            }
            next = distinct;
        }
        Self(next)
    }

    /// Whether no byte may follow, and the bytes so far are no beginning of anything.
    pub fn is_dead(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the bytes so far are a whole value.
    pub fn may_end(&self, schema: &Schema) -> bool {
        self.0.iter().any(|thread| thread.may_end(schema))
    }

    /// Whether the value is whole and only spaces could follow.
    pub fn is_over(&self) -> bool {
        let over = |thread: &Thread| thread.inside.is_none() && matches!(thread.now, Now::After { .. });
        !self.0.is_empty() && self.0.iter().all(over)
    }

    /// The characters that there is room for, if this is the inside of a string, or of a name that may be any, between two
    /// characters. All tokens that are no more characters than that may come there.
    pub fn room_in_text(&self, schema: &Schema) -> Option<u32> {
        let [thread] = self.0.as_slice() else { return None };
        match thread.now {
            Now::Text { node, character: Character::Between, count } => match schema.node(node) {
                Node::Text { most, .. } => Some(most.map_or(u32::MAX, |most| most - count)),
                _ => None,
            },
            Now::InName { fields: 0, is_other: true, character: Character::Between, .. } => Some(u32::MAX),
            _ => None,
        }
    }
}

impl Thread {
    fn to(&self, now: Now) -> Self {
        Self { inside: self.inside.clone(), now }
    }

    fn may_end(&self, schema: &Schema) -> bool {
        let is_whole = match self.now {
            Now::After { .. } => true,
            Now::Number { part, .. } => part.may_end(),
            Now::Whole { node, is_negative, said } => whole_may_end(schema, node, is_negative, said),
            Now::Listed { node, index, done } => {
                matches!(schema.node(node), Node::Values(values) if values[index].len() == done)
            }
            _ => false,
        };
        self.inside.is_none() && is_whole
    }

    fn step(&self, schema: &Schema, byte: u8, next: &mut Vec<Self>) {
        match self.now {
            Now::Value { node, spaces } => match is_space(byte) {
                true => self.space(spaces, byte, |spaces| Now::Value { node, spaces }, next),
                false => self.begin(schema, node, byte, next),
            },
            Now::Listed { node, index, done } => {
                let Node::Values(values) = schema.node(node) else { return };
                match values[index].get(done) {
                    Some(expected) if *expected == byte => {
                        next.push(self.to(Now::Listed { node, index, done: done + 1 }))
                    }
                    Some(_) => {}
                    None => self.after(schema, byte, 0, next),
                }
            }
            Now::Text { node, character, count } => self.text(schema, node, character, count, byte, next),
            Now::Number { whole, part, digits } => {
                if let Some((part, digits)) = number(whole, part, digits, byte) {
                    next.push(self.to(Now::Number { whole, part, digits }));
                } else if part.may_end() {
                    self.after(schema, byte, 0, next);
                }
            }
            Now::Whole { node, is_negative, said } => {
                if let Some(said) = whole(schema, node, is_negative, said, byte) {
                    next.push(self.to(Now::Whole { node, is_negative, said: Some(said) }));
                } else if whole_may_end(schema, node, is_negative, said) {
                    self.after(schema, byte, 0, next);
                }
            }
            Now::Name { may_end, spaces } => match byte {
                b'"' => self.name(schema, next),
                b'}' if may_end => self.close_object(schema, next),
                _ => self.space(spaces, byte, |spaces| Now::Name { may_end, spaces }, next),
            },
            Now::InName { fields, done, is_other, character } => {
                self.in_name(schema, (fields, done, is_other, character), byte, next);
            }
            Now::Colon { node, spaces } => match byte {
                b':' => next.push(self.to(Now::Value { node, spaces: 0 })),
                _ => self.space(spaces, byte, |spaces| Now::Colon { node, spaces }, next),
            },
            Now::Item { spaces } => match byte {
                b']' => self.close_array(schema, next),
                _ if is_space(byte) => self.space(spaces, byte, |spaces| Now::Item { spaces }, next),
                _ => {
                    if let Some(item) = self.item(schema) {
                        self.begin(schema, item, byte, next);
                    }
                }
            },
            Now::After { spaces } => self.after(schema, byte, spaces, next),
        }
    }

    /// A space where the same goes on.
    fn space(&self, spaces: u8, byte: u8, now: impl Fn(u8) -> Now, next: &mut Vec<Self>) {
        next.extend(with_space(spaces, byte).map(|spaces| self.to(now(spaces))));
    }

    /// The first byte of a value.
    fn begin(&self, schema: &Schema, node: NodeId, byte: u8, next: &mut Vec<Self>) {
        match schema.node(node) {
            Node::Any => {
                let literal = |text: &[u8]| text.first() == Some(&byte);
                match byte {
                    b'{' => self.begin(schema, ANY_OBJECT, byte, next),
                    b'[' => self.begin(schema, ANY_ARRAY, byte, next),
                    b'"' => self.begin(schema, ANY_TEXT, byte, next),
                    _ if literal(b"true") || literal(b"false") || literal(b"null") => {
                        self.begin(schema, super::schema::ANY_LITERAL, byte, next);
                    }
                    _ => self.begin(schema, ANY_NUMBER, byte, next),
                }
            }
            Node::Either(nodes) => nodes.iter().for_each(|node| self.begin(schema, *node, byte, next)),
            Node::Object(_) if byte == b'{' => {
                let now = Now::Name { may_end: true, spaces: 0 };
                next.extend(self.open(node).map(|inside| Self { inside: Some(inside), now }));
            }
            Node::Array(_) if byte == b'[' => {
                let now = Now::Item { spaces: 0 };
                next.extend(self.open(node).map(|inside| Self { inside: Some(inside), now }));
            }
            Node::Text { .. } if byte == b'"' => {
                next.push(self.to(Now::Text { node, character: Character::Between, count: 0 }));
            }
            Node::Number { whole } => {
                let part = match byte {
                    b'-' => Part::Minus,
                    b'0' => Part::Zero,
                    b'1'..=b'9' => Part::Whole,
                    _ => return,
                };
                next.push(self.to(Now::Number { whole: *whole, part, digits: 1 }));
            }
            Node::Between { least, .. } => match byte {
                b'-' if *least < 0 => next.push(self.to(Now::Whole { node, is_negative: true, said: None })),
                _ => {
                    let said = whole(schema, node, false, None, byte);
                    next.extend(said.map(|said| self.to(Now::Whole { node, is_negative: false, said: Some(said) })));
                }
            },
            Node::Values(values) => {
                let fits = values.iter().enumerate().filter(|(_, value)| value.first() == Some(&byte));
                next.extend(fits.map(|(index, _)| self.to(Now::Listed { node, index, done: 1 })));
            }
            Node::Object(_) | Node::Array(_) | Node::Text { .. } | Node::Pending => {}
        }
    }

    fn open(&self, node: NodeId) -> Option<Arc<Frame>> {
        let depth = self.inside.as_ref().map_or(0, |frame| frame.depth) + 1;
        (depth <= DEPTH_MAX).then(|| Arc::new(Frame { outer: self.inside.clone(), depth, node, seen: 0 }))
    }

    fn text(&self, schema: &Schema, node: NodeId, character: Character, count: u32, byte: u8, next: &mut Vec<Self>) {
        let Node::Text { least, most } = *schema.node(node) else { return };
        let full = most.is_some_and(|most| count >= most);
        match character.take(byte) {
            Taken::End if count >= least => next.push(self.to(Now::After { spaces: 0 })),
            Taken::End | Taken::Nothing => {}
            // One more has begun, which is one too many.
            Taken::Inside(..) if full => {}
            Taken::Inside(character, is_complete) => {
                // Where nothing depends on it, it is not counted: what may come next is the same. It never exceeds `most`.
                let counts = is_complete && (most.is_some() || count < least);
                next.push(self.to(Now::Text { node, character, count: count + u32::from(counts) }));
            }
        }
    }

    fn object<'a>(&self, schema: &'a Schema) -> Option<(&'a Object, u64)> {
        let frame = self.inside.as_ref()?;
        match schema.node(frame.node) {
            Node::Object(object) => Some((object, frame.seen)),
            _ => None,
        }
    }

    /// The quote before a field's name.
    fn name(&self, schema: &Schema, next: &mut Vec<Self>) {
        let Some((object, seen)) = self.object(schema) else { return };
        let all = (0..object.fields.len()).fold(0, |bits, index| bits | 1 << index);
        if all & !seen != 0 {
            let now = Now::InName { fields: all & !seen, done: 0, is_other: false, character: Character::Between };
            next.push(self.to(now));
        }
        if object.other.is_some() {
            next.push(self.to(Now::InName { fields: all, done: 0, is_other: true, character: Character::Between }));
        }
    }

    fn in_name(
        &self,
        schema: &Schema,
        (fields, done, is_other, character): (u64, usize, bool, Character),
        byte: u8,
        next: &mut Vec<Self>,
    ) {
        let Some((object, seen)) = self.object(schema) else { return };
        let of = |fields: u64| (0..object.fields.len()).filter(move |index| fields & (1 << index) != 0);
        let whole = of(fields).find(|index| object.fields[*index].0.len() == done);
        let fitting = of(fields)
            .filter(|index| object.fields[*index].0.get(done) == Some(&byte))
            .fold(0, |bits, index| bits | 1 << index);
        if !is_other {
            // A declared name, byte by byte; it may hold escapes, so that the quote is its end only where it is whole.
            match whole {
                Some(index) if byte == b'"' && fitting == 0 => {
                    let Some(frame) = &self.inside else { return };
                    let inside = Some(Arc::new(Frame { seen: seen | 1 << index, ..Frame::clone(frame) }));
                    next.push(Self { inside, now: Now::Colon { node: object.fields[index].1, spaces: 0 } });
                }
                _ if fitting != 0 => {
                    next.push(self.to(Now::InName { fields: fitting, done: done + 1, is_other, character }));
                }
                _ => {}
            }
            return;
        }
        match (character.take(byte), object.other) {
            (Taken::End, Some(node)) if whole.is_none() => next.push(self.to(Now::Colon { node, spaces: 0 })),
            // An escape could write a declared name in another way.
            (Taken::Inside(Character::Escape, _), _) if !object.fields.is_empty() => {}
            (Taken::Inside(character, _), _) => {
                // How long it is matters only while it may be a declared one.
                let done = if fitting == 0 { 0 } else { done + 1 };
                next.push(self.to(Now::InName { fields: fitting, done, is_other, character }));
            }
            _ => {}
        }
    }

    /// What the next item of the array may be.
    fn item(&self, schema: &Schema) -> Option<NodeId> {
        let frame = self.inside.as_ref()?;
        let Node::Array(array) = schema.node(frame.node) else { return None };
        let is_full = array.most.is_some_and(|most| frame.seen >= u64::from(most));
        let node = usize::try_from(frame.seen).ok().and_then(|seen| array.first.get(seen).copied()).or(array.rest);
        node.filter(|_| !is_full)
    }

    /// A byte after a whole value.
    fn after(&self, schema: &Schema, byte: u8, spaces: u8, next: &mut Vec<Self>) {
        if is_space(byte) {
            return self.space(spaces, byte, |spaces| Now::After { spaces }, next);
        }
        let Some(frame) = &self.inside else { return };
        match (schema.node(frame.node), byte) {
            (Node::Object(object), b',') => {
                let all = (0..object.fields.len()).fold(0, |bits, index| bits | 1 << index);
                // After a comma there has to be another.
                if all & !frame.seen != 0 || object.other.is_some() {
                    next.push(self.to(Now::Name { may_end: false, spaces: 0 }));
                }
            }
            (Node::Object(_), b'}') => self.close_object(schema, next),
            (Node::Array(array), b',' | b']') => {
                // How many there are matters up to the last bound.
                let bound = (array.first.len() as u64).max(array.least.into()).max(array.most.unwrap_or(0).into());
                let inside = Some(Arc::new(Frame { seen: (frame.seen + 1).min(bound + 1), ..Frame::clone(frame) }));
                let counted = Self { inside, now: self.now };
                match (byte, counted.item(schema)) {
                    (b',', Some(node)) => next.push(counted.to(Now::Value { node, spaces: 0 })),
                    (b']', _) => counted.close_array(schema, next),
                    _ => {}
                }
            }
            _ => {}
        }
    }

    fn close_object(&self, schema: &Schema, next: &mut Vec<Self>) {
        let Some((object, seen)) = self.object(schema) else { return };
        if object.required & !seen == 0 {
            self.close(next);
        }
    }

    fn close_array(&self, schema: &Schema, next: &mut Vec<Self>) {
        let Some(frame) = &self.inside else { return };
        let Node::Array(array) = schema.node(frame.node) else { return };
        if frame.seen >= u64::from(array.least) {
            self.close(next);
        }
    }

    fn close(&self, next: &mut Vec<Self>) {
        let outer = self.inside.as_ref().and_then(|frame| frame.outer.clone());
        next.push(Self { inside: outer, now: Now::After { spaces: 0 } });
    }
}

/// A whole number that has bounds, with one more digit: what it says then, if more digits can still bring it between them.
fn whole(schema: &Schema, node: NodeId, is_negative: bool, said: Option<i64>, byte: u8) -> Option<i64> {
    let Node::Between { least, most } = *schema.node(node) else { return None };
    let digit = i64::from(byte.checked_sub(b'0').filter(|digit| *digit <= 9)?);
    let said = match said {
        // Nothing follows a zero, and nothing begins with one.
        Some(0) => return None,
        said => said.unwrap_or(0).checked_mul(10)?.checked_add(digit)?,
    };
    // The numbers that begin so, by how many digits follow.
    let (mut from, mut to) = (said, said);
    loop {
        let (low, high) = if is_negative { (-to, -from) } else { (from, to) };
        if to > 10i64.pow(DIGITS_MAX.into()) - 1 {
            return None;
        }
        if low <= most && high >= least {
            return Some(said);
        }
        if said == 0 {
            return None;
        }
        (from, to) = (from * 10, to * 10 + 9);
    }
}

/// Whether a whole number may end there.
fn whole_may_end(schema: &Schema, node: NodeId, is_negative: bool, said: Option<i64>) -> bool {
    let Node::Between { least, most } = *schema.node(node) else { return false };
    said.is_some_and(|said| (least..=most).contains(&if is_negative { -said } else { said }))
}

/// A number's next byte.
fn number(whole: bool, part: Part, digits: u8, byte: u8) -> Option<(Part, u8)> {
    let more = |part, most| (digits < most).then_some((part, digits + 1));
    match (part, byte) {
        (Part::Minus, b'0') => Some((Part::Zero, 1)),
        (Part::Minus, b'1'..=b'9') => Some((Part::Whole, 1)),
        (Part::Whole, b'0'..=b'9') => more(Part::Whole, DIGITS_MAX),
        (Part::Zero | Part::Whole, b'.') if !whole => Some((Part::Point, 0)),
        (Part::Point, b'0'..=b'9') => Some((Part::Fraction, 1)),
        (Part::Fraction, b'0'..=b'9') => more(Part::Fraction, DIGITS_MAX),
        (Part::Zero | Part::Whole | Part::Fraction, b'e' | b'E') if !whole => Some((Part::E, 0)),
        (Part::E, b'+' | b'-') => Some((Part::Sign, 0)),
        (Part::E | Part::Sign, b'0'..=b'9') => Some((Part::Exponent, 1)),
        (Part::Exponent, b'0'..=b'9') => more(Part::Exponent, EXPONENT_DIGITS_MAX),
        _ => None,
    }
}

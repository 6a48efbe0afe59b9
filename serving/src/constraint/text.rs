//! The inside of a string: characters in UTF-8, and escapes.

/// How far the next character is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum Character {
    /// Between two.
    #[default]
    Between,
    /// Inside of one in UTF-8: bytes that follow, and what the next may be.
    Bytes { left: u8, from: u8, to: u8 },
    /// After a backslash.
    Escape,
    /// After `\u`: so many digits, and whether they began with `d`, after which 8 to f would be half of a pair.
    Digits { done: u8, after_d: bool },
}

/// What a byte is inside a string.
pub(super) enum Taken {
    /// The string goes on; whether a character became complete.
    Inside(Character, bool),
    /// The string ends.
    End,
    /// It may not stand here.
    Nothing,
}

const TAIL: (u8, u8) = (0x80, 0xbf);

impl Character {
    /// Takes a byte. Source of the ranges: The Unicode Standard, table 3-7.
    pub fn take(self, byte: u8) -> Taken {
        let bytes = |left, (from, to)| Taken::Inside(Self::Bytes { left, from, to }, false);
        match self {
            Self::Between => match byte {
                b'"' => Taken::End,
                b'\\' => Taken::Inside(Self::Escape, false),
                0x20..=0x7f => Taken::Inside(Self::Between, true),
                0xc2..=0xdf => bytes(1, TAIL),
                0xe0 => bytes(2, (0xa0, 0xbf)),
                0xe1..=0xec | 0xee | 0xef => bytes(2, TAIL),
                0xed => bytes(2, (0x80, 0x9f)),
                0xf0 => bytes(3, (0x90, 0xbf)),
                0xf1..=0xf3 => bytes(3, TAIL),
                0xf4 => bytes(3, (0x80, 0x8f)),
                _ => Taken::Nothing,
            },
            Self::Bytes { left, from, to } => match (byte >= from && byte <= to, left) {
                (false, _) => Taken::Nothing,
                (true, 1) => Taken::Inside(Self::Between, true),
                (true, _) => bytes(left - 1, TAIL),
            },
            Self::Escape => match byte {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Taken::Inside(Self::Between, true),
                b'u' => Taken::Inside(Self::Digits { done: 0, after_d: false }, false),
                _ => Taken::Nothing,
            },
            Self::Digits { done, after_d } => {
                // Characters beyond U+FFFF are written as they are: a pair of escapes would need its other half.
                let is_half = done == 1 && after_d && byte >= b'8';
                match (byte.is_ascii_hexdigit() && !is_half, done) {
                    (false, _) => Taken::Nothing,
                    (true, 3) => Taken::Inside(Self::Between, true),
                    (true, _) => {
                        let after_d = done == 0 && byte.eq_ignore_ascii_case(&b'd');
                        Taken::Inside(Self::Digits { done: done + 1, after_d }, false)
                    }
                }
            }
        }
    }
}

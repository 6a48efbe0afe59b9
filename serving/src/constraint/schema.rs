//! JSON Schema, as far as it is understood.

use serde_json::{Map, Value};
use std::collections::HashMap;

/// Why a schema is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path:?} of the schema {reason}")]
pub struct SchemaError {
    path: String,
    reason: String,
}

impl SchemaError {
    /// Where: the names from the outermost on, with dots between them; empty for the schema itself.
    pub fn path(&self) -> &str {
        &self.path
    }
}

/// Properties of one object: they are kept as bits.
const PROPERTIES_MAX: usize = 64;
/// Parts of a schema.
const NODES_MAX: usize = 4096;
/// Values of all enumerations together.
const VALUES_MAX: usize = 1000;
/// Schemas inside schemas.
const DEPTH_MAX: usize = 64;

/// What says nothing about which values there are.
const ANNOTATIONS: &[&str] = &[
    "title",
    "description",
    "default",
    "examples",
    "$schema",
    "$id",
    "$comment",
    "$defs",
    "definitions",
    "deprecated",
];

pub(super) type NodeId = usize;

/// What a value may be.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    /// Any JSON.
    Any,
    Object(Object),
    Array(Array),
    /// Characters of a string, from and to.
    Text {
        least: u32,
        most: Option<u32>,
    },
    Number {
        whole: bool,
    },
    /// A whole number between two, both included.
    Between {
        least: i64,
        most: i64,
    },
    /// One of these, as written.
    Values(Vec<Box<[u8]>>),
    Either(Vec<NodeId>),
    /// Not compiled yet.
    Pending,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Object {
    /// Names as they are written inside the quotes.
    pub fields: Vec<(Box<[u8]>, NodeId)>,
    /// Bits of the fields that have to be there.
    pub required: u64,
    /// What other fields may be; `None`: there are no others.
    pub other: Option<NodeId>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Array {
    /// What the first items are.
    pub first: Vec<NodeId>,
    /// What the rest are; `None`: there are no more.
    pub rest: Option<NodeId>,
    pub least: u32,
    pub most: Option<u32>,
}

/// A compiled schema.
#[derive(Clone, Debug, PartialEq)]
pub struct Schema {
    nodes: Vec<Node>,
    root: NodeId,
}

/// Always there: any JSON, and any object.
pub(super) const ANY: NodeId = 0;
pub(super) const ANY_OBJECT: NodeId = 1;
pub(super) const ANY_ARRAY: NodeId = 2;
pub(super) const ANY_TEXT: NodeId = 3;
pub(super) const ANY_NUMBER: NodeId = 4;
pub(super) const ANY_LITERAL: NodeId = 5;

impl Schema {
    /// Compiles a schema.
    ///
    /// Understood: `type`, `properties`, `required`, `additionalProperties`, `items`, `prefixItems`, `minItems`, `maxItems`,
    /// `minLength`, `maxLength`, of integers `minimum`, `maximum`, `exclusiveMinimum`, `exclusiveMaximum`, `enum`, `const`, `anyOf`,
    /// `$ref` to places in the schema itself, and what only describes.
    /// Errors: every other keyword; a schema that is too large or that nothing satisfies.
    pub fn new(schema: &Value) -> Result<Self, SchemaError> {
        let mut compiler = Compiler { document: schema, nodes: basic(), references: HashMap::new(), values: 0 };
        let root = compiler.node(schema, "", 0)?;
        compiler.check_references(root)?;
        Ok(Self { nodes: compiler.nodes, root })
    }

    /// Any object.
    pub fn any_object() -> Self {
        Self { nodes: basic(), root: ANY_OBJECT }
    }

    pub(super) fn root(&self) -> NodeId {
        self.root
    }

    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id]
    }
}

fn basic() -> Vec<Node> {
    vec![
        Node::Any,
        Node::Object(Object { fields: Vec::new(), required: 0, other: Some(ANY) }),
        Node::Array(Array { first: Vec::new(), rest: Some(ANY), least: 0, most: None }),
        Node::Text { least: 0, most: None },
        Node::Number { whole: false },
        Node::Values([&b"true"[..], b"false", b"null"].into_iter().map(Box::from).collect()),
    ]
}

struct Compiler<'a> {
    document: &'a Value,
    nodes: Vec<Node>,
    /// Places that were referred to.
    references: HashMap<String, NodeId>,
    values: usize,
}

fn refused(path: &str, reason: impl Into<String>) -> SchemaError {
    SchemaError { path: path.to_owned(), reason: reason.into() }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

impl Compiler<'_> {
    fn add(&mut self, node: Node, path: &str) -> Result<NodeId, SchemaError> {
        if self.nodes.len() >= NODES_MAX {
            return Err(refused(path, format!("is too large; {NODES_MAX} parts are accepted")));
        }
        self.nodes.push(node);
        Ok(self.nodes.len() - 1)
    }

    fn node(&mut self, schema: &Value, path: &str, depth: usize) -> Result<NodeId, SchemaError> {
        if depth > DEPTH_MAX {
            return Err(refused(path, format!("lies deeper than the {DEPTH_MAX} levels that are accepted")));
        }
        let map = match schema {
            Value::Bool(true) => return Ok(ANY),
            Value::Bool(false) => return Err(refused(path, "is false, which nothing satisfies")),
            Value::Object(map) => map,
            _ => return Err(refused(path, "is no schema; an object is accepted")),
        };
        let has = |name: &str| map.contains_key(name);
        if has("$ref") {
            only(map, path, &["$ref"])?;
            return self.reference(&map["$ref"], path, depth);
        }
        if has("anyOf") {
            only(map, path, &["anyOf"])?;
            return self.either(&map["anyOf"], &join(path, "anyOf"), depth);
        }
        if has("enum") || has("const") {
            only(map, path, &["enum", "const", "type"])?;
            return self.values(map, path);
        }
        match map.get("type") {
            None if has("properties") || has("required") || has("additionalProperties") => {
                self.object(map, path, depth)
            }
            None if has("items") || has("prefixItems") => self.array(map, path, depth),
            None => {
                only(map, path, &[])?;
                Ok(ANY)
            }
            Some(Value::String(name)) => self.typed(name, map, path, depth),
            Some(Value::Array(names)) if !names.is_empty() => {
                let mut nodes = Vec::new();
                for name in names {
                    let Value::String(name) = name else { return Err(wrong_type(path)) };
                    nodes.push(self.typed(name, &relevant(name, map), path, depth)?);
                }
                only(map, path, &[OBJECT, ARRAY, TEXT, INTEGER].concat())?;
                self.add(Node::Either(nodes), path)
            }
            Some(_) => Err(wrong_type(path)),
        }
    }

    fn typed(&mut self, name: &str, map: &Map<String, Value>, path: &str, depth: usize) -> Result<NodeId, SchemaError> {
        let literals = |values: &[&str]| Node::Values(values.iter().map(|value| value.as_bytes().into()).collect());
        match name {
            "object" => return self.object(map, path, depth),
            "array" => return self.array(map, path, depth),
            "string" => {
                only(map, path, TEXT)?;
                let (least, most) = bounds(map, path, "minLength", "maxLength")?;
                return self.add(Node::Text { least, most }, path);
            }
            "integer" => {
                only(map, path, INTEGER)?;
                let node = match whole_bounds(map, path)? {
                    None => Node::Number { whole: true },
                    Some((least, most)) => Node::Between { least, most },
                };
                return self.add(node, path);
            }
            _ => only(map, path, &["type"])?,
        }
        match name {
            "number" => Ok(ANY_NUMBER),
            "boolean" => self.add(literals(&["true", "false"]), path),
            "null" => self.add(literals(&["null"]), path),
            _ => Err(wrong_type(path)),
        }
    }

    fn object(&mut self, map: &Map<String, Value>, path: &str, depth: usize) -> Result<NodeId, SchemaError> {
        only(map, path, OBJECT)?;
        let none = Map::new();
        let properties = match map.get("properties") {
            None => &none,
            Some(Value::Object(properties)) => properties,
            Some(_) => return Err(refused(&join(path, "properties"), "is no object")),
        };
        if properties.len() > PROPERTIES_MAX {
            return Err(refused(&join(path, "properties"), format!("has more than {PROPERTIES_MAX}")));
        }
        let mut fields = Vec::new();
        for (name, schema) in properties {
            let inner = join(&join(path, "properties"), name);
            fields.push((written(name), self.node(schema, &inner, depth + 1)?));
        }
        let other = match map.get("additionalProperties") {
            None => Some(ANY),
            Some(Value::Bool(false)) => None,
            Some(schema) => Some(self.node(schema, &join(path, "additionalProperties"), depth + 1)?),
        };
        let mut required = 0;
        let names = match map.get("required") {
            None => &Vec::new(),
            Some(Value::Array(names)) => names,
            Some(_) => return Err(refused(&join(path, "required"), "is no array of names")),
        };
        for name in names {
            let at = join(path, "required");
            let Value::String(name) = name else { return Err(refused(&at, "is no array of names")) };
            let Some(index) = fields.iter().position(|(field, _)| *field == written(name)) else {
                return Err(refused(&at, format!("names {name:?}, which is none of the properties")));
            };
            required |= 1 << index;
        }
        self.add(Node::Object(Object { fields, required, other }), path)
    }

    fn array(&mut self, map: &Map<String, Value>, path: &str, depth: usize) -> Result<NodeId, SchemaError> {
        only(map, path, ARRAY)?;
        let mut first = Vec::new();
        let at = join(path, "prefixItems");
        match map.get("prefixItems") {
            None => {}
            Some(Value::Array(schemas)) => {
                for (index, schema) in schemas.iter().enumerate() {
                    first.push(self.node(schema, &join(&at, &index.to_string()), depth + 1)?);
                }
            }
            Some(_) => return Err(refused(&at, "is no array of schemas")),
        }
        let rest = match map.get("items") {
            None => Some(ANY),
            Some(Value::Bool(false)) => None,
            Some(schema) => Some(self.node(schema, &join(path, "items"), depth + 1)?),
        };
        let (least, most) = bounds(map, path, "minItems", "maxItems")?;
        if rest.is_none() && least as usize > first.len() {
            return Err(refused(&join(path, "minItems"), "is more than there can be"));
        }
        self.add(Node::Array(Array { first, rest, least, most }), path)
    }

    fn either(&mut self, schemas: &Value, path: &str, depth: usize) -> Result<NodeId, SchemaError> {
        let Some(schemas) = schemas.as_array().filter(|schemas| !schemas.is_empty()) else {
            return Err(refused(path, "is no array of schemas"));
        };
        let mut nodes = Vec::new();
        for (index, schema) in schemas.iter().enumerate() {
            nodes.push(self.node(schema, &join(path, &index.to_string()), depth + 1)?);
        }
        self.add(Node::Either(nodes), path)
    }

    fn values(&mut self, map: &Map<String, Value>, path: &str) -> Result<NodeId, SchemaError> {
        let one = map.get("const").map(std::slice::from_ref);
        let some = match map.get("enum") {
            None => None,
            Some(Value::Array(values)) if !values.is_empty() => Some(values.as_slice()),
            Some(_) => return Err(refused(&join(path, "enum"), "is no array of values")),
        };
        let values: Vec<&Value> = match (one, some) {
            (Some(one), Some(some)) => one.iter().filter(|value| some.contains(value)).collect(),
            (one, some) => one.or(some).unwrap_or_default().iter().collect(),
        };
        let types: Option<Vec<&str>> = match map.get("type") {
            None => None,
            Some(Value::String(name)) => Some(vec![name]),
            Some(Value::Array(names)) => Some(names.iter().filter_map(Value::as_str).collect()),
            Some(_) => return Err(wrong_type(path)),
        };
        let fits = |value: &&&Value| types.as_ref().is_none_or(|types| types.iter().any(|name| is_of(value, name)));
        let values: Vec<Box<[u8]>> =
            values.iter().filter(fits).map(|value| value.to_string().into_bytes().into()).collect();
        if values.is_empty() {
            return Err(refused(path, "is satisfied by nothing"));
        }
        self.values += values.len();
        if self.values > VALUES_MAX {
            return Err(refused(path, format!("brings the values of all enumerations above {VALUES_MAX}")));
        }
        self.add(Node::Values(values), path)
    }

    /// A place in the document, as a JSON pointer after `#`.
    fn reference(&mut self, place: &Value, path: &str, depth: usize) -> Result<NodeId, SchemaError> {
        let at = join(path, "$ref");
        let outside = || refused(&at, "is no place in this schema; \"#\" and \"#/...\" are accepted");
        let place = place.as_str().ok_or_else(outside)?;
        if let Some(node) = self.references.get(place) {
            return Ok(*node);
        }
        let document = self.document;
        let pointer = place.strip_prefix('#').ok_or_else(outside)?;
        let schema = document.pointer(pointer).ok_or_else(outside)?;
        // The place may refer to itself further down.
        let node = self.add(Node::Pending, &at)?;
        self.references.insert(place.to_owned(), node);
        let found = self.node(schema, place.trim_start_matches(['#', '/']), depth + 1);
        let found = found.map_err(|error| if error.path.is_empty() { refused(&at, error.reason) } else { error })?;
        self.nodes[node] = Node::Either(vec![found]);
        Ok(node)
    }

    /// A place that is nothing but itself is satisfied by nothing.
    fn check_references(&self, root: NodeId) -> Result<(), SchemaError> {
        for start in self.references.values().chain([&root]) {
            let mut seen = vec![false; self.nodes.len()];
            let mut open = vec![(*start, false)];
            let mut on_path = vec![false; self.nodes.len()];
            while let Some((node, done)) = open.pop() {
                if done {
                    on_path[node] = false;
                    continue;
                }
                if on_path[node] {
                    return Err(refused("$ref", "leads back to itself"));
                }
                if std::mem::replace(&mut seen[node], true) {
                    continue;
                }
                on_path[node] = true;
                open.push((node, true));
                if let Node::Either(nodes) = &self.nodes[node] {
                    open.extend(nodes.iter().map(|node| (*node, false)));
                }
            }
        }
        Ok(())
    }
}

const OBJECT: &[&str] = &["type", "properties", "required", "additionalProperties"];
const ARRAY: &[&str] = &["type", "items", "prefixItems", "minItems", "maxItems"];
const TEXT: &[&str] = &["type", "minLength", "maxLength"];
const INTEGER: &[&str] = &["type", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"];

/// The keywords that are about one of several types.
fn relevant(name: &str, map: &Map<String, Value>) -> Map<String, Value> {
    let keywords = match name {
        "object" => OBJECT,
        "array" => ARRAY,
        "string" => TEXT,
        "integer" => INTEGER,
        _ => &[],
    };
    map.iter().filter(|(name, _)| keywords.contains(&name.as_str())).map(|(a, b)| (a.clone(), b.clone())).collect()
}

/// Refuses all keywords but these and those that only describe.
fn only(map: &Map<String, Value>, path: &str, keywords: &[&str]) -> Result<(), SchemaError> {
    let known = |name: &&String| keywords.contains(&name.as_str()) || ANNOTATIONS.contains(&name.as_str());
    match map.keys().find(|name| !known(name)) {
        None => Ok(()),
        Some(name) => {
            Err(refused(&join(path, name), "is not supported here, or not together with what stands beside it"))
        }
    }
}

fn wrong_type(path: &str) -> SchemaError {
    let accepted = "is none of object, array, string, number, integer, boolean and null, nor a list of them";
    refused(&join(path, "type"), accepted)
}

fn is_of(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        _ => false,
    }
}

fn bounds(map: &Map<String, Value>, path: &str, least: &str, most: &str) -> Result<(u32, Option<u32>), SchemaError> {
    let read = |name: &str| match map.get(name) {
        None => Ok(None),
        Some(value) => match value.as_u64().and_then(|value| u32::try_from(value).ok()) {
            Some(value) => Ok(Some(value)),
            None => Err(refused(&join(path, name), "is no whole number from 0 on")),
        },
    };
    let (from, to) = (read(least)?.unwrap_or(0), read(most)?);
    if to.is_some_and(|to| to < from) {
        return Err(refused(&join(path, most), format!("is less than {least}")));
    }
    Ok((from, to))
}

/// The least and the largest whole number of as many digits as are written.
const WHOLE_MAX: i64 = 999_999_999_999_999;

/// Between which whole numbers, both included, if anything is said of it. What lies between two of them is rounded inwards.
fn whole_bounds(map: &Map<String, Value>, path: &str) -> Result<Option<(i64, i64)>, SchemaError> {
    let read = |name: &str| match map.get(name) {
        None => Ok(None),
        Some(value) => {
            let number = value.as_f64().filter(|number| number.abs() <= WHOLE_MAX as f64);
            let wrong = || refused(&join(path, name), format!("is no number from -{WHOLE_MAX} to {WHOLE_MAX}"));
            number.map(Some).ok_or_else(wrong)
        }
    };
    // All of these are exact: a double holds every whole number up to 2^53.
    let up = |number: f64| number.ceil() as i64;
    let down = |number: f64| number.floor() as i64;
    let least = [read("minimum")?.map(up), read("exclusiveMinimum")?.map(|number| down(number) + 1)];
    let most = [read("maximum")?.map(down), read("exclusiveMaximum")?.map(|number| up(number) - 1)];
    let (least, most) = (least.into_iter().flatten().max(), most.into_iter().flatten().min());
    if least.is_none() && most.is_none() {
        return Ok(None);
    }
    let (least, most) = (least.unwrap_or(-WHOLE_MAX), most.unwrap_or(WHOLE_MAX));
    match least <= most {
        true => Ok(Some((least, most))),
        false => Err(refused(path, "has bounds between which no whole number lies")),
    }
}

/// A name as JSON has it between the quotes.
fn written(name: &str) -> Box<[u8]> {
    let quoted = Value::from(name).to_string();
    quoted.as_bytes()[1..quoted.len() - 1].into()
}

//! `openapi.json` and the code describe the same paths, and the description holds together.
#![allow(clippy::unwrap_used, missing_docs)]

use serde_json::Value;
use std::collections::BTreeSet;

fn description() -> Value {
    serde_json::from_str(tributary_studio::OPENAPI).unwrap()
}

#[test]
fn every_path_is_described_and_every_described_path_is_there() {
    let description = description();
    let described: BTreeSet<&str> = description["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    let there: BTreeSet<&str> = tributary_studio::paths().into_iter().collect();
    assert_eq!(described, there);
}

#[test]
fn every_reference_leads_somewhere_and_every_operation_has_a_name_of_its_own() {
    let description = description();
    let schemas = description["components"]["schemas"].as_object().unwrap();
    let mut names = BTreeSet::new();
    let mut used = BTreeSet::new();
    walk(&description, &mut |key, value| {
        if key == "$ref" {
            let name = value.as_str().unwrap().strip_prefix("#/components/schemas/").unwrap().to_owned();
            assert!(schemas.contains_key(&name), "{name}");
            used.insert(name);
        }
        if key == "operationId" {
            assert!(names.insert(value.as_str().unwrap().to_owned()), "{value} twice");
        }
    });
    let unused: Vec<_> = schemas.keys().filter(|name| !used.contains(*name)).collect();
    assert!(unused.is_empty(), "nothing uses {unused:?}");
}

fn walk(value: &Value, each: &mut dyn FnMut(&str, &Value)) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                each(key, value);
                walk(value, each);
            }
        }
        Value::Array(all) => all.iter().for_each(|value| walk(value, each)),
        _ => {}
    }
}

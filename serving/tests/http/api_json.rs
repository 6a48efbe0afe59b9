//! Answers that are JSON, whatever the model says.

use crate::harness::start;
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";

fn ask(changes: Value) -> Value {
    // Without spaces between, which the model would like more than anything else.
    let spaces = json!({ "9": -100, "10": -100, "13": -100, "32": -100 });
    let mut body = json!({
        "model": "base", "messages": [{ "role": "user", "content": "who?" }], "logit_bias": spaces, "max_tokens": 200,
    });
    body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    body
}

fn person() -> Value {
    json!({ "type": "json_schema", "json_schema": { "name": "person", "strict": true, "schema": {
        "type": "object",
        "properties": {
            "name": { "type": "string", "maxLength": 8 },
            "age": { "type": "integer" },
            "moods": { "type": "array", "items": { "enum": ["good", "bad"] }, "minItems": 1, "maxItems": 3 },
            "alive": { "type": ["boolean", "null"] },
        },
        "required": ["name", "age", "moods", "alive"],
        "additionalProperties": false,
    } } })
}

/// Checks a person by hand.
fn check(text: &str) {
    let person: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    let fields = person.as_object().unwrap();
    assert_eq!(fields.keys().collect::<Vec<_>>(), ["age", "alive", "moods", "name"], "{text}");
    assert!(person["name"].as_str().unwrap().chars().count() <= 8, "{text}");
    assert!(person["age"].is_i64() && (person["alive"].is_boolean() || person["alive"].is_null()), "{text}");
    let moods = person["moods"].as_array().unwrap();
    assert!((1..=3).contains(&moods.len()) && moods.iter().all(|mood| mood == "good" || mood == "bad"), "{text}");
}

#[tokio::test]
async fn answers_of_a_schema_are_of_the_schema() {
    let server = start().await;
    let mut texts = Vec::new();
    for (number, temperature) in [0.0, 0.7, 1.0, 2.0].into_iter().enumerate() {
        let got = server
            .post(
                CHAT,
                &ask(json!({ "response_format": person(), "temperature": temperature, "seed": number, "n": 8 })),
            )
            .await;
        assert_eq!(got.status, 200, "{}", got.body);
        for choice in got.json()["choices"].as_array().unwrap() {
            assert_eq!(choice["finish_reason"], "stop", "{choice}");
            texts.push(choice["message"]["content"].as_str().unwrap().to_owned());
        }
    }
    texts.iter().for_each(|text| check(text));
    texts.sort();
    texts.dedup();
    assert!(texts.len() > 16, "they are all the same");
    // A stream has the same, and other settings do not get in the way.
    let changes = json!({
        "response_format": person(), "stream": true, "top_k": 3, "repetition_penalty": 1.3, "temperature": 1, "top_p": 0.9,
    });
    let events = server.post(CHAT, &ask(changes)).await.events();
    let text: String = events.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect();
    check(&text);
}

#[tokio::test]
async fn any_object_is_an_object() {
    let server = start().await;
    let format = json!({ "type": "json_object" });
    let mut complete = 0;
    for seed in 0..24 {
        // The model talks for ever; the quote and the brackets that close are made likelier.
        let bias = json!({ "34": 8, "125": 8, "93": 8, "9": -100, "10": -100, "13": -100, "32": -100 });
        let body = ask(json!({ "response_format": format, "seed": seed, "logit_bias": bias }));
        let choice = server.post(CHAT, &body).await.json()["choices"][0].clone();
        let text = choice["message"]["content"].as_str().unwrap();
        match choice["finish_reason"].as_str().unwrap() {
            "stop" => {
                complete += 1;
                assert!(serde_json::from_str::<Value>(text).unwrap().is_object(), "{text}");
            }
            _ => assert!(text.starts_with('{'), "{text}"),
        }
    }
    assert!(complete > 12, "{complete} answers were complete");
}

#[tokio::test]
async fn schemas_that_are_not_understood_are_refused_by_the_place() {
    let server = start().await;
    let format = |schema: Value| json!({ "response_format": { "type": "json_schema", "json_schema": schema } });
    for (changes, code, param) in [
        (
            format(
                json!({ "name": "a", "schema": { "type": "object", "properties": { "b": { "type": "string", "pattern": "x" } } } }),
            ),
            "unsupported_schema",
            "response_format.json_schema.schema.properties.b.pattern",
        ),
        (format(json!({ "name": "a", "schema": false })), "unsupported_schema", "response_format.json_schema.schema"),
        (format(json!({ "name": "a b", "schema": {} })), "invalid_value", "response_format.json_schema.name"),
        (format(json!({ "name": "a" })), "missing_required_parameter", "response_format.json_schema.schema"),
        (format(json!({ "name": "a", "schema": {}, "x": 1 })), "unknown_parameter", "response_format.json_schema.x"),
        (
            json!({ "response_format": { "type": "json_object", "schema": {} } }),
            "unknown_parameter",
            "response_format.schema",
        ),
    ] {
        let got = server.post(CHAT, &ask(changes.clone())).await;
        let error = got.json()["error"].clone();
        assert_eq!((got.status, &error["code"], &error["param"]), (400, &json!(code), &json!(param)), "{changes}");
    }
}

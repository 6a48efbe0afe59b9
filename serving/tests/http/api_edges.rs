//! What the API refuses, and how it begins and ends.

use crate::common::{small, until};
use crate::harness::{Running, letters, request, start, start_with, start_with_pages};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tributary_serving::api::ApiLimits;
use tributary_serving::{Catalogue as _, EngineConfig};

const CHAT: &str = "/v1/chat/completions";
const TEXT: &str = "/v1/completions";

fn chat(changes: Value) -> Value {
    let mut body = json!({ "model": "base", "messages": [{ "role": "user", "content": "why?" }], "max_tokens": 200 });
    body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    body
}

/// Checks the shape of an error, and returns code and field.
fn error(got: &crate::harness::Got) -> (u16, String, Value) {
    let error = got.json()["error"].clone();
    assert_eq!(got.header("content-type"), Some("application/json"), "{got:?}");
    assert!(!error["message"].as_str().unwrap().is_empty() && error["type"].is_string(), "{error}");
    (got.status, error["code"].as_str().unwrap().to_owned(), error["param"].clone())
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_told_by_its_field() {
    let server = start().await;
    let user = |content: Value| json!([{ "role": "user", "content": content }]);
    for (changes, code, param) in [
        (json!({ "temprature": 1 }), "unknown_parameter", "temprature"),
        (json!({ "tools": [] }), "unsupported_parameter", "tools"),
        (json!({ "audio": {} }), "unsupported_parameter", "audio"),
        (json!({ "store": true }), "unsupported_parameter", "store"),
        (json!({ "modalities": ["audio"] }), "unsupported_parameter", "modalities"),
        (json!({ "response_format": { "type": "xml" } }), "invalid_value", "response_format.type"),
        (json!({ "model": null }), "missing_required_parameter", "model"),
        (json!({ "model": 7 }), "invalid_type", "model"),
        (json!({ "messages": null }), "missing_required_parameter", "messages"),
        (json!({ "messages": [] }), "invalid_value", "messages"),
        (json!({ "messages": "hi" }), "invalid_type", "messages"),
        (json!({ "messages": [{ "role": "user" }] }), "missing_required_parameter", "messages[0].content"),
        (json!({ "messages": [{ "role": "cat", "content": "x" }] }), "invalid_value", "messages[0].role"),
        (
            json!({ "messages": [{ "role": "user", "content": "x", "name": "y" }] }),
            "unsupported_parameter",
            "messages[0].name",
        ),
        (
            json!({ "messages": user(json!([{ "type": "image_url" }])) }),
            "unsupported_parameter",
            "messages[0].content[0].type",
        ),
        (
            json!({ "messages": user(json!([{ "type": "text" }])) }),
            "missing_required_parameter",
            "messages[0].content[0].text",
        ),
        (json!({ "messages": user(json!(" ")) }), "invalid_value", "messages"),
        (json!({ "messages": [{ "role": "assistant", "content": "x" }] }), "invalid_value", "messages"),
        (json!({ "messages": user(json!("a".repeat(300))) }), "context_length_exceeded", "messages"),
        (json!({ "max_tokens": 0 }), "invalid_value", "max_tokens"),
        (json!({ "max_tokens": 5, "max_completion_tokens": 6 }), "invalid_value", "max_completion_tokens"),
        (json!({ "max_tokens": 256 }), "context_length_exceeded", "messages"),
        (json!({ "n": 0 }), "invalid_value", "n"),
        (json!({ "n": 17 }), "invalid_value", "n"),
        (json!({ "n": 1.5 }), "invalid_type", "n"),
        (json!({ "temperature": 2.1 }), "invalid_value", "temperature"),
        (json!({ "top_p": -0.1 }), "invalid_value", "top_p"),
        (json!({ "top_k": 0 }), "invalid_value", "top_k"),
        (json!({ "min_p": 2 }), "invalid_value", "min_p"),
        (json!({ "presence_penalty": 3 }), "invalid_value", "presence_penalty"),
        (json!({ "repetition_penalty": 0 }), "invalid_value", "repetition_penalty"),
        (json!({ "seed": 1.5 }), "invalid_type", "seed"),
        (json!({ "stop": [1] }), "invalid_type", "stop[0]"),
        (json!({ "stop": ["a", "b", "c", "d", "e"] }), "invalid_value", "stop"),
        (json!({ "stop": "" }), "invalid_value", "stop"),
        (json!({ "logit_bias": { "x": 1 } }), "invalid_value", "logit_bias"),
        (json!({ "logit_bias": { "300": 1 } }), "invalid_value", "logit_bias"),
        (json!({ "logit_bias": { "3": 101 } }), "invalid_value", "logit_bias.3"),
        (json!({ "top_logprobs": 2 }), "invalid_value", "top_logprobs"),
        (json!({ "logprobs": true, "top_logprobs": 21 }), "invalid_value", "top_logprobs"),
        (json!({ "stream": "yes" }), "invalid_type", "stream"),
        (json!({ "stream_options": {} }), "invalid_value", "stream_options"),
        (json!({ "stream": true, "stream_options": { "x": 1 } }), "unknown_parameter", "stream_options.x"),
        (json!({ "metadata": { "a": 1 } }), "invalid_type", "metadata.a"),
        (json!({ "user": "u".repeat(600) }), "invalid_value", "user"),
    ] {
        let (status, found, field) = error(&server.post(CHAT, &chat(changes.clone())).await);
        assert_eq!((status, found.as_str(), field.as_str()), (400, code, Some(param)), "{changes}");
    }
    for (changes, code, param) in [
        (json!({ "suffix": "x" }), "unsupported_parameter", "suffix"),
        (json!({ "best_of": 2 }), "unsupported_parameter", "best_of"),
        (json!({ "prompt": [] }), "invalid_value", "prompt"),
        (json!({ "prompt": [[]] }), "invalid_value", "prompt"),
        (json!({ "prompt": [1, "a"] }), "invalid_type", "prompt[1]"),
        (json!({ "prompt": [999] }), "invalid_value", "prompt"),
        (json!({ "prompt": [-1] }), "invalid_value", "prompt[0]"),
        (json!({ "prompt": {} }), "invalid_type", "prompt"),
        (json!({ "echo": true, "logprobs": 1 }), "unsupported_parameter", "echo"),
        (json!({ "logprobs": true }), "invalid_type", "logprobs"),
    ] {
        let mut body = json!({ "model": "base", "prompt": "once" });
        body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let (status, found, field) = error(&server.post(TEXT, &body).await);
        assert_eq!((status, found.as_str(), field.as_str()), (400, code, Some(param)), "{changes}");
    }
    let (admitted, settled, dropped) = server.till.counts();
    // A token that is none is the engine's to refuse, after the till.
    assert_eq!((admitted, settled, dropped), (1, 0, 1));
    assert_eq!(error(&server.post(CHAT, &chat(json!({ "model": "bases" }))).await).1, "model_not_found");
}

#[tokio::test]
async fn what_is_no_request_is_told_in_the_same_shape() {
    let server = start_with(ApiLimits { body_bytes_max: 2000, ..Default::default() }, small()).await;
    for (body, words) in [
        ("{\n\"model\": }", "line 2 column 10"),
        ("", "EOF"),
        ("[]", "an object"),
        (r#"{"model": "base", "model": "base"}"#, "twice"),
        (r#"{"model": "base", "prompt": "x", "temperature": NaN}"#, "column"),
        ("{\"model\": \"\u{0}\"}", "control character"),
    ] {
        let got = server.post_bytes(TEXT, body.as_bytes()).await;
        assert_eq!((error(&got).0, error(&got).1.as_str()), (400, "invalid_json"), "{body}");
        assert!(got.json()["error"]["message"].as_str().unwrap().contains(words), "{body}: {}", got.body);
    }
    assert_eq!(error(&server.post_bytes(TEXT, b"\"\xff\"").await).1, "invalid_json");
    let huge = format!("{{\"model\": \"{}\"}}", "a".repeat(2000));
    assert_eq!(error(&server.post_bytes(TEXT, huge.as_bytes()).await).0, 413);
    // The same without a length.
    let chunked = format!("{:x}\r\n{huge}\r\n0\r\n\r\n", huge.len());
    let headers = [("content-type", "application/json"), ("transfer-encoding", "chunked")];
    let mut stream = server.connect().await;
    stream.write_all(&request("POST", TEXT, &headers, b"")).await.unwrap();
    stream.write_all(chunked.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert_eq!(error(&server.send("POST", TEXT, &[("content-type", "text/plain")], b"{}").await).0, 415);
    assert_eq!(error(&server.send("POST", TEXT, &[], b"{}").await).0, 415);
    assert_eq!(error(&server.get("/v2/models").await), (404, "unknown_url".into(), Value::Null));
    let got = server.get(CHAT).await;
    assert_eq!(error(&got), (405, "method_not_allowed".into(), Value::Null));
    assert_eq!(got.header("allow"), Some("POST"));
    assert_eq!(error(&server.send("DELETE", "/v1/models", &[], b"").await).0, 405);
    assert_eq!(server.till.counts(), (0, 0, 0));
}

/// Reads until so many bytes of an answer have come.
async fn begun(server: &Running, body: &Value, bytes: usize) -> tokio::net::TcpStream {
    let mut stream = server.connect().await;
    let headers = [("content-type", "application/json")];
    stream.write_all(&request("POST", CHAT, &headers, body.to_string().as_bytes())).await.unwrap();
    stream.read_exact(&mut vec![0; bytes]).await.unwrap();
    stream
}

#[tokio::test]
async fn more_than_fits_is_told_to_come_back() {
    let limits = ApiLimits { requests_per_client_max: 1, ..Default::default() };
    let server = start_with(limits, small()).await;
    let long = chat(json!({ "stream": true, "n": 4, "logit_bias": letters() }));
    let stream = begun(&server, &long, 100).await;
    let got = server.post(CHAT, &chat(json!({}))).await;
    assert_eq!((error(&got).0, error(&got).1.as_str()), (429, "too_many_concurrent_requests"));
    assert_eq!(got.header("retry-after"), Some("1"));
    // Others are served.
    let headers = [("content-type", "application/json"), ("authorization", "Bearer other")];
    let body = chat(json!({ "max_tokens": 1 })).to_string();
    assert_eq!(server.send("POST", CHAT, &headers, body.as_bytes()).await.status, 200);
    drop(stream);
    // The engine's queue.
    let server = start_with(ApiLimits::default(), EngineConfig { waiting_max: 2, ..small() }).await;
    let got = server.post(CHAT, &chat(json!({ "n": 3 }))).await;
    assert_eq!((error(&got).0, error(&got).1.as_str()), (429, "queue_full"));
    assert!(got.header("retry-after").is_some());
    assert_eq!(server.till.counts(), (1, 0, 1));
}

#[tokio::test]
async fn the_end_lets_answers_end_and_takes_no_new_ones() {
    let server = start().await;
    // A request of which a part has arrived before the end.
    let mut waiting = server.connect().await;
    let body = chat(json!({})).to_string();
    let half = request("POST", CHAT, &[("content-type", "application/json")], body.as_bytes());
    waiting.write_all(&half[..half.len() - 5]).await.unwrap();
    until(async || server.get("/metrics").await.body.contains("tributary_serving_in_progress 1\n")).await;
    let mut stream = begun(&server, &chat(json!({ "stream": true, "n": 4, "logit_bias": letters() })), 100).await;
    server.shutdown.cancel();
    until(async || server.get("/health").await.status == 503).await;
    let late = server.post(CHAT, &chat(json!({}))).await;
    assert_eq!((error(&late).0, error(&late).1.as_str()), (503, "shutting_down"));
    assert!(late.header("retry-after").is_some());
    waiting.write_all(&half[half.len() - 5..]).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("data: [DONE]\n\n") && !answer.contains("\"error\""), "{answer}");
    // What had begun to arrive is answered too.
    answer.clear();
    waiting.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    server.serving.await.unwrap().unwrap();
    let (admitted, settled, dropped) = server.till.counts();
    assert_eq!((admitted, settled, dropped), (2, 2, 0));
}

#[tokio::test]
async fn what_does_not_end_in_time_is_cut_off_and_settled() {
    let limits = ApiLimits { drain_max: Duration::ZERO, ..Default::default() };
    let server = start_with(limits, small()).await;
    let mut stream = begun(&server, &chat(json!({ "stream": true, "n": 8, "logit_bias": letters() })), 6000).await;
    server.shutdown.cancel();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("\"code\":\"shutting_down\"") && answer.contains("data: [DONE]"), "{answer}");
    server.serving.await.unwrap().unwrap();
    assert_eq!(server.till.counts(), (1, 1, 0));
}

#[tokio::test]
async fn health_and_metrics_say_how_it_goes() {
    let server = start().await;
    assert_eq!(server.get("/health").await.json(), json!({ "status": "ok", "waiting": 0, "running": 0 }));
    let answer = server.post(CHAT, &chat(json!({ "max_tokens": 9, "logit_bias": letters() }))).await.json();
    assert_eq!(answer["usage"]["completion_tokens"], 9);
    server.get("/nowhere").await;
    let got = server.get("/metrics").await;
    assert!(got.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    for line in [
        "tributary_serving_requests_total{route=\"/v1/chat/completions\",status=\"200\"} 1",
        "tributary_serving_requests_total{route=\"none\",status=\"404\"} 1",
        "tributary_serving_answer_tokens_total{model=\"base\"} 9",
        "tributary_serving_first_token_seconds_count 1",
        "tributary_serving_between_tokens_seconds_count 8",
        "tributary_serving_endings_total{ending=\"complete\"} 1",
        "tributary_serving_running 0",
    ] {
        assert!(got.body.lines().any(|found| found == line), "{line} is not in\n{}", got.body);
    }
    let openapi = server.get("/openapi.json").await.json();
    assert_eq!(openapi["openapi"], "3.1.0");
    for path in [CHAT, TEXT, "/v1/models", "/v1/models/{id}", "/health", "/metrics", "/openapi.json"] {
        assert!(openapi["paths"][path].is_object(), "{path} is not described");
    }
    assert_eq!(server.names.list().len(), 4);
}

#[tokio::test]
async fn what_is_sent_to_an_operators_pages_takes_a_place_and_what_is_read_takes_none() {
    let (entered, mut held) = tokio::sync::mpsc::channel::<tokio::sync::oneshot::Sender<()>>(4);
    let slow = move || async move {
        let (release, released) = tokio::sync::oneshot::channel();
        entered.send(release).await.unwrap();
        released.await.unwrap();
        "taken"
    };
    let pages = axum::Router::new().route("/v1/vouchers", axum::routing::post(slow).get(async || "read"));
    let limits = ApiLimits { requests_per_client_max: 1, ..ApiLimits::default() };
    let server = start_with_pages(limits, small(), None, pages).await;
    let mut first = server.connect().await;
    first.write_all(&request("POST", "/v1/vouchers", &[], b"")).await.unwrap();
    let release = held.recv().await.unwrap();
    let second = server.send("POST", "/v1/vouchers", &[], b"").await;
    assert_eq!((second.status, &second.json()["error"]["code"]), (429, &json!("too_many_concurrent_requests")));
    assert!(second.header("retry-after").is_some());
    let other = server.send("POST", "/v1/vouchers", &[("authorization", "Bearer other")], b"");
    let (other, ()) = tokio::join!(other, async { held.recv().await.unwrap().send(()).unwrap() });
    assert_eq!((other.status, other.body.as_str()), (200, "taken"));
    assert_eq!(server.get("/v1/vouchers").await.body, "read");
    release.send(()).unwrap();
    let mut answer = String::new();
    first.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

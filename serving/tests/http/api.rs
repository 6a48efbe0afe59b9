//! What programs written for OpenAI's API see.

use crate::common::until;
use crate::harness::{Running, letters, request, start};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tributary_protocol::ContentHash;
use tributary_serving::Refusal;

fn chat(changes: Value) -> Value {
    with(
        json!({ "model": "base", "messages": [{ "role": "user", "content": "why?" }], "max_tokens": 12, "seed": 1 }),
        changes,
    )
}

fn text(changes: Value) -> Value {
    with(json!({ "model": "base", "prompt": "once", "max_tokens": 12, "seed": 1 }), changes)
}

fn with(mut body: Value, changes: Value) -> Value {
    body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    body
}

const CHAT: &str = "/v1/chat/completions";
const TEXT: &str = "/v1/completions";

#[tokio::test]
async fn an_answer_has_openais_shape_and_its_tokens_add_up() {
    let server = start().await;
    let got = server.post(CHAT, &chat(json!({ "logprobs": true, "top_logprobs": 3 }))).await;
    assert_eq!(got.status, 200, "{}", got.body);
    let answer = got.json();
    assert_eq!(answer["object"], "chat.completion");
    assert!(answer["id"].as_str().unwrap().starts_with("chatcmpl-"));
    assert!(answer["system_fingerprint"].as_str().unwrap().starts_with("fp_"));
    let choice = &answer["choices"][0];
    assert_eq!((&choice["index"], &choice["message"]["role"]), (&json!(0), &json!("assistant")));
    assert_eq!(choice["message"]["refusal"], Value::Null);
    let tokens = choice["logprobs"]["content"].as_array().unwrap();
    let usage = &answer["usage"];
    assert_eq!(usage["completion_tokens"], tokens.len());
    // The frame of training: "Question: why?\nAnswer:" and the token that begins a sequence.
    let prompt = server.tokenizer.encode("Question: why?\nAnswer:").unwrap();
    assert_eq!(usage["prompt_tokens"], prompt.len());
    let sum = usage["prompt_tokens"].as_u64().unwrap() + usage["completion_tokens"].as_u64().unwrap();
    assert_eq!(usage["total_tokens"], sum);
    assert!(usage["prompt_tokens_details"]["cached_tokens"].is_u64());
    // The tokens' bytes are the text's.
    let bytes: Vec<u8> =
        tokens.iter().flat_map(|token| token["bytes"].as_array().unwrap()).map(|b| b.as_u64().unwrap() as u8).collect();
    assert_eq!(String::from_utf8_lossy(&bytes), choice["message"]["content"].as_str().unwrap());
    for token in tokens {
        let top = token["top_logprobs"].as_array().unwrap();
        assert_eq!(top.len(), 3);
        assert!(top[0]["logprob"].as_f64() >= top[1]["logprob"].as_f64());
        assert!(token["logprob"].as_f64().unwrap() <= 0.0);
    }
    // The till saw the same.
    assert_eq!(answer["tributary"]["paid_for"], tokens.len());
    assert_eq!(got.header("x-tributary-receipt"), Some(format!("receipt-{}", tokens.len()).as_str()));
    assert!(got.header("x-request-id").unwrap().starts_with("req_"));
    server.till.book(|book| {
        assert_eq!((book.wanted[0].prompt_tokens as usize, book.wanted[0].answer_tokens_max), (prompt.len(), 12));
        let sold = &book.settled[0];
        assert_eq!((sold.prompt_tokens as usize, &sold.prompt), (prompt.len(), &prompt));
        assert_eq!(sold.answers[0].iter().map(|token| *token as u8).collect::<Vec<_>>(), bytes);
        assert_eq!(sold.answer, ContentHash::of(choice["message"]["content"].as_str().unwrap().as_bytes()));
    });
    assert_eq!(server.till.counts(), (1, 1, 0));
}

#[tokio::test]
async fn a_stream_is_these_bytes() {
    let server = start().await;
    let got = server.post(CHAT, &chat(json!({ "stream": true, "stream_options": { "include_usage": true } }))).await;
    assert_eq!(got.status, 200);
    let events = got.events();
    let whole = server.post(CHAT, &chat(json!({}))).await.json();
    let head = |event: &Value| {
        let text = |name: &str| event[name].as_str().unwrap().to_owned();
        format!(
            "{{\"id\":\"{}\",\"object\":\"chat.completion.chunk\",\"created\":{},\"model\":\"base\",\"system_fingerprint\":\"{}\"",
            text("id"),
            event["created"],
            text("system_fingerprint"),
        )
    };
    let head = head(&events[0]);
    let mut expected = format!(
        "data: {head},\"choices\":[{{\"index\":0,\"delta\":{{\"role\":\"assistant\",\"content\":\"\"}},\"logprobs\":null,\
         \"finish_reason\":null}}],\"usage\":null}}\n\n"
    );
    let pieces: Vec<&str> =
        events.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect();
    for piece in &pieces[1..] {
        expected += &format!(
            "data: {head},\"choices\":[{{\"index\":0,\"delta\":{{\"content\":{}}},\"logprobs\":null,\"finish_reason\":null}}],\
             \"usage\":null}}\n\n",
            json!(piece)
        );
    }
    let usage = &whole["usage"];
    let (prompt, answer) = (usage["prompt_tokens"].as_u64().unwrap(), usage["completion_tokens"].as_u64().unwrap());
    expected += &format!(
        "data: {head},\"choices\":[{{\"index\":0,\"delta\":{{}},\"logprobs\":null,\"finish_reason\":{}}}],\"usage\":null}}\n\n\
         data: {head},\"choices\":[],\"usage\":{{\"prompt_tokens\":{prompt},\"completion_tokens\":{answer},\"total_tokens\":{},\
         \"prompt_tokens_details\":{{\"cached_tokens\":0}}}},\"tributary\":{{\"paid_for\":{answer}}}}}\n\n\
         data: [DONE]\n\n",
        whole["choices"][0]["finish_reason"],
        prompt + answer,
    );
    assert_eq!(got.body, expected);
    assert_eq!(pieces.concat(), whole["choices"][0]["message"]["content"].as_str().unwrap());
    assert_eq!(server.till.counts(), (2, 2, 0));
    // Without usage the receipt is in the end of the answer.
    let events = server.post(TEXT, &text(json!({ "stream": true }))).await.events();
    let last = events.last().unwrap();
    assert_eq!(last["object"], "text_completion");
    assert!(last["choices"][0]["finish_reason"].is_string() && last["tributary"]["paid_for"].is_u64(), "{last}");
    assert!(events.iter().all(|event| event.get("usage").is_none()));
}

/// Tokens of all choices, by index, of a whole answer.
fn texts(answer: &Value) -> Vec<String> {
    let choices = answer["choices"].as_array().unwrap();
    let text = |choice: &Value| choice["text"].as_str().or(choice["message"]["content"].as_str()).unwrap().to_owned();
    assert!(choices.iter().enumerate().all(|(index, choice)| choice["index"] == index));
    choices.iter().map(text).collect()
}

#[tokio::test]
async fn several_answers_come_by_number_and_seeds_give_them_again() {
    let server = start().await;
    let ask = json!({ "n": 3, "seed": 77 });
    let first = texts(&server.post(CHAT, &chat(ask.clone())).await.json());
    assert_eq!(first.len(), 3);
    assert!(first[0] != first[1] && first[1] != first[2]);
    assert_eq!(texts(&server.post(CHAT, &chat(ask.clone())).await.json()), first);
    assert_ne!(texts(&server.post(CHAT, &chat(json!({ "n": 3, "seed": 78 }))).await.json()), first);
    // The stream has the same, mixed.
    let mut streamed = vec![String::new(); 3];
    let mut ends = 0;
    let events = server.post(CHAT, &chat(with(ask, json!({ "stream": true })))).await.events();
    for event in events {
        for choice in event["choices"].as_array().unwrap() {
            let index = choice["index"].as_u64().unwrap() as usize;
            streamed[index] += choice["delta"]["content"].as_str().unwrap_or_default();
            ends += usize::from(choice["finish_reason"].is_string());
        }
    }
    assert_eq!((streamed, ends), (first, 3));
    // Several prompts, several answers to each.
    let many = json!({ "prompt": ["once", "twice"], "n": 2, "best_of": 2 });
    let all = texts(&server.post(TEXT, &text(many)).await.json());
    let alone = |prompt: &str| texts_of(&server, json!({ "prompt": prompt, "n": 2 }));
    assert_eq!(all, [alone("once").await, alone("twice").await].concat());
    // Without a seed each answer is another.
    let unseeded = || async { texts_of(&server, json!({ "seed": null, "max_tokens": 40 })).await };
    assert_ne!(unseeded().await, unseeded().await);
    server.till.book(|book| {
        let sold = book.settled.iter().find(|sold| sold.answers.len() == 4).unwrap();
        assert_eq!(sold.answer_tokens as usize, sold.answers.iter().map(Vec::len).sum::<usize>());
    });
}

async fn texts_of(server: &Running, changes: Value) -> Vec<String> {
    texts(&server.post(TEXT, &text(changes)).await.json())
}

#[tokio::test]
async fn models_answer_with_their_own_adapter_and_by_their_own_template() {
    let server = start().await;
    let greedy = |model: &str| chat(json!({ "model": model, "temperature": 0 }));
    let mut answers = Vec::new();
    for model in ["base", "chat", "org/one", "org/two"] {
        let answer = server.post(CHAT, &greedy(model)).await.json();
        assert_eq!(answer["model"], model);
        answers.extend(texts(&answer));
    }
    assert!((0..4).all(|a| (0..a).all(|b| answers[a] != answers[b])), "{answers:?}");
    server.till.book(|book| {
        assert_eq!(book.wanted[2].served.adapter, Some(server.adapters[0]));
        let template = server.tokenizer.decode(&book.settled[1].prompt).unwrap();
        assert_eq!(template, "user: why?assistant: ");
    });
    let list = server.get("/v1/models").await.json();
    assert_eq!(list["object"], "list");
    let ids: Vec<&str> = list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["base", "chat", "org/one", "org/two"]);
    for path in ["/v1/models/org/one", "/v1/models/org%2Fone"] {
        let model = server.get(path).await.json();
        assert_eq!((&model["object"], &model["id"]), (&json!("model"), &json!("org/one")));
        assert_eq!(model["tributary"]["adapter"], server.adapters[0].to_string());
    }
    // What is withdrawn is gone at once; the base answers for nobody.
    server.names.0.lock().unwrap().pop();
    for got in [server.post(CHAT, &greedy("org/two")).await, server.get("/v1/models/org/two").await] {
        assert_eq!((got.status, &got.json()["error"]["code"]), (404, &json!("model_not_found")));
    }
}

#[tokio::test]
async fn turns_reach_the_model_as_they_were_given() {
    let server = start().await;
    let messages = json!([
        { "role": "developer", "content": "be brief" },
        { "role": "user", "content": [{ "type": "text", "text": "a" }, { "type": "text", "text": "b" }] },
        { "role": "assistant", "content": "c" },
        { "role": "user", "content": "d" },
    ]);
    let got = server.post(CHAT, &chat(json!({ "model": "chat", "messages": messages }))).await;
    assert_eq!(got.status, 200, "{}", got.body);
    server.till.book(|book| {
        let prompt = server.tokenizer.decode(&book.settled[0].prompt).unwrap();
        assert_eq!(prompt, "system: be briefuser: a\nbassistant: cuser: dassistant: ");
    });
}

#[tokio::test]
async fn text_ends_at_stop_strings_and_begins_with_an_echo() {
    let server = start().await;
    let greedy = |changes: Value| text(with(json!({ "temperature": 0, "logit_bias": letters() }), changes));
    let whole = texts(&server.post(TEXT, &greedy(json!({}))).await.json()).remove(0);
    assert_eq!(whole.len(), 12, "{whole:?}");
    let stop = &whole[5..7];
    let at = whole.find(stop).unwrap();
    for stream in [false, true] {
        let got = server.post(TEXT, &greedy(json!({ "stop": ["zzz", stop], "stream": stream, "echo": true }))).await;
        let choices: Vec<Value> = match stream {
            true => got.events().iter().map(|event| event["choices"][0].clone()).collect(),
            false => vec![got.json()["choices"][0].clone()],
        };
        let text: String = choices.iter().map(|choice| choice["text"].as_str().unwrap()).collect();
        assert_eq!(text, format!("once{}", &whole[..at]));
        assert_eq!(choices.last().unwrap()["finish_reason"], "stop");
    }
    // Tokens as the prompt are the same prompt.
    let tokens = server.tokenizer.encode("once").unwrap();
    let same = texts(&server.post(TEXT, &greedy(json!({ "prompt": tokens }))).await.json()).remove(0);
    assert_eq!(same, whole);
    // Log probabilities of texts: where each token begins.
    let got = server.post(TEXT, &greedy(json!({ "logprobs": 2 }))).await.json();
    let logprobs = &got["choices"][0]["logprobs"];
    let tokens: Vec<&str> =
        logprobs["tokens"].as_array().unwrap().iter().map(|token| token.as_str().unwrap()).collect();
    assert_eq!(tokens.concat(), whole);
    assert_eq!(logprobs["text_offset"], json!((0..12).collect::<Vec<_>>()));
    assert_eq!(logprobs["top_logprobs"][3].as_object().unwrap().len(), 2);
    assert_eq!(logprobs["token_logprobs"].as_array().unwrap().len(), 12);
}

#[tokio::test]
async fn generation_ends_where_the_money_does() {
    let server = start().await;
    server.till.book(|book| book.tokens_max = Some(7));
    let got = server.post(CHAT, &chat(json!({ "n": 3, "logit_bias": letters() }))).await.json();
    // 7 tokens among 3 answers: 2 each.
    assert_eq!(got["usage"]["completion_tokens"], 6);
    assert!(got["choices"].as_array().unwrap().iter().all(|choice| choice["finish_reason"] == "length"));
    server.till.book(|book| book.tokens_max = Some(2));
    let got = server.post(CHAT, &chat(json!({ "n": 3 }))).await;
    assert_eq!((got.status, &got.json()["error"]["code"]), (402, &json!("budget_too_small")));
    assert_eq!(server.till.counts(), (2, 1, 1));
}

#[tokio::test]
async fn the_till_refuses_in_openais_words() {
    let server = start().await;
    let quote = json!({ "cumulative": "120" });
    for (refusal, status, code) in [
        (Refusal::Unauthenticated { reason: "no key".into(), code: "invalid_api_key" }, 401, "invalid_api_key"),
        (
            Refusal::Unpaid { reason: "12 are missing".into(), code: "overdrawn", quote: Some(quote.clone()) },
            402,
            "overdrawn",
        ),
        (Refusal::Limited { reason: "too many".into(), retry_after_s: 9 }, 429, "rate_limit_exceeded"),
        (Refusal::Gone { id: "base".into() }, 404, "model_not_found"),
        (Refusal::Unavailable { reason: "the chain is away".into() }, 503, "unavailable"),
    ] {
        server.till.book(|book| book.refusal = Some(refusal));
        let headers =
            [("content-type", "application/json"), ("authorization", "Bearer key"), ("x-tributary-voucher", "v")];
        let body = chat(json!({})).to_string();
        let got = server.send("POST", CHAT, &headers, body.as_bytes()).await;
        let error = got.json()["error"].clone();
        assert_eq!((got.status, error["code"].as_str()), (status, Some(code)), "{error}");
        assert_eq!(got.header("retry-after").is_some(), status == 429 || status == 503);
        assert_eq!(error.get("quote"), (status == 402).then_some(&quote));
        assert_eq!(server.get("/v1/models").await.status, status);
    }
    server.till.book(|book| book.refusal = None);
    let headers = [("content-type", "application/json"), ("authorization", "Bearer key"), ("x-tributary-voucher", "v")];
    let got = server.send("POST", CHAT, &headers, chat(json!({})).to_string().as_bytes()).await;
    assert_eq!(got.status, 200);
    server.till.book(|book| {
        let credentials = &book.credentials[0];
        assert_eq!((credentials.bearer.as_deref(), credentials.voucher.as_deref()), (Some("key"), Some("v")));
        assert_eq!(book.wanted[0].request, ContentHash::of(chat(json!({})).to_string().as_bytes()));
    });
}

#[tokio::test]
async fn an_answer_that_cannot_be_settled_is_an_error() {
    let server = start().await;
    server.till.book(|book| book.unsettled = Some(Refusal::Unavailable { reason: "the disk is full".into() }));
    let got = server.post(CHAT, &chat(json!({}))).await;
    assert_eq!((got.status, &got.json()["error"]["message"]), (503, &json!("the disk is full")));
    let events = server.post(CHAT, &chat(json!({ "stream": true }))).await.events();
    assert_eq!(events.last().unwrap()["error"]["message"], "the disk is full");
    assert!(server.get("/metrics").await.body.contains("tributary_serving_unsettled_total 2\n"));
}

#[tokio::test]
async fn who_goes_away_stops_generation_and_pays_for_what_came() {
    let server = start().await;
    let body = chat(json!({ "stream": true, "max_tokens": 200, "n": 16, "logit_bias": letters() })).to_string();
    let headers = [("content-type", "application/json")];
    let mut stream = server.connect().await;
    stream.write_all(&request("POST", CHAT, &headers, body.as_bytes())).await.unwrap();
    let mut some = [0; 8000];
    stream.read_exact(&mut some).await.unwrap();
    drop(stream);
    until(async || server.till.counts() == (1, 1, 0)).await;
    let counts = server.engine.counts().await.unwrap();
    assert_eq!((counts.running, counts.waiting), (0, 0), "it goes on for nobody");
    server.till.book(|book| {
        let sold = &book.settled[0];
        assert!(sold.answer_tokens > 0 && sold.answer_tokens < 3200, "{}", sold.answer_tokens);
        assert_eq!(sold.answer_tokens as usize, sold.answers.iter().map(Vec::len).sum::<usize>());
        // The text is that of the tokens: letters, each of which is one.
        let text: Vec<u8> = sold.answers.concat().into_iter().map(|token| token as u8).collect();
        assert_eq!(sold.answer, ContentHash::of(&text));
    });
    // Who goes away before the answer is whole got nothing.
    let body = chat(json!({ "max_tokens": 200, "n": 16, "logit_bias": letters() })).to_string();
    let mut stream = server.connect().await;
    stream.write_all(&request("POST", CHAT, &headers, body.as_bytes())).await.unwrap();
    until(async || server.till.counts().0 == 2).await;
    drop(stream);
    until(async || server.till.counts() == (2, 1, 1)).await;
    let text = server.get("/metrics").await.body;
    assert!(text.contains("tributary_serving_endings_total{ending=\"abandoned\"} 2\n"), "{text}");
    assert!(text.contains("tributary_serving_in_progress 0\n"), "{text}");
}

#[tokio::test]
async fn the_space_that_separates_an_answer_from_its_prompt_is_no_part_of_it() {
    let server = start().await;
    // A space, then only letters of one kind: the frame ends with "Answer:", the template with a space of its own.
    let bias = |stream: bool| {
        json!({ "logit_bias": { "32": 50, "120": 30 }, "frequency_penalty": 2, "max_tokens": 30,
        "temperature": 0, "stream": stream })
    };
    let raw = server
        .post(
            TEXT,
            &text(json!({ "prompt": "Question: why?\nAnswer:", "logit_bias": { "32": 50, "120": 30 },
        "frequency_penalty": 2, "max_tokens": 30, "temperature": 0 })),
        )
        .await
        .json();
    let raw = raw["choices"][0]["text"].as_str().unwrap().to_owned();
    assert!(raw.starts_with(' '), "{raw:?}");
    let whole = server.post(CHAT, &chat(bias(false))).await.json();
    let said = whole["choices"][0]["message"]["content"].as_str().unwrap();
    assert_eq!(said, &raw[1..], "one space, and nothing else");
    let streamed = server.post(CHAT, &chat(bias(true))).await;
    let pieces = streamed.events();
    let pieces = pieces.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str());
    assert_eq!(pieces.collect::<String>(), said);
    server.till.book(|book| {
        let [_, whole, streamed] = book.settled.as_slice() else { panic!("three answers") };
        assert_eq!((whole.answer, streamed.answer), (ContentHash::of(said.as_bytes()), whole.answer));
        assert_eq!(whole.answers[0][0], 32, "the token is there, and paid");
    });
    let mut by_template = bias(false);
    by_template["model"] = json!("chat");
    let kept = server.post(CHAT, &chat(by_template)).await.json();
    assert!(kept["choices"][0]["message"]["content"].as_str().unwrap().starts_with(' '), "{kept}");
}

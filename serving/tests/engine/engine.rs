//! What the engine answers: the same alone and in any crowd.

use crate::common::{Answered, answers, disk, prompt, run, small, tiny, write_all};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use tributary_lora::{Adapter, Generation, Model, PagePool, SamplingConfig, Tokenizer};
use tributary_protocol::ContentHash;
use tributary_serving::{Engine, EngineConfig, EngineError, FinishReason, Request, RequestError, RequestId, Sampling};

/// Requests of all kinds: prompts of different lengths, adapters and none, greedy and drawn.
fn crowd(adapters: &[ContentHash]) -> Vec<Request> {
    (0..24)
        .map(|number| {
            let sampling = Sampling {
                temperature: if number % 3 == 0 { 0.0 } else { 0.8 + 0.1 * number as f32 },
                seed: number as u64,
                top_k: (number % 4 == 1).then_some(12),
                top_p: if number % 5 == 2 { 0.9 } else { 1.0 },
                frequency_penalty: if number % 7 == 3 { 0.5 } else { 0.0 },
                ..Default::default()
            };
            Request {
                adapter: (number % 4 > 0).then(|| adapters[number % adapters.len()]),
                sampling,
                tokens_max: Some(5 + number * 3 % 40),
                stop_tokens: vec![1],
                ..Request::new(prompt(1 + number * 7 % 60, number))
            }
        })
        .collect()
}

fn tokens(answers: &[Answered]) -> Vec<BTreeMap<u32, Vec<u32>>> {
    answers.iter().map(|answer| answer.tokens.clone()).collect()
}

#[test]
fn answers_are_the_same_alone_and_in_any_crowd() {
    let (model, dir) = (tiny(), tempfile::tempdir().unwrap());
    let requests = crowd(&write_all(&model, 7, dir.path()));
    let alone = |request| answers(&model, dir.path(), small(), std::slice::from_ref(request)).remove(0);
    let alone: Vec<Answered> = requests.iter().map(alone).collect();
    assert!(alone.iter().all(|answer| answer.error.is_none() && answer.finished.len() == 1));
    // The settings tell answers apart.
    assert!(alone.iter().zip(&alone[1..]).all(|(a, b)| a.tokens != b.tokens));
    let page = PagePool::page_bytes(model.config()) as u64;
    let plain = EngineConfig { prefix_cache: false, ..small() };
    for config in [
        small(),
        plain,
        // A row beside as many answers, of which some have to give up their pages.
        EngineConfig { sequences_max: 5, rows_max: 6, kv_bytes: 12 * page, ..small() },
        EngineConfig { sequences_max: 5, rows_max: 50, kv_bytes: 9 * page, ..plain },
        // Room for two adapters or three.
        EngineConfig { adapter_bytes: 20_000, prefetch: 2, ..small() },
    ] {
        let together = answers(&model, dir.path(), config, &requests);
        assert_eq!(tokens(&together), tokens(&alone), "{config:?}");
        let reasons = |all: &[Answered]| all.iter().map(|a| a.finished[&0].0.clone()).collect::<Vec<_>>();
        assert_eq!(reasons(&together), reasons(&alone));
    }
}

#[test]
fn sequences_without_pages_wait_and_go_on() {
    let (model, dir) = (tiny(), tempfile::tempdir().unwrap());
    let page = PagePool::page_bytes(model.config()) as u64;
    let config = EngineConfig { kv_bytes: 9 * page, prefix_cache: false, ..small() };
    let mut engine = Engine::new(model.clone(), None, disk(dir.path()), config).unwrap();
    let request = |number| Request { tokens_max: Some(100), ..Request::new(prompt(20, number)) };
    let ids: Vec<RequestId> = (0..4).map(|number| engine.submit(request(number)).unwrap()).collect();
    let together = run(&mut engine, &config);
    assert!(engine.counts().suspended > 0);
    for (number, id) in ids.iter().enumerate() {
        let alone = answers(&model, dir.path(), config, &[request(number)]);
        assert_eq!(together[id].tokens, alone[0].tokens);
        assert_eq!(together[id].finished[&0].0, FinishReason::Length);
    }
}

#[test]
fn greedy_answers_are_those_of_plain_generation() {
    let (model, dir) = (tiny(), tempfile::tempdir().unwrap());
    let adapters = write_all(&model, 3, dir.path());
    for number in 0..6 {
        let which = (number % 2 == 0).then_some(number / 2);
        let loaded =
            which.map(|which: usize| Adapter::load(&dir.path().join(adapters[which].to_string()), &model).unwrap());
        let prompt = prompt(3 + number * 9, number);
        let config = SamplingConfig { tokens_max: 30, ..Default::default() };
        let expected: Vec<u32> =
            Generation::new(&model, loaded.as_ref(), &prompt, &[], config).unwrap().map(Result::unwrap).collect();
        let adapter = which.map(|which| adapters[which]);
        let request = Request { adapter, tokens_max: Some(30), ..Request::new(prompt) };
        assert_eq!(answers(&model, dir.path(), small(), &[request])[0].first(), expected, "{number}");
    }
}

#[test]
fn several_choices_share_the_prompt_and_draw_apart() {
    let (model, dir) = (tiny(), tempfile::tempdir().unwrap());
    let sampling = Sampling { temperature: 1.0, seed: 4, ..Default::default() };
    let request = Request { choices: 4, sampling, tokens_max: Some(12), ..Request::new(prompt(40, 3)) };
    let answer = answers(&model, dir.path(), small(), std::slice::from_ref(&request)).remove(0);
    assert_eq!(answer.finished.len(), 4);
    let distinct: std::collections::BTreeSet<_> = answer.tokens.values().collect();
    assert!(distinct.len() > 1);
    assert_eq!(answer.finished[&0].1.cached_tokens, 0);
    // Two whole pages of the forty tokens.
    assert!((1..4).all(|choice| answer.finished[&choice].1.cached_tokens == 32));
    let plain = answers(&model, dir.path(), EngineConfig { prefix_cache: false, ..small() }, &[request]).remove(0);
    assert_eq!((plain.tokens, plain.finished[&1].1.cached_tokens), (answer.tokens, 0));
}

#[test]
fn prompts_that_begin_alike_are_computed_once_for_each_adapter() {
    let (model, dir) = (tiny(), tempfile::tempdir().unwrap());
    let adapters = write_all(&model, 1, dir.path());
    let mut engine = Engine::new(model.clone(), None, disk(dir.path()), small()).unwrap();
    let base = Request { tokens_max: Some(20), ..Request::new(prompt(50, 1)) };
    let adapted = Request { adapter: Some(adapters[0]), ..base.clone() };
    let mut answer = |request: &Request| {
        let id = engine.submit(request.clone()).unwrap();
        run(&mut engine, &small()).remove(&id).unwrap()
    };
    let cached = |answer: &Answered| answer.finished[&0].1.cached_tokens;
    let first = answer(&base);
    let again = answer(&base);
    assert_eq!((cached(&first), cached(&again)), (0, 48));
    assert_eq!(first.tokens, again.tokens);
    let other = answer(&adapted);
    assert_eq!((cached(&other), cached(&answer(&adapted))), (0, 48));
    assert_ne!(first.tokens, other.tokens);
    // The next turn of a conversation finds the answer before it too.
    let next = [&base.prompt, first.first(), &[5, 6]].concat();
    let request = Request { tokens_max: Some(9), ..Request::new(next) };
    let turn = answer(&request);
    assert_eq!(cached(&turn), 64);
    assert_eq!(turn.tokens, answers(&model, dir.path(), small(), &[request])[0].tokens);
}

#[test]
fn a_cancelled_request_is_computed_no_further() {
    let (model, dir) = (tiny(), tempfile::tempdir().unwrap());
    let mut engine = Engine::new(model, None, disk(dir.path()), small()).unwrap();
    let id = engine.submit(Request { choices: 2, ..Request::new(prompt(20, 0)) }).unwrap();
    let waiting = engine.submit(Request::new(prompt(20, 1))).unwrap();
    engine.cancel(waiting);
    for _ in 0..3 {
        assert!(engine.step().unwrap().iter().all(|(of, _)| *of == id));
    }
    assert!(engine.counts().running > 0);
    engine.cancel(id);
    assert!(engine.is_idle());
    assert!(engine.step().unwrap().is_empty());
    let counts = engine.counts();
    assert_eq!(counts.pages, counts.pages_idle);
}

#[test]
fn requests_that_can_never_be_answered_are_refused() {
    let (model, dir) = (tiny(), tempfile::tempdir().unwrap());
    let page = PagePool::page_bytes(model.config()) as u64;
    let config = EngineConfig { waiting_max: 3, kv_bytes: 4 * page, ..small() };
    let mut engine = Engine::new(model.clone(), None, disk(dir.path()), config).unwrap();
    // The pages hold less than the model sees.
    assert_eq!(engine.positions_max(), 64);
    let mut refused = |request: Request| engine.submit(request).unwrap_err();
    assert!(matches!(refused(Request::new(vec![])), RequestError::EmptyPrompt));
    assert!(matches!(refused(Request::new(vec![40])), RequestError::Token { token: 40, vocab_size: 40 }));
    assert!(matches!(
        refused(Request { tokens_max: Some(5), ..Request::new(prompt(60, 0)) }),
        RequestError::ContextOverflow { prompt: 60, answer: 5, positions_max: 64 }
    ));
    assert!(matches!(refused(Request::new(prompt(64, 0))), RequestError::ContextOverflow { answer: 1, .. }));
    assert!(matches!(refused(Request { choices: 0, ..Request::new(vec![1]) }), RequestError::Choices { .. }));
    assert!(matches!(refused(Request { choices: 17, ..Request::new(vec![1]) }), RequestError::Choices { .. }));
    assert!(matches!(refused(Request { choices: 4, ..Request::new(vec![1]) }), RequestError::Busy { waiting: 0 }));
    let stop_strings = vec!["x".into()];
    assert!(matches!(refused(Request { stop_strings, ..Request::new(vec![1]) }), RequestError::NoTokenizer));
    let sampling = Sampling { top_p: 2.0, ..Default::default() };
    assert!(matches!(refused(Request { sampling, ..Request::new(vec![1]) }), RequestError::Sampling(_)));
    assert!(engine.is_idle());
    let with = |config| Engine::new(model.clone(), None, disk(dir.path()), config);
    assert!(matches!(with(EngineConfig { kv_bytes: 10, ..small() }), Err(EngineError::NoPages { .. })));
    assert!(matches!(with(EngineConfig { rows_max: 63, ..small() }), Err(EngineError::Rows { .. })));
}

#[test]
fn an_answer_ends_where_the_context_does() {
    let (model, dir) = (tiny(), tempfile::tempdir().unwrap());
    let answer = answers(&model, dir.path(), small(), &[Request::new(prompt(100, 2))]).remove(0);
    assert_eq!(answer.first().len(), 28);
    assert_eq!(answer.finished[&0].0, FinishReason::Length);
}

#[test]
fn who_asks_for_much_does_not_keep_others_waiting() {
    let (model, dir) = (tiny(), tempfile::tempdir().unwrap());
    let adapters = write_all(&model, 2, dir.path());
    let config = EngineConfig { sequences_max: 2, rows_max: 8, ..small() };
    let mut engine = Engine::new(model, None, disk(dir.path()), config).unwrap();
    let request =
        |adapter, number| Request { adapter: Some(adapter), tokens_max: Some(10), ..Request::new(prompt(6, number)) };
    let flood: Vec<RequestId> = (0..40).map(|n| engine.submit(request(adapters[0], n)).unwrap()).collect();
    let mut ended = Vec::new();
    let mut step = |engine: &mut Engine| {
        let events = engine.step().unwrap();
        ended.extend(
            events.iter().filter(|(_, e)| matches!(e, tributary_serving::Event::Finished { .. })).map(|(id, _)| *id),
        );
        ended.clone()
    };
    (0..30).for_each(|_| drop(step(&mut engine)));
    let late = engine.submit(request(adapters[1], 0)).unwrap();
    while !engine.is_idle() {
        step(&mut engine);
    }
    let ended = step(&mut engine);
    let place = |id| ended.iter().position(|ended| *ended == id).unwrap();
    // It came after forty others, of which some twenty were left.
    assert!(place(late) < 16, "{}", place(late));
    // Among themselves they were answered in their order.
    assert!(flood.windows(3).all(|ids| place(ids[0]) < place(ids[2])));
}

/// The model that the repository holds, with its tokenizer.
fn with_text() -> (Arc<Model>, Arc<Tokenizer>) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tributary-tiny");
    let model = Model::load(&dir, &candle_core::Device::Cpu).unwrap();
    let tokenizer = Tokenizer::from_dir(&dir, model.config()).unwrap();
    (Arc::new(model), Arc::new(tokenizer))
}

#[test]
fn text_comes_in_pieces_and_ends_before_stop_strings() {
    let (model, tokenizer) = with_text();
    let dir = tempfile::tempdir().unwrap();
    let mut engine = Engine::new(model, Some(tokenizer.clone()), disk(dir.path()), small()).unwrap();
    let tokens = tokenizer.encode("The river ").unwrap();
    let mut answer = |stop_strings: Vec<String>, sampling: Sampling| {
        let request = Request { stop_strings, sampling, tokens_max: Some(40), ..Request::new(tokens.clone()) };
        let id = engine.submit(request).unwrap();
        run(&mut engine, &small()).remove(&id).unwrap()
    };
    let whole = answer(vec![], Sampling::default());
    let text = whole.texts[&0].clone();
    assert_eq!(text, tokenizer.decode(whole.first()).unwrap().as_str());
    assert!(text.is_char_boundary(text.len() / 2) && text.len() > 20, "{text}");
    // A stop string from the middle of the text, cut without regard to tokens.
    let stop = text[text.len() / 2..text.len() / 2 + 5].to_owned();
    let ended = answer(vec!["nowhere".into(), stop.clone()], Sampling::default());
    assert_eq!(ended.texts[&0], text[..text.find(&stop).unwrap()]);
    assert_eq!(ended.finished[&0].0, FinishReason::StopString(stop));
    assert!(ended.first().len() < whole.first().len());
    // Single bytes of longer characters: nothing is lost or doubled, whatever the model says.
    let wild = answer(vec![], Sampling { temperature: 30.0, seed: 8, ..Default::default() });
    assert_eq!(wild.texts[&0], tokenizer.decode(wild.first()).unwrap());
}

//! The engine on its thread, as those who serve the network use it.

use crate::common::{Answered, answers, disk, prompt, small, tiny, until, write_all};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use tributary_protocol::ContentHash;
use tributary_serving::{
    AdapterDisk, AdapterSource, Answers, EVENTS_MAX, EngineConfig, EngineThread, Event, NoSource, Request,
    RequestError, Sampling, SourceError,
};

fn start(root: &Path) -> EngineThread {
    EngineThread::start(tiny(), None, disk(root), small(), 1).unwrap()
}

async fn all(mut of: Answers) -> Answered {
    let mut answered = Answered::default();
    while let Some(event) = of.next().await {
        answered.add(event);
    }
    answered
}

#[tokio::test]
async fn many_at_once_get_what_they_get_alone() {
    let (model, dir) = (tiny(), tempfile::tempdir().unwrap());
    let adapters = write_all(&model, 4, dir.path());
    let engine = start(dir.path());
    let requests: Vec<Request> = (0..12)
        .map(|number| Request {
            adapter: (number % 3 > 0).then(|| adapters[number % 4]),
            sampling: Sampling { temperature: 0.9, seed: 5, top_logprobs: Some(2), ..Default::default() },
            tokens_max: Some(8 + number),
            ..Request::new(prompt(10 + number, number))
        })
        .collect();
    let tasks: Vec<_> = requests
        .iter()
        .cloned()
        .map(|request| {
            let engine = engine.clone();
            tokio::spawn(async move { all(engine.submit(request).await.unwrap()).await })
        })
        .collect();
    for (task, request) in tasks.into_iter().zip(requests) {
        let (found, expected) = (task.await.unwrap(), answers(&model, dir.path(), small(), &[request]).remove(0));
        assert_eq!(found.tokens, expected.tokens);
        assert_eq!(found.logprobs, expected.logprobs);
        assert_eq!(found.logprobs.len(), found.first().len());
    }
    engine.stop().await.unwrap();
}

#[tokio::test]
async fn who_stops_listening_is_computed_no_further() {
    let dir = tempfile::tempdir().unwrap();
    let engine = start(dir.path());
    let mut answers = engine.submit(Request { choices: 3, ..Request::new(prompt(20, 1)) }).await.unwrap();
    assert!(matches!(answers.next().await, Some(Event::Token { .. })));
    drop(answers);
    until(async || {
        let counts = engine.counts().await.unwrap();
        counts.running + counts.waiting == 0 && counts.pages == counts.pages_idle
    })
    .await;
    // It goes on for others.
    let request = Request { tokens_max: Some(4), ..Request::new(prompt(5, 1)) };
    assert_eq!(all(engine.submit(request).await.unwrap()).await.first().len(), 4);
}

#[tokio::test]
async fn who_reads_nothing_is_cut_off_and_the_rest_is_kept_small() {
    let dir = tempfile::tempdir().unwrap();
    let config = EngineConfig { choices_max: 64, ..small() };
    let engine = EngineThread::start(tiny(), None, disk(dir.path()), config, 1).unwrap();
    // More than may lie unread: 64 answers of 100 tokens.
    let request = Request { choices: 64, tokens_max: Some(100), ..Request::new(prompt(20, 1)) };
    let mut answers = engine.submit(request).await.unwrap();
    until(async || {
        let counts = engine.counts().await.unwrap();
        counts.running + counts.waiting == 0 && counts.pages == counts.pages_idle
    })
    .await;
    for _ in 0..EVENTS_MAX {
        assert!(matches!(answers.next().await, Some(Event::Token { .. })));
    }
    let last = answers.next().await;
    assert!(matches!(last, Some(Event::Failed(RequestError::TooSlow { unread: EVENTS_MAX }))), "{last:?}");
    assert!(answers.next().await.is_none());
}

#[tokio::test]
async fn failures_reach_who_asked() {
    let dir = tempfile::tempdir().unwrap();
    let engine = start(dir.path());
    assert!(matches!(engine.submit(Request::new(vec![])).await, Err(RequestError::EmptyPrompt)));
    let unknown = Request { adapter: Some(ContentHash::of(b"x")), ..Request::new(vec![1]) };
    let answer = all(engine.submit(unknown).await.unwrap()).await;
    assert!(matches!(answer.error, Some(RequestError::Adapter(_))) && answer.tokens.is_empty());
}

#[tokio::test]
async fn stopping_lets_what_was_begun_end_and_takes_nothing_new() {
    let dir = tempfile::tempdir().unwrap();
    let engine = start(dir.path());
    let begun = engine.submit(Request { tokens_max: Some(30), ..Request::new(prompt(9, 2)) }).await.unwrap();
    let other = engine.clone();
    let (stopped, answer) = tokio::join!(engine.stop(), all(begun));
    stopped.unwrap();
    assert_eq!(answer.first().len(), 30);
    assert!(matches!(other.submit(Request::new(vec![1])).await, Err(RequestError::Stopped { .. })));
}

/// A source that waits until it is let go.
struct Slow(Arc<(Mutex<bool>, Condvar)>);

impl AdapterSource for Slow {
    fn fetch(&self, _: &ContentHash, _: &Path) -> Result<(), SourceError> {
        let (open, changed) = &*self.0;
        let mut open = open.lock().unwrap();
        while !*open {
            open = changed.wait(open).unwrap();
        }
        NoSource.fetch(&ContentHash::default(), Path::new(""))
    }
}

#[tokio::test]
async fn a_slow_source_keeps_nobody_else_waiting() {
    let (model, dir) = (tiny(), tempfile::tempdir().unwrap());
    let adapters = write_all(&model, 1, dir.path());
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let disk = AdapterDisk::open(dir.path(), u64::MAX, Box::new(Slow(gate.clone()))).unwrap();
    let engine = EngineThread::start(model, None, disk, small(), 1).unwrap();
    let slow = Request { adapter: Some(ContentHash::of(b"far away")), ..Request::new(vec![1]) };
    let mut slow = engine.submit(slow).await.unwrap();
    // More than who lacks room may be overtaken by.
    for number in 0..80 {
        let adapter = (number % 2 == 0).then_some(adapters[0]);
        let request = Request { adapter, tokens_max: Some(2), ..Request::new(prompt(4, number)) };
        assert_eq!(all(engine.submit(request).await.unwrap()).await.first().len(), 2);
    }
    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
    assert!(matches!(slow.next().await, Some(Event::Failed(RequestError::Adapter(_)))));
}

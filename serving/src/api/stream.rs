//! Answers in pieces, as server-sent events.
//!
//! The stream is pulled: a piece counts as delivered when the connection takes it. A reader that takes none leaves the engine's
//! events unread, which are bounded ([`EVENTS_MAX`](crate::EVENTS_MAX)).

use super::ask::{Running, Step};
use super::error::ApiError;
use super::form::{Form, Head};
use super::wire::UsageObject;
use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures::stream::unfold;
use serde::Serialize;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

/// How long a stream is silent at most: proxies close connections that are. A line that begins with a colon says nothing.
const SILENCE: Duration = Duration::from_secs(15);
const ALIVE: &[u8] = b": waiting\n\n";
const DONE: &[u8] = b"data: [DONE]\n\n";

/// Answers with a stream of chunks.
pub(super) fn stream<F: Form>(form: F, head: Head, running: Running, include_usage: bool) -> Response {
    let mut chunks = Chunks { form, head, include_usage, running: Some(running), queue: VecDeque::new() };
    chunks.begin();
    let body = unfold(chunks, |mut chunks| async move {
        let bytes = chunks.next().await?;
        Some((Ok::<_, Infallible>(bytes), chunks))
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        // nginx would collect the answer otherwise.
        (header::HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    (headers, Body::from_stream(body)).into_response()
}

struct Chunks<F: Form> {
    form: F,
    head: Head,
    include_usage: bool,
    /// Until the answers are complete.
    running: Option<Running>,
    /// What can be sent; a few pieces at most.
    queue: VecDeque<Bytes>,
}

impl<F: Form> Chunks<F> {
    fn begin(&mut self) {
        let answers = self.running.as_ref().map_or(0, Running::open);
        for index in 0..answers {
            if let Some(piece) = self.form.first(index) {
                self.push(piece);
            }
        }
    }

    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(bytes) = self.queue.pop_front() {
                return Some(bytes);
            }
            let running = self.running.as_mut()?;
            let Ok(step) = tokio::time::timeout(SILENCE, running.next()).await else {
                return Some(Bytes::from_static(ALIVE));
            };
            match step {
                Some(Ok(Step::Token { choice, chosen, text })) => {
                    running.sale.add_token(choice, chosen.token);
                    running.sale.add_text(choice, &text);
                    if !text.is_empty() || self.form.writes_tokens() {
                        let piece = self.form.piece(choice, text, Some(&chosen));
                        self.push(piece);
                    }
                }
                Some(Ok(Step::Finished { choice, text, reason })) => {
                    running.sale.add_text(choice, &text);
                    let is_last = running.open() == 0;
                    if !text.is_empty() {
                        let piece = self.form.piece(choice, text, None);
                        self.push(piece);
                    }
                    let end = self.form.last(choice, &reason);
                    match is_last {
                        true => self.end(end).await,
                        false => self.push(end),
                    }
                }
                Some(Err(error)) => self.fail(&error),
                None => self.running = None,
            }
        }
    }

    /// Settles, and writes the last chunks: the end of the last answer, and the tokens if they were asked for. What the client
    /// gets for its records is in the very last one.
    async fn end(&mut self, end: F::Piece) {
        let Some(running) = self.running.take() else { return };
        let tokens = running.sale.tokens();
        // The account takes what was taken from the queue and what is in it: all of it is ready to be sent.
        let settled = match running.sale.settle().await {
            Ok(settled) => settled,
            Err(error) => return self.fail(&error),
        };
        let mut last = self.head.completion(F::CHUNK, vec![end]);
        if self.include_usage {
            last.usage = Some(None);
            self.queue.push_back(event(&last));
            last = self.head.completion(F::CHUNK, Vec::new());
            last.usage = Some(Some(UsageObject::new(tokens.prompt, tokens.cached, tokens.answer)));
        }
        last.tributary = settled.object;
        self.queue.push_back(event(&last));
        self.queue.push_back(Bytes::from_static(DONE));
    }

    /// Ends with an error, which OpenAI's clients raise.
    fn fail(&mut self, error: &ApiError) {
        self.running = None;
        self.queue.push_back(Bytes::from(format!("data: {}\n\n", error.json())));
        self.queue.push_back(Bytes::from_static(DONE));
    }

    fn push(&mut self, piece: F::Piece) {
        let mut chunk = self.head.completion(F::CHUNK, vec![piece]);
        chunk.usage = self.include_usage.then_some(None);
        self.queue.push_back(event(&chunk));
    }
}

fn event(chunk: &impl Serialize) -> Bytes {
    let json = serde_json::to_string(chunk).expect("text and numbers are JSON");
    Bytes::from(format!("data: {json}\n\n"))
}

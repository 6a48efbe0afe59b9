//! What was delivered for a request, and its account.
//!
//! # Invariants
//! - A ticket is settled once: when the answer is complete, or, if the client went away or the engine failed in the middle, when
//!   the rest is dropped. Where nothing was delivered it is dropped and not settled.
//! - Settling goes on where it was begun, even if the client goes away meanwhile and before the server ends.

use super::error::ApiError;
use super::metrics::{Ending, Metrics, TokenCounts};
use crate::door::{Refusal, Settled, Sold, Ticket};
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;
use tributary_protocol::ContentHash;

/// The account of a request that is being answered.
pub(super) struct Sale {
    ticket: Option<Box<dyn Ticket>>,
    prompt: Vec<u32>,
    answers: Vec<Vec<u32>>,
    texts: Vec<String>,
    /// Tokens of prompts that were there already.
    pub cached: u64,
    model: String,
    ending: Ending,
    is_recorded: bool,
    metrics: Arc<Metrics>,
    work: TaskTracker,
    /// Where settling goes on if the answer is dropped.
    runtime: Handle,
}

impl Sale {
    /// Called on the runtime. For `choices` answers of `model` to a prompt. Settling is one of the `work` that the server waits for.
    pub fn new(
        ticket: Box<dyn Ticket>,
        prompt: Vec<u32>,
        choices: usize,
        model: String,
        metrics: Arc<Metrics>,
        work: TaskTracker,
    ) -> Self {
        Self {
            ticket: Some(ticket),
            prompt,
            answers: vec![Vec::new(); choices],
            texts: vec![String::new(); choices],
            cached: 0,
            model,
            ending: Ending::Abandoned,
            is_recorded: false,
            metrics,
            work,
            runtime: Handle::current(),
        }
    }

    /// A token that the client gets.
    pub fn add_token(&mut self, choice: u32, token: u32) {
        if let Some(answer) = self.answers.get_mut(choice as usize) {
            answer.push(token);
        }
    }

    /// Text that the client gets.
    pub fn add_text(&mut self, choice: u32, text: &str) {
        if let Some(all) = self.texts.get_mut(choice as usize) {
            all.push_str(text);
        }
    }

    /// Says that the engine failed.
    pub fn fail(&mut self) {
        self.ending = Ending::Failed;
    }

    /// Tokens so far.
    pub fn tokens(&self) -> TokenCounts {
        let answer = self.answers.iter().map(|answer| answer.len() as u64).sum();
        TokenCounts { prompt: self.prompt.len() as u64, cached: self.cached, answer }
    }

    /// Settles a complete answer.
    pub async fn settle(mut self) -> Result<Settled, ApiError> {
        self.ending = Ending::Complete;
        self.record();
        let Some(ticket) = self.ticket.take() else { return Ok(Settled::default()) };
        let sold = self.sold();
        let settling = self.work.spawn(settle(ticket, sold, self.metrics.clone()));
        match settling.await {
            Ok(settled) => settled.map_err(ApiError::from),
            Err(_) => Err(ApiError::internal("the account of this answer could not be settled")),
        }
    }

    fn record(&mut self) {
        if !std::mem::replace(&mut self.is_recorded, true) {
            self.metrics.record_answer(&self.model, self.ending, self.tokens());
        }
    }

    fn sold(&mut self) -> Sold {
        let tokens = self.tokens();
        let mut text = blake3::Hasher::new();
        self.texts.iter().for_each(|one| {
            text.update(one.as_bytes());
        });
        // Both are far below 2^32: the context times the choices.
        let count = |tokens: u64| u32::try_from(tokens).unwrap_or(u32::MAX);
        Sold {
            prompt_tokens: count(tokens.prompt),
            answer_tokens: count(tokens.answer),
            prompt: std::mem::take(&mut self.prompt),
            answers: std::mem::take(&mut self.answers),
            answer: ContentHash(*text.finalize().as_bytes()),
        }
    }
}

async fn settle(ticket: Box<dyn Ticket>, sold: Sold, metrics: Arc<Metrics>) -> Result<Settled, Refusal> {
    let (prompt_tokens, answer_tokens) = (sold.prompt_tokens, sold.answer_tokens);
    let settled = ticket.settle(sold).await;
    if let Err(error) = &settled {
        metrics.record_unsettled();
        tracing::error!(prompt_tokens, answer_tokens, %error, "a delivered answer could not be settled");
    }
    settled
}

impl Drop for Sale {
    fn drop(&mut self) {
        self.record();
        let Some(ticket) = self.ticket.take() else { return };
        if self.tokens().answer > 0 {
            let sold = self.sold();
            self.work.spawn_on(settle(ticket, sold, self.metrics.clone()), &self.runtime);
        }
    }
}

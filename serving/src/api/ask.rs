//! From a checked request to its events: admission, the engine, the account.

use super::clients::Place;
use super::error::ApiError;
use super::sale::Sale;
use super::server::Server;
use crate::constraint::Constraint;
use crate::door::{Credentials, Served, Wanted};
use crate::request::{Event, FinishReason, Request};
use crate::sampling::{Chosen, Sampling};
use crate::thread::Answers;
use futures::StreamExt as _;
use futures::stream::{BoxStream, SelectAll, unfold};
use std::sync::Arc;
use std::time::Instant;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tributary_protocol::ContentHash;

/// What is asked for, checked but for what only the engine knows.
pub(super) struct Ask {
    pub served: Arc<Served>,
    /// Tokens of each prompt.
    pub prompts: Vec<Vec<u32>>,
    /// The field that prompts came from, for errors.
    pub field: &'static str,
    /// Answers to each prompt.
    pub choices: u32,
    /// Most tokens of each answer; `None`: as many as the context has room for.
    pub tokens_max: Option<usize>,
    pub sampling: Sampling,
    pub stop_tokens: Vec<u32>,
    pub stop_strings: Vec<String>,
    pub constraint: Option<Constraint>,
    /// Whether an answer's first space belongs to what separates it from the prompt.
    pub trims_space: bool,
    /// BLAKE3 of the body.
    pub body: ContentHash,
}

/// A request that is being answered. Dropping it ends what is not done.
pub(super) struct Running {
    events: SelectAll<BoxStream<'static, (u32, Event)>>,
    /// Answers to each prompt.
    choices: u32,
    /// Answers that are not complete.
    open: u32,
    /// The account; there until it is settled.
    pub sale: Sale,
    /// The answers whose first space is left out, and that have no text yet.
    trims_space: Vec<bool>,
    /// When each answer had its last token.
    last_token: Vec<Option<Instant>>,
    begun: Instant,
    server: Arc<Server>,
    _place: InProgress,
}

/// A place among the requests in progress; the server does not end before it is dropped.
pub(super) struct InProgress {
    pub _place: Place,
    pub _work: TaskTrackerToken,
}

/// What comes of one of the answers, which are numbered through all prompts.
pub(super) enum Step {
    Token { choice: u32, chosen: Chosen, text: String },
    Finished { choice: u32, text: String, reason: FinishReason },
}

impl Ask {
    /// Tokens that each answer to this prompt may have.
    ///
    /// Errors: no room in the context.
    fn tokens_for(&self, prompt: &[u32], positions_max: usize) -> Result<usize, ApiError> {
        let room = positions_max.saturating_sub(prompt.len());
        let wanted = self.tokens_max.unwrap_or(room);
        if wanted == 0 || wanted > room {
            let message = format!(
                "the context holds {positions_max} tokens, and {} of the prompt and {} of the answer were asked for; hint: a \
                 shorter prompt, or fewer tokens",
                prompt.len(),
                wanted.max(1)
            );
            return Err(ApiError::invalid(self.field, "context_length_exceeded", message));
        }
        Ok(wanted)
    }

    /// Has the request admitted and hands it to the engine.
    pub async fn begin(
        self,
        server: &Arc<Server>,
        credentials: &Credentials,
        place: InProgress,
    ) -> Result<Running, ApiError> {
        let engine = &server.api().engine;
        let positions_max = engine.positions_max();
        let caps: Vec<usize> =
            self.prompts.iter().map(|prompt| self.tokens_for(prompt, positions_max)).collect::<Result<_, _>>()?;
        self.sampling
            .check(server.api().model.config().vocab_size)
            .map_err(|error| ApiError::of_request(&error.into(), self.field))?;
        let choices_all = self.choices as usize * self.prompts.len();
        let too_much = || {
            ApiError::invalid(self.field, "invalid_value", "the answers asked for have more tokens than can be counted")
        };
        let answer_tokens_max = caps.iter().sum::<usize>().checked_mul(self.choices as usize);
        let wanted = Wanted {
            served: self.served.clone(),
            prompt_tokens: u32::try_from(self.prompts.iter().map(Vec::len).sum::<usize>()).map_err(|_| too_much())?,
            answer_tokens_max: answer_tokens_max.and_then(|tokens| u32::try_from(tokens).ok()).ok_or_else(too_much)?,
            choices: u32::try_from(choices_all).map_err(|_| too_much())?,
            request: self.body,
        };
        let all = wanted.answer_tokens_max;
        let admission = server.api().till.admit(credentials, wanted).await?;
        // What is admitted of a larger wish is divided evenly, so that no answer takes another's tokens.
        let each = match admission.answer_tokens_max >= all {
            true => usize::MAX,
            false => admission.answer_tokens_max as usize / choices_all.max(1),
        };
        if each == 0 {
            let admitted = admission.answer_tokens_max;
            return Err(ApiError::unpaid(format!(
                "{admitted} tokens are paid for, and {choices_all} answers have at least one each"
            )));
        }
        let begun = Instant::now();
        let mut events = SelectAll::new();
        for (index, (prompt, cap)) in (0u32..).zip(self.prompts.iter().zip(caps)) {
            let request = Request {
                prompt: prompt.clone(),
                adapter: self.served.adapter,
                sampling: self.sampling.clone(),
                tokens_max: Some(cap.min(each)),
                stop_tokens: self.stop_tokens.clone(),
                stop_strings: self.stop_strings.clone(),
                constraint: self.constraint.clone(),
                choices: self.choices,
            };
            let answers = engine.submit(request).await.map_err(|error| ApiError::of_request(&error, self.field))?;
            events.push(numbered(index, answers));
        }
        let sale = Sale::new(
            admission.ticket,
            self.prompts.concat(),
            choices_all,
            self.served.id.clone(),
            server.metrics().clone(),
            server.work().clone(),
        );
        Ok(Running {
            events,
            choices: self.choices,
            open: choices_all as u32,
            trims_space: vec![self.trims_space; choices_all],
            sale,
            last_token: vec![None; choices_all],
            begun,
            server: server.clone(),
            _place: place,
        })
    }
}

/// The events of one prompt, with its number.
fn numbered(index: u32, answers: Answers) -> BoxStream<'static, (u32, Event)> {
    unfold(answers, move |mut answers| async move { Some(((index, answers.next().await?), answers)) }).boxed()
}

impl Running {
    /// What comes next; `None` after the last answer. After an error nothing follows. May be dropped while it waits.
    pub async fn next(&mut self) -> Option<Result<Step, ApiError>> {
        if self.open == 0 {
            return None;
        }
        let event = tokio::select! {
            event = self.events.next() => event,
            () = self.server.ended().cancelled() => return Some(Err(self.fail(ApiError::draining(1)))),
        };
        let Some((prompt, event)) = event else {
            return Some(Err(self.fail(ApiError::internal("the engine ended in the middle of the answer"))));
        };
        let number = |choice: u32| prompt * self.choices + choice;
        Some(match event {
            Event::Token { choice, chosen, text } => {
                let choice = number(choice);
                self.record_token(choice);
                Ok(Step::Token { choice, chosen, text: self.trimmed(choice, text) })
            }
            Event::Finished { choice, text, reason, usage } => {
                self.open -= 1;
                // The answers to one prompt share its pages.
                if choice == 0 {
                    self.sale.cached += usage.cached_tokens as u64;
                }
                let choice = number(choice);
                Ok(Step::Finished { choice, text: self.trimmed(choice, text), reason })
            }
            Event::Failed(error) => {
                let error = ApiError::of_request(&error, "prompt");
                Err(self.fail(error))
            }
        })
    }

    /// The text that the client gets, and that the receipt's hash is of.
    fn trimmed(&mut self, choice: u32, text: String) -> String {
        match self.trims_space.get_mut(choice as usize) {
            Some(trims) if *trims && !text.is_empty() => {
                *trims = false;
                text.strip_prefix(' ').map_or_else(|| text.clone(), ToOwned::to_owned)
            }
            _ => text,
        }
    }

    fn fail(&mut self, error: ApiError) -> ApiError {
        self.open = 0;
        self.events.clear();
        self.sale.fail();
        error
    }

    fn record_token(&mut self, choice: u32) {
        let now = Instant::now();
        let Some(last) = self.last_token.get_mut(choice as usize) else { return };
        match last.replace(now) {
            Some(last) => self.server.metrics().record_next_token(now - last),
            None if choice == 0 => self.server.metrics().record_first_token(now - self.begun),
            None => {}
        }
    }

    /// Answers that are not complete.
    pub fn open(&self) -> u32 {
        self.open
    }
}

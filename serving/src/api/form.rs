//! What the two kinds of completions share: how answers are collected, written whole, and written in pieces.

use super::ask::{Running, Step};
use super::error::ApiError;
use super::wire::{Completion, UsageObject};
use crate::request::FinishReason;
use crate::sampling::Chosen;
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// How answers are written.
pub(super) trait Form: Send + 'static {
    /// The object's name, whole.
    const OBJECT: &'static str;
    /// The object's name in a stream.
    const CHUNK: &'static str;
    /// An answer.
    type Whole: Serialize + Send;
    /// A piece of one.
    type Piece: Serialize + Send;

    /// An answer that is complete.
    fn whole(&mut self, index: u32, answer: Collected) -> Self::Whole;

    /// What comes before an answer's first piece.
    fn first(&mut self, index: u32) -> Option<Self::Piece>;

    /// A piece of an answer: a token, or text that was held back.
    fn piece(&mut self, index: u32, text: String, chosen: Option<&Chosen>) -> Self::Piece;

    /// The end of an answer.
    fn last(&mut self, index: u32, reason: &FinishReason) -> Self::Piece;

    /// Whether tokens are written even if no text became complete with them.
    fn writes_tokens(&self) -> bool;
}

/// What all parts of a response say.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub id: String,
    pub created: u64,
    pub model: String,
    pub fingerprint: String,
}

impl Head {
    pub fn completion<C>(&self, object: &'static str, choices: Vec<C>) -> Completion<C> {
        Completion {
            id: self.id.clone(),
            object,
            created: self.created,
            model: self.model.clone(),
            system_fingerprint: self.fingerprint.clone(),
            choices,
            usage: None,
            tributary: None,
        }
    }
}

/// An answer as it grows.
#[derive(Clone, Debug, Default)]
pub(super) struct Collected {
    pub text: String,
    /// Its tokens, with the characters of text before each.
    pub tokens: Vec<(Chosen, usize)>,
    pub reason: Option<FinishReason>,
}

/// The header that holds the receipt.
pub(super) const RECEIPT: HeaderName = HeaderName::from_static("x-tributary-receipt");

/// Answers with one object, when all answers are complete.
pub(super) async fn whole<F: Form>(mut form: F, head: Head, mut running: Running) -> Result<Response, ApiError> {
    let mut answers = vec![Collected::default(); running.open() as usize];
    while let Some(step) = running.next().await {
        match step? {
            Step::Token { choice, chosen, text } => {
                let answer = &mut answers[choice as usize];
                answer.tokens.push((chosen, answer.text.chars().count()));
                answer.text += &text;
            }
            Step::Finished { choice, text, reason } => {
                let answer = &mut answers[choice as usize];
                answer.text += &text;
                answer.reason = Some(reason);
            }
        }
    }
    let mut sale = running.sale;
    for (choice, answer) in (0..).zip(&answers) {
        answer.tokens.iter().for_each(|(chosen, _)| sale.add_token(choice, chosen.token));
        sale.add_text(choice, &answer.text);
    }
    let tokens = sale.tokens();
    let settled = sale.settle().await?;
    let choices = (0..).zip(answers).map(|(index, answer)| form.whole(index, answer)).collect();
    let mut completion = head.completion(F::OBJECT, choices);
    completion.usage = Some(Some(UsageObject::new(tokens.prompt, tokens.cached, tokens.answer)));
    completion.tributary = settled.object;
    let mut response = axum::Json(completion).into_response();
    if let Some(receipt) = settled.header {
        let receipt = HeaderValue::from_str(&receipt)
            .map_err(|_| ApiError::internal("the receipt of this answer is no header's value"))?;
        response.headers_mut().insert(RECEIPT, receipt);
    }
    Ok(response)
}

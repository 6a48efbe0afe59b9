//! What keeping epochs needs of the chain. A [`Submitter`] is one; the tests have another, which keeps the pallet's rules.

use super::audit::Opening;
use async_trait::async_trait;
use std::sync::Arc;
use tributary_client::{Account, AnswerLedger, Call, ChainError, Stream, SubmitError, Submitter, calls};
use tributary_protocol::{ContentHash, ModelId, epoch::EpochRoot};

/// How an operator stands with a model, at one finalised block.
#[derive(Clone, Debug)]
pub struct Position {
    /// The block's height.
    pub block: u32,
    /// The model's adapter.
    pub adapter: ContentHash,
    /// The model's stream.
    pub stream: Stream,
    /// The operator's ledger; `None` before its first payment.
    pub ledger: Option<AnswerLedger>,
}

/// What an operator does about its epochs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Posts an epoch.
    Publish {
        /// What is posted.
        root: EpochRoot,
    },
    /// Draws the points that a challenge demands.
    Draw,
    /// Opens leaves at drawn points: at most [`super::audit::OPENINGS_MAX`].
    Open {
        /// The leaves.
        leaves: Vec<Opening>,
    },
    /// Ends an epoch whose windows are over.
    Resolve,
    /// Gives what was never divided to the contributors by their shares.
    Release,
}

impl Action {
    /// The call.
    pub fn call(&self, model: ModelId, operator: Account) -> Call {
        use calls::{attribution, utility};
        match self {
            Self::Publish { root } => attribution::publish_epoch(model, root),
            Self::Draw => attribution::draw(model, operator),
            Self::Open { leaves } => {
                let open = |Opening { leaf, proof, draws }: &Opening| {
                    attribution::open_leaf(model, operator, *leaf, proof, draws)
                };
                utility::batch_all(leaves.iter().map(open).collect())
            }
            Self::Resolve => attribution::resolve(model, operator),
            Self::Release => attribution::release(model, operator),
        }
    }
}

/// A chain, as far as an operator's epochs are concerned.
#[async_trait]
pub trait EpochChain: Send + Sync + 'static {
    /// How the operator stands with a model; `None` if there is no such model.
    async fn position(&self, model: ModelId) -> Result<Option<Position>, ChainError>;

    /// Makes an action happen once for `intent`, and waits until it is final: see [`Submitter::submit`].
    async fn act(&self, intent: &str, model: ModelId, action: &Action) -> Result<(), SubmitError>;
}

#[async_trait]
impl EpochChain for Arc<Submitter> {
    async fn position(&self, model: ModelId) -> Result<Option<Position>, ChainError> {
        let (head, view) = self.client().latest_with_head();
        let (Some(record), Some(stream)) = (view.model(model).await?, view.stream(model).await?) else {
            return Ok(None);
        };
        let ledger = view.ledger(model, self.account()).await?;
        Ok(Some(Position { block: head.number, adapter: record.adapter, stream, ledger }))
    }

    async fn act(&self, intent: &str, model: ModelId, action: &Action) -> Result<(), SubmitError> {
        self.submit(intent, &action.call(model, self.account())).await.map(|_| ())
    }
}

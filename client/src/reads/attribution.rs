//! Revenue streams and claims.

use super::View;
use crate::{
    account::Account,
    error::ChainError,
    records::{AnswerLedger, Stream},
};
use tributary_protocol::{Amount, ModelId};

impl View {
    /// A model's stream.
    pub async fn stream(&self, model: ModelId) -> Result<Option<Stream>, ChainError> {
        self.call("AttributionApi_stream", (model,)).await
    }

    /// What a leaf of `units` at `index` could claim now; `None` if there is no such stream.
    pub async fn claimable(&self, model: ModelId, index: u32, units: u64) -> Result<Option<Amount>, ChainError> {
        self.call("AttributionApi_claimable", (model, index, units)).await
    }

    /// What an operator owes a model's contributors, and its epochs; `None` if it never paid for answers.
    pub async fn ledger(&self, model: ModelId, operator: Account) -> Result<Option<AnswerLedger>, ChainError> {
        self.call("AttributionApi_ledger", (model, operator)).await
    }

    /// What the leaf at `index` of an operator's epochs has been paid; `None` if there is no such ledger.
    pub async fn answers_paid(
        &self,
        model: ModelId,
        operator: Account,
        index: u32,
    ) -> Result<Option<Amount>, ChainError> {
        self.call("AttributionApi_answers_paid", (model, operator, index)).await
    }

    /// The account that holds the contributors' pools.
    pub async fn pool_account(&self) -> Result<Account, ChainError> {
        self.call("AttributionApi_pool_account", ()).await
    }
}

use frame_support::dispatch::DispatchResult;
use tributary_protocol::{Amount, ModelId, model::Prices};

/// What channels may know of the models that operators serve.
pub trait ServedModels<AccountId> {
    /// What a model costs now; `None` where there is no such model. Asked for models that are no longer offered too: answers
    /// that were given are paid.
    fn prices(model: ModelId) -> Option<Prices>;

    /// Whether an operator may answer with a model now: the model is published, no grant that it was trained under is revoked,
    /// and the operator has deployed it.
    fn may_serve(model: ModelId, operator: &AccountId) -> bool;

    /// Makes a new model with a stream, which `operator` may serve, for benchmarks of other pallets.
    #[cfg(feature = "runtime-benchmarks")]
    fn benchmark_served(operator: &AccountId) -> ModelId;
}

/// Where the price of answers goes.
pub trait AnswerSink<AccountId> {
    /// Takes `amount`, above zero, from the operator's free balance and divides it as a sale of the model: once, by the
    /// model's split. The part that answers divide waits for the operator's epochs.
    /// Errors: the model has no stream; the operator cannot pay, or place the deposit of its first payment.
    fn sell(model: ModelId, operator: &AccountId, amount: Amount) -> DispatchResult;
}

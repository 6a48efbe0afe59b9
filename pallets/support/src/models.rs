use sp_runtime::DispatchError;
use tributary_protocol::{
    BaseModelId, ContentHash, ModelId,
    answer::Accuracy,
    job::Metrics,
    model::Lineage,
    stream::{ContributionRoot, Split},
};

/// What other pallets may know of base models.
pub trait BaseModelInspect<AccountId> {
    /// Who registered a base model and is paid its part; `None` where there is none.
    fn base_owner(id: BaseModelId) -> Option<AccountId>;

    /// Registers a base model, for benchmarks of other pallets.
    #[cfg(feature = "runtime-benchmarks")]
    fn benchmark_base(owner: &AccountId) -> BaseModelId;
}

/// A model that a settled job made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewModel<AccountId> {
    /// Who paid for it.
    pub owner: AccountId,
    /// BLAKE3 of its adapter file.
    pub adapter: ContentHash,
    /// Where it came from.
    pub lineage: Lineage<AccountId>,
    /// What was measured.
    pub metrics: Metrics,
    /// How its sales split.
    pub split: Split,
    /// Who shaped it.
    pub contributions: ContributionRoot,
    /// How right that was found to be.
    pub accuracy: Option<Accuracy>,
}

/// Where settled jobs put their models.
pub trait ModelRegistry<AccountId> {
    /// Records the model and opens its revenue stream.
    fn record(model: NewModel<AccountId>) -> Result<ModelId, DispatchError>;

    /// Whether an operator may answer with a model now: the model is published, no grant that it was trained under is revoked,
    /// and the operator has deployed it.
    fn may_serve(model: ModelId, operator: &AccountId) -> bool;
}

use frame_support::dispatch::DispatchResult;
use tributary_protocol::{
    JobId, ModelId,
    stream::{ContributionRoot, Parties, Split},
};

/// Where a model's revenue will flow.
pub trait RewardSink<AccountId> {
    /// Opens the stream of a new model. Fails where the model has one already, where the split is not whole, or where
    /// the contribution root's total is not `SHARE_UNITS`. `job` made the model; its number is bound into the
    /// contribution root, so claims are proved against it.
    fn open_stream(
        model: ModelId,
        job: JobId,
        parties: Parties<AccountId>,
        split: Split,
        contributions: ContributionRoot,
    ) -> DispatchResult;
}

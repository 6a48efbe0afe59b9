//! The methods. Every parameter named `at` is a block's hash; without it a method reads at the last finalised block.
//!
//! Lists come in pages: at most `limit` entries (100 unless told, and never more) from number `from` (0 unless told), and
//! in `next` the `from` of the page after, or null after the last.

use crate::{
    error::Error,
    views::{
        AmountText, BaseModelView, ChannelView, ContributionView, DatanetView, DeploymentView, DomainView, DueView,
        EntryView, GrantView, JobView, LedgerView, ModelView, OfferView, Page, ReadRequestView, RefusalView,
        StreamView, TrainerView, UseView, VersionView, VoucherView,
    },
};
use jsonrpsee::proc_macros::rpc;
use sp_runtime::AccountId32;
use tributary_protocol::{BaseModelId, ChannelId, ContributionId, DatanetId, GrantId, JobId, ModelId, job::Stage};

/// Datanets, contributions and versions.
#[rpc(server, namespace = "datanet")]
pub trait DatanetRpc<Hash> {
    /// A Datanet.
    #[method(name = "get")]
    fn datanet(&self, id: DatanetId, at: Option<Hash>) -> Result<DatanetView, Error>;

    /// A page of Datanets.
    #[method(name = "list")]
    fn datanets(&self, from: Option<u32>, limit: Option<u32>, at: Option<Hash>) -> Result<Page<DatanetView>, Error>;

    /// A contribution.
    #[method(name = "contribution")]
    fn contribution(&self, id: ContributionId, at: Option<Hash>) -> Result<ContributionView, Error>;

    /// A page of a Datanet's contributions, in the order of submission.
    #[method(name = "contributions")]
    fn contributions(
        &self,
        datanet: DatanetId,
        from: Option<u32>,
        limit: Option<u32>,
        at: Option<Hash>,
    ) -> Result<Page<ContributionView>, Error>;

    /// A version.
    #[method(name = "version")]
    fn version(&self, datanet: DatanetId, number: u32, at: Option<Hash>) -> Result<VersionView, Error>;

    /// A version's contributions with their contributors, in the order of the version's tree.
    #[method(name = "entries")]
    fn entries(&self, datanet: DatanetId, number: u32, at: Option<Hash>) -> Result<Vec<EntryView>, Error>;
}

/// Grants.
#[rpc(server, namespace = "grant")]
pub trait GrantRpc<Hash> {
    /// A grant.
    #[method(name = "get")]
    fn grant(&self, id: GrantId, at: Option<Hash>) -> Result<GrantView, Error>;

    /// A page of all grants.
    #[method(name = "list")]
    fn grants(&self, from: Option<u64>, limit: Option<u32>, at: Option<Hash>) -> Result<Page<GrantView>, Error>;

    /// A page of a grantee's grants, in the order of asking.
    #[method(name = "of")]
    fn grants_of(
        &self,
        grantee: AccountId32,
        from: Option<u32>,
        limit: Option<u32>,
        at: Option<Hash>,
    ) -> Result<Page<GrantView>, Error>;

    /// A page of a Datanet's grants, in the order of asking.
    #[method(name = "on")]
    fn grants_on(
        &self,
        datanet: DatanetId,
        from: Option<u32>,
        limit: Option<u32>,
        at: Option<Hash>,
    ) -> Result<Page<GrantView>, Error>;

    /// Whether a use would be allowed in the next block, and why not.
    #[method(name = "allows")]
    fn allows(&self, id: GrantId, wanted: UseView, at: Option<Hash>) -> Result<RefusalView, Error>;
}

/// Jobs and trainers, and who may read what.
#[rpc(server, namespace = "job")]
pub trait JobRpc<Hash> {
    /// A job.
    #[method(name = "get")]
    fn job(&self, id: JobId, at: Option<Hash>) -> Result<JobView, Error>;

    /// A page of jobs, of one stage if told. A page of one stage may be shorter than asked for and yet not the last:
    /// `next` tells.
    #[method(name = "list")]
    fn jobs(
        &self,
        from: Option<u64>,
        limit: Option<u32>,
        stage: Option<Stage>,
        at: Option<Hash>,
    ) -> Result<Page<JobView>, Error>;

    /// A trainer's bond and record.
    #[method(name = "trainer")]
    fn trainer(&self, account: AccountId32, at: Option<Hash>) -> Result<TrainerView, Error>;

    /// What a trainer must have free of its bond to claim a job of this price.
    #[method(name = "bondRequired")]
    fn bond_required(&self, price: AmountText, at: Option<Hash>) -> Result<AmountText, Error>;

    /// Whether an account may read a file: the question that data providers ask.
    #[method(name = "mayRead")]
    fn may_read(&self, request: ReadRequestView, at: Option<Hash>) -> Result<bool, Error>;

    /// Sends each job whose state a block changed, once the block is final, in the order of the blocks. A subscriber who
    /// reads too slowly is cut off, and reads [`Self::jobs`] before subscribing again.
    #[subscription(name = "subscribeJobs" => "changed", unsubscribe = "unsubscribeJobs", item = crate::views::JobChange<Hash>)]
    fn subscribe_jobs(&self);
}

/// Base models, models and deployments.
#[rpc(server, namespace = "model")]
pub trait ModelRpc<Hash> {
    /// A model.
    #[method(name = "get")]
    fn model(&self, id: ModelId, at: Option<Hash>) -> Result<ModelView, Error>;

    /// A page of models.
    #[method(name = "list")]
    fn models(&self, from: Option<u64>, limit: Option<u32>, at: Option<Hash>) -> Result<Page<ModelView>, Error>;

    /// A base model.
    #[method(name = "base")]
    fn base_model(&self, id: BaseModelId, at: Option<Hash>) -> Result<BaseModelView, Error>;

    /// A page of base models.
    #[method(name = "bases")]
    fn base_models(
        &self,
        from: Option<u32>,
        limit: Option<u32>,
        at: Option<Hash>,
    ) -> Result<Page<BaseModelView>, Error>;

    /// A page of the models trained on a version, in the order of making.
    #[method(name = "affectedBy")]
    fn affected_by(
        &self,
        datanet: DatanetId,
        number: u32,
        from: Option<u32>,
        limit: Option<u32>,
        at: Option<Hash>,
    ) -> Result<Page<ModelId>, Error>;

    /// Whether a grant under which the model was trained has been revoked since.
    #[method(name = "isAffected")]
    fn is_affected(&self, id: ModelId, at: Option<Hash>) -> Result<bool, Error>;

    /// Where a model is offered: the first `limit` deployments.
    #[method(name = "deployments")]
    fn deployments(&self, id: ModelId, limit: Option<u32>, at: Option<Hash>) -> Result<Vec<DeploymentView>, Error>;
}

/// Revenue streams and claims.
#[rpc(server, namespace = "attribution")]
pub trait AttributionRpc<Hash> {
    /// A model's stream.
    #[method(name = "stream")]
    fn stream(&self, model: ModelId, at: Option<Hash>) -> Result<StreamView, Error>;

    /// What the leaf of `units` at `index` could claim now.
    #[method(name = "claimable")]
    fn claimable(&self, model: ModelId, index: u32, units: u64, at: Option<Hash>) -> Result<AmountText, Error>;

    /// What an operator owes a model's contributors, and its epochs.
    #[method(name = "ledger")]
    fn ledger(&self, model: ModelId, operator: AccountId32, at: Option<Hash>) -> Result<LedgerView, Error>;

    /// What the leaf at `index` of an operator's epochs has been paid.
    #[method(name = "answersPaid")]
    fn answers_paid(
        &self,
        model: ModelId,
        operator: AccountId32,
        index: u32,
        at: Option<Hash>,
    ) -> Result<AmountText, Error>;

    /// The account that holds the contributors' pools.
    #[method(name = "poolAccount")]
    fn pool_account(&self, at: Option<Hash>) -> Result<AccountId32, Error>;

    /// What a job's contribution root is bound to: leaves and proofs are hashed under it.
    #[method(name = "proofDomain")]
    fn proof_domain(&self, job: JobId) -> Result<DomainView, Error>;
}

/// Payment channels and operators' offers.
#[rpc(server, namespace = "channels")]
pub trait ChannelsRpc<Hash> {
    /// A channel that has not ended.
    #[method(name = "get")]
    fn channel(&self, id: ChannelId, at: Option<Hash>) -> Result<ChannelView, Error>;

    /// A page of the channels that have not ended. It may be shorter than asked for and yet not the last: `next` tells.
    #[method(name = "list")]
    fn channels(&self, from: Option<u64>, limit: Option<u32>, at: Option<Hash>) -> Result<Page<ChannelView>, Error>;

    /// An operator's offer to answer with a model, whether it still holds or not.
    #[method(name = "offer")]
    fn offer(&self, model: ModelId, operator: AccountId32, at: Option<Hash>) -> Result<OfferView, Error>;

    /// Who offers to answer with a model, and at which prices: the first `limit` offers.
    #[method(name = "offers")]
    fn offers(&self, model: ModelId, limit: Option<u32>, at: Option<Hash>) -> Result<Vec<OfferView>, Error>;

    /// Whether an operator may answer with a model: it is published, no grant that it was trained under is revoked, and the
    /// operator has deployed it.
    #[method(name = "mayServe")]
    fn may_serve(&self, model: ModelId, operator: AccountId32, at: Option<Hash>) -> Result<bool, Error>;

    /// What a voucher would newly pay if it were redeemed and rightly signed, and why not.
    #[method(name = "due")]
    fn due(&self, voucher: VoucherView, at: Option<Hash>) -> Result<DueView, Error>;
}

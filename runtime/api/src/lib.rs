//! The runtime API traits: the one read door from outside. JSON-RPC and the client crate sit on these.
//!
//! Lists come in pages: the first `limit` (at most [`PAGE_MAX`]) entries whose number is at least `from`, ascending. A page
//! shorter than asked for is the last, unless its doc says otherwise.
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

use alloc::vec::Vec;
use codec::Codec;
use tributary_protocol::{
    Amount, BaseModelId, ChannelId, ContributionId, DatanetId, GrantId, JobId, ModelId, VersionRef,
    access::ReadRequest,
    channel::{Channel, Due, Offer},
    datanet::{Contribution, Datanet, Version, VersionEntry},
    epoch::Ledger,
    grant::{Grant, GrantRefusal, Use},
    job::{Job, Stage, TrainerRecord},
    model::{BaseModel, Deployment, Model},
    stream::Stream,
    voucher::{Voucher, VoucherRefusal},
};

/// Most entries of one page.
pub const PAGE_MAX: u32 = 100;

sp_api::decl_runtime_apis! {
    /// Datanets, contributions and versions.
    pub trait DatanetsApi<AccountId> where AccountId: Codec {
        /// A Datanet.
        fn datanet(id: DatanetId) -> Option<Datanet<AccountId>>;
        /// A page of Datanets.
        fn datanets(from: DatanetId, limit: u32) -> Vec<(DatanetId, Datanet<AccountId>)>;
        /// A contribution.
        fn contribution(id: ContributionId) -> Option<Contribution<AccountId>>;
        /// A page of a Datanet's contributions, `from` counting from 0 in the order of submission.
        fn contributions(datanet: DatanetId, from: u32, limit: u32) -> Vec<(ContributionId, Contribution<AccountId>)>;
        /// A version.
        fn version(version: VersionRef) -> Option<Version>;
        /// A version's contributions, each with its contributor, in the order of the version's tree. Empty where there is no such version.
        fn entries(version: VersionRef) -> Vec<(VersionEntry, AccountId)>;
    }

    /// Grants.
    pub trait GrantsApi<AccountId> where AccountId: Codec {
        /// A grant.
        fn grant(id: GrantId) -> Option<Grant<AccountId>>;
        /// A page of all grants.
        fn grants(from: GrantId, limit: u32) -> Vec<(GrantId, Grant<AccountId>)>;
        /// A page of a grantee's grants, `from` counting from 0 in the order of asking.
        fn grants_of(grantee: AccountId, from: u32, limit: u32) -> Vec<(GrantId, Grant<AccountId>)>;
        /// A page of a Datanet's grants, `from` counting from 0 in the order of asking.
        fn grants_on(datanet: DatanetId, from: u32, limit: u32) -> Vec<(GrantId, Grant<AccountId>)>;
        /// Whether a use would be allowed in the next block.
        fn allows(grant: GrantId, wanted: Use<AccountId>) -> Option<Result<(), GrantRefusal>>;
    }

    /// Jobs and trainers, and who may read what.
    pub trait JobsApi<AccountId> where AccountId: Codec {
        /// A job.
        fn job(id: JobId) -> Option<Job<AccountId>>;
        /// A page of jobs; with `stage`, only those in it. Looks at no more than `10 * PAGE_MAX` jobs.
        fn jobs(from: JobId, limit: u32, stage: Option<Stage>) -> Vec<(JobId, Job<AccountId>)>;
        /// The number that the next job will have.
        fn next_job() -> JobId;
        /// The jobs that events of this block name, ascending: those whose state it changed.
        fn changed_jobs() -> Vec<JobId>;
        /// A trainer's bond and record.
        fn trainer(account: AccountId) -> Option<TrainerRecord>;
        /// What a trainer must have free of its bond to claim a job of this price.
        fn bond_required(price: Amount) -> Amount;
        /// Whether `request` is allowed at this block: the question that data providers ask.
        fn may_read(request: ReadRequest<AccountId>) -> bool;
    }

    /// Base models, models and deployments.
    pub trait ModelsApi<AccountId> where AccountId: Codec {
        /// A base model.
        fn base_model(id: BaseModelId) -> Option<BaseModel<AccountId>>;
        /// A page of base models.
        fn base_models(from: BaseModelId, limit: u32) -> Vec<(BaseModelId, BaseModel<AccountId>)>;
        /// A model.
        fn model(id: ModelId) -> Option<Model<AccountId>>;
        /// A page of models.
        fn models(from: ModelId, limit: u32) -> Vec<(ModelId, Model<AccountId>)>;
        /// A page of the models trained on a version, `from` counting from 0 in the order of making.
        fn affected_by(version: VersionRef, from: u32, limit: u32) -> Vec<ModelId>;
        /// Whether a grant under which the model was trained has been revoked since.
        fn is_affected(id: ModelId) -> Option<bool>;
        /// A page of a model's deployments.
        fn deployments(model: ModelId, limit: u32) -> Vec<(AccountId, Deployment)>;
    }

    /// Revenue streams and claims.
    pub trait AttributionApi<AccountId> where AccountId: Codec {
        /// A model's stream.
        fn stream(model: ModelId) -> Option<Stream<AccountId>>;
        /// What a leaf of `units` at `index` could claim now.
        fn claimable(model: ModelId, index: u32, units: u64) -> Option<Amount>;
        /// What an operator owes a model's contributors, and its epochs.
        fn ledger(model: ModelId, operator: AccountId) -> Option<Ledger<AccountId>>;
        /// What the leaf at `index` of an operator's epochs has been paid.
        fn answers_paid(model: ModelId, operator: AccountId, index: u32) -> Option<Amount>;
        /// The account that holds the contributors' pools.
        fn pool_account() -> AccountId;
    }

    /// Payment channels and operators' offers.
    pub trait ChannelsApi<AccountId> where AccountId: Codec {
        /// A channel that has not ended.
        fn channel(id: ChannelId) -> Option<Channel<AccountId>>;
        /// A page of the channels that have not ended. Looks at no more than `10 * PAGE_MAX` numbers.
        fn channels(from: ChannelId, limit: u32) -> Vec<(ChannelId, Channel<AccountId>)>;
        /// The number that the next channel will have.
        fn next_channel() -> ChannelId;
        /// An operator's offer, whether it still holds or not.
        fn offer(model: ModelId, operator: AccountId) -> Option<Offer>;
        /// The first `limit` offers of a model.
        fn offers(model: ModelId, limit: u32) -> Vec<(AccountId, Offer)>;
        /// Whether an operator may answer with a model now: the question that servers ask at each finalised block.
        fn may_serve(model: ModelId, operator: AccountId) -> bool;
        /// What a voucher would newly pay if it were redeemed in this block and rightly signed.
        fn due(voucher: Voucher) -> Option<Result<Due, VoucherRefusal>>;
    }
}

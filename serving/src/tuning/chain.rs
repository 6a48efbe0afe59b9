//! What fine-tuning needs of the chain. A trait, so that it runs against a chain in memory, too.

use super::rows::SignedOffer;
use async_trait::async_trait;
use std::sync::Arc;
use tokio::sync::watch;
use tributary_client::{
    Account, BaseModel, Call, ChainError, GrantOffer, Head, Job, Model, Receipt, SubmitError, Submitter, calls,
};
use tributary_protocol::{
    Amount, BaseModelId, ContentHash, ContributionId, DatanetId, GrantId, JobId, ModelId, Ppm,
    datanet::{AccessPolicy, Admission, Name, Purpose, PurposeSet, SampleCommitment, Schema, Terms, Text},
    job::JobSpec,
    model::Prices,
};

/// What jobs are for: their models answer for pay.
pub(super) const PURPOSE: Purpose = Purpose::Commercial;
/// What is said of the licence of what somebody uploaded: none is given to anybody, whatever grants open.
const LICENCE: &str = "LicenseRef-private";
/// Longest life of a grant: that of the longest job.
const GRANT_BLOCKS_MAX: u32 = 30 * 28_800;

/// What is done on the chain for a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Registers the private Datanet of a file.
    Register {
        /// What it is called.
        name: String,
    },
    /// Submits the file's samples to it.
    Submit {
        /// The Datanet.
        datanet: DatanetId,
        /// The samples.
        samples: SampleCommitment,
    },
    /// Accepts them, and publishes them as the Datanet's version.
    Publish {
        /// The Datanet.
        datanet: DatanetId,
        /// The samples.
        contribution: ContributionId,
    },
    /// Grants the account the use of its own data.
    Grant(SignedOffer),
    /// Posts the job.
    Post(Box<JobSpec>),
    /// Takes it back.
    Cancel(JobId),
    /// Ends it after its deadline.
    Expire(JobId),
    /// Accepts the report.
    Accept(JobId),
    /// Disputes it.
    Dispute {
        /// The job.
        job: JobId,
        /// Hash of the reason.
        evidence: ContentHash,
    },
    /// Removes the record of a job that came to nothing, for its deposit.
    Forget(JobId),
    /// Offers the model.
    PublishModel {
        /// The model.
        model: ModelId,
        /// Its own prices.
        prices: Prices,
    },
}

impl Step {
    fn call(&self) -> Call {
        match self {
            Self::Register { name } => calls::datanets::register(
                &bounded(name),
                &bounded("fine-tuning"),
                &text("Uploaded to be tuned on; open to the trainers of its own jobs only."),
                Schema::PromptCompletion,
                &terms(),
            ),
            Self::Submit { datanet, samples } => {
                calls::datanets::submit_contribution(*datanet, samples, &bounded(LICENCE))
            }
            Self::Publish { datanet, contribution } => calls::utility::batch_all(vec![
                calls::datanets::accept(*contribution),
                calls::datanets::publish_version(*datanet),
            ]),
            Self::Grant(SignedOffer { offer, signature }) => {
                let mut bytes = [0; 64];
                // Written by this program: one that is damaged is refused by the chain.
                let _ = hex::decode_to_slice(signature, &mut bytes);
                calls::grants::present(offer, bytes)
            }
            Self::Post(spec) => calls::jobs::post(spec, 0),
            Self::Cancel(job) => calls::jobs::cancel(*job),
            Self::Expire(job) => calls::jobs::expire(*job),
            Self::Accept(job) => calls::jobs::accept(*job),
            Self::Dispute { job, evidence } => calls::jobs::dispute(*job, *evidence),
            Self::Forget(job) => calls::jobs::forget(*job),
            Self::PublishModel { model, prices } => calls::models::publish(*model, *prices),
        }
    }
}

/// Nobody else contributes, and nobody gets a grant without the owner.
fn terms() -> Terms {
    Terms {
        price: 0,
        purposes: PurposeSet { commercial: true, ..PurposeSet::default() },
        royalty_floor: Ppm::ZERO,
        admission: Admission::Members,
        access: AccessPolicy::OnRequest,
        grant_blocks_max: GRANT_BLOCKS_MAX,
        grant_uses_max: 1,
        licence: bounded(LICENCE),
    }
}

/// A short text of ours.
fn bounded(name: &str) -> Name {
    Name::truncate_from(name.as_bytes().to_vec())
}

fn text(text: &str) -> Text {
    Text::truncate_from(text.as_bytes().to_vec())
}

/// The chain as the account that pays for jobs sees it. Reads are at the finalised block that is named.
#[async_trait]
pub trait TuningChain: Send + Sync + 'static {
    /// The account.
    fn account(&self) -> Account;

    /// Hash of the chain's first block.
    fn genesis(&self) -> [u8; 32];

    /// The latest finalised block, kept current.
    fn heads(&self) -> watch::Receiver<Head>;

    /// The base model with this content.
    async fn base(&self, at: Head, content: ContentHash) -> Result<Option<(BaseModelId, BaseModel)>, ChainError>;

    /// The least price of a job.
    async fn price_min(&self) -> Result<Amount, ChainError>;

    /// A job.
    async fn job(&self, at: Head, id: JobId) -> Result<Option<Job>, ChainError>;

    /// The account's job that uses a grant, if there is one.
    async fn job_with(&self, at: Head, grant: GrantId) -> Result<Option<JobId>, ChainError>;

    /// A model.
    async fn model(&self, at: Head, id: ModelId) -> Result<Option<Model>, ChainError>;

    /// Signs an offer to the account itself.
    fn sign(&self, offer: GrantOffer) -> SignedOffer;

    /// Takes a step once for this `intent`, however often it is called, and waits until it is final.
    async fn act(&self, intent: &str, step: &Step) -> Result<Receipt, SubmitError>;
}

/// The real chain.
pub struct LiveTuningChain(Arc<Submitter>);

impl LiveTuningChain {
    /// The chain as the submitter's account sees it.
    pub fn new(submitter: Arc<Submitter>) -> Self {
        Self(submitter)
    }
}

#[async_trait]
impl TuningChain for LiveTuningChain {
    fn account(&self) -> Account {
        self.0.account()
    }

    fn genesis(&self) -> [u8; 32] {
        self.0.client().genesis().0
    }

    fn heads(&self) -> watch::Receiver<Head> {
        self.0.client().finalised_heads()
    }

    async fn base(&self, at: Head, content: ContentHash) -> Result<Option<(BaseModelId, BaseModel)>, ChainError> {
        let all = self.0.client().at(at.hash).all_base_models().await?;
        Ok(all.into_iter().find(|(_, base)| base.content == content))
    }

    async fn price_min(&self) -> Result<Amount, ChainError> {
        self.0.client().constant("Jobs", "PriceMin").await
    }

    async fn job(&self, at: Head, id: JobId) -> Result<Option<Job>, ChainError> {
        self.0.client().at(at.hash).job(id).await
    }

    async fn job_with(&self, at: Head, grant: GrantId) -> Result<Option<JobId>, ChainError> {
        let all = self.0.client().at(at.hash).all_jobs(JobId(0), None).await?;
        let own = |job: &Job| job.requester == self.account() && job.spec.data.iter().any(|data| data.grant == grant);
        Ok(all.into_iter().find(|(_, job)| own(job)).map(|(id, _)| id))
    }

    async fn model(&self, at: Head, id: ModelId) -> Result<Option<Model>, ChainError> {
        self.0.client().at(at.hash).model(id).await
    }

    fn sign(&self, offer: GrantOffer) -> SignedOffer {
        let signature = calls::grants::sign_offer(self.0.key(), &offer, self.0.client().genesis());
        SignedOffer { offer, signature: hex::encode(signature) }
    }

    async fn act(&self, intent: &str, step: &Step) -> Result<Receipt, SubmitError> {
        self.0.submit(intent, &step.call()).await
    }
}

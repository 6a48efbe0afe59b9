//! What is kept of files and jobs.

use crate::jobs::{JobStatus, StoredFile, TuningJob, WantedJob};
use crate::operator::usual_name;
use serde::{Deserialize, Serialize};
use tributary_client::GrantOffer;
use tributary_daemon::Recipe;
use tributary_protocol::{
    Amount, BaseModelId, BlockNumber, ContentHash, ContributionId, DatanetId, GrantId, JobId, ModelId, VersionRef,
    datanet::SampleCommitment,
};

/// How far a file's way to the chain is. What is there is final.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// Its Datanet.
    pub datanet: Option<DatanetId>,
    /// Its samples in it.
    pub contribution: Option<ContributionId>,
    /// The version that has them.
    pub version: Option<VersionRef>,
}

/// An uploaded file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileRow {
    /// What clients call it.
    pub id: String,
    /// The id of the key that uploaded it.
    pub owner: String,
    /// Counts files and jobs.
    pub number: u64,
    /// What it was called where it came from.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// Its hash.
    pub content: ContentHash,
    /// When it came, in seconds since 1970.
    pub created_s: u64,
    /// How far it is on the chain, where a job uses it.
    #[serde(default)]
    pub published: Published,
}

/// A grant's offer, signed before it is presented: signatures are drawn, and a transaction is repeated byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedOffer {
    /// What is granted.
    pub offer: GrantOffer,
    /// sr25519, in hexadecimal digits.
    pub signature: String,
}

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// On its way to the chain.
    Preparing,
    /// It waits for a trainer.
    Queued,
    /// A trainer holds it.
    Running,
    /// A trainer reported.
    Reported,
    /// The report is disputed.
    Disputed,
    /// There is a model, which is being published and served.
    Publishing,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// With a model.
    Succeeded(ModelId),
    /// Without one.
    Failed {
        /// The fact as a word.
        code: String,
        /// Why.
        reason: String,
    },
    /// Taken back by who began it.
    Cancelled,
}

/// What was seen of a run's own events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Of which lease.
    pub lease: u32,
    /// The number of the last.
    pub sequence: u64,
}

/// What the chain is asked for: fixed when the job was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The base on the chain.
    pub base: BaseModelId,
    /// How it is tuned.
    pub recipe: Recipe,
    /// What the trainer is paid.
    pub price: Amount,
    /// The last block in which a report is taken.
    pub deadline: BlockNumber,
    /// How many blocks a report waits for acceptance.
    pub acceptance_blocks: BlockNumber,
    /// The samples.
    pub samples: SampleCommitment,
}

/// A job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobRow {
    /// What clients call it.
    pub id: String,
    /// The id of the key that began it.
    pub owner: String,
    /// Counts files and jobs.
    pub number: u64,
    /// What was asked for.
    pub wanted: WantedJob,
    /// What it became.
    pub order: Order,
    /// When it was begun, in seconds since 1970.
    pub created_s: u64,
    /// The grant that is presented for it.
    pub offer: Option<SignedOffer>,
    /// That grant.
    pub grant: Option<GrantId>,
    /// The job on the chain.
    pub job: Option<JobId>,
    /// How far it is.
    pub phase: Phase,
    /// Whether its owner wants it back.
    pub is_cancelling: bool,
    /// What was seen of the run.
    pub seen: Seen,
    /// How many events it has.
    pub events: u64,
    /// How many steps the chain refused since it was posted. Each cost a fee.
    pub refusals: u32,
    /// How it ended.
    pub end: Option<End>,
    /// When, in seconds since 1970.
    pub finished_s: Option<u64>,
    /// When it will, as far as is known.
    pub estimated_finish_s: Option<u64>,
    /// Tokens that were trained on.
    pub trained_tokens: Option<u64>,
    /// What was measured of the result.
    pub result: Option<Outcome>,
}

/// What was measured of a result. Losses in nats.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Steps of the run.
    pub steps: u64,
    /// Loss on the training samples.
    pub training_loss: f64,
    /// Loss on those kept for validation; 0 where none were.
    pub validation_loss: f64,
}

impl JobRow {
    /// What of the budgets it takes: nothing, if its escrow returned or was never paid.
    pub fn cost(&self) -> Amount {
        match self.end {
            None | Some(End::Succeeded(_)) => self.order.price,
            Some(End::Failed { .. } | End::Cancelled) => 0,
        }
    }

    fn status(&self) -> JobStatus {
        match (&self.end, self.phase) {
            (Some(End::Succeeded(model)), _) => JobStatus::Succeeded { model: usual_name(*model) },
            (Some(End::Failed { code, reason }), _) => JobStatus::Failed { code: code.clone(), reason: reason.clone() },
            (Some(End::Cancelled), _) => JobStatus::Cancelled,
            (None, Phase::Preparing) => JobStatus::Validating,
            (None, Phase::Queued) => JobStatus::Queued,
            (None, Phase::Running | Phase::Reported | Phase::Disputed | Phase::Publishing) => JobStatus::Running,
        }
    }
}

impl From<FileRow> for StoredFile {
    fn from(row: FileRow) -> Self {
        let FileRow { id, name, bytes, created_s, .. } = row;
        Self { id, name, bytes, created_s }
    }
}

impl From<JobRow> for TuningJob {
    fn from(row: JobRow) -> Self {
        let status = row.status();
        let JobRow { id, wanted, created_s, finished_s, estimated_finish_s, trained_tokens, .. } = row;
        Self { id, wanted, status, created_s, finished_s, estimated_finish_s, trained_tokens }
    }
}

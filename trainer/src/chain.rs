//! What a trainer needs of the chain. A trait, so that the engine runs against a chain in memory, too.

use async_trait::async_trait;
use tokio::sync::watch;
use tributary_client::{Account, BaseModel, ChainClient, ChainError, Job, SubmitError, Submitter, calls};
use tributary_protocol::{
    Amount, BaseModelId, JobId, VersionRef,
    datanet::VersionEntry,
    job::{Progress, Report},
};

/// What a trainer does to a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Takes it on a lease.
    Claim,
    /// Prolongs the lease.
    Heartbeat(Progress),
    /// Reports what was made.
    Report(Box<Report>),
    /// Collects what is due after the window.
    Settle,
    /// Ends a job whose grant no longer covers it, so that the bond is free.
    Cancel,
}

impl Action {
    fn verb(&self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Heartbeat(_) => "heartbeat",
            Self::Report(_) => "report",
            Self::Settle => "settle",
            Self::Cancel => "cancel",
        }
    }
}

/// A trainer's bond against a job's price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bond {
    /// What of the bond no job puts at risk.
    pub free: Amount,
    /// What the claim would put at risk.
    pub required: Amount,
}

/// The chain as one trainer's account sees it. Every read is at the latest finalised block.
#[async_trait]
pub trait JobChain: Send + Sync + 'static {
    /// The trainer's account.
    fn account(&self) -> Account;

    /// Hash of the chain's first block.
    fn genesis(&self) -> [u8; 32];

    /// The height of the latest finalised block, kept current.
    fn finalised(&self) -> watch::Receiver<u32>;

    /// A job.
    async fn job(&self, id: JobId) -> Result<Option<Job>, ChainError>;

    /// Every job whose number is at least `from`.
    async fn jobs(&self, from: JobId) -> Result<Vec<(JobId, Job)>, ChainError>;

    /// A base model.
    async fn base_model(&self, id: BaseModelId) -> Result<Option<BaseModel>, ChainError>;

    /// A version's contributions, each with its contributor.
    async fn entries(&self, version: VersionRef) -> Result<Vec<(VersionEntry, Account)>, ChainError>;

    /// The trainer's bond against a job of this price.
    async fn bond(&self, price: Amount) -> Result<Bond, ChainError>;

    /// Does `action` once for this `turn`, however often it is called, and waits until it is final. The caller numbers the
    /// turns: the same action on the same job in another turn is another action.
    async fn submit(&self, job: JobId, turn: u32, action: &Action) -> Result<(), SubmitError>;
}

/// The real chain: a client, and a submitter that survives a crash.
pub struct LiveChain {
    submitter: Submitter,
}

impl LiveChain {
    /// The chain as the submitter's account sees it.
    pub fn new(submitter: Submitter) -> Self {
        Self { submitter }
    }

    /// The connection.
    pub fn client(&self) -> &ChainClient {
        self.submitter.client()
    }

    /// Goes on with what an earlier process began to submit.
    pub async fn recover(&self) -> Result<(), SubmitError> {
        tributary_daemon::recover(&self.submitter).await
    }
}

#[async_trait]
impl JobChain for LiveChain {
    fn account(&self) -> Account {
        self.submitter.account()
    }

    fn genesis(&self) -> [u8; 32] {
        self.client().genesis().0
    }

    fn finalised(&self) -> watch::Receiver<u32> {
        self.client().finalised()
    }

    async fn job(&self, id: JobId) -> Result<Option<Job>, ChainError> {
        self.client().latest().job(id).await
    }

    async fn jobs(&self, from: JobId) -> Result<Vec<(JobId, Job)>, ChainError> {
        self.client().latest().all_jobs(from, None).await
    }

    async fn base_model(&self, id: BaseModelId) -> Result<Option<BaseModel>, ChainError> {
        self.client().latest().base_model(id).await
    }

    async fn entries(&self, version: VersionRef) -> Result<Vec<(VersionEntry, Account)>, ChainError> {
        self.client().latest().entries(version).await
    }

    async fn bond(&self, price: Amount) -> Result<Bond, ChainError> {
        let view = self.client().latest();
        let record = view.trainer(self.account()).await?.unwrap_or_default();
        let required = view.bond_required(price).await?;
        Ok(Bond { free: record.bonded.saturating_sub(record.at_risk), required })
    }

    async fn submit(&self, job: JobId, turn: u32, action: &Action) -> Result<(), SubmitError> {
        let call = match action {
            Action::Claim => calls::jobs::claim(job),
            Action::Heartbeat(progress) => calls::jobs::heartbeat(job, *progress),
            Action::Report(report) => calls::jobs::report(job, report),
            Action::Settle => calls::jobs::settle(job),
            Action::Cancel => calls::jobs::cancel(job),
        };
        let intent = format!("{}/job/{job}/{turn}", action.verb());
        self.submitter.submit(&intent, &call).await?;
        if matches!(action, Action::Heartbeat(_)) {
            // There are many, and nobody will ask for their receipts.
            self.submitter.forget(&intent)?;
        }
        Ok(())
    }
}

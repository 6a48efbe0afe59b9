//! Jobs and trainers, and who may read what.

use super::{PAGE, View};
use crate::{
    account::Account,
    error::ChainError,
    records::{Job, ReadRequest},
};
use tributary_protocol::{
    Amount, ContentHash, JobId,
    access::Scope,
    job::{Stage, TrainerRecord},
    model::DataUse,
};

/// How many jobs the runtime looks at for one page, at most.
const LOOKED_AT: u64 = 10 * PAGE as u64;

impl View {
    /// A job.
    pub async fn job(&self, id: JobId) -> Result<Option<Job>, ChainError> {
        self.call("JobsApi_job", (id,)).await
    }

    /// A page of jobs; with `stage`, only those in it. Looks at no more than 1,000 jobs, so that a short page need not
    /// be the last: [`Self::all_jobs`] knows.
    pub async fn jobs(&self, from: JobId, limit: u32, stage: Option<Stage>) -> Result<Vec<(JobId, Job)>, ChainError> {
        self.call("JobsApi_jobs", (from, limit, stage)).await
    }

    /// Every job whose number is at least `from`; with `stage`, only those in it.
    pub async fn all_jobs(&self, from: JobId, stage: Option<Stage>) -> Result<Vec<(JobId, Job)>, ChainError> {
        let end = self.next_job().await?;
        let mut all = Vec::new();
        let mut from = from;
        while from < end {
            let page = self.jobs(from, PAGE, stage).await?;
            let full = page.len() >= PAGE as usize;
            let last = page.last().map(|(id, _)| id.0);
            all.extend(page);
            let after = match last {
                Some(last) if full => last.checked_add(1),
                _ => from.0.checked_add(LOOKED_AT),
            };
            from = after.map_or(end, JobId);
        }
        Ok(all)
    }

    /// The number that the next job will have.
    pub async fn next_job(&self) -> Result<JobId, ChainError> {
        self.call("JobsApi_next_job", ()).await
    }

    /// The jobs that this block changed, ascending.
    pub async fn changed_jobs(&self) -> Result<Vec<JobId>, ChainError> {
        self.call("JobsApi_changed_jobs", ()).await
    }

    /// A trainer's bond and record.
    pub async fn trainer(&self, account: Account) -> Result<Option<TrainerRecord>, ChainError> {
        self.call("JobsApi_trainer", (account,)).await
    }

    /// What a job over these versions pays for data now; a version that the chain does not know costs nothing here, and
    /// makes the chain refuse the job.
    pub async fn data_fees(&self, data: &[DataUse]) -> Result<Amount, ChainError> {
        let mut fees: Amount = 0;
        for used in data {
            let price = self.datanet(used.version.datanet).await?.map_or(0, |datanet| datanet.terms.price);
            fees = fees.saturating_add(price);
        }
        Ok(fees)
    }

    /// What a trainer must have free of its bond to claim a job of this price.
    pub async fn bond_required(&self, price: Amount) -> Result<Amount, ChainError> {
        self.call("JobsApi_bond_required", (price,)).await
    }

    /// Whether `account` may read `blob` under `scope`: the question that data providers ask. `false`, not an error,
    /// for whatever the chain does not know.
    pub async fn may_read(&self, account: Account, scope: Scope, blob: ContentHash) -> Result<bool, ChainError> {
        self.call("JobsApi_may_read", (ReadRequest { account, scope, blob },)).await
    }
}

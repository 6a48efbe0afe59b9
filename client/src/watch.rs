//! Watching jobs: what changed in each finalised block, and waiting for a change.

use crate::{chain::ChainClient, error::ChainError, head::Head, records::Job};
use futures::{Stream, stream};
use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};
use tributary_protocol::{JobId, job::Stage};

/// Most blocks to look through for changes one by one. After a longer absence every open job is reported once instead;
/// the node forgets the state of blocks older than 256 anyway.
const CATCH_UP_BLOCKS_MAX: u32 = 200;

/// A job that something happened to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobChange {
    /// The finalised block at which the job is as shown.
    pub at: Head,
    /// The job's number.
    pub id: JobId,
    /// The job, or `None` if its record was removed.
    pub job: Option<Job>,
}

/// Why a wait for a job ended without it.
#[derive(Debug, thiserror::Error)]
pub enum WaitError {
    /// The chain could not be asked.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// There is no such job.
    #[error("there is no job {job}")]
    NoSuchJob {
        /// The job's number.
        job: JobId,
    },
    /// It did not happen in time.
    #[error("job {job} was still {stage} after {} s", waited.as_secs())]
    TimedOut {
        /// The job's number.
        job: JobId,
        /// Its stage at the end.
        stage: Stage,
        /// How long the wait was.
        waited: Duration,
    },
    /// The connection was closed for good.
    #[error("the connection to the chain was closed")]
    Closed,
}

impl ChainClient {
    /// The jobs that something happens to, from the next finalised block on. Each change is reported at least once, in
    /// order; a job that changes twice within blocks finalised together may be reported once, as it is in the end.
    /// Goes on across reconnections; an error ends it. The stream keeps the connection open.
    pub fn job_changes(&self) -> impl Stream<Item = Result<JobChange, ChainError>> + Send + 'static {
        let client = self.clone();
        let mut heads = client.finalised_heads();
        let seen = *heads.borrow_and_update();
        let start = (client, heads, seen, VecDeque::new());
        stream::try_unfold(start, |(client, mut heads, mut seen, mut queue)| async move {
            loop {
                if let Some(change) = queue.pop_front() {
                    return Ok(Some((change, (client, heads, seen, queue))));
                }
                if heads.changed().await.is_err() {
                    return Ok(None);
                }
                let head = *heads.borrow_and_update();
                queue.extend(changes(&client, seen, head).await?);
                seen = head;
            }
        })
    }

    /// Waits until a job is as `wanted` says at a finalised block, and returns it. A job that does not exist yet is waited
    /// for too: its post may not be final.
    pub async fn wait_for_job(
        &self,
        job: JobId,
        timeout: Duration,
        wanted: impl Fn(&Job) -> bool,
    ) -> Result<Job, WaitError> {
        let mut heads = self.finalised_heads();
        let deadline = tokio::time::Instant::now() + timeout;
        loop {
            let head = *heads.borrow_and_update();
            let found = self.at(head.hash).job(job).await?;
            let stage = found.as_ref().map(|job| job.state.stage());
            if let Some(found) = found.filter(&wanted) {
                return Ok(found);
            }
            match tokio::time::timeout_at(deadline, heads.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(WaitError::Closed),
                Err(_) => {
                    return Err(match stage {
                        Some(stage) => WaitError::TimedOut { job, stage, waited: timeout },
                        None => WaitError::NoSuchJob { job },
                    });
                }
            }
        }
    }
}

/// The jobs that changed after `seen`, up to `head`, as they are at `head`.
async fn changes(client: &ChainClient, seen: Head, head: Head) -> Result<Vec<JobChange>, ChainError> {
    let view = client.at(head.hash);
    if head.number - seen.number > CATCH_UP_BLOCKS_MAX {
        let jobs = view.all_jobs(JobId(0), None).await?;
        let open = jobs.into_iter().filter(|(_, job)| !job.state.stage().is_final());
        return Ok(open.map(|(id, job)| JobChange { at: head, id, job: Some(job) }).collect());
    }
    let mut ids = BTreeSet::new();
    for number in seen.number + 1..=head.number {
        let hash = client
            .finalised_hash(number)
            .await?
            .ok_or_else(|| ChainError::NoSuchBlock { block: number.to_string() })?;
        ids.extend(client.at(hash).changed_jobs().await?);
    }
    let mut changes = Vec::with_capacity(ids.len());
    for id in ids {
        changes.push(JobChange { at: head, id, job: view.job(id).await? });
    }
    Ok(changes)
}

//! Claiming: which job to take, and taking it.

use crate::{
    bases::Bases,
    chain::{Action, Bond, JobChain},
    error::Fault,
    state::State,
};
use std::collections::HashMap;
use tributary_client::{Account, Job, JobState, SubmitError};
use tributary_protocol::{Amount, BaseModelId, ContentHash, JobId};

/// What a trainer wants of a job.
pub(crate) struct Wishes<'a> {
    pub account: Account,
    pub price_min: Amount,
    pub bases: &'a Bases,
}

/// What the trainer has seen of the market so far.
#[derive(Debug, Default)]
pub(crate) struct Market {
    /// Every job below this one is over.
    from: JobId,
    /// The content hashes of base models, which never change.
    base_contents: HashMap<BaseModelId, ContentHash>,
    /// The job for which the bond was last found short, so that it is said once.
    short_for: Option<JobId>,
}

impl Market {
    /// Looks for a job at the latest finalised block and claims it. `None` if there is none to have, which includes that
    /// another trainer was faster.
    pub async fn claim_one(
        &mut self,
        chain: &dyn JobChain,
        wishes: &Wishes<'_>,
        state: &State,
    ) -> Result<Option<JobId>, Fault> {
        let height = *chain.finalised().borrow();
        let jobs = chain.jobs(self.from).await?;
        let unfinished = jobs.iter().find(|(_, job)| !job.state.stage().is_final()).map(|(id, _)| *id);
        let after = jobs.last().and_then(|(id, _)| id.next());
        self.from = unfinished.or(after).unwrap_or(self.from);
        let ours = |job: &Job| matches!(job.state, JobState::Leased { trainer, until, .. } if trainer == wishes.account && until >= height);
        if let Some((id, _)) = jobs.iter().find(|(id, job)| ours(job) && !state.is_given_up(*id, job)) {
            // The claim was final before a crash could write that down.
            return Ok(Some(*id));
        }
        let started = state.job_folders();
        let mut wanted: Vec<(JobId, Job)> = Vec::new();
        for (id, job) in jobs {
            if !state.is_given_up(id, &job) && is_open(&job, height) && self.fits(chain, wishes, &job).await? {
                wanted.push((id, job));
            }
        }
        // What was begun goes first, then the oldest.
        wanted.sort_by_key(|(id, _)| (!started.contains(id), *id));
        for (id, job) in wanted {
            if !self.is_bond_enough(id, chain.bond(job.spec.price).await?) {
                continue;
            }
            match chain.submit(id, job.leases, &Action::Claim).await {
                Ok(()) => {
                    tracing::info!(job = %id, price = job.spec.price, "claimed");
                    return Ok(Some(id));
                }
                Err(SubmitError::Failed { failure, .. }) => tracing::info!(job = %id, "not claimed: {failure}"),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// The first job that may not be over yet.
    pub fn first_unfinished(&self) -> JobId {
        self.from
    }

    async fn fits(&mut self, chain: &dyn JobChain, wishes: &Wishes<'_>, job: &Job) -> Result<bool, Fault> {
        if job.requester == wishes.account || job.spec.price < wishes.price_min || job.spec.check().is_err() {
            return Ok(false);
        }
        let base = job.spec.base;
        let content = match self.base_contents.get(&base) {
            Some(content) => *content,
            None => match chain.base_model(base).await? {
                Some(model) => *self.base_contents.entry(base).or_insert(model.content),
                None => return Ok(false),
            },
        };
        Ok(wishes.bases.folder(&content).is_some())
    }

    fn is_bond_enough(&mut self, job: JobId, bond: Bond) -> bool {
        let enough = bond.free >= bond.required;
        if !enough && self.short_for.replace(job) != Some(job) {
            tracing::warn!(
                %job, free = bond.free, required = bond.required,
                "the free bond is too small to claim; hint: bond more"
            );
        }
        enough
    }
}

/// Whether anybody may claim the job in the block after `height`.
fn is_open(job: &Job, height: u32) -> bool {
    let free = match job.state {
        JobState::Open => true,
        JobState::Leased { until, .. } => until < height,
        _ => false,
    };
    free && height.saturating_add(1) < job.spec.deadline
}

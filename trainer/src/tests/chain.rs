//! A chain in memory: the jobs pallet's rules as far as a trainer meets them, at heights that the test sets.

use crate::chain::{Action, Bond, JobChain};
use async_trait::async_trait;
use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, MutexGuard},
};
use tokio::sync::watch;
use tributary_client::{Account, BaseModel, BlockHash, ChainError, Failure, Head, Job, JobState, SubmitError};
use tributary_exchange::{AccountKey, BlobHash, GenesisHash, GrantSource, GrantSourceError, Multiaddr, Scope};
use tributary_protocol::{
    Amount, BaseModelId, JobId, ModelId, VersionRef,
    datanet::VersionEntry,
    job::{JobSpec, Progress, Stage, Transition},
};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    Claim,
    Report,
}

/// The chain.
pub struct MemoryChain {
    pub genesis: [u8; 32],
    pub lease_blocks: u32,
    heights: watch::Sender<u32>,
    records: Mutex<Records>,
}

struct Records {
    jobs: BTreeMap<JobId, Job>,
    base: BaseModel,
    entries: Vec<(VersionEntry, Account)>,
    bond: Amount,
    revoked: bool,
    faster: Option<Account>,
    is_next_report_late: bool,
    done: HashSet<String>,
    deeds: Vec<Deed>,
    late_reports: usize,
    addresses: BTreeMap<Account, Vec<Multiaddr>>,
}

impl MemoryChain {
    pub fn new(lease_blocks: u32, job: Job, base: BaseModel, entries: Vec<(VersionEntry, Account)>) -> Self {
        Self {
            genesis: [5; 32],
            lease_blocks,
            heights: watch::Sender::new(1),
            records: Mutex::new(Records {
                jobs: BTreeMap::from([(JobId(0), job)]),
                base,
                entries,
                bond: 1_000,
                revoked: false,
                faster: None,
                is_next_report_late: false,
                done: HashSet::new(),
                deeds: Vec::new(),
                late_reports: 0,
                addresses: BTreeMap::new(),
            }),
        }
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap()
    }

    pub fn job(&self, id: JobId) -> Job {
        self.records().jobs[&id].clone()
    }

    pub fn deeds(&self, deed: Deed) -> usize {
        self.records().deeds.iter().filter(|done| **done == deed).count()
    }

    pub fn advance(&self, blocks: u32) {
        self.heights.send_modify(|height| *height += blocks);
    }

    /// Changes what every job asks for.
    pub fn change_spec(&self, change: impl Fn(&mut JobSpec)) {
        self.records().jobs.values_mut().for_each(|job| change(&mut job.spec));
    }

    pub fn set_bond(&self, bond: Amount) {
        self.records().bond = bond;
    }

    pub fn set_revoked(&self, revoked: bool) {
        self.records().revoked = revoked;
    }

    /// Whoever claims next finds that this account was faster.
    pub fn set_faster(&self, account: Option<Account>) {
        self.records().faster = account;
    }

    /// The next report is on its way until its lease has lapsed.
    pub fn delay_next_report(&self) {
        self.records().is_next_report_late = true;
    }

    /// How many reports came when the lease had lapsed.
    pub fn late_reports(&self) -> usize {
        self.records().late_reports
    }

    /// Whatever was submitted is as good as new, as if every journal were lost.
    pub fn forget_submissions(&self) {
        self.records().done.clear();
    }

    pub fn set_addresses(&self, account: Account, addresses: Vec<Multiaddr>) {
        self.records().addresses.insert(account, addresses);
    }

    pub fn addresses(&self, account: Account) -> Vec<Multiaddr> {
        self.records().addresses.get(&account).cloned().unwrap_or_default()
    }

    /// Gives `account` a lease that nobody counts.
    pub fn lease(&self, id: JobId, account: Account) {
        let until = *self.heights.borrow() + self.lease_blocks;
        if let Some(job) = self.records().jobs.get_mut(&id) {
            job.leases += 1;
            job.state = JobState::Leased { trainer: account, until, progress: Progress::default(), at_risk: 10 };
        }
    }

    pub fn settle(&self, id: JobId) {
        if let Some(job) = self.records().jobs.get_mut(&id)
            && let JobState::Reported { trainer, report, .. } = job.state
        {
            job.state = JobState::Settled { trainer, report, model: ModelId(0) };
        }
        self.advance(1);
    }

    fn act(&self, account: Account, id: JobId, action: &Action) -> Result<(), (&'static str, &'static str)> {
        let height = *self.heights.borrow() + 1;
        let mut records = self.records();
        let (revoked, faster, lease_blocks) = (records.revoked, records.faster, self.lease_blocks);
        let job = records.jobs.get_mut(&id).ok_or(("Jobs", "JobUnknown"))?;
        let lease = match job.state {
            JobState::Leased { trainer, until, progress, .. } => Some((trainer, until, progress)),
            _ => None,
        };
        let leased = |state: &JobState| -> Result<Progress, (&'static str, &'static str)> {
            let (trainer, until, progress) = lease.ok_or(("Jobs", "NotLeased"))?;
            assert_eq!(state.stage(), Stage::Leased);
            if trainer != account {
                Err(("Jobs", "NotLeaseHolder"))
            } else if until < height {
                Err(("Jobs", "LeaseLapsed"))
            } else {
                Ok(progress)
            }
        };
        match action {
            Action::Claim => {
                let lapsed = lease.is_some_and(|(_, until, _)| until < height);
                if job.state.stage() != Stage::Open && !lapsed {
                    return Err(("Jobs", "NotOpen"));
                }
                let trainer = faster.unwrap_or(account);
                let until = height + lease_blocks;
                job.leases += 1;
                job.state = JobState::Leased { trainer, until, progress: Progress::default(), at_risk: 10 };
                if trainer != account {
                    return Err(("Jobs", "NotOpen"));
                }
                records.deeds.push(Deed::Claim);
            }
            Action::Heartbeat(progress) => {
                let old = leased(&job.state)?;
                if revoked {
                    return Err(("Grants", "Revoked"));
                }
                if progress.step < old.step || (old.steps != 0 && old.steps != progress.steps) {
                    return Err(("Jobs", "ProgressFellBack"));
                }
                let until = height + lease_blocks;
                job.state = JobState::Leased { trainer: account, until, progress: *progress, at_risk: 10 };
            }
            Action::Report(report) => {
                if let Err(refusal) = leased(&job.state) {
                    records.late_reports += usize::from(refusal.1 == "LeaseLapsed");
                    return Err(refusal);
                }
                assert_eq!(job.state.stage().after(Transition::Report), Some(Stage::Reported));
                assert!(report.measures_as(&job.spec.attribution), "the chain would refuse it");
                job.state = JobState::Reported {
                    trainer: account,
                    report: **report,
                    accept_until: height + 1_000_000,
                    at_risk: 10,
                };
                records.deeds.push(Deed::Report);
            }
            Action::Settle => return Err(("Jobs", "WindowOpen")),
            Action::Cancel => {
                if !revoked {
                    return Err(("Jobs", "NotRequester"));
                }
                job.state = JobState::Cancelled;
            }
        }
        Ok(())
    }
}

/// The chain as one account sees it.
pub struct Seat {
    pub chain: Arc<MemoryChain>,
    pub account: Account,
}

#[async_trait]
impl JobChain for Seat {
    fn account(&self) -> Account {
        self.account
    }

    fn genesis(&self) -> [u8; 32] {
        self.chain.genesis
    }

    fn finalised(&self) -> watch::Receiver<u32> {
        self.chain.heights.subscribe()
    }

    async fn job(&self, id: JobId) -> Result<Option<Job>, ChainError> {
        Ok(self.chain.records().jobs.get(&id).cloned())
    }

    async fn jobs(&self, from: JobId) -> Result<Vec<(JobId, Job)>, ChainError> {
        Ok(self.chain.records().jobs.range(from..).map(|(id, job)| (*id, job.clone())).collect())
    }

    async fn base_model(&self, _: BaseModelId) -> Result<Option<BaseModel>, ChainError> {
        Ok(Some(self.chain.records().base.clone()))
    }

    async fn entries(&self, _: VersionRef) -> Result<Vec<(VersionEntry, Account)>, ChainError> {
        Ok(self.chain.records().entries.clone())
    }

    async fn bond(&self, price: Amount) -> Result<Bond, ChainError> {
        Ok(Bond { free: self.chain.records().bond, required: price / 2 })
    }

    async fn submit(&self, job: JobId, turn: u32, action: &Action) -> Result<(), SubmitError> {
        let name = match action {
            Action::Heartbeat(_) => "heartbeat".to_owned(),
            action => format!("{action:?}"),
        };
        let intent = format!("{}/{job}/{turn}/{name}", self.account);
        // As the submitter does: what is done is done, and is not done again.
        if self.chain.records().done.contains(&intent) {
            return Ok(());
        }
        if matches!(action, Action::Report(_)) && std::mem::take(&mut self.chain.records().is_next_report_late) {
            self.chain.advance(self.chain.lease_blocks + 1);
        }
        let result = self.chain.act(self.account, job, action);
        self.chain.advance(1);
        match result {
            Ok(()) => {
                self.chain.records().done.insert(intent);
                Ok(())
            }
            Err((pallet, fact)) => Err(SubmitError::Failed {
                call: name,
                failure: Box::new(Failure::Pallet { pallet: pallet.into(), fact: fact.into(), meaning: String::new() }),
                block: Head { number: *self.chain.heights.borrow(), hash: BlockHash::default() },
            }),
        }
    }
}

/// Who may read: the lease holder the data, trainer and requester the bundle.
pub struct Gate(pub Arc<MemoryChain>);

#[async_trait]
impl GrantSource for Gate {
    async fn may_read(&self, account: AccountKey, scope: Scope, blob: BlobHash) -> Result<bool, GrantSourceError> {
        let records = self.0.records();
        Ok(match scope {
            Scope::Version { .. } => {
                let holds = |job: &Job| matches!(job.state, JobState::Leased { trainer, .. } if trainer.0 == account);
                records.jobs.values().any(holds)
                    && records.entries.iter().any(|(entry, _)| entry.samples.blob.0 == blob)
            }
            Scope::Bundle { job } => records.jobs.get(&JobId(job)).is_some_and(|job| match &job.state {
                JobState::Reported { trainer, report, .. } | JobState::Settled { trainer, report, .. } => {
                    report.bundle.0 == blob && (account == trainer.0 || account == job.requester.0)
                }
                _ => false,
            }),
        })
    }

    fn finalised(&self) -> watch::Receiver<u32> {
        self.0.heights.subscribe()
    }

    fn genesis(&self) -> GenesisHash {
        self.0.genesis
    }
}

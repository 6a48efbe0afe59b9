//! Random sequences of calls against a plain reference ledger.
//!
//! The ledger knows each rule in its simplest form and moves money between named columns. After every step the chain must
//! agree with it on whether the call succeeds, on every account's free and held money, on every job's stage and on the uses
//! taken of every grant; all invariants of `try_state` hold; and no money was made or lost.

use super::*;
use crate::{AGENDA_SEARCH_BLOCKS, Event, HoldReason};
use codec::Encode;
use proptest::{
    prelude::*,
    test_runner::{RngSeed, TestRunner},
};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};
use tributary_protocol::{GrantId, VersionRef, model::DataUse};

/// Who posts and trains in these tests; each has a grant of its own number.
const ACTORS: [AccountId; 4] = [REQUESTER, TRAINER, RIVAL, STRANGER];

/// One step of a sequence, before it is fitted to the state it meets.
#[derive(Clone, Copy, Debug)]
struct Draw {
    kind: u8,
    actor: u8,
    job: u8,
    size: u16,
}

/// What happens in a step.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one at a time")]
enum Action {
    /// A signed call.
    Call(AccountId, Call<Test>),
    /// A dispute is decided.
    Resolve(JobId, Verdict),
    /// Blocks pass.
    Wait(BlockNumber),
    /// An owner revokes a grant.
    Revoke(GrantId),
    /// A grantee renounces its grant.
    Renounce(GrantId),
    /// The registry of models breaks or is repaired.
    Registry(bool),
}

fn draws() -> impl Strategy<Value = Vec<Draw>> {
    let draw = (any::<u8>(), 0..4u8, any::<u8>(), any::<u16>()).prop_map(|(kind, actor, job, size)| Draw {
        kind,
        actor,
        job,
        size,
    });
    prop::collection::vec(draw, 60)
}

/// Mostly calls that could succeed; one of four on any job at all, one of four by any account at all.
fn action(draw: Draw, ledger: &Ledger) -> Action {
    let who = ACTORS[usize::from(draw.actor)];
    let size = Amount::from(draw.size);
    let pick = |stages: &[Stage]| {
        let fitting: Vec<JobId> =
            ledger.jobs.iter().filter(|(_, entry)| stages.contains(&entry.state.stage())).map(|(id, _)| *id).collect();
        if fitting.is_empty() || draw.job.is_multiple_of(4) {
            JobId(u64::from(draw.job / 4) % (ledger.next + 1))
        } else {
            fitting[usize::from(draw.job / 4) % fitting.len()]
        }
    };
    let by = |right: Option<AccountId>| if draw.size.is_multiple_of(4) { who } else { right.unwrap_or(who) };
    let requester = |job| by(ledger.jobs.get(&job).map(|entry| entry.requester));
    let trainer = |job| by(ledger.jobs.get(&job).and_then(|entry| entry.state.trainer()));
    let (open, leased, reported, disputed) = (Stage::Open, Stage::Leased, Stage::Reported, Stage::Disputed);
    match draw.kind % 26 {
        0 => Action::Call(who, Call::bond { amount: (size % 400) * UNIT }),
        2 => Action::Call(who, Call::unbond { amount: (size % 200) * UNIT }),
        3 | 4 => {
            let versions = 1 + u32::from(draw.size) % 3;
            let data = (1..=versions)
                .map(|number| DataUse { version: VersionRef { datanet: DATANET, number }, grant: GrantId(who) })
                .collect::<Vec<_>>();
            let spec = JobSpec {
                data: data.try_into().unwrap(),
                // Now and then nothing, now and then more than there is.
                price: (size % 16) * (size % 16) * UNIT * if size % 13 == 0 { 60 } else { 1 },
                deadline: now() + 1 + u32::from(draw.job) % 80,
                acceptance_blocks: 5 + u32::from(draw.job) % 7,
                ..spec()
            };
            // Now and then one less than the data costs.
            let data_fees_max = FEE * Amount::from(versions) - Amount::from(size % 11 == 0);
            Action::Call(who, Call::post { spec, data_fees_max })
        }
        5..=8 => Action::Call(who, Call::claim { job: pick(&[open, leased]) }),
        9 | 10 => {
            let job = pick(&[leased]);
            let progress = Progress { step: u32::from(draw.size) % 110, steps: 100 };
            Action::Call(trainer(job), Call::heartbeat { job, progress })
        }
        11..=13 => {
            let job = pick(&[leased]);
            let mut report = report();
            report.metrics.steps = u32::from(draw.size / 4 % 8);
            Action::Call(trainer(job), Call::report { job, report })
        }
        14 => {
            let job = pick(&[reported]);
            Action::Call(requester(job), Call::accept { job })
        }
        15 | 16 => {
            let job = pick(&[reported]);
            Action::Call(requester(job), Call::dispute { job, evidence: EVIDENCE })
        }
        17 => Action::Call(who, Call::settle { job: pick(&[reported]) }),
        18 => {
            let job = pick(&[open, leased]);
            Action::Call(requester(job), Call::cancel { job })
        }
        19 => Action::Call(who, Call::expire { job: pick(&[open, leased]) }),
        1 | 20 => {
            let job = pick(&[disputed]);
            let verdict = if draw.size.is_multiple_of(2) { Verdict::Uphold } else { Verdict::Overturn };
            // A signed account may not decide.
            if draw.size.is_multiple_of(5) {
                Action::Call(who, Call::resolve { job, verdict })
            } else {
                Action::Resolve(job, verdict)
            }
        }
        21 => {
            let job = pick(&[Stage::Cancelled, Stage::Expired]);
            Action::Call(requester(job), Call::forget { job })
        }
        22 => Action::Wait(1 + u32::from(draw.size) % 25),
        23 => {
            let job = pick(&[leased]);
            // Now and then less than it costs.
            Action::Call(requester(job), Call::stop { job, pay_max: (size % 300) * UNIT })
        }
        _ => match draw.size % 16 {
            0 => Action::Revoke(GrantId(who)),
            1 => Action::Renounce(GrantId(who)),
            2..=4 => Action::Registry(true),
            5..=7 => Action::Registry(false),
            _ => Action::Wait(1 + u32::from(draw.size) % 7),
        },
    }
}

/// Where a job stands, as plainly as can be.
#[derive(Clone, Debug, PartialEq)]
enum State {
    Open,
    Leased { trainer: AccountId, until: BlockNumber, step: u32, risk: Amount },
    Reported { trainer: AccountId, until: BlockNumber, risk: Amount },
    Disputed { trainer: AccountId, risk: Amount },
    Settled,
    Cancelled,
    Expired,
}

impl State {
    fn stage(&self) -> Stage {
        match self {
            Self::Open => Stage::Open,
            Self::Leased { .. } => Stage::Leased,
            Self::Reported { .. } => Stage::Reported,
            Self::Disputed { .. } => Stage::Disputed,
            Self::Settled => Stage::Settled,
            Self::Cancelled => Stage::Cancelled,
            Self::Expired => Stage::Expired,
        }
    }

    fn trainer(&self) -> Option<AccountId> {
        match self {
            Self::Leased { trainer, .. } | Self::Reported { trainer, .. } | Self::Disputed { trainer, .. } => {
                Some(*trainer)
            }
            _ => None,
        }
    }
}

#[derive(Clone, Debug)]
struct Entry {
    requester: AccountId,
    versions: u32,
    price: Amount,
    deadline: BlockNumber,
    window: BlockNumber,
    deposit: Amount,
    state: State,
}

impl Entry {
    fn fees(&self) -> Amount {
        FEE * Amount::from(self.versions)
    }
}

/// One account's money.
#[derive(Clone, Debug, Default, PartialEq)]
struct Purse {
    free: Amount,
    bond: Amount,
    escrow: Amount,
    job: Amount,
    dispute: Amount,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Permission {
    Given,
    Revoked,
    Renounced,
}

/// The reference.
#[derive(Clone, Debug)]
struct Ledger {
    now: BlockNumber,
    next: u64,
    purses: BTreeMap<AccountId, Purse>,
    /// Who has a record as a trainer; one outlives a bond that was slashed to nothing.
    trainers: BTreeSet<AccountId>,
    jobs: BTreeMap<JobId, Entry>,
    grants: BTreeMap<GrantId, (Permission, u32)>,
    agenda: BTreeMap<JobId, BlockNumber>,
    broken: bool,
}

impl Ledger {
    fn new() -> Self {
        Self {
            now: 1,
            next: 0,
            purses: PEOPLE.iter().map(|who| (*who, Purse { free: ENDOWMENT, ..Purse::default() })).collect(),
            trainers: BTreeSet::new(),
            jobs: BTreeMap::new(),
            grants: ACTORS.iter().map(|who| (GrantId(*who), (Permission::Given, 0))).collect(),
            agenda: BTreeMap::new(),
            broken: false,
        }
    }

    fn purse(&mut self, who: AccountId) -> &mut Purse {
        self.purses.get_mut(&who).unwrap()
    }

    /// Takes `amount` out of free money, of which the existential deposit must stay.
    fn spend(&mut self, who: AccountId, amount: Amount) -> Option<()> {
        let purse = self.purse(who);
        (amount <= purse.free - ED).then(|| purse.free -= amount)
    }

    fn permission(&self, entry: &Entry) -> Permission {
        self.grants[&GrantId(entry.requester)].0
    }

    fn at_risk(&self, who: AccountId) -> Amount {
        self.jobs
            .values()
            .map(|entry| match entry.state {
                State::Leased { trainer, risk, .. }
                | State::Reported { trainer, risk, .. }
                | State::Disputed { trainer, risk, .. }
                    if trainer == who =>
                {
                    risk
                }
                _ => 0,
            })
            .sum()
    }

    fn active(&self, who: AccountId) -> usize {
        self.jobs.values().filter(|entry| entry.state.trainer() == Some(who)).count()
    }

    fn has_lapsed(&self, entry: &Entry) -> bool {
        matches!(entry.state, State::Leased { until, .. } if until < self.now)
    }

    /// Takes a lapsed lease's penalty.
    fn lapse(&mut self, entry: &mut Entry) {
        let State::Leased { trainer, risk, .. } = entry.state else { unreachable!() };
        if self.permission(entry) == Permission::Given {
            self.purse(trainer).bond -= risk / 10;
            self.purse(entry.requester).free += risk / 10;
        }
        entry.state = State::Open;
    }

    fn refund(&mut self, entry: &Entry) {
        let escrow = entry.price + entry.fees();
        let purse = self.purse(entry.requester);
        purse.escrow -= escrow;
        purse.free += escrow;
        self.grants.get_mut(&GrantId(entry.requester)).unwrap().1 -= entry.versions;
    }

    fn pay(&mut self, entry: &Entry, trainer: AccountId) -> Option<()> {
        if self.broken {
            return None;
        }
        self.purse(entry.requester).escrow -= entry.price + entry.fees();
        self.purse(trainer).free += entry.price;
        self.purse(OWNER).free += entry.fees();
        Some(())
    }

    fn wait(&mut self, blocks: BlockNumber) {
        for _ in 0..blocks {
            self.now += 1;
            let due: Vec<JobId> =
                self.agenda.iter().filter(|(_, block)| **block == self.now).map(|(id, _)| *id).collect();
            for id in due {
                self.agenda.remove(&id);
                let mut entry = self.jobs[&id].clone();
                let State::Reported { trainer, .. } = entry.state else { unreachable!() };
                if self.pay(&entry, trainer).is_some() {
                    entry.state = State::Settled;
                    self.jobs.insert(id, entry);
                }
            }
        }
    }

    /// What a signed call does; `None` where it must be refused.
    fn call(&mut self, who: AccountId, call: &Call<Test>) -> Option<()> {
        match call {
            Call::bond { amount } => {
                (self.purse(who).bond + amount >= 10 * UNIT).then_some(())?;
                self.spend(who, *amount)?;
                self.purse(who).bond += amount;
                self.trainers.insert(who);
                Some(())
            }
            Call::unbond { amount } => {
                let bond = self.purse(who).bond;
                self.trainers.contains(&who).then_some(())?;
                let rest = bond.checked_sub(self.at_risk(who)).and_then(|free| free.checked_sub(*amount));
                rest.and(bond.checked_sub(*amount)).filter(|stays| *stays == 0 || *stays >= 10 * UNIT)?;
                self.purse(who).bond -= amount;
                self.purse(who).free += amount;
                if bond == *amount {
                    self.trainers.remove(&who);
                }
                Some(())
            }
            Call::post { spec, data_fees_max } => {
                let entry = Entry {
                    requester: who,
                    versions: u32::try_from(spec.data.len()).unwrap(),
                    price: spec.price,
                    deadline: spec.deadline,
                    window: spec.acceptance_blocks,
                    deposit: UNIT + ED * Amount::try_from(spec.encoded_size()).unwrap(),
                    state: State::Open,
                };
                (spec.price >= UNIT).then_some(())?;
                (self.permission(&entry) == Permission::Given).then_some(())?;
                (entry.fees() <= *data_fees_max).then_some(())?;
                let escrow = entry.price + entry.fees();
                self.spend(who, escrow)?;
                self.spend(who, entry.deposit)?;
                self.purse(who).escrow += escrow;
                self.purse(who).job += entry.deposit;
                self.grants.get_mut(&GrantId(who)).unwrap().1 += entry.versions;
                self.jobs.insert(JobId(self.next), entry);
                self.next += 1;
                Some(())
            }
            Call::claim { job } => {
                let mut entry = self.jobs.get(job)?.clone();
                (who != entry.requester && self.now < entry.deadline).then_some(())?;
                (self.permission(&entry) == Permission::Given).then_some(())?;
                if self.has_lapsed(&entry) {
                    self.lapse(&mut entry);
                    self.jobs.insert(*job, entry.clone());
                }
                (entry.state == State::Open).then_some(())?;
                let risk = (entry.price / 2).max(10 * UNIT);
                (self.purse(who).bond >= self.at_risk(who) + risk && self.active(who) < 4).then_some(())?;
                let until = (self.now + LEASE).min(entry.deadline);
                entry.state = State::Leased { trainer: who, until, step: 0, risk };
                self.jobs.insert(*job, entry);
                Some(())
            }
            Call::heartbeat { job, progress } => {
                let mut entry = self.jobs.get(job)?.clone();
                let revoked = self.permission(&entry) == Permission::Revoked;
                let end = (self.now + LEASE).min(entry.deadline);
                let State::Leased { trainer, until, step, .. } = &mut entry.state else { return None };
                (*trainer == who && *until >= self.now && !revoked).then_some(())?;
                (progress.step <= progress.steps && progress.step >= *step).then_some(())?;
                (*until, *step) = (end, progress.step);
                self.jobs.insert(*job, entry);
                Some(())
            }
            Call::report { job, report } => {
                let mut entry = self.jobs.get(job)?.clone();
                let State::Leased { trainer, until, risk, .. } = entry.state else { return None };
                (trainer == who && until >= self.now && report.metrics.steps > 0).then_some(())?;
                let until = self.now + entry.window;
                entry.state = State::Reported { trainer, until, risk };
                self.jobs.insert(*job, entry);
                let room = |block: &BlockNumber| self.agenda.values().filter(|due| *due == block).count() < 2;
                if let Some(block) = (until + 1..=until + AGENDA_SEARCH_BLOCKS).find(room) {
                    self.agenda.insert(*job, block);
                }
                Some(())
            }
            Call::accept { job } | Call::settle { job } => {
                let mut entry = self.jobs.get(job)?.clone();
                let State::Reported { trainer, until, .. } = entry.state else { return None };
                let allowed = match call {
                    Call::accept { .. } => who == entry.requester,
                    _ => until < self.now,
                };
                allowed.then_some(())?;
                self.pay(&entry, trainer)?;
                self.agenda.remove(job);
                entry.state = State::Settled;
                self.jobs.insert(*job, entry);
                Some(())
            }
            Call::dispute { job, .. } => {
                let mut entry = self.jobs.get(job)?.clone();
                let State::Reported { trainer, until, risk } = entry.state else { return None };
                (who == entry.requester && until >= self.now).then_some(())?;
                self.spend(who, 5 * UNIT)?;
                self.purse(who).dispute += 5 * UNIT;
                self.agenda.remove(job);
                entry.state = State::Disputed { trainer, risk };
                self.jobs.insert(*job, entry);
                Some(())
            }
            Call::cancel { job } => {
                let mut entry = self.jobs.get(job)?.clone();
                let live = match entry.state {
                    State::Open => None,
                    State::Leased { trainer, until, .. } => (until >= self.now).then_some(trainer),
                    _ => return None,
                };
                let allowed = match (self.permission(&entry), live) {
                    (Permission::Revoked, _) | (Permission::Renounced, None) => true,
                    (Permission::Renounced, Some(trainer)) => who == trainer,
                    (Permission::Given, live) => who == entry.requester && live.is_none(),
                };
                allowed.then_some(())?;
                if self.has_lapsed(&entry) {
                    self.lapse(&mut entry);
                }
                entry.state = State::Cancelled;
                self.refund(&entry);
                self.jobs.insert(*job, entry);
                Some(())
            }
            Call::stop { job, pay_max } => {
                let mut entry = self.jobs.get(job)?.clone();
                let State::Leased { trainer, until, step, .. } = entry.state else { return None };
                let worth = entry.price / 100 * Amount::from(step.max(5));
                (who == entry.requester && until >= self.now && worth <= *pay_max).then_some(())?;
                entry.state = State::Cancelled;
                self.refund(&entry);
                self.purse(entry.requester).free -= worth;
                self.purse(trainer).free += worth;
                self.jobs.insert(*job, entry);
                Some(())
            }
            Call::expire { job } => {
                let mut entry = self.jobs.get(job)?.clone();
                matches!(entry.state, State::Open | State::Leased { .. }).then_some(())?;
                let over = self.now > entry.deadline;
                let lapsed = self.has_lapsed(&entry);
                (over || lapsed).then_some(())?;
                if lapsed {
                    self.lapse(&mut entry);
                }
                if over {
                    entry.state = State::Expired;
                    self.refund(&entry);
                }
                self.jobs.insert(*job, entry);
                Some(())
            }
            Call::resolve { .. } => None,
            Call::forget { job } => {
                let entry = self.jobs.get(job)?.clone();
                let over = matches!(entry.state, State::Cancelled | State::Expired);
                (who == entry.requester && over).then_some(())?;
                self.purse(who).job -= entry.deposit;
                self.purse(who).free += entry.deposit;
                self.jobs.remove(job);
                Some(())
            }
            Call::__Ignore(..) => unreachable!("no such call can be made"),
        }
    }

    fn resolve(&mut self, job: JobId, verdict: &Verdict) -> Option<()> {
        let mut entry = self.jobs.get(&job)?.clone();
        let State::Disputed { trainer, risk } = entry.state else { return None };
        match verdict {
            Verdict::Uphold => {
                self.pay(&entry, trainer)?;
                self.purse(trainer).free += 5 * UNIT;
                entry.state = State::Settled;
            }
            Verdict::Overturn => {
                self.refund(&entry);
                self.purse(entry.requester).free += 5 * UNIT + risk;
                self.purse(trainer).bond -= risk;
                entry.state = State::Cancelled;
            }
        }
        self.purse(entry.requester).dispute -= 5 * UNIT;
        self.jobs.insert(job, entry);
        Some(())
    }

    /// Compares the chain with the ledger.
    fn compare(&self) {
        for (who, purse) in &self.purses {
            let chain = Purse {
                free: Balances::free_balance(who),
                bond: held(HoldReason::Bond, *who),
                escrow: held(HoldReason::Escrow, *who),
                job: held(HoldReason::Job, *who),
                dispute: held(HoldReason::Dispute, *who),
            };
            assert_eq!(&chain, purse, "account {who}");
        }
        let stages = |id: &JobId| JobMarket::job(*id).map(|job| job.state.stage());
        for id in (0..self.next).map(JobId) {
            assert_eq!(stages(&id), self.jobs.get(&id).map(|entry| entry.state.stage()), "job {id}");
        }
        for (grant, (_, used)) in &self.grants {
            assert_eq!(uses(*grant), *used, "grant {grant}");
        }
        assert_eq!(JobMarket::next_job(), JobId(self.next));
    }
}

/// Takes one step on the chain and in the ledger, which must agree on whether it is refused.
fn step(ledger: &mut Ledger, action: &Action) {
    // A refused call must leave nothing behind in the ledger, either.
    let mut after = ledger.clone();
    let (chain, allowed) = match action {
        Action::Call(who, call) => (send(*who, call.clone()), after.call(*who, call)),
        Action::Resolve(job, verdict) => (resolve(*job, verdict.clone()), after.resolve(*job, verdict)),
        Action::Wait(blocks) => {
            run_on(*blocks);
            after.wait(*blocks);
            (Ok(()), Some(()))
        }
        Action::Revoke(grant) => {
            revoke(*grant);
            after.grants.get_mut(grant).unwrap().0 = Permission::Revoked;
            (Ok(()), Some(()))
        }
        Action::Renounce(grant) => {
            renounce(*grant);
            after.grants.get_mut(grant).unwrap().0 = Permission::Renounced;
            (Ok(()), Some(()))
        }
        Action::Registry(broken) => {
            RegistryBroken::set(broken);
            after.broken = *broken;
            (Ok(()), Some(()))
        }
    };
    assert_eq!(chain.is_ok(), allowed.is_some(), "{action:?} gave {chain:?} with {ledger:?}");
    if allowed.is_some() {
        *ledger = after;
    }
}

#[test]
fn the_chain_agrees_with_the_ledger() {
    let config = ProptestConfig {
        cases: 64,
        rng_seed: RngSeed::Fixed(2_609),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let reached = RefCell::new(BTreeMap::<&str, u32>::new());
    TestRunner::new(config)
        .run(&draws(), |draws| {
            ExtBuilder.build_and_execute(|| {
                for who in ACTORS {
                    add_grant(GrantId(who), DATANET, who);
                }
                let mut ledger = Ledger::new();
                for who in ACTORS {
                    step(&mut ledger, &Action::Call(who, Call::bond { amount: 500 * UNIT }));
                }
                for draw in draws {
                    let action = action(draw, &ledger);
                    step(&mut ledger, &action);
                    ledger.compare();
                    check();
                    for event in events() {
                        *reached.borrow_mut().entry(name(&event)).or_default() += 1;
                    }
                }
            });
            Ok(())
        })
        .unwrap();
    // A sequence that is always refused would prove little.
    let reached = reached.into_inner();
    assert_eq!(reached.len(), EVENTS, "reached only {reached:?}");
    assert!(reached.values().all(|times| *times >= 5), "hardly reached: {reached:?}");
}

/// How many kinds of events there are.
const EVENTS: usize = 15;

fn name(event: &Event<Test>) -> &'static str {
    match event {
        Event::Bonded { .. } => "Bonded",
        Event::Unbonded { .. } => "Unbonded",
        Event::JobPosted { .. } => "JobPosted",
        Event::JobClaimed { .. } => "JobClaimed",
        Event::HeartbeatRecorded { .. } => "HeartbeatRecorded",
        Event::LeaseLapsed { .. } => "LeaseLapsed",
        Event::JobReported { .. } => "JobReported",
        Event::JobSettled { .. } => "JobSettled",
        Event::SettlementFailed { .. } => "SettlementFailed",
        Event::JobDisputed { .. } => "JobDisputed",
        Event::DisputeResolved { .. } => "DisputeResolved",
        Event::JobCancelled { .. } => "JobCancelled",
        Event::JobStopped { .. } => "JobStopped",
        Event::JobExpired { .. } => "JobExpired",
        Event::JobForgotten { .. } => "JobForgotten",
        Event::__Ignore(..) => unreachable!("no such event is made"),
    }
}

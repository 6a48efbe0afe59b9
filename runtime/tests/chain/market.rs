//! Random sequences of calls of all our pallets together, against a plain ledger that knows only the events.
//!
//! After every step: each account has exactly what the events say, on hold or not; the issuance is what all accounts have;
//! every pallet's invariants hold. After every sequence: each leaf that claimed, however often and whenever, has got its
//! exact part of what its stream was funded with, to one smallest unit, and never more.

use crate::common::{account, world::*};
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use sp_keyring::Sr25519Keyring as Person;
use std::{cell::RefCell, collections::BTreeMap};
use tributary_protocol::{
    Amount, BaseModelId, ContentHash, ContributionId, DatanetId, GrantId, JobId, ModelId, VersionRef,
    amount::TRIB,
    datanet::{AccessPolicy, ContributionStatus},
    job::{Job, Progress, Stage, Verdict},
    model::Prices,
    stream::SHARE_UNITS,
    sum_tree::SumTree,
};
use tributary_runtime::{
    AccountId, Attribution, Datanets, Grants, Jobs, Models, Runtime, RuntimeEvent, System,
    configs::balances::TreasuryAccount,
};

const CASES: u32 = 64;
const STEPS: usize = 120;

const PEOPLE: [Person; 6] = [Person::Alice, Person::Bob, Person::Charlie, Person::Dave, Person::Eve, Person::Ferdie];

/// One step: what to do, and three numbers to choose whom and what by.
#[derive(Clone, Copy, Debug)]
struct Step {
    deed: Deed,
    who: u8,
    which: u8,
    how: u16,
}

/// What a step may do: every call of our pallets that a market needs, and the passing of time.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Register,
    Retire,
    Submit,
    Judge,
    Withdraw,
    PublishVersion,
    Request,
    Decide,
    Revoke,
    Renounce,
    RegisterBase,
    Bond,
    Unbond,
    Post,
    Claim,
    Heartbeat,
    Report,
    Accept,
    Dispute,
    Resolve,
    Settle,
    Cancel,
    Expire,
    Forget,
    PublishModel,
    Deploy,
    Undeploy,
    WithdrawModel,
    Fund,
    ClaimLeaf,
    Wait,
}

/// Deeds in the proportions in which a market does them: enough of the early ones to have something to sell, and of the late
/// ones to have it paid.
fn deed() -> impl Strategy<Value = Deed> {
    use Deed::*;
    prop_oneof![
        1 => Just(Register),
        1 => prop_oneof![20 => Just(RegisterBase), 1 => Just(Retire)],
        4 => Just(Submit),
        5 => Just(Judge),
        1 => Just(Withdraw),
        3 => Just(PublishVersion),
        4 => Just(Request),
        3 => Just(Decide),
        1 => prop_oneof![Just(Revoke), Just(Renounce)],
        4 => Just(Bond),
        1 => Just(Unbond),
        8 => Just(Post),
        12 => Just(Claim),
        4 => Just(Heartbeat),
        12 => Just(Report),
        6 => Just(Accept),
        2 => Just(Dispute),
        2 => Just(Resolve),
        2 => Just(Settle),
        2 => Just(Cancel),
        2 => Just(Expire),
        1 => Just(Forget),
        1 => prop_oneof![Just(PublishModel), Just(Deploy), Just(Undeploy), Just(WithdrawModel)],
        8 => Just(Fund),
        12 => Just(ClaimLeaf),
        5 => Just(Wait),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    (deed(), any::<u8>(), any::<u8>(), any::<u16>()).prop_map(|(deed, who, which, how)| Step { deed, who, which, how })
}

/// How much a run of all sequences did: a market in which nothing happens proves nothing.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    settled: u32,
    lapsed: u32,
    disputed: u32,
    funded: u32,
    claimed: u32,
    stolen_claims_refused: u32,
}

/// The plain ledger.
struct Market {
    wealth: BTreeMap<AccountId, Amount>,
    trees: BTreeMap<JobId, SumTree>,
    claimed: BTreeMap<(ModelId, u32), Amount>,
    tally: Tally,
}

impl Market {
    fn new() -> Self {
        let wealth = frame_system::Account::<Runtime>::iter_keys().map(|who| (who.clone(), wealth(&who))).collect();
        let mut market = Self { wealth, trees: BTreeMap::new(), claimed: BTreeMap::new(), tally: Tally::default() };
        // Something to begin with, so that a sequence is not all beginnings: two Datanets with a version each, two base
        // models, grants and bonds for everybody.
        for (owner, seed) in PEOPLE.into_iter().zip(0..2) {
            let datanet = DatanetId(u32::from(seed));
            register(owner, AccessPolicy::Open).unwrap();
            register_base(owner, 100 + seed).unwrap();
            for (contributor, file) in PEOPLE.into_iter().zip(0..4) {
                submit(contributor, datanet, 10 * seed + file).unwrap();
                let contribution = ContributionId(u64::from(4 * seed + file));
                send(owner, pallet_datanets::Call::accept { contribution }).unwrap();
            }
            send(owner, pallet_datanets::Call::publish_version { datanet }).unwrap();
            for requester in PEOPLE {
                send(requester, pallet_grants::Call::request { datanet, terms: grant_terms(10) }).unwrap();
            }
        }
        for trainer in PEOPLE {
            send(trainer, pallet_jobs::Call::bond { amount: 300 * TRIB }).unwrap();
        }
        market.follow(&BTreeMap::new());
        market
    }

    /// Takes over what the events say, and compares.
    fn follow(&mut self, jobs_before: &BTreeMap<JobId, (Job<AccountId>, Amount)>) {
        for record in System::events() {
            match record.event {
                RuntimeEvent::Jobs(event) => self.follow_job(event, jobs_before),
                RuntimeEvent::Attribution(event) => self.follow_attribution(event),
                _ => {}
            }
        }
        System::reset_events();
        for (who, expected) in &self.wealth {
            assert_eq!(wealth(who), *expected, "what {who} has is not what the events say");
        }
        assert_eq!(frame_system::Account::<Runtime>::iter_keys().count(), self.wealth.len());
        check();
    }

    fn give(&mut self, from: &AccountId, to: &AccountId, amount: Amount) {
        let giver = self.wealth.get_mut(from).unwrap();
        *giver = giver.checked_sub(amount).unwrap();
        let taker = self.wealth.get_mut(to).unwrap();
        *taker = taker.checked_add(amount).unwrap();
    }

    fn follow_job(&mut self, event: pallet_jobs::Event<Runtime>, before: &BTreeMap<JobId, (Job<AccountId>, Amount)>) {
        use pallet_jobs::Event::*;
        match event {
            LeaseLapsed { job, trainer, slashed } => {
                self.tally.lapsed += 1;
                self.give(&trainer, &before[&job].0.requester, slashed);
            }
            JobSettled { job, requester, trainer, price, data_fees, .. } => {
                self.tally.settled += 1;
                let posted = &before[&job].0;
                assert_eq!(price, posted.spec.price);
                assert_eq!(data_fees, posted.data_fees.iter().sum::<Amount>());
                self.give(&requester, &trainer, price);
                for (data, fee) in posted.spec.data.iter().zip(&posted.data_fees) {
                    let owner = Datanets::datanet(data.version.datanet).unwrap().owner;
                    self.give(&requester, &owner, *fee);
                }
            }
            DisputeResolved { job, verdict, requester, trainer, slashed } => {
                self.tally.disputed += 1;
                match verdict {
                    Verdict::Uphold => self.give(&requester, &trainer, before[&job].1),
                    Verdict::Overturn => self.give(&trainer, &requester, slashed),
                }
            }
            SettlementFailed { job, error } => panic!("job {job} could not settle: {error:?}"),
            _ => {}
        }
    }

    fn follow_attribution(&mut self, event: pallet_attribution::Event<Runtime>) {
        use pallet_attribution::Event::*;
        match event {
            StreamOpened { .. } => {}
            StreamFunded { model, payer, amount, distribution } => {
                self.tally.funded += 1;
                let parties = Attribution::stream(model).unwrap().parties;
                let owners = parties.datanet_owners.len() as Amount;
                assert_eq!(distribution.datanet_owners % owners, 0, "the Datanets' owners get equal parts");
                let mut paid = distribution.contributors;
                self.give(&payer, &Attribution::pool_account(), distribution.contributors);
                for (payee, part) in [
                    (TreasuryAccount::get(), distribution.treasury),
                    (parties.base_owner, distribution.base_owner),
                    (parties.trainer, distribution.trainer),
                    (parties.model_owner, distribution.model_owner),
                ]
                .into_iter()
                .chain(
                    parties.datanet_owners.into_iter().map(|(_, owner)| (owner, distribution.datanet_owners / owners)),
                ) {
                    self.give(&payer, &payee, part);
                    paid += part;
                }
                assert_eq!(paid, amount, "a sale is divided exactly");
            }
            RewardClaimed { model, index, contributor, amount, .. } => {
                self.tally.claimed += 1;
                self.give(&Attribution::pool_account(), &contributor, amount);
                *self.claimed.entry((model, index)).or_default() += amount;
            }
            // No deed of this market uses them: `answers.rs` plays operators' epochs.
            other => panic!("an event of an operator's epoch: {other:?}"),
        }
    }

    fn take(&mut self, step: Step) {
        let before: BTreeMap<_, _> = pallet_jobs::Jobs::<Runtime>::iter()
            .map(|(id, job)| (id, (job, pallet_jobs::Disputes::<Runtime>::get(id).unwrap_or(0))))
            .collect();
        self.act(step);
        self.follow(&before);
    }

    /// Does a deed, by whoever may do it nine times in ten. Most refusals are fine: what they must not do is move money.
    fn act(&mut self, Step { deed, who, which, how }: Step) {
        let anyone = PEOPLE[usize::from(who) % PEOPLE.len()];
        let owner_or = |owner: &AccountId| if who % 10 == 0 { anyone } else { person(owner) };
        let outcome = match deed {
            Deed::Register => {
                let access = if how % 3 == 0 { AccessPolicy::OnRequest } else { AccessPolicy::Open };
                register(anyone, access)
            }
            Deed::Retire => {
                let Some((id, datanet)) = pick(Datanets::datanets(DatanetId(0), 100), which) else { return };
                send(owner_or(&datanet.owner), pallet_datanets::Call::retire { datanet: id })
            }
            Deed::Submit => {
                let Some((id, _)) = pick(Datanets::datanets(DatanetId(0), 100), which) else { return };
                submit(anyone, id, how.to_le_bytes()[0])
            }
            Deed::Judge => {
                let pending =
                    contributions().into_iter().filter(|(_, _, status)| *status == ContributionStatus::Pending);
                let Some((id, datanet, _)) = pick(pending.collect(), which) else { return };
                let judge = owner_or(&Datanets::datanet(datanet).unwrap().owner);
                if how % 4 == 0 {
                    send(judge, pallet_datanets::Call::reject { contribution: id, reason: text("off topic") })
                } else {
                    send(judge, pallet_datanets::Call::accept { contribution: id })
                }
            }
            Deed::Withdraw => {
                let Some((id, _, _)) = pick(contributions(), which) else { return };
                let contributor = Datanets::contribution(id).unwrap().contributor;
                send(owner_or(&contributor), pallet_datanets::Call::withdraw { contribution: id })
            }
            Deed::PublishVersion => {
                let Some((id, datanet)) = pick(Datanets::datanets(DatanetId(0), 100), which) else { return };
                send(owner_or(&datanet.owner), pallet_datanets::Call::publish_version { datanet: id })
            }
            Deed::Request => {
                let Some((datanet, _)) = pick(Datanets::datanets(DatanetId(0), 100), which) else { return };
                let terms = grant_terms(1 + u32::from(how % 5));
                send(anyone, pallet_grants::Call::request { datanet, terms })
            }
            Deed::Decide => {
                let Some((grant, record)) = pick(Grants::grants(GrantId(0), 100), which) else { return };
                let owner = owner_or(&Datanets::datanet(record.datanet).unwrap().owner);
                if how % 5 == 0 {
                    send(owner, pallet_grants::Call::deny { grant, reason: text("not you") })
                } else {
                    send(owner, pallet_grants::Call::issue { grant })
                }
            }
            Deed::Revoke => {
                let Some((grant, record)) = pick(Grants::grants(GrantId(0), 100), which) else { return };
                let owner = owner_or(&Datanets::datanet(record.datanet).unwrap().owner);
                send(owner, pallet_grants::Call::revoke { grant, reason: text("enough") })
            }
            Deed::Renounce => {
                let Some((grant, record)) = pick(Grants::grants(GrantId(0), 100), which) else { return };
                send(owner_or(&record.grantee), pallet_grants::Call::renounce { grant })
            }
            Deed::RegisterBase => register_base(anyone, how.to_le_bytes()[0]),
            Deed::Bond => send(anyone, pallet_jobs::Call::bond { amount: TRIB * Amount::from(how % 500) }),
            Deed::Unbond => send(anyone, pallet_jobs::Call::unbond { amount: TRIB * Amount::from(how % 500) }),
            Deed::Post => {
                let usable = Grants::grants(GrantId(0), 100)
                    .into_iter()
                    .filter(|(_, grant)| Datanets::datanet(grant.datanet).is_some_and(|datanet| datanet.versions > 0));
                let Some((grant, record)) = pick(usable.collect(), which) else { return };
                let versions = Datanets::datanet(record.datanet).unwrap().versions;
                let version = VersionRef { datanet: record.datanet, number: 1 + u32::from(how) % versions };
                let mut spec = spec(BaseModelId(u32::from(how) % 2), version, grant);
                spec.price = TRIB * Amount::from(1 + how % 100);
                spec.deadline = System::block_number() + 10 + u32::from(how % 50);
                send(owner_or(&record.grantee), pallet_jobs::Call::post { spec, data_fees_max: Amount::MAX })
            }
            Deed::Claim => {
                let Some((job, _)) = pick(jobs(&[Stage::Open, Stage::Leased]), which) else { return };
                send(anyone, pallet_jobs::Call::claim { job })
            }
            Deed::Heartbeat => {
                let Some((job, record)) = pick(jobs(&[Stage::Leased]), which) else { return };
                let trainer = owner_or(record.state.trainer().unwrap());
                let progress = Progress { step: u32::from(how % 101), steps: 100 };
                send(trainer, pallet_jobs::Call::heartbeat { job, progress })
            }
            Deed::Report => {
                let Some((job, record)) = pick(jobs(&[Stage::Leased]), which) else { return };
                let trainer = owner_or(record.state.trainer().unwrap());
                let tree = tree(job, &shares(&record, how));
                let report = report(&tree, how.to_le_bytes()[0].max(1));
                let outcome = send(trainer, pallet_jobs::Call::report { job, report });
                if outcome.is_ok() {
                    self.trees.insert(job, tree);
                }
                outcome
            }
            Deed::Accept => {
                let Some((job, record)) = pick(jobs(&[Stage::Reported]), which) else { return };
                send(owner_or(&record.requester), pallet_jobs::Call::accept { job })
            }
            Deed::Dispute => {
                let Some((job, record)) = pick(jobs(&[Stage::Reported]), which) else { return };
                let evidence = ContentHash([1; 32]);
                send(owner_or(&record.requester), pallet_jobs::Call::dispute { job, evidence })
            }
            Deed::Resolve => {
                let Some((job, _)) = pick(jobs(&[Stage::Disputed]), which) else { return };
                let verdict = if how % 2 == 0 { Verdict::Uphold } else { Verdict::Overturn };
                send_root(pallet_jobs::Call::resolve { job, verdict })
            }
            Deed::Settle => {
                let Some((job, _)) = pick(jobs(&[Stage::Reported]), which) else { return };
                send(anyone, pallet_jobs::Call::settle { job })
            }
            Deed::Cancel => {
                let Some((job, record)) = pick(jobs(&[Stage::Open, Stage::Leased]), which) else { return };
                send(owner_or(&record.requester), pallet_jobs::Call::cancel { job })
            }
            Deed::Expire => {
                let Some((job, _)) = pick(jobs(&[Stage::Open, Stage::Leased]), which) else { return };
                send(anyone, pallet_jobs::Call::expire { job })
            }
            Deed::Forget => {
                let Some((job, record)) = pick(jobs(&[Stage::Cancelled, Stage::Expired, Stage::Settled]), which) else {
                    return;
                };
                send(owner_or(&record.requester), pallet_jobs::Call::forget { job })
            }
            Deed::PublishModel => {
                let Some((model, record)) = pick(Models::models(ModelId(0), 100), which) else { return };
                let prices = Prices { input_per_1000: 1, output_per_1000: 2 };
                send(owner_or(&record.owner), pallet_models::Call::publish { model, prices })
            }
            Deed::Deploy => {
                let Some((model, _)) = pick(Models::models(ModelId(0), 100), which) else { return };
                let endpoint = b"https://example.org".to_vec().try_into().unwrap();
                send(anyone, pallet_models::Call::deploy { model, endpoint })
            }
            Deed::Undeploy => {
                let Some((model, _)) = pick(Models::models(ModelId(0), 100), which) else { return };
                send(anyone, pallet_models::Call::undeploy { model })
            }
            Deed::WithdrawModel => {
                let Some((model, record)) = pick(Models::models(ModelId(0), 100), which) else { return };
                send(owner_or(&record.owner), pallet_models::Call::withdraw { model })
            }
            Deed::Fund => {
                let Some((model, _)) = pick(Models::models(ModelId(0), 100), which) else { return };
                // Odd amounts, so that every division leaves something.
                let amount = TRIB / 1_000 + 7 * Amount::from(how).pow(2) + Amount::from(which);
                send(anyone, pallet_attribution::Call::fund { model, amount })
            }
            Deed::ClaimLeaf => {
                let Some((model, record)) = pick(Models::models(ModelId(0), 100), which) else { return };
                let tree = &self.trees[&record.lineage.job];
                let index = u32::from(how) % tree.root().leaves;
                let contributor = AccountId::from(tree.leaves()[usize::try_from(index).unwrap()].contributor);
                let claimant = owner_or(&contributor);
                let outcome = claim_leaf(claimant, model, tree, index);
                if account(claimant) != contributor {
                    assert!(outcome.is_err(), "another's leaf was claimed");
                    self.tally.stolen_claims_refused += 1;
                }
                outcome
            }
            Deed::Wait => {
                advance(1 + u32::from(how % 8));
                Ok(())
            }
        };
        // A call that is refused says nothing: its events are as much undone as its writes.
        if outcome.is_err() {
            assert!(System::events().is_empty(), "{deed:?} was refused and yet left events");
        }
    }

    /// Everybody claims what is left; then nobody has a unit too much, or more than one too few.
    fn close(&mut self) {
        for (model, record) in Models::models(ModelId(0), 100) {
            let tree = self.trees[&record.lineage.job].clone();
            for leaf in tree.leaves() {
                // Refused where nothing is due.
                let _ = claim_leaf(person(&leaf.contributor.into()), model, &tree, leaf.index);
                self.follow(&BTreeMap::new());
            }
            let stream = Attribution::stream(model).unwrap();
            for leaf in tree.leaves() {
                let got = self.claimed.get(&(model, leaf.index)).copied().unwrap_or(0);
                let exact = stream.contributors_funded * Amount::from(leaf.units) / Amount::from(SHARE_UNITS);
                assert!(got <= exact && exact <= got + 1, "a leaf with a right to {exact} got {got}");
            }
        }
    }
}

fn person(who: &AccountId) -> Person {
    PEOPLE.into_iter().find(|person| account(*person) == *who).unwrap()
}

fn pick<T>(mut things: Vec<T>, which: u8) -> Option<T> {
    (!things.is_empty()).then(|| things.swap_remove(usize::from(which) % things.len()))
}

fn contributions() -> Vec<(ContributionId, DatanetId, ContributionStatus)> {
    let mut all: Vec<_> = pallet_datanets::Contributions::<Runtime>::iter()
        .map(|(id, contribution)| (id, contribution.datanet, contribution.status))
        .collect();
    // Storage iterates by hash; a sequence has to mean the same wherever it runs.
    all.sort_unstable_by_key(|(id, ..)| *id);
    all
}

fn jobs(stages: &[Stage]) -> Vec<(JobId, Job<AccountId>)> {
    Jobs::jobs(JobId(0), 100, None).into_iter().filter(|(_, job)| stages.contains(&job.state.stage())).collect()
}

/// Shares of the contributions that a job was trained on: unequal, some of them zero.
fn shares(job: &Job<AccountId>, seed: u16) -> Vec<(ContributionId, AccountId, u64)> {
    let entries: Vec<_> = job.spec.data.iter().flat_map(|data| Datanets::entries(data.version)).collect();
    let scores: Vec<u128> =
        (0..entries.len() as u128).map(|place| u128::from(seed).pow(2) * (place + 3) % 17).collect();
    let units = tributary_protocol::share::apportion(&scores, SHARE_UNITS).unwrap().units;
    entries
        .into_iter()
        .zip(units)
        .map(|((entry, contributor), units)| (entry.contribution, contributor, units))
        .collect()
}

#[test]
fn money_is_conserved_and_nobody_gets_more_than_the_events_say() {
    let config = Config { cases: CASES, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let total = RefCell::new(Tally::default());
    runner
        .run(&prop::collection::vec(step(), STEPS), |steps| {
            chain().execute_with(|| {
                let mut market = Market::new();
                for step in steps {
                    market.take(step);
                }
                market.close();
                let mut total = total.borrow_mut();
                total.settled += market.tally.settled;
                total.lapsed += market.tally.lapsed;
                total.disputed += market.tally.disputed;
                total.funded += market.tally.funded;
                total.claimed += market.tally.claimed;
                total.stolen_claims_refused += market.tally.stolen_claims_refused;
            });
            Ok(())
        })
        .unwrap();
    let total = total.into_inner();
    eprintln!("{CASES} sequences of {STEPS} steps: {total:?}");
    let did = [total.settled, total.lapsed, total.disputed, total.funded, total.claimed, total.stolen_claims_refused];
    assert!(did.iter().all(|count| *count > 0), "the market was too quiet to prove anything: {total:?}");
}

//! The whole loop on the real runtime: from a Datanet's registration to a contributor's payout, with every balance checked.

use crate::common::{account, world::*};
use frame_support::{assert_noop, assert_ok};
use sp_keyring::Sr25519Keyring as Person;
use tributary_protocol::{
    Amount, BaseModelId, ContentHash, ContributionId, DatanetId, GrantId, JobId, ModelId, VersionRef,
    access::{ReadRequest, Scope},
    amount::TRIB,
    datanet::{AccessPolicy, ContributionStatus},
    job::{Progress, Stage},
    stream::{SHARE_UNITS, Split},
};
use tributary_runtime::{Attribution, Datanets, Jobs, Models, Runtime, configs::balances::TreasuryAccount};

const OWNER: Person = Person::Alice;
const CURATOR: Person = Person::Bob;
const CONTRIBUTORS: [Person; 3] = [Person::Charlie, Person::Dave, Person::Eve];
const REQUESTER: Person = Person::Ferdie;
const FIRST_TRAINER: Person = Person::AliceStash;
const SECOND_TRAINER: Person = Person::BobStash;
const BASE_OWNER: Person = Person::CharlieStash;
const BUYER: Person = Person::DaveStash;

const DATANET: DatanetId = DatanetId(0);
const VERSION: VersionRef = VersionRef { datanet: DATANET, number: 1 };
const BASE: BaseModelId = BaseModelId(0);
const GRANT: GrantId = GrantId(0);
const JOB: JobId = JobId(0);
const MODEL: ModelId = ModelId(0);

#[test]
fn data_becomes_a_model_and_the_model_pays_for_the_data() {
    chain().execute_with(|| {
        // The owner registers a Datanet and names a curator.
        assert_ok!(register(OWNER, AccessPolicy::OnRequest));
        let curators = vec![account(CURATOR)].try_into().unwrap();
        assert_ok!(send(OWNER, pallet_datanets::Call::set_curators { datanet: DATANET, curators }));

        // Three contribute, one of them twice; the curator refuses the fourth file, with a reason.
        for (contributor, seed) in CONTRIBUTORS.into_iter().zip(1..) {
            assert_ok!(submit(contributor, DATANET, seed));
        }
        assert_ok!(submit(CONTRIBUTORS[2], DATANET, 4));
        for contribution in 0..3 {
            let accept = pallet_datanets::Call::accept { contribution: ContributionId(contribution) };
            assert_ok!(send(CURATOR, accept));
        }
        let reason = text("answers do not fit the questions");
        let reject = pallet_datanets::Call::reject { contribution: ContributionId(3), reason: reason.clone() };
        assert_ok!(send(CURATOR, reject));
        assert_eq!(Datanets::contribution(ContributionId(3)).unwrap().status, ContributionStatus::Rejected { reason });
        assert_ok!(send(CURATOR, pallet_datanets::Call::publish_version { datanet: DATANET }));
        assert_eq!(Datanets::entries(VERSION).len(), 3);
        check();

        // A requester without a grant is refused, asks for one, gets it, and posts a job with escrow.
        assert_ok!(register_base(BASE_OWNER, 9));
        let post = || pallet_jobs::Call::post { spec: spec(BASE, VERSION, GRANT), data_fees_max: Amount::MAX };
        assert!(send(REQUESTER, post()).is_err());
        assert_ok!(send(REQUESTER, pallet_grants::Call::request { datanet: DATANET, terms: grant_terms(1) }));
        assert!(send(REQUESTER, post()).is_err(), "an undecided grant opens nothing");
        assert_ok!(send(OWNER, pallet_grants::Call::issue { grant: GRANT }));
        assert_ok!(send(REQUESTER, post()));
        assert!(send(REQUESTER, post()).is_err(), "the grant was good for one job");
        assert_eq!(Jobs::job(JOB).unwrap().escrow, JOB_PRICE + DATANET_PRICE);
        check();

        // A trainer without a bond is refused; one with a bond claims, and may read the data.
        let claim = || pallet_jobs::Call::claim { job: JOB };
        let blob = ContentHash([1; 32]);
        let reads =
            |person| Jobs::may_read(ReadRequest { account: account(person), scope: Scope::Version(VERSION), blob });
        assert_noop!(send(FIRST_TRAINER, claim()), pallet_jobs::Error::<Runtime>::NotBonded);
        for trainer in [FIRST_TRAINER, SECOND_TRAINER] {
            assert_ok!(send(trainer, pallet_jobs::Call::bond { amount: 200 * TRIB }));
        }
        assert!(!reads(FIRST_TRAINER));
        assert_ok!(send(FIRST_TRAINER, claim()));
        assert!(reads(FIRST_TRAINER) && !reads(SECOND_TRAINER) && !reads(BUYER));

        // It works for a while and falls silent; the second claims, and the first has paid for the delay.
        let heartbeat = |step| pallet_jobs::Call::heartbeat { job: JOB, progress: Progress { step, steps: 100 } };
        advance(8);
        assert_ok!(send(FIRST_TRAINER, heartbeat(40)));
        let lease = <Runtime as pallet_jobs::Config>::LeaseBlocks::get();
        advance(lease);
        assert_noop!(send(SECOND_TRAINER, claim()), pallet_jobs::Error::<Runtime>::NotOpen);
        advance(1);
        assert!(!reads(FIRST_TRAINER));
        let (silent, compensated) = (wealth(&account(FIRST_TRAINER)), wealth(&account(REQUESTER)));
        assert_ok!(send(SECOND_TRAINER, claim()));
        let slashed = silent - wealth(&account(FIRST_TRAINER));
        assert_eq!(slashed, 5 * TRIB, "a tenth of half the price");
        assert_eq!(wealth(&account(REQUESTER)), compensated + slashed);
        check();

        // It finishes and reports; the requester says nothing, and the window's end settles.
        let shares = [(0, 500_000_000), (1, 300_000_000), (2, 200_000_000)]
            .map(|(place, units)| (ContributionId(place as u64), account(CONTRIBUTORS[place]), units));
        let tree = tree(JOB, &shares);
        assert_ok!(send(SECOND_TRAINER, heartbeat(100)));
        let done = report(&tree, 5);
        assert_ok!(send(SECOND_TRAINER, pallet_jobs::Call::report { job: JOB, report: done }));
        assert!(send(SECOND_TRAINER, pallet_jobs::Call::report { job: JOB, report: done }).is_err());
        let bundle = ReadRequest { account: account(REQUESTER), scope: Scope::Bundle(JOB), blob: done.bundle };
        assert!(Jobs::may_read(bundle));
        let before = [OWNER, REQUESTER, SECOND_TRAINER].map(|person| wealth(&account(person)));
        advance(<Runtime as pallet_jobs::Config>::AcceptanceBlocksMin::get() + 1);
        assert_eq!(Jobs::job(JOB).unwrap().state.stage(), Stage::Settled);
        let after = [OWNER, REQUESTER, SECOND_TRAINER].map(|person| wealth(&account(person)));
        assert_eq!(after[0] - before[0], DATANET_PRICE);
        assert_eq!(before[1] - after[1], JOB_PRICE + DATANET_PRICE);
        assert_eq!(after[2] - before[2], JOB_PRICE);
        check();

        // The model has its lineage, and a stream.
        let model = Models::model(MODEL).unwrap();
        assert_eq!(model.owner, account(REQUESTER));
        assert_eq!((model.lineage.job, model.lineage.base), (JOB, BASE));
        assert_eq!(model.lineage.trainer, account(SECOND_TRAINER));
        assert_eq!(Models::affected_by(VERSION, 0, 10), [MODEL]);
        assert_eq!(Models::is_affected(MODEL), Some(false));

        // A sale of 1,000 TRIB splits at once.
        let payees =
            [TreasuryAccount::get(), account(BASE_OWNER), account(SECOND_TRAINER), account(REQUESTER), account(OWNER)];
        let before = payees.clone().map(|payee| wealth(&payee));
        assert_ok!(send(BUYER, pallet_attribution::Call::fund { model: MODEL, amount: 1_000 * TRIB }));
        let gains: Vec<_> = payees.iter().zip(before).map(|(payee, before)| wealth(payee) - before).collect();
        let split = Split::DEFAULT;
        let parts = [split.treasury, split.base_owner, split.trainer, split.model_owner, split.datanet_owners];
        assert_eq!(gains, parts.map(|part| part.of(1_000 * TRIB)));
        check();

        // Each contributor claims its part with a proof, once, and nobody claims another's.
        let pool = split.contributors.of(1_000 * TRIB);
        for (place, contributor) in CONTRIBUTORS.into_iter().enumerate() {
            let index = u32::try_from(place).unwrap();
            let due = pool / u128::from(SHARE_UNITS) * u128::from(shares[place].2);
            assert_eq!(Attribution::claimable(MODEL, index, shares[place].2), Some(due));
            assert_noop!(
                claim_leaf(BUYER, MODEL, &tree, index),
                pallet_attribution::Error::<Runtime>::NotTheContributor
            );
            let before = wealth(&account(contributor));
            assert_ok!(claim_leaf(contributor, MODEL, &tree, index));
            assert_eq!(wealth(&account(contributor)) - before, due);
            assert_noop!(
                claim_leaf(contributor, MODEL, &tree, index),
                pallet_attribution::Error::<Runtime>::NothingToClaim
            );
        }
        assert_eq!(Attribution::stream(MODEL).unwrap().claimed, pool);
        check();

        // A revoked grant marks the model and stops nothing that was paid.
        let reason = text("the terms were broken");
        assert_ok!(send(OWNER, pallet_grants::Call::revoke { grant: GRANT, reason }));
        assert_eq!(Models::is_affected(MODEL), Some(true));
        check();
    });
}

#[test]
fn a_proof_serves_on_its_own_chain_and_stream_only() {
    chain().execute_with(|| {
        let shares = [0, 1].map(|place| (ContributionId(place), account(CONTRIBUTORS[0]), SHARE_UNITS / 2));
        let (here, other) = (tree(JOB, &shares), tree(JobId(1), &shares));
        assert_ne!(here.root().root, other.root().root);
        for (job, seed) in [(JOB, 1), (JobId(1), 2)] {
            if job == JOB {
                assert_ok!(register(OWNER, AccessPolicy::Open));
                assert_ok!(submit(CONTRIBUTORS[0], DATANET, 1));
                let accept = pallet_datanets::Call::accept { contribution: ContributionId(0) };
                assert_ok!(send(OWNER, accept));
                assert_ok!(send(OWNER, pallet_datanets::Call::publish_version { datanet: DATANET }));
                assert_ok!(register_base(BASE_OWNER, 9));
                let request = pallet_grants::Call::request { datanet: DATANET, terms: grant_terms(2) };
                assert_ok!(send(REQUESTER, request));
                assert_ok!(send(FIRST_TRAINER, pallet_jobs::Call::bond { amount: 200 * TRIB }));
            }
            assert_ok!(send(
                REQUESTER,
                pallet_jobs::Call::post { spec: spec(BASE, VERSION, GRANT), data_fees_max: Amount::MAX }
            ));
            assert_ok!(send(FIRST_TRAINER, pallet_jobs::Call::claim { job }));
            let done = report(if job == JOB { &here } else { &other }, seed);
            assert_ok!(send(FIRST_TRAINER, pallet_jobs::Call::report { job, report: done }));
            assert_ok!(send(REQUESTER, pallet_jobs::Call::accept { job }));
        }
        for model in [MODEL, ModelId(1)] {
            assert_ok!(send(BUYER, pallet_attribution::Call::fund { model, amount: TRIB }));
        }
        assert_noop!(
            claim_leaf(CONTRIBUTORS[0], MODEL, &other, 0),
            pallet_attribution::Error::<Runtime>::ProofRootWrong
        );
        // The same tree, made for a chain with another genesis.
        frame_system::BlockHash::<Runtime>::insert(0, tributary_runtime::Hash::repeat_byte(8));
        assert_noop!(
            claim_leaf(CONTRIBUTORS[0], MODEL, &here, 0),
            pallet_attribution::Error::<Runtime>::ProofRootWrong
        );
    });
}

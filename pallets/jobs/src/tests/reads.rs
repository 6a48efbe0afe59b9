use super::*;
use tributary_protocol::{
    DatanetId, ModelId, VersionRef,
    access::{ReadRequest, Scope},
};

fn may_read(account: AccountId, scope: Scope, blob: ContentHash) -> bool {
    JobMarket::may_read(ReadRequest { account, scope, blob })
}

fn reads_data(account: AccountId) -> bool {
    may_read(account, Scope::Version(VERSION), BLOB)
}

#[test]
fn owner_and_curators_read_their_data_and_nobody_else_does() {
    ExtBuilder.build_and_execute(|| {
        posted();
        assert!(reads_data(OWNER));
        assert!(reads_data(CURATOR));
        for who in [REQUESTER, TRAINER, STRANGER] {
            assert!(!reads_data(who));
        }
        let other = VersionRef { datanet: DatanetId(9), number: 1 };
        assert!(!may_read(OWNER, Scope::Version(other), BLOB));
        assert!(!may_read(OWNER, Scope::Version(VERSION), ContentHash([8; 32])));
    });
}

#[test]
fn the_lease_holder_reads_while_its_lease_lives() {
    ExtBuilder.build_and_execute(|| {
        let id = leased();
        assert!(reads_data(TRAINER));
        assert!(!reads_data(RIVAL));
        assert!(!reads_data(REQUESTER));
        let other = VersionRef { number: 2, ..VERSION };
        assert!(!may_read(TRAINER, Scope::Version(other), BLOB));
        assert!(!may_read(TRAINER, Scope::Version(VERSION), ContentHash([8; 32])));
        run_to(lease_until(id));
        assert!(reads_data(TRAINER));
        run_on(1);
        assert!(!reads_data(TRAINER));
    });
}

#[test]
fn reporting_ends_reading() {
    ExtBuilder.build_and_execute(|| {
        reported();
        assert!(!reads_data(TRAINER));
    });
}

#[test]
fn a_grant_that_no_longer_covers_ends_reading() {
    for end in [revoke, renounce] {
        ExtBuilder.build_and_execute(|| {
            leased();
            end(GRANT);
            assert!(!reads_data(TRAINER));
        });
    }
}

#[test]
fn a_bundle_is_open_to_requester_and_trainer_once_reported() {
    ExtBuilder.build_and_execute(|| {
        let readers = |id| -> Vec<AccountId> {
            let bundle = report().bundle;
            PEOPLE.into_iter().filter(|who| may_read(*who, Scope::Bundle(id), bundle)).collect()
        };
        let id = leased();
        assert!(readers(id).is_empty());
        assert_ok!(hand_in(TRAINER, id, report()));
        assert_eq!(readers(id), [REQUESTER, TRAINER]);
        assert!(!may_read(REQUESTER, Scope::Bundle(id), report().adapter));
        assert_ok!(dispute(REQUESTER, id));
        assert_eq!(readers(id), [REQUESTER, TRAINER]);
        // Who serves another model, or serves before the job is settled, reads nothing.
        Served::set(&vec![(ModelId(1), RIVAL), (ModelId(2), STRANGER)]);
        assert_eq!(readers(id), [REQUESTER, TRAINER]);
        assert_ok!(resolve(id, Verdict::Uphold));
        assert_eq!(readers(id), [REQUESTER, TRAINER, RIVAL]);
        Served::set(&vec![]);
        assert_eq!(readers(id), [REQUESTER, TRAINER]);

        let id = disputed();
        assert_ok!(resolve(id, Verdict::Overturn));
        assert!(readers(id).is_empty());
        assert!(readers(JobId(99)).is_empty());
    });
}

#[test]
fn pages_are_ascending_filtered_and_bounded() {
    ExtBuilder.build_and_execute(|| {
        let numbers = |from, limit, stage| -> Vec<u64> {
            JobMarket::jobs(JobId(from), limit, stage).into_iter().map(|(id, _)| id.0).collect()
        };
        for _ in 0..5 {
            posted();
        }
        assert_ok!(cancel(REQUESTER, JobId(1)));
        assert_ok!(cancel(REQUESTER, JobId(3)));
        assert_ok!(forget(REQUESTER, JobId(3)));
        assert_eq!(numbers(0, 100, None), [0, 1, 2, 4]);
        assert_eq!(numbers(1, 2, None), [1, 2]);
        assert_eq!(numbers(0, u32::MAX, Some(Stage::Open)), [0, 2, 4]);
        assert_eq!(numbers(0, 100, Some(Stage::Cancelled)), [1]);
        assert!(numbers(0, 0, None).is_empty());
        assert!(numbers(5, 100, None).is_empty());
        assert!(numbers(u64::MAX, 100, None).is_empty());
    });
}

use crate::{Error, Event, mock::*};
use frame_support::{assert_noop, assert_ok};
use pallet_support::RewardSink;
use tributary_protocol::{
    Ppm,
    stream::{ContributionRoot, SHARE_LEAVES_MAX, SHARE_UNITS, Split},
    sum_tree::SumRoot,
};

fn with_shares(shares: SumRoot) -> ContributionRoot {
    ContributionRoot { shares, ..Default::default() }
}

const FIT: SumRoot = SumRoot { root: tributary_protocol::ContentHash([1; 32]), total: SHARE_UNITS, leaves: 1 };

#[test]
fn open_stream_starts_empty() {
    ExtBuilder::default().build_and_execute(|| {
        let tree = open(MODEL, JOB, &THREE);
        let stream = stream(MODEL);
        assert_eq!((stream.job, stream.contributions), (JOB, root(&tree)));
        assert_eq!((stream.funded, stream.contributors_funded, stream.claimed), (0, 0, 0));
        assert_eq!(
            last_event(),
            Event::StreamOpened {
                model: MODEL,
                job: JOB,
                split: Split::DEFAULT,
                contributions: root(&tree),
                parties: parties(),
            }
        );
    });
}

#[test]
fn open_stream_fails_when_the_model_has_one() {
    ExtBuilder::default().build_and_execute(|| {
        let tree = open(MODEL, JOB, &THREE);
        assert_noop!(
            Attribution::open_stream(MODEL, JOB, parties(), Split::DEFAULT, root(&tree)),
            Error::<Test>::StreamExists
        );
    });
}

#[test]
fn open_stream_fails_when_the_split_is_not_whole() {
    ExtBuilder::default().build_and_execute(|| {
        let split = Split { treasury: Ppm::ZERO, ..Split::DEFAULT };
        assert_noop!(
            Attribution::open_stream(MODEL, JOB, parties(), split, with_shares(FIT)),
            Error::<Test>::SplitNotWhole
        );
    });
}

#[test]
fn open_stream_fails_when_the_total_is_not_all_units() {
    ExtBuilder::default().build_and_execute(|| {
        for total in [0, SHARE_UNITS - 1, SHARE_UNITS + 1, u64::MAX] {
            let shares = SumRoot { total, ..FIT };
            assert_noop!(
                Attribution::open_stream(MODEL, JOB, parties(), Split::DEFAULT, with_shares(shares)),
                Error::<Test>::NotShareUnits
            );
        }
    });
}

#[test]
fn open_stream_fails_when_the_leaves_are_out_of_bounds() {
    ExtBuilder::default().build_and_execute(|| {
        for leaves in [0, SHARE_LEAVES_MAX + 1] {
            let shares = SumRoot { leaves, ..FIT };
            assert_noop!(
                Attribution::open_stream(MODEL, JOB, parties(), Split::DEFAULT, with_shares(shares)),
                Error::<Test>::LeavesOutOfBounds
            );
        }
        let shares = SumRoot { leaves: SHARE_LEAVES_MAX, ..FIT };
        assert_ok!(Attribution::open_stream(MODEL, JOB, parties(), Split::DEFAULT, with_shares(shares)));
    });
}

use crate::{Channels, Ending, Error, Event, HoldReason, mock::*};
use frame_support::{assert_noop, assert_ok};
use sp_runtime::{DispatchError, DispatchResult};
use tributary_protocol::{Amount, ChannelId, channel::ChannelState};

fn close(who: Account, channel: ChannelId) -> DispatchResult {
    ChannelsPallet::close(RuntimeOrigin::signed(who), channel)
}

fn finalise(channel: ChannelId) -> DispatchResult {
    ChannelsPallet::finalise(RuntimeOrigin::signed(ANYONE), channel)
}

/// The channel is gone, by `ending`, and the app has all of its money but `redeemed`.
fn assert_ended(channel: ChannelId, ending: Ending, funded: Amount, redeemed: Amount) {
    assert_eq!(Channels::<Test>::get(channel), None);
    let closed = Event::ChannelClosed {
        channel,
        ending,
        app: APP,
        operator: OPERATOR,
        redeemed,
        returned: funded - redeemed,
        deposit: CHANNEL_DEPOSIT,
    };
    assert_eq!(last_event(), closed);
    assert_eq!(free(&APP), ENDOWMENT - redeemed);
    assert_eq!(held(HoldReason::Escrow, &APP) + held(HoldReason::Channel, &APP), 0);
}

#[test]
fn close_by_the_operator_ends_the_channel_at_once() {
    ExtBuilder::default().build_and_execute(|| {
        let id = open(&APP, &OPERATOR, ESCROW_MIN);
        assert_ok!(redeem_one(id, MODEL, (1, 1), 70));
        assert_ok!(close(OPERATOR, id));
        assert_ended(id, Ending::ByOperator, ESCROW_MIN, 70);
    });
}

#[test]
fn close_by_the_app_gives_the_operator_its_window() {
    ExtBuilder::default().build_and_execute(|| {
        let id = open(&APP, &OPERATOR, ESCROW_MIN);
        assert_ok!(close(APP, id));
        let until = 1 + WINDOW;
        assert_eq!(last_event(), Event::ChannelClosing { channel: id, until });
        assert_eq!(channel(id).state, ChannelState::Closing { until });
        assert_noop!(close(APP, id), Error::<Test>::Closing);
        assert_noop!(finalise(id), Error::<Test>::WindowOpen);
        pass(WINDOW);
        // The last block in which vouchers are taken, and nobody can end it before.
        assert_noop!(finalise(id), Error::<Test>::WindowOpen);
        assert_ok!(redeem_one(id, MODEL, (1, 1), 70));
        pass(1);
        assert_noop!(redeem_one(id, MODEL, (2, 2), 80), Error::<Test>::WindowOver);
        assert_ok!(finalise(id));
        assert_ended(id, Ending::AfterWindow, ESCROW_MIN, 70);
        assert_noop!(finalise(id), Error::<Test>::UnknownChannel);
    });
}

#[test]
fn close_by_the_operator_cuts_the_window_short() {
    ExtBuilder::default().build_and_execute(|| {
        let id = open(&APP, &OPERATOR, ESCROW_MIN);
        assert_ok!(close(APP, id));
        assert_ok!(close(OPERATOR, id));
        assert_ended(id, Ending::ByOperator, ESCROW_MIN, 0);
    });
}

#[test]
fn a_channel_that_is_redeemed_whole_closes_too() {
    ExtBuilder::default().build_and_execute(|| {
        let id = open(&APP, &OPERATOR, ESCROW_MIN);
        assert_ok!(redeem_one(id, MODEL, (1, 1), ESCROW_MIN));
        assert_ok!(close(OPERATOR, id));
        assert_ended(id, Ending::ByOperator, ESCROW_MIN, ESCROW_MIN);
    });
}

#[test]
fn close_and_finalise_fail_for_others_and_without_a_channel() {
    ExtBuilder::default().build_and_execute(|| {
        assert_noop!(close(APP, ChannelId(0)), Error::<Test>::UnknownChannel);
        assert_noop!(finalise(ChannelId(0)), Error::<Test>::UnknownChannel);
        let id = open(&APP, &OPERATOR, ESCROW_MIN);
        for other in [OTHER_APP, OTHER_OPERATOR, ANYONE] {
            assert_noop!(close(other, id), Error::<Test>::NotParty);
        }
        assert_noop!(finalise(id), Error::<Test>::NotClosing);
        assert_noop!(ChannelsPallet::close(RuntimeOrigin::root(), id), DispatchError::BadOrigin);
    });
}

#[test]
fn force_close_is_for_its_origin_alone() {
    ExtBuilder::default().build_and_execute(|| {
        let id = open(&APP, &OPERATOR, ESCROW_MIN);
        for other in [APP, OPERATOR, ANYONE] {
            let forced = ChannelsPallet::force_close(RuntimeOrigin::signed(other), id);
            assert_noop!(forced, DispatchError::BadOrigin);
        }
        assert_ok!(ChannelsPallet::force_close(RuntimeOrigin::root(), id));
        assert_ended(id, Ending::Forced, ESCROW_MIN, 0);
        assert_noop!(ChannelsPallet::force_close(RuntimeOrigin::root(), id), Error::<Test>::UnknownChannel);
    });
}

#[test]
fn closing_one_channel_leaves_the_others_escrow() {
    ExtBuilder::default().build_and_execute(|| {
        let first = open(&APP, &OPERATOR, ESCROW_MIN);
        let second = open(&APP, &OPERATOR, 3 * ESCROW_MIN);
        assert_ok!(close(OPERATOR, first));
        assert_eq!(held(HoldReason::Escrow, &APP), 3 * ESCROW_MIN);
        assert_ok!(redeem_one(second, MODEL, (1, 1), 3 * ESCROW_MIN));
    });
}

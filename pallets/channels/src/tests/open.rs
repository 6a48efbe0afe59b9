use crate::{Error, Event, HoldReason, mock::*};
use frame_support::{assert_noop, assert_ok};
use sp_runtime::DispatchError;
use tributary_protocol::{Amount, ChannelId, channel::ChannelState};

fn top_up(who: Account, channel: ChannelId, amount: Amount) -> sp_runtime::DispatchResult {
    ChannelsPallet::top_up(RuntimeOrigin::signed(who), channel, amount)
}

#[test]
fn open_puts_escrow_and_deposit_on_hold() {
    ExtBuilder::default().build_and_execute(|| {
        let id = open(&APP, &OPERATOR, 500 * ED);
        let record = channel(id);
        assert_eq!((record.app, record.operator, record.key), (APP, OPERATOR, public_key()));
        assert_eq!((record.funded, record.redeemed, record.opened_at), (500 * ED, 0, 1));
        assert_eq!(record.state, ChannelState::Open);
        assert_eq!(held(HoldReason::Escrow, &APP), 500 * ED);
        assert_eq!(held(HoldReason::Channel, &APP), CHANNEL_DEPOSIT);
        let opened = Event::ChannelOpened {
            channel: id,
            app: APP,
            operator: OPERATOR,
            key: public_key(),
            amount: 500 * ED,
            deposit: CHANNEL_DEPOSIT,
        };
        assert_eq!(last_event(), opened);
    });
}

#[test]
fn open_never_gives_a_number_twice() {
    ExtBuilder::default().build_and_execute(|| {
        assert_eq!(open(&APP, &OPERATOR, ESCROW_MIN), ChannelId(0));
        assert_ok!(ChannelsPallet::close(RuntimeOrigin::signed(OPERATOR), ChannelId(0)));
        assert_eq!(open(&APP, &OPERATOR, ESCROW_MIN), ChannelId(1));
        assert_eq!(open(&OTHER_APP, &OPERATOR, ESCROW_MIN), ChannelId(2));
    });
}

#[test]
fn open_fails_when_it_makes_no_sense_or_is_not_affordable() {
    ExtBuilder::default().build_and_execute(|| {
        let open = |app, amount| ChannelsPallet::open(RuntimeOrigin::signed(app), OPERATOR, [1; 32], amount);
        assert_noop!(open(OPERATOR, ESCROW_MIN), Error::<Test>::OwnOperator);
        assert_noop!(open(APP, ESCROW_MIN - 1), Error::<Test>::AmountBelowMinimum);
        assert_noop!(open(APP, ENDOWMENT), Error::<Test>::EscrowUnaffordable);
        assert_noop!(open(APP, Amount::MAX), Error::<Test>::EscrowUnaffordable);
        // All but the existential deposit can be put in.
        assert_ok!(open(APP, ENDOWMENT - ED - CHANNEL_DEPOSIT));
        let root = ChannelsPallet::open(RuntimeOrigin::root(), OPERATOR, [1; 32], ESCROW_MIN);
        assert_noop!(root, DispatchError::BadOrigin);
    });
}

#[test]
fn top_up_adds_to_the_escrow() {
    ExtBuilder::default().build_and_execute(|| {
        let id = open(&APP, &OPERATOR, ESCROW_MIN);
        assert_ok!(top_up(APP, id, ESCROW_MIN));
        assert_eq!(channel(id).funded, 2 * ESCROW_MIN);
        assert_eq!(held(HoldReason::Escrow, &APP), 2 * ESCROW_MIN);
        let event = Event::ChannelToppedUp { channel: id, amount: ESCROW_MIN, funded: 2 * ESCROW_MIN };
        assert_eq!(last_event(), event);
        // What was put in later can be redeemed.
        assert_ok!(redeem_one(id, MODEL, (1, 1), 2 * ESCROW_MIN));
    });
}

#[test]
fn top_up_fails_for_others_for_little_and_while_closing() {
    ExtBuilder::default().build_and_execute(|| {
        assert_noop!(top_up(APP, ChannelId(0), ESCROW_MIN), Error::<Test>::UnknownChannel);
        let id = open(&APP, &OPERATOR, ESCROW_MIN);
        assert_noop!(top_up(OTHER_APP, id, ESCROW_MIN), Error::<Test>::NotApp);
        assert_noop!(top_up(OPERATOR, id, ESCROW_MIN), Error::<Test>::NotApp);
        assert_noop!(top_up(APP, id, ESCROW_MIN - 1), Error::<Test>::AmountBelowMinimum);
        assert_noop!(top_up(APP, id, ENDOWMENT), Error::<Test>::EscrowUnaffordable);
        assert_noop!(top_up(APP, id, Amount::MAX), sp_runtime::ArithmeticError::Overflow);
        assert_ok!(ChannelsPallet::close(RuntimeOrigin::signed(APP), id));
        assert_noop!(top_up(APP, id, ESCROW_MIN), Error::<Test>::Closing);
    });
}

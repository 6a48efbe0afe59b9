use crate::mock::*;
use frame_support::assert_ok;
use tributary_protocol::{ChannelId, ModelId, channel::Due, model::Prices, voucher::VoucherRefusal};

#[test]
fn due_is_what_redeeming_pays() {
    ExtBuilder::default().build_and_execute(|| {
        let id = open(&APP, &OPERATOR, ESCROW_MIN);
        let first = voucher(id, MODEL, (5, 6), 70);
        let due = Due { input_tokens: 5, output_tokens: 6, amount: 70 };
        assert_eq!(ChannelsPallet::due(first), Some(Ok(due)));
        assert_ok!(redeem(&OPERATOR, &[sign(first, &OPERATOR)]));
        assert_eq!(ChannelsPallet::due(first), Some(Err(VoucherRefusal::Stale)));
        assert_eq!(ChannelsPallet::due(voucher(ChannelId(9), MODEL, (5, 6), 70)), None);
    });
}

#[test]
fn channels_come_in_pages_without_those_that_ended() {
    ExtBuilder::default().build_and_execute(|| {
        for _ in 0..4 {
            open(&APP, &OPERATOR, ESCROW_MIN);
        }
        assert_ok!(ChannelsPallet::close(RuntimeOrigin::signed(OPERATOR), ChannelId(1)));
        let page = |from, limit| -> Vec<u64> {
            ChannelsPallet::channels(ChannelId(from), limit).into_iter().map(|(id, _)| id.0).collect()
        };
        assert_eq!(page(0, 100), [0, 2, 3]);
        assert_eq!(page(1, 1), [2]);
        assert!(page(4, 100).is_empty() && page(u64::MAX, 100).is_empty() && page(0, 0).is_empty());
        assert_eq!(ChannelsPallet::next_channel(), ChannelId(4));
        assert!(ChannelsPallet::channel(ChannelId(1)).is_none() && ChannelsPallet::channel(ChannelId(0)).is_some());
    });
}

#[test]
fn offers_are_listed_by_model() {
    ExtBuilder::default().build_and_execute(|| {
        let prices = Prices { input_per_1000: 5_000, output_per_1000: 5_000 };
        for operator in [OPERATOR, OTHER_OPERATOR] {
            assert_ok!(ChannelsPallet::offer(RuntimeOrigin::signed(operator), MODEL, prices, 9));
        }
        let mut listed: Vec<_> = ChannelsPallet::offers(MODEL, 100).into_iter().map(|(who, _)| who).collect();
        listed.sort();
        assert_eq!(listed, [OPERATOR, OTHER_OPERATOR]);
        assert_eq!(ChannelsPallet::offers(MODEL, 1).len(), 1);
        assert!(ChannelsPallet::offers(ModelId(99), 100).is_empty());
        assert!(ChannelsPallet::offer_of(MODEL, OPERATOR).is_some_and(|offer| offer.prices == prices));
        assert!(ChannelsPallet::may_serve(MODEL, OPERATOR));
        serve(MODEL, &OPERATOR, false);
        assert!(!ChannelsPallet::may_serve(MODEL, OPERATOR));
    });
}

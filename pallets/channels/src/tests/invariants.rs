//! Random sequences of calls against a plain ledger: money is conserved, no app pays more than it signed or put in, and no
//! voucher pays twice.

use crate::{Call, Ending, Event, mock::*};
use frame_support::storage::with_storage_layer;
use proptest::{prelude::*, test_runner::RngSeed};
use sp_runtime::DispatchError;
use std::collections::BTreeMap;
use tributary_protocol::{
    Amount, ChannelId, ModelId,
    channel::ChannelState,
    model::Prices,
    voucher::{SignedVoucher, Voucher},
};

const APPS: [Account; 2] = [APP, OTHER_APP];
const OPERATORS: [Account; 2] = [OPERATOR, OTHER_OPERATOR];
const MODELS: [ModelId; 2] = [MODEL, OTHER_MODEL];

/// One thing that happens. Who and what are drawn beside it.
#[derive(Clone, Debug)]
enum Step {
    Offer {
        price: Amount,
        blocks: u32,
    },
    WithdrawOffer,
    Open(Amount),
    TopUp(Amount),
    /// The app signs so much more for the model.
    Sign {
        tokens: (u64, u64),
        amount: Amount,
    },
    /// The operator shows one of all vouchers ever signed, counted from the newest; and the newest of the other model with it.
    Redeem {
        age: usize,
        both: bool,
    },
    CloseByApp,
    CloseByOperator,
    Finalise,
    ForceClose,
    Pass(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => (500u128..6_000, 1u32..40).prop_map(|(price, blocks)| Step::Offer { price, blocks }),
        1 => Just(Step::WithdrawOffer),
        3 => prop_oneof![ESCROW_MIN - 1..ESCROW_MIN + 2, ESCROW_MIN..5 * ESCROW_MIN].prop_map(Step::Open),
        2 => (ESCROW_MIN - 1..2 * ESCROW_MIN).prop_map(Step::TopUp),
        6 => ((0u64..50_000, 0u64..50_000), 0..ESCROW_MIN / 2)
            .prop_map(|(tokens, amount)| Step::Sign { tokens, amount }),
        8 => (prop_oneof![3 => Just(0usize), 1 => 0usize..6], any::<bool>())
            .prop_map(|(age, both)| Step::Redeem { age, both }),
        1 => Just(Step::CloseByApp),
        1 => Just(Step::CloseByOperator),
        2 => Just(Step::Finalise),
        1 => Just(Step::ForceClose),
        3 => (1u32..WINDOW).prop_map(Step::Pass),
    ]
}

/// The call of a step, if it is one. Of each call of the pallet there must be a step: a new one does not compile here.
fn step_of(call: &Call<Test>) -> Option<&'static str> {
    match call {
        Call::offer { .. } => Some("Offer"),
        Call::withdraw_offer { .. } => Some("WithdrawOffer"),
        Call::open { .. } => Some("Open"),
        Call::top_up { .. } => Some("TopUp"),
        Call::redeem { .. } => Some("Redeem"),
        Call::close { .. } => Some("CloseByApp, CloseByOperator"),
        Call::finalise { .. } => Some("Finalise"),
        Call::force_close { .. } => Some("ForceClose"),
        Call::__Ignore(..) => None,
    }
}

/// What one channel should be, counted apart from the chain.
struct Expected {
    app: Account,
    operator: Account,
    funded: Amount,
    /// The largest voucher redeemed, by model.
    paid: BTreeMap<ModelId, Amount>,
    /// All vouchers signed, oldest first.
    signed: Vec<SignedVoucher>,
}

#[derive(Default)]
struct World {
    open: BTreeMap<ChannelId, Expected>,
    /// What each app has lost to operators and models.
    spent: BTreeMap<Account, Amount>,
    /// What models have got.
    sold: Amount,
}

impl World {
    fn play(&mut self, pick: usize, model: ModelId, step: &Step) -> Result<(), DispatchError> {
        let (app, operator) = (&APPS[pick % 2], &OPERATORS[pick / 2 % 2]);
        let as_app = RuntimeOrigin::signed(app.clone());
        match step {
            Step::Offer { price, blocks } => {
                let prices = Prices { input_per_1000: *price, output_per_1000: 2 * price };
                let until = System::block_number() + blocks;
                return ChannelsPallet::offer(RuntimeOrigin::signed(operator.clone()), model, prices, until);
            }
            Step::WithdrawOffer => {
                return ChannelsPallet::withdraw_offer(RuntimeOrigin::signed(operator.clone()), model);
            }
            Step::Open(amount) => {
                let id = ChannelsPallet::next_channel();
                ChannelsPallet::open(as_app, operator.clone(), public_key(), *amount)?;
                let (app, operator) = (app.clone(), operator.clone());
                let expected = Expected { app, operator, funded: *amount, paid: BTreeMap::new(), signed: Vec::new() };
                assert!(self.open.insert(id, expected).is_none(), "a number was given twice");
                return Ok(());
            }
            Step::Pass(blocks) => {
                pass(*blocks);
                return Ok(());
            }
            _ => {}
        }
        // The other steps are about a channel.
        let ids: Vec<_> = self.open.keys().copied().collect();
        let id = *ids.get(pick % ids.len().max(1)).ok_or(DispatchError::Other("no channel"))?;
        let channel = self.open.get_mut(&id).unwrap();
        let as_app = RuntimeOrigin::signed(channel.app.clone());
        let as_operator = RuntimeOrigin::signed(channel.operator.clone());
        match step {
            Step::TopUp(amount) => {
                ChannelsPallet::top_up(as_app, id, *amount)?;
                channel.funded += amount;
            }
            Step::Sign { tokens, amount } => {
                let newest = channel.signed.iter().rev().find(|signed| signed.voucher.model == model);
                let base = newest.map_or(voucher(id, model, (0, 0), 0), |signed| signed.voucher);
                let next = Voucher {
                    input_tokens: base.input_tokens + tokens.0,
                    output_tokens: base.output_tokens + tokens.1,
                    amount: base.amount + amount,
                    ..base
                };
                channel.signed.push(sign(next, &channel.operator));
            }
            Step::Redeem { age, both } => {
                let mut shown: Vec<_> = channel.signed.iter().rev().skip(*age).take(1).copied().collect();
                if let Some(first) = shown.first().filter(|_| *both).map(|signed| signed.voucher.model) {
                    shown.extend(channel.signed.iter().rev().find(|signed| signed.voucher.model != first));
                }
                System::reset_events();
                redeem(&channel.operator, &shown)?;
                for SignedVoucher { voucher, .. } in &shown {
                    let before = channel.paid.insert(voucher.model, voucher.amount).unwrap_or_default();
                    let more = voucher.amount.checked_sub(before).unwrap();
                    assert!(more > 0, "a stale voucher was taken");
                    *self.spent.entry(channel.app.clone()).or_default() += more;
                }
                let happened = events();
                let paid = happened.iter().map(|event| match event {
                    Event::VoucherRedeemed { amount, model_part, .. } if model_part <= amount => *model_part,
                    other => panic!("{other:?}"),
                });
                let sold: Amount = sales().iter().map(|(_, _, amount)| amount).sum();
                assert_eq!(paid.sum::<Amount>(), sold);
                self.sold += sold;
            }
            Step::CloseByApp => ChannelsPallet::close(as_app, id)?,
            Step::CloseByOperator | Step::Finalise | Step::ForceClose => {
                let (ended, how) = match step {
                    Step::CloseByOperator => (ChannelsPallet::close(as_operator, id), Ending::ByOperator),
                    Step::Finalise => {
                        (ChannelsPallet::finalise(RuntimeOrigin::signed(ANYONE), id), Ending::AfterWindow)
                    }
                    _ => (ChannelsPallet::force_close(RuntimeOrigin::root(), id), Ending::Forced),
                };
                ended?;
                match last_event() {
                    Event::ChannelClosed { ending, returned, .. } => {
                        assert_eq!(ending, how);
                        assert_eq!(returned, channel.funded - channel.paid.values().sum::<Amount>());
                    }
                    other => panic!("{other:?}"),
                }
                self.open.remove(&id);
            }
            Step::Offer { .. } | Step::WithdrawOffer | Step::Open(_) | Step::Pass(_) => unreachable!("played above"),
        }
        Ok(())
    }

    /// Compares every balance with what it should be.
    fn check(&self) {
        for app in APPS {
            let spent = self.spent.get(&app).copied().unwrap_or_default();
            let total = frame_system::Account::<Test>::get(&app).data;
            assert_eq!(total.free + total.reserved, ENDOWMENT - spent);
        }
        let operators: Amount = OPERATORS
            .iter()
            .map(|operator| frame_system::Account::<Test>::get(operator).data)
            .map(|data| data.free + data.reserved)
            .sum();
        let spent: Amount = self.spent.values().sum();
        assert_eq!(operators, 2 * ENDOWMENT + spent - self.sold);
        assert_eq!(free(&STREAMS), ENDOWMENT + self.sold);
        for (id, expected) in &self.open {
            let channel = channel(*id);
            let paid: BTreeMap<_, _> = channel.paid.iter().map(|paid| (paid.model, paid.amount)).collect();
            assert_eq!(paid, expected.paid);
            assert_eq!(channel.funded, expected.funded);
            assert!(channel.redeemed <= channel.funded);
            assert!(matches!(channel.state, ChannelState::Open | ChannelState::Closing { .. }));
        }
        check();
    }
}

#[test]
fn every_call_is_among_the_steps() {
    let close = Call::<Test>::close { channel: ChannelId(0) };
    assert_eq!(step_of(&close), Some("CloseByApp, CloseByOperator"));
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        rng_seed: RngSeed::Fixed(2026),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_app_pays_more_than_it_signed_and_nothing_is_paid_twice(
        steps in prop::collection::vec((0usize..12, 0usize..2, step()), 80),
    ) {
        ExtBuilder::default().build_and_execute(|| {
            let mut world = World::default();
            for (pick, model, step) in &steps {
                // Many calls are refused; what they began is rolled back, as in a block.
                let _ = with_storage_layer(|| world.play(*pick, MODELS[*model], step));
                world.check();
            }
        });
    }
}

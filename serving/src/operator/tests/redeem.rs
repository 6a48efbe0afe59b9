//! When money is fetched, and that it is fetched once.

use super::world::*;
use crate::door::Credentials;
use crate::operator::chain::{Action, OperatorChain};
use crate::operator::config::Redeeming;
use crate::operator::keys::{KeyFile, KeyTerms};
use crate::operator::redeem::Redeemer;
use crate::operator::till::Desk;
use std::sync::Arc;
use tempfile::TempDir;
use tributary_protocol::{
    ChannelId, ModelId,
    channel::ChannelState,
    voucher::{SignedVoucher, Voucher},
};

const POLICY: Redeeming = Redeeming { amount: 100, blocks: 50, payment_min: 5 };

async fn sell(desk: &Arc<Desk>, voucher: Voucher, prompt: u32, answer: u32) {
    let admission = ask(desk, &shows(voucher), wanted(voucher.model, prompt, answer)).await.unwrap();
    admission.ticket.settle(sold(prompt, answer)).await.unwrap();
}

fn redeemed(chain: &FakeChain) -> Vec<Vec<SignedVoucher>> {
    chain.world(|world| {
        let batches = world.acts.iter().filter_map(|(_, action)| match action {
            Action::Redeem(vouchers) => Some(vouchers.clone()),
            _ => None,
        });
        batches.collect()
    })
}

#[tokio::test]
async fn vouchers_wait_for_an_amount_or_a_time_and_for_something_sold() {
    let (chain, folder) = (FakeChain::new(1_000), TempDir::new().unwrap());
    let desk = desk(&chain, folder.path(), &Arc::default()).await;
    let mut redeemer = Redeemer::new(desk.clone(), POLICY, head(10));
    // Promised, and nothing sold.
    drop(ask(&desk, &shows(voucher(OTHER, 99, 99, 400)), wanted(OTHER, 1, 1)).await.unwrap());
    assert_eq!(redeemer.review(chain.finalise(20)).await.unwrap(), 0);
    sell(&desk, voucher(MODEL, 10, 10, 30), 10, 10).await;
    assert_eq!(redeemer.review(chain.finalise(40)).await.unwrap(), 0, "30 are too little, 30 blocks too few");
    assert_eq!(redeemer.review(chain.finalise(60)).await.unwrap(), 30);
    assert_eq!(redeemer.review(chain.finalise(61)).await.unwrap(), 0, "nothing new");
    sell(&desk, voucher(MODEL, 50, 60, 170), 40, 50).await;
    assert_eq!(redeemer.review(chain.finalise(62)).await.unwrap(), 140);
    assert_eq!(redeemed(&chain).len(), 2);
    assert_eq!(chain.world(|world| world.channels[&CHANNEL].redeemed), 170);
}

#[tokio::test]
async fn a_closing_channel_is_redeemed_at_once_and_an_ended_one_forgotten() {
    let (chain, folder) = (FakeChain::new(1_000), TempDir::new().unwrap());
    let desk = desk(&chain, folder.path(), &Arc::default()).await;
    let mut redeemer = Redeemer::new(desk.clone(), POLICY, head(10));
    sell(&desk, voucher(MODEL, 1, 1, 3), 1, 1).await;
    chain.world(|world| world.channels.get_mut(&CHANNEL).unwrap().state = ChannelState::Closing { until: 900 });
    // The app says what it owes while it closes.
    let exact = signed(voucher(MODEL, 1, 1, 3)).to_string();
    chain.finalise(11);
    desk.show(&exact).await.unwrap();
    assert_eq!(redeemer.review(chain.head()).await.unwrap(), 3);
    chain.world(|world| world.channels.clear());
    assert_eq!(redeemer.review(chain.finalise(12)).await.unwrap(), 0);
    assert!(desk.account_channels().is_empty());
}

#[tokio::test]
async fn many_vouchers_go_in_batches_that_the_chain_takes() {
    let (chain, folder) = (FakeChain::new(1_000), TempDir::new().unwrap());
    let desk = desk(&chain, folder.path(), &Arc::default()).await;
    let mut redeemer = Redeemer::new(desk.clone(), POLICY, head(10));
    for number in 20..38 {
        chain.world(|world| world.channels.insert(ChannelId(number), channel(100)));
        sell(&desk, Voucher { channel: ChannelId(number), ..voucher(MODEL, 4, 4, 12) }, 4, 4).await;
    }
    assert_eq!(redeemer.review(chain.finalise(11)).await.unwrap(), 18 * 12);
    assert_eq!(redeemed(&chain).iter().map(Vec::len).collect::<Vec<_>>(), [16, 2]);
}

#[tokio::test]
async fn a_model_is_paid_once_for_holders_of_keys_whatever_fails() {
    let (chain, folder) = (FakeChain::new(0), TempDir::new().unwrap());
    let (_, key) = KeyFile::in_state(folder.path()).add(KeyTerms::default()).unwrap();
    let holder = Credentials { bearer: Some(key), voucher: None };
    let pays = |chain: &FakeChain| {
        chain.world(|world| {
            let pays = world.acts.iter().filter_map(|(intent, action)| match action {
                Action::Pay { model, amount, is_attributed: true } => Some((intent.clone(), *model, *amount)),
                _ => None,
            });
            pays.collect::<Vec<(String, ModelId, u128)>>()
        })
    };
    {
        let desk = desk(&chain, folder.path(), &Arc::default()).await;
        let mut redeemer = Redeemer::new(desk.clone(), POLICY, head(10));
        ask(&desk, &holder, wanted(MODEL, 100, 100)).await.unwrap().ticket.settle(sold(100, 100)).await.unwrap();
        // Noted, and killed before it was sent.
        chain.world(|world| world.failing_acts = 1);
        assert!(redeemer.review(chain.finalise(11)).await.is_err());
        assert!(pays(&chain).is_empty());
        ask(&desk, &holder, wanted(MODEL, 10, 10)).await.unwrap().ticket.settle(sold(10, 10)).await.unwrap();
    }
    let desk = desk(&chain, folder.path(), &Arc::default()).await;
    let mut redeemer = Redeemer::new(desk.clone(), POLICY, head(11));
    redeemer.finish_payments().await.unwrap();
    let intent = |number: u32| format!("pay/{MODEL}/{number}");
    assert_eq!(pays(&chain), [(intent(1), MODEL, 150)]);
    // Sent, and killed before that was noted: the same number is the same payment.
    desk.change_owed(MODEL, |owed| (owed.paid, owed.paying) = (0, Some(150))).await.unwrap();
    redeemer.finish_payments().await.unwrap();
    assert_eq!(pays(&chain).len(), 1);
    assert_eq!(redeemer.review(chain.finalise(70)).await.unwrap(), 0);
    assert_eq!(pays(&chain), [(intent(1), MODEL, 150), (intent(2), MODEL, 15)]);
    assert_eq!(desk.owed()[0].1.paid, 165);
    assert_eq!(chain.operator(), operator().account());
}

//! What is admitted, charged, and kept over a kill.

use super::world::*;
use crate::door::{Admission, Refusal, Settled};
use crate::operator::till::Desk;
use serde_json::Value;
use std::sync::Arc;
use tempfile::TempDir;
use tributary_client::Keypair;
use tributary_protocol::{
    Amount, ChannelId, ModelId,
    channel::ChannelState,
    voucher::{SignedVoucher, Voucher},
};

fn code(refusal: Result<Admission, Refusal>) -> &'static str {
    match refusal.err().unwrap() {
        Refusal::Unauthenticated { code, .. } | Refusal::Unpaid { code, .. } => code,
        other => panic!("{other}"),
    }
}

fn object(settled: Result<Settled, Refusal>) -> Value {
    settled.unwrap().object.unwrap()
}

struct Scene {
    chain: Arc<FakeChain>,
    folder: TempDir,
    receipts: Arc<FakeReceipts>,
    desk: Arc<Desk>,
}

impl Scene {
    async fn new(funded: Amount) -> Self {
        let (chain, folder) = (FakeChain::new(funded), TempDir::new().unwrap());
        let receipts = Arc::new(FakeReceipts::default());
        let desk = desk(&chain, folder.path(), &receipts).await;
        Self { chain, folder, receipts, desk }
    }

    /// Another process on the same ledger.
    async fn restart(self) -> Self {
        let Self { chain, folder, receipts, desk: before } = self;
        assert_eq!(Arc::strong_count(&before), 1, "tickets of the process before are gone");
        drop(before);
        let desk = desk(&chain, folder.path(), &receipts).await;
        Self { chain, folder, receipts, desk }
    }
}

#[tokio::test]
async fn an_answer_is_charged_exactly_and_the_rest_is_given_back() {
    let scene = Scene::new(1_000).await;
    let first = voucher(MODEL, 10, 20, 50);
    let admission = ask(&scene.desk, &shows(first), wanted(MODEL, 10, 100)).await.unwrap();
    assert_eq!(admission.answer_tokens_max, 20, "no more than is paid for");
    let told = object(admission.ticket.settle(sold(10, 7)).await);
    assert_eq!((&told["price"], &told["sale"], &told["receipt"]["number"]), (&"24".into(), &0.into(), &0.into()));
    assert_eq!((&told["used"]["amount"], &told["left"]["amount"]), (&"24".into(), &"26".into()));
    assert_eq!((&told["left"]["input_tokens"], &told["left"]["output_tokens"]), (&0.into(), &13.into()));
    let sale = scene.receipts.issued.lock().unwrap()[&0].clone();
    assert_eq!((sale.price, sale.sold, sale.adapter), (24, sold(10, 7), adapter(MODEL)));

    // The same voucher pays no tokens of requests any more; a newer one does.
    assert_eq!(code(ask(&scene.desk, &shows(first), wanted(MODEL, 1, 1)).await), "voucher_too_small");
    let second = voucher(MODEL, 30, 20, 60);
    let admission = ask(&scene.desk, &shows(second), wanted(MODEL, 20, 100)).await.unwrap();
    assert_eq!(admission.answer_tokens_max, 8, "60 - 24 - 20 buys eight");
    drop(admission);
    let admission = ask(&scene.desk, &shows(second), wanted(MODEL, 20, 5)).await.unwrap();
    assert_eq!(admission.answer_tokens_max, 5, "what was dropped was given back");
}

#[tokio::test]
async fn what_does_not_pay_is_refused_with_what_would() {
    let scene = Scene::new(1_000).await;
    let zero = voucher(MODEL, 0, 0, 0);
    let Err(Refusal::Unpaid { code, quote: Some(quote), .. }) =
        ask(&scene.desk, &shows(zero), wanted(MODEL, 10, 100)).await
    else {
        panic!("a voucher over nothing pays nothing")
    };
    assert_eq!(code, "voucher_used_up");
    let whole = &quote["voucher_whole"];
    assert_eq!((&whole["input_tokens"], &whole["output_tokens"]), (&10.into(), &100.into()));
    assert_eq!((&whole["amount"], &quote["voucher_least"]["amount"]), (&"210".into(), &"12".into()));
    assert_eq!(quote["prices"]["output_per_1000"], "2000");
    // What is quoted is what is taken.
    let admission = ask(&scene.desk, &shows(voucher(MODEL, 10, 100, 210)), wanted(MODEL, 10, 100)).await.unwrap();
    assert_eq!(admission.answer_tokens_max, 100);
    // While that is being answered, it is not there for others, and the quote counts it.
    let Err(Refusal::Unpaid { quote: Some(quote), .. }) =
        ask(&scene.desk, &shows(voucher(MODEL, 10, 100, 210)), wanted(MODEL, 1, 1)).await
    else {
        panic!("everything is set aside")
    };
    assert_eq!(quote["voucher_whole"]["amount"], "213");
}

#[tokio::test]
async fn each_kind_of_bad_voucher_has_its_code() {
    let scene = Scene::new(100).await;
    scene.chain.world(|world| {
        let mut foreign = channel(100);
        foreign.operator = Keypair::development("Ferdie").unwrap().account();
        world.channels.insert(ChannelId(5), foreign);
        let mut closing = channel(100);
        closing.state = ChannelState::Closing { until: 500 };
        world.channels.insert(ChannelId(6), closing);
    });
    let ask = async |credentials| code(ask(&scene.desk, &credentials, wanted(MODEL, 1, 1)).await);
    let text = |voucher: SignedVoucher| shows_text(voucher.to_string());
    assert_eq!(ask(Default::default()).await, "missing_credentials");
    assert_eq!(ask(shows_text("x".repeat(224))).await, "malformed_voucher");
    assert_eq!(ask(shows(Voucher { channel: ChannelId(9), ..voucher(MODEL, 1, 1, 3) })).await, "unknown_channel");
    assert_eq!(ask(shows(Voucher { channel: ChannelId(5), ..voucher(MODEL, 1, 1, 3) })).await, "not_operator");
    assert_eq!(ask(shows(Voucher { channel: ChannelId(6), ..voucher(MODEL, 1, 1, 3) })).await, "channel_closing");
    assert_eq!(ask(shows(voucher(OTHER, 1, 1, 3))).await, "other_model");
    assert_eq!(ask(shows(voucher(MODEL, 1, 1, 101))).await, "overdrawn");

    let good = signed(voucher(MODEL, 1, 1, 3));
    let dearer = SignedVoucher { voucher: Voucher { amount: 4, ..good.voucher }, ..good };
    assert_eq!(ask(text(dearer)).await, "bad_signature");
    let elsewhere = good.voucher.payload([1; 32], operator().account().0);
    assert_eq!(ask(text(SignedVoucher { signature: app().sign(&elsewhere), ..good })).await, "bad_signature");
    let for_another = good.voucher.payload(GENESIS, app().account().0);
    assert_eq!(ask(text(SignedVoucher { signature: app().sign(&for_another), ..good })).await, "bad_signature");
    let forged = Keypair::development("Ferdie").unwrap().sign(&good.voucher.payload(GENESIS, operator().account().0));
    assert_eq!(ask(text(SignedVoucher { signature: forged, ..good })).await, "bad_signature");

    // Two models of one channel share what it holds.
    let admission = super::world::ask(&scene.desk, &shows(voucher(OTHER, 9, 9, 60)), wanted(OTHER, 1, 1)).await;
    admission.unwrap().ticket.settle(sold(1, 1)).await.unwrap();
    assert_eq!(ask(shows(voucher(MODEL, 9, 9, 41))).await, "overdrawn");
    let admission = super::world::ask(&scene.desk, &shows(voucher(MODEL, 9, 9, 40)), wanted(MODEL, 9, 9)).await;
    admission.unwrap().ticket.settle(sold(9, 9)).await.unwrap();
    assert_eq!(ask(shows(voucher(MODEL, 9, 9, 39))).await, "stale_voucher");
    assert_eq!(ask(shows(voucher(MODEL, 9, 9, 40))).await, "voucher_too_small", "a replay buys nothing");
    scene.chain.world(|world| world.channels.get_mut(&CHANNEL).unwrap().funded = 200);
    scene.chain.finalise(11);
    assert_eq!(ask(shows(voucher(MODEL, 8, 9, 50))).await, "tokens_taken_back");
    assert_eq!(ask(shows(voucher(MODEL, 9, 9, 50))).await, "voucher_too_small", "it counts no new tokens");
}

fn shows_text(voucher: String) -> crate::door::Credentials {
    crate::door::Credentials { bearer: Some("sk-unused".into()), voucher: Some(voucher) }
}

#[tokio::test]
async fn a_kill_loses_no_voucher_and_charges_nothing_twice() {
    let scene = Scene::new(1_000).await;
    let newest = voucher(MODEL, 100, 100, 500);
    let first = ask(&scene.desk, &shows(newest), wanted(MODEL, 10, 10)).await.unwrap();
    first.ticket.settle(sold(10, 5)).await.unwrap();
    // Killed while the second is answered, and before the third has its receipt.
    let second = ask(&scene.desk, &shows(newest), wanted(MODEL, 10, 90)).await.unwrap();
    let third = ask(&scene.desk, &shows(newest), wanted(MODEL, 10, 5)).await.unwrap();
    *scene.receipts.failing.lock().unwrap() = 1;
    let told = object(third.ticket.settle(sold(10, 5)).await);
    assert_eq!(told["receipt"], Value::Null, "charged, and its receipt comes later");
    drop(second);
    let scene = scene.restart().await;
    assert_eq!(scene.receipts.issued.lock().unwrap().keys().copied().collect::<Vec<_>>(), [0]);
    scene.desk.issue_again(u64::MAX).await;
    assert_eq!(scene.receipts.issued.lock().unwrap().keys().copied().collect::<Vec<_>>(), [0, 1]);

    let state = scene.desk.show(&signed(newest).to_string()).await.unwrap();
    assert_eq!((&state["used"]["amount"], &state["left"]["amount"]), (&"40".into(), &"460".into()));
    let fourth = ask(&scene.desk, &shows(newest), wanted(MODEL, 80, 90)).await.unwrap();
    let told = object(fourth.ticket.settle(sold(80, 90)).await);
    assert_eq!((&told["sale"], &told["used"]["amount"]), (&2.into(), &"300".into()));
    let scene = scene.restart().await;
    scene.desk.issue_again(u64::MAX).await;
    assert_eq!(scene.receipts.issued.lock().unwrap().len(), 3, "no receipt is given twice");
}

#[tokio::test]
async fn requests_at_the_same_time_never_share_cover() {
    let scene = Scene::new(1_000).await;
    let newest = voucher(MODEL, 40, 400, 100);
    // Each wants 4 of 40 tokens and at least 4 + 2 of 100 units; all see the same voucher.
    let asking = (0..30).map(|_| {
        let desk = scene.desk.clone();
        tokio::spawn(async move { ask(&desk, &shows(newest), wanted(MODEL, 4, 3)).await })
    });
    let mut admitted = Vec::new();
    for result in futures::future::join_all(asking).await {
        admitted.extend(result.unwrap().ok());
    }
    let promised: u64 = admitted.iter().map(|admission| 4 + 2 * u64::from(admission.answer_tokens_max)).sum();
    assert!(promised <= 100 && admitted.len() == 10, "{promised} for {}", admitted.len());
    let settling = admitted.into_iter().map(|admission| {
        let tokens = admission.answer_tokens_max;
        tokio::spawn(admission.ticket.settle(sold(4, tokens)))
    });
    for settled in futures::future::join_all(settling).await {
        settled.unwrap().unwrap();
    }
    let state = scene.desk.show(&signed(newest).to_string()).await.unwrap();
    assert_eq!((&state["used"]["input_tokens"], &state["used"]["amount"]), (&40.into(), &"100".into()));
}

#[tokio::test]
async fn an_app_that_promised_ahead_is_redeemed_for_what_it_got() {
    let scene = Scene::new(1_000).await;
    let ahead = voucher(MODEL, 10, 100, 210);
    let admission = ask(&scene.desk, &shows(ahead), wanted(MODEL, 10, 100)).await.unwrap();
    admission.ticket.settle(sold(10, 5)).await.unwrap();
    let short = signed(voucher(MODEL, 10, 4, 20)).to_string();
    let state = scene.desk.show(&short).await.unwrap();
    assert_eq!(state["redeems"]["amount"], "210", "less than what was sold is not taken");
    let exact = signed(voucher(MODEL, 10, 5, 20)).to_string();
    let state = scene.desk.show(&exact).await.unwrap();
    assert_eq!((&state["redeems"]["amount"], &state["promised"]["amount"]), (&"20".into(), &"210".into()));
    // What was promised still buys.
    assert_eq!(code(ask(&scene.desk, &shows(voucher(MODEL, 10, 5, 20)), wanted(MODEL, 1, 1)).await), "stale_voucher");
    let next = ask(&scene.desk, &shows(voucher(MODEL, 20, 100, 220)), wanted(MODEL, 10, 1)).await.unwrap();
    next.ticket.settle(sold(10, 1)).await.unwrap();
    let state = scene.desk.show(&exact).await.unwrap();
    assert_eq!(state["redeems"]["amount"], "220");
}

#[tokio::test]
async fn a_ledger_that_is_lost_sells_nothing_again_that_was_redeemed() {
    let scene = Scene::new(1_000).await;
    let old = voucher(MODEL, 10, 10, 30);
    scene.chain.world(|world| world.channels.get_mut(&CHANNEL).unwrap().redeem(&old, 1).unwrap());
    assert_eq!(code(ask(&scene.desk, &shows(old), wanted(MODEL, 1, 1)).await), "voucher_used_up");
    assert_eq!(code(ask(&scene.desk, &shows(voucher(MODEL, 9, 9, 29)), wanted(MODEL, 1, 1)).await), "stale_voucher");
    let next = ask(&scene.desk, &shows(voucher(MODEL, 20, 15, 45)), wanted(MODEL, 10, 9)).await.unwrap();
    assert_eq!(next.answer_tokens_max, 2, "45 - 30 - 10 buys two");
}

#[tokio::test]
async fn without_the_chain_known_channels_are_served_and_new_ones_are_not() {
    let scene = Scene::new(1_000).await;
    let newest = voucher(MODEL, 100, 100, 500);
    ask(&scene.desk, &shows(newest), wanted(MODEL, 1, 1)).await.unwrap();
    scene.chain.world(|world| world.silent = true);
    scene.chain.finalise(11);
    ask(&scene.desk, &shows(newest), wanted(MODEL, 1, 1)).await.unwrap();
    let unknown = shows(Voucher { channel: ChannelId(5), ..newest });
    let refusal = ask(&scene.desk, &unknown, wanted(MODEL, 1, 1)).await.err().unwrap();
    assert!(matches!(refusal, Refusal::Unavailable { .. }), "{refusal}");
}

#[tokio::test]
async fn what_is_not_offered_or_not_served_is_not_sold() {
    let scene = Scene::new(1_000).await;
    let newest = shows(voucher(MODEL, 100, 100, 500));
    let refuse = async |model: ModelId| ask(&scene.desk, &newest, wanted(model, 1, 1)).await.err().unwrap();
    assert!(matches!(refuse(ModelId(9)).await, Refusal::Gone { .. }));
    scene.chain.world(|world| world.standings.get_mut(&MODEL).unwrap().offer.as_mut().unwrap().until = 10);
    scene.desk.catalogue().refresh(scene.chain.as_ref(), head(10)).await.unwrap();
    assert!(matches!(refuse(MODEL).await, Refusal::Unavailable { .. }), "the offer ends with this block");
    scene.chain.world(|world| world.standings.get_mut(&MODEL).unwrap().may_serve = false);
    scene.desk.catalogue().refresh(scene.chain.as_ref(), head(11)).await.unwrap();
    assert!(matches!(refuse(MODEL).await, Refusal::Gone { .. }));
}

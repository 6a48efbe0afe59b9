//! Epochs against a chain in memory, which takes and refuses as the pallet `attribution` does and stops where it is told to.

use super::*;
use crate::receipts::{
    ReceiptStore,
    fixtures::{ADAPTER, ATTRIBUTION, MODEL, OneResult, bundle, contributor, owner, sell, store, stream},
    shares::Method,
};
use async_trait::async_trait;
use std::sync::{Arc, Mutex, MutexGuard};
use tributary_client::{Account, AnswerLedger, BlockHash, ChainError, Failure, Head, Stream, SubmitError};
use tributary_protocol::{
    Amount, ModelId, Ppm,
    amount::TRIB,
    epoch::{AcceptedEpoch, AmountTree, Audit, Challenge, EpochDomain, EpochRoot, PendingEpoch, covers, takes_back},
    sum_tree::{self, SumTree},
};

const WINDOW: u32 = 28_800;
const CHALLENGER: Account = Account([42; 32]);

struct State {
    block: u32,
    ledger: AnswerLedger,
    /// What was sent, whatever became of it.
    sent: Vec<(String, Action)>,
    /// The next action does not reach the chain.
    cut: bool,
}

#[derive(Clone)]
struct Chain(Arc<Mutex<State>>);

impl Chain {
    fn new() -> Self {
        let ledger =
            AnswerLedger { funded: 0, claimed: 0, epoch: 0, accepted: None, pending: None, owed_since: 1, deposit: 0 };
        Self(Arc::new(Mutex::new(State { block: 1, ledger, sent: Vec::new(), cut: false })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn pay(&self, amount: Amount) {
        let mut state = self.state();
        let allotted = state.ledger.accepted.map_or(0, |accepted| accepted.root.amounts.total);
        if state.ledger.funded == allotted {
            state.ledger.owed_since = state.block;
        }
        state.ledger.funded += amount;
    }

    fn advance(&self, blocks: u32) {
        self.state().block += blocks;
    }

    fn challenge(&self) {
        let mut state = self.state();
        let at = state.block;
        let pending = state.ledger.pending.as_mut().unwrap();
        pending.challenge = Some(Challenge { challenger: CHALLENGER, bond: 10 * TRIB, at, audit: None });
    }

    fn accepted(&self) -> Option<u32> {
        self.state().ledger.accepted.map(|accepted| accepted.epoch)
    }
}

/// The rules of `pallets/attribution/src/epochs.rs`, by the same functions of the protocol.
fn apply(state: &mut State, action: &Action) -> Result<(), &'static str> {
    let now = state.block;
    let ledger = &mut state.ledger;
    match action {
        Action::Publish { root } => {
            if ledger.pending.is_some() {
                return Err("EpochPending");
            }
            if root.amounts.total != ledger.funded {
                return Err("TotalNotFunded");
            }
            if root.amounts.leaves != stream().contributions.shares.leaves {
                return Err("LeavesDiffer");
            }
            let accepted = ledger.accepted.map(|accepted| accepted.root).unwrap_or_default();
            if root.receipts.leaves < accepted.receipts.leaves {
                return Err("ReceiptsTakenBack");
            }
            let new = root.amounts.total.checked_sub(accepted.amounts.total).ok_or("Underflow")?;
            if new == 0 {
                return Err("NothingNew");
            }
            ledger.epoch += 1;
            let bond = new.max(10 * TRIB);
            ledger.pending = Some(PendingEpoch { root: *root, bond, until: now + WINDOW, challenge: None });
        }
        Action::Draw => {
            let challenge = ledger.pending.as_mut().and_then(|pending| pending.challenge.as_mut());
            let challenge = challenge.ok_or("NotChallenged")?;
            if challenge.audit.is_some() {
                return Err("DrawnAlready");
            }
            if now <= challenge.at {
                return Err("RandomnessTooOld");
            }
            challenge.audit = Some(Audit::new([11; 32], now + WINDOW / 2));
        }
        Action::Open { leaves } => {
            let epoch = ledger.epoch;
            let pending = ledger.pending.as_mut().ok_or("NothingPending")?;
            let amounts = pending.root.amounts;
            let audit = pending.challenge.as_mut().and_then(|challenge| challenge.audit.as_mut()).ok_or("NotDrawn")?;
            if now > audit.until {
                return Err("WindowOver");
            }
            let owner = owner();
            let domain = EpochDomain { genesis: owner.genesis, model: MODEL, operator: owner.operator.0, epoch };
            for Opening { leaf, proof, draws } in leaves {
                let before = sum_tree::verify(&domain, &amounts, leaf, proof).map_err(|_| "ProofRootWrong")?;
                for draw in draws {
                    let point = audit.point(*draw, amounts.total).ok_or("UnknownDraw")?;
                    if !covers(before, leaf.units, point) {
                        return Err("DrawNotCovered");
                    }
                    audit.open(*draw);
                }
            }
        }
        Action::Resolve => {
            let pending = ledger.pending.take().ok_or("NothingPending")?;
            let ends = match &pending.challenge {
                None => pending.until,
                Some(challenge) => match challenge.audit {
                    None => return Err("NotDrawn"),
                    Some(audit) if !audit.is_complete() => return Err("not opened: the bond would be lost"),
                    Some(audit) => pending.until.max(audit.until),
                },
            };
            if now <= ends {
                return Err("WindowOpen");
            }
            ledger.accepted = Some(AcceptedEpoch { epoch: ledger.epoch, root: pending.root });
            ledger.owed_since = now;
        }
        Action::Release => {
            if now <= ledger.owed_since + 30 * WINDOW {
                return Err("WindowOpen");
            }
            ledger.funded = ledger.accepted.map_or(0, |accepted| accepted.root.amounts.total);
        }
    }
    Ok(())
}

#[async_trait]
impl EpochChain for Chain {
    async fn position(&self, model: ModelId) -> Result<Option<Position>, ChainError> {
        let state = self.state();
        let ledger = Some(state.ledger.clone());
        Ok((model == MODEL).then(|| Position { block: state.block, adapter: ADAPTER, stream: stream(), ledger }))
    }

    async fn act(&self, intent: &str, _: ModelId, action: &Action) -> Result<(), SubmitError> {
        let mut state = self.state();
        state.sent.push((intent.to_owned(), action.clone()));
        if std::mem::take(&mut state.cut) {
            return Err(SubmitError::Stalled { call: intent.to_owned() });
        }
        let block = Head { number: state.block, hash: BlockHash::zero() };
        apply(&mut state, action).map_err(|fact| SubmitError::Failed {
            call: intent.to_owned(),
            failure: Box::new(Failure::Pallet {
                pallet: "Attribution".into(),
                fact: fact.into(),
                meaning: String::new(),
            }),
            block,
        })
    }
}

fn keeper(chain: &Chain, store: &Arc<ReceiptStore>) -> EpochKeeper<Chain> {
    let config = EpochConfig { amount_min: 100 * TRIB, ..EpochConfig::default() };
    EpochKeeper::new(chain.clone(), store.clone(), Arc::new(OneResult(Some(bundle()))), config)
}

fn amounts(store: &ReceiptStore, epoch: u32) -> Vec<Amount> {
    store.epoch(MODEL, epoch).unwrap().unwrap().leaves.iter().map(|leaf| leaf.units / TRIB).collect()
}

#[tokio::test]
async fn what_answers_earned_is_posted_accepted_and_grows() {
    let (chain, store) = (Chain::new(), store(&[0, 0, 2]));
    let keeper = keeper(&chain, &store);
    assert_eq!(keeper.step(MODEL).await.unwrap(), Step::Idle);
    assert_eq!(keeper.step(ModelId(99)).await.unwrap(), Step::Idle);
    // Little is divided after a day, much at once.
    chain.pay(90 * TRIB);
    assert_eq!(keeper.step(MODEL).await.unwrap(), Step::Idle);
    chain.advance(WINDOW);
    let published = Step::Published { epoch: 1, amount: 90 * TRIB, receipts: 3 };
    assert_eq!(keeper.step(MODEL).await.unwrap(), published);
    assert_eq!(amounts(&store, 1), [60, 0, 30]);
    let record = store.epoch(MODEL, 1).unwrap().unwrap();
    assert_eq!(record.leaves[2].contributor, contributor(2).0);
    assert_eq!(record.leaves[2].evidence, record.root.receipts.root);
    assert_eq!(record.root.method, Method::of_model(ATTRIBUTION, Ppm::from_percent(80)).hash(ADAPTER));

    // While it may be challenged, nothing else is posted.
    sell(&store, 1);
    chain.pay(210 * TRIB);
    assert_eq!(keeper.step(MODEL).await.unwrap(), Step::Idle);
    chain.advance(WINDOW + 1);
    assert_eq!(keeper.step(MODEL).await.unwrap(), Step::Resolved { epoch: 1 });
    let published = Step::Published { epoch: 2, amount: 210 * TRIB, receipts: 4 };
    assert_eq!(keeper.step(MODEL).await.unwrap(), published);
    assert_eq!(store.accepted(MODEL).unwrap(), Some(1));
    // Of 300, half goes to leaf 0 for two of four answers: what was late is made good.
    assert_eq!(amounts(&store, 2), [150, 75, 75]);
    chain.advance(WINDOW + 1);
    assert_eq!(keeper.step(MODEL).await.unwrap(), Step::Resolved { epoch: 2 });
    assert_eq!(keeper.step(MODEL).await.unwrap(), Step::Idle);
    // The one before is forgotten.
    assert_eq!((store.accepted(MODEL).unwrap(), store.epochs(MODEL).unwrap()), (Some(2), vec![2]));
}

#[tokio::test]
async fn a_challenge_is_answered_wherever_the_process_stops() {
    let (chain, store) = (Chain::new(), store(&[0, 1, 2, 2]));
    chain.pay(400 * TRIB);
    keeper(&chain, &store).step(MODEL).await.unwrap();
    chain.challenge();
    assert_eq!(keeper(&chain, &store).step(MODEL).await.unwrap(), Step::Idle, "the challenger may draw first");
    chain.advance(EpochConfig::default().draw_blocks + 1);
    assert_eq!(keeper(&chain, &store).step(MODEL).await.unwrap(), Step::Drawn { epoch: 1 });
    // The connection breaks as leaves are opened; a new process sends the same under the same intent.
    chain.state().cut = true;
    assert!(matches!(keeper(&chain, &store).step(MODEL).await, Err(EpochError::Submit(_))));
    assert_eq!(keeper(&chain, &store).step(MODEL).await.unwrap(), Step::Opened { epoch: 1, leaves: 3 });
    let sent = chain.state().sent.clone();
    assert_eq!(sent[sent.len() - 1], sent[sent.len() - 2]);
    assert_eq!(keeper(&chain, &store).step(MODEL).await.unwrap(), Step::Idle);
    chain.advance(WINDOW + 1);
    assert_eq!(keeper(&chain, &store).step(MODEL).await.unwrap(), Step::Resolved { epoch: 1 });
    assert_eq!(chain.accepted(), Some(1));
}

#[tokio::test]
async fn an_epoch_that_was_begun_is_sent_as_it_is_until_the_chain_refuses_it() {
    let (chain, store) = (Chain::new(), store(&[0]));
    chain.pay(200 * TRIB);
    chain.state().cut = true;
    assert!(matches!(keeper(&chain, &store).step(MODEL).await, Err(EpochError::Submit(_))));
    // It may have reached the chain: another answer does not change what is sent.
    sell(&store, 2);
    let published = Step::Published { epoch: 1, amount: 200 * TRIB, receipts: 1 };
    assert_eq!(keeper(&chain, &store).step(MODEL).await.unwrap(), published);
    let sent = chain.state().sent.clone();
    assert_eq!(sent[0], sent[1]);

    // The same, and a voucher is redeemed meanwhile.
    chain.advance(WINDOW + 1);
    keeper(&chain, &store).step(MODEL).await.unwrap();
    chain.pay(200 * TRIB);
    chain.state().cut = true;
    assert!(keeper(&chain, &store).step(MODEL).await.is_err());
    chain.pay(200 * TRIB);
    assert_eq!(keeper(&chain, &store).step(MODEL).await.unwrap(), Step::Outdated { epoch: 2 });
    let published = Step::Published { epoch: 2, amount: 400 * TRIB, receipts: 2 };
    assert_eq!(keeper(&chain, &store).step(MODEL).await.unwrap(), published);
    assert_eq!(amounts(&store, 2), [300, 0, 300]);
}

#[tokio::test]
async fn without_its_store_an_operator_is_told_what_it_risks() {
    let (chain, full) = (Chain::new(), store(&[0, 1]));
    chain.pay(200 * TRIB);
    keeper(&chain, &full).step(MODEL).await.unwrap();
    chain.challenge();
    chain.advance(2_401);
    keeper(&chain, &full).step(MODEL).await.unwrap();
    let empty = store(&[]);
    let lost = keeper(&chain, &empty).step(MODEL).await.unwrap_err();
    assert!(matches!(lost, EpochError::Unknown { model: MODEL, epoch: 1 }), "{lost}");
    chain.advance(WINDOW);
    assert_eq!(keeper(&chain, &full).step(MODEL).await.unwrap(), Step::Lost { epoch: 1 });
    // What the accepted epoch gave cannot be built upon without its leaves, nor with fewer receipts than it counts.
    let accepted = full.epoch(MODEL, 1).unwrap().unwrap();
    {
        let mut state = chain.state();
        state.ledger.pending = None;
        state.ledger.accepted = Some(AcceptedEpoch { epoch: 1, root: accepted.root });
        state.ledger.owed_since = state.block;
    }
    chain.pay(200 * TRIB);
    let fault = |error: EpochError| match error {
        EpochError::Fault(fault) => *fault,
        error => panic!("{error}"),
    };
    let unknown = fault(keeper(&chain, &empty).step(MODEL).await.unwrap_err());
    assert!(matches!(unknown, EpochFault::AcceptedUnknown { epoch: 1 }), "{unknown}");
    empty.put_epoch(MODEL, &accepted).unwrap();
    let fewer = fault(keeper(&chain, &empty).step(MODEL).await.unwrap_err());
    assert!(matches!(fewer, EpochFault::OtherReceipts { counted: 2 }), "{fewer}");
    // After 30 days it goes by the shares, rather than to nobody.
    chain.advance(30 * WINDOW + 1);
    assert_eq!(keeper(&chain, &empty).step(MODEL).await.unwrap(), Step::Released { amount: 200 * TRIB });
    assert_eq!(chain.state().ledger.funded, 200 * TRIB);
}

#[tokio::test]
async fn the_shares_must_be_at_hand_and_the_chains() {
    let (chain, store) = (Chain::new(), store(&[0]));
    chain.pay(200 * TRIB);
    let without = EpochKeeper::new(chain.clone(), store, Arc::new(OneResult(None)), EpochConfig::default());
    assert_eq!(without.step(MODEL).await.unwrap(), Step::Idle);
    chain.advance(WINDOW);
    assert!(matches!(without.step(MODEL).await, Err(EpochError::NoBundle { model: MODEL })));
    assert!(chain.state().sent.is_empty());
}

#[test]
fn what_the_chain_or_a_challenger_would_refuse_is_not_kept() {
    let (chain, store) = (Chain::new(), store(&[0, 2]));
    chain.pay(100 * TRIB);
    let ledger = chain.state().ledger.clone();
    let (stream, tree) = (stream(), bundle().shares().unwrap().tree().unwrap());
    fn of<'a>(stream: &'a Stream, tree: &'a SumTree, ledger: &'a AnswerLedger) -> EpochInputs<'a> {
        EpochInputs { model: MODEL, stream, ledger, shares: tree.leaves() }
    }
    let method = tributary_protocol::ContentHash::of(b"method");
    let first = EpochRecord::make(&store, &of(&stream, &tree, &ledger), method).unwrap();
    assert!(first.check(&store, &of(&stream, &tree, &ledger)).is_ok());

    let check =
        |record: &EpochRecord, ledger: &AnswerLedger| record.check(&store, &of(&stream, &tree, ledger)).unwrap_err();
    let more = AnswerLedger { funded: 101 * TRIB, ..ledger.clone() };
    assert!(matches!(check(&first, &more), EpochFault::TotalNotFunded { .. }));
    let later = AnswerLedger { epoch: 1, ..ledger.clone() };
    assert!(matches!(check(&first, &later), EpochFault::Number { found: 1, expected: 2 }));
    let mut other = first.clone();
    other.leaves[1].contributor = [99; 32];
    assert!(matches!(check(&other, &ledger), EpochFault::OtherLeaf { index: 1 }));
    let mut other = first.clone();
    (other.leaves[0].units, other.leaves[1].units) = (other.leaves[1].units, other.leaves[0].units);
    assert!(matches!(check(&other, &ledger), EpochFault::OtherRoot));
    let mut other = first.clone();
    other.root.receipts.leaves = 1;
    assert!(matches!(check(&other, &ledger), EpochFault::OtherRoot));

    // An accepted epoch, and one after it that takes back.
    store.put_epoch(MODEL, &first).unwrap();
    let accepted = Some(AcceptedEpoch { epoch: 1, root: first.root });
    let second = AnswerLedger { epoch: 1, accepted, funded: 150 * TRIB, ..ledger.clone() };
    let nothing_new = AnswerLedger { funded: 100 * TRIB, ..second.clone() };
    assert!(matches!(check(&EpochRecord { number: 2, ..first.clone() }, &nothing_new), EpochFault::NothingNew));
    let mut leaves = first.leaves.clone();
    (leaves[0].units, leaves[1].units) = (leaves[0].units - 1, 50 * TRIB + 1);
    assert!(takes_back(&first.leaves[0], &leaves[0]));
    let domain = domain(&store, MODEL, 2);
    let amounts = AmountTree::new(&domain, leaves.clone()).unwrap().root();
    let thief = EpochRecord { number: 2, root: EpochRoot { amounts, ..first.root }, leaves };
    assert!(matches!(check(&thief, &second), EpochFault::TakesBack { index: 0 }));
    assert!(EpochRecord::make(&store, &of(&stream, &tree, &second), method).is_ok());
}

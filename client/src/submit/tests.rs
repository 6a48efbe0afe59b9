//! Submissions against a chain in memory that is cut off at every point where a process can die.

use super::{
    ATTEMPTS_MAX, Journal, Ledger, Outcome, PERIOD, Phase, Rejection, SendError, SignOrChainError, Status, SubmitError,
    Submitter,
};
use crate::{
    account::Account,
    call::Call,
    error::{ChainError, Failure},
    events::{Event, Receipt},
    head::{BlockHash, Head},
    keys::Keypair,
};
use async_trait::async_trait;
use codec::{Decode, DecodeAll, Encode};
use futures::{
    FutureExt, poll,
    stream::{self, BoxStream, StreamExt},
};
use std::{
    future::Future,
    path::Path,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard},
    task::Poll,
};
use tokio::{sync::watch, task::yield_now};

/// A transaction of the chain in memory.
#[derive(Clone, Encode, Decode)]
struct Transaction {
    account: Account,
    nonce: u64,
    birth: Head,
    call: Call,
}

/// What goes wrong with the next transaction that is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// The connection breaks before it arrives.
    LostBefore,
    /// The connection breaks after it arrived.
    LostAfter,
    /// The account cannot pay.
    Poor,
    /// Another process's transaction has its nonce.
    Overtaken,
}

struct State {
    blocks: Vec<(Head, Vec<Vec<u8>>)>,
    pool: Vec<Vec<u8>>,
    sent: u32,
    trouble: Vec<Trouble>,
}

/// A chain in memory. Every question takes a poll before its effect, and sending one after it, as over a network.
#[derive(Clone)]
struct Chain {
    state: Arc<Mutex<State>>,
    heads: watch::Sender<Head>,
}

impl Chain {
    fn new() -> Self {
        let genesis = Head { number: 0, hash: BlockHash::repeat_byte(1) };
        let state = State { blocks: vec![(genesis, Vec::new())], pool: Vec::new(), sent: 0, trouble: Vec::new() };
        Self { state: Arc::new(Mutex::new(state)), heads: watch::Sender::new(genesis) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Makes and finalises a block of what in the pool is valid now.
    fn mint(&self) {
        self.author();
        self.finalise();
    }

    /// Finalises every block.
    fn finalise(&self) {
        let head = self.state().blocks.last().unwrap().0;
        self.heads.send_replace(head);
    }

    /// Makes a block of what in the pool is valid now.
    fn author(&self) {
        let mut state = self.state();
        let number = u32::try_from(state.blocks.len()).unwrap();
        let mut included: Vec<Vec<u8>> = Vec::new();
        for bytes in std::mem::take(&mut state.pool) {
            let transaction = Transaction::decode_all(&mut bytes.as_slice()).unwrap();
            let made = included.iter().filter(|other| decode(other).account == transaction.account).count() as u64;
            let alive = number < transaction.birth.number + PERIOD;
            let on_this_chain =
                state.blocks.get(transaction.birth.number as usize).map(|(head, _)| *head) == Some(transaction.birth);
            if alive && on_this_chain && transaction.nonce == state.nonce(transaction.account) + made {
                included.push(bytes);
            }
        }
        let head = Head { number, hash: BlockHash::from_low_u64_be(u64::from(number) + 1_000) };
        state.blocks.push((head, included));
    }

    /// The block that holds a transaction, once there is one.
    async fn block_with(self, bytes: Vec<u8>) -> BlockHash {
        loop {
            let found = self.state().blocks.iter().find(|(_, all)| all.contains(&bytes)).map(|(head, _)| head.hash);
            match found {
                Some(hash) => return hash,
                None => yield_now().await,
            }
        }
    }

    /// How often a call is in the chain.
    fn times(&self, call: &Call) -> usize {
        let state = self.state();
        state
            .blocks
            .iter()
            .flat_map(|(_, transactions)| transactions)
            .filter(|bytes| decode(bytes).call == *call)
            .count()
    }

    fn trouble(&self, trouble: Trouble) {
        self.state().trouble.push(trouble);
    }
}

fn decode(bytes: &[u8]) -> Transaction {
    Transaction::decode_all(&mut &*bytes).unwrap()
}

impl State {
    fn nonce(&self, account: Account) -> u64 {
        let all = self.blocks.iter().flat_map(|(_, transactions)| transactions);
        all.filter(|bytes| decode(bytes).account == account).count() as u64
    }
}

#[async_trait]
impl Ledger for Chain {
    fn heads(&self) -> watch::Receiver<Head> {
        self.heads.subscribe()
    }

    async fn hash_at(&self, number: u32) -> Result<Option<BlockHash>, ChainError> {
        yield_now().await;
        let finalised = self.heads.borrow().number;
        let state = self.state();
        let block = state.blocks.get(number as usize).filter(|(head, _)| head.number <= finalised);
        Ok(block.map(|(head, _)| head.hash))
    }

    async fn block(&self, block: BlockHash) -> Result<(Head, Vec<Vec<u8>>), ChainError> {
        yield_now().await;
        Ok(self.state().blocks.iter().find(|(head, _)| head.hash == block).unwrap().clone())
    }

    async fn nonce_at(&self, account: Account, block: BlockHash) -> Result<u64, ChainError> {
        yield_now().await;
        let state = self.state();
        let upto = state.blocks.iter().position(|(head, _)| head.hash == block).unwrap();
        let all = state.blocks[..=upto].iter().flat_map(|(_, transactions)| transactions);
        Ok(all.filter(|bytes| decode(bytes).account == account).count() as u64)
    }

    async fn next_nonce(&self, account: Account) -> Result<u64, ChainError> {
        yield_now().await;
        let state = self.state();
        let waiting = state.pool.iter().filter(|bytes| decode(bytes).account == account).count() as u64;
        Ok(state.nonce(account) + waiting)
    }

    async fn sign(&self, key: &Keypair, call: &Call, nonce: u64, birth: Head) -> Result<Vec<u8>, SignOrChainError> {
        yield_now().await;
        Ok(Transaction { account: key.account(), nonce, birth, call: call.clone() }.encode())
    }

    async fn send(&self, bytes: &[u8]) -> Result<BoxStream<'static, Status>, SendError> {
        yield_now().await;
        {
            let mut state = self.state();
            let trouble = if state.trouble.is_empty() { None } else { Some(state.trouble.remove(0)) };
            match trouble {
                Some(Trouble::LostBefore) => return Err(SendError::Unknown("cut".into())),
                Some(Trouble::Poor) => return Err(SendError::Rejected(Rejection::CannotPay)),
                Some(Trouble::Overtaken) => {
                    let other = Transaction { call: Call::new("Other", "process"), ..decode(bytes) };
                    state.pool.push(other.encode());
                    return Err(SendError::Rejected(Rejection::NonceTaken));
                }
                Some(Trouble::LostAfter) | None => {}
            }
            let transaction = decode(bytes);
            let nonce = state.nonce(transaction.account);
            if state.pool.iter().any(|other| other == bytes) {
                return Err(SendError::Rejected(Rejection::Known));
            }
            let taken = state.pool.iter().any(|other| {
                let other = decode(other);
                (other.account, other.nonce) == (transaction.account, transaction.nonce)
            });
            if taken || transaction.nonce < nonce {
                return Err(SendError::Rejected(Rejection::NonceTaken));
            }
            if state.blocks.len() as u32 >= transaction.birth.number + PERIOD {
                return Err(SendError::Rejected(Rejection::Other("too old".into())));
            }
            state.pool.push(bytes.to_vec());
            state.sent += 1;
            if trouble == Some(Trouble::LostAfter) {
                return Err(SendError::Unknown("cut".into()));
            }
        }
        yield_now().await;
        let in_block = self.clone().block_with(bytes.to_vec()).map(Status::InBlock);
        let news = stream::iter([Status::Taken]).chain(stream::once(in_block)).chain(stream::pending());
        Ok(news.boxed())
    }

    async fn outcome(&self, block: Head, index: u32) -> Result<Outcome, ChainError> {
        yield_now().await;
        let state = self.state();
        let call = decode(&state.blocks[block.number as usize].1[index as usize]).call;
        let failure = (call.name() == "fails").then(|| Failure::Pallet {
            pallet: "Grants".into(),
            fact: "Expired".into(),
            meaning: "the grant's last block has passed".into(),
        });
        let event = Event { pallet: call.pallet().into(), name: "Happened".into(), fields: 7u64.encode() };
        Ok(Outcome { events: vec![event], failure })
    }
}

fn call(name: &'static str) -> Call {
    Call::new("Jobs", name).with(7u64)
}

fn submitter(chain: &Chain, journal: &Path) -> Submitter<Chain> {
    Submitter::over(chain.clone(), Keypair::development("Alice").unwrap(), Journal::open(journal).unwrap())
}

/// Runs a future on the chain: a block is made after every few polls. Stops after `polls`.
async fn run<T>(chain: &Chain, polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    for count in 1..=polls {
        // The outer task must yield too, or tokio's budget of it runs out.
        yield_now().await;
        if let Poll::Ready(value) = poll!(future.as_mut()) {
            return Some(value);
        }
        if count % 5 == 0 {
            chain.mint();
        }
    }
    None
}

async fn finish<T>(chain: &Chain, future: impl Future<Output = T>) -> T {
    run(chain, 5_000, future).await.expect("a submission ends")
}

/// What happens while the process is dead.
#[derive(Clone, Copy, Debug)]
enum Absence {
    /// Nothing.
    Short,
    /// The node restarts and forgets its pool.
    NodeRestarts,
    /// Many more blocks than a transaction lives for; the pool is forgotten first, or not.
    Long { pool_lost: bool },
    /// Another process uses the account.
    Rival,
}

#[tokio::test]
async fn a_call_happens_once_wherever_its_process_dies() {
    let wanted = call("report");
    let absences = [
        Absence::Short,
        Absence::NodeRestarts,
        Absence::Long { pool_lost: true },
        Absence::Long { pool_lost: false },
        Absence::Rival,
    ];
    for absence in absences {
        let mut polls = 0;
        loop {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("journal");
            let chain = Chain::new();
            chain.mint();
            let first = {
                let submitter = submitter(&chain, &path);
                run(&chain, polls, submitter.submit("report/job/7", &wanted)).await
            };
            match absence {
                Absence::Short => {}
                Absence::NodeRestarts => chain.state().pool.clear(),
                Absence::Long { pool_lost } => {
                    if pool_lost {
                        chain.state().pool.clear();
                    }
                    (0..PERIOD + 10).for_each(|_| chain.mint());
                }
                Absence::Rival => {
                    let account = Keypair::development("Alice").unwrap().account();
                    let mut state = chain.state();
                    state.pool.clear();
                    let (birth, _) = *state.blocks.last().unwrap();
                    let rival = Transaction { account, nonce: state.nonce(account), birth, call: call("rival") };
                    state.pool.push(rival.encode());
                }
            }
            let again = submitter(&chain, &path);
            let recovered = finish(&chain, again.recover()).await.unwrap();
            assert!(recovered.iter().all(|(_, result)| result.is_ok()), "{absence:?} after {polls} polls");
            let receipt = finish(&chain, again.submit("report/job/7", &wanted)).await.unwrap();
            assert_eq!(chain.times(&wanted), 1, "{absence:?} after {polls} polls");
            assert_eq!(chain.state().blocks[receipt.block.number as usize].0, receipt.block);
            assert_eq!(receipt.expect::<u64>("Jobs", "Happened").unwrap(), 7);
            if let Some(first) = first {
                assert_eq!(first.unwrap(), receipt);
                break;
            }
            polls += 1;
        }
        // Nonce, signature, sending, the answer, the block, what it did: each is a place to die between.
        assert!(polls >= 6, "only {polls} polls");
    }
}

#[tokio::test]
async fn a_connection_that_breaks_while_sending_makes_no_second_transaction() {
    for trouble in [Trouble::LostBefore, Trouble::LostAfter] {
        let folder = tempfile::tempdir().unwrap();
        let chain = Chain::new();
        chain.trouble(trouble);
        let submitter = submitter(&chain, &folder.path().join("journal"));
        finish(&chain, submitter.submit("bond", &call("bond"))).await.unwrap();
        assert_eq!(chain.times(&call("bond")), 1);
        assert_eq!(chain.state().sent, 1);
    }
}

#[tokio::test]
async fn a_taken_nonce_is_replaced_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let chain = Chain::new();
    chain.trouble(Trouble::Overtaken);
    let submitter = submitter(&chain, &folder.path().join("journal"));
    finish(&chain, submitter.submit("bond", &call("bond"))).await.unwrap();
    assert_eq!(chain.times(&call("bond")), 1);
    assert_eq!(chain.times(&Call::new("Other", "process")), 1);
}

#[tokio::test]
async fn an_account_that_cannot_pay_is_named_and_the_intent_stays_free() {
    let folder = tempfile::tempdir().unwrap();
    let chain = Chain::new();
    chain.trouble(Trouble::Poor);
    let submitter = submitter(&chain, &folder.path().join("journal"));
    let error = finish(&chain, submitter.submit("bond", &call("bond"))).await.unwrap_err();
    assert!(matches!(error, SubmitError::CannotPay { .. }), "{error}");
    assert!(error.to_string().starts_with("5Grwva"), "{error}");
    finish(&chain, submitter.submit("bond", &call("bond"))).await.unwrap();
    assert_eq!(chain.times(&call("bond")), 1);
}

#[tokio::test]
async fn a_refused_call_is_told_by_pallet_and_fact_and_may_be_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let chain = Chain::new();
    let submitter = submitter(&chain, &folder.path().join("journal"));
    for times in 1..=2 {
        let error = finish(&chain, submitter.submit("claim/7", &call("fails"))).await.unwrap_err();
        assert_eq!(error.to_string(), "Jobs.fails was refused by Grants.Expired: the grant's last block has passed");
        assert!(error.failure().unwrap().is("Grants", "Expired"));
        assert_eq!(chain.times(&call("fails")), times);
    }
}

#[tokio::test]
async fn an_intent_in_use_for_another_call_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let chain = Chain::new();
    let submitter = submitter(&chain, &folder.path().join("journal"));
    finish(&chain, submitter.submit("one", &call("bond"))).await.unwrap();
    let error = finish(&chain, submitter.submit("one", &call("unbond"))).await.unwrap_err();
    assert!(matches!(error, SubmitError::IntentReused { .. }), "{error}");
    submitter.forget("one").unwrap();
    finish(&chain, submitter.submit("one", &call("unbond"))).await.unwrap();
}

#[tokio::test]
async fn submissions_at_once_keep_their_order_and_share_an_intent() {
    let folder = tempfile::tempdir().unwrap();
    let chain = Chain::new();
    let submitter = submitter(&chain, &folder.path().join("journal"));
    let (bond, post) = (call("bond"), call("post"));
    let all = async {
        tokio::join!(submitter.submit("bond", &bond), submitter.submit("post", &post), submitter.submit("bond", &bond),)
    };
    let (first, second, third) = finish(&chain, all).await;
    let (first, second): (Receipt, Receipt) = (first.unwrap(), second.unwrap());
    assert!((first.block.number, first.index) < (second.block.number, second.index));
    assert_eq!(first, third.unwrap());
    assert_eq!((chain.times(&bond), chain.times(&post)), (1, 1));
}

#[tokio::test]
async fn progress_is_told_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let chain = Chain::new();
    let submitter = submitter(&chain, &folder.path().join("journal"));
    let phases = Mutex::new(Vec::new());
    let call = call("bond");
    let submission = submitter.submit_with("bond", &call, |phase| phases.lock().unwrap().push(phase));
    let receipt = finish(&chain, submission).await.unwrap();
    let phases = phases.into_inner().unwrap();
    assert!(
        matches!(phases[..], [Phase::Signed { nonce: 0, .. }, Phase::Broadcast, Phase::Finalised(block)] if block == receipt.block),
        "{phases:?}"
    );
}

#[tokio::test]
async fn who_does_not_wait_for_finality_gets_the_same_receipt_earlier() {
    let folder = tempfile::tempdir().unwrap();
    let chain = Chain::new();
    let submitter = submitter(&chain, &folder.path().join("journal"));
    let wanted = call("post");
    let early = {
        let mut submission = pin!(submitter.submit_in_block("post", &wanted));
        loop {
            yield_now().await;
            if let Poll::Ready(result) = poll!(submission.as_mut()) {
                break result.unwrap();
            }
            chain.author();
        }
    };
    assert_eq!(chain.heads.borrow().number, 0, "nothing is final yet");
    chain.finalise();
    assert_eq!(finish(&chain, submitter.submit("post", &wanted)).await.unwrap(), early);
    assert_eq!(chain.times(&wanted), 1);
}

#[tokio::test]
async fn a_receipt_of_a_chain_that_is_gone_does_not_count() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let old = Chain::new();
    finish(&old, submitter(&old, &path).submit("bond", &call("bond"))).await.unwrap();
    // The new chain has the same genesis and other blocks.
    let new = Chain::new();
    for (head, _) in &mut new.state().blocks {
        head.hash = BlockHash::repeat_byte(9);
    }
    (0..20).for_each(|_| new.mint());
    for (head, _) in &mut new.state().blocks {
        head.hash.0[0] = 0xff;
    }
    let head = new.state().blocks.last().unwrap().0;
    new.heads.send_replace(head);
    finish(&new, submitter(&new, &path).submit("bond", &call("bond"))).await.unwrap();
    assert_eq!(new.times(&call("bond")), 1);
}

#[tokio::test]
async fn a_transaction_that_is_never_included_is_given_up_after_a_few_attempts() {
    let folder = tempfile::tempdir().unwrap();
    let chain = Chain::new();
    let submitter = submitter(&chain, &folder.path().join("journal"));
    let wanted = call("bond");
    let mut submission = pin!(submitter.submit("bond", &wanted));
    let error = loop {
        yield_now().await;
        if let Poll::Ready(result) = poll!(submission.as_mut()) {
            break result.unwrap_err();
        }
        // A node whose pool drops everything.
        chain.state().pool.clear();
        chain.mint();
    };
    assert!(matches!(error, SubmitError::NotIncluded { attempts: ATTEMPTS_MAX, .. }), "{error}");
    assert_eq!(chain.times(&wanted), 0);
}

#[test]
fn a_journal_in_use_is_refused_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let _open = Journal::open(&path).unwrap();
    let error = Journal::open(&path).unwrap_err().to_string();
    assert!(error.contains("journal") && error.contains("another process"), "{error}");
}

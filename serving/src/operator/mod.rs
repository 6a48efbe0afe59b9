//! An operator on the chain: which models it serves, who pays for answers, and how it gets the money.
//!
//! ```text
//!            finalised blocks                                  requests (the API)
//!                  |                                                 |
//!   setup: deploy, offer, renew                  ChainCatalogue: what is this name?    BundleSource: where is its adapter?
//!   follow: what may be served, is the chain there?        |                                    |
//!   redeem: vouchers in, models paid  <---- ledger ----  Desk (the till): admit, settle  ----> Receipts
//! ```
//!
//! # Reading order
//! [`OperatorConfig`], [`Operator`] (what is started and in which order), [`OperatorChain`] (what the chain is asked),
//! [`ChainCatalogue`], [`Bundles`], [`Desk`] (the till), [`Receipts`], [`KeyRing`].
//!
//! # Invariants
//! - What the chain decides is read at finalised blocks. A model that may not be served any more is not found from the block
//!   on in which that is seen.
//! - Nothing is sold that is not paid ahead, or allowed to a key; see [`Desk`].
//! - Without the chain so much is sold and for so long as [`Exposure`] says.

mod catalogue;
mod chain;
mod config;
mod discover;
mod http;
mod keys;
mod pulse;
mod receipts;
mod redeem;
mod setup;
mod source;
#[cfg(test)]
mod tests;
mod till;
mod tuning;

pub use catalogue::{CatalogueError, ChainCatalogue, Entry, Origin, usual_name};
pub use chain::{Action, LiveChain, ModelFacts, OperatorChain, Standing};
pub use config::{
    Exposure, ModelChoice, OFFER_BLOCKS, OfferTerms, OperatorConfig, Redeeming, Selection, TuningNetwork,
};
pub use keys::{KEY_PREFIX, KeyFile, KeyFileError, KeyRecord, KeyRing, KeyTerms};
pub use pulse::{Beat, Blind, Pulse};
pub use receipts::{Issued, ReceiptError, Receipts, Sale};
pub use redeem::{RedeemError, Redeemer};
pub use setup::{OfferError, Offered};
pub use source::{BundleSource, Bundles};
pub use till::{Desk, DeskParts, LedgerError, OperatorTill, Store, Usage};

use self::{discover::Published, tuning::TuningSide};
use crate::receipts::{
    Notary, OtherKey, Owner, Pages, ReceiptStore, StoreError as ReceiptStoreError,
    epochs::{EpochConfig, EpochKeeper},
    pages as receipt_pages,
    shares::{Explainer, SharesConfig},
};
use crate::tuning::{LiveTuningChain, Tuning, TuningConfig, TuningError, TuningParts};
use axum::Router;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tributary_client::{ChainClient, ChainError, Journal, JournalError, Keypair, SubmitError, Submitter};
use tributary_daemon::{ChainGrants, FileError, KeySigner, files::at};
use tributary_exchange::{Identity, Multiaddr, Node, NodeConfig, NodeError, Reader, Store as BlobStore, StoreError};
use tributary_lora::{LoadError, Model, Tokenizer, base_model_hash};
use tributary_protocol::ContentHash;

/// How long everything that is served may take to be looked up in a block.
const REFRESH_PATIENCE: Duration = Duration::from_secs(20);
/// After so many blocks channels are looked at and offers are renewed: a minute. A channel's window is a day.
const REVIEW_BLOCKS: u32 = 20;

/// Why an operator does not start.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// A file or folder.
    #[error(transparent)]
    File(#[from] FileError),
    /// The base model's folder.
    #[error(transparent)]
    Base(Box<LoadError>),
    /// The chain could not be asked.
    #[error(transparent)]
    Chain(Box<ChainError>),
    /// The journal of submissions.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Something could not be submitted.
    #[error(transparent)]
    Submit(Box<SubmitError>),
    /// A model cannot be served.
    #[error(transparent)]
    Catalogue(Box<CatalogueError>),
    /// A model cannot be offered.
    #[error(transparent)]
    Offer(Box<OfferError>),
    /// The store of fetched files.
    #[error(transparent)]
    Store(Box<StoreError>),
    /// The node of the exchange.
    #[error(transparent)]
    Exchange(Box<NodeError>),
    /// The ledger.
    #[error(transparent)]
    Ledger(Box<LedgerError>),
    /// The keys.
    #[error(transparent)]
    Keys(#[from] KeyFileError),
    /// The receipts.
    #[error(transparent)]
    Receipts(Box<ReceiptStoreError>),
    /// The receipts are another's.
    #[error(transparent)]
    OtherKey(Box<OtherKey>),
    /// The receipts cannot be counted.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// A thread cannot be started.
    #[error("a thread cannot be started: {0}")]
    Thread(#[source] io::Error),
    /// Fine-tuning cannot begin.
    #[error(transparent)]
    Tuning(Box<TuningError>),
    /// Work beside the others ended unexpectedly.
    #[error("a task ended unexpectedly: {reason}")]
    Task {
        /// Why.
        reason: String,
    },
}

macro_rules! boxed {
    ($($variant:ident: $source:ty),+ $(,)?) => { $(
        impl From<$source> for OperatorError {
            fn from(error: $source) -> Self {
                Self::$variant(Box::new(error))
            }
        }
    )+ };
}

boxed!(
    Base: LoadError,
    Chain: ChainError,
    Submit: SubmitError,
    Catalogue: CatalogueError,
    Offer: OfferError,
    Store: StoreError,
    Exchange: NodeError,
    Ledger: LedgerError,
    Receipts: ReceiptStoreError,
    OtherKey: OtherKey,
    Tuning: TuningError,
);

/// An operator that is ready to sell: the chain was asked, models are deployed and offered, the ledger is open.
pub struct Operator {
    config: OperatorConfig,
    chain: Arc<LiveChain>,
    catalogue: Arc<ChainCatalogue>,
    bundles: Arc<Bundles>,
    node: Node,
    keys: KeyRing,
    pulse: Arc<Pulse>,
    ledger: (Store, till::Contents),
}

impl Operator {
    /// Gets everything ready for `key`'s account. What an earlier process began to submit is finished first, and what is
    /// missing on the chain is submitted, so that this takes some blocks.
    ///
    /// Errors: whatever keeps the operator from serving all that its settings say.
    pub async fn prepare(config: OperatorConfig, client: ChainClient, key: Keypair) -> Result<Self, OperatorError> {
        let state = config.state_dir.clone();
        let bundles_folder = state.join("bundles");
        std::fs::create_dir_all(&bundles_folder).map_err(at(&bundles_folder))?;
        let base = config.base.clone();
        let base = blocking(move || base_model_hash(&base)).await??;
        let journal = Journal::open(&state.join("journal.redb"))?;
        let (folder, quota) = (state.join("fetched"), config.bundle_bytes);
        let blobs = blocking(move || BlobStore::open(folder, quota)).await??;
        let signer = Arc::new(KeySigner(key.clone()));
        let chain = Arc::new(LiveChain::new(Arc::new(Submitter::new(client, key, journal)?)));
        let (genesis, operator) = (chain.genesis(), chain.operator());
        let ledger = Store::open(&state.join("ledger.redb"), genesis, operator)?;
        let keys = KeyRing::open(KeyFile::in_state(&state))?;

        let at = *chain.heads().borrow();
        let mut catalogue = ChainCatalogue::load(chain.as_ref(), at, config.models.clone(), base).await?;
        if let Some((name, template)) = &config.base_name {
            catalogue = catalogue.with_base(name, *template)?;
        }
        let catalogue = Arc::new(catalogue);
        let pulse = Arc::new(Pulse::new(config.exposure, at.number, Instant::now()));

        let mut exchange = NodeConfig::new(Identity::File(state.join("node.key")), blobs);
        exchange.reader = Some(Reader { signer, genesis });
        let node = Node::spawn(exchange).await?;
        let providers = config.providers.clone();
        let bundles =
            Bundles::new(bundles_folder, config.bundle_bytes, genesis, catalogue.clone(), node.clone(), providers);
        let bundles = Arc::new(bundles);
        Ok(Self { config, chain, catalogue, bundles, node, keys, pulse, ledger })
    }

    /// The chain as the operator sees it.
    pub fn chain(&self) -> &Arc<LiveChain> {
        &self.chain
    }

    /// What is served.
    pub fn catalogue(&self) -> &Arc<ChainCatalogue> {
        &self.catalogue
    }

    /// The bundles of what is served.
    pub fn bundles(&self) -> &Arc<Bundles> {
        &self.bundles
    }

    /// Where adapters come from, for the engine.
    pub fn source(&self) -> BundleSource {
        BundleSource::new(self.bundles.clone(), Handle::current())
    }

    /// Where the engine may keep adapters.
    pub fn adapters_folder(&self) -> PathBuf {
        self.config.state_dir.join("adapters")
    }

    /// Opens the till, and begins to follow the chain. `base` is the model that the engine answers with: it explains the answers
    /// too, beside the engine.
    pub async fn open(self, base: Arc<Model>) -> Result<Running, OperatorError> {
        let Self { config, chain, catalogue, bundles, node, keys, pulse, ledger } = self;
        let owner = Owner { genesis: chain.genesis(), operator: chain.operator() };
        let receipts = Arc::new(ReceiptStore::open(&config.state_dir.join("receipts.redb"), owner)?);
        let results = bundles.clone();
        let explainer =
            Explainer::start(base, results.clone(), SharesConfig::default()).map_err(OperatorError::Thread)?;
        let key = chain.submitter().key().clone();
        let notary = Notary::new(receipts.clone(), key, explainer.clone(), true)?;
        let epochs = EpochKeeper::new(chain.submitter().clone(), receipts.clone(), results, EpochConfig::default());

        let (store, mut contents) = ledger;
        // A ledger that was lost must not give a sale the number of another, whose receipt it would get.
        contents.next_sale = contents.next_sale.max(notary.next_sale().await?);
        let receipts = Pages::new(receipts);
        let notary: Arc<dyn Receipts> = Arc::new(notary);
        let parts = DeskParts { chain: chain.clone(), catalogue, pulse, keys, receipts: Some(notary), store, contents };
        let desk = Arc::new(Desk::new(parts));
        let at = *chain.heads().borrow();
        let redeemer = Redeemer::new(desk.clone(), config.redeeming, at);
        // Both read the journal before they wait, in this order: what is known of payments is looked up before recovery
        // forgets what is old.
        let (finished, recovered) = futures::join!(redeemer.finish_payments(), chain.recover());
        recovered?;
        if let Err(error) = finished {
            tracing::error!("a payment that was begun is not finished; it is tried again: {error}");
        }
        let mut offered = Vec::new();
        if let Some(terms) = &config.offer {
            let at = *chain.heads().borrow();
            offered = setup::offer_all(chain.as_ref(), at, desk.catalogue(), terms).await?;
        }
        let mut published = None;
        if let (Selection::AllPublished { most }, Some(terms)) = (&config.models, &config.offer) {
            let at = *chain.heads().borrow();
            let mut seen = Published::new(*most);
            seen.look(chain.as_ref(), at, desk.catalogue(), terms).await?;
            published = Some((seen, terms.clone()));
        }
        let at = *chain.heads().borrow();
        desk.catalogue().refresh(chain.as_ref(), at).await?;
        desk.pulse().beat(at.number, Instant::now());
        desk.issue_again(u64::MAX).await;

        let (stop, kept) = (CancellationToken::new(), bundles.clone());
        // Of whatever was sold, served still or not.
        let (heads, epochs_stop) = (chain.heads(), stop.clone());
        let keeping = async move { epochs.run(heads, epochs_stop).await };
        let mut tasks = vec![
            tokio::spawn(follow(desk.clone(), stop.clone())),
            tokio::spawn(review(desk.clone(), redeemer, config.offer.clone(), stop.clone())),
            tokio::spawn(keeping),
            tokio::spawn(fetch_ahead(desk.clone(), bundles, explainer, stop.clone())),
        ];
        if let Some((published, terms)) = published {
            tasks.push(tokio::spawn(published.follow(desk.clone(), terms, stop.clone())));
        }
        let submitter = chain.submitter().clone();
        Ok(Running { desk, submitter, bundles: kept, config, node, tuning: None, stop, tasks, offered, receipts })
    }
}

/// The base model that is tuned.
pub struct TuningBase {
    /// The model.
    pub model: Arc<Model>,
    /// Its tokenizer.
    pub tokenizer: Arc<Tokenizer>,
    /// Its content, by which the chain knows it.
    pub content: ContentHash,
}

/// An operator that sells.
pub struct Running {
    desk: Arc<Desk>,
    submitter: Arc<Submitter>,
    bundles: Arc<Bundles>,
    config: OperatorConfig,
    node: Node,
    tuning: Option<(Tuning, Node)>,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
    offered: Vec<Offered>,
    receipts: Pages,
}

impl Running {
    /// The till, for the API.
    pub fn till(&self) -> OperatorTill {
        OperatorTill(self.desk.clone())
    }

    /// The accounts.
    pub fn desk(&self) -> &Arc<Desk> {
        &self.desk
    }

    /// Has models tuned for holders of keys. Jobs are paid by `key`'s account, the operator's own if there is none. Returns
    /// where trainers fetch the data.
    pub async fn tune(
        &mut self,
        config: TuningConfig,
        network: TuningNetwork,
        key: Option<Keypair>,
        base: TuningBase,
    ) -> Result<(Tuning, Vec<Multiaddr>), OperatorError> {
        let folder = config.folder.clone();
        std::fs::create_dir_all(&folder).map_err(at(&folder))?;
        let client = self.submitter.client().clone();
        let submitter = match key.filter(|key| key.account() != self.submitter.account()) {
            // Two submitters of one account would slow each other down.
            None => self.submitter.clone(),
            Some(key) => {
                let journal = Journal::open(&folder.join("journal.redb"))?;
                let submitter = Submitter::new(client.clone(), key, journal)?;
                tributary_daemon::recover(&submitter).await?;
                Arc::new(submitter)
            }
        };
        let (store, quota) = (folder.join("data"), network.bytes);
        let store = blocking(move || BlobStore::open(store, quota)).await??;
        let mut exchange = NodeConfig::new(Identity::File(folder.join("node.key")), store);
        exchange.listen = network.listen.clone();
        exchange.grants = Some(Arc::new(ChainGrants(client.clone())));
        let signer = Arc::new(KeySigner(submitter.key().clone()));
        exchange.reader = Some(Reader { signer, genesis: client.genesis().0 });
        let node = Node::spawn(exchange).await?;
        let addresses = node.addresses();
        let side = TuningSide {
            desk: self.desk.clone(),
            bundles: self.bundles.clone(),
            node: node.clone(),
            providers: self.config.providers.clone(),
            network,
            offer: self.config.offer.clone(),
        };
        let parts = TuningParts {
            chain: Arc::new(LiveTuningChain::new(submitter)),
            outside: Arc::new(side),
            model: base.model,
            tokenizer: base.tokenizer,
            base: base.content,
        };
        let tuning = Tuning::start(config, parts).await?;
        self.tuning = Some((tuning.clone(), node));
        Ok((tuning, addresses))
    }

    /// The operator's pages, for beside the API's: account and vouchers, receipts and epochs.
    pub fn pages(&self) -> Router {
        http::pages(self.desk.clone()).merge(receipt_pages(self.receipts.clone()))
    }

    /// What was deployed and offered at the start.
    pub fn offered(&self) -> &[Offered] {
        &self.offered
    }

    /// Ends the tasks, and returns when all that was sold is on the disk. To be called when no answer is being given any more.
    pub async fn stop(self) -> Result<(), OperatorError> {
        self.stop.cancel();
        if let Some((tuning, node)) = self.tuning {
            tuning.stop().await;
            node.shutdown().await;
        }
        for task in self.tasks {
            // What it was submitting is in the journal, and goes on at the next start.
            task.abort();
            let _ = task.await;
        }
        self.node.shutdown().await;
        Ok(self.desk.flush().await?)
    }
}

/// Takes in every finalised block: what may be served, and that the chain is there.
async fn follow(desk: Arc<Desk>, stop: CancellationToken) {
    let chain = desk.chain().clone();
    let mut heads = chain.heads();
    let mut earlier = desk.next_sale();
    while let Some(Ok(())) = stop.run_until_cancelled(heads.changed()).await {
        let at = *heads.borrow_and_update();
        match timeout(REFRESH_PATIENCE, desk.catalogue().refresh(chain.as_ref(), at)).await {
            Ok(Ok(())) => desk.pulse().beat(at.number, Instant::now()),
            Ok(Err(error)) => tracing::warn!(block = at.number, "the block cannot be read: {error}"),
            Err(_) => tracing::warn!(block = at.number, "the node does not answer"),
        }
        // Sales of before the last block are not in work any more.
        desk.issue_again(earlier).await;
        earlier = desk.next_sale();
    }
}

/// Fetches money and renews offers now and then.
async fn review(desk: Arc<Desk>, mut redeemer: Redeemer, offer: Option<OfferTerms>, stop: CancellationToken) {
    let chain = desk.chain().clone();
    let mut heads = chain.heads();
    let mut next = 0;
    while let Some(Ok(())) = stop.run_until_cancelled(heads.changed()).await {
        let at = *heads.borrow_and_update();
        if at.number < next {
            continue;
        }
        next = at.number.saturating_add(REVIEW_BLOCKS);
        if let Err(error) = redeemer.review(at).await {
            tracing::error!(block = at.number, "money is not fetched, and that is tried again: {error}");
        }
        if let Some(terms) = &offer {
            setup::renew(chain.as_ref(), at, &desk.catalogue().entries(), terms).await;
        }
    }
}

/// Brings the bundles of what is served to the disk before somebody asks, and what explains their answers to memory.
async fn fetch_ahead(desk: Arc<Desk>, bundles: Arc<Bundles>, explainer: Explainer, stop: CancellationToken) {
    let mut heads = desk.chain().heads();
    let mut next = 0;
    loop {
        let at = heads.borrow_and_update().number;
        if at >= next {
            next = at.saturating_add(REVIEW_BLOCKS);
            for entry in desk.catalogue().entries() {
                if !entry.standing.may_serve || bundles.has(&entry.origin) {
                    continue;
                }
                match stop.run_until_cancelled(bundles.of_adapter(&entry.adapter)).await {
                    Some(Ok(_)) => explainer.prepare(entry.adapter).await,
                    Some(Err(error)) => tracing::warn!(model = %entry.model, "not fetched yet: {error}"),
                    None => return,
                }
            }
        }
        match stop.run_until_cancelled(heads.changed()).await {
            Some(Ok(())) => {}
            _ => return,
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, OperatorError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| OperatorError::Task { reason: error.to_string() })
}

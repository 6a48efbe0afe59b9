//! The connection: one node, reconnecting, with the finalised head kept current.

use crate::{
    error::ChainError,
    events::{BlockEvent, Event},
    head::{BlockHash, Head},
    runtime::{self, Runtime},
};
use codec::{DecodeAll, Encode};
use std::{
    collections::HashMap,
    fmt,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use subxt::{
    SubstrateConfig,
    config::{
        Hasher as _, RpcConfigFor,
        substrate::{BlakeTwo256, SubstrateHeader},
    },
};
use subxt_rpcs::{
    LegacyRpcMethods, RpcClient,
    client::{
        reconnecting_rpc_client::{ExponentialBackoff, RpcClient as ReconnectingClient},
        rpc_params,
    },
    methods::legacy::{BlockDetails, RuntimeVersion},
};
use tokio::{sync::watch, task::JoinHandle, time::Instant};

/// How long a call waits for a node that is away, such as one that restarts, before it errs.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// Longest pause between two attempts to reach a node that is away.
const RECONNECT_PAUSE_MAX: Duration = Duration::from_secs(2);
/// Longest wait for one answer before the question is asked again. Blocks and metadata come within a second.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) type Rpc = LegacyRpcMethods<RpcConfigFor<SubstrateConfig>>;
type Header = SubstrateHeader<BlockHash>;
pub(crate) type RpcError = subxt_rpcs::Error;

/// What kind of network a chain says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainKind {
    /// One machine, thrown away; everybody's keys are known.
    Development,
    /// A few machines, for tests; everybody's keys are known.
    Local,
    /// Anything where money counts.
    Live,
}

/// A typed client of one chain through one node. Cheap to clone; the clones share the connection.
///
/// A lost connection is made again with growing pauses. Questions asked meanwhile wait, for [`PATIENCE`] unless
/// [`ChainClient::connect_with`] says otherwise, and subscriptions resume. Must be made inside a tokio runtime.
#[derive(Clone)]
pub struct ChainClient {
    inner: Arc<Inner>,
}

struct Inner {
    url: String,
    rpc: Rpc,
    patience: Duration,
    genesis: BlockHash,
    kind: ChainKind,
    name: String,
    heads: watch::Receiver<Head>,
    heights: watch::Receiver<u32>,
    runtimes: Mutex<HashMap<u32, Arc<Runtime>>>,
    follower: JoinHandle<()>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

impl fmt::Debug for ChainClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChainClient").field("url", &self.inner.url).field("genesis", &self.inner.genesis).finish()
    }
}

impl ChainClient {
    /// Connects to the node at `url` (`ws://` or `wss://`) and checks that its chain is the one this program was built for.
    pub async fn connect(url: &str) -> Result<Self, ChainError> {
        Self::connect_with(url, PATIENCE).await
    }

    /// Connects as [`Self::connect`] does; this and every later call waits for an absent node for `patience`.
    pub async fn connect_with(url: &str, patience: Duration) -> Result<Self, ChainError> {
        let bad = |reason: &str| ChainError::BadUrl { url: url.to_owned(), reason: reason.to_owned() };
        let parsed = url::Url::parse(url).map_err(|error| bad(&error.to_string()))?;
        if !matches!(parsed.scheme(), "ws" | "wss") {
            return Err(bad("its scheme is neither ws nor wss"));
        }
        let build = ReconnectingClient::builder()
            .retry_policy(ExponentialBackoff::from_millis(2).factor(50).max_delay(RECONNECT_PAUSE_MAX))
            .request_timeout(ANSWER_TIMEOUT)
            .build(url);
        let raw = match tokio::time::timeout(patience, build).await {
            Ok(Ok(client)) => RpcClient::new(client),
            Ok(Err(error)) => return Err(bad(&error.to_string())),
            Err(_) => return Err(unreachable(url, patience, "it accepts no connection".to_owned())),
        };
        let rpc = Rpc::new(raw.clone());
        let asker = Asker { url, patience };
        let genesis = asker.ask("chain_getBlockHash", || rpc.genesis_hash()).await?;
        let kind: serde_json::Value =
            asker.ask("system_chainType", || raw.request("system_chainType", rpc_params![])).await?;
        let name = asker.ask("system_chain", || rpc.system_chain()).await?;
        let hash = asker.ask("chain_getFinalizedHead", || rpc.chain_get_finalized_head()).await?;
        let header = asker.ask("chain_getHeader", || rpc.chain_get_header(Some(hash))).await?;
        let header = header.ok_or_else(|| ChainError::NoSuchBlock { block: format!("{hash:?}") })?;
        let head = head_of(&header);

        let (heads_in, heads) = watch::channel(head);
        let (heights_in, heights) = watch::channel(head.number);
        let follower =
            Follower { url: url.to_owned(), rpc: rpc.clone(), genesis, heads: heads_in, heights: heights_in };
        let client = Self {
            inner: Arc::new(Inner {
                url: url.to_owned(),
                rpc,
                patience,
                genesis,
                kind: match kind.as_str() {
                    Some("Development") => ChainKind::Development,
                    Some("Local") => ChainKind::Local,
                    _ => ChainKind::Live,
                },
                name,
                heads,
                heights,
                runtimes: Mutex::default(),
                follower: tokio::spawn(follower.run()),
            }),
        };
        client.runtime_at(head.hash).await?;
        Ok(client)
    }

    /// The node's address.
    pub fn url(&self) -> &str {
        &self.inner.url
    }

    /// The chain's name, for people.
    pub fn chain_name(&self) -> &str {
        &self.inner.name
    }

    /// What kind of network the chain says it is.
    pub fn kind(&self) -> &ChainKind {
        &self.inner.kind
    }

    /// The hash of the chain's first block.
    pub fn genesis(&self) -> BlockHash {
        self.inner.genesis
    }

    /// The height of the latest finalised block, kept current. Never falls. Closes when the last clone of the client is
    /// dropped, or if the node changes to another chain.
    pub fn finalised(&self) -> watch::Receiver<u32> {
        self.inner.heights.clone()
    }

    /// The latest finalised block, kept current as [`Self::finalised`] is.
    pub fn finalised_heads(&self) -> watch::Receiver<Head> {
        self.inner.heads.clone()
    }

    /// The latest finalised block that the client knows of.
    pub fn finalised_head(&self) -> Head {
        *self.inner.heads.borrow()
    }

    /// The version of the runtime in force at the latest finalised block.
    pub async fn spec_version(&self) -> Result<u32, ChainError> {
        Ok(self.runtime_at(self.finalised_head().hash).await?.spec_version())
    }

    pub(crate) fn rpc(&self) -> &Rpc {
        &self.inner.rpc
    }

    pub(crate) fn patience(&self) -> Duration {
        self.inner.patience
    }

    /// Asks until there is an answer. Only for questions: asking twice must do nothing twice.
    pub(crate) async fn ask<T, F>(&self, method: &'static str, question: impl FnMut() -> F) -> Result<T, ChainError>
    where
        F: Future<Output = Result<T, RpcError>>,
    {
        Asker { url: &self.inner.url, patience: self.inner.patience }.ask(method, question).await
    }

    /// The hash of the finalised block at this height, or `None` above the finalised head.
    pub async fn finalised_hash(&self, number: u32) -> Result<Option<BlockHash>, ChainError> {
        let head = self.finalised_head();
        if number >= head.number {
            return Ok((number == head.number).then_some(head.hash));
        }
        self.ask("chain_getBlockHash", || self.rpc().chain_get_block_hash(Some(number.into()))).await
    }

    /// A block's height and its transactions, as they were sent.
    pub(crate) async fn block(&self, block: BlockHash) -> Result<(Head, Vec<Vec<u8>>), ChainError> {
        let details: Option<BlockDetails<_>> =
            self.ask("chain_getBlock", || self.rpc().chain_get_block(Some(block))).await?;
        let details = details.ok_or_else(|| ChainError::NoSuchBlock { block: format!("{block:?}") })?;
        let transactions = details.block.extrinsics.into_iter().map(|bytes| bytes.0).collect();
        Ok((head_of(&details.block.header), transactions))
    }

    /// Calls a function of the runtime at a block.
    pub(crate) async fn state_call(
        &self,
        function: &'static str,
        arguments: &[u8],
        at: BlockHash,
    ) -> Result<Vec<u8>, ChainError> {
        self.ask(function, || self.rpc().state_call(function, Some(arguments), Some(at)))
            .await
            .map_err(|error| pruned(error, at))
    }

    /// Reads a storage entry at a block.
    pub(crate) async fn storage(&self, key: &[u8], at: BlockHash) -> Result<Option<Vec<u8>>, ChainError> {
        self.ask("state_getStorage", || self.rpc().state_get_storage(key, Some(at)))
            .await
            .map_err(|error| pruned(error, at))
    }

    /// The runtime in force at a block, fetched and checked once per version.
    pub(crate) async fn runtime_at(&self, block: BlockHash) -> Result<Arc<Runtime>, ChainError> {
        let version: RuntimeVersion = self
            .ask("state_getRuntimeVersion", || self.rpc().state_get_runtime_version(Some(block)))
            .await
            .map_err(|error| pruned(error, block))?;
        if let Some(known) = self.runtimes().get(&version.spec_version) {
            return Ok(known.clone());
        }
        const FUNCTION: &str = "Metadata_metadata_at_version";
        let answer = self.state_call(FUNCTION, &runtime::pinned_metadata_version().encode(), block).await?;
        let metadata =
            runtime::decode_metadata(&answer).map_err(|reason| ChainError::Malformed { method: FUNCTION, reason })?;
        let differences = runtime::check_compatible(runtime::pinned(), &metadata);
        if !differences.is_empty() {
            return Err(ChainError::Incompatible {
                url: self.inner.url.clone(),
                spec_version: version.spec_version,
                differences,
            });
        }
        let runtime = Runtime::new(self.inner.genesis, version.spec_version, version.transaction_version, metadata);
        let runtime = Arc::new(runtime);
        self.runtimes().insert(version.spec_version, runtime.clone());
        Ok(runtime)
    }

    /// All events of a block, in order.
    pub async fn events_at(&self, block: BlockHash) -> Result<Vec<BlockEvent>, ChainError> {
        const ENTRY: &str = "System.Events";
        let malformed = |reason: String| ChainError::Malformed { method: ENTRY, reason };
        let runtime = self.runtime_at(block).await?;
        let key = runtime
            .storage_key("System", "Events", Vec::new())
            .ok_or_else(|| malformed("the runtime has no such entry".to_owned()))?;
        let bytes = self.storage(&key, block).await?.unwrap_or_default();
        runtime.events(bytes).map_err(|error| malformed(error.reason))
    }

    /// The events that a transaction of a block caused.
    pub(crate) async fn events_of(&self, block: Head, transaction: u32) -> Result<Vec<Event>, ChainError> {
        let events = self.events_at(block.hash).await?.into_iter();
        Ok(events.filter(|event| event.transaction == Some(transaction)).map(|event| event.event).collect())
    }

    /// A constant of a pallet, such as a deposit, as the runtime in force has it.
    pub async fn constant<T: DecodeAll>(&self, pallet: &str, name: &str) -> Result<T, ChainError> {
        const METHOD: &str = "a pallet's constant";
        let malformed = |reason: String| ChainError::Malformed { method: METHOD, reason };
        let runtime = self.runtime_at(self.finalised_head().hash).await?;
        let constant = runtime.metadata().pallet_by_name(pallet).and_then(|pallet| pallet.constant_by_name(name));
        let mut value = constant.ok_or_else(|| malformed(format!("there is no {pallet}.{name}")))?.value();
        T::decode_all(&mut value).map_err(|error| malformed(format!("{pallet}.{name}: {error}")))
    }

    fn runtimes(&self) -> std::sync::MutexGuard<'_, HashMap<u32, Arc<Runtime>>> {
        // A map of finished values cannot be left half-changed by a panic.
        self.inner.runtimes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks a node until it answers or patience ends.
struct Asker<'a> {
    url: &'a str,
    patience: Duration,
}

impl Asker<'_> {
    async fn ask<T, F>(&self, method: &'static str, mut question: impl FnMut() -> F) -> Result<T, ChainError>
    where
        F: Future<Output = Result<T, RpcError>>,
    {
        let deadline = Instant::now() + self.patience;
        let mut reason = "the connection is being made again".to_owned();
        let mut pause = Duration::from_millis(50);
        loop {
            match tokio::time::timeout_at(deadline, question()).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => reason = absent(method, error)?,
                Err(_) => return Err(unreachable(self.url, self.patience, reason)),
            }
            if Instant::now() + pause > deadline {
                return Err(unreachable(self.url, self.patience, reason));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RECONNECT_PAUSE_MAX);
        }
    }
}

fn unreachable(url: &str, waited: Duration, reason: String) -> ChainError {
    ChainError::Unreachable { url: url.to_owned(), waited, reason }
}

/// Whether an RPC error means that the node is away, and why; any other is final.
pub(crate) fn absent(method: &'static str, error: RpcError) -> Result<String, ChainError> {
    match error {
        RpcError::User(user) => {
            let detail =
                user.data.as_ref().map(|data| format!(": {}", data.get().trim_matches('"'))).unwrap_or_default();
            Err(ChainError::Refused { method, code: user.code, message: user.message + &detail })
        }
        RpcError::DisconnectedWillReconnect(reason) => Ok(reason),
        RpcError::Client(reason) => Ok(reason.to_string()),
        other => Err(ChainError::Malformed { method, reason: other.to_string() }),
    }
}

/// Says plainly that a block's state is gone.
fn pruned(error: ChainError, block: BlockHash) -> ChainError {
    match error {
        ChainError::Refused { message, .. }
            if message.contains("State already discarded") || message.contains("UnknownBlock") =>
        {
            ChainError::Pruned { block: format!("{block:?}") }
        }
        other => other,
    }
}

fn head_of(header: &Header) -> Head {
    // Heights beyond u32 do not occur: the runtime's block number is one.
    let number = u32::try_from(header.number).unwrap_or(u32::MAX);
    Head { number, hash: BlakeTwo256.hash(&header.encode()) }
}

/// Keeps the finalised head current, over any number of connections.
struct Follower {
    url: String,
    rpc: Rpc,
    genesis: BlockHash,
    heads: watch::Sender<Head>,
    heights: watch::Sender<u32>,
}

impl Follower {
    async fn run(self) {
        loop {
            if let Err(reason) = self.follow().await {
                tracing::debug!("finalised heads of {} stopped: {reason}", self.url);
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
            match self.rpc.genesis_hash().await {
                Ok(genesis) if genesis != self.genesis => {
                    tracing::error!(
                        "{} is on another chain now: genesis {genesis:?}, not {:?}",
                        self.url,
                        self.genesis
                    );
                    return;
                }
                _ => {}
            }
        }
    }

    /// Follows one subscription to its end. A new one starts with the current head, so nothing that counts is missed.
    async fn follow(&self) -> Result<(), RpcError> {
        let mut headers = self.rpc.chain_subscribe_finalized_heads().await?;
        while let Some(header) = headers.next().await {
            let head = head_of(&header?);
            let advanced = self.heads.send_if_modified(|current| {
                let advanced = head.number > current.number;
                if advanced {
                    *current = head;
                }
                advanced
            });
            if advanced {
                self.heights.send_replace(head.number);
            }
        }
        Ok(())
    }
}

//! The node: one swarm that serves and fetches, behind a handle that any task may hold.

use std::{
    io,
    net::{IpAddr, TcpListener, UdpSocket},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Stream, core::transport::ListenerId, identity::Keypair, multiaddr::Protocol, swarm::SwarmEvent,
};
use libp2p_stream::OpenStreamError;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    access::GrantSource,
    behaviour::{self, Command, Driver},
    fetcher::{Fetch, FetchError, FetchLimits, FetchRequest, Fetched, Progress, ProviderFault, Reader},
    identity::{IdentityError, load_or_create},
    provider::{Provider, ProviderLimits, ProviderStats},
    store::Store,
    wire::PROTOCOL,
};

/// How long listeners may take to come up.
const LISTEN_TIME: Duration = Duration::from_secs(10);
/// How long streams may take to end when the node stops; each has at most one group to finish.
const STOP_TIME: Duration = Duration::from_secs(5);

/// Where the node's own key comes from.
#[derive(Clone, Debug)]
pub enum Identity {
    /// A key file, made if absent, readable by its owner only.
    File(PathBuf),
    /// A key that ends with the process: enough for a node that only fetches.
    Ephemeral,
}

/// A node's parts and limits.
pub struct NodeConfig {
    /// The node's own key.
    pub identity: Identity,
    /// Where to listen, for instance `/ip4/0.0.0.0/tcp/4001` and `/ip4/0.0.0.0/udp/4001/quic-v1`. May be empty.
    pub listen: Vec<Multiaddr>,
    /// What is served and where fetched blobs go.
    pub store: Store,
    /// With a grant source the node serves its store; without one it serves nothing.
    pub grants: Option<Arc<dyn GrantSource>>,
    /// With a reader the node can fetch.
    pub reader: Option<Reader>,
    /// Bounds on serving.
    pub provider_limits: ProviderLimits,
    /// Bounds on fetching.
    pub fetch_limits: FetchLimits,
}

impl NodeConfig {
    /// A node that neither listens, serves nor fetches yet, with the default limits.
    pub fn new(identity: Identity, store: Store) -> Self {
        Self {
            identity,
            listen: Vec::new(),
            store,
            grants: None,
            reader: None,
            provider_limits: ProviderLimits::default(),
            fetch_limits: FetchLimits::default(),
        }
    }
}

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// Its key.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Its encryption.
    #[error("Noise could not be set up: {0}")]
    Noise(#[from] libp2p::noise::Error),
    /// An address to listen on.
    #[error("cannot listen on {address}: {reason}; hint: is the port taken, or the address another machine's?")]
    Listen {
        /// The address.
        address: Multiaddr,
        /// The transport's reason.
        reason: String,
    },
}

/// A handle on a running node. When the last one is dropped the node stops at once; [`Node::shutdown`] is the graceful way.
#[derive(Clone)]
pub struct Node(Arc<Inner>);

struct Inner {
    connector: Connector,
    store: Store,
    reader: Option<Reader>,
    fetch_limits: FetchLimits,
    provider: Option<Arc<Provider>>,
    addresses: watch::Receiver<Vec<Multiaddr>>,
    stopping: CancellationToken,
    streams: TaskTracker,
    driver: tokio::sync::Mutex<Option<JoinHandle<()>>>,
}

impl Node {
    /// Starts a node, and returns once it listens on every address.
    ///
    /// # Errors
    /// [`NodeError`]; nothing runs on after an error.
    pub async fn spawn(config: NodeConfig) -> Result<Self, NodeError> {
        let identity = match &config.identity {
            Identity::File(path) => load_or_create(path)?,
            Identity::Ephemeral => Keypair::generate_ed25519(),
        };
        let local = identity.public().to_peer_id();
        let mut swarm = behaviour::build(identity)?;
        let addresses = watch::Sender::new(listen(&mut swarm, &config.listen).await?);
        let mut control = swarm.behaviour().streams.new_control();
        let stopping = CancellationToken::new();
        let streams = TaskTracker::new();

        let provider = config.grants.map(|grants| {
            Arc::new(Provider::new(config.store.clone(), grants, config.provider_limits, local, stopping.clone()))
        });
        if let Some(provider) = provider.clone() {
            let mut incoming = control.accept(PROTOCOL).expect("a new swarm has no protocol registered");
            let (stopping, tracker) = (stopping.clone(), streams.clone());
            streams.spawn(async move {
                while let Some(Some((reader, stream))) = stopping.run_until_cancelled(incoming.next()).await {
                    tracker.spawn(Arc::clone(&provider).serve(reader, stream));
                }
            });
        }
        let (commands, receiver) = mpsc::channel(16);
        let listening = addresses.subscribe();
        let driver = tokio::spawn(Driver::new(swarm, receiver, addresses).run());
        tracing::info!(peer = %local, serves = provider.is_some(), "exchange node started");
        Ok(Self(Arc::new(Inner {
            connector: Connector { local, commands, control },
            store: config.store,
            reader: config.reader,
            fetch_limits: config.fetch_limits,
            provider,
            addresses: listening,
            stopping,
            streams,
            driver: tokio::sync::Mutex::new(Some(driver)),
        })))
    }

    /// The node's peer id.
    pub fn peer_id(&self) -> PeerId {
        self.0.connector.local
    }

    /// Where the node listens, each address ending in its peer id: what other nodes dial.
    pub fn addresses(&self) -> Vec<Multiaddr> {
        let addresses = self.0.addresses.borrow();
        addresses.iter().map(|address| address.clone().with(Protocol::P2p(self.peer_id()))).collect()
    }

    /// The node's store.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// What the node has served; `None` when it serves nothing.
    pub fn provider_stats(&self) -> Option<ProviderStats> {
        self.0.provider.as_ref().map(|provider| provider.stats())
    }

    /// Fetches a blob into the store, from the providers in order: one that fails is excluded and the next goes on
    /// where it stopped. `progress` is called after each verified group, from a blocking thread.
    ///
    /// Cancel by dropping the future: what is verified is kept, as it is on every error, and the next fetch resumes.
    /// A second fetch of a blob waits for the first.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn fetch(
        &self,
        providers: &[Multiaddr],
        request: FetchRequest,
        progress: impl Fn(Progress) + Send + Sync + 'static,
    ) -> Result<Fetched, FetchError> {
        let inner = &self.0;
        let fetch = Fetch {
            connector: &inner.connector,
            store: &inner.store,
            reader: inner.reader.as_ref().ok_or(FetchError::NoReader)?,
            limits: &inner.fetch_limits,
            request,
            progress: Arc::new(progress),
            received: 0,
        };
        inner.stopping.run_until_cancelled(fetch.run(providers)).await.unwrap_or(Err(FetchError::Stopping))
    }

    /// Stops the node: no new streams; running transfers end after their current group, and their readers are told;
    /// fetches return [`FetchError::Stopping`] and keep what they verified.
    pub async fn shutdown(&self) {
        let inner = &self.0;
        inner.stopping.cancel();
        inner.streams.close();
        if timeout(STOP_TIME, inner.streams.wait()).await.is_err() {
            tracing::warn!("streams that did not end in time are cut");
        }
        if let Some(driver) = inner.driver.lock().await.take() {
            // It fails only if the driver has ended already.
            let _ = inner.connector.commands.send(Command::Stop).await;
            let _ = driver.await;
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stopping.cancel();
    }
}

/// Brings the listeners up and returns their first addresses.
async fn listen(
    swarm: &mut libp2p::Swarm<behaviour::Behaviour>,
    wanted: &[Multiaddr],
) -> Result<Vec<Multiaddr>, NodeError> {
    let failure = |address: &Multiaddr, reason: String| NodeError::Listen { address: address.clone(), reason };
    let mut pending: Vec<(ListenerId, &Multiaddr)> = Vec::new();
    for address in wanted {
        probe(address).map_err(|error| failure(address, error.to_string()))?;
        let id = swarm.listen_on(address.clone()).map_err(|error| failure(address, error.to_string()))?;
        pending.push((id, address));
    }
    let mut bound = Vec::new();
    while let Some((_, first)) = pending.first() {
        let Ok(event) = timeout(LISTEN_TIME, swarm.select_next_some()).await else {
            return Err(failure(first, format!("not up after {LISTEN_TIME:?}")));
        };
        match event {
            SwarmEvent::NewListenAddr { listener_id, address } => {
                pending.retain(|(id, _)| *id != listener_id);
                bound.push(address);
            }
            SwarmEvent::ListenerClosed { listener_id, reason: Err(error), .. }
            | SwarmEvent::ListenerError { listener_id, error } => {
                if let Some((_, address)) = pending.iter().find(|(id, _)| *id == listener_id) {
                    return Err(failure(address, error.to_string()));
                }
            }
            _ => {}
        }
    }
    Ok(bound)
}

/// Fails if another process has the port. The transports themselves share ports (SO_REUSEPORT), and the
/// system would then hand half of the connections to the other process.
fn probe(address: &Multiaddr) -> io::Result<()> {
    let mut parts = address.iter();
    let ip: IpAddr = match parts.next() {
        Some(Protocol::Ip4(ip)) => ip.into(),
        Some(Protocol::Ip6(ip)) => ip.into(),
        _ => return Ok(()),
    };
    match parts.next() {
        Some(Protocol::Tcp(port)) if port != 0 => TcpListener::bind((ip, port)).map(drop),
        Some(Protocol::Udp(port)) if port != 0 => UdpSocket::bind((ip, port)).map(drop),
        _ => Ok(()),
    }
}

/// Opens streams to providers.
pub(crate) struct Connector {
    pub(crate) local: PeerId,
    commands: mpsc::Sender<Command>,
    control: libp2p_stream::Control,
}

impl Connector {
    /// Connects if need be and opens a stream; says to whom.
    pub(crate) async fn open(&self, address: &Multiaddr, within: Duration) -> Result<(PeerId, Stream), ProviderFault> {
        let unreachable = |reason: String| ProviderFault::Unreachable { reason };
        let connect = async {
            let (reply, answer) = oneshot::channel();
            let command = Command::Dial { address: address.clone(), reply };
            let stopped = || unreachable("this node has stopped".into());
            self.commands.send(command).await.map_err(|_| stopped())?;
            let peer = answer.await.map_err(|_| stopped())?.map_err(unreachable)?;
            if peer == self.local {
                return Err(unreachable("it is this node".into()));
            }
            let stream = self.control.clone().open_stream(peer, PROTOCOL).await;
            let stream = stream.map_err(|error| match error {
                // The connection may have closed as idle just before: passing.
                OpenStreamError::Io(error) => ProviderFault::Vanished { reason: error.to_string() },
                other => unreachable(other.to_string()),
            })?;
            Ok((peer, stream))
        };
        timeout(within, connect).await.unwrap_or_else(|_| Err(unreachable(format!("no connection within {within:?}"))))
    }
}

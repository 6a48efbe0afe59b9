//! Nodes, raw peers and data for the tests.

use std::{future::Future, sync::Arc, time::Duration};

use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Stream, Swarm, SwarmBuilder, multiaddr::Protocol, noise, swarm::SwarmEvent, tcp, yamux,
};
use tempfile::TempDir;
use tributary_exchange::{
    AccountKey, AccountSigner, BlobHash, FetchRequest, Identity, Node, NodeConfig, ProviderLimits, ReadClaim, Reader,
    Scope, Sr25519Signer, Store,
    wire::{self, Hello, PROTOCOL, ProviderMessage, ReaderMessage},
};

use crate::chain::{Chain, GENESIS};

pub const SCOPE: Scope = Scope::Version { datanet: 3, version: 1 };
pub const GROUP: u64 = tributary_exchange::GROUP_BYTES;
pub const QUOTA: u64 = 1 << 30;

#[derive(Clone, Copy, Debug)]
pub enum Transport {
    Tcp,
    Quic,
}

impl Transport {
    pub fn any_port(self) -> Multiaddr {
        match self {
            Self::Tcp => "/ip4/127.0.0.1/tcp/0",
            Self::Quic => "/ip4/127.0.0.1/udp/0/quic-v1",
        }
        .parse()
        .unwrap()
    }
}

pub fn signer() -> Arc<Sr25519Signer> {
    Arc::new(Sr25519Signer::from_seed(&[7; 32]))
}

pub fn account() -> AccountKey {
    signer().account()
}

/// Bytes of which no two groups are equal.
pub fn sample(length: u64, seed: u8) -> Vec<u8> {
    let mut bytes = vec![0; length as usize];
    blake3::Hasher::new_keyed(&[seed; 32]).finalize_xof().fill(&mut bytes);
    bytes
}

pub fn request(blob: BlobHash) -> FetchRequest {
    FetchRequest { scope: SCOPE, blob, bytes: None }
}

pub struct TestNode {
    pub node: Node,
    _folder: TempDir,
}

impl TestNode {
    pub fn addresses(&self) -> Vec<Multiaddr> {
        self.node.addresses()
    }

    pub fn address(&self) -> Multiaddr {
        self.addresses()[0].clone()
    }

    pub fn store(&self) -> &Store {
        self.node.store()
    }
}

pub async fn provider_with(chain: &Arc<Chain>, transport: Transport, limits: ProviderLimits) -> TestNode {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("store"), QUOTA).unwrap();
    let mut config = NodeConfig::new(Identity::File(folder.path().join("node.key")), store);
    config.listen = vec![transport.any_port()];
    config.grants = Some(chain.clone());
    config.provider_limits = limits;
    TestNode { node: Node::spawn(config).await.unwrap(), _folder: folder }
}

pub async fn provider(chain: &Arc<Chain>, transport: Transport) -> TestNode {
    provider_with(chain, transport, ProviderLimits::default()).await
}

/// A provider that has a blob which the test account may read.
pub async fn provider_of(chain: &Arc<Chain>, transport: Transport, bytes: &[u8]) -> (TestNode, BlobHash) {
    let node = provider(chain, transport).await;
    let blob = node.store().import_bytes(bytes).unwrap().hash;
    chain.grant(account(), SCOPE, blob);
    (node, blob)
}

pub async fn reader_with(store: Store, adjust: impl FnOnce(&mut NodeConfig)) -> Node {
    let mut config = NodeConfig::new(Identity::Ephemeral, store);
    config.reader = Some(Reader { signer: signer(), genesis: GENESIS });
    adjust(&mut config);
    Node::spawn(config).await.unwrap()
}

pub async fn reader() -> TestNode {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), QUOTA).unwrap();
    TestNode { node: reader_with(store, |_| ()).await, _folder: folder }
}

/// A reader that calls a provider silent after two seconds.
pub async fn impatient_reader() -> TestNode {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), QUOTA).unwrap();
    let node = reader_with(store, |config| {
        config.fetch_limits.stall_timeout = Duration::from_secs(2);
        config.fetch_limits.retry_pause = Duration::from_millis(10);
    });
    TestNode { node: node.await, _folder: folder }
}

pub async fn fetch(
    reader: &TestNode,
    providers: &[Multiaddr],
    blob: BlobHash,
) -> Result<tributary_exchange::Fetched, tributary_exchange::FetchError> {
    reader.node.fetch(providers, request(blob), |_| ()).await
}

/// A peer without any of the crate's own logic.
pub struct RawPeer {
    pub id: PeerId,
    control: libp2p_stream::Control,
    pub task: tokio::task::JoinHandle<()>,
}

fn raw_swarm() -> Swarm<libp2p_stream::Behaviour> {
    SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|_| libp2p_stream::Behaviour::new())
        .unwrap()
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(60)))
        .build()
}

impl RawPeer {
    /// Connects to a provider.
    pub async fn connect(address: Multiaddr) -> Self {
        let mut swarm = raw_swarm();
        swarm.dial(address).unwrap();
        let (id, control) = (*swarm.local_peer_id(), swarm.behaviour().new_control());
        while !matches!(swarm.select_next_some().await, SwarmEvent::ConnectionEstablished { .. }) {}
        let task = tokio::spawn(async move {
            loop {
                swarm.select_next_some().await;
            }
        });
        Self { id, control, task }
    }

    /// Listens, and treats every stream as `serve` says.
    pub async fn listen<F>(serve: impl Fn(Stream) -> F + Send + 'static) -> (Multiaddr, Self)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut swarm = raw_swarm();
        swarm.listen_on(Transport::Tcp.any_port()).unwrap();
        let (id, control) = (*swarm.local_peer_id(), swarm.behaviour().new_control());
        let mut incoming = control.clone().accept(PROTOCOL).unwrap();
        let address = loop {
            if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                break address.with(Protocol::P2p(id));
            }
        };
        let task = tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = swarm.select_next_some() => {}
                    Some((_, stream)) = incoming.next() => { tokio::spawn(serve(stream)); }
                }
            }
        });
        (address, Self { id, control, task })
    }

    pub async fn open(&mut self, provider: PeerId) -> Stream {
        self.control.open_stream(provider, PROTOCOL).await.unwrap()
    }

    pub fn claim(&self, provider: PeerId, blob: BlobHash) -> ReadClaim {
        ReadClaim {
            genesis: GENESIS,
            provider,
            reader: self.id,
            account: account(),
            scope: SCOPE,
            blob,
            reader_nonce: [5; 32],
            provider_nonce: [0; 32],
        }
    }

    /// Says hello as `claim` says; returns the provider's nonce.
    pub async fn hello(stream: &mut Stream, claim: &ReadClaim) -> [u8; 32] {
        let hello = Hello { account: claim.account, scope: claim.scope, blob: claim.blob, nonce: claim.reader_nonce };
        wire::send(stream, &ReaderMessage::Hello(hello)).await.unwrap();
        match wire::receive(stream).await.unwrap().unwrap() {
            ProviderMessage::Challenge { nonce } => nonce,
            other => panic!("{other:?}"),
        }
    }

    /// The whole handshake, with the claim that is signed changed by `tamper`.
    pub async fn handshake(
        stream: &mut Stream,
        claim: ReadClaim,
        tamper: impl FnOnce(&mut ReadClaim),
    ) -> ProviderMessage {
        let mut signed = ReadClaim { provider_nonce: Self::hello(stream, &claim).await, ..claim };
        tamper(&mut signed);
        let signature = signer().sign(&signed.message());
        wire::send(stream, &ReaderMessage::Proof { signature }).await.unwrap();
        wire::receive(stream).await.unwrap().unwrap()
    }
}

impl Drop for RawPeer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

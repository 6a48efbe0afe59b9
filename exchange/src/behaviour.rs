//! The swarm: transports, connection limits, and the task that drives them.

use std::{collections::HashMap, time::Duration};

use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Swarm, SwarmBuilder,
    connection_limits::{self, ConnectionLimits},
    identity::Keypair,
    multiaddr::Protocol,
    noise,
    swarm::{
        ConnectionId, NetworkBehaviour, SwarmEvent,
        dial_opts::{DialOpts, PeerCondition},
    },
    tcp, yamux,
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::timeout,
};

/// Bytes in flight on one QUIC stream, and so the most that reaches a reader after its grant is revoked.
/// Enough for 20 MB/s at a round trip of 100 ms. (TCP has yamux's window: 256 KiB, which grows on fast paths.)
const QUIC_STREAM_BYTES: u32 = 2 << 20;
/// How long a connection without streams stays open.
const IDLE_CONNECTION: Duration = Duration::from_secs(30);
/// How long connections may take to close when the node stops.
const CLOSE_TIME: Duration = Duration::from_secs(2);

/// Most connections, all peers together and with one peer.
const CONNECTIONS_MAX: u32 = 1024;
const CONNECTIONS_PER_PEER_MAX: u32 = 8;
const CONNECTIONS_PENDING_MAX: u32 = 128;

#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    pub(crate) streams: libp2p_stream::Behaviour,
    limits: connection_limits::Behaviour,
}

/// A swarm that speaks Noise and Yamux over TCP, and QUIC.
pub(crate) fn build(identity: Keypair) -> Result<Swarm<Behaviour>, noise::Error> {
    let limits = ConnectionLimits::default()
        .with_max_pending_incoming(Some(CONNECTIONS_PENDING_MAX))
        .with_max_established(Some(CONNECTIONS_MAX))
        .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER_MAX));
    let swarm = SwarmBuilder::with_existing_identity(identity)
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)?
        .with_quic_config(|mut config| {
            config.max_stream_data = QUIC_STREAM_BYTES;
            config
        })
        .with_behaviour(|_| Behaviour {
            streams: libp2p_stream::Behaviour::new(),
            limits: connection_limits::Behaviour::new(limits),
        })
        .unwrap_or_else(|never| match never {})
        .with_swarm_config(|config| config.with_idle_connection_timeout(IDLE_CONNECTION))
        .build();
    Ok(swarm)
}

/// What the node asks of the driver.
pub(crate) enum Command {
    /// Connect, and say to whom, or why not.
    Dial { address: Multiaddr, reply: oneshot::Sender<Result<PeerId, String>> },
    /// Close all connections and return.
    Stop,
}

/// The task that owns the swarm.
pub(crate) struct Driver {
    swarm: Swarm<Behaviour>,
    commands: mpsc::Receiver<Command>,
    addresses: watch::Sender<Vec<Multiaddr>>,
    dials: HashMap<ConnectionId, oneshot::Sender<Result<PeerId, String>>>,
}

impl Driver {
    pub(crate) fn new(
        swarm: Swarm<Behaviour>,
        commands: mpsc::Receiver<Command>,
        addresses: watch::Sender<Vec<Multiaddr>>,
    ) -> Self {
        Self { swarm, commands, addresses, dials: HashMap::new() }
    }

    /// Runs until told to stop, or until every handle is gone.
    pub(crate) async fn run(mut self) {
        loop {
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(Command::Dial { address, reply }) => self.dial(address, reply),
                    Some(Command::Stop) | None => break,
                },
                event = self.swarm.select_next_some() => self.handle(event),
            }
        }
        // Closing lets the muxers flush what the streams wrote last.
        let peers: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
        for peer in peers {
            // It fails only for peers that are gone already.
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        let drain = async {
            while self.swarm.connected_peers().next().is_some() {
                self.swarm.select_next_some().await;
            }
        };
        let _ = timeout(CLOSE_TIME, drain).await;
    }

    fn dial(&mut self, mut address: Multiaddr, reply: oneshot::Sender<Result<PeerId, String>>) {
        let peer = match address.iter().last() {
            Some(Protocol::P2p(peer)) => {
                address.pop();
                Some(peer)
            }
            _ => None,
        };
        if let Some(peer) = peer.filter(|peer| self.swarm.is_connected(peer)) {
            // The caller may have given up meanwhile; here and below.
            let _ = reply.send(Ok(peer));
            return;
        }
        let options = match peer {
            Some(peer) => DialOpts::peer_id(peer).addresses(vec![address]).condition(PeerCondition::Always).build(),
            None => DialOpts::unknown_peer_id().address(address).build(),
        };
        let connection = options.connection_id();
        match self.swarm.dial(options) {
            Ok(()) => {
                self.dials.insert(connection, reply);
            }
            Err(error) => {
                let _ = reply.send(Err(error.to_string()));
            }
        }
    }

    fn handle(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::ConnectionEstablished { connection_id, peer_id, .. } => {
                if let Some(reply) = self.dials.remove(&connection_id) {
                    let _ = reply.send(Ok(peer_id));
                }
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                if let Some(reply) = self.dials.remove(&connection_id) {
                    let _ = reply.send(Err(error.to_string()));
                }
            }
            SwarmEvent::NewListenAddr { address, .. } => {
                tracing::info!(%address, "listening");
                self.addresses.send_modify(|all| {
                    if !all.contains(&address) {
                        all.push(address);
                    }
                });
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                self.addresses.send_modify(|all| all.retain(|known| *known != address));
            }
            SwarmEvent::ListenerError { error, .. } => tracing::warn!(%error, "a listener failed"),
            SwarmEvent::IncomingConnectionError { error, .. } => {
                tracing::debug!(%error, "an incoming connection failed");
            }
            _ => {}
        }
    }
}

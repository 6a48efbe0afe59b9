//! Fetching: one blob from the first provider that delivers it, group by verified group.

use std::{
    io::{self, Read},
    sync::Arc,
    time::Duration,
};

use bytes::{Buf, Bytes};
use futures::{AsyncRead, AsyncWrite};
use libp2p::{Multiaddr, PeerId};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};

use crate::{
    access::{AccountSigner, BlobHash, GenesisHash, ReadClaim, Scope},
    geometry::{BLOB_BYTES_MAX, GroupRange},
    node::Connector,
    provider::blocking,
    store::{ReceiveError, SizeProof, Store, StoreError, WriteTarget},
    wire::{self, EndReason, Hello, ProviderMessage, RANGES_MAX, ReaderMessage, WireError},
};

/// Frames waiting between the network and the disk.
const FRAMES_AHEAD: usize = 32;

/// Who reads, and on which chain its grants are.
#[derive(Clone)]
pub struct Reader {
    /// The account in whose name the node reads.
    pub signer: Arc<dyn AccountSigner>,
    /// The chain's genesis hash.
    pub genesis: GenesisHash,
}

/// How patient a fetch is.
#[derive(Clone, Copy, Debug)]
pub struct FetchLimits {
    /// How long connecting and opening a stream may take.
    pub connect_timeout: Duration,
    /// How long a provider may take for its next message; later, it stalls.
    pub stall_timeout: Duration,
    /// How often a provider that is busy, or whose connection breaks, is tried in one fetch.
    pub attempts: u32,
    /// The pause before a provider's second attempt; it doubles from there.
    pub retry_pause: Duration,
}

impl Default for FetchLimits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(20),
            attempts: 3,
            retry_pause: Duration::from_millis(250),
        }
    }
}

/// What to fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchRequest {
    /// What the permission is for.
    pub scope: Scope,
    /// The blob.
    pub blob: BlobHash,
    /// Its size if known, from a manifest for instance: a provider that says otherwise is excluded at once.
    pub bytes: Option<u64>,
}

/// How far a fetch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Verified bytes, those of earlier runs included.
    pub verified: u64,
    /// Proven size of the blob.
    pub total: u64,
}

/// What a fetch did.
#[derive(Debug)]
pub struct Fetched {
    /// The blob, now complete in the store.
    pub blob: BlobHash,
    /// Its size.
    pub bytes: u64,
    /// Verified bytes that were in the store before.
    pub resumed: u64,
    /// Bytes received, hash pairs included, whether or not they verified.
    pub received: u64,
    /// Providers that failed on the way, in order.
    pub faults: Vec<(Multiaddr, ProviderFault)>,
}

/// Why a provider was given up.
#[derive(Debug, thiserror::Error)]
pub enum ProviderFault {
    /// No connection came about.
    #[error("unreachable: {reason}")]
    Unreachable {
        /// The transport's reason.
        reason: String,
    },
    /// It has no such blob for this account.
    #[error("no such blob for this account: absent, or not permitted")]
    Refused,
    /// It has no room for another stream.
    #[error("busy")]
    Busy,
    /// Its bytes are not the blob's.
    #[error("wrong bytes ({detail})")]
    WrongBytes {
        /// The node or chunk that did not verify.
        detail: String,
    },
    /// Its size is not the blob's.
    #[error("says {claimed} bytes where there are {known}")]
    WrongSize {
        /// What it says.
        claimed: u64,
        /// What is known.
        known: u64,
    },
    /// It said nothing for too long.
    #[error("silent for {0:?}")]
    Stalled(Duration),
    /// The connection went.
    #[error("gone: {reason}")]
    Vanished {
        /// What broke.
        reason: String,
    },
    /// It does not keep to the protocol.
    #[error("does not keep to the protocol: {reason}")]
    Protocol {
        /// What it did.
        reason: String,
    },
    /// It stopped because the grant no longer holds.
    #[error("stopped: the grant was revoked")]
    Revoked,
    /// It is shutting down.
    #[error("stopped: it is shutting down")]
    Stopping,
    /// It cannot go on: damaged copy, or no view of the chain.
    #[error("stopped: it cannot go on")]
    Failed,
}

impl ProviderFault {
    /// Whether the same provider may do better in a moment.
    fn is_passing(&self) -> bool {
        matches!(self, Self::Busy | Self::Vanished { .. })
    }
}

/// Why a fetch failed. Whatever was verified is kept, and the next fetch of the blob goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The node has no account to read for.
    #[error("this node has no account to read for; hint: configure a reader")]
    NoReader,
    /// No provider was named.
    #[error("no provider was named")]
    NoProviders,
    /// Every provider failed.
    #[error(
        "no provider delivered blob {} ({verified} bytes verified and kept): {}",
        hex::encode(blob),
        summary(faults)
    )]
    AllFailed {
        /// The blob.
        blob: BlobHash,
        /// Verified bytes in the store.
        verified: u64,
        /// Why each provider was given up.
        faults: Vec<(Multiaddr, ProviderFault)>,
    },
    /// The store cannot take it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The node stops.
    #[error("the node is shutting down")]
    Stopping,
}

impl FetchError {
    /// Whether access is what was missing: each provider refused, or stopped for a revoked grant.
    pub fn is_access_denied(&self) -> bool {
        matches!(self, Self::AllFailed { faults, .. } if faults
            .iter()
            .all(|(_, fault)| matches!(fault, ProviderFault::Refused | ProviderFault::Revoked)))
    }
}

fn summary(faults: &[(Multiaddr, ProviderFault)]) -> String {
    let parts: Vec<String> = faults.iter().map(|(address, fault)| format!("{address}: {fault}")).collect();
    parts.join("; ")
}

/// What ends one conversation with one provider.
enum Trouble {
    /// The provider's fault: go on with the next.
    Provider(ProviderFault),
    /// Ours: no provider can help.
    Store(StoreError),
}

impl From<ProviderFault> for Trouble {
    fn from(fault: ProviderFault) -> Self {
        Self::Provider(fault)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<WireError> for ProviderFault {
    fn from(error: WireError) -> Self {
        let reason = error.to_string();
        match error {
            WireError::Io(_) | WireError::Ended { .. } => Self::Vanished { reason },
            _ => Self::Protocol { reason },
        }
    }
}

type ProgressFn = Arc<dyn Fn(Progress) + Send + Sync>;

/// One fetch under way.
pub(crate) struct Fetch<'a> {
    pub connector: &'a Connector,
    pub store: &'a Store,
    pub reader: &'a Reader,
    pub limits: &'a FetchLimits,
    pub request: FetchRequest,
    pub progress: ProgressFn,
    pub received: u64,
}

impl Fetch<'_> {
    pub(crate) async fn run(mut self, providers: &[Multiaddr]) -> Result<Fetched, FetchError> {
        let blob = self.request.blob;
        let target = match self.resume().await {
            Ok(target) => target,
            Err(StoreError::AlreadyComplete { .. }) => return self.already_complete(),
            Err(error) => return Err(error.into()),
        };
        if providers.is_empty() {
            return Err(FetchError::NoProviders);
        }
        let resumed = target.verified_bytes();
        let mut slot = Some(target);
        let mut faults = Vec::new();
        for address in providers {
            match self.try_provider(address, &mut slot).await {
                Ok(bytes) => {
                    return Ok(Fetched { blob, bytes, resumed, received: self.received, faults });
                }
                Err(Trouble::Store(error)) => return Err(error.into()),
                Err(Trouble::Provider(fault)) => {
                    tracing::info!(%address, %fault, blob = hex::encode(blob), "a provider is given up");
                    faults.push((address.clone(), fault));
                }
            }
        }
        let verified = slot.as_ref().map_or(0, WriteTarget::verified_bytes);
        // Dropping records the progress, which blocks.
        blocking(move || drop(slot)).await;
        Err(FetchError::AllFailed { blob, verified, faults })
    }

    fn already_complete(&self) -> Result<Fetched, FetchError> {
        let blob = self.request.blob;
        let bytes = self.store.get(&blob)?.info().bytes;
        (self.progress)(Progress { verified: bytes, total: bytes });
        Ok(Fetched { blob, bytes, resumed: bytes, received: self.received, faults: Vec::new() })
    }

    /// What an earlier fetch left. Waits while another fetch of this node writes the blob.
    async fn resume(&self) -> Result<WriteTarget, StoreError> {
        let mut released = self.store.released();
        loop {
            released.borrow_and_update();
            let (store, blob) = (self.store.clone(), self.request.blob);
            match blocking(move || store.resume(blob)).await {
                Err(StoreError::Busy { .. }) => {
                    // The sender lives as long as the store, which this fetch holds.
                    let _ = released.changed().await;
                }
                other => return other,
            }
        }
    }

    /// Tries one provider until it delivers, or until trying again is of no use.
    async fn try_provider(&mut self, address: &Multiaddr, slot: &mut Option<WriteTarget>) -> Result<u64, Trouble> {
        let mut pause = self.limits.retry_pause;
        let mut attempt = 1;
        loop {
            match self.converse(address, slot).await {
                Err(Trouble::Provider(fault)) if fault.is_passing() && attempt < self.limits.attempts => {
                    tracing::debug!(%address, %fault, attempt, "a provider is tried again");
                    sleep(pause).await;
                    pause *= 2;
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }

    /// One conversation: handshake, size, missing groups. Puts the target back into the slot if the provider fails.
    async fn converse(&mut self, address: &Multiaddr, slot: &mut Option<WriteTarget>) -> Result<u64, Trouble> {
        let (provider, mut stream) = self.connector.open(address, self.limits.connect_timeout).await?;
        let size = self.handshake(provider, &mut stream).await?;
        let known = slot.as_ref().and_then(WriteTarget::size).or(self.request.bytes);
        if let Some(known) = known.filter(|known| *known != size) {
            return Err(ProviderFault::WrongSize { claimed: size, known }.into());
        }
        if size > BLOB_BYTES_MAX {
            return Err(ProviderFault::WrongSize { claimed: size, known: BLOB_BYTES_MAX }.into());
        }
        if let Some(WriteTarget::Fresh(_)) = slot {
            let proof = self.prove_size(size, &mut stream).await?;
            if let Some(WriteTarget::Fresh(turn)) = slot.take() {
                *slot = Some(WriteTarget::Partial(blocking(move || turn.begin(proof)).await?));
            }
        }
        let Some(WriteTarget::Partial(mut writer)) = slot.take() else {
            unreachable!("a fetch ends with the first trouble that takes its target");
        };
        let total = size;
        (self.progress)(Progress { verified: writer.verified_bytes(), total });

        while !writer.have().is_full() {
            let ranges = writer.have().missing(RANGES_MAX as usize);
            let progress = Arc::clone(&self.progress);
            let (back, outcome) = self
                .pull(&mut stream, ranges.clone(), move |encoded| {
                    let outcome = writer.receive(&ranges, encoded, |verified| {
                        progress(Progress { verified, total });
                    });
                    (writer, outcome)
                })
                .await;
            writer = back;
            if let Err(trouble) = outcome {
                *slot = Some(WriteTarget::Partial(writer));
                return Err(trouble);
            }
        }
        blocking(move || writer.finish()).await?;
        Ok(size)
    }

    /// Has the provider prove the size it claims.
    async fn prove_size(
        &mut self,
        size: u64,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    ) -> Result<SizeProof, Trouble> {
        let blob = self.request.blob;
        let (proof, outcome) = self
            .pull(stream, vec![SizeProof::range(size)], move |encoded| match SizeProof::verify(blob, size, encoded) {
                Ok(proof) => (Some(proof), Ok(())),
                Err(error) => (None, Err(error)),
            })
            .await;
        outcome?;
        Ok(proof.expect("a pull without trouble has verified its range"))
    }

    /// Asks to read, and returns the size that the provider claims.
    async fn handshake(
        &self,
        provider: PeerId,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    ) -> Result<u64, ProviderFault> {
        let FetchRequest { scope, blob, .. } = self.request;
        let account = self.reader.signer.account();
        let reader_nonce: [u8; 32] = rand::random();
        let hello = Hello { account, scope, blob, nonce: reader_nonce };
        self.say(stream, &ReaderMessage::Hello(hello)).await?;
        let provider_nonce = match self.hear(stream, "Challenge").await? {
            ProviderMessage::Challenge { nonce } => nonce,
            ProviderMessage::Busy => return Err(ProviderFault::Busy),
            _ => return Err(WireError::Unexpected { expected: "Challenge" }.into()),
        };
        let claim = ReadClaim {
            genesis: self.reader.genesis,
            provider,
            reader: self.connector.local,
            account,
            scope,
            blob,
            reader_nonce,
            provider_nonce,
        };
        let signature = self.reader.signer.sign(&claim.message());
        self.say(stream, &ReaderMessage::Proof { signature }).await?;
        match self.hear(stream, "Granted").await? {
            ProviderMessage::Granted { bytes } => Ok(bytes),
            ProviderMessage::Refused => Err(ProviderFault::Refused),
            _ => Err(WireError::Unexpected { expected: "Granted" }.into()),
        }
    }

    /// Asks for ranges and feeds the answer to `consume` on a blocking thread, so that the network,
    /// the hashing and the disk work at the same time.
    async fn pull<T: Send + 'static>(
        &mut self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        ranges: Vec<GroupRange>,
        consume: impl FnOnce(FrameReader) -> (T, Result<(), ReceiveError>) + Send + 'static,
    ) -> (T, Result<(), Trouble>) {
        let (frames, receiver) = mpsc::channel(FRAMES_AHEAD);
        let consumer = blocking(move || consume(FrameReader { frames: receiver, current: Bytes::new() }));
        let (network, (value, verdict)) = futures::future::join(self.pump(stream, ranges, frames), consumer).await;
        let outcome = match (verdict, network) {
            // Wrong bytes and our own disk explain whatever the network saw afterwards.
            (Err(ReceiveError::WrongBytes { detail }), _) => Err(ProviderFault::WrongBytes { detail }.into()),
            (Err(ReceiveError::Store(error)), _) => Err(error.into()),
            (_, Err(fault)) => Err(fault.into()),
            (Err(ReceiveError::Truncated), Ok(())) => {
                let reason = "it ended before all was sent".into();
                Err(ProviderFault::Protocol { reason }.into())
            }
            (Ok(()), Ok(())) => Ok(()),
        };
        (value, outcome)
    }

    /// Moves data frames to the consumer until the end.
    async fn pump(
        &mut self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        ranges: Vec<GroupRange>,
        frames: mpsc::Sender<Bytes>,
    ) -> Result<(), ProviderFault> {
        let ranges = ranges.try_into().expect("a reader asks for at most RANGES_MAX ranges");
        self.say(stream, &ReaderMessage::Want { ranges }).await?;
        loop {
            match self.hear(stream, "Data").await? {
                ProviderMessage::Data(data) => {
                    self.received += data.len() as u64;
                    if frames.send(data.into_inner().into()).await.is_err() {
                        // The consumer is done, or has failed and says why.
                        return Err(ProviderFault::Protocol { reason: "it sent more than was asked".into() });
                    }
                }
                ProviderMessage::End(reason) => {
                    return match reason {
                        EndReason::Complete => Ok(()),
                        EndReason::Revoked => Err(ProviderFault::Revoked),
                        EndReason::Stopping => Err(ProviderFault::Stopping),
                        EndReason::Failed => Err(ProviderFault::Failed),
                    };
                }
                _ => return Err(WireError::Unexpected { expected: "Data" }.into()),
            }
        }
    }

    async fn hear(
        &self,
        stream: &mut (impl AsyncRead + Unpin),
        expected: &'static str,
    ) -> Result<ProviderMessage, ProviderFault> {
        timeout(self.limits.stall_timeout, wire::receive(stream))
            .await
            .map_err(|_| ProviderFault::Stalled(self.limits.stall_timeout))??
            .ok_or(WireError::Ended { expected }.into())
    }

    async fn say(&self, stream: &mut (impl AsyncWrite + Unpin), message: &ReaderMessage) -> Result<(), ProviderFault> {
        timeout(self.limits.stall_timeout, wire::send(stream, message))
            .await
            .map_err(|_| ProviderFault::Stalled(self.limits.stall_timeout))?
            .map_err(ProviderFault::from)
    }
}

/// The joined data frames, read on a blocking thread.
struct FrameReader {
    frames: mpsc::Receiver<Bytes>,
    current: Bytes,
}

impl Read for FrameReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.frames.blocking_recv() {
                Some(frame) => self.current = frame,
                None => return Ok(0),
            }
        }
        let count = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

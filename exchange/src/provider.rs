//! Serving: the handshake, the two questions (is it there, may it be read), and the stream that stops with the grant.

use std::{
    collections::HashMap,
    io::{self, Write},
    mem,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::{AsyncRead, AsyncWrite, AsyncWriteExt};
use libp2p::PeerId;
use tokio::{sync::mpsc, sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    access::{GrantSource, ReadClaim},
    geometry::{GROUP_BYTES, GroupRange},
    store::{Blob, Store},
    wire::{self, EndReason, Hello, ProviderMessage, ReaderMessage, WireError},
};

/// Encoded groups waiting between the disk and the network.
const FRAMES_AHEAD: usize = 4;

/// What bounds a provider.
#[derive(Clone, Copy, Debug)]
pub struct ProviderLimits {
    /// Most streams that one peer has open at a time.
    pub streams_per_peer: usize,
    /// Most streams open at a time.
    pub streams: usize,
    /// How long each message of the handshake may take.
    pub handshake_timeout: Duration,
    /// How long a reader may leave the stream idle or full.
    pub idle_timeout: Duration,
    /// How long the grant source may take. Later counts as no.
    pub grant_timeout: Duration,
}

impl Default for ProviderLimits {
    fn default() -> Self {
        Self {
            streams_per_peer: 8,
            streams: 256,
            handshake_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
            grant_timeout: Duration::from_secs(10),
        }
    }
}

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProviderStats {
    /// Readers let in.
    pub granted: u64,
    /// Readers turned away: absent, forbidden or badly signed.
    pub refused: u64,
    /// Streams turned away for want of room.
    pub busy: u64,
    /// Transfers stopped because their grant went.
    pub revoked: u64,
    /// Frames of data written, each at most one group.
    pub frames: u64,
    /// Bytes of data written, hash pairs included.
    pub bytes: u64,
}

#[derive(Default)]
struct Counters {
    granted: AtomicU64,
    refused: AtomicU64,
    busy: AtomicU64,
    revoked: AtomicU64,
    frames: AtomicU64,
    bytes: AtomicU64,
}

fn count(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

/// Serves a store's blobs to those whom the grant source lets read them.
pub(crate) struct Provider {
    store: Store,
    grants: Arc<dyn GrantSource>,
    limits: ProviderLimits,
    local: PeerId,
    stopping: CancellationToken,
    open: Mutex<HashMap<PeerId, usize>>,
    counters: Counters,
}

/// Why a stream ended before its reader closed it. For the log only: none of this is told to the reader.
#[derive(Debug, thiserror::Error)]
enum ServeError {
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("the reader was silent or did not read for {0:?}")]
    Idle(Duration),
    #[error("the reader asked for ranges outside the blob")]
    BadRanges,
    #[error("the transfer ended: {0:?}")]
    Ended(EndReason),
}

impl Provider {
    pub(crate) fn new(
        store: Store,
        grants: Arc<dyn GrantSource>,
        limits: ProviderLimits,
        local: PeerId,
        stopping: CancellationToken,
    ) -> Self {
        Self { store, grants, limits, local, stopping, open: Mutex::default(), counters: Counters::default() }
    }

    pub(crate) fn stats(&self) -> ProviderStats {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ProviderStats {
            granted: load(&self.counters.granted),
            refused: load(&self.counters.refused),
            busy: load(&self.counters.busy),
            revoked: load(&self.counters.revoked),
            frames: load(&self.counters.frames),
            bytes: load(&self.counters.bytes),
        }
    }

    /// Serves one stream to its end.
    pub(crate) async fn serve(self: Arc<Self>, reader: PeerId, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let outcome = match self.admit(reader) {
            Some(_place) => self.converse(reader, &mut stream).await,
            None => {
                count(&self.counters.busy, 1);
                self.say(&mut stream, &ProviderMessage::Busy).await
            }
        };
        if let Err(error) = outcome {
            tracing::debug!(%reader, %error, "a stream ended");
        }
        // A reader that does not take the last bytes is not waited for.
        let _ = timeout(self.limits.handshake_timeout, stream.close()).await;
    }

    /// A place for one more stream of this peer, if there is one.
    fn admit(&self, reader: PeerId) -> Option<Place<'_>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let total: usize = open.values().sum();
        let own = open.entry(reader).or_default();
        if total >= self.limits.streams || *own >= self.limits.streams_per_peer {
            if *own == 0 {
                open.remove(&reader);
            }
            return None;
        }
        *own += 1;
        Some(Place { provider: self, reader })
    }

    async fn converse(
        &self,
        reader: PeerId,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    ) -> Result<(), ServeError> {
        // Taken before the first check, so that no block between it and the stream goes unseen.
        let mut finalised = self.grants.finalised();
        finalised.borrow_and_update();
        let (hello, signed) = self.handshake(reader, stream).await?;
        let Some(blob) = self.judge(&hello, signed).await else {
            count(&self.counters.refused, 1);
            return self.say(stream, &ProviderMessage::Refused).await;
        };
        count(&self.counters.granted, 1);
        tracing::debug!(%reader, scope = %hello.scope, blob = hex::encode(hello.blob), "serving");
        self.say(stream, &ProviderMessage::Granted { bytes: blob.info().bytes }).await?;

        let blob = Arc::new(blob);
        loop {
            let wanted = tokio::select! {
                () = self.stopping.cancelled() => return Ok(()),
                wanted = timeout(self.limits.idle_timeout, wire::receive(stream)) => wanted,
            };
            let ranges = match wanted.map_err(|_| ServeError::Idle(self.limits.idle_timeout))?? {
                None => return Ok(()),
                Some(ReaderMessage::Want { ranges }) => ranges.into_inner(),
                Some(_) => return Err(WireError::Unexpected { expected: "Want" }.into()),
            };
            if crate::geometry::chunk_ranges(&ranges, blob.groups()).is_none() {
                return Err(ServeError::BadRanges);
            }
            let end = self.transfer(&hello, &blob, ranges, &mut finalised, stream).await?;
            self.say(stream, &ProviderMessage::End(end)).await?;
            if end != EndReason::Complete {
                if end == EndReason::Revoked {
                    count(&self.counters.revoked, 1);
                }
                return Err(ServeError::Ended(end));
            }
        }
    }

    /// Gets the reader's claim and says whether the account signed it.
    async fn handshake(
        &self,
        reader: PeerId,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    ) -> Result<(Hello, bool), ServeError> {
        let ReaderMessage::Hello(hello) = self.hear(stream, "Hello").await? else {
            return Err(WireError::Unexpected { expected: "Hello" }.into());
        };
        let nonce: [u8; 32] = rand::random();
        self.say(stream, &ProviderMessage::Challenge { nonce }).await?;
        let ReaderMessage::Proof { signature } = self.hear(stream, "Proof").await? else {
            return Err(WireError::Unexpected { expected: "Proof" }.into());
        };
        let claim = ReadClaim {
            genesis: self.grants.genesis(),
            provider: self.local,
            reader,
            account: hello.account,
            scope: hello.scope,
            blob: hello.blob,
            reader_nonce: hello.nonce,
            provider_nonce: nonce,
        };
        Ok((hello, claim.is_signed_by_account(&signature)))
    }

    /// The blob, if it is there and may be read. Both questions are always asked, in the same order and in full, so that
    /// neither the answer nor its path tells absent from forbidden; the files are touched only after both.
    async fn judge(&self, hello: &Hello, signed: bool) -> Option<Blob> {
        let permitted = self.may_read(hello).await == Ok(true);
        let (store, hash) = (self.store.clone(), hello.blob);
        let present = blocking(move || store.contains(&hash)).await;
        let present = present.unwrap_or_else(|error| {
            tracing::error!(%error, "the store cannot be read");
            false
        });
        if !(signed & permitted & present) {
            return None;
        }
        let store = self.store.clone();
        blocking(move || store.get(&hash))
            .await
            .inspect_err(|error| tracing::error!(%error, "a blob cannot be served"))
            .ok()
    }

    /// `Err` when it could not be found out.
    async fn may_read(&self, hello: &Hello) -> Result<bool, ()> {
        let question = self.grants.may_read(hello.account, hello.scope, hello.blob);
        match timeout(self.limits.grant_timeout, question).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                tracing::warn!(%error, "a grant could not be looked up");
                Err(())
            }
            Err(_) => {
                tracing::warn!("the grant source did not answer in time");
                Err(())
            }
        }
    }

    /// Sends the encoding of `ranges`. Before each group it looks for a new finalised block, and asks again if there is one.
    async fn transfer(
        &self,
        hello: &Hello,
        blob: &Arc<Blob>,
        ranges: Vec<GroupRange>,
        finalised: &mut watch::Receiver<u32>,
        stream: &mut (impl AsyncWrite + Unpin),
    ) -> Result<EndReason, ServeError> {
        let (frames, mut encoded) = mpsc::channel(FRAMES_AHEAD);
        let blob = Arc::clone(blob);
        let encoder = tokio::task::spawn_blocking(move || {
            let mut out = FrameWriter { frames, pending: Vec::new() };
            blob.encode(&ranges, &mut out)?;
            out.flush()
        });
        while let Some(data) = encoded.recv().await {
            if self.stopping.is_cancelled() {
                return Ok(EndReason::Stopping);
            }
            match finalised.has_changed() {
                Ok(false) => {}
                Ok(true) => {
                    finalised.borrow_and_update();
                    match self.may_read(hello).await {
                        Ok(true) => {}
                        Ok(false) => return Ok(EndReason::Revoked),
                        Err(()) => return Ok(EndReason::Failed),
                    }
                }
                // Nobody follows the chain any more: a revocation would go unseen.
                Err(_) => return Ok(EndReason::Failed),
            }
            let bytes = data.len() as u64;
            let data = data.try_into().expect("a frame holds one group and its hash pairs");
            let message = ProviderMessage::Data(data);
            timeout(self.limits.idle_timeout, wire::write_frame(stream, &message))
                .await
                .map_err(|_| ServeError::Idle(self.limits.idle_timeout))??;
            count(&self.counters.frames, 1);
            count(&self.counters.bytes, bytes);
        }
        match encoder.await {
            Ok(Ok(())) => Ok(EndReason::Complete),
            Ok(Err(error)) => {
                tracing::error!(%error, blob = hex::encode(hello.blob), "a blob cannot be read; hint: remove it and import it again");
                Ok(EndReason::Failed)
            }
            Err(error) => {
                tracing::error!(%error, "an encoder panicked");
                Ok(EndReason::Failed)
            }
        }
    }

    async fn hear(
        &self,
        stream: &mut (impl AsyncRead + Unpin),
        expected: &'static str,
    ) -> Result<ReaderMessage, ServeError> {
        timeout(self.limits.handshake_timeout, wire::receive(stream))
            .await
            .map_err(|_| ServeError::Idle(self.limits.handshake_timeout))??
            .ok_or(WireError::Ended { expected }.into())
    }

    async fn say(&self, stream: &mut (impl AsyncWrite + Unpin), message: &ProviderMessage) -> Result<(), ServeError> {
        timeout(self.limits.idle_timeout, wire::send(stream, message))
            .await
            .map_err(|_| ServeError::Idle(self.limits.idle_timeout))?
            .map_err(ServeError::from)
    }
}

/// Runs what blocks off the async threads.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// One stream's place among those open; free again on drop.
struct Place<'a> {
    provider: &'a Provider,
    reader: PeerId,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut open = self.provider.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = open.get_mut(&self.reader) {
            *own -= 1;
            if *own == 0 {
                open.remove(&self.reader);
            }
        }
    }
}

/// Cuts the encoding into frames: hash pairs, then the group they lead to.
struct FrameWriter {
    frames: mpsc::Sender<Vec<u8>>,
    pending: Vec<u8>,
}

impl Write for FrameWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pending.extend_from_slice(bytes);
        // Hash pairs alone never fill a group's worth: one more level has 64 bytes, and there are at most 26.
        // So a full frame ends with its one group. A short last group is sent by the flush.
        if self.pending.len() as u64 >= GROUP_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.frames.blocking_send(mem::take(&mut self.pending)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

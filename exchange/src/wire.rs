//! The messages of one stream, their encoding, and the bounds on every length.
//!
//! ```text
//! reader                                   provider
//!   Hello { account, scope, blob, nonce } ->
//!                                         <- Challenge { nonce }     (or Busy)
//!   Proof { signature }                   ->
//!                                         <- Granted { bytes }       (or Refused: absent, forbidden, badly signed alike)
//!   Want { ranges }                       ->
//!                                         <- Data .. Data, End
//!   Want ..                               ->                         (or the reader closes)
//! ```
//! A frame is a little-endian `u32` length, a version byte, and the SCALE encoding of one message.
//! The bytes of the `Data` frames after one `Want`, joined, are the bao encoding of the wanted ranges
//! at 16 KiB groups, without a size header; one frame never holds more than one group and its hash pairs.

use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, DecodeAll, Encode};
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::StreamProtocol;

use crate::{
    access::{AccountKey, BlobHash, Scope},
    geometry::{GROUP_BYTES, GroupRange},
};

/// The name under which peers agree on this protocol.
pub const PROTOCOL: StreamProtocol = StreamProtocol::new("/tributary/exchange/1");
/// First byte of every frame.
pub const VERSION: u8 = 1;
/// Most ranges in one `Want`; a reader with more holes asks again.
pub const RANGES_MAX: u32 = 1024;
/// Most bytes in one `Data`: a group, and a pair of hashes for each level of the highest tree (26), rounded up to 64.
pub const DATA_BYTES_MAX: u32 = GROUP_BYTES as u32 + 64 * 64;

/// What a reader says first.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Hello {
    /// The account in whose name it reads.
    pub account: AccountKey,
    /// What the permission is for.
    pub scope: Scope,
    /// The blob it wants.
    pub blob: BlobHash,
    /// Fresh random bytes, part of the signed claim.
    pub nonce: [u8; 32],
}

/// From the reader to the provider.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ReaderMessage {
    /// Opens the handshake.
    Hello(Hello),
    /// Answers the challenge: the account's signature over [`crate::ReadClaim::message`].
    Proof {
        /// sr25519, context `substrate`.
        signature: [u8; 64],
    },
    /// Asks for ranges, ascending and apart.
    Want {
        /// In chunk groups.
        ranges: BoundedVec<GroupRange, ConstU32<RANGES_MAX>>,
    },
}

/// From the provider to the reader.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ProviderMessage {
    /// Asks for a proof.
    Challenge {
        /// Fresh random bytes, part of the signed claim.
        nonce: [u8; 32],
    },
    /// The reader may ask for ranges.
    Granted {
        /// Size of the blob, which the reader proves by verifying the last group.
        bytes: u64,
    },
    /// There is no such blob for this reader: absent or forbidden, which it is stays unsaid.
    Refused,
    /// Too many streams; says nothing about the blob.
    Busy,
    /// The next piece of the encoding.
    Data(BoundedVec<u8, ConstU32<DATA_BYTES_MAX>>),
    /// Nothing follows for this `Want`.
    End(EndReason),
}

/// Why the data ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum EndReason {
    /// All of it was sent.
    Complete,
    /// The grant no longer holds at the newest finalised block.
    Revoked,
    /// The provider shuts down.
    Stopping,
    /// The provider cannot go on: its copy is damaged, or it cannot look up grants.
    Failed,
}

/// Why a frame could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The stream broke.
    #[error("the stream broke: {0}")]
    Io(#[from] std::io::Error),
    /// The frame is longer than any message of its kind.
    #[error("a frame of {bytes} bytes exceeds {limit}")]
    TooLong {
        /// Announced length.
        bytes: u32,
        /// Longest allowed.
        limit: u32,
    },
    /// The frame's first byte names another version.
    #[error("a frame of version {version}, not {VERSION}")]
    Version {
        /// The byte received, or 0 for an empty frame.
        version: u8,
    },
    /// The frame is no message.
    #[error("a frame that is no message: {0}")]
    Malformed(#[from] codec::Error),
    /// The stream ended where a message was due.
    #[error("the stream ended before {expected}")]
    Ended {
        /// The message that was due.
        expected: &'static str,
    },
    /// Another message came than was due.
    #[error("another message came than {expected}")]
    Unexpected {
        /// The message that was due.
        expected: &'static str,
    },
}

/// A message of one direction, with the length that none of its frames exceeds.
pub trait Message: Encode + Decode {
    /// Longest frame after the length field.
    const FRAME_BYTES_MAX: u32;
}

impl Message for ReaderMessage {
    // `Want`: version, tag, compact length, ranges of two u32. The others are shorter.
    const FRAME_BYTES_MAX: u32 = 16 + RANGES_MAX * 8;
}

impl Message for ProviderMessage {
    // `Data`: version, tag, compact length, bytes. The others are shorter.
    const FRAME_BYTES_MAX: u32 = 16 + DATA_BYTES_MAX;
}

/// One frame, its length field included.
pub fn encode_frame<M: Message>(message: &M) -> Vec<u8> {
    let mut frame = Vec::with_capacity(5 + message.size_hint());
    frame.extend_from_slice(&[0; 4]);
    frame.push(VERSION);
    message.encode_to(&mut frame);
    let length = (frame.len() - 4) as u32;
    debug_assert!(length <= M::FRAME_BYTES_MAX);
    frame[..4].copy_from_slice(&length.to_le_bytes());
    frame
}

/// Decodes what follows the length field.
///
/// # Errors
/// On another version, an unknown message, a length over its bound, or trailing bytes.
pub fn decode_frame<M: Message>(frame: &[u8]) -> Result<M, WireError> {
    match frame.split_first() {
        Some((&VERSION, mut message)) => Ok(M::decode_all(&mut message)?),
        other => Err(WireError::Version { version: other.map_or(0, |(version, _)| *version) }),
    }
}

/// Writes a frame without flushing it.
///
/// # Errors
/// [`WireError::Io`] when the stream breaks.
pub async fn write_frame<M: Message>(io: &mut (impl AsyncWrite + Unpin), message: &M) -> Result<(), WireError> {
    Ok(io.write_all(&encode_frame(message)).await?)
}

/// Writes a frame and flushes it.
///
/// # Errors
/// [`WireError::Io`] when the stream breaks.
pub async fn send<M: Message>(io: &mut (impl AsyncWrite + Unpin), message: &M) -> Result<(), WireError> {
    write_frame(io, message).await?;
    Ok(io.flush().await?)
}

/// Reads a frame; `None` when the stream ends cleanly before it. Nothing is allocated for a frame that is too long.
///
/// # Errors
/// Any [`WireError`]; the stream is of no use after one.
pub async fn receive<M: Message>(io: &mut (impl AsyncRead + Unpin)) -> Result<Option<M>, WireError> {
    let mut length = [0; 4];
    let first = io.read(&mut length).await?;
    if first == 0 {
        return Ok(None);
    }
    io.read_exact(&mut length[first..]).await?;
    let bytes = u32::from_le_bytes(length);
    if bytes > M::FRAME_BYTES_MAX {
        return Err(WireError::TooLong { bytes, limit: M::FRAME_BYTES_MAX });
    }
    let mut frame = vec![0; bytes as usize];
    io.read_exact(&mut frame).await?;
    decode_frame(&frame).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;
    use proptest::prelude::*;

    fn scope() -> impl Strategy<Value = Scope> {
        prop_oneof![
            any::<(u32, u32)>().prop_map(|(datanet, version)| Scope::Version { datanet, version }),
            any::<u64>().prop_map(|job| Scope::Bundle { job }),
        ]
    }

    fn reader_message() -> impl Strategy<Value = ReaderMessage> {
        let range = any::<(u32, u32)>().prop_map(|(start, end)| GroupRange { start, end });
        prop_oneof![
            (any::<[u8; 32]>(), scope(), any::<[u8; 32]>(), any::<[u8; 32]>()).prop_map(
                |(account, scope, blob, nonce)| { ReaderMessage::Hello(Hello { account, scope, blob, nonce }) }
            ),
            any::<[u8; 32]>().prop_map(|half| {
                let mut signature = [0; 64];
                signature[..32].copy_from_slice(&half);
                ReaderMessage::Proof { signature }
            }),
            prop::collection::vec(range, 0..=RANGES_MAX as usize)
                .prop_map(|ranges| { ReaderMessage::Want { ranges: ranges.try_into().unwrap() } }),
        ]
    }

    fn provider_message() -> impl Strategy<Value = ProviderMessage> {
        prop_oneof![
            any::<[u8; 32]>().prop_map(|nonce| ProviderMessage::Challenge { nonce }),
            any::<u64>().prop_map(|bytes| ProviderMessage::Granted { bytes }),
            Just(ProviderMessage::Refused),
            Just(ProviderMessage::Busy),
            prop::collection::vec(any::<u8>(), 0..=DATA_BYTES_MAX as usize)
                .prop_map(|data| ProviderMessage::Data(data.try_into().unwrap())),
            prop_oneof![
                Just(EndReason::Complete),
                Just(EndReason::Revoked),
                Just(EndReason::Stopping),
                Just(EndReason::Failed)
            ]
            .prop_map(ProviderMessage::End),
        ]
    }

    fn check_round_trip<M: Message + PartialEq + std::fmt::Debug>(message: M) -> Result<(), TestCaseError> {
        let frame = encode_frame(&message);
        prop_assert!(frame.len() as u32 - 4 <= M::FRAME_BYTES_MAX);
        let mut stream = frame.as_slice();
        let received: Option<M> = block_on(receive(&mut stream)).unwrap();
        prop_assert_eq!(received, Some(message));
        prop_assert!(block_on(receive::<M>(&mut stream)).unwrap().is_none());
        // Cut anywhere, it is an error, never a message.
        for cut in [1, 3, 4, 5, frame.len() - 1] {
            prop_assert!(block_on(receive::<M>(&mut &frame[..cut])).is_err());
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn reader_messages_round_trip(message in reader_message()) {
            check_round_trip(message)?;
        }

        #[test]
        fn provider_messages_round_trip(message in provider_message()) {
            check_round_trip(message)?;
        }

        #[test]
        fn arbitrary_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..256), steer in any::<bool>()) {
            if steer && let Some(first) = bytes.first_mut() {
                *first = VERSION;
            }
            // What decodes at all has exactly one encoding.
            if let Ok(message) = decode_frame::<ReaderMessage>(&bytes) {
                prop_assert_eq!(&encode_frame(&message)[4..], &bytes[..]);
            }
            if let Ok(message) = decode_frame::<ProviderMessage>(&bytes) {
                prop_assert_eq!(&encode_frame(&message)[4..], &bytes[..]);
            }
            let _ = block_on(receive::<ReaderMessage>(&mut bytes.as_slice()));
        }
    }

    #[test]
    fn lengths_over_their_bounds_are_refused() {
        let announced = (ReaderMessage::FRAME_BYTES_MAX + 1).to_le_bytes();
        let error = block_on(receive::<ReaderMessage>(&mut announced.as_slice())).unwrap_err();
        assert!(matches!(error, WireError::TooLong { .. }), "{error}");

        let ranges = vec![GroupRange { start: 0, end: 1 }; RANGES_MAX as usize + 1];
        let mut frame = vec![VERSION, 2];
        ranges.encode_to(&mut frame);
        assert!(matches!(decode_frame::<ReaderMessage>(&frame), Err(WireError::Malformed(_))));
    }

    #[test]
    fn other_versions_and_trailing_bytes_are_refused() {
        let mut frame = encode_frame(&ProviderMessage::Refused).split_off(4);
        frame.push(0);
        assert!(matches!(decode_frame::<ProviderMessage>(&frame), Err(WireError::Malformed(_))));
        frame.pop();
        frame[0] = 2;
        assert!(matches!(decode_frame::<ProviderMessage>(&frame), Err(WireError::Version { version: 2 })));
        assert!(matches!(decode_frame::<ProviderMessage>(&[]), Err(WireError::Version { version: 0 })));
    }
}

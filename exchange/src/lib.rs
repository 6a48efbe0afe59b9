//! Verified, grant-gated transfer of datasets and adapters.
//!
//! A *provider* keeps blobs in a [`Store`], named by their BLAKE3 hash, and serves them to those accounts whom the chain lets
//! read them. A *reader* fetches them, checks every 16 KiB against that hash as it arrives, and resumes where it stopped.
//! Both are a [`Node`]: a libp2p peer over TCP (Noise, Yamux) and QUIC.
//!
//! # What holds
//! - Only verified groups reach the store: [`PartialWriter`] is the one way in, and it verifies.
//! - A reader proves its account: it signs a [`ReadClaim`] that binds chain, both peers, scope, blob and two nonces.
//! - Absent and forbidden look the same to a reader: same bytes, same questions asked by the provider.
//! - A provider asks its [`GrantSource`] at every newly finalised block, and stops at the next group once the answer is no.
//!   Revocation stops delivery; it cannot take back what was read.
//! - No error, kill or full disk costs a stored blob or a verified group.
//!
//! # Where to read
//! [`wire`] (messages) · [`access`](GrantSource) (who may read) · provider · fetcher · store · node.
//!
//! # Limits
//! The chain is not known here: a [`GrantSource`] stands for it. Providers are tried one after another.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod access;
mod behaviour;
mod fetcher;
mod geometry;
mod identity;
mod node;
mod provider;
mod store;
pub mod wire;

pub use libp2p::{Multiaddr, PeerId};

pub use crate::{
    access::{
        AccountKey, AccountSigner, BlobHash, GenesisHash, GrantSource, GrantSourceError, ReadClaim, Scope,
        Sr25519Signer,
    },
    fetcher::{FetchError, FetchLimits, FetchRequest, Fetched, Progress, ProviderFault, Reader},
    geometry::{BLOB_BYTES_MAX, GROUP_BYTES, GroupRange, GroupSet},
    identity::{IdentityError, load_or_create},
    node::{Identity, Node, NodeConfig, NodeError},
    provider::{ProviderLimits, ProviderStats},
    store::{
        Blob, BlobInfo, PartialInfo, PartialWriter, ReceiveError, SizeProof, Store, StoreError, WriteTarget, WriteTurn,
    },
};

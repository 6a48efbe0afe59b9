//! Who may read what: the scope of a read, the source of grants, and the signed claim of an account.

use std::fmt;

use async_trait::async_trait;
use codec::{Decode, Encode};
use libp2p::PeerId;
use schnorrkel::{ExpansionMode, Keypair, MiniSecretKey, PublicKey, Signature};
use tokio::sync::watch;
use zeroize::Zeroizing;

/// The BLAKE3 hash that names a blob.
pub type BlobHash = [u8; 32];
/// An account's sr25519 public key.
pub type AccountKey = [u8; 32];
/// The hash of a chain's first block.
pub type GenesisHash = [u8; 32];

/// sr25519 signing context of every Substrate account key.
const SIGNING_CONTEXT: &[u8] = b"substrate";
/// BLAKE3 context that separates a read claim from every other hash of the project.
const CLAIM_CONTEXT: &str = "tributary exchange 2026-01 read claim v1";

/// What a reader's permission is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Scope {
    /// The blobs of one published version of a Datanet.
    Version {
        /// The Datanet.
        datanet: u32,
        /// Its version.
        version: u32,
    },
    /// What a job reported: adapter, snapshots, scores and recipe in one file.
    Bundle {
        /// The job.
        job: u64,
    },
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version { datanet, version } => write!(f, "datanet {datanet} version {version}"),
            Self::Bundle { job } => write!(f, "bundle of job {job}"),
        }
    }
}

/// Why a grant could not be looked up. A provider that cannot look up does not serve.
#[derive(Debug, thiserror::Error)]
#[error("grants cannot be read: {reason}; hint: check the connection to the node")]
pub struct GrantSourceError {
    /// What failed, for the provider's log.
    pub reason: String,
}

/// Where a provider learns who may read what.
#[async_trait]
pub trait GrantSource: Send + Sync + 'static {
    /// Whether `account` may read `blob` under `scope`, at the latest finalised block.
    /// Must answer `false`, not an error, for scopes and blobs that the chain does not know.
    async fn may_read(&self, account: AccountKey, scope: Scope, blob: BlobHash) -> Result<bool, GrantSourceError>;

    /// The height of the latest finalised block. Every change makes running transfers ask again; a closed channel stops them.
    fn finalised(&self) -> watch::Receiver<u32>;

    /// The chain on which the grants live.
    fn genesis(&self) -> GenesisHash;
}

/// The account in whose name a node reads.
pub trait AccountSigner: Send + Sync + 'static {
    /// The account's public key.
    fn account(&self) -> AccountKey;

    /// Signs a message with sr25519 in the signing context `substrate`.
    fn sign(&self, message: &[u8]) -> [u8; 64];
}

/// An sr25519 account key held in memory. Wiped when dropped; `Debug` shows the public key only.
pub struct Sr25519Signer(Keypair);

impl Sr25519Signer {
    /// The key of a 32-byte seed, expanded as Substrate expands it, so that `0x` seeds of its tools name the same account.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let seed = Zeroizing::new(*seed);
        let mini = MiniSecretKey::from_bytes(seed.as_slice()).expect("every 32-byte string is a mini secret key");
        Self(mini.expand_to_keypair(ExpansionMode::Ed25519))
    }
}

impl fmt::Debug for Sr25519Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sr25519Signer(0x{})", hex::encode(self.account()))
    }
}

impl AccountSigner for Sr25519Signer {
    fn account(&self) -> AccountKey {
        self.0.public.to_bytes()
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign_simple(SIGNING_CONTEXT, message).to_bytes()
    }
}

/// What a reader signs: everything that makes one read by one peer from one provider unrepeatable elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadClaim {
    /// The chain on which the grant lives.
    pub genesis: GenesisHash,
    /// The peer that serves.
    pub provider: PeerId,
    /// The peer that reads.
    pub reader: PeerId,
    /// The account in whose name it reads.
    pub account: AccountKey,
    /// What the permission is for.
    pub scope: Scope,
    /// The blob to read.
    pub blob: BlobHash,
    /// Chosen by the reader.
    pub reader_nonce: [u8; 32],
    /// Chosen by the provider.
    pub provider_nonce: [u8; 32],
}

impl ReadClaim {
    /// The message to sign: readable, and in `<Bytes>` as wallets wrap whatever is not a transaction,
    /// so that no provider can get a transaction signed this way.
    pub fn message(&self) -> Vec<u8> {
        let fields = (
            self.genesis,
            self.provider.to_bytes(),
            self.reader.to_bytes(),
            self.account,
            self.scope,
            self.blob,
            self.reader_nonce,
            self.provider_nonce,
        );
        let digest = blake3::derive_key(CLAIM_CONTEXT, &fields.encode());
        format!("<Bytes>Tributary read v1 {}</Bytes>", hex::encode(digest)).into_bytes()
    }

    /// Whether `signature` is the account's over this claim.
    pub fn is_signed_by_account(&self, signature: &[u8; 64]) -> bool {
        let (Ok(key), Ok(signature)) = (PublicKey::from_bytes(&self.account), Signature::from_bytes(signature)) else {
            return false;
        };
        key.verify_simple(SIGNING_CONTEXT, &self.message(), &signature).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(account: AccountKey) -> ReadClaim {
        ReadClaim {
            genesis: [1; 32],
            provider: PeerId::random(),
            reader: PeerId::random(),
            account,
            scope: Scope::Version { datanet: 1, version: 2 },
            blob: [2; 32],
            reader_nonce: [3; 32],
            provider_nonce: [4; 32],
        }
    }

    #[test]
    fn seed_names_the_account_that_substrate_names() {
        // `subkey inspect //Alice`: secret seed and public key.
        let seed = "e5be9a5092b81bca64be81d212e7f2f9eba183bb7a90954f7b76361f6edb5c0a";
        let public = "d43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d";
        let seed: [u8; 32] = hex::decode(seed).unwrap().try_into().unwrap();
        let signer = Sr25519Signer::from_seed(&seed);
        assert_eq!(hex::encode(signer.account()), public);
        assert_eq!(format!("{signer:?}"), format!("Sr25519Signer(0x{public})"));
    }

    #[test]
    fn signature_binds_every_field() {
        let signer = Sr25519Signer::from_seed(&[9; 32]);
        let signed = claim(signer.account());
        let signature = signer.sign(&signed.message());
        assert!(signed.is_signed_by_account(&signature));

        let stranger = Sr25519Signer::from_seed(&[8; 32]).account();
        let others = [
            ReadClaim { genesis: [0; 32], ..signed },
            ReadClaim { provider: PeerId::random(), ..signed },
            ReadClaim { reader: PeerId::random(), ..signed },
            ReadClaim { provider: signed.reader, reader: signed.provider, ..signed },
            ReadClaim { account: stranger, ..signed },
            ReadClaim { account: [0xff; 32], ..signed },
            ReadClaim { scope: Scope::Version { datanet: 1, version: 3 }, ..signed },
            ReadClaim { scope: Scope::Bundle { job: 1 }, ..signed },
            ReadClaim { blob: [0; 32], ..signed },
            ReadClaim { reader_nonce: [0; 32], ..signed },
            ReadClaim { provider_nonce: [0; 32], ..signed },
        ];
        for other in others {
            assert!(!other.is_signed_by_account(&signature), "{other:?}");
        }
        assert!(!signed.is_signed_by_account(&[0; 64]));
    }
}

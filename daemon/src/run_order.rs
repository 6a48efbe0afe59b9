//! What a requester tells the trainer of its job: pause, or go on. Signed, since everybody may write to a trainer's window.

use serde::{Deserialize, Serialize};
use tributary_client::{Account, Keypair};
use tributary_protocol::JobId;

/// How old an order may be, and how far ahead its signer's clock, in milliseconds.
const AGE_MS_MAX: u64 = 300_000;

/// What is wanted of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunWish {
    /// Write a checkpoint and wait.
    Pause,
    /// Go on from there.
    Resume,
}

impl RunWish {
    fn name(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
        }
    }
}

/// A wish with the requester's signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunOrder {
    /// What is wanted.
    pub wish: RunWish,
    /// When it was signed, in milliseconds since 1970 began.
    pub signed_at: u64,
    /// The requester's sr25519 signature of [`RunOrder::text`], bare or as extensions wrap it, in hexadecimal digits.
    pub signature: String,
}

/// Why an order does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunOrderError {
    /// Too old, or from the future.
    #[error("the signature is not of the last five minutes\nhint: sign again; is the clock right?")]
    Stale,
    /// No signature at all.
    #[error("a signature is 64 bytes in hexadecimal digits")]
    Malformed,
    /// Somebody else's, or over something else.
    #[error("the signature is not that of the job's requester, {requester}, over this request")]
    Foreign {
        /// Who may say so.
        requester: Account,
    },
}

impl RunOrder {
    /// What is signed.
    pub fn text(wish: RunWish, job: JobId, genesis: &[u8; 32], signed_at: u64) -> String {
        format!("tributary: {} job {job} of 0x{} at {signed_at}", wish.name(), hex::encode(genesis))
    }

    /// An order in the key's name.
    pub fn sign(key: &Keypair, wish: RunWish, job: JobId, genesis: &[u8; 32], signed_at: u64) -> Self {
        let signature = key.sign(Self::text(wish, job, genesis, signed_at).as_bytes());
        Self { wish, signed_at, signature: format!("0x{}", hex::encode(signature)) }
    }

    /// Whether the requester wants this of the job now.
    pub fn check(&self, requester: Account, job: JobId, genesis: &[u8; 32], now: u64) -> Result<(), RunOrderError> {
        if self.signed_at.abs_diff(now) > AGE_MS_MAX {
            return Err(RunOrderError::Stale);
        }
        let mut signature = [0; 64];
        hex::decode_to_slice(self.signature.trim_start_matches("0x"), &mut signature)
            .map_err(|_| RunOrderError::Malformed)?;
        let text = Self::text(self.wish, job, genesis, self.signed_at);
        let wrapped = format!("<Bytes>{text}</Bytes>");
        let signed = [text, wrapped].iter().any(|text| requester.has_signed(text.as_bytes(), &signature));
        if signed { Ok(()) } else { Err(RunOrderError::Foreign { requester }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_of_one_requester_one_job_one_chain_and_now() {
        let (alice, bob) = (Keypair::development("Alice").unwrap(), Keypair::development("Bob").unwrap());
        let (genesis, job, now) = ([7; 32], JobId(3), 1_000_000_000);
        let order = RunOrder::sign(&alice, RunWish::Pause, job, &genesis, now);
        let foreign = Err(RunOrderError::Foreign { requester: alice.account() });
        assert_eq!(order.check(alice.account(), job, &genesis, now + 299_000), Ok(()));
        assert_eq!(order.check(alice.account(), JobId(4), &genesis, now), foreign);
        assert_eq!(order.check(alice.account(), job, &[8; 32], now), foreign);
        assert_eq!(
            RunOrder { wish: RunWish::Resume, ..order.clone() }.check(alice.account(), job, &genesis, now),
            foreign
        );
        assert!(matches!(order.check(bob.account(), job, &genesis, now), Err(RunOrderError::Foreign { .. })));
        for late in [now + 300_001, now - 300_001] {
            assert_eq!(order.check(alice.account(), job, &genesis, late), Err(RunOrderError::Stale));
        }
        let short = RunOrder { signature: "0x12".into(), ..order };
        assert_eq!(short.check(alice.account(), job, &genesis, now), Err(RunOrderError::Malformed));
    }

    #[test]
    fn what_an_extension_wraps_counts_as_well() {
        let key = Keypair::development("Alice").unwrap();
        let text = RunOrder::text(RunWish::Resume, JobId(3), &[7; 32], 5);
        let signature = hex::encode(key.sign(format!("<Bytes>{text}</Bytes>").as_bytes()));
        let order = RunOrder { wish: RunWish::Resume, signed_at: 5, signature };
        assert_eq!(order.check(key.account(), JobId(3), &[7; 32], 5), Ok(()));
    }
}

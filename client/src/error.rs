//! What can go wrong between a process and the chain.

use std::{fmt, time::Duration};

/// Why the chain could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// The address of the node makes no sense.
    #[error("no address of a node ({reason}): {url}\nhint: ws://127.0.0.1:9944, or wss:// for a remote node")]
    BadUrl {
        /// The address.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The node did not answer for as long as the client waits.
    #[error("no answer from the node at {url} for {} s ({reason})\nhint: is it running, and is its RPC port open?", waited.as_secs())]
    Unreachable {
        /// The node.
        url: String,
        /// How long the client tried.
        waited: Duration,
        /// The last failure.
        reason: String,
    },
    /// The node answered with an error.
    #[error("the node refused {method}: {message} ({code})")]
    Refused {
        /// The RPC method.
        method: &'static str,
        /// The JSON-RPC error code.
        code: i32,
        /// The error's text.
        message: String,
    },
    /// The node's answer could not be understood.
    #[error(
        "the node's answer to {method} cannot be read: {reason}\nhint: its runtime may be of another version than this program"
    )]
    Malformed {
        /// The RPC method or runtime function.
        method: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The node no longer keeps the state of this block.
    #[error(
        "the node no longer keeps the state of block {block}\nhint: ask a node that runs with --state-pruning archive"
    )]
    Pruned {
        /// The block's hash.
        block: String,
    },
    /// The node does not know this block.
    #[error("the node does not know block {block}")]
    NoSuchBlock {
        /// The block's number or hash.
        block: String,
    },
    /// The chain's runtime is not the one that this program was built for.
    #[error("the chain at {url} differs from what this program was built for: {}\nhint: use the program's version for runtime {spec_version}", differences.join(", "))]
    Incompatible {
        /// The node.
        url: String,
        /// The chain's runtime version.
        spec_version: u32,
        /// What differs: calls, events and runtime functions by name.
        differences: Vec<String>,
    },
    /// The node is on another chain than before.
    #[error("the node at {url} is on another chain: genesis {found}, not {expected}")]
    OtherChain {
        /// The node.
        url: String,
        /// The genesis hash it should have.
        expected: String,
        /// The genesis hash it has.
        found: String,
    },
}

/// Why a call that is in a block did nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A pallet refused it.
    Pallet {
        /// The pallet, such as `Grants`.
        pallet: String,
        /// The fact, such as `Expired`.
        fact: String,
        /// What it means and what the caller can do: the pallet's own words.
        meaning: String,
    },
    /// The runtime refused it before or beside a pallet: funds, origin, weight.
    Runtime(String),
}

impl Failure {
    /// Whether it is this pallet's error of this name.
    pub fn is(&self, pallet: &str, fact: &str) -> bool {
        matches!(self, Self::Pallet { pallet: p, fact: f, .. } if p == pallet && f == fact)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pallet { pallet, fact, meaning } if meaning.is_empty() => write!(f, "{pallet}.{fact}"),
            Self::Pallet { pallet, fact, meaning } => write!(f, "{pallet}.{fact}: {meaning}"),
            Self::Runtime(reason) => f.write_str(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_names_pallet_and_fact() {
        let failure = Failure::Pallet {
            pallet: "Grants".into(),
            fact: "Expired".into(),
            meaning: "the grant's last block has passed".into(),
        };
        assert_eq!(failure.to_string(), "Grants.Expired: the grant's last block has passed");
        assert!(failure.is("Grants", "Expired"));
        assert!(!failure.is("Jobs", "Expired"));
    }

    #[test]
    fn unreachable_names_the_node_and_what_to_look_at() {
        let error = ChainError::Unreachable {
            url: "ws://127.0.0.1:9".into(),
            waited: Duration::from_secs(3),
            reason: "connection refused".into(),
        };
        let text = error.to_string();
        assert!(text.contains("ws://127.0.0.1:9 for 3 s (connection refused)"), "{text}");
        assert!(text.contains("hint:"), "{text}");
    }
}

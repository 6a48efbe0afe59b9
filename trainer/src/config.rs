//! What an operator decides.

use serde::{Deserialize, Serialize};
use std::{net::SocketAddr, path::PathBuf, time::Duration};
use tributary_exchange::Multiaddr;
use tributary_protocol::Amount;

/// A trainer's settings. Every field but the first three has a default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainerConfig {
    /// The node to ask, such as `ws://127.0.0.1:9944`.
    pub node: String,
    /// Where everything is kept: state, journal, node key, blobs, work under way. One process at a time.
    pub state_dir: PathBuf,
    /// Model folders that this trainer can tune. Each is known on chain by the hash of its content.
    pub bases: Vec<PathBuf>,
    /// The data providers to ask, in order, each address ending in its peer id.
    #[serde(default)]
    pub providers: Vec<Multiaddr>,
    /// Where to listen for readers of finished bundles.
    #[serde(default)]
    pub listen: Vec<Multiaddr>,
    /// The least price to claim a job for.
    #[serde(default)]
    pub price_min: Amount,
    /// Where to serve `/metrics`, `/healthz` and what concerns jobs (events, shares, orders); nowhere if absent.
    #[serde(default)]
    pub http: Option<SocketAddr>,
    /// Most bytes that fetched data and finished bundles may take.
    #[serde(default = "defaults::store_bytes")]
    pub store_bytes: u64,
    /// When to write checkpoints.
    #[serde(default)]
    pub checkpoints: Cadence,
    /// For how many seconds a phase is tried again after faults that may pass (providers or disk away) before the job is
    /// given up: until then the requester waits for nothing.
    #[serde(default = "defaults::patience_seconds")]
    pub patience_seconds: u64,
    /// For how many seconds in all a job's requester may pause its run; 0 for never. The trainer takes no other job meanwhile.
    #[serde(default = "defaults::pause_seconds")]
    pub pause_seconds: u64,
}

/// When to write a checkpoint: whichever comes first. What is lost by a kill is at most that much work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cadence {
    /// After so many steps.
    pub steps: u64,
    /// After so many seconds.
    pub seconds: u64,
}

impl Default for Cadence {
    fn default() -> Self {
        Self { steps: 100, seconds: 10 }
    }
}

impl TrainerConfig {
    /// Settings with every default.
    pub fn new(node: impl Into<String>, state_dir: impl Into<PathBuf>, bases: Vec<PathBuf>) -> Self {
        Self {
            node: node.into(),
            state_dir: state_dir.into(),
            bases,
            providers: Vec::new(),
            listen: Vec::new(),
            price_min: 0,
            http: None,
            store_bytes: defaults::store_bytes(),
            checkpoints: Cadence::default(),
            patience_seconds: defaults::patience_seconds(),
            pause_seconds: defaults::pause_seconds(),
        }
    }

    pub(crate) fn patience(&self) -> Duration {
        Duration::from_secs(self.patience_seconds)
    }

    pub(crate) fn pause(&self) -> Duration {
        Duration::from_secs(self.pause_seconds)
    }
}

mod defaults {
    /// 16 GiB: some sixty of the largest contributions.
    pub(super) fn store_bytes() -> u64 {
        16 << 30
    }

    /// Ten minutes: a provider's restart, not its loss.
    pub(super) fn patience_seconds() -> u64 {
        600
    }

    /// Half an hour: to look at a curve, not to keep a trainer from earning.
    pub(super) fn pause_seconds() -> u64 {
        1_800
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_fields_are_enough_and_a_mistyped_one_is_refused() {
        let text = r#"{"node": "ws://127.0.0.1:9944", "state_dir": "s", "bases": ["b"]}"#;
        let read: TrainerConfig = serde_json::from_str(text).unwrap();
        assert_eq!(read, TrainerConfig::new("ws://127.0.0.1:9944", "s", vec!["b".into()]));
        assert!(serde_json::from_str::<TrainerConfig>(&text.replace("bases", "base")).is_err());
    }
}

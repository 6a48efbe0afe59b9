//! What an operator decides.

use std::path::PathBuf;
use std::time::Duration;
use tributary_exchange::Multiaddr;
use tributary_protocol::{Amount, BlockNumber, ModelId, amount::TRIB, model::Prices, recipe::Template};

/// A model to serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelChoice {
    /// Its number on chain.
    pub model: ModelId,
    /// What clients call it beside `tributary-model-NUMBER`.
    pub alias: Option<String>,
}

/// Which models are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// These. They are deployed and offered at the start, where they are not yet.
    These(Vec<ModelChoice>),
    /// All on this base that the operator has deployed.
    AllDeployed,
    /// All on this base that anybody has published, and what the operator has deployed before: a model is deployed and offered
    /// some blocks after it was published.
    AllPublished {
        /// Most models: each deployment and each offer holds a deposit of the operator's, and publishing is open to all.
        most: usize,
    },
}

/// What is offered on chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferTerms {
    /// Where clients reach the server: the URL of a deployment.
    pub endpoint: String,
    /// What the operator asks, the model's own price included; `None`: what the model costs, and nothing for the operator.
    pub prices: Option<Prices>,
    /// For how many blocks an offer is made; it is renewed when half of them are over.
    pub blocks: BlockNumber,
}

/// How much is sold without knowing what the chain says meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exposure {
    /// For how long after the last finalised block that was seen.
    pub time: Duration,
    /// For how much money since then.
    pub amount: Amount,
}

impl Default for Exposure {
    /// Five minutes, a hundred blocks: a node's restart. Ten TRIB.
    fn default() -> Self {
        Self { time: Duration::from_secs(300), amount: 10 * TRIB }
    }
}

/// When vouchers are redeemed and models are paid for holders of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redeeming {
    /// As soon as they come to so much together.
    pub amount: Amount,
    /// After so many blocks at the latest, whatever they come to.
    pub blocks: BlockNumber,
    /// The least that a model is paid at once for holders of keys: the chain takes no less.
    pub payment_min: Amount,
}

impl Default for Redeeming {
    /// One TRIB, some hundred times the fee; once a day.
    fn default() -> Self {
        Self { amount: TRIB, blocks: 28_800, payment_min: TRIB / 1_000 }
    }
}

/// How fine-tuning reaches trainers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TuningNetwork {
    /// Where trainers fetch the data of their jobs.
    pub listen: Vec<Multiaddr>,
    /// Trainers' pages, by which runs are followed: `http://HOST:PORT`.
    pub trainers: Vec<String>,
    /// Most bytes of data that are kept for them.
    pub bytes: u64,
}

/// An operator's settings.
#[derive(Clone, Debug)]
pub struct OperatorConfig {
    /// Where everything is kept: ledger, journal, keys, bundles, adapters. One process at a time.
    pub state_dir: PathBuf,
    /// The base model's folder.
    pub base: PathBuf,
    /// Which models are served.
    pub models: Selection,
    /// What holders of keys call the base itself, and how it is asked: within their keys' limits, and nobody is paid for it.
    /// `None`: it answers nobody.
    pub base_name: Option<(String, Template)>,
    /// What is offered; `None`: nothing is written to the chain at the start, and only what is deployed and offered is served.
    pub offer: Option<OfferTerms>,
    /// Trainers and other providers to fetch bundles from, in order, each address ending in its peer id.
    pub providers: Vec<Multiaddr>,
    /// Most bytes that bundles may take on the disk.
    pub bundle_bytes: u64,
    /// How much is sold without knowing what the chain says.
    pub exposure: Exposure,
    /// When money is fetched.
    pub redeeming: Redeeming,
}

/// Ten days: a third of what the chain allows.
pub const OFFER_BLOCKS: BlockNumber = 10 * 28_800;

impl OperatorConfig {
    /// Settings with every default: nothing is offered, and all that is deployed is served.
    pub fn new(state_dir: impl Into<PathBuf>, base: impl Into<PathBuf>) -> Self {
        Self {
            state_dir: state_dir.into(),
            base: base.into(),
            models: Selection::AllDeployed,
            base_name: None,
            offer: None,
            providers: Vec::new(),
            bundle_bytes: 4 << 30,
            exposure: Exposure::default(),
            redeeming: Redeeming::default(),
        }
    }
}

//! What an operator decides about fine-tuning.

use std::path::PathBuf;
use tributary_client::RECEIPT_BLOCKS;
use tributary_daemon::Recipe;
use tributary_protocol::{Amount, BlockNumber, amount::TRIB, model::Prices};

/// How much is kept and done for keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TuningLimits {
    /// Files of one key.
    pub files_per_key: usize,
    /// Bytes of one key's files.
    pub bytes_per_key: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Jobs of one key that have not ended.
    pub jobs_per_key: usize,
}

impl Default for TuningLimits {
    fn default() -> Self {
        Self { files_per_key: 100, bytes_per_key: 1 << 30, bytes: 16 << 30, jobs_per_key: 4 }
    }
}

/// An operator's settings for fine-tuning.
#[derive(Clone, Debug)]
pub struct TuningConfig {
    /// Where files and jobs are kept. One process at a time.
    pub folder: PathBuf,
    /// How models are trained where a job says `auto`.
    pub recipe: Recipe,
    /// What a trainer is paid for 1,000 tokens that the run reads; the chain's least price for a job at least.
    pub rate: Amount,
    /// What all jobs of all keys may cost together, those that came to nothing left out. Deposits, which return, and fees come on
    /// top.
    pub budget: Amount,
    /// What the models cost that are made: their own price, of which a part goes to trainer and base.
    pub prices: Prices,
    /// Within how many blocks a report is taken. No more than [`Self::DEADLINE_BLOCKS_MAX`].
    pub deadline_blocks: BlockNumber,
    /// How many blocks a report may wait for what was made to be checked.
    pub acceptance_blocks: BlockNumber,
    /// How much is kept and done for keys.
    pub limits: TuningLimits,
}

impl TuningConfig {
    /// A submission that is forgotten cannot happen a second time, because the deadline in it is over by then.
    pub const DEADLINE_BLOCKS_MAX: BlockNumber = RECEIPT_BLOCKS;

    /// Settings with every default: a day for a job, an hour for the check, models that cost nothing themselves.
    pub fn new(folder: impl Into<PathBuf>, recipe: Recipe, budget: Amount) -> Self {
        Self {
            folder: folder.into(),
            recipe,
            rate: TRIB / 100,
            budget,
            prices: Prices { input_per_1000: 0, output_per_1000: 0 },
            deadline_blocks: Self::DEADLINE_BLOCKS_MAX,
            acceptance_blocks: 1_200,
            limits: TuningLimits::default(),
        }
    }
}

//! What a run would take, from the base's configuration and the data alone, before anything is paid.

use crate::{bases::Base, views::Money};
use serde::Serialize;
use std::sync::OnceLock;
use tributary_daemon::Recipe;
use tributary_lora::{Dataset, Estimate, MachineSpeed, Plan, SampleLength, data::pack};
use tributary_protocol::{Amount, DatanetId, sample::CanonicalLine};

/// Tokens that are tried to find out how long a sample is whose text is not at hand.
const BYTES_PER_TOKEN: f64 = 3.5;
/// Bytes of a canonical line that are not text: `{"completion":"","prompt":""}`.
const FRAME_BYTES: f64 = 29.0;
/// The part of a sample's tokens that is its answer, where nothing is known of it.
const TRAINED_PART: f64 = 0.5;

/// The samples of a run.
pub enum Material {
    /// The samples themselves.
    Lines(Vec<CanonicalLine>),
    /// Their number and size only.
    Sizes {
        /// How many.
        samples: u64,
        /// Their canonical lines together.
        bytes: u64,
    },
}

/// Why a run cannot be estimated.
#[derive(Debug, thiserror::Error)]
pub enum EstimateError {
    /// The recipe makes no sense.
    #[error("the recipe is not valid: {0}")]
    Recipe(tributary_protocol::recipe::RecipeFault),
    /// The data cannot be trained on so.
    #[error("{0}")]
    Data(String),
    /// There are too many samples to plan for.
    #[error("{samples} samples are too many for an estimate; hint: at most {max}")]
    TooMany {
        /// How many.
        samples: u64,
        /// How many are taken.
        max: u64,
    },
}

/// Most samples of a plan, whose order is drawn for each epoch.
const SAMPLES_MAX: u64 = 2_000_000;

/// What a run would take.
#[derive(Clone, Debug, Serialize)]
pub struct EstimateView {
    memory_bytes: u64,
    base_bytes: u64,
    activation_bytes: u64,
    disk_bytes: u64,
    /// On this machine, attribution's runs included.
    pub seconds: f64,
    training_seconds: f64,
    steps: u64,
    training_samples: usize,
    tokens: u64,
    data_is_exact: bool,
    runs: f64,
    /// What the data costs: filled in by the route, like all that follows.
    pub data_fees: Money,
    /// What a trainer must have free to claim the job.
    pub bond_required: Money,
    /// What the job's record holds, at least.
    pub deposit: Money,
    /// What a trainer may want.
    pub price_suggested: Money,
    /// Where that comes from.
    pub price_basis: String,
    /// What keeps the job from being posted.
    pub blockers: Vec<Notice>,
    /// What should be known.
    pub warnings: Vec<Notice>,
}

/// Something about a job that is not posted yet.
#[derive(Clone, Debug, Serialize)]
pub struct Notice {
    code: &'static str,
    message: String,
    datanet: Option<DatanetId>,
}

impl Notice {
    /// About the job, or about a Datanet of it.
    pub fn new(code: &'static str, message: impl Into<String>, datanet: Option<DatanetId>) -> Self {
        Self { code, message: message.into(), datanet }
    }
}

/// Estimates a run. Blocks: reads every sample that is at hand, and once measures the machine.
pub fn estimate(base: &Base, recipe: &Recipe, material: &Material) -> Result<EstimateView, EstimateError> {
    recipe.check().map_err(EstimateError::Recipe)?;
    let data = recipe.data(base.config());
    let (training, validation, packing) = match material {
        Material::Lines(lines) => {
            let dataset = Dataset::encode(lines, base.tokenizer(), &data)
                .map_err(|error| EstimateError::Data(error.to_string()))?;
            let lengths = |samples: &[tributary_lora::EncodedSample]| samples.iter().map(SampleLength::from).collect();
            (lengths(dataset.training()), lengths(dataset.validation()), dataset.packing())
        }
        Material::Sizes { samples, bytes } => {
            let (training, validation) = alike(*samples, *bytes, data.tokens_max, data.validation_ppm)?;
            (training, validation, data.packing)
        }
    };
    let rows = match packing {
        None => training.len(),
        Some(most) => pack(&training.iter().map(|sample| sample.positions).collect::<Vec<_>>(), most).len(),
    };
    let (lora, train) = (recipe.lora(), recipe.training(rows));
    let tokens: usize = training.iter().map(|sample| sample.positions + 1).sum();
    let training_samples = training.len();
    let plan = Plan {
        model: base.config(),
        precision: recipe.precision(),
        is_bf16: base.is_bf16(),
        lora: &lora,
        train: &train,
        training,
        validation,
        packing,
    };
    let found = Estimate::new(&plan).map_err(|error| EstimateError::Data(error.to_string()))?;
    let training_seconds = speed().map_or(0.0, |speed| found.seconds(speed));
    let runs = recipe.runs();
    let h = &recipe.hyperparameters;
    let steps = u64::from(h.epochs) * rows.div_ceil(train.batch_size.max(1)) as u64;
    let mut warnings = Vec::new();
    if matches!(material, Material::Sizes { .. }) {
        let text = "the samples are not at hand here: lengths follow from their mean size";
        warnings.push(Notice::new("data_not_at_hand", text, None));
    }
    if training_samples < 50 {
        let text = format!("{training_samples} samples are few: expect the model to repeat them");
        warnings.push(Notice::new("few_samples", text, None));
    }
    Ok(EstimateView {
        memory_bytes: found.memory.peak(),
        base_bytes: found.memory.base,
        activation_bytes: found.memory.activations,
        disk_bytes: found.disk.folder(),
        seconds: training_seconds * runs,
        training_seconds,
        steps,
        training_samples,
        tokens: tokens as u64 * u64::from(h.epochs),
        data_is_exact: matches!(material, Material::Lines(_)),
        runs,
        data_fees: Money(0),
        bond_required: Money(0),
        deposit: Money(0),
        price_suggested: Money(0),
        price_basis: String::new(),
        blockers: Vec::new(),
        warnings,
    })
}

/// Samples that are all of the mean length.
fn alike(
    samples: u64,
    bytes: u64,
    tokens_max: usize,
    validation_ppm: u32,
) -> Result<(Vec<SampleLength>, Vec<SampleLength>), EstimateError> {
    if samples == 0 {
        return Err(EstimateError::Data("there are no samples".into()));
    }
    if samples > SAMPLES_MAX {
        return Err(EstimateError::TooMany { samples, max: SAMPLES_MAX });
    }
    let text = (bytes as f64 / samples as f64 - FRAME_BYTES).max(2.0);
    let tokens = ((text / BYTES_PER_TOKEN).ceil() as usize).clamp(2, tokens_max.max(2));
    let trained = ((tokens as f64 * TRAINED_PART).ceil() as usize).max(1);
    let sample = SampleLength { positions: tokens - 1, trained: trained.min(tokens - 1) };
    let kept = (samples * u64::from(validation_ppm) / 1_000_000).min(samples - 1) as usize;
    Ok((vec![sample; samples as usize - kept], vec![sample; kept]))
}

/// How quick this machine is. Measured once.
fn speed() -> Option<&'static MachineSpeed> {
    static SPEED: OnceLock<Option<MachineSpeed>> = OnceLock::new();
    let measure = || MachineSpeed::measure().inspect_err(|error| tracing::error!("the machine's speed: {error}")).ok();
    SPEED.get_or_init(measure).as_ref()
}

/// A price by what settled jobs were paid for each second of work: the median, at least the chain's least price.
pub fn price(settled: &[(Amount, f64)], seconds: f64, least: Amount) -> (Amount, String) {
    let mut rates: Vec<f64> = settled.iter().map(|(price, took)| *price as f64 / took).collect();
    rates.sort_by(f64::total_cmp);
    let Some(median) = rates.get(rates.len() / 2) else {
        return (least, "no job was settled yet: the least that the chain takes".into());
    };
    // A float cast saturates. Three digits are more than a suggestion knows.
    let wanted = median * seconds;
    let digits = 10f64.powf(wanted.max(1.0).log10().floor() - 2.0);
    let rounded = ((wanted / digits).ceil() * digits) as Amount;
    let basis = match rates.len() {
        1 => "the price of 1 settled job for each second of work".to_owned(),
        jobs => format!("the median price of {jobs} settled jobs for each second of work"),
    };
    (rounded.max(least), basis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_follow_the_median_and_never_fall_below_the_least() {
        assert_eq!(price(&[], 10.0, 7).0, 7);
        let settled = [(1_000, 1.0), (9_000_000, 1.0), (2_000, 1.0)];
        assert_eq!(price(&settled, 10.0, 7).0, 20_000);
        assert_eq!(price(&settled, 0.0, 7).0, 7);
        assert!(price(&settled, 10.0, 7).1.contains("of 3 settled jobs"));
        assert!(price(&settled[..1], 10.0, 7).1.contains("of 1 settled job for"));
    }

    #[test]
    fn samples_without_text_have_the_mean_length_and_are_divided() {
        let (training, validation) = alike(10, 10 * (29 + 35), 512, 100_000).unwrap();
        assert_eq!((training.len(), validation.len()), (9, 1));
        assert_eq!(training[0], SampleLength { positions: 9, trained: 5 });
        let (training, _) = alike(1, 1 << 20, 64, 500_000).unwrap();
        assert_eq!((training.len(), training[0].positions), (1, 63));
        assert!(alike(0, 0, 64, 0).is_err());
        assert!(matches!(alike(SAMPLES_MAX + 1, 1 << 30, 64, 0), Err(EstimateError::TooMany { .. })));
    }
}

//! The recipe of a run on the command line: the same options for jobs on the chain and for training at home.

use super::{choices, parse};
use anyhow::Context as _;
use clap::Args;
use serde::Deserialize;
use std::path::PathBuf;
use tributary_protocol::{
    Ppm,
    job::{AttributionMethod, Hyperparameters, Schedule, TargetLayers},
};
use tributary_trainer::Recipe;

/// What of a recipe is given; the rest is as in the recipe file, else the default.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Recipe")]
pub struct RecipeArgs {
    /// JSON file with "hyperparameters" and "attribution", as a bundle's recipe.json; options override it
    #[arg(long, value_name = "FILE")]
    pub recipe: Option<PathBuf>,
    /// Rank of the adapter
    #[arg(long)]
    pub rank: Option<u16>,
    /// LoRA's alpha; the update is scaled by alpha / rank
    #[arg(long)]
    pub alpha: Option<u16>,
    /// Layers that get an adapter: q,k,v,o,gate,up,down; all by default
    #[arg(long, value_delimiter = ',', value_name = "LAYER", value_parser = ["q", "k", "v", "o", "gate", "up", "down"])]
    pub targets: Vec<String>,
    /// Peak learning rate, such as 2e-4
    #[arg(long, value_name = "RATE")]
    pub learning_rate: Option<f64>,
    /// Passes over the training samples
    #[arg(long)]
    pub epochs: Option<u16>,
    /// Samples in a micro-batch
    #[arg(long)]
    pub batch_size: Option<u16>,
    /// Micro-batches in an optimiser step
    #[arg(long)]
    pub accumulation: Option<u16>,
    /// Longest sample, in tokens; longer ones are cut
    #[arg(long, value_name = "TOKENS")]
    pub sequence: Option<u32>,
    /// How the learning rate moves after the warm-up
    #[arg(long, value_parser = choices::schedule())]
    pub schedule: Option<Schedule>,
    /// Percentage of the steps that warm up
    #[arg(long, value_name = "PERCENT", value_parser = parse::percent)]
    pub warmup: Option<Ppm>,
    /// Decoupled weight decay
    #[arg(long)]
    pub weight_decay: Option<f64>,
    /// Largest norm of a step's gradient; 0 clips nothing
    #[arg(long, value_name = "NORM")]
    pub gradient_norm_max: Option<f64>,
    /// Percentage of the samples kept for validation
    #[arg(long, value_name = "PERCENT", value_parser = parse::percent)]
    pub validation: Option<Ppm>,
    /// Seed of initialisation and order
    #[arg(long)]
    pub seed: Option<u64>,
    /// Checkpoints at which contributions are scored (TracInCP)
    #[arg(long, value_name = "NUMBER")]
    pub checkpoints: Option<u8>,
}

/// A recipe file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecipeFile {
    hyperparameters: Hyperparameters,
    attribution: AttributionMethod,
}

/// What a run gets that says nothing else: the usual settings of LoRA for models of a billion parameters and more.
pub const DEFAULT: Recipe = Recipe {
    hyperparameters: Hyperparameters {
        rank: 16,
        alpha: 32,
        targets: TargetLayers::ALL,
        learning_rate_nano: 200_000,
        epochs: 3,
        batch_size: 4,
        accumulation: 2,
        sequence_tokens: 512,
        schedule: Schedule::Cosine,
        warmup: Ppm::from_percent(5),
        weight_decay_micro: 0,
        gradient_norm_max_micro: 1_000_000,
        validation: Ppm::from_percent(10),
        seed: 1,
    },
    attribution: AttributionMethod::TracInCp { checkpoints: 4 },
};

/// What the embedded model of a million parameters wants: a higher rate, and many passes over little data. Scored at many
/// checkpoints, because it learns most of what it will in the first few epochs.
pub const TINY: Recipe = Recipe {
    hyperparameters: Hyperparameters {
        learning_rate_nano: 2_000_000,
        epochs: 40,
        batch_size: 16,
        accumulation: 1,
        sequence_tokens: 128,
        ..DEFAULT.hyperparameters
    },
    attribution: AttributionMethod::TracInCp { checkpoints: 16 },
};

impl RecipeArgs {
    /// The recipe: these options over those of the recipe file over `base`.
    pub fn over(&self, base: Recipe) -> anyhow::Result<Recipe> {
        let mut recipe = match &self.recipe {
            Some(path) => {
                let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
                let file: RecipeFile =
                    serde_json::from_slice(&text).with_context(|| format!("{} is no recipe", path.display()))?;
                Recipe { hyperparameters: file.hyperparameters, attribution: file.attribution }
            }
            None => base,
        };
        let h = &mut recipe.hyperparameters;
        set(&mut h.rank, self.rank);
        set(&mut h.alpha, self.alpha);
        if !self.targets.is_empty() {
            h.targets = targets(&self.targets);
        }
        set(&mut h.learning_rate_nano, self.learning_rate.map(|rate| scaled(rate, 1e9)).transpose()?);
        set(&mut h.epochs, self.epochs);
        set(&mut h.batch_size, self.batch_size);
        set(&mut h.accumulation, self.accumulation);
        set(&mut h.sequence_tokens, self.sequence);
        set(&mut h.schedule, self.schedule);
        set(&mut h.warmup, self.warmup);
        set(&mut h.weight_decay_micro, self.weight_decay.map(micro).transpose()?);
        set(&mut h.gradient_norm_max_micro, self.gradient_norm_max.map(micro).transpose()?);
        set(&mut h.validation, self.validation);
        set(&mut h.seed, self.seed);
        set(&mut recipe.attribution, self.checkpoints.map(|checkpoints| AttributionMethod::TracInCp { checkpoints }));
        recipe.hyperparameters.check().map_err(|fault| anyhow::anyhow!("the recipe makes no sense: {fault}"))?;
        Ok(recipe)
    }
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

/// A real number in the recipe's integer unit, to the nearest.
fn scaled(number: f64, unit: f64) -> anyhow::Result<u64> {
    anyhow::ensure!((0.0..=1e6).contains(&number), "{number} is out of range");
    // At most 10^15: exact in a float, and no cast cuts it.
    Ok((number * unit).round() as u64)
}

fn micro(number: f64) -> anyhow::Result<u32> {
    u32::try_from(scaled(number, 1e6)?).with_context(|| format!("{number} is too large"))
}

fn targets(names: &[String]) -> TargetLayers {
    let has = |name: &str| names.iter().any(|given| given == name);
    TargetLayers {
        q_proj: has("q"),
        k_proj: has("k"),
        v_proj: has("v"),
        o_proj: has("o"),
        gate_proj: has("gate"),
        up_proj: has("up"),
        down_proj: has("down"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_override_and_real_numbers_become_their_units() {
        let args = RecipeArgs {
            learning_rate: Some(2.5e-3),
            weight_decay: Some(0.01),
            targets: vec!["q".into(), "down".into()],
            ..RecipeArgs::default()
        };
        let recipe = args.over(DEFAULT).unwrap();
        assert_eq!(recipe.hyperparameters.learning_rate_nano, 2_500_000);
        assert_eq!(recipe.hyperparameters.weight_decay_micro, 10_000);
        assert_eq!(
            recipe.hyperparameters.targets,
            TargetLayers { q_proj: true, down_proj: true, ..TargetLayers::default() }
        );
        assert_eq!(recipe.hyperparameters.rank, DEFAULT.hyperparameters.rank);
    }

    #[test]
    fn a_recipe_that_makes_no_sense_is_refused() {
        for args in [
            RecipeArgs { learning_rate: Some(-1.0), ..RecipeArgs::default() },
            RecipeArgs { learning_rate: Some(f64::NAN), ..RecipeArgs::default() },
            RecipeArgs { rank: Some(0), ..RecipeArgs::default() },
        ] {
            assert!(args.over(DEFAULT).is_err());
        }
    }
}

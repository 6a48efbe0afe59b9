//! The recipe of a run on the command line: the same options for jobs on the chain and for training at home.

use super::{choices, parse};
use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde::Deserialize;
use std::path::PathBuf;
use tributary_daemon::Recipe;
use tributary_protocol::{
    Ppm,
    recipe::{Arithmetic, AttributionMethod, Hyperparameters, Method, Schedule, TangentWay, TargetLayers, Template},
};

/// What of a recipe is given; the rest is as in the recipe file, else the default.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Recipe")]
pub struct RecipeArgs {
    /// JSON file with "hyperparameters" and "attribution", as a bundle's recipe.json; options override it
    #[arg(long, value_name = "FILE")]
    pub recipe: Option<PathBuf>,
    /// Whether the base is held in f32 or in four bits (QLoRA; -single without quantised scales)
    #[arg(long, value_parser = choices::method())]
    pub method: Option<Method>,
    /// Rank of the adapter
    #[arg(long)]
    pub rank: Option<u16>,
    /// LoRA's alpha; the update is scaled by alpha / rank
    #[arg(long)]
    pub alpha: Option<u16>,
    /// Layers that get an adapter: q,k,v,o,gate,up,down, of DeepSeek q_a,q_b,kv_a,kv_b, of Phi qkv,gate_up; all by default
    #[arg(long, value_delimiter = ',', value_name = "LAYER", value_parser = parse::target)]
    pub targets: Vec<&'static str>,
    /// Scale the update by alpha / sqrt(rank) (rsLoRA)
    #[arg(long, visible_alias = "rslora")]
    pub rank_stabilised: bool,
    /// Train lengths and directions of the weights apart (DoRA)
    #[arg(long, visible_alias = "dora")]
    pub weight_decomposed: bool,
    /// Part of an update's inputs that a step leaves out, such as 0.05
    #[arg(long, value_name = "PART")]
    pub dropout: Option<f64>,
    /// Peak learning rate, such as 2e-4
    #[arg(long, value_name = "RATE")]
    pub learning_rate: Option<f64>,
    /// How many times as fast B learns as A (LoRA+), such as 16; 0 for as fast
    #[arg(long, value_name = "RATIO")]
    pub lora_plus: Option<f64>,
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
    /// Let short samples share a pack of --sequence tokens; --batch-size then counts packs
    #[arg(long)]
    pub packing: bool,
    /// How a sample is put to the model: "Question: ... Answer: ...", or by the model's own chat template
    #[arg(long, value_parser = choices::template())]
    pub template: Option<Template>,
    /// How the learning rate moves after the warm-up
    #[arg(long, value_parser = choices::schedule())]
    pub schedule: Option<Schedule>,
    /// Percentage of the steps that warm up
    #[arg(long, value_name = "PERCENT", value_parser = parse::percent)]
    pub warmup: Option<Ppm>,
    /// Percentage of the peak rate that the schedule ends at
    #[arg(long, value_name = "PERCENT", value_parser = parse::percent)]
    pub floor: Option<Ppm>,
    /// Decoupled weight decay
    #[arg(long)]
    pub weight_decay: Option<f64>,
    /// AdamW's epsilon, such as 1e-8; a larger one keeps attribution steadier
    #[arg(long, value_name = "EPSILON")]
    pub adam_epsilon: Option<f64>,
    /// Largest norm of a step's gradient; 0 clips nothing
    #[arg(long, value_name = "NORM")]
    pub gradient_norm_max: Option<f64>,
    /// Strength of the noise on the embeddings (NEFTune), such as 5; 0 for none
    #[arg(long, value_name = "ALPHA")]
    pub neftune: Option<f64>,
    /// Percentage of the samples kept for validation
    #[arg(long, value_name = "PERCENT", value_parser = parse::percent)]
    pub validation: Option<Ppm>,
    /// Look at the validation loss every so many steps
    #[arg(long, value_name = "STEPS")]
    pub evaluate_every: Option<u32>,
    /// End after so many looks without a better validation loss, and keep the best adapter
    #[arg(long, value_name = "LOOKS")]
    pub patience: Option<u16>,
    /// The rules of arithmetic: reproducible by anyone, or the quickest of this machine
    #[arg(long, value_parser = choices::arithmetic())]
    pub arithmetic: Option<Arithmetic>,
    /// Seed of initialisation, order, dropout and noise
    #[arg(long)]
    pub seed: Option<u64>,
    #[command(flatten)]
    pub attribution: AttributionArgs,
}

/// How contributions are scored.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Attribution")]
pub struct AttributionArgs {
    /// By gradients at checkpoints, by what is kept of the whole run, or by running it again without groups of samples; only
    /// the last can pay for single answers
    #[arg(long, value_enum, value_name = "METHOD")]
    pub attribution: Option<AttributionChoice>,
    /// Checkpoints at which contributions are scored
    #[arg(long, value_name = "NUMBER")]
    pub checkpoints: Option<u8>,
    /// Groups of samples that the run is repeated without, one at a time
    #[arg(long, value_name = "NUMBER")]
    pub groups: Option<u8>,
    /// Runs on random halves of the groups, beside those
    #[arg(long, value_name = "NUMBER")]
    pub halves: Option<u8>,
    /// Runs on random coalitions, by which the attribution measures how right it is; 0 for none
    #[arg(long, value_name = "NUMBER")]
    pub coalitions: Option<u8>,
    /// From what a group's score for an answer is computed: one gradient (quickest), gradients half way, or losses (exact)
    #[arg(long, value_parser = choices::tangent_way())]
    pub way: Option<TangentWay>,
}

/// A method of attribution, before its settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AttributionChoice {
    /// TracInCP
    Tracin,
    /// Data value embeddings
    Embedding,
    /// Group tangents
    Tangents,
}

impl AttributionArgs {
    /// These over `method`. A setting without its method is that method's; settings of two methods contradict each other.
    fn over(&self, method: AttributionMethod) -> anyhow::Result<AttributionMethod> {
        use AttributionMethod::{DataValueEmbedding, GroupTangents, TracInCp};
        let tangents =
            self.groups.is_some() || self.halves.is_some() || self.coalitions.is_some() || self.way.is_some();
        let choice = match (self.attribution, self.checkpoints) {
            (Some(choice), _) => choice,
            (None, Some(_)) => AttributionChoice::Tracin,
            (None, None) if tangents => AttributionChoice::Tangents,
            (None, None) => return Ok(method),
        };
        anyhow::ensure!(
            choice == AttributionChoice::Tangents || !tangents,
            "--groups, --halves, --coalitions and --way are settings of --attribution tangents"
        );
        anyhow::ensure!(
            choice == AttributionChoice::Tracin || self.checkpoints.is_none(),
            "--checkpoints is a setting of --attribution tracin"
        );
        Ok(match (choice, method) {
            (AttributionChoice::Tracin, TracInCp { checkpoints }) => {
                TracInCp { checkpoints: self.checkpoints.unwrap_or(checkpoints) }
            }
            (AttributionChoice::Tracin, _) => TracInCp { checkpoints: self.checkpoints.unwrap_or(4) },
            (AttributionChoice::Embedding, _) => DataValueEmbedding,
            (AttributionChoice::Tangents, before) => {
                let GroupTangents { groups, halves, coalitions, way } = (match before {
                    GroupTangents { .. } => before,
                    _ => TANGENTS,
                }) else {
                    return Ok(TANGENTS);
                };
                GroupTangents {
                    groups: self.groups.unwrap_or(groups),
                    halves: self.halves.unwrap_or(halves),
                    coalitions: self.coalitions.unwrap_or(coalitions),
                    way: self.way.unwrap_or(way),
                }
            }
        })
    }
}

/// Group tangents with the usual settings.
pub const TANGENTS: AttributionMethod =
    AttributionMethod::GroupTangents { groups: 32, halves: 0, coalitions: 20, way: TangentWay::Loss };

/// A recipe file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecipeFile {
    #[serde(default)]
    method: Option<Method>,
    hyperparameters: Hyperparameters,
    attribution: AttributionMethod,
}

/// What a run gets that says nothing else: the usual settings of LoRA for models of a billion parameters and more.
pub const DEFAULT: Recipe = Recipe {
    method: Method::Lora,
    hyperparameters: Hyperparameters::DEFAULT,
    attribution: AttributionMethod::TracInCp { checkpoints: 4 },
};

/// What the embedded model of a million parameters wants: a higher rate, and many passes over little data. Scored at many
/// checkpoints, because it learns most of what it will in the first few epochs.
pub const TINY: Recipe = Recipe {
    method: Method::Lora,
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
                let method = file.method.unwrap_or(Method::Lora);
                Recipe { method, hyperparameters: file.hyperparameters, attribution: file.attribution }
            }
            None => base,
        };
        set(&mut recipe.method, self.method);
        let h = &mut recipe.hyperparameters;
        set(&mut h.rank, self.rank);
        set(&mut h.alpha, self.alpha);
        if !self.targets.is_empty() {
            h.targets = targets(&self.targets);
        }
        h.rank_stabilised |= self.rank_stabilised;
        h.weight_decomposed |= self.weight_decomposed;
        set(&mut h.dropout, self.dropout.map(part).transpose()?);
        set(&mut h.learning_rate_nano, self.learning_rate.map(|rate| scaled(rate, 1e9)).transpose()?);
        set(&mut h.lora_plus_ratio_milli, self.lora_plus.map(milli).transpose()?);
        set(&mut h.epochs, self.epochs);
        set(&mut h.batch_size, self.batch_size);
        set(&mut h.accumulation, self.accumulation);
        set(&mut h.sequence_tokens, self.sequence);
        h.packing |= self.packing;
        set(&mut h.template, self.template);
        set(&mut h.schedule, self.schedule);
        set(&mut h.warmup, self.warmup);
        set(&mut h.floor, self.floor);
        set(&mut h.weight_decay_micro, self.weight_decay.map(micro).transpose()?);
        let pico = |epsilon| u32::try_from(scaled(epsilon, 1e12)?).with_context(|| format!("{epsilon} is too large"));
        set(&mut h.adam_epsilon_pico, self.adam_epsilon.map(pico).transpose()?);
        set(&mut h.gradient_norm_max_micro, self.gradient_norm_max.map(micro).transpose()?);
        set(&mut h.neftune_alpha_milli, self.neftune.map(milli).transpose()?);
        set(&mut h.validation, self.validation);
        set(&mut h.evaluation_steps, self.evaluate_every);
        set(&mut h.patience, self.patience);
        set(&mut h.arithmetic, self.arithmetic);
        set(&mut h.seed, self.seed);
        recipe.attribution = self.attribution.over(recipe.attribution)?;
        recipe.check().map_err(|fault| anyhow::anyhow!("the recipe makes no sense: {fault}"))?;
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

fn milli(number: f64) -> anyhow::Result<u32> {
    u32::try_from(scaled(number, 1e3)?).with_context(|| format!("{number} is too large"))
}

fn part(number: f64) -> anyhow::Result<Ppm> {
    Ppm::new(micro(number)?).with_context(|| format!("{number} is out of range: a part is 0 to 1, such as 0.05"))
}

fn targets(names: &[&str]) -> TargetLayers {
    if names.contains(&parse::ALL_LINEAR) {
        return TargetLayers::ALL;
    }
    let mut targets = TargetLayers::default();
    for name in names {
        targets.choose(name);
    }
    targets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_override_and_real_numbers_become_their_units() {
        let args = RecipeArgs {
            learning_rate: Some(2.5e-3),
            weight_decay: Some(0.01),
            targets: vec!["q_proj", "down_proj"],
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
            RecipeArgs { dropout: Some(1.5), ..RecipeArgs::default() },
            RecipeArgs { patience: Some(3), ..RecipeArgs::default() },
        ] {
            assert!(args.over(DEFAULT).is_err());
        }
    }
}

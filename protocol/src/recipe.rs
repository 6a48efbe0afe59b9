//! How a base model is tuned: everything that, with the base and the data, determines the result.

use crate::{amount::Ppm, answer::GROUPS_MAX};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::fmt;
use scale_info::TypeInfo;

/// How the base model is tuned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Method {
    /// Low-rank adaptation of an f32 base (arXiv 2106.09685).
    Lora,
    /// The same over a base whose linear layers are held in four bits, NF4 (arXiv 2305.14314).
    Qlora {
        /// Whether the scales are quantised too: 4.13 bits per parameter instead of 4.5.
        double_quantisation: bool,
    },
}

/// How the learning rate moves after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Schedule {
    /// Stays.
    Constant,
    /// Falls in a line to its floor.
    Linear,
    /// Falls along half a cosine to its floor.
    Cosine,
}

/// How a sample is put to the model.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Template {
    /// `Question: PROMPT`, a line end, `Answer: COMPLETION`.
    #[default]
    Plain,
    /// As a user's and the assistant's turn, by the base model's own chat template.
    Chat,
}

/// The rules of arithmetic, which decide who can check a run.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub enum Arithmetic {
    /// f32 in one fixed order (docs/protocol/det-f32-v1.md): anyone who repeats the run gets the same bytes.
    #[default]
    #[cfg_attr(feature = "std", serde(rename = "det-f32-v1"))]
    DetF32V1,
    /// The quickest of the trainer's machine: a repeated run is equal within a tolerance.
    #[cfg_attr(feature = "std", serde(rename = "fast"))]
    Fast,
}

/// From what a group's score for an answer is computed: docs/protocol/attribution.md, section 2.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum TangentWay {
    /// The answer's gradient times the group's tangent.
    Gradient,
    /// The same with the gradient taken half way along the tangent.
    Midpoint,
    /// The answer's loss at the end of the tangent less that at its beginning.
    #[default]
    Loss,
}

/// How contributions are scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum AttributionMethod {
    /// TracInCP (arXiv 2002.08484) on LoRA gradients at saved checkpoints against the validation split.
    TracInCp {
        /// How many checkpoints, evenly spaced, the last step's included.
        checkpoints: u8,
    },
    /// Data value embeddings of the whole run (arXiv 2412.09538). Answers can be explained by them.
    DataValueEmbedding,
    /// Groups of samples left out in turn, the run repeated each time, and data value embeddings inside a group. The run is
    /// paid for `1 + groups + halves / 2 + 0.8 x coalitions` times, and once more with coalitions.
    GroupTangents {
        /// Most groups.
        groups: u8,
        /// Runs on random halves of the groups, beside those without one.
        halves: u8,
        /// Runs on random coalitions by which the attribution measures how right it is; without any, no answer divides
        /// revenue by its own shares.
        coalitions: u8,
        /// From what a group's score for an answer is computed.
        way: TangentWay,
    },
}

impl AttributionMethod {
    /// Whether contributions can be scored so.
    pub fn check(&self) -> Result<(), RecipeFault> {
        match self {
            Self::TracInCp { checkpoints: 1..=32 } | Self::DataValueEmbedding => Ok(()),
            Self::TracInCp { .. } => Err(RecipeFault::Checkpoints),
            Self::GroupTangents { groups, .. } if !(2..=GROUPS_MAX).contains(&u16::from(*groups)) => {
                Err(RecipeFault::Groups)
            }
            Self::GroupTangents { halves: 193.., .. } => Err(RecipeFault::Halves),
            Self::GroupTangents { coalitions: 1..=3 | 101.., .. } => Err(RecipeFault::Coalitions),
            Self::GroupTangents { .. } => Ok(()),
        }
    }

    /// How many coalitions the trainer measures the attribution on; 0: it does not.
    pub const fn coalitions(&self) -> u8 {
        match self {
            Self::TracInCp { .. } | Self::DataValueEmbedding => 0,
            Self::GroupTangents { coalitions, .. } => *coalitions,
        }
    }
}

/// The linear layers of a decoder block that get an adapter. A base has those of its family; the others say nothing to it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize), serde(default, deny_unknown_fields))]
#[expect(missing_docs, reason = "named as in the model's files")]
pub struct TargetLayers {
    pub q_proj: bool,
    pub k_proj: bool,
    pub v_proj: bool,
    pub o_proj: bool,
    pub gate_proj: bool,
    pub up_proj: bool,
    pub down_proj: bool,
    /// DeepSeek: the latent of the queries.
    pub q_a_proj: bool,
    /// DeepSeek: queries from their latent.
    pub q_b_proj: bool,
    /// DeepSeek: the latent of keys and values.
    pub kv_a_proj_with_mqa: bool,
    /// DeepSeek: keys and values from their latent.
    pub kv_b_proj: bool,
    /// Phi 3: queries, keys and values in one.
    pub qkv_proj: bool,
    /// Phi 3: gate and input of the feed-forward block in one.
    pub gate_up_proj: bool,
}

impl TargetLayers {
    /// Every linear layer of a block, whatever the family.
    pub const ALL: Self = Self {
        q_proj: true,
        k_proj: true,
        v_proj: true,
        o_proj: true,
        gate_proj: true,
        up_proj: true,
        down_proj: true,
        q_a_proj: true,
        q_b_proj: true,
        kv_a_proj_with_mqa: true,
        kv_b_proj: true,
        qkv_proj: true,
        gate_up_proj: true,
    };

    /// Every name with whether it is chosen.
    pub const fn named(&self) -> [(&'static str, bool); 13] {
        [
            ("q_proj", self.q_proj),
            ("k_proj", self.k_proj),
            ("v_proj", self.v_proj),
            ("o_proj", self.o_proj),
            ("gate_proj", self.gate_proj),
            ("up_proj", self.up_proj),
            ("down_proj", self.down_proj),
            ("q_a_proj", self.q_a_proj),
            ("q_b_proj", self.q_b_proj),
            ("kv_a_proj_with_mqa", self.kv_a_proj_with_mqa),
            ("kv_b_proj", self.kv_b_proj),
            ("qkv_proj", self.qkv_proj),
            ("gate_up_proj", self.gate_up_proj),
        ]
    }

    /// Chooses the layer with this name; false if none has it.
    pub fn choose(&mut self, name: &str) -> bool {
        let field = match name {
            "q_proj" => &mut self.q_proj,
            "k_proj" => &mut self.k_proj,
            "v_proj" => &mut self.v_proj,
            "o_proj" => &mut self.o_proj,
            "gate_proj" => &mut self.gate_proj,
            "up_proj" => &mut self.up_proj,
            "down_proj" => &mut self.down_proj,
            "q_a_proj" => &mut self.q_a_proj,
            "q_b_proj" => &mut self.q_b_proj,
            "kv_a_proj_with_mqa" => &mut self.kv_a_proj_with_mqa,
            "kv_b_proj" => &mut self.kv_b_proj,
            "qkv_proj" => &mut self.qkv_proj,
            "gate_up_proj" => &mut self.gate_up_proj,
            _ => return false,
        };
        *field = true;
        true
    }

    /// Whether no layer is chosen.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The recipe of a run. Real numbers are integers in stated units, so that a recipe has one encoding.
///
/// As JSON, what is left out is as in [`Hyperparameters::DEFAULT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct Hyperparameters {
    /// Rank of the adapter.
    pub rank: u16,
    /// LoRA's alpha; the update is scaled by `alpha / rank`.
    pub alpha: u16,
    /// Layers that get an adapter.
    pub targets: TargetLayers,
    /// Whether the update is scaled by `alpha / sqrt(rank)` instead (rsLoRA, arXiv 2312.03732).
    pub rank_stabilised: bool,
    /// Whether lengths and directions of the weights are trained apart (DoRA, arXiv 2402.09353).
    pub weight_decomposed: bool,
    /// Part of an update's inputs that a step leaves out.
    pub dropout: Ppm,
    /// Peak learning rate, in 10^-9.
    pub learning_rate_nano: u64,
    /// How many times as fast `B` learns as `A`, in 10^-3 (LoRA+, arXiv 2402.12354); 0: as fast.
    pub lora_plus_ratio_milli: u32,
    /// Passes over the training split.
    pub epochs: u16,
    /// Samples in a micro-batch; with packing, packs.
    pub batch_size: u16,
    /// Micro-batches in an optimiser step.
    pub accumulation: u16,
    /// Longest sample, in tokens; with packing, also the most that a pack holds.
    pub sequence_tokens: u32,
    /// Whether short samples share a pack. They never see each other.
    pub packing: bool,
    /// How a sample is put to the model.
    pub template: Template,
    /// How the learning rate moves.
    pub schedule: Schedule,
    /// Part of the steps that warm up.
    pub warmup: Ppm,
    /// Part of the peak rate that the schedule ends at.
    pub floor: Ppm,
    /// Decoupled weight decay, in 10^-6.
    pub weight_decay_micro: u32,
    /// AdamW's epsilon, in 10^-12.
    pub adam_epsilon_pico: u32,
    /// Largest norm of a step's gradient, in 10^-6; 0 clips nothing.
    pub gradient_norm_max_micro: u32,
    /// Strength of the noise on the embeddings, in 10^-3 (NEFTune, arXiv 2310.05914); 0: none.
    pub neftune_alpha_milli: u32,
    /// Part of the samples kept for validation.
    pub validation: Ppm,
    /// Steps from one look at the validation loss to the next; 0: before and after the run only.
    pub evaluation_steps: u32,
    /// After how many looks without a better validation loss the run ends; the result is then the best adapter seen. 0: the
    /// run never ends early, and the result is the last adapter.
    pub patience: u16,
    /// The rules of arithmetic.
    pub arithmetic: Arithmetic,
    /// Seed of initialisation, order, dropout and noise.
    pub seed: u64,
}

impl Hyperparameters {
    /// A recipe for a model of billions of parameters.
    pub const DEFAULT: Self = Self {
        rank: 16,
        alpha: 32,
        targets: TargetLayers::ALL,
        rank_stabilised: false,
        weight_decomposed: false,
        dropout: Ppm::ZERO,
        learning_rate_nano: 200_000,
        lora_plus_ratio_milli: 0,
        epochs: 3,
        batch_size: 4,
        accumulation: 2,
        sequence_tokens: 512,
        packing: false,
        template: Template::Plain,
        schedule: Schedule::Cosine,
        warmup: Ppm::from_percent(5),
        floor: Ppm::ZERO,
        weight_decay_micro: 0,
        adam_epsilon_pico: 10_000,
        gradient_norm_max_micro: 1_000_000,
        neftune_alpha_milli: 0,
        validation: Ppm::from_percent(10),
        evaluation_steps: 0,
        patience: 0,
        arithmetic: Arithmetic::DetF32V1,
        seed: 1,
    };

    /// Whether a run can be made of these.
    pub fn check(&self) -> Result<(), RecipeFault> {
        let faults = [
            (self.rank == 0 || self.rank > 1_024 || self.alpha == 0, RecipeFault::Rank),
            (self.targets.is_empty(), RecipeFault::Targets),
            (self.dropout > Ppm::from_percent(90), RecipeFault::Dropout),
            (!(1..=1_000_000_000).contains(&self.learning_rate_nano), RecipeFault::LearningRate),
            (!matches!(self.lora_plus_ratio_milli, 0 | 1_000..=1_000_000), RecipeFault::LoraPlus),
            (self.adam_epsilon_pico == 0, RecipeFault::AdamEpsilon),
            (self.epochs == 0 || self.batch_size == 0 || self.accumulation == 0, RecipeFault::Size),
            (!(8..=131_072).contains(&self.sequence_tokens), RecipeFault::Sequence),
            (self.neftune_alpha_milli > 100_000, RecipeFault::Neftune),
            (self.validation > Ppm::from_percent(50), RecipeFault::Validation),
            (self.patience > 0 && (self.evaluation_steps == 0 || self.validation == Ppm::ZERO), RecipeFault::Patience),
        ];
        faults.into_iter().find(|(broken, _)| *broken).map_or(Ok(()), |(_, fault)| Err(fault))
    }
}

impl Default for Hyperparameters {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Whether a run can be made of both together.
pub fn check(hyperparameters: &Hyperparameters, attribution: &AttributionMethod) -> Result<(), RecipeFault> {
    hyperparameters.check()?;
    attribution.check()?;
    let has_questions = hyperparameters.validation > Ppm::ZERO;
    if attribution.coalitions() == 0 || has_questions { Ok(()) } else { Err(RecipeFault::Questions) }
}

/// Why a recipe makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum RecipeFault {
    /// Rank or alpha is 0, or rank is above 1,024.
    Rank,
    /// No layer is chosen.
    Targets,
    /// The learning rate is 0 or above 1.
    LearningRate,
    /// No epoch, an empty batch, or no accumulation step.
    Size,
    /// Sequences of fewer than 8 or more than 131,072 tokens.
    Sequence,
    /// More than half of the samples are kept for validation.
    Validation,
    /// No checkpoint to score at, or more than 32.
    Checkpoints,
    /// More than nine tenths of the inputs are left out.
    Dropout,
    /// A ratio of learning rates below 1 or above 1,000.
    LoraPlus,
    /// Noise of a strength above 100.
    Neftune,
    /// An early end without a validation loss to decide it.
    Patience,
    /// An epsilon of 0, by which AdamW would divide 0 by 0.
    AdamEpsilon,
    /// Fewer than 2 or more than 64 groups to leave out.
    Groups,
    /// More than 192 random halves.
    Halves,
    /// 1 to 3 coalitions, which measure nothing, or more than 100.
    Coalitions,
    /// Coalitions without validation samples, which are what is asked there.
    Questions,
}

impl fmt::Display for RecipeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rank => "rank and alpha must be at least 1, rank at most 1,024",
            Self::Targets => "at least one target layer must be chosen",
            Self::LearningRate => "the learning rate must be above 0 and at most 1",
            Self::Size => "epochs, batch size and accumulation must each be at least 1",
            Self::Sequence => "sequences have 8 to 131,072 tokens",
            Self::Validation => "at most half of the samples may be kept for validation",
            Self::Checkpoints => "attribution needs 1 to 32 checkpoints",
            Self::Dropout => "dropout is at most 90 %",
            Self::LoraPlus => "the LoRA+ ratio is 1 to 1,000, or 0 for none",
            Self::Neftune => "the NEFTune alpha is at most 100, or 0 for none",
            Self::Patience => "an early end needs validation samples and steps between evaluations",
            Self::AdamEpsilon => "AdamW's epsilon must be above 0",
            Self::Groups => "group tangents need 2 to 64 groups",
            Self::Halves => "at most 192 random halves are possible",
            Self::Coalitions => "attribution is measured on 4 to 100 coalitions, or on none",
            Self::Questions => {
                "what attribution is measured by are validation samples: keep some, or ask for no coalitions"
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_out_of_range_is_refused_by_what_is_wrong() {
        assert_eq!(Hyperparameters::DEFAULT.check(), Ok(()));
        let refused = |change: fn(&mut Hyperparameters)| {
            let mut recipe = Hyperparameters::DEFAULT;
            change(&mut recipe);
            recipe.check().unwrap_err()
        };
        assert_eq!(refused(|r| r.rank = 0), RecipeFault::Rank);
        assert_eq!(refused(|r| r.targets = TargetLayers::default()), RecipeFault::Targets);
        assert_eq!(refused(|r| r.dropout = Ppm::ONE), RecipeFault::Dropout);
        assert_eq!(refused(|r| r.learning_rate_nano = 1_000_000_001), RecipeFault::LearningRate);
        assert_eq!(refused(|r| r.lora_plus_ratio_milli = 999), RecipeFault::LoraPlus);
        assert_eq!(refused(|r| r.accumulation = 0), RecipeFault::Size);
        assert_eq!(refused(|r| r.sequence_tokens = 7), RecipeFault::Sequence);
        assert_eq!(refused(|r| r.neftune_alpha_milli = 100_001), RecipeFault::Neftune);
        assert_eq!(refused(|r| r.validation = Ppm::from_percent(51)), RecipeFault::Validation);
        assert_eq!(refused(|r| r.patience = 1), RecipeFault::Patience);
    }

    #[test]
    fn every_target_layer_is_chosen_by_its_name() {
        let mut chosen = TargetLayers::default();
        for (name, _) in chosen.named() {
            assert!(chosen.choose(name));
            assert_eq!(chosen.named().iter().rfind(|(_, chosen)| *chosen).map(|(name, _)| *name), Some(name));
        }
        assert_eq!(chosen, TargetLayers::ALL);
        assert!(!chosen.choose("lm_head"));
    }

    #[test]
    fn what_a_recipe_leaves_out_is_the_default_and_what_it_misspells_is_refused() {
        let recipe: Hyperparameters = serde_json::from_str(r#"{"rank": 4, "arithmetic": "fast"}"#).unwrap();
        assert_eq!(recipe, Hyperparameters { rank: 4, arithmetic: Arithmetic::Fast, ..Hyperparameters::DEFAULT });
        assert!(serde_json::from_str::<Hyperparameters>(r#"{"learning_rate": 1}"#).is_err());
    }
}

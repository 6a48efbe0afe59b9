//! Training jobs: what is asked for, what is reported, and the legal transitions between.

use crate::{
    amount::{Amount, BlockNumber},
    answer::{Accuracy, attributed_part},
    datanet::Purpose,
    ids::{BaseModelId, ContentHash, ModelId},
    model::DataUse,
    recipe::{self, AttributionMethod, Hyperparameters, Method, RecipeFault},
    stream::{ContributionRoot, Split},
};
use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::fmt;
use scale_info::TypeInfo;

/// Most Datanet versions that one job may use.
pub const JOB_VERSIONS_MAX: u32 = 8;

/// What a requester asks for.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct JobSpec {
    /// The base model to tune.
    pub base: BaseModelId,
    /// The data, each version with the grant that opens it.
    pub data: BoundedVec<DataUse, ConstU32<JOB_VERSIONS_MAX>>,
    /// For what; each grant must be for the same.
    pub purpose: Purpose,
    /// How the base is tuned.
    pub method: Method,
    /// The recipe.
    pub hyperparameters: Hyperparameters,
    /// How contributions are scored.
    pub attribution: AttributionMethod,
    /// How the model's sales will split.
    pub split: Split,
    /// What the trainer is paid.
    pub price: Amount,
    /// The last block in which a report is taken; the job may be claimed before it.
    pub deadline: BlockNumber,
    /// How many blocks the requester has to accept or dispute a report.
    pub acceptance_blocks: BlockNumber,
}

impl JobSpec {
    /// Whether recipe and method fit together.
    pub fn check(&self) -> Result<(), RecipeFault> {
        recipe::check(&self.hyperparameters, &self.attribution)
    }
}

/// What a training run measured. Losses are nats per token, in 10^-6.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct Metrics {
    /// Optimiser steps.
    pub steps: u32,
    /// Tokens trained on, repeats counted.
    pub tokens: u64,
    /// Mean loss of the last epoch.
    pub training_loss_micro: u32,
    /// Loss on the validation split before training.
    pub validation_loss_before_micro: u32,
    /// Loss on the validation split after training.
    pub validation_loss_micro: u32,
}

/// What a trainer reports.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct Report {
    /// BLAKE3 of `adapter_model.safetensors`.
    pub adapter: ContentHash,
    /// BLAKE3 of the bundle that holds adapter, configuration and checkpoints, as it is served.
    pub bundle: ContentHash,
    /// Root of the training trace (see [`crate::trace`]).
    pub trace: ContentHash,
    /// What was measured.
    pub metrics: Metrics,
    /// Who shaped the model.
    pub contributions: ContributionRoot,
    /// How right that was found to be, if the job asked for coalitions to measure it on.
    pub accuracy: Option<Accuracy>,
}

impl Report {
    /// Whether the part that is attributed to answers follows from the accuracy, and the accuracy was measured as `method`
    /// asks.
    pub fn measures_as(&self, method: &AttributionMethod) -> bool {
        let measured = self.accuracy.map_or(0, |accuracy| accuracy.coalition_count);
        measured == u32::from(method.coalitions())
            && self.contributions.attributed == attributed_part(self.accuracy.as_ref())
    }
}

/// How far a lease holder says it is.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct Progress {
    /// Steps done.
    pub step: u32,
    /// Steps in all; 0 while not yet known.
    pub steps: u32,
}

impl Progress {
    /// The part of `price` that so much of the work is worth, rounded down: nothing while the number of steps is not known.
    ///
    /// Cannot overflow: splits `price` at the number of steps before multiplying.
    pub fn part_of(self, price: Amount) -> Amount {
        let (step, steps) = (Amount::from(self.step.min(self.steps)), Amount::from(self.steps));
        let whole = price.checked_div(steps).unwrap_or(0);
        let rest = price.checked_rem(steps).unwrap_or(0);
        // Exact: the rest and the step are at most the number of steps, of 32 bits, and the sum is at most the price.
        let rest = rest.saturating_mul(step).checked_div(steps).unwrap_or(0);
        whole.saturating_mul(step).saturating_add(rest)
    }
}

/// Where a job stands. Each stage carries what only it needs.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum JobState<AccountId> {
    /// Waits for a trainer.
    Open,
    /// A trainer holds it until a block.
    Leased {
        /// The lease holder.
        trainer: AccountId,
        /// The last block of the lease.
        until: BlockNumber,
        /// How far it is.
        progress: Progress,
        /// What of its bond is at risk.
        at_risk: Amount,
    },
    /// A trainer has reported; the requester may accept or dispute until a block.
    Reported {
        /// Who reported.
        trainer: AccountId,
        /// What.
        report: Report,
        /// The last block in which the requester may dispute.
        accept_until: BlockNumber,
        /// What of its bond is at risk.
        at_risk: Amount,
    },
    /// The requester says that the report is wrong.
    Disputed {
        /// Who reported.
        trainer: AccountId,
        /// What.
        report: Report,
        /// BLAKE3 of the requester's reasons and evidence.
        evidence: ContentHash,
        /// What of its bond is at risk.
        at_risk: Amount,
    },
    /// Paid; a model was made.
    Settled {
        /// Who was paid.
        trainer: AccountId,
        /// What was reported.
        report: Report,
        /// The model.
        model: ModelId,
    },
    /// The requester took it back before a trainer claimed it, stopped it or won a dispute, or a grant that it needs covers it
    /// no longer; what was not paid of the escrow was returned.
    Cancelled,
    /// Its deadline passed unreported; the escrow was returned.
    Expired,
}

/// A job's stage without what it carries: for events, filters and error texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[expect(missing_docs, reason = "see JobState")]
pub enum Stage {
    Open,
    Leased,
    Reported,
    Disputed,
    Settled,
    Cancelled,
    Expired,
}

/// What may happen to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// A trainer takes it.
    Claim,
    /// The lease holder says that it is alive.
    Heartbeat,
    /// The lease ran out; the job is open again.
    Lapse,
    /// The lease holder reports.
    Report,
    /// The requester accepts, or the acceptance window ends.
    Settle,
    /// The requester disputes.
    Dispute,
    /// A dispute is decided for the trainer.
    Uphold,
    /// A dispute is decided for the requester.
    Overturn,
    /// The requester takes an unclaimed job back.
    Cancel,
    /// The deadline passed.
    Expire,
    /// A grant that it needs covers it no longer.
    Revoke,
    /// The requester takes back a job in work, and pays for what was done.
    Stop,
}

impl Stage {
    /// The stage after `transition`, or `None` where it is not legal. The whole state machine, in one place:
    /// a job is settled at most once, because nothing leads out of `Settled`.
    pub fn after(self, transition: Transition) -> Option<Self> {
        use Transition as T;
        Some(match (self, transition) {
            (Self::Open, T::Claim) | (Self::Leased, T::Heartbeat) => Self::Leased,
            (Self::Leased, T::Lapse) => Self::Open,
            (Self::Leased, T::Report) => Self::Reported,
            (Self::Reported, T::Settle) | (Self::Disputed, T::Uphold) => Self::Settled,
            (Self::Reported, T::Dispute) => Self::Disputed,
            (Self::Open, T::Cancel) | (Self::Disputed, T::Overturn) => Self::Cancelled,
            (Self::Open, T::Expire) => Self::Expired,
            (Self::Open | Self::Leased, T::Revoke) | (Self::Leased, T::Stop) => Self::Cancelled,
            _ => return None,
        })
    }

    /// Whether nothing can happen any more.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Settled | Self::Cancelled | Self::Expired)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Leased => "leased",
            Self::Reported => "reported",
            Self::Disputed => "disputed",
            Self::Settled => "settled",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        })
    }
}

impl<AccountId> JobState<AccountId> {
    /// The stage.
    pub fn stage(&self) -> Stage {
        match self {
            Self::Open => Stage::Open,
            Self::Leased { .. } => Stage::Leased,
            Self::Reported { .. } => Stage::Reported,
            Self::Disputed { .. } => Stage::Disputed,
            Self::Settled { .. } => Stage::Settled,
            Self::Cancelled => Stage::Cancelled,
            Self::Expired => Stage::Expired,
        }
    }

    /// The trainer of this stage, if it has one.
    pub fn trainer(&self) -> Option<&AccountId> {
        match self {
            Self::Leased { trainer, .. }
            | Self::Reported { trainer, .. }
            | Self::Disputed { trainer, .. }
            | Self::Settled { trainer, .. } => Some(trainer),
            Self::Open | Self::Cancelled | Self::Expired => None,
        }
    }
}

/// A training job.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Job<AccountId> {
    /// Who pays, and will own the model.
    pub requester: AccountId,
    /// What is asked for.
    pub spec: JobSpec,
    /// What each Datanet of the spec is paid on settlement, in the same order; fixed when the job was posted.
    pub data_fees: BoundedVec<Amount, ConstU32<JOB_VERSIONS_MAX>>,
    /// What the requester has on hold: price and data fees.
    pub escrow: Amount,
    /// What the requester has on hold for the job's storage.
    pub deposit: Amount,
    /// Where it stands.
    pub state: JobState<AccountId>,
    /// How many leases it has had.
    pub leases: u32,
    /// When it was posted.
    pub posted_at: BlockNumber,
}

/// A trainer's bond and record.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct TrainerRecord {
    /// What is on hold.
    pub bonded: Amount,
    /// What of it is at risk in jobs now; cannot be taken back.
    pub at_risk: Amount,
    /// Jobs held now: leased, reported or disputed.
    pub active: u32,
    /// Jobs settled.
    pub settled: u32,
    /// Leases lapsed.
    pub lapsed: u32,
    /// Disputes lost.
    pub overturned: u32,
}

/// A dispute's outcome.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Verdict {
    /// The report stands: trainer and Datanets are paid.
    Uphold,
    /// The report is wrong: the escrow returns, the bond at risk goes to the requester.
    Overturn,
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAGES: [Stage; 7] = [
        Stage::Open,
        Stage::Leased,
        Stage::Reported,
        Stage::Disputed,
        Stage::Settled,
        Stage::Cancelled,
        Stage::Expired,
    ];
    const TRANSITIONS: [Transition; 12] = [
        Transition::Claim,
        Transition::Heartbeat,
        Transition::Lapse,
        Transition::Report,
        Transition::Settle,
        Transition::Dispute,
        Transition::Uphold,
        Transition::Overturn,
        Transition::Cancel,
        Transition::Expire,
        Transition::Revoke,
        Transition::Stop,
    ];

    #[test]
    fn nothing_leads_out_of_a_final_stage_and_something_out_of_every_other() {
        for stage in STAGES {
            let exits = TRANSITIONS.iter().filter(|t| stage.after(**t).is_some()).count();
            assert_eq!(exits == 0, stage.is_final(), "{stage}");
        }
    }

    #[test]
    fn a_part_of_the_work_is_worth_that_part_of_the_price() {
        let part = |step, steps, price| Progress { step, steps }.part_of(price);
        assert_eq!(part(1, 3, 100), 33);
        assert_eq!(part(3, 3, 100), 100);
        assert_eq!(part(0, 3, 100), 0);
        assert_eq!(part(0, 0, 100), 0);
        // More than all is all.
        assert_eq!(part(9, 3, 100), 100);
        assert_eq!(part(u32::MAX, u32::MAX, Amount::MAX), Amount::MAX);
        assert_eq!(
            part(u32::MAX - 1, u32::MAX, Amount::MAX),
            Amount::MAX / Amount::from(u32::MAX) * Amount::from(u32::MAX - 1)
        );
    }

    #[test]
    fn only_a_report_leads_to_payment() {
        for stage in STAGES {
            for transition in TRANSITIONS {
                if stage.after(transition) == Some(Stage::Settled) {
                    assert!(matches!(stage, Stage::Reported | Stage::Disputed));
                }
            }
        }
    }
}

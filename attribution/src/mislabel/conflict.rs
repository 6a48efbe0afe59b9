//! What was not learnt, and what the others would rather unlearn.
//!
//! Two signs of a wrong label, at the end of a run:
//! - Its loss stays high, since what the others teach does not help it. How high says little alone, since texts differ in how
//!   hard they are to say at all; nor does the part that is left of the loss that the base model has, which is large wherever
//!   there was little to learn. The geometric mean of the two counts, the *loss left*.
//! - Its *conflict*: learning it would raise the losses of the others. That is, to first order, `-gᵢᵀ Σ gⱼ` over all others,
//!   with `g` the gradient of a sample's mean loss in the adapter's parameters. It is what Pruthi et al. (TracIn, arXiv
//!   2002.08484, equation 1) call influence, of a sample on all others together, at the last checkpoint.
//!
//! The two know different things, and have no common unit: a sample's score is the mean of its two ranks.

use super::{Suspicion, by_score};
use crate::{
    error::AttributionError,
    learnt::{LOSS_MIN, losses},
};
use tributary_lora::{Adapter, EncodedSample, Model, sample_gradient};

/// The samples by the mean of their ranks in loss left and in conflict, each as the part of the others that are below: the most
/// suspicious first.
///
/// No more is needed than the base, the adapter and the samples. Cost: two forward passes and two gradients for each sample; `12`
/// bytes of memory for each of the adapter's parameters. Errors: a loss or a gradient that is not finite, with its sample.
pub fn screen(model: &Model, adapter: &Adapter, samples: &[EncodedSample]) -> Result<Vec<Suspicion>, AttributionError> {
    let loss_left = |sample: &EncodedSample| {
        let (before, after) = losses(model, adapter, sample)?;
        // What is known anyway tells nothing by how much of it is left.
        Ok(after / before.max(LOSS_MIN).sqrt())
    };
    let losses_left: Vec<f64> = samples.iter().map(loss_left).collect::<Result<_, AttributionError>>()?;
    let by_loss = standings(&losses_left);
    let by_conflict = standings(&conflicts(model, adapter, samples)?);
    let suspicion = |(place, sample): (usize, &EncodedSample)| Suspicion {
        place,
        sample: sample.id(),
        score: (by_loss[place] + by_conflict[place]) / 2.0,
    };
    Ok(by_score(samples.iter().enumerate().map(suspicion).collect()))
}

/// Of each sample `-gᵢᵀ Σ gⱼ` over all others.
fn conflicts(model: &Model, adapter: &Adapter, samples: &[EncodedSample]) -> Result<Vec<f64>, AttributionError> {
    // One gradient at a time, and twice: all of them would not fit beside a large model.
    let gradient = |sample: &EncodedSample| {
        let gradient = sample_gradient(model, adapter, sample)?;
        match gradient.iter().all(|value| value.is_finite()) {
            true => Ok(gradient),
            false => Err(AttributionError::NotFinite { sample: sample.id(), step: 0 }),
        }
    };
    let mut sum = vec![0f64; adapter.parameter_count()];
    for sample in samples {
        sum.iter_mut().zip(gradient(sample)?).for_each(|(sum, value)| *sum += f64::from(value));
    }
    let conflict = |sample: &EncodedSample| {
        let of_others = |(sum, own): (&f64, f32)| (sum - f64::from(own)) * f64::from(own);
        Ok(-sum.iter().zip(gradient(sample)?).map(of_others).sum::<f64>())
    };
    samples.iter().map(conflict).collect()
}

/// The part of the other values that each is above; equal ones count half.
fn standings(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let others = values.len().saturating_sub(1).max(1) as f64;
    let standing = |value: &f64| {
        let below = sorted.partition_point(|other| other.total_cmp(value).is_lt());
        let equal = sorted[below..].partition_point(|other| other.total_cmp(value).is_le());
        (below as f64 + equal.saturating_sub(1) as f64 / 2.0) / others
    };
    values.iter().map(standing).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standings_are_parts_of_the_others() {
        assert_eq!(standings(&[3.0, -1.0, 2.0]), [1.0, 0.0, 0.5]);
        assert_eq!(standings(&[1.0, 1.0, 5.0]), [0.25, 0.25, 1.0]);
        assert_eq!(standings(&[7.0]), [0.0]);
        assert!(standings(&[]).is_empty());
    }
}

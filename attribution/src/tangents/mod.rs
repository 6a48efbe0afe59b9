//! Group tangents: where the adapter would have gone without a group of samples.
//!
//! The same run is trained again without each group in turn, and the difference of the two adapters is kept: a finite
//! secant of what influence functions (arXiv 1703.04730) take a derivative of, without an inverse Hessian and without the
//! assumption that training has converged. To first order, the loss of any answer would have been higher by the product of its
//! gradient with that difference, had the group not been there; one gradient serves all groups.
//!
//! Where two groups teach the same, leaving out either changes little. Runs on random halves of the groups see that: the
//! ridge regression of the adapter on who took part gives each group its mean effect over many company, as Data Banzhaf
//! (arXiv 2205.15466) and datamodels (arXiv 2202.00622) do for a single number.

mod effects;
mod error;
mod file;
mod retrain;
mod ridge;
mod rows;

pub use effects::sample_effects;
pub use error::TangentError;
pub use retrain::{RetrainObserver, RetrainProgress, RetrainRecipe, Retrained, Retrainer};
pub use ridge::{random_coalitions, random_halves};

use crate::groups::Groups;
use rayon::prelude::*;
use rows::{Row, Rows};
use tributary_lora::{Adapter, EncodedSample, Model, sample_gradient, sample_loss};
use tributary_protocol::{ContentHash, recipe::TangentWay};

/// Which tangents a score is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tangent {
    /// Of leaving one group out of all.
    LeaveOneOut,
    /// Of a group's presence in random halves.
    Semivalue,
    /// The mean of both.
    Mean,
}

/// How tangents are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TangentSettings {
    /// Runs on random halves; 0: none. Each costs half a run. 3 for each group do well.
    pub halves: u16,
    /// The ridge of the regression on who took part, in units of runs.
    pub ridge: f64,
    /// The seed of the halves.
    pub seed: u64,
}

impl Default for TangentSettings {
    fn default() -> Self {
        Self { halves: 0, ridge: 0.5, seed: 0 }
    }
}

/// The tangents of all groups of one adapter.
#[derive(Clone, Debug, PartialEq)]
pub struct Tangents {
    base: ContentHash,
    adapter: ContentHash,
    retrains: ContentHash,
    groups: Groups,
    parameters: usize,
    /// The adapter without the group less the adapter.
    leave_one_out: Rows,
    /// What the adapter moves by when the group goes.
    halves: Option<Rows>,
}

impl Tangents {
    /// Trains what is needed and makes the tangents at `result`, the adapter that all samples gave.
    ///
    /// Cost: a run for each group and half a run for each half; memory for two adapters in f32 for each group.
    /// Errors: whatever goes wrong in a run; groups of other samples; a ridge that is not positive.
    pub fn train(
        retrainer: &Retrainer<'_>,
        result: &Adapter,
        groups: &Groups,
        settings: TangentSettings,
        observer: RetrainObserver<'_>,
    ) -> Result<Self, TangentError> {
        let samples = retrainer.dataset().training();
        if !samples.iter().map(EncodedSample::id).eq(groups.ids().iter().copied()) {
            return Err(TangentError::OtherSamples);
        }
        let count = groups.count();
        let halves = random_halves(count, settings.halves.into(), settings.seed);
        let mut runs: Vec<Vec<bool>> = (0..count).map(|out| groups.included(|group| group != out)).collect();
        runs.extend(halves.iter().map(|half| groups.included(|group| half[group])));
        let retrained = retrainer.run(&runs, observer)?;

        let base = retrainer.model();
        let start = parameters(result)?;
        let difference = |retrained: &Retrained| -> Result<Vec<f32>, TangentError> {
            let values = parameters(&retrained.load(base)?)?;
            if values.len() != start.len() {
                let (what, found, expected) = ("a retrained adapter", values.len(), start.len());
                return Err(TangentError::Parameters { what, found, expected });
            }
            Ok(values.iter().zip(&start).map(|(without, with)| without - with).collect())
        };
        let not_finite = TangentError::NotFinite { what: "a retrained adapter" };
        let (of_groups, of_halves) = retrained.split_at(count);
        let differences = of_groups.iter().map(difference).collect::<Result<Vec<_>, _>>()?;
        let leave_one_out = Rows::quantised(&differences).ok_or(not_finite)?;
        drop(differences);

        let rows = if of_halves.is_empty() {
            None
        } else {
            let mut with_all = halves;
            // Halves of one size cannot tell what all groups have in common. The whole run can; its difference is 0.
            with_all.push(vec![true; count]);
            let weights = ridge::weights(&with_all, count, settings.ridge);
            let weights = weights.ok_or_else(|| TangentError::Settings(format!("ridge = {}", settings.ridge)))?;
            let mut rows = vec![vec![0f32; start.len()]; count];
            for (run, retrained) in of_halves.iter().enumerate() {
                let difference = difference(retrained)?;
                // Run after run into each row, whichever thread does it.
                rows.par_iter_mut().zip(&weights).for_each(|(row, weights)| {
                    // The coefficient is of a group's coming; the tangent is of its going.
                    let weight = -weights[run] as f32;
                    row.iter_mut().zip(&difference).for_each(|(row, value)| *row += weight * value);
                });
            }
            Some(Rows::quantised(&rows).ok_or(TangentError::NotFinite { what: "a retrained adapter" })?)
        };
        let hashes: Vec<u8> = retrained.iter().flat_map(|retrained| retrained.adapter.0).collect();
        Ok(Self {
            base: base.content_hash().unwrap_or_default(),
            adapter: result.content_hash()?,
            retrains: ContentHash::of(&hashes),
            groups: groups.clone(),
            parameters: start.len(),
            leave_one_out,
            halves: rows,
        })
    }

    /// The groups.
    pub fn groups(&self) -> &Groups {
        &self.groups
    }

    /// Number of parameters of the adapter.
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// Whether there are tangents of random halves.
    pub fn has_halves(&self) -> bool {
        self.halves.is_some()
    }

    /// The hash of the adapter that they start at.
    pub fn adapter(&self) -> ContentHash {
        self.adapter
    }

    /// BLAKE3 over the hashes of the retrained adapters: what somebody who trains them again compares.
    pub fn retrains(&self) -> ContentHash {
        self.retrains
    }

    /// Checks that they belong to `adapter` on `model`.
    pub fn check(&self, model: &Model, adapter: &Adapter) -> Result<(), TangentError> {
        let belongs = |what, found, expected| match found == expected {
            true => Ok(()),
            false => Err(TangentError::Other { what, found, expected }),
        };
        belongs("base model", self.base, model.content_hash().unwrap_or_default())?;
        belongs("adapter", self.adapter, adapter.content_hash()?)
    }

    /// How much each group helped an answer (above 0) or hurt it (below 0), in nats per token: the product of the answer's
    /// gradient, as [`sample_gradient`] gives it, with the group's tangent. The same inputs give the same bits.
    ///
    /// Cost: `groups · parameters` multiply-adds.
    pub fn scores(&self, gradient: &[f32], tangent: Tangent) -> Result<Vec<f64>, TangentError> {
        if gradient.len() != self.parameters {
            let (found, expected) = (gradient.len(), self.parameters);
            return Err(TangentError::Parameters { what: "the gradient", found, expected });
        }
        let of_rows = |rows: &Rows| rows.dots(gradient);
        let halves = || self.halves.as_ref().map(of_rows).ok_or(TangentError::NoHalves);
        let scores = match tangent {
            Tangent::LeaveOneOut => of_rows(&self.leave_one_out),
            Tangent::Semivalue => halves()?,
            Tangent::Mean => {
                let pairs = of_rows(&self.leave_one_out).into_iter().zip(halves()?);
                pairs.map(|(one, half)| 0.5 * (one + half)).collect()
            }
        };
        match scores.iter().all(|score| score.is_finite()) {
            true => Ok(scores),
            false => Err(TangentError::NotFinite { what: "the answer's gradient" }),
        }
    }

    /// As [`Tangents::scores`] of leaving one out, with the gradient taken half way to where the group's absence leads: exact
    /// up to the third order. Cost: a gradient for each group.
    pub fn scores_at_midpoints(
        &self,
        model: &Model,
        adapter: &Adapter,
        answer: &EncodedSample,
    ) -> Result<Vec<f64>, TangentError> {
        self.each_row(model, adapter, |shifted, row, scratch| {
            shifted.shift(row, 0.5, scratch)?;
            Ok(row.dot(&sample_gradient(model, &shifted.adapter, answer)?))
        })
    }

    /// How much higher the answer's loss is without each group, by computing it: what the other scores approximate, exact up
    /// to the rounding of the tangents. Cost: a loss for each group.
    pub fn loss_differences(
        &self,
        model: &Model,
        adapter: &Adapter,
        answer: &EncodedSample,
    ) -> Result<Vec<f64>, TangentError> {
        let with = f64::from(sample_loss(model, Some(adapter), answer)?);
        self.each_row(model, adapter, |shifted, row, scratch| {
            shifted.shift(row, 1.0, scratch)?;
            Ok(f64::from(sample_loss(model, Some(&shifted.adapter), answer)?) - with)
        })
    }

    /// The scores of leaving one out, in the way that a job names: [`Tangents::scores`], [`Tangents::scores_at_midpoints`] or
    /// [`Tangents::loss_differences`].
    pub fn scores_by(
        &self,
        way: TangentWay,
        model: &Model,
        adapter: &Adapter,
        answer: &EncodedSample,
    ) -> Result<Vec<f64>, TangentError> {
        match way {
            TangentWay::Gradient => {
                self.check(model, adapter)?;
                self.scores(&sample_gradient(model, adapter, answer)?, Tangent::LeaveOneOut)
            }
            TangentWay::Midpoint => self.scores_at_midpoints(model, adapter, answer),
            TangentWay::Loss => self.loss_differences(model, adapter, answer),
        }
    }

    fn each_row(
        &self,
        model: &Model,
        adapter: &Adapter,
        score: impl Fn(&Shifted, &Row, &mut Vec<f32>) -> Result<f64, TangentError>,
    ) -> Result<Vec<f64>, TangentError> {
        self.check(model, adapter)?;
        let shifted = Shifted::new(model, adapter)?;
        let mut scratch = Vec::new();
        let scores = self.leave_one_out.iter().map(|row| score(&shifted, row, &mut scratch));
        let scores = scores.collect::<Result<Vec<f64>, _>>()?;
        match scores.iter().all(|score| score.is_finite()) {
            true => Ok(scores),
            false => Err(TangentError::NotFinite { what: "the answer's loss" }),
        }
    }
}

/// A copy of an adapter that can be moved.
struct Shifted {
    adapter: Adapter,
    start: Vec<f32>,
}

impl Shifted {
    fn new(model: &Model, adapter: &Adapter) -> Result<Self, TangentError> {
        Ok(Self { adapter: Adapter::new(model, adapter.config().clone(), 0)?, start: parameters(adapter)? })
    }

    /// Moves the copy to the adapter plus `factor` times the row.
    fn shift(&self, row: &Row, factor: f32, scratch: &mut Vec<f32>) -> Result<(), TangentError> {
        scratch.clone_from(&self.start);
        row.add_to(scratch, factor);
        let mut from = 0;
        for (_, variable) in self.adapter.variables() {
            let count = variable.elem_count();
            let values = &scratch[from..from + count];
            variable.set(&candle_core::Tensor::from_slice(values, variable.shape(), variable.device())?)?;
            from += count;
        }
        Ok(())
    }
}

/// All parameters of an adapter, flattened in the order of [`Adapter::variables`].
pub fn parameters(adapter: &Adapter) -> Result<Vec<f32>, TangentError> {
    let mut flat = Vec::with_capacity(adapter.parameter_count());
    for (_, tensor) in adapter.tensors() {
        flat.extend(tensor.flatten_all()?.to_vec1::<f32>()?);
    }
    Ok(flat)
}

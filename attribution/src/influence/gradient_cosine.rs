//! The cosine between gradients at the end of the training.
//!
//! Source: as a selector of instruction data, LESS, arXiv 2402.04333, section 3.1, there with Adam's gradients.

use super::{
    Fitted, Influence,
    gradient_dot::Rows,
    gradients::{QueryGradients, dot, ids, last_gradients, last_step},
};
use crate::{
    error::AttributionError,
    estimator::{Inputs, Observer},
};

/// `score(q, i) = cos(grad l(q), grad l(i))` at the last checkpoint; 0 if either gradient is.
///
/// For tables only. A sample that changed next to nothing scores as high as one that changed everything in the same
/// direction, so whoever floods a job with weak copies would be paid for each: no `AttributionMethod` names it, and
/// [`Influence::may_pay`] says no. Cost: that of [`GradientDot`](super::GradientDot).
#[derive(Clone, Copy, Debug, Default)]
pub struct GradientCosine;

impl Influence for GradientCosine {
    fn name(&self) -> &'static str {
        "gradient cosine"
    }

    fn may_pay(&self) -> bool {
        false
    }

    fn fit(&self, inputs: &Inputs<'_>, observer: Observer<'_>) -> Result<Box<dyn Fitted>, AttributionError> {
        let mut rows = last_gradients(inputs, observer)?;
        for row in &mut rows {
            let length = dot(row, row).sqrt();
            if length > 0.0 {
                row.iter_mut().for_each(|value| *value = (f64::from(*value) / length) as f32);
            }
        }
        Ok(Box::new(Unit(Rows { rows, ids: ids(inputs), step: last_step(inputs) })))
    }
}

struct Unit(Rows);

impl Fitted for Unit {
    fn scores(&self, query: &QueryGradients) -> Result<Vec<f64>, AttributionError> {
        let length = dot(query.last(), query.last()).sqrt();
        let mut scores = self.0.scores(query)?;
        if length > 0.0 {
            scores.iter_mut().for_each(|score| *score /= length);
        }
        Ok(scores)
    }
}

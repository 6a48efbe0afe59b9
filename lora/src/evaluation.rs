//! What validation losses say about a run: which adapter is the best, and whether to go on.

use crate::settings::EarlyStopping;
use serde::{Deserialize, Serialize};

/// A look at the validation samples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Steps done at the time; 0: before the first.
    pub step: u64,
    /// Mean loss over the trained tokens of the validation samples.
    pub loss: f32,
}

/// The best of the evaluations, the earlier among equals. What was there before the first step does not count.
pub(crate) fn best(evaluations: &[Evaluation]) -> Option<Evaluation> {
    trained(evaluations).copied().reduce(|best, other| if other.loss < best.loss { other } else { best })
}

/// Whether the last evaluations brought no improvement for as long as the setting has patience.
///
/// An evaluation is an improvement if it lies at least `improvement_min` below the last one that was; with 0, below it.
pub(crate) fn patience_is_over(evaluations: &[Evaluation], stopping: EarlyStopping) -> bool {
    let mut reference: Option<f32> = None;
    let mut waited = 0;
    for Evaluation { loss, .. } in trained(evaluations) {
        match reference {
            Some(last) if *loss >= last || last - loss < stopping.improvement_min => waited += 1,
            _ => (reference, waited) = (Some(*loss), 0),
        }
    }
    waited >= stopping.patience
}

fn trained(evaluations: &[Evaluation]) -> impl Iterator<Item = &Evaluation> {
    evaluations.iter().filter(|evaluation| evaluation.step > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluations(losses: &[f32]) -> Vec<Evaluation> {
        (0..).zip(losses).map(|(step, loss)| Evaluation { step, loss: *loss }).collect()
    }

    #[test]
    fn the_best_is_the_earliest_of_the_lowest_after_training_began() {
        assert_eq!(best(&evaluations(&[1.0])), None);
        let found = best(&evaluations(&[0.5, 3.0, 2.0, 2.5, 2.0])).unwrap();
        assert_eq!((found.step, found.loss), (2, 2.0));
    }

    #[test]
    fn patience_counts_evaluations_since_the_last_real_improvement() {
        let over = |losses: &[f32], patience, improvement_min| {
            patience_is_over(&evaluations(losses), EarlyStopping { patience, improvement_min })
        };
        assert!(!over(&[0.1, 3.0], 1, 0.0), "the first is an improvement, whatever the base had");
        assert!(over(&[9.0, 3.0, 3.0], 1, 0.0));
        assert!(!over(&[9.0, 3.0, 2.9, 2.8], 1, 0.0));
        assert!(over(&[9.0, 3.0, 2.9, 2.8], 2, 0.5), "slow improvement does not count");
        assert!(!over(&[9.0, 3.0, 2.7, 2.4], 2, 0.5), "but adds up");
        assert!(!over(&[9.0, 3.0, 3.5, 2.0, 2.5], 2, 0.0));
    }
}

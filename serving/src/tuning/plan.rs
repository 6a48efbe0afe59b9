//! What a job's settings become: a recipe, and a price.

use crate::jobs::{Hyperparameters, JobError};
use tributary_daemon::Recipe;
use tributary_protocol::Amount;

/// The largest learning rate that the chain takes, in 10^-9: one.
const LEARNING_RATE_NANO_MAX: f64 = 1e9;

/// The recipe: `auto` where nothing is said. A batch is a step's samples; how many of them are computed at once stays as the
/// operator has it, or the largest smaller number that divides the batch.
///
/// Errors: a learning rate that is none.
pub fn recipe(auto: &Recipe, wanted: &Hyperparameters, seed: u64) -> Result<Recipe, JobError> {
    let mut recipe = *auto;
    let h = &mut recipe.hyperparameters;
    h.seed = seed;
    let invalid = |reason: String| JobError::Invalid { param: "hyperparameters", reason };
    let Hyperparameters { epochs, batch_size, learning_rate_multiplier } = *wanted;
    if let Some(epochs) = epochs {
        h.epochs =
            u16::try_from(epochs).map_err(|_| invalid(format!("n_epochs is {epochs}; at most 65535 is accepted")))?;
    }
    if let Some(batch) = batch_size {
        let batch = u16::try_from(batch);
        let batch = batch.map_err(|_| invalid("batch_size is too large; at most 65535 is accepted".into()))?;
        let at_once = (1..=h.batch_size.min(batch)).rev().find(|size| batch % size == 0).unwrap_or(1);
        (h.batch_size, h.accumulation) = (at_once, batch / at_once);
    }
    if let Some(factor) = learning_rate_multiplier {
        let nano = (h.learning_rate_nano as f64 * factor).round();
        if !(1.0..=LEARNING_RATE_NANO_MAX).contains(&nano) {
            let reason = format!(
                "learning_rate_multiplier {factor} makes a learning rate of {}; 1e-9 to 1 is accepted",
                nano / LEARNING_RATE_NANO_MAX
            );
            return Err(invalid(reason));
        }
        // In range: exact.
        h.learning_rate_nano = nano as u64;
    }
    recipe.check().map_err(|fault| invalid(format!("the recipe makes no sense: {fault}")))?;
    Ok(recipe)
}

/// What a run over `tokens` for `epochs` costs at `rate` per 1,000, rounded up, and `least` at least; `None` if no amount is as
/// large.
pub fn price(tokens: u64, epochs: u16, rate: Amount, least: Amount) -> Option<Amount> {
    let read = Amount::from(tokens).checked_mul(epochs.into())?;
    Some(read.checked_mul(rate)?.div_ceil(1_000).max(least))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_protocol::recipe::{AttributionMethod, Hyperparameters as Settings, Method};

    fn auto() -> Recipe {
        Recipe {
            method: Method::Lora,
            hyperparameters: Settings {
                batch_size: 4,
                accumulation: 2,
                learning_rate_nano: 200_000,
                ..Settings::DEFAULT
            },
            attribution: AttributionMethod::TracInCp { checkpoints: 4 },
        }
    }

    #[test]
    fn auto_is_the_operators_and_the_rest_is_what_was_asked() {
        let same = recipe(&auto(), &Hyperparameters::default(), 9).unwrap();
        assert_eq!(same, Recipe { hyperparameters: Settings { seed: 9, ..auto().hyperparameters }, ..auto() });
        for (batch, at_once, accumulation) in [(1, 1, 1), (4, 4, 1), (6, 3, 2), (7, 1, 7), (256, 4, 64)] {
            let wanted =
                Hyperparameters { epochs: Some(5), batch_size: Some(batch), learning_rate_multiplier: Some(0.5) };
            let h = recipe(&auto(), &wanted, 1).unwrap().hyperparameters;
            assert_eq!(
                (h.epochs, h.batch_size, h.accumulation, h.learning_rate_nano),
                (5, at_once, accumulation, 100_000)
            );
        }
        for factor in [1e-9, 1e9, f64::NAN, f64::INFINITY] {
            let wanted = Hyperparameters { learning_rate_multiplier: Some(factor), ..Hyperparameters::default() };
            assert!(matches!(recipe(&auto(), &wanted, 1), Err(JobError::Invalid { param: "hyperparameters", .. })));
        }
    }

    #[test]
    fn prices_grow_with_what_is_read_and_never_wrap() {
        assert_eq!(price(1_500, 2, 7, 0), Some(21));
        assert_eq!(price(1, 1, 7, 0), Some(1));
        assert_eq!(price(1, 1, 7, 500), Some(500));
        assert_eq!(price(u64::MAX, u16::MAX, Amount::MAX, 0), None);
    }
}

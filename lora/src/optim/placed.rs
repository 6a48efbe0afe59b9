//! AdamW where the parameters lie, as arithmetic of whole tensors.

use super::{AdamW, AdamWConfig, Moments, Step};
use crate::ops::with_values;
use candle_core::{DType, Result, Tensor, Var};
use std::borrow::Cow;

impl AdamW {
    /// An optimiser whose moments lie beside the parameters.
    pub(crate) fn placed<'a>(config: AdamWConfig, variables: impl IntoIterator<Item = &'a Var>) -> Result<Self> {
        let mut optimiser = Self::new(config, []);
        for variable in variables {
            let zeros = || Tensor::zeros(variable.shape(), DType::F32, variable.device());
            optimiser.placed.push([zeros()?, zeros()?]);
        }
        Ok(optimiser)
    }

    /// Moves one parameter as [`AdamW::update`] does; without a gradient it decays and keeps its momentum.
    pub(crate) fn update_placed(
        &mut self,
        step: &Step,
        index: usize,
        variable: &Var,
        gradient: Option<&Tensor>,
        scale: f32,
    ) -> Result<()> {
        let [first, second] = &mut self.placed[index];
        let (beta1, beta2) = (f64::from(step.beta1), f64::from(step.beta2));
        match gradient {
            Some(gradient) => {
                let gradient = (gradient * f64::from(scale))?;
                *first = (&*first + ((&gradient - &*first)? * (1.0 - beta1))?)?;
                *second = ((&*second * beta2)? + (gradient.sqr()? * (1.0 - beta2))?)?;
            }
            None => {
                *first = (&*first * beta1)?;
                *second = (&*second * beta2)?;
            }
        }
        let divisor = second.sqrt()?.affine(step.second_scale.into(), step.epsilon.into())?;
        let kept = (variable.as_detached_tensor() * f64::from(step.keep))?;
        variable.set(&(kept - ((&*first * f64::from(step.size))? / divisor)?)?)
    }

    /// The moments of one parameter, on the processor.
    pub(crate) fn moments_of(&self, index: usize) -> Result<Cow<'_, Moments>> {
        let Some([first, second]) = self.placed.get(index) else { return Ok(Cow::Borrowed(&self.moments[index])) };
        let values = |tensor: &Tensor| with_values(tensor, |values| Ok(values.to_vec()));
        Ok(Cow::Owned(Moments { first: values(first)?, second: values(second)? }))
    }

    /// Replaces the moments of all parameters.
    pub(crate) fn take_up(&mut self, moments: Vec<Moments>) -> Result<()> {
        if self.placed.is_empty() {
            self.moments = moments;
            return Ok(());
        }
        for (kept, Moments { first, second }) in self.placed.iter_mut().zip(moments) {
            let (shape, device) = (kept[0].shape().clone(), kept[0].device().clone());
            *kept = [Tensor::from_vec(first, &shape, &device)?, Tensor::from_vec(second, &shape, &device)?];
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::placement::Placement;

    on_devices!(moves_parameters_as_the_processor_does);

    fn moves_parameters_as_the_processor_does(placement: Placement) {
        let device = placement.device().unwrap();
        let numbers = |seed: f32| (0..60).map(|i| libm::sinf(seed + 1.3 * i as f32)).collect::<Vec<f32>>();
        let config = AdamWConfig { weight_decay: 0.1, ..Default::default() };
        let (mut own, mut parameter) = (AdamW::new(config, [60]), numbers(0.0));
        let variable = Var::from_vec(parameter.clone(), (6, 10), &device).unwrap();
        let mut placed = AdamW::placed(config, [&variable]).unwrap();
        for (index, gradient) in [Some(1.0), Some(2.0), None, Some(3.0)].into_iter().enumerate() {
            let gradient = gradient.map(numbers);
            own.begin();
            placed.begin();
            let step = own.constants(0.01 * (index + 1) as f64);
            own.update(&step, 0, &mut parameter, gradient.as_deref().unwrap_or(&[0.0; 60]), 0.25);
            let gradient = gradient.map(|values| Tensor::from_vec(values, (6, 10), &device).unwrap());
            placed.update_placed(&step, 0, &variable, gradient.as_ref(), 0.25).unwrap();
            let found: Vec<f32> = variable.flatten_all().unwrap().to_vec1().unwrap();
            let worst = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            // The same formulas in f32, rounded in another order.
            assert!(worst(&found, &parameter) < 1e-6, "step {index}: {}", worst(&found, &parameter));
            let (ours, theirs) = (own.moments_of(0).unwrap(), placed.moments_of(0).unwrap());
            assert!(worst(&ours.first, &theirs.first) < 1e-7 && worst(&ours.second, &theirs.second) < 1e-8);
        }
        // What a checkpoint keeps brings the same moments back.
        let kept = placed.moments_of(0).unwrap().into_owned();
        let mut again = AdamW::placed(config, [&variable]).unwrap();
        again.take_up(vec![kept.clone()]).unwrap();
        assert_eq!(*again.moments_of(0).unwrap(), kept);
    }
}

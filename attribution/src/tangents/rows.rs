//! Directions in the adapter's parameters, at eight bits each.

use rayon::prelude::*;

/// Parameters that share a scale.
pub(super) const BLOCK: usize = 256;
/// Sums that are made side by side; a fixed number, so that every machine adds in the same order.
const LANES: usize = 8;

/// One direction.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Row {
    /// One for each block of [`BLOCK`] parameters; finite, not below 0.
    pub scales: Vec<f32>,
    /// From -127 to 127.
    pub values: Vec<i8>,
}

/// One direction for each group.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Rows(Vec<Row>);

impl Rows {
    /// Rounds directions to the nearest of 255 steps of their blocks' largest elements. `None` if an element is not finite.
    pub(super) fn quantised(directions: &[Vec<f32>]) -> Option<Self> {
        directions.iter().map(|values| Row::quantised(values)).collect::<Option<Vec<_>>>().map(Self)
    }

    /// Adds a direction from its parts; `None` if one of them is not possible.
    pub(super) fn push(&mut self, scales: Vec<f32>, values: Vec<i8>) -> Option<()> {
        let possible = scales.len() == values.len().div_ceil(BLOCK)
            && scales.iter().all(|scale| scale.is_finite() && scale.is_sign_positive())
            && !values.contains(&i8::MIN);
        possible.then(|| self.0.push(Row { scales, values }))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Row> {
        self.0.iter()
    }

    /// The inner product of every direction with `gradient`. A thread computes whole ones, so that the bits do not depend on
    /// how many there are.
    pub(super) fn dots(&self, gradient: &[f32]) -> Vec<f64> {
        self.0.par_iter().map(|row| row.dot(gradient)).collect()
    }
}

impl Row {
    fn quantised(values: &[f32]) -> Option<Self> {
        let mut row = Self { scales: Vec::with_capacity(values.len().div_ceil(BLOCK)), values: Vec::new() };
        row.values.reserve_exact(values.len());
        for block in values.chunks(BLOCK) {
            if block.iter().any(|value| !value.is_finite()) {
                return None;
            }
            let largest = block.iter().fold(0f32, |largest, value| largest.max(value.abs()));
            let scale = largest / 127.0;
            row.scales.push(scale);
            // A scale that underflows to 0 leaves nothing of its block.
            let step = |value: &f32| if scale > 0.0 { (value / scale).round_ties_even() as i8 } else { 0 };
            row.values.extend(block.iter().map(step).map(|value| value.max(-127)));
        }
        Some(row)
    }

    /// The inner product with `gradient`, of as many elements. Its bits are the same on every machine.
    pub(super) fn dot(&self, gradient: &[f32]) -> f64 {
        let blocks = self.values.chunks(BLOCK).zip(gradient.chunks(BLOCK));
        blocks.zip(&self.scales).fold(0f64, |sum, ((values, gradient), scale)| {
            let mut lanes = [0f32; LANES];
            let mut add = |values: &[i8; LANES], gradient: &[f32; LANES]| {
                for lane in 0..LANES {
                    lanes[lane] += f32::from(values[lane]) * gradient[lane];
                }
            };
            let ((values, values_left), (gradient, gradient_left)) = (values.as_chunks(), gradient.as_chunks());
            values.iter().zip(gradient).for_each(|(values, gradient)| add(values, gradient));
            if !values_left.is_empty() {
                let (mut last_values, mut last_gradient) = ([0i8; LANES], [0f32; LANES]);
                last_values[..values_left.len()].copy_from_slice(values_left);
                last_gradient[..gradient_left.len()].copy_from_slice(gradient_left);
                add(&last_values, &last_gradient);
            }
            sum + f64::from(*scale) * lanes.iter().map(|lane| f64::from(*lane)).sum::<f64>()
        })
    }

    /// Adds `factor` times the direction to `to`.
    pub(super) fn add_to(&self, to: &mut [f32], factor: f32) {
        let blocks = to.chunks_mut(BLOCK).zip(self.values.chunks(BLOCK)).zip(&self.scales);
        for ((to, values), scale) in blocks {
            to.iter_mut().zip(values).for_each(|(to, value)| *to += factor * scale * f32::from(*value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_element_is_off_by_half_a_step_at_most(
            values in prop::collection::vec(prop_oneof![-1.0f32..1.0, -1e-30f32..1e-30, Just(0f32)], 1..700),
        ) {
            let row = Row::quantised(&values).unwrap();
            let mut back = vec![0f32; values.len()];
            row.add_to(&mut back, 1.0);
            for (block, (back, scale)) in values.chunks(BLOCK).zip(back.chunks(BLOCK).zip(&row.scales)) {
                for (value, back) in block.iter().zip(back) {
                    prop_assert!((value - back).abs() <= scale * 0.5001, "{value} {back} {scale}");
                }
            }
            let gradient: Vec<f32> = (0..values.len()).map(|at| ((at * 37) % 11) as f32 - 5.0).collect();
            let exact: f64 = back.iter().zip(&gradient).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            let size: f64 = back.iter().zip(&gradient).map(|(a, b)| (f64::from(*a) * f64::from(*b)).abs()).sum();
            prop_assert!((row.dot(&gradient) - exact).abs() <= 1e-5 * size, "{} {exact}", row.dot(&gradient));
        }
    }

    #[test]
    fn what_is_no_direction_is_refused() {
        assert!(Rows::quantised(&[vec![1.0, f32::NAN]]).is_none());
        let push = |scales: &[f32], values: &[i8]| Rows::default().push(scales.to_vec(), values.to_vec());
        assert!(push(&[0.5], &[127, -127]).is_some());
        assert!(push(&[0.5, 0.5], &[1]).is_none() && push(&[f32::INFINITY], &[1]).is_none());
        assert!(push(&[-0.5], &[1]).is_none() && push(&[0.5], &[-128]).is_none());
    }
}

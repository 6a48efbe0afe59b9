//! Vectors in a byte per number.

/// A vector of int8 with one scale: element `i` is `scale · values[i]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quantised {
    /// The size of one step, the largest magnitude divided by 127.
    pub scale: f32,
    /// From -127 to 127.
    pub values: Vec<i8>,
}

impl Quantised {
    /// The nearest to `values`, ties to even. `None` if one is not finite.
    ///
    /// Of a sketch of `k` numbers without a pattern, rounding takes a part of about `0.01` of the length, in directions
    /// without a pattern: in inner products `0.01 / sqrt(k)`, far below the sketch's own error of `1 / sqrt(k)`.
    pub fn new(values: &[f32]) -> Option<Self> {
        let largest =
            values.iter().try_fold(0f32, |largest, value| value.is_finite().then(|| largest.max(value.abs())))?;
        let scale = largest / 127.0;
        if scale == 0.0 {
            return Some(Self { scale: 0.0, values: vec![0; values.len()] });
        }
        // Rounding can put the largest a little beyond 127 steps.
        let round = |value: &f32| (value / scale).round_ties_even().clamp(-127.0, 127.0) as i8;
        Some(Self { scale, values: values.iter().map(round).collect() })
    }

    /// Writes the numbers to `out`.
    pub fn write_to(&self, out: &mut [f32]) {
        out.iter_mut().zip(&self.values).for_each(|(out, value)| *out = self.scale * f32::from(*value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_to_the_nearest_step() {
        let found = Quantised::new(&[12.7, -12.7, 0.05, 0.15, -0.26, 0.0]).unwrap();
        assert_eq!(found.values, [127, -127, 0, 2, -3, 0]);
        let mut back = [0f32; 6];
        found.write_to(&mut back);
        assert!((back[0] - 12.7).abs() < 1e-5 && (back[4] + 0.3).abs() < 1e-6, "{back:?}");
    }

    #[test]
    fn zero_and_the_smallest_numbers_stay_finite() {
        assert_eq!(Quantised::new(&[0.0, -0.0]).unwrap(), Quantised { scale: 0.0, values: vec![0, 0] });
        // The scale itself underflows.
        assert_eq!(Quantised::new(&[f32::from_bits(1)]).unwrap().values, [0]);
        assert_eq!(Quantised::new(&[f32::MAX, f32::MIN]).unwrap().values, [127, -127]);
        assert_eq!(Quantised::new(&[1.0, f32::NAN]), None);
        assert_eq!(Quantised::new(&[f32::INFINITY]), None);
    }
}

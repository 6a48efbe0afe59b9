//! Symmetric positive definite systems, in f64.

/// The lower triangle `L` of `M = L·Lᵀ`.
#[derive(Clone, Debug)]
pub(crate) struct Cholesky {
    /// `[size, size]`, row-major; what lies above the diagonal means nothing.
    lower: Vec<f64>,
    size: usize,
}

impl Cholesky {
    /// Of the symmetric `matrix [size, size]`, of which the lower triangle is read. `None` if it is not positive definite.
    /// Cost: `size³ / 6` multiply-adds.
    pub fn new(mut matrix: Vec<f64>, size: usize) -> Option<Self> {
        for row in 0..size {
            let (above, this) = matrix.split_at_mut(row * size);
            for column in 0..row {
                let other = &above[column * size..][..=column];
                let sum = product(&this[..column], &other[..column]);
                this[column] = (this[column] - sum) / other[column];
            }
            let left = this[row] - product(&this[..row], &this[..row]);
            if !(left > 0.0 && left.is_finite()) {
                return None;
            }
            this[row] = left.sqrt();
        }
        Some(Self { lower: matrix, size })
    }

    /// The `x` of `M·x = right`.
    pub fn solve(&self, right: &[f64]) -> Vec<f64> {
        let mut x = self.forward(right);
        for row in (0..self.size).rev() {
            x[row] /= self.lower[row * self.size + row];
            let value = x[row];
            let coefficients = &self.lower[row * self.size..][..row];
            x[..row].iter_mut().zip(coefficients).for_each(|(x, coefficient)| *x -= value * coefficient);
        }
        x
    }

    /// The `y` of `L·y = right`, whose square is `rightᵀ·M^-1·right`.
    pub fn forward(&self, right: &[f64]) -> Vec<f64> {
        let mut y = right.to_vec();
        for row in 0..self.size {
            let coefficients = &self.lower[row * self.size..][..=row];
            y[row] = (y[row] - product(&coefficients[..row], &y[..row])) / coefficients[row];
        }
        y
    }
}

/// In four sums that are added in pairs: one fixed order.
fn product(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0f64; 4];
    let (a_parts, b_parts) = (a.chunks_exact(4), b.chunks_exact(4));
    let rest = a_parts.remainder().iter().zip(b_parts.remainder()).fold(0f64, |sum, (a, b)| sum + a * b);
    for (a, b) in a_parts.zip(b_parts) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solves_and_refuses() {
        let size = 9;
        // A·Aᵀ + I of numbers without a pattern.
        let a: Vec<f64> = (0..size * size).map(|i| libm::sin(1.7 * i as f64)).collect();
        let entry = |i: usize, j: usize| {
            let sum: f64 = (0..size).map(|k| a[i * size + k] * a[j * size + k]).sum();
            sum + f64::from(u8::from(i == j))
        };
        let matrix: Vec<f64> = (0..size * size).map(|at| entry(at / size, at % size)).collect();
        let x: Vec<f64> = (0..size).map(|i| i as f64 - 3.5).collect();
        let right: Vec<f64> = (0..size).map(|i| (0..size).map(|j| matrix[i * size + j] * x[j]).sum()).collect();
        let solver = Cholesky::new(matrix.clone(), size).unwrap();
        let solved = solver.solve(&right);
        assert!(solved.iter().zip(&x).all(|(a, b)| (a - b).abs() < 1e-12), "{solved:?}");
        let square: f64 = solver.forward(&right).iter().map(|y| y * y).sum();
        let expected: f64 = right.iter().zip(&x).map(|(r, x)| r * x).sum();
        assert!((square - expected).abs() < 1e-9 * expected, "{square} {expected}");

        let mut indefinite = matrix;
        indefinite[0] = -1.0;
        assert!(Cholesky::new(indefinite, size).is_none());
        assert!(Cholesky::new(vec![f64::NAN], 1).is_none());
    }
}

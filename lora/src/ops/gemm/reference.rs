//! The definition, written out, and the kernel beside it.

use super::*;
use proptest::prelude::*;

/// The definition in the module's documentation, element by element.
fn defined(out: &mut [f32], out_stride: usize, into: Into, left: &Matrix, right: &Matrix, scale: f32) {
    for i in 0..left.rows {
        for j in 0..right.columns {
            let element = &mut out[i * out_stride + j];
            for first in (0..left.columns).step_by(CHUNK) {
                let mut sum = 0f32;
                for k in first..left.columns.min(first + CHUNK) {
                    sum = left.get(i, k).mul_add(right.get(k, j), sum);
                }
                *element = if first == 0 && into == Into::Overwrite { scale * sum } else { *element + scale * sum };
            }
        }
    }
}

/// A matrix with rows further apart than they are long, maybe seen as its transpose.
#[derive(Debug)]
struct Matrix {
    values: Vec<f32>,
    rows: usize,
    columns: usize,
    stride: usize,
    transposed: bool,
}

impl Matrix {
    fn new(rows: usize, columns: usize, apart: usize, transposed: bool, seed: u32) -> Self {
        let (outer, stride) = if transposed { (columns, rows + apart) } else { (rows, columns + apart) };
        let mut state = u64::from(seed) << 20 | 0x9E37;
        let values = (0..outer * stride).map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // Sums of numbers of very different size are where another order shows.
            let size = f32::from_bits(((state >> 60) as u32 + 119) << 23);
            size * ((state >> 36 & 0xFF_FFFF) as f32 / 8_388_608.0 - 1.0)
        });
        Self { values: values.collect(), rows, columns, stride, transposed }
    }

    fn get(&self, row: usize, column: usize) -> f32 {
        self.values[if self.transposed { column * self.stride + row } else { row * self.stride + column }]
    }

    fn view(&self) -> View<'_> {
        match self.transposed {
            false => View::strided(&self.values, self.rows, self.columns, self.stride),
            true => View::strided(&self.values, self.columns, self.rows, self.stride).transposed(),
        }
    }
}

/// Every set of instructions here that promises the definition's bits.
fn backends() -> Vec<Backend> {
    let mut all = vec![Backend::detect()];
    #[cfg(target_arch = "x86_64")]
    if all[0] == Backend::Avx512 {
        all.push(Backend::Avx2);
    }
    if Backend::Portable.is_fused() {
        all.push(Backend::Portable);
    }
    all.retain(|backend| backend.is_fused());
    all
}

fn check(left: &Matrix, right: &Matrix, apart: usize, into: Into, scale: f32) {
    let out_stride = right.columns + apart;
    let before: Vec<f32> = (0..left.rows * out_stride).map(|i| i as f32 * 0.37 - 5.0).collect();
    let mut expected = before.clone();
    defined(&mut expected, out_stride, into, left, right, scale);
    for backend in backends() {
        for threads in [Threads::One, Threads::All] {
            let mut found = before.clone();
            product_with(backend, &mut found, out_stride, into, left.view(), right.view(), scale, threads);
            let differs = found.iter().zip(&expected).position(|(a, b)| a.to_bits() != b.to_bits());
            assert_eq!(
                differs, None,
                "{backend:?} {}x{}x{} {into:?}, transposed {} {}",
                left.rows, left.columns, right.columns, left.transposed, right.transposed
            );
        }
    }
}

#[test]
fn every_edge_has_the_bits_of_the_definition() {
    for rows in (1..=14).chain([25, 64]) {
        for columns in (1..=18).chain([31, 32, 33, 64, 65]) {
            for inner in [1, 7, 8, 9, CHUNK] {
                let (left, right) = (
                    Matrix::new(rows, inner, 0, rows % 2 == 0, 1),
                    Matrix::new(inner, columns, 0, columns % 3 == 0, 2),
                );
                check(&left, &right, 0, Into::Overwrite, 1.0);
            }
        }
    }
}

#[test]
fn shared_work_has_the_bits_of_the_definition() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(7).build().unwrap();
    pool.install(|| {
        for (rows, inner, columns) in
            [(150, 700, 130), (1, 1500, 2000), (2000, 1500, 1), (8, 600, 1024), (1024, 600, 8)]
        {
            for transposed in [false, true] {
                let left = Matrix::new(rows, inner, 0, transposed, 3);
                let right = Matrix::new(inner, columns, 0, !transposed, 4);
                check(&left, &right, 0, Into::Add, 0.3);
            }
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_product_has_the_bits_of_the_definition(
        (rows, inner, columns) in (1usize..40, 1usize..700, 1usize..70),
        (left_apart, right_apart, out_apart) in (0usize..5, 0usize..5, 0usize..5),
        (left_transposed, right_transposed, add) in any::<(bool, bool, bool)>(),
        scale in prop_oneof![Just(1f32), -3f32..3.0],
        seed in any::<u32>(),
    ) {
        let left = Matrix::new(rows, inner, left_apart, left_transposed, seed);
        let right = Matrix::new(inner, columns, right_apart, right_transposed, seed ^ 1);
        check(&left, &right, out_apart, if add { Into::Add } else { Into::Overwrite }, scale);
    }
}

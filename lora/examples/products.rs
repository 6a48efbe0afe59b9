//! The products of `det-f32-v1` beside the gemm crate's, on the shapes of training and generation:
//! `cargo run --release -p tributary-lora --example products`
//!
//! Both add to what is there. The shortest of several runs counts, which take turns.

use rayon::{ThreadPool, ThreadPoolBuilder};
use std::{hint::black_box, time::Instant};
use tributary_lora::{Matrix, add_product};

/// A product, and which of its factors are given transposed.
struct Shape {
    name: &'static str,
    /// `m`, `k`, `n` of `[m, k] · [k, n]`.
    sizes: [usize; 3],
    transposed: [bool; 2],
}

const fn shape(name: &'static str, sizes: [usize; 3], transposed: [bool; 2]) -> Shape {
    Shape { name, sizes, transposed }
}

const SHAPES: [Shape; 16] = [
    shape("layer forward", [512, 2048, 512], [false, true]),
    shape("layer backward", [512, 512, 2048], [false, false]),
    shape("weight gradient", [512, 512, 2048], [true, false]),
    shape("wide layer", [512, 896, 4864], [false, true]),
    shape("head forward", [128, 896, 16384], [false, true]),
    shape("head backward", [128, 16384, 896], [false, false]),
    shape("x·A, rank 8", [512, 2048, 8], [false, true]),
    shape("x·A, rank 64", [512, 2048, 64], [false, true]),
    shape("down·B, rank 8", [512, 8, 2048], [false, true]),
    shape("dy·B, rank 8", [512, 2048, 8], [false, false]),
    shape("dA, rank 8", [8, 512, 2048], [true, false]),
    shape("dB, rank 8", [2048, 512, 8], [true, false]),
    shape("scores of a head", [512, 64, 512], [false, true]),
    shape("values of a head", [512, 512, 64], [false, false]),
    shape("one token", [1, 896, 4864], [false, true]),
    shape("eight tokens", [8, 896, 4864], [false, true]),
];

/// One factor: its numbers, how it is to be read, and the strides of that.
struct Factor {
    values: Vec<f32>,
    rows: usize,
    columns: usize,
    transposed: bool,
}

impl Factor {
    fn new(rows: usize, columns: usize, transposed: bool) -> Self {
        let number = |i: usize| ((i * 7919) % 10_007) as f32 / 5003.0 - 1.0;
        Self { values: (0..rows * columns).map(number).collect(), rows, columns, transposed }
    }

    fn matrix(&self) -> Matrix<'_> {
        match self.transposed {
            true => Matrix::new(&self.values, self.columns, self.rows).transposed(),
            false => Matrix::new(&self.values, self.rows, self.columns),
        }
    }

    /// From a column to the next, and from a row to the next.
    fn strides(&self) -> [isize; 2] {
        match self.transposed {
            true => [self.rows as isize, 1],
            false => [1, self.columns as isize],
        }
    }
}

fn theirs(out: &mut [f32], left: &Factor, right: &Factor, parallelism: gemm::Parallelism) {
    let (m, k, n) = (left.rows, left.columns, right.columns);
    assert_eq!((left.values.len(), right.values.len(), out.len()), (m * k, k * n, m * n));
    let ([of_left, left_row], [of_right, right_row]) = (left.strides(), right.strides());
    let (to, from_left, from_right) = (out.as_mut_ptr(), left.values.as_ptr(), right.values.as_ptr());
    #[expect(unsafe_code, reason = "gemm takes pointers")]
    // SAFETY: the slices have the elements that the sizes and strides reach, and nobody else has `out`.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            to,
            1,
            n as isize,
            true,
            from_left,
            of_left,
            left_row,
            from_right,
            of_right,
            right_row,
            1.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}

/// Seconds of ours and theirs.
fn compare(shape: &Shape, pool: &ThreadPool) -> [f64; 2] {
    let [m, k, n] = shape.sizes;
    let (left, right) = (Factor::new(m, k, shape.transposed[0]), Factor::new(k, n, shape.transposed[1]));
    let parallelism = match pool.current_num_threads() {
        1 => gemm::Parallelism::None,
        _ => gemm::Parallelism::Rayon(0),
    };
    pool.install(|| {
        let (mut ours, mut others) = (vec![0f32; m * n], vec![0f32; m * n]);
        add_product(&mut ours, left.matrix(), right.matrix(), 1.0);
        theirs(&mut others, &left, &right, parallelism);
        let apart = ours.iter().zip(&others).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
        // Sums of k products below 1, in two orders: k roundings of numbers below k would be far worse.
        assert!(apart <= 1e-6 * k as f32, "{}: the products differ by {apart}", shape.name);
        let mut shortest = [f64::MAX; 2];
        for _ in 0..(3_000_000_000 / (m * k * n)).clamp(15, 500) {
            let started = Instant::now();
            add_product(black_box(&mut ours), left.matrix(), right.matrix(), 1.0);
            let between = Instant::now();
            theirs(black_box(&mut others), &left, &right, parallelism);
            shortest[1] = shortest[1].min(between.elapsed().as_secs_f64());
            shortest[0] = shortest[0].min((between - started).as_secs_f64());
        }
        shortest
    })
}

fn main() -> Result<(), rayon::ThreadPoolBuildError> {
    let (one, all) = (ThreadPoolBuilder::new().num_threads(1).build()?, ThreadPoolBuilder::new().build()?);
    println!(
        "the last columns: how many times as fast as the gemm crate, with 1 and {} threads",
        all.current_num_threads()
    );
    println!("{:18} {:>16} {:>9} {:>9} {:>6} {:>6}", "product", "m x k x n", "GFLOP/s", "gemm", "one", "all");
    for shape in &SHAPES {
        let [m, k, n] = shape.sizes;
        let ([ours, theirs], [ours_all, theirs_all]) = (compare(shape, &one), compare(shape, &all));
        let speed = |seconds: f64| 2e-9 * (m * k * n) as f64 / seconds;
        println!(
            "{:18} {:>16} {:9.1} {:9.1} {:6.2} {:6.2}",
            shape.name,
            format!("{m}x{k}x{n}"),
            speed(ours),
            speed(theirs),
            theirs / ours,
            theirs_all / ours_all
        );
    }
    Ok(())
}

//! The kernel beside the gemm crate: `cargo test --release -p tributary-lora --lib gemm::speed -- --ignored --nocapture`.

use super::*;
use std::hint::black_box;
use std::time::Instant;

/// A product, with whether its factors are given transposed.
struct Shape {
    name: &'static str,
    sizes: (usize, usize, usize),
    transposed: (bool, bool),
    into: Into,
}

const fn shape(name: &'static str, sizes: (usize, usize, usize), transposed: (bool, bool), into: Into) -> Shape {
    Shape { name, sizes, transposed, into }
}

const SHAPES: &[Shape] = &[
    shape("layer forward", (512, 2048, 512), (false, true), Into::Overwrite),
    shape("layer backward", (512, 512, 2048), (false, false), Into::Overwrite),
    shape("weight gradient", (512, 512, 2048), (true, false), Into::Overwrite),
    shape("wide layer", (512, 896, 4864), (false, true), Into::Overwrite),
    shape("head forward", (128, 896, 16384), (false, true), Into::Overwrite),
    shape("head backward", (128, 16384, 896), (false, false), Into::Overwrite),
    shape("x·A, rank 8", (512, 2048, 8), (false, true), Into::Overwrite),
    shape("x·A, rank 64", (512, 2048, 64), (false, true), Into::Overwrite),
    shape("down·B, rank 8", (512, 8, 2048), (false, true), Into::Add),
    shape("dy·B, rank 8", (512, 2048, 8), (false, false), Into::Overwrite),
    shape("dA, rank 8", (8, 512, 2048), (true, false), Into::Overwrite),
    shape("dB, rank 8", (2048, 512, 8), (true, false), Into::Overwrite),
    shape("scores of a head", (512, 64, 512), (false, true), Into::Overwrite),
    shape("values of a head", (512, 512, 64), (false, false), Into::Overwrite),
    shape("one token", (1, 896, 4864), (false, true), Into::Overwrite),
    shape("eight tokens", (8, 896, 4864), (false, true), Into::Overwrite),
];

/// Shortest of several runs of each, interleaved.
fn compare(shape: &Shape, parallel: bool) -> (f64, f64) {
    let (m, k, n) = shape.sizes;
    let numbers = |count: usize| (0..count).map(|i| ((i * 7919) % 10_007) as f32 / 5003.0 - 1.0).collect::<Vec<f32>>();
    let (left, right, mut out) = (numbers(m * k), numbers(k * n), vec![0f32; m * n]);
    let left = if shape.transposed.0 { View::dense(&left, k, m).transposed() } else { View::dense(&left, m, k) };
    let right = if shape.transposed.1 { View::dense(&right, n, k).transposed() } else { View::dense(&right, k, n) };
    let threads = if parallel { Threads::All } else { Threads::One };
    let (mut ours, mut theirs) = (f64::MAX, f64::MAX);
    for _ in 0..(3_000_000_000 / (m * k * n)).clamp(15, 500) {
        let started = Instant::now();
        product(black_box(&mut out), n, shape.into, left, right, 1.0, threads);
        ours = ours.min(started.elapsed().as_secs_f64());
        let started = Instant::now();
        #[expect(unsafe_code, reason = "gemm takes pointers")]
        // SAFETY: the views were checked against their slices, and the destination has m·n elements.
        unsafe {
            let (of_left, of_right) = (left.at(0, 0), right.at(0, 0));
            let (ls, rs) = ((left.column_stride, left.row_stride), (right.column_stride, right.row_stride));
            let parallelism = if parallel { gemm::Parallelism::Rayon(0) } else { gemm::Parallelism::None };
            let add = shape.into == Into::Add;
            let to = black_box(&mut out).as_mut_ptr();
            gemm::gemm(
                m,
                n,
                k,
                to,
                1,
                n as isize,
                add,
                of_left,
                ls.0 as isize,
                ls.1 as isize,
                of_right,
                rs.0 as isize,
                rs.1 as isize,
                1.0,
                1.0,
                false,
                false,
                false,
                parallelism,
            );
        }
        theirs = theirs.min(started.elapsed().as_secs_f64());
    }
    (ours, theirs)
}

#[test]
#[ignore = "prints a table, checks nothing"]
fn table() {
    println!("{:?}, {} threads", Backend::detect(), rayon::current_num_threads());
    println!("{:18} {:>16} {:>9} {:>9} {:>6} {:>6}", "product", "m x k x n", "GFLOP/s", "gemm", "ratio", "all");
    for shape in SHAPES {
        let (m, k, n) = shape.sizes;
        let ((ours, theirs), (all, all_theirs)) = (compare(shape, false), compare(shape, true));
        let speed = |seconds: f64| 2e-9 * (m * k * n) as f64 / seconds;
        println!(
            "{:18} {:>16} {:9.1} {:9.1} {:6.2} {:6.2}",
            shape.name,
            format!("{m}x{k}x{n}"),
            speed(ours),
            speed(theirs),
            theirs / ours,
            all_theirs / all
        );
    }
}

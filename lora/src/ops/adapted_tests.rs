//! Adapted layers beside the formulas written out in f64, their gradients beside finite differences of those.

use super::{dora_linear, frozen_linear, lora_linear, row_norms, unread_frozen_linear, unread_lora_linear};
use crate::noise::{Dropout, Noise};
use crate::placement::Placement;
use crate::quant::{FrozenWeight, Precision};
use candle_core::{DType, Device, Tensor, Var};
use std::sync::Arc;

const ROWS: usize = 5;
const INPUT: usize = 13;
const OUTPUT: usize = 11;
const RANK: usize = 3;
const SCALE: f32 = 0.7;

fn numbers(count: usize, seed: f32) -> Vec<f32> {
    (0..count).map(|i| libm::sinf(seed + 1.3 * i as f32) * 0.8).collect()
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|value| f64::from(*value)).collect()
}

/// The formula in f64; the lengths of the rows are given, because no gradient flows through them.
struct Oracle {
    weight: Vec<f64>,
    /// What dropout multiplies each input by.
    mask: Vec<f64>,
    /// `None`: no DoRA.
    lengths: Option<Vec<f64>>,
}

impl Oracle {
    /// `Σ y ⊙ direction` for the variables `x`, `A`, `B` and `m`.
    fn loss(&self, variables: &[Vec<f64>], direction: &[f64]) -> f64 {
        let [x, a, b, m] = variables else { panic!("four variables") };
        let mut loss = 0.0;
        for row in 0..ROWS {
            for out in 0..OUTPUT {
                let (mut plain, mut left, mut update) = (0.0, 0.0, 0.0);
                for i in 0..INPUT {
                    let (x, mask, w) = (x[row * INPUT + i], self.mask[row * INPUT + i], self.weight[out * INPUT + i]);
                    plain += x * w;
                    left += x * mask * w;
                    for r in 0..RANK {
                        update += x * mask * a[r * INPUT + i] * b[out * RANK + r] * f64::from(SCALE);
                    }
                }
                let y = match &self.lengths {
                    None => plain + update,
                    Some(lengths) => {
                        let factor = m[out] / lengths[out];
                        plain + (factor - 1.0) * left + factor * update
                    }
                };
                loss += y * direction[row * OUTPUT + out];
            }
        }
        loss
    }
}

fn dropout() -> Dropout {
    let (places, lengths) = (Arc::new(vec![0, 1]), Arc::new(vec![2, 3]));
    let noise = Noise { seed: 3, step: 1, places, embedding_alpha: 0.0, lengths };
    noise.dropout("layer", 0.4).unwrap()
}

fn compare(placement: Placement, precision: Precision, dora: bool, drop: bool) {
    let device = placement.device().unwrap();
    let weight = FrozenWeight::new(numbers(OUTPUT * INPUT, 0.2), OUTPUT, INPUT, precision).unwrap();
    let weight = weight.placed(placement).unwrap();
    let dense: Vec<f32> = weight.to_dense().unwrap().flatten_all().unwrap().to_vec1().unwrap();
    let shapes: [&[usize]; 4] = [&[ROWS, INPUT], &[RANK, INPUT], &[OUTPUT, RANK], &[OUTPUT]];
    let values: Vec<Vec<f32>> =
        shapes.iter().enumerate().map(|(i, shape)| numbers(shape.iter().product(), 2.0 + i as f32)).collect();
    let variables: Vec<Var> =
        values.iter().zip(shapes).map(|(v, shape)| Var::from_vec(v.clone(), shape, &device).unwrap()).collect();
    let mut variables = variables;
    // Adapters are f32 everywhere, inputs what the model computes with.
    variables[0] = Var::from_tensor(&variables[0].as_detached_tensor().to_dtype(placement.dtype()).unwrap()).unwrap();
    let [x, a, b, m]: [&Tensor; 4] = variables.iter().map(Var::as_tensor).collect::<Vec<_>>().try_into().unwrap();
    let mut mask = vec![1f32; ROWS * INPUT];
    if drop {
        dropout().apply(&mut mask, INPUT);
        assert!(mask.contains(&0.0));
    }
    let oracle = Oracle {
        lengths: dora.then(|| wide(&row_norms(&weight, Some((a, b, SCALE))).unwrap())),
        weight: wide(&dense),
        mask: wide(&mask),
    };
    let direction = numbers(ROWS * OUTPUT, 9.0);
    let left_out = drop.then(dropout);
    let y = match dora {
        true => dora_linear(x, &weight, (a, b, m), SCALE, left_out),
        false => lora_linear(x, &weight, a, b, SCALE, left_out),
    };
    let along = Tensor::from_slice(&direction, (ROWS, OUTPUT), &device).unwrap().to_dtype(placement.dtype()).unwrap();
    let loss = (y.unwrap() * along).unwrap().sum_all().unwrap().to_dtype(DType::F32).unwrap();
    let (mut point, direction): (Vec<Vec<f64>>, _) = (values.iter().map(|v| wide(v)).collect(), wide(&direction));
    let expected = oracle.loss(&point, &direction);
    assert!((f64::from(loss.to_scalar::<f32>().unwrap()) - expected).abs() < 1e-4, "{precision:?} {dora} {drop}");
    let gradients = loss.backward().unwrap();
    for (index, variable) in variables.iter().enumerate() {
        let gradient: Vec<f32> = match gradients.get(variable) {
            Some(gradient) => gradient.flatten_all().unwrap().to_dtype(DType::F32).unwrap().to_vec1().unwrap(),
            None => vec![0.0; variable.elem_count()],
        };
        assert_eq!(gradient.iter().any(|g| *g != 0.0), index < 3 || dora);
        for (element, gradient) in gradient.into_iter().enumerate() {
            let mut at = |step: f64| {
                point[index][element] += step;
                let loss = oracle.loss(&point, &direction);
                point[index][element] -= step;
                loss
            };
            // The loss is linear in each single element, so the difference is exact but for rounding.
            let slope = (at(1e-3) - at(-1e-3)) / 2e-3;
            let error = (f64::from(gradient) - slope).abs();
            // f32 sums of at most 65 products of order 1.
            assert!(error < 2e-5, "{precision:?}, DoRA {dora}, dropout {drop}, variable {index}: {gradient} {slope}");
        }
    }
}

on_devices!(
    every_method_follows_its_formula_and_its_gradient_the_slope,
    lengths_are_those_of_the_summed_rows,
    layers_that_nobody_reads_have_the_same_gradient
);

fn every_method_follows_its_formula_and_its_gradient_the_slope(placement: Placement) {
    for precision in [Precision::F32, Precision::Nf4, Precision::Nf4Double] {
        for dora in [false, true] {
            for drop in [false, true] {
                compare(placement, precision, dora, drop);
            }
        }
    }
}

fn lengths_are_those_of_the_summed_rows(placement: Placement) {
    let device = placement.device().unwrap();
    let weight = FrozenWeight::new(numbers(OUTPUT * INPUT, 0.2), OUTPUT, INPUT, Precision::F32).unwrap();
    let tensor =
        |count: usize, shape: (usize, usize), seed| Tensor::from_vec(numbers(count, seed), shape, &device).unwrap();
    let (a, b) = (tensor(RANK * INPUT, (RANK, INPUT), 3.0), tensor(OUTPUT * RANK, (OUTPUT, RANK), 4.0));
    let update = (b.matmul(&a).unwrap() * f64::from(SCALE)).unwrap().to_device(&Device::Cpu).unwrap();
    let sum = (weight.to_dense().unwrap() + update).unwrap();
    let expected: Vec<f32> = sum.sqr().unwrap().sum(1).unwrap().sqrt().unwrap().to_vec1().unwrap();
    let found = row_norms(&weight.placed(placement).unwrap(), Some((&a, &b, SCALE))).unwrap();
    assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6));
}

fn layers_that_nobody_reads_have_the_same_gradient(placement: Placement) {
    let device = placement.device().unwrap();
    let along = Tensor::from_vec(numbers(ROWS * OUTPUT, 9.0), (ROWS, OUTPUT), &device).unwrap();
    let along = along.to_dtype(placement.dtype()).unwrap();
    let (a, b) = (numbers(RANK * INPUT, 3.0), numbers(OUTPUT * RANK, 4.0));
    let a = Tensor::from_vec(a, (RANK, INPUT), &device).unwrap();
    let b = Tensor::from_vec(b, (OUTPUT, RANK), &device).unwrap();
    for precision in [Precision::F32, Precision::Nf4Double] {
        let weight = FrozenWeight::new(numbers(OUTPUT * INPUT, 0.2), OUTPUT, INPUT, precision).unwrap();
        let weight = weight.placed(placement).unwrap();
        let gradient = |layer: &dyn Fn(&Tensor) -> candle_core::Result<Tensor>| {
            let x = Tensor::from_vec(numbers(ROWS * INPUT, 1.0), (ROWS, INPUT), &device).unwrap();
            let x = Var::from_tensor(&x.to_dtype(placement.dtype()).unwrap()).unwrap();
            let y = layer(x.as_tensor()).unwrap();
            let gradients = (&y * &along).unwrap().sum_all().unwrap().backward().unwrap();
            let values =
                |tensor: &Tensor| tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
            (values(gradients.get(&x).unwrap()), values(&y))
        };
        let pairs = [
            (gradient(&|x| frozen_linear(x, &weight)), gradient(&|x| unread_frozen_linear(x, &weight))),
            (
                gradient(&|x| lora_linear(x, &weight, &a, &b, SCALE, Some(dropout()))),
                gradient(&|x| unread_lora_linear(x, &weight, &a, &b, SCALE, Some(dropout()))),
            ),
        ];
        for ((read_dx, read_y), (unread_dx, unread_y)) in pairs {
            assert_eq!(read_dx, unread_dx);
            assert!(read_y.iter().any(|y| y.abs() > 0.1) && unread_y.iter().all(|y| *y == 0.0));
        }
    }
}

/// A packed weight of several tiles, whose rows end inside blocks, gives what the unpacked one gives.
#[test]
fn tiles_make_up_the_whole() {
    let (rows, input, output) = (7, 4090, 600);
    let packed = FrozenWeight::new(numbers(output * input, 0.4), output, input, Precision::Nf4Double).unwrap();
    let dense = FrozenWeight::Dense(packed.to_dense().unwrap());
    let mut tiles = 0;
    let count = |_: usize, _: &[f32]| {
        tiles += 1;
        Ok(())
    };
    packed.each_tile(count).unwrap();
    assert_eq!(tiles, 3);
    let run = |weight: &FrozenWeight| {
        let x = Var::from_vec(numbers(rows * input, 1.0), (rows, input), &Device::Cpu).unwrap();
        let y = frozen_linear(x.as_tensor(), weight).unwrap();
        let direction = Tensor::from_vec(numbers(rows * output, 5.0), (rows, output), &Device::Cpu).unwrap();
        let gradients = (&y * direction).unwrap().sum_all().unwrap().backward().unwrap();
        let flat = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        (flat(&y), flat(gradients.get(&x).unwrap()), row_norms(weight, None).unwrap())
    };
    let ((y, dx, norms), (dense_y, dense_dx, dense_norms)) = (run(&packed), run(&dense));
    assert_eq!(y, dense_y);
    assert_eq!(norms, dense_norms);
    // The gradient sums over outputs, tile by tile; tiles are whole chunks of that sum.
    assert_eq!(dx, dense_dx);
}

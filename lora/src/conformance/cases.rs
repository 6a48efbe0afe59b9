//! Single operations.

use super::{Case, ConformanceError};
use crate::config::Activation;
use crate::ops::gemm::{Into, Threads, View, product};
use crate::ops::{self, AttentionShape, IGNORED, math};
use crate::optim::{AdamW, AdamWConfig};
use crate::quant::Nf4Matrix;
use crate::random::Random;
use crate::rope::RopeTable;
use candle_core::{Device, Result as TensorResult, Shape, Tensor, Var};
use std::sync::Arc;

/// The inputs of the cases: exact in f32, of both signs, up to 2.
pub(super) fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let number = |i: u64| ((7919 * i + 104_729 * seed) % 65_521) as f32 - 32_760.0;
    (0..count as u64).map(|i| number(i) / 16_384.0).collect()
}

pub(super) fn all() -> Result<Vec<Case>, ConformanceError> {
    let mut cases = products();
    cases.extend(functions());
    for (name, what, compute) in TENSORS {
        let outputs =
            compute().map_err(|error| ConformanceError::Failed { case: (*name).into(), reason: error.to_string() })?;
        cases.push(Case { name, what, outputs });
    }
    Ok(cases)
}

fn products() -> Vec<Case> {
    let case = |name, what, (m, k, n), into, scale: f32, (left_transposed, right_transposed), shrink: f32| {
        let small = |values: Vec<f32>| values.into_iter().map(|value| value * shrink).collect::<Vec<f32>>();
        let (left, right, mut outputs) = (small(numbers(m * k, 1)), small(numbers(k * n, 2)), numbers(m * n, 3));
        let left = if left_transposed { View::dense(&left, k, m).transposed() } else { View::dense(&left, m, k) };
        let right = if right_transposed { View::dense(&right, n, k).transposed() } else { View::dense(&right, k, n) };
        product(&mut outputs, n, into, left, right, scale, Threads::All);
        Case { name, what, outputs }
    };
    let (replace, add) = (Into::Overwrite, Into::Add);
    let (plain, both) = ((false, false), (true, true));
    // 2^-70, so that products of two are subnormal.
    let tiny = f32::from_bits((127 - 70) << 23);
    vec![
        case("product/dot", "product m=1 k=255 n=1", (1, 255, 1), replace, 1.0, plain, 1.0).twice(),
        case("product/one-chunk", "product m=7 k=256 n=19", (7, 256, 19), replace, 1.0, plain, 1.0),
        case(
            "product/two-chunks",
            "product m=6 k=257 n=16, right given as [n, k]",
            (6, 257, 16),
            replace,
            1.0,
            (false, true),
            1.0,
        ),
        case(
            "product/add-scaled",
            "product m=13 k=700 n=33, added to numbers(m·n, 3), scale 0.3",
            (13, 700, 33),
            add,
            0.3,
            plain,
            1.0,
        ),
        case(
            "product/transposed",
            "product m=12 k=300 n=8, left given as [k, m], right as [n, k], added, scale -1.5",
            (12, 300, 8),
            add,
            -1.5,
            both,
            1.0,
        ),
        case(
            "product/row",
            "product m=1 k=600 n=70, right given as [n, k]",
            (1, 600, 70),
            replace,
            1.0,
            (false, true),
            1.0,
        ),
        case("product/column", "product m=70 k=600 n=1", (70, 600, 1), replace, 1.0, plain, 1.0),
        case(
            "product/subnormal",
            "product m=5 k=31 n=17, both factors times 2^-70",
            (5, 31, 17),
            replace,
            1.0,
            plain,
            tiny,
        ),
    ]
}

impl Case {
    /// A single number, given twice: a case has more than one.
    fn twice(mut self) -> Self {
        self.outputs.extend(self.outputs.clone());
        self
    }
}

fn functions() -> Vec<Case> {
    let spread = || numbers(64, 4).into_iter().map(|x| x * 40.0);
    let mut reduced = Vec::new();
    for count in [1, 7, 8, 19, 256, 1000] {
        let values = numbers(count, 5);
        reduced.extend([math::sum(&values), math::dot(&values, &numbers(count, 6)), math::max(&values)]);
    }
    let mut softmax: Vec<f32> = numbers(37, 7).into_iter().map(|x| x * 4.0).collect();
    let (largest, total) = math::exp_shifted(&mut softmax);
    softmax.extend([largest, total]);
    let (mut random, mut normal) = (Random::new(7, "conformance"), Random::new(8, "conformance"));
    let drawn = (0..32).map(|_| random.unit()).chain((0..32).map(|_| normal.normal())).collect();
    let config = AdamWConfig { weight_decay: 0.1, ..AdamWConfig::default() };
    let mut optimiser = AdamW::new(config, [24]);
    let mut parameters = numbers(24, 8);
    for step in 0..3 {
        optimiser.begin();
        let constants = optimiser.constants(1e-3 * f64::from(step + 1));
        optimiser.update(&constants, 0, &mut parameters, &numbers(24, 9 + u64::from(step as u8)), 0.25);
    }
    parameters.extend(optimiser.moments[0].first.iter().chain(&optimiser.moments[0].second));
    vec![
        Case { name: "exp", what: "exp(40·numbers(64, 4))", outputs: spread().map(math::exp).collect() },
        Case { name: "sigmoid", what: "sigmoid(40·numbers(64, 4))", outputs: spread().map(math::sigmoid).collect() },
        Case {
            name: "reductions",
            what: "sum(v), dot(v, numbers(n, 6)), max(v) for v = numbers(n, 5), n = 1, 7, 8, 19, 256, 1000",
            outputs: reduced,
        },
        Case {
            name: "exp-shifted",
            what: "exp(v - max(v)) of v = 4·numbers(37, 7), then max(v) and the sum of the exponentials",
            outputs: softmax,
        },
        Case {
            name: "random",
            what: "32 uniform numbers of seed 7, 32 normal numbers of seed 8, purpose \"conformance\"",
            outputs: drawn,
        },
        Case {
            name: "adamw",
            what: "three steps from numbers(24, 8), gradients numbers(24, 9..11) times 0.25, rates 1e-3, 2e-3, 3e-3, weight \
                   decay 0.1; parameters, first and second moments",
            outputs: parameters,
        },
    ]
}

type Compute = fn() -> TensorResult<Vec<f32>>;

const TENSORS: &[(&str, &str, Compute)] = &[
    (
        "rms-norm",
        "x = numbers(3·40, 20) as [3, 40], weight = numbers(40, 21), epsilon 1e-5, offset 1; y, dx, dweight for dy = numbers(120, 22)",
        || {
            let (x, weight) = (variable(numbers(120, 20), (3, 40))?, variable(numbers(40, 21), 40)?);
            let y = ops::rms_norm(x.as_tensor(), weight.as_tensor(), 1e-5, 1.0)?;
            with_gradients(&y, 22, &[&x, &weight])
        },
    ),
    (
        "gated-silu",
        "gate = 3·numbers(50, 23), up = numbers(50, 24), both [2, 25]; y, dgate, dup for dy = numbers(50, 25)",
        || gated(Activation::Silu),
    ),
    ("gated-gelu", "the same with the tanh form of GELU", || gated(Activation::GeluTanh)),
    (
        "cross-entropy",
        "x = numbers(5·24, 26) as [5, 24], head = numbers(40·24, 27) as [40, 24], targets 3, none, 39, 0, 17; loss, dx, dhead",
        || {
            let (x, head) = (variable(numbers(120, 26), (5, 24))?, variable(numbers(960, 27), (40, 24))?);
            let weight = head.as_tensor().clone().into();
            let loss = ops::next_token_loss(x.as_tensor(), &weight, vec![3, IGNORED, 39, 0, 17])?;
            let mut outputs = vec![loss.to_scalar()?];
            let gradients = loss.backward()?;
            for variable in [&x, &head] {
                outputs.extend(values(gradients.get(variable).unwrap_or(&loss))?);
            }
            Ok(outputs)
        },
    ),
    (
        "attention",
        "sequences of 70 and 4 positions, 4 query heads and 2 of keys of 8 features, window 20, rope theta 10000; q = \
         numbers(74·32, 28), k = numbers(74·16, 29), v = numbers(74·16, 30); y, dq, dk, dv for dy = numbers(74·32, 31)",
        || {
            let q = variable(numbers(74 * 32, 28), (74, 32))?;
            let (k, v) = (variable(numbers(74 * 16, 29), (74, 16))?, variable(numbers(74 * 16, 30), (74, 16))?);
            let shape = AttentionShape { heads: 4, kv_heads: 2, head_dim: 8, value_dim: 8, window: Some(20) };
            let config = super::runs::config(32, 4, 2);
            let (lengths, rope) = (Arc::new(vec![70, 4]), Arc::new(RopeTable::new(&config)));
            let y = ops::causal_attention(q.as_tensor(), k.as_tensor(), v.as_tensor(), shape, &lengths, &rope)?;
            with_gradients(&y, 31, &[&q, &k, &v])
        },
    ),
    ("nf4", "numbers(20·70, 32) as [20, 70], packed with double quantisation and unpacked again", || {
        let packed = Nf4Matrix::quantise(&numbers(1400, 32), 20, 70, true).map_err(candle_core::Error::wrap)?;
        Ok(packed.dequantise())
    }),
];

fn gated(activation: Activation) -> TensorResult<Vec<f32>> {
    let gate = variable(numbers(50, 23).into_iter().map(|x| x * 3.0).collect(), (2, 25))?;
    let up = variable(numbers(50, 24), (2, 25))?;
    with_gradients(&ops::gated(gate.as_tensor(), up.as_tensor(), activation)?, 25, &[&gate, &up])
}

fn variable(values: Vec<f32>, shape: impl std::convert::Into<Shape>) -> TensorResult<Var> {
    Var::from_vec(values, shape, &Device::Cpu)
}

fn values(tensor: &Tensor) -> TensorResult<Vec<f32>> {
    tensor.flatten_all()?.to_vec1()
}

/// `y`, and the gradients of the variables if that of `y` is `numbers(.., seed)`.
fn with_gradients(y: &Tensor, seed: u64, variables: &[&Var]) -> TensorResult<Vec<f32>> {
    let mut outputs = values(y)?;
    let dy = Tensor::from_vec(numbers(y.elem_count(), seed), y.shape(), &Device::Cpu)?;
    let gradients = (y * dy)?.sum_all()?.backward()?;
    for variable in variables {
        match gradients.get(variable) {
            Some(gradient) => outputs.extend(values(gradient)?),
            None => candle_core::bail!("no gradient reaches a variable"),
        }
    }
    Ok(outputs)
}

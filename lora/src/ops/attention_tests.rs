//! Attention beside its formula in f64, over sequences of several blocks.

use super::{AttentionShape, attend_cached, attend_placed, causal_attention, composed, is_native};
use crate::config::ModelConfig;
use crate::ops::{LayerCache, PlacedCache};
use crate::placement::Placement;
use crate::rope::RopeTable;
use candle_core::{DType, Tensor, Var};
use std::sync::Arc;

fn numbers(count: usize, seed: f32) -> Vec<f32> {
    (0..count).map(|i| libm::sinf(seed + 1.7 * i as f32) * 0.9).collect()
}

fn rope() -> Arc<RopeTable> {
    let text = r#"{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 16, "num_attention_heads": 4,
        "num_key_value_heads": 2, "intermediate_size": 8, "num_hidden_layers": 1, "vocab_size": 8, "rms_norm_eps": 1e-5,
        "max_position_embeddings": 256, "rope_theta": 10000.0, "tie_word_embeddings": false}"#;
    Arc::new(RopeTable::new(&ModelConfig::from_json(text).unwrap()))
}

/// The output for one query head after another, each position by itself; rows already rotated.
fn expected(q: &[f64], k: &[f64], v: &[f64], shape: &AttentionShape, lengths: &[usize]) -> Vec<f64> {
    let (wide, narrow) = (shape.query_width(), shape.key_width());
    let mut out = vec![0f64; q.len()];
    let mut start = 0;
    for length in lengths {
        for i in 0..*length {
            for head in 0..shape.heads {
                let kv_at = head / (shape.heads / shape.kv_heads) * shape.head_dim;
                let first = shape.window.map_or(0, |window| (i + 1).saturating_sub(window));
                let key = |j: usize, d: usize| (start + j) * narrow + kv_at + d;
                let at = (start + i) * wide + head * shape.head_dim;
                let score = |j: usize| -> f64 {
                    let products = (0..shape.head_dim).map(|d| q[at + d] * k[key(j, d)]);
                    products.sum::<f64>() / libm::sqrt(shape.head_dim as f64)
                };
                let weights: Vec<f64> = (first..=i).map(|j| libm::exp(score(j))).collect();
                let total: f64 = weights.iter().sum();
                for (j, weight) in (first..=i).zip(&weights) {
                    (0..shape.head_dim).for_each(|d| out[at + d] += weight / total * v[key(j, d)]);
                }
            }
        }
        start += length;
    }
    out
}

/// Rows as they are after the rotation, in f64.
fn rotated(values: &[f32], width: usize, lengths: &[usize], rope: &RopeTable) -> Vec<f64> {
    let mut values = values.to_vec();
    let positions = lengths.iter().flat_map(|length| 0..*length);
    values.chunks_exact_mut(width).zip(positions).for_each(|(row, position)| rope.rotate(row, position));
    values.iter().map(|value| f64::from(*value)).collect()
}

on_devices!(blocks_make_up_the_whole_and_gradients_follow_the_slope, new_positions_attend_as_in_the_whole_sequence);

fn blocks_make_up_the_whole_and_gradients_follow_the_slope(placement: Placement) {
    let (rope, device) = (rope(), placement.device().unwrap());
    let flat = |tensor: &Tensor| tensor.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    for (lengths, window) in [(vec![150, 1, 64], None), (vec![65, 130], Some(70)), (vec![9, 140], Some(3))] {
        let shape = AttentionShape { heads: 4, kv_heads: 2, head_dim: 4, value_dim: 4, window };
        let positions: usize = lengths.iter().sum();
        let values: Vec<Vec<f32>> =
            [16, 8, 8].iter().enumerate().map(|(i, width)| numbers(positions * width, i as f32)).collect();
        let variables: Vec<Var> = values
            .iter()
            .map(|v| Tensor::from_slice(v, (positions, v.len() / positions), &device).unwrap())
            .map(|v| Var::from_tensor(&v.to_dtype(placement.dtype()).unwrap()).unwrap())
            .collect();
        let lengths = Arc::new(lengths);
        let [q, k, v] = [0, 1, 2].map(|i| variables[i].as_tensor());
        let y = match is_native(q) {
            true => causal_attention(q, k, v, shape, &lengths, &rope),
            // Blocks of a few queries, as long sequences have.
            false => composed::attention_within((q, k, v), shape, &lengths, &rope, 4 * 64 * 30),
        };
        let y = y.unwrap();
        let oracle = |values: &[Vec<f32>]| {
            let (q, k) = (rotated(&values[0], 16, &lengths, &rope), rotated(&values[1], 8, &lengths, &rope));
            let v: Vec<f64> = values[2].iter().map(|v| f64::from(*v)).collect();
            expected(&q, &k, &v, &shape, &lengths)
        };
        let found = flat(&y);
        let worst = found.iter().zip(oracle(&values)).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
        // Sums of up to 150 terms below 1 in f32.
        assert!(worst < 2e-6, "{lengths:?} {window:?}: {worst}");

        let direction = numbers(found.len(), 5.0);
        let along =
            Tensor::from_slice(&direction, (positions, 16), &device).unwrap().to_dtype(placement.dtype()).unwrap();
        let loss = (y * along).unwrap();
        let gradients = loss.sum_all().unwrap().backward().unwrap();
        let mut values = values;
        for (variable, var) in variables.iter().enumerate() {
            let gradient = flat(gradients.get(var).unwrap());
            // Elements of first, last and middle blocks.
            for element in [0, gradient.len() / 3, gradient.len() / 2 + 1, gradient.len() - 1] {
                let kept = values[variable][element];
                let mut at = |step: f32| -> f64 {
                    values[variable][element] = kept + step;
                    let y = oracle(&values);
                    values[variable][element] = kept;
                    y.iter().zip(&direction).map(|(y, direction)| y * f64::from(*direction)).sum()
                };
                let slope = (at(1.0 / 256.0) - at(-1.0 / 256.0)) * 128.0;
                let error = (f64::from(gradient[element]) - slope).abs();
                // The rotation rounds to f32 before the difference is divided by the step.
                assert!(error < 1e-3, "{lengths:?} {window:?}, {variable} {element}: {} {slope}", gradient[element]);
            }
        }
    }
}

fn new_positions_attend_as_in_the_whole_sequence(placement: Placement) {
    let (rope, device) = (rope(), placement.device().unwrap());
    for window in [None, Some(5)] {
        let shape = AttentionShape { heads: 4, kv_heads: 2, head_dim: 4, value_dim: 4, window };
        let tensor = |width: usize| {
            let values = Tensor::from_vec(numbers(24 * width, width as f32), (24, width), &device).unwrap();
            values.to_dtype(placement.dtype()).unwrap()
        };
        let (q, k, v) = (tensor(16), tensor(8), (tensor(8) * 0.7).unwrap());
        let flat =
            |tensor: &Tensor| tensor.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let whole = causal_attention(&q, &k, &v, shape, &Arc::new(vec![24]), &rope).unwrap();
        let (mut cache, mut placed) = (LayerCache::default(), PlacedCache::default());
        let (mut first, mut found) = (0, Vec::new());
        // A prompt, single tokens, several at once.
        for count in [9, 1, 1, 1, 7, 1, 4] {
            let rows = |of: &Tensor| of.narrow(0, first, count).unwrap().contiguous().unwrap();
            let (q, k, v) = (rows(&q), rows(&k), rows(&v));
            found.extend(match placement.is_native() {
                true => attend_cached(&flat(&q), &flat(&k), &flat(&v), &shape, &rope, &mut cache),
                false => flat(&attend_placed((&q, &k, &v), &shape, &rope, &mut placed).unwrap()),
            });
            first += count;
        }
        let worst = found.iter().zip(flat(&whole)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        // Sums of up to 24 terms below 1 in another order.
        assert!(worst < 1e-6, "{window:?}: {worst}");
    }
}

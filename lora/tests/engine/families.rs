//! Gradients of adapters on every family, beside finite differences; experts and windows where they are delicate.

use candle_core::{Tensor, Var};
use serde_json::{Value, json};
use std::sync::Arc;
use tributary_lora::{
    Adapter, Arithmetic, Batch, Compute, Dataset, EncodedSample, Family, Generation, LoraConfig, Model, ModelConfig,
    Placement, Precision, SamplingConfig, Targets, TrainConfig, TrainingRun, sample_gradient,
};
use tributary_protocol::ContentHash;

const VOCABULARY: u32 = 40;

on_devices!(
    adapters_gradients_are_the_slopes_of_the_loss,
    experts_without_a_token_have_a_gradient_of_zero,
    every_family_learns_with_dora_dropout_and_packed_weights,
    cached_tokens_are_those_of_the_whole_sequence,
    merged_adapters_of_every_family_agree,
    a_windows_length_counts_the_position_itself,
);

/// Models that together have every part of every family.
fn variants() -> Vec<(&'static str, Family, Value)> {
    let window = json!({ "sliding_window": 4 });
    let some_windows = json!({ "use_sliding_window": true, "sliding_window": 4, "max_window_layers": 1 });
    let latent = json!({ "num_key_value_heads": 4, "q_lora_rank": 10, "kv_lora_rank": 9, "qk_nope_head_dim": 6,
        "qk_rope_head_dim": 4, "v_head_dim": 5, "n_routed_experts": 6, "num_experts_per_tok": 2,
        "moe_intermediate_size": 14, "n_shared_experts": 2, "first_k_dense_replace": 1, "n_group": 3, "topk_group": 2,
        "topk_method": "group_limited_greedy", "routed_scaling_factor": 1.5 });
    let with = |base: &Value, more: Value| {
        let mut base = base.clone();
        more.as_object().unwrap().iter().for_each(|(key, value)| base[key] = value.clone());
        base
    };
    let v3 = json!({ "topk_method": "noaux_tc" });
    let (v3, v3_plain) = (with(&latent, v3.clone()), with(&v3, json!({ "norm_topk_prob": false })));
    let llama3 = json!({ "rope_parameters": { "rope_type": "llama3", "rope_theta": 5e5, "factor": 8.0,
        "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 16 } });
    vec![
        ("llama", Family::Llama, json!({})),
        ("llama, tied", Family::Llama, json!({ "tie_word_embeddings": true })),
        ("llama, biases", Family::Llama, json!({ "attention_bias": true, "mlp_bias": true })),
        ("llama3 rope", Family::Llama, llama3),
        ("mistral", Family::Mistral, window),
        ("mixtral", Family::Mixtral, json!({ "num_local_experts": 5, "num_experts_per_tok": 2 })),
        ("qwen2", Family::Qwen2, json!({})),
        ("qwen2, windows", Family::Qwen2, some_windows),
        ("qwen3", Family::Qwen3, json!({ "head_dim": 8 })),
        ("deepseek-v2", Family::DeepseekV2, latent.clone()),
        (
            "deepseek-v2, greedy",
            Family::DeepseekV2,
            with(&latent, json!({ "topk_method": "greedy", "q_lora_rank": null, "mlp_bias": true })),
        ),
        ("deepseek-v3", Family::DeepseekV3, with(&v3, json!({ "attention_bias": true }))),
        (
            "deepseek-v3, not normalised",
            Family::DeepseekV3,
            with(&v3, with(&v3_plain, json!({ "rope_interleave": false }))),
        ),
        ("gemma", Family::Gemma, json!({ "head_dim": 8 })),
        ("phi3", Family::Phi3, json!({})),
    ]
}

fn model(family: Family, extra: &Value) -> Model {
    let mut keys = json!({
        "architectures": [family.architecture()], "model_type": family.model_type(), "vocab_size": VOCABULARY,
        "hidden_size": 24, "intermediate_size": 20, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "max_position_embeddings": 32, "rms_norm_eps": 1e-5, "eos_token_id": 1,
        "sliding_window": null,
    });
    extra.as_object().unwrap().iter().for_each(|(key, value)| keys[key] = value.clone());
    Model::random(ModelConfig::from_json(&keys.to_string()).unwrap(), 9).unwrap()
}

/// The model where a test wants it; only on the processor in f32 a profile is defined.
fn placed(model: Model, placement: Placement) -> Model {
    match placement == Placement::CPU {
        true => model,
        false => model.with_arithmetic(Arithmetic::Fast).unwrap().placed(placement).unwrap(),
    }
}

fn lora() -> LoraConfig {
    LoraConfig { rank: 2, alpha: 3.0, targets: Targets::AllLinear, ..Default::default() }
}

/// An adapter whose `B` is not zero, so that the gradient of `A` is not either.
fn adapter(model: &Model) -> Adapter {
    let adapter = Adapter::new(model, lora(), 5).unwrap();
    for (index, (name, variable)) in adapter.variables().into_iter().enumerate() {
        if name.contains("lora_B") {
            let values = (0..variable.elem_count()).map(|i| 0.3 * ((i * 7 + index * 3) as f32).sin()).collect();
            variable.set(&Tensor::from_vec(values, variable.shape(), variable.device()).unwrap()).unwrap();
        }
    }
    adapter
}

/// Two sequences of different lengths, one with a masked part.
fn batch() -> Batch {
    let tokens = |count: u32, step: u32| (0..count).map(|i| (i * step + 3) % VOCABULARY).collect();
    let sample = |tokens, from| EncodedSample::new(ContentHash::default(), tokens, from);
    Batch::new(&[sample(tokens(13, 7), 4), sample(tokens(9, 11), 1)])
}

/// Targets and trained positions of [`batch`], to compute its loss a second time.
fn expected() -> Vec<(usize, usize)> {
    let target = |count: usize, step: usize, from: usize, at: usize| {
        (from.max(1)..count).map(move |i| (at + i - 1, (i * step + 3) % VOCABULARY as usize))
    };
    target(13, 7, 4, 0).chain(target(9, 11, 1, 12)).collect()
}

/// The loss from the f32 logits in f64: a sum in f32 would round away most of a finite difference.
fn loss(model: &Model, adapter: &Adapter) -> f64 {
    let logits = model.logits(&batch(), Some(adapter)).unwrap().to_vec2::<f32>().unwrap();
    let row_loss = |(row, target): (usize, usize)| {
        let row = &logits[row];
        row.iter().map(|logit| f64::from(*logit).exp()).sum::<f64>().ln() - f64::from(row[target])
    };
    expected().into_iter().map(row_loss).sum()
}

/// Sets one element of a variable.
fn set(variable: &Var, start: &[f32], index: usize, value: f32) {
    let mut values = start.to_vec();
    values[index] = value;
    variable.set(&Tensor::from_vec(values, variable.shape(), variable.device()).unwrap()).unwrap();
}

/// Half the distance of a central difference: the error from the loss's third derivative grows with its square, that from
/// the rounding of the logits, some 1e-6 over twenty positions, falls with it; both are a few 1e-4 here.
const STEP: f32 = 4e-3;
/// Largest accepted difference between a slope and a gradient, absolute: some ten times the sum of these errors, and a
/// hundredth of the largest gradients of a layer.
const TOLERANCE: f64 = 5e-3;

/// Whether the loss jumps within a step: another choice of experts, where there is no slope to compare with. Seen from the
/// loss alone: the slopes of both sides of a smooth one differ by its curvature times the step.
fn is_broken(below: f64, here: f64, above: f64, differ_max: f64) -> bool {
    ((above - here) - (here - below)).abs() / f64::from(STEP) > differ_max
}

fn adapters_gradients_are_the_slopes_of_the_loss(placement: Placement) {
    for (name, family, extra) in variants() {
        let model = placed(model(family, &extra), placement);
        let adapter = adapter(&model);
        let sum = model.loss_sum(&batch(), Some(&adapter)).unwrap();
        assert!((f64::from(sum.to_scalar::<f32>().unwrap()) - loss(&model, &adapter)).abs() < 1e-4, "{name}");
        let gradients = sum.backward().unwrap();
        let (mut worst, mut largest, mut checked, mut broken) = (0f64, 0f64, 0, 0);
        let here = loss(&model, &adapter);
        for (parameter, variable) in adapter.variables() {
            let gradient = gradients.get(&variable).unwrap_or_else(|| panic!("{name}: {parameter} has no gradient"));
            let gradient: Vec<f32> = gradient.flatten_all().unwrap().to_vec1().unwrap();
            let start: Vec<f32> = variable.flatten_all().unwrap().to_vec1().unwrap();
            // The largest element, and two wherever they are.
            let top = (0..start.len()).max_by(|a, b| gradient[*a].abs().total_cmp(&gradient[*b].abs())).unwrap();
            for index in [top, start.len() / 3, start.len() - 1] {
                let (low, high) = (start[index] - STEP, start[index] + STEP);
                set(&variable, &start, index, high);
                let above = loss(&model, &adapter);
                set(&variable, &start, index, low);
                let below = loss(&model, &adapter);
                set(&variable, &start, index, start[index]);
                if is_broken(below, here, above, 0.5) {
                    broken += 1;
                    continue;
                }
                let slope = (above - below) / (f64::from(high) - f64::from(low));
                let error = (slope - f64::from(gradient[index])).abs();
                assert!(error < TOLERANCE, "{name}: {parameter}[{index}]: {slope} and {}", gradient[index]);
                worst = worst.max(error);
                largest = largest.max(slope.abs());
                checked += 1;
            }
        }
        println!("{name}: {checked} elements ({broken} left out), largest difference {worst:.1e}, slope {largest:.2}");
        assert!(broken * 10 <= checked, "{name}: {broken} elements at a break");
        assert!(largest > 100.0 * TOLERANCE, "{name}: slopes are too small to tell");
    }
}

#[test]
fn every_models_own_gradients_are_the_slopes_of_the_loss() {
    for (name, family, extra) in variants() {
        let (model, parameters) = model(family, &extra).into_trainable().unwrap();
        let sum = || f64::from(model.loss_sum(&batch(), None).unwrap().to_scalar::<f32>().unwrap());
        let gradients = model.loss_sum(&batch(), None).unwrap().backward().unwrap();
        let (mut worst, mut broken) = (0f64, 0);
        let here = sum();
        for (parameter, variable) in &parameters {
            let gradient = gradients.get(variable).unwrap_or_else(|| panic!("{name}: {parameter} has no gradient"));
            let gradient: Vec<f32> = gradient.flatten_all().unwrap().to_vec1().unwrap();
            let length = gradient.iter().map(|g| f64::from(g * g)).sum::<f64>().sqrt();
            // Keys may have a bias of no effect: it adds the same to all scores of a query, but for the rotation.
            if length < 0.02 {
                continue;
            }
            let start = variable.as_detached_tensor().copy().unwrap();
            let direction: Vec<f32> = gradient.iter().map(|g| (f64::from(*g) / length) as f32).collect();
            let direction = Tensor::from_vec(direction, variable.shape(), variable.device()).unwrap();
            let at = |step: f64| {
                variable.set(&(&start + (&direction * step).unwrap()).unwrap()).unwrap();
                sum()
            };
            // As in gradients.rs, along the gradient itself.
            let (below, above) = (at(-f64::from(STEP)), at(STEP.into()));
            variable.set(&start).unwrap();
            if is_broken(below, here, above, 2.0) {
                broken += 1;
                continue;
            }
            let slope = (above - below) / f64::from(2.0 * STEP);
            let error = (slope - length).abs() / length.max(0.5);
            assert!(error < 1e-2, "{name}: {parameter}: {slope} and {length}");
            worst = worst.max(error);
        }
        println!("{name}: {} parameters ({broken} left out), largest relative error {worst:.1e}", parameters.len());
        assert!(broken * 10 <= parameters.len(), "{name}: {broken} parameters at a break");
    }
}

fn experts_without_a_token_have_a_gradient_of_zero(placement: Placement) {
    let model = placed(model(Family::Mixtral, &json!({ "num_local_experts": 8, "num_experts_per_tok": 1 })), placement);
    let adapter = adapter(&model);
    // Two positions reach at most two of the eight experts of a layer.
    let sample = EncodedSample::new(ContentHash::default(), vec![3, 9, 27], 1);
    let flat = sample_gradient(&model, &adapter, &sample).unwrap();
    assert_eq!(flat.len(), adapter.parameter_count());
    let mut idle = 0;
    let mut at = 0;
    for (name, variable) in adapter.variables() {
        let part = &flat[at..at + variable.elem_count()];
        at += part.len();
        assert!(part.iter().all(|value| value.is_finite()), "{name}");
        idle += usize::from(part.iter().all(|value| *value == 0.0));
    }
    // Six experts of three layers with two factors each, in two decoder layers, less those of chosen experts.
    assert!(idle >= 2 * 6 * 6, "{idle}");
    let dataset = Dataset::divide(vec![sample], 0).unwrap();
    let mut run = TrainingRun::new(Arc::new(model), adapter, dataset, TrainConfig::default()).unwrap();
    run.step().unwrap();
}

fn every_family_learns_with_dora_dropout_and_packed_weights(placement: Placement) {
    let samples = || -> Vec<EncodedSample> {
        let tokens = |row: u32| (0..10 + row % 3).map(|i| (i * (row + 3) + row) % VOCABULARY).collect();
        (0..6u32).map(|row| EncodedSample::new(ContentHash::of(&row.to_le_bytes()), tokens(row), 2)).collect()
    };
    for (name, family, extra) in variants() {
        let model = Arc::new(placed(model(family, &extra).with_precision(Precision::Nf4Double).unwrap(), placement));
        let lora = LoraConfig { rank: 4, dropout: 0.1, weight_decomposed: true, ..lora() };
        let finish = |micro_batch_size| {
            let config =
                TrainConfig { epochs: 12, batch_size: 3, micro_batch_size, learning_rate: 1e-2, ..Default::default() };
            let adapter = Adapter::new(&model, lora.clone(), 5).unwrap();
            let dataset = Dataset::divide(samples(), 0).unwrap();
            let mut run = TrainingRun::new(model.clone(), adapter, dataset, config).unwrap();
            let first = run.step().unwrap().loss;
            let second_norm = run.step().unwrap().gradient_norm;
            let mut last = 0.0;
            while !run.is_done() {
                last = run.step().unwrap().loss;
            }
            (first, second_norm, last)
        };
        let (first, norm, last) = finish(3);
        assert!(last < first - 0.5, "{name}: {first} to {last}");
        // What dropout leaves belongs to positions, so the size of the micro batches does not matter to experts either.
        let (_, other_norm, _) = finish(1);
        assert!((norm - other_norm).abs() < 1e-3 * norm, "{name}: {norm} and {other_norm}");
    }
}

fn cached_tokens_are_those_of_the_whole_sequence(placement: Placement) {
    for (name, family, extra) in variants() {
        let model = placed(model(family, &extra), placement);
        let adapter = adapter(&model);
        let mut tokens = vec![3, 14, 15, 9, 26];
        let config = SamplingConfig { tokens_max: 24, ..Default::default() };
        let generated = Generation::new(&model, Some(&adapter), &tokens.clone(), &[], config).unwrap();
        for id in generated.map(Result::unwrap) {
            let logits = model.logits(&Batch::sequence(&tokens), Some(&adapter)).unwrap();
            let row = logits.to_vec2::<f32>().unwrap().pop().unwrap();
            let best = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            // Single tokens sum in another order than whole sequences, so among equals either may be the best.
            assert!(
                row[id as usize] > best - 1e-4,
                "{name} after {} tokens: {} of {best}",
                tokens.len(),
                row[id as usize]
            );
            tokens.push(id);
        }
        assert_eq!(tokens.len(), 29, "{name}");
    }
}

fn merged_adapters_of_every_family_agree(placement: Placement) {
    for (name, family, extra) in variants() {
        let model = placed(model(family, &extra), placement);
        let adapter = adapter(&model);
        let logits = |model: &Model, adapter| {
            model.logits(&batch(), adapter).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        let merged = model.merged(&adapter).unwrap();
        let (with, within) = (logits(&model, Some(&adapter)), logits(&merged, None));
        let worst = with.iter().zip(&within).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 2e-5, "{name}: {worst}");
        assert_ne!(with, logits(&model, None), "{name}: the adapter changes nothing");
    }
}

fn a_windows_length_counts_the_position_itself(placement: Placement) {
    // With one layer nothing reaches around the window: a position answers as if what is before it did not exist.
    let extra = json!({ "sliding_window": 4, "num_hidden_layers": 1 });
    let model = placed(model(Family::Mistral, &extra), placement);
    let last =
        |tokens: &[u32]| model.logits(&Batch::sequence(tokens), None).unwrap().to_vec2::<f32>().unwrap().pop().unwrap();
    let tokens = [3, 14, 15, 9, 26, 5, 35];
    let far = [20, 21, 22, 9, 26, 5, 35];
    let near = [20, 21, 22, 10, 26, 5, 35];
    assert_eq!(last(&tokens), last(&far));
    assert_ne!(last(&tokens), last(&near));
}

/// The step of every family in bf16, from adapters and to gradients in f32, beside the one in f32: as a GPU is used.
#[test]
fn sixteen_bits_stay_near_thirty_two() {
    let bf16 = Placement { compute: Compute::Bf16, ..Placement::CPU };
    for (name, family, extra) in variants() {
        for precision in [Precision::F32, Precision::Nf4Double] {
            let plain = model(family, &extra).with_precision(precision).unwrap();
            let low = placed(model(family, &extra).with_precision(precision).unwrap(), bf16);
            let gradients = |model: &Model| {
                let adapter = adapter(model);
                let loss = model.loss_sum(&batch(), Some(&adapter)).unwrap();
                let gradients = loss.backward().unwrap();
                let flat = |variable: &Var| {
                    let gradient = gradients.get(variable).unwrap();
                    assert_eq!(gradient.dtype(), candle_core::DType::F32, "{name}");
                    gradient.flatten_all().unwrap().to_vec1::<f32>().unwrap()
                };
                let flat: Vec<f32> = adapter.variables().iter().flat_map(|(_, variable)| flat(variable)).collect();
                (loss.to_scalar::<f32>().unwrap(), flat)
            };
            let ((loss, expected), (low_loss, found)) = (gradients(&plain), gradients(&low));
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
            let cosine = dot(&expected, &found) / (dot(&expected, &expected) * dot(&found, &found)).sqrt();
            println!("{name}, {precision:?}: losses {loss} and {low_loss}, cosine of the gradients {cosine:.5}");
            // Numbers of 8 bits through some twenty products; a position at a break goes to other experts.
            let experts = matches!(family, Family::Mixtral | Family::DeepseekV2 | Family::DeepseekV3);
            assert!((loss - low_loss).abs() < 0.02 * loss, "{name}");
            assert!(cosine > if experts { 0.9 } else { 0.995 }, "{name}: {cosine}");
        }
    }
}

//! The composed forms in f32 beside own kernels: results and gradients, also where converting numbers copies nothing.

use super::*;
use crate::config::{Activation, Experts, ModelConfig, Routing, Scores};
use crate::noise::{Dropout, Noise};
use crate::ops::{self, AttentionShape, IGNORED};
use crate::quant::FrozenWeight;
use crate::rope::RopeTable;
use candle_core::{Device, Var};
use std::sync::Arc;

const ROWS: usize = 9;

fn numbers(count: usize, seed: f32) -> Vec<f32> {
    (0..count).map(|i| libm::sinf(seed + 1.3 * i as f32) * 0.8).collect()
}

fn tensor(shape: (usize, usize), seed: f32) -> Tensor {
    Tensor::from_vec(numbers(shape.0 * shape.1, seed), shape, &Device::Cpu).unwrap()
}

fn flat(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

type Operation<'a> = &'a dyn Fn(&[&Tensor]) -> Result<Tensor>;

/// That both operations give the same result and gradients for inputs of these shapes, as far as f32 goes.
fn compare(name: &str, shapes: &[(usize, usize)], own: Operation<'_>, composed: Operation<'_>) {
    let run = |operation: Operation<'_>| {
        let variables: Vec<Var> =
            (0..).zip(shapes).map(|(i, shape)| Var::from_tensor(&tensor(*shape, 0.4 + i as f32)).unwrap()).collect();
        let inputs: Vec<&Tensor> = variables.iter().map(Var::as_tensor).collect();
        let before: Vec<Vec<f32>> = inputs.iter().map(|input| flat(input)).collect();
        let y = operation(&inputs).unwrap();
        let along = Tensor::from_vec(numbers(y.elem_count(), 7.0), y.shape(), &Device::Cpu).unwrap();
        let gradients = (&y * along).unwrap().sum_all().unwrap().backward().unwrap();
        let after: Vec<Vec<f32>> = inputs.iter().map(|input| flat(input)).collect();
        assert_eq!(before, after, "{name} changes what it reads");
        let mut all = vec![flat(&y)];
        all.extend(variables.iter().map(|variable| flat(gradients.get(variable).unwrap())));
        all
    };
    for (part, (own, composed)) in run(own).into_iter().zip(run(composed)).enumerate() {
        assert_eq!(own.len(), composed.len(), "{name}");
        let worst = own.iter().zip(&composed).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        // Sums of some tens of terms of order 1, in another order.
        assert!(worst < 1e-5, "{name}, part {part}: {worst}");
        assert!(own.iter().any(|value| value.abs() > 1e-3), "{name}, part {part} is nothing");
    }
}

fn dropout() -> Dropout {
    let (places, lengths) = (Arc::new(vec![0, 1]), Arc::new(vec![4, 5]));
    let noise = Noise { seed: 3, step: 1, places, embedding_alpha: 0.0, lengths };
    noise.dropout("layer", 0.4).unwrap()
}

#[test]
fn norms_and_gates_are_those_of_own_kernels() {
    let weight = tensor((1, 6), 3.0).flatten_all().unwrap();
    for offset in [0.0, 1.0] {
        compare("rms-norm", &[(ROWS, 12)], &|x| ops::rms_norm(x[0], &weight, 1e-5, offset), &|x| {
            rms_norm(x[0], &weight, 1e-5, offset)
        });
    }
    for activation in [Activation::Silu, Activation::GeluTanh] {
        compare("gated", &[(ROWS, 7), (ROWS, 7)], &|x| ops::gated(x[0], x[1], activation), &|x| {
            gated(x[0], x[1], activation)
        });
    }
    compare("bias", &[(ROWS, 6)], &|x| x[0].broadcast_add(&weight), &|x| add_to_rows(x[0], &weight));
}

#[test]
fn layers_are_those_of_own_kernels() {
    let weight = FrozenWeight::Dense(tensor((11, 13), 3.0));
    compare("linear", &[(ROWS, 13)], &|x| ops::frozen_linear(x[0], &weight), &|x| linear(x[0], &weight, false));
    for dropout in [None, Some(dropout())] {
        compare(
            "lora-linear",
            &[(ROWS, 13), (3, 13), (11, 3)],
            &|x| ops::lora_linear(x[0], &weight, x[1], x[2], 0.7, dropout.clone()),
            &|x| lora_linear(x[0], &weight, (x[1], x[2]), 0.7, dropout.clone(), false),
        );
        let magnitude = tensor((1, 11), 5.0).flatten_all().unwrap();
        compare(
            "dora-linear",
            &[(ROWS, 13), (3, 13), (11, 3)],
            &|x| ops::dora_linear(x[0], &weight, (x[1], x[2], &magnitude), 0.7, dropout.clone()),
            &|x| dora_linear(x[0], &weight, (x[1], x[2], &magnitude), 0.7, dropout.clone()),
        );
    }
    let (x, a, b) = (tensor((2, 13), 1.0), tensor((3, 13), 2.0), tensor((11, 3), 4.0));
    for update in [None, Some((&a, &b, 0.7))] {
        let (own, composed) = (ops::decode_linear(&x, &weight, update), decode_linear(&x, &weight, update));
        let (own, composed) = (flat(&own.unwrap()), flat(&composed.unwrap()));
        assert!(own.iter().zip(composed).all(|(a, b)| (a - b).abs() < 1e-5));
    }
}

#[test]
fn attention_and_loss_are_those_of_own_kernels() {
    let text = r#"{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 16, "num_attention_heads": 4,
        "num_key_value_heads": 2, "intermediate_size": 8, "num_hidden_layers": 1, "vocab_size": 8, "rms_norm_eps": 1e-5,
        "max_position_embeddings": 64, "rope_theta": 10000.0, "tie_word_embeddings": false}"#;
    let rope = Arc::new(RopeTable::new(&ModelConfig::from_json(text).unwrap()));
    let lengths = Arc::new(vec![ROWS - 2, 2]);
    for window in [None, Some(3)] {
        // Values narrower than keys, as latent attentions have.
        let shape = AttentionShape { heads: 4, kv_heads: 2, head_dim: 4, value_dim: 3, window };
        for scores_max in [1 << 20, 4 * 7 * 3] {
            compare(
                "attention",
                &[(ROWS, 16), (ROWS, 8), (ROWS, 6)],
                &|x| ops::causal_attention(x[0], x[1], x[2], shape, &lengths, &rope),
                &|x| attention_within((x[0], x[1], x[2]), shape, &lengths, &rope, scores_max),
            );
        }
    }
    let head = FrozenWeight::Dense(tensor((10, 6), 2.0));
    let targets: Vec<u32> = (0..ROWS as u32).map(|i| if i % 3 == 1 { IGNORED } else { i * 7 % 10 }).collect();
    for logits_max in [1 << 20, 25] {
        compare("loss", &[(ROWS, 6)], &|x| ops::next_token_loss(x[0], &head, targets.clone()), &|x| {
            loss_within(x[0], &head, &targets, logits_max)
        });
    }
}

#[test]
fn experts_are_those_of_own_kernels() {
    for (scores, normalised) in [(Scores::Softmax, true), (Scores::Softmax, false), (Scores::Sigmoid, true)] {
        let routing = Routing { scores, groups: None, normalised, scale: 1.5 };
        let config = Experts { count: 5, chosen: 2, intermediate_size: 1, shared: 0, first_layer: 0, routing };
        let choice = ops::choose_experts(&tensor((ROWS, 5), 0.4), None, &config).unwrap();
        compare("expert-weights", &[(ROWS, 5)], &|x| ops::expert_weights(x[0], &choice, routing), &|x| {
            expert_weights(x[0], &choice, routing)
        });
        compare(
            "combine-experts",
            &[(ROWS * 2, 6), (ROWS, 2)],
            &|x| ops::combine_experts(x[0], x[1], choice.clone()),
            &|x| combine_experts(x[0], x[1], choice.clone()),
        );
    }
}

#[test]
fn nothing_has_a_gradient_of_zero_and_results_are_taken_once() {
    let x = Var::from_tensor(&tensor((3, 4), 1.0)).unwrap();
    let nothing = nothing_of(x.as_tensor()).unwrap();
    assert_eq!((nothing.dims(), flat(&nothing)), ([1, 4].as_slice(), vec![0.0; 4]));
    let gradients = nothing.sum_all().unwrap().backward().unwrap();
    assert_eq!(flat(gradients.get(&x).unwrap()), [0.0; 12]);
    // A result that is one of the arguments is copied, not taken from it.
    struct Same;
    impl Composed for Same {
        const NAME: &'static str = "same";

        fn forward(&self, args: &[&Tensor]) -> Result<Tensor> {
            Ok(args[0].clone())
        }

        fn backward(&self, _: &[&Tensor], dy: &Tensor, _: &[bool]) -> Result<Vec<Option<Tensor>>> {
            Ok(vec![Some(dy.clone())])
        }
    }
    let y = apply(Same, &[x.as_tensor()]).unwrap();
    assert_eq!(flat(&y), flat(&x));
    assert_eq!(flat(&x), numbers(12, 1.0));
    assert!(apply(Same, &[&y, &y, &y, &y]).unwrap_err().to_string().contains("4 arguments"));
}

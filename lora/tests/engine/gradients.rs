//! The gradient of every parameter beside finite differences.

use candle_core::{Tensor, Var};
use tributary_lora::{Architecture, Batch, EncodedSample, Model, ModelConfig, RopeConfig, RopeScaling};
use tributary_protocol::ContentHash;

fn config(tied: bool) -> ModelConfig {
    ModelConfig {
        vocab_size: 40,
        hidden_size: 24,
        intermediate_size: 20,
        layers: 2,
        heads: 4,
        kv_heads: 2,
        head_dim: 6,
        rms_norm_eps: 1e-5,
        rope: RopeConfig { theta: 10_000.0, scaling: RopeScaling::None },
        positions_max: 32,
        tie_word_embeddings: tied,
        bos_token_id: Some(0),
        eos_token_ids: vec![1],
        architecture: Architecture::default(),
    }
}

/// Two sequences of different lengths, one with a masked part.
fn batch() -> Batch {
    let tokens = |count: u32, step: u32| (0..count).map(|i| (i * step + 3) % 40).collect();
    let sample = |tokens, from| EncodedSample::new(ContentHash::default(), tokens, from);
    Batch::new(&[sample(tokens(11, 7), 4), sample(tokens(7, 11), 1)])
}

/// Slope of the loss along `direction`, by the central difference.
fn slope(model: &Model, variable: &Var, direction: &[f32]) -> f64 {
    // Large enough that the rounding of the loss does not matter, small enough that its third derivative does not.
    const STEP: f64 = 4e-3;
    let start = variable.as_detached_tensor().copy().unwrap();
    let direction = Tensor::from_slice(direction, variable.shape(), variable.device()).unwrap();
    let loss = |step: f64| {
        variable.set(&(&start + (&direction * step).unwrap()).unwrap()).unwrap();
        f64::from(model.loss_sum(&batch(), None).unwrap().to_scalar::<f32>().unwrap())
    };
    let difference = loss(STEP) - loss(-STEP);
    variable.set(&start).unwrap();
    difference / (2.0 * STEP)
}

#[test]
fn every_parameters_gradient_is_the_slope_of_the_loss() {
    for tied in [true, false] {
        let (model, parameters) = Model::random(config(tied), 9).unwrap().into_trainable().unwrap();
        let gradients = model.loss_sum(&batch(), None).unwrap().backward().unwrap();
        let mut worst = 0f64;
        for (name, variable) in &parameters {
            let gradient: Vec<f32> =
                gradients.get(variable).unwrap_or_else(|| panic!("{name}")).flatten_all().unwrap().to_vec1().unwrap();
            let length = gradient.iter().map(|g| f64::from(g * g)).sum::<f64>().sqrt();
            // Along the gradient itself the slope is its length: the largest signal that a finite difference can have.
            let direction: Vec<f32> = gradient.iter().map(|g| (f64::from(*g) / length) as f32).collect();
            let error = (slope(&model, variable, &direction) - length).abs() / length;
            assert!(error < 1e-2, "{name}: relative error {error:.2e}");
            worst = worst.max(error);
        }
        println!("{} parameters, tied {tied}: largest relative error {worst:.2e}", parameters.len());
    }
}

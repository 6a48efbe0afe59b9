//! Models to measure speed and memory with.

use super::assembly::{linear_names, shapes};
use super::{Model, deviation, placed};
use crate::arithmetic::Arithmetic;
use crate::config::ModelConfig;
use crate::error::LoadError;
use crate::placement::Placement;
use crate::quant::{FrozenWeight, Nf4Matrix, Nf4Scales, Precision};
use crate::random::Random;
use candle_core::{Device, Tensor};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Numbers that are drawn; all parameters repeat them.
const DRAWN: usize = 1 << 20;

impl Model {
    /// A model of the size of `config` for measurements: as [`Model::random`], but its parameters repeat a million numbers,
    /// which takes seconds instead of minutes for the largest, and the profile is `fast`.
    ///
    /// Errors: a device that this build or this machine does not have. Cost: memory for the model where it lies, and on the
    /// processor for its largest parameter in f32.
    pub fn stand_in(
        config: ModelConfig,
        seed: u64,
        precision: Precision,
        placement: Placement,
    ) -> Result<Self, LoadError> {
        Arithmetic::Fast.check_at(placement)?;
        placement.device()?;
        let mut random = Random::new(seed, "stand-in parameters");
        let drawn: Vec<f32> = (0..DRAWN).map(|_| random.normal()).collect();
        let packed = match precision {
            Precision::F32 => None,
            Precision::Nf4 | Precision::Nf4Double => {
                let quant = |source| LoadError::Quant { name: "stand-in".into(), source };
                Some(Nf4Matrix::quantise(&drawn, 1, DRAWN, false).map_err(quant)?)
            }
        };
        let linear = linear_names(&config);
        let mut parameters = BTreeMap::new();
        for (name, shape) in shapes(&config) {
            let count: usize = shape.iter().product();
            let weight = match (deviation(&config, &name, &shape), &packed, shape.as_slice()) {
                (Some(deviation), Some(packed), [rows, columns]) if linear.contains(&name) => {
                    let double = precision == Precision::Nf4Double;
                    let quant = |source| LoadError::Quant { name: name.clone(), source };
                    let matrix = repeated(packed, *rows, *columns, deviation, double).map_err(quant)?;
                    FrozenWeight::Nf4(Arc::new(matrix))
                }
                (deviation, _, _) => {
                    let values = match deviation {
                        None => vec![1.0 - config.family().norm_offset(); count],
                        Some(deviation) => drawn.iter().cycle().take(count).map(|value| deviation * value).collect(),
                    };
                    Tensor::from_vec(values, shape, &Device::Cpu)?.into()
                }
            };
            let weight = placed(&name, weight, placement)?;
            parameters.insert(name, weight);
        }
        let mut model = Self::assemble(config, parameters)?;
        (model.precision, model.arithmetic, model.placement) = (precision, Arithmetic::Fast, placement);
        Ok(model)
    }
}

/// The matrix that packing the repeated numbers of `drawn`, times `deviation`, gives: its blocks repeat as well.
fn repeated(
    drawn: &Nf4Matrix,
    rows: usize,
    columns: usize,
    deviation: f32,
    double: bool,
) -> Result<Nf4Matrix, crate::QuantError> {
    let (bytes, blocks) = ((rows * columns).div_ceil(2), (rows * columns).div_ceil(64));
    let codes = drawn.packed().iter().copied().cycle().take(bytes).collect();
    let scales = drawn.scales();
    let scales: Vec<f32> = (0..blocks).map(|block| deviation * scales.get(block % scales.len())).collect();
    let scales = if double { Nf4Scales::quantise(&scales) } else { Nf4Scales::Plain(scales) };
    Nf4Matrix::from_parts(rows, columns, codes, scales)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Batch, EncodedSample};
    use crate::lora::{Adapter, LoraConfig};

    on_devices!(stand_ins_of_every_precision_have_a_gradient);

    fn stand_ins_of_every_precision_have_a_gradient(placement: Placement) {
        let text = r#"{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 32, "num_attention_heads": 4,
            "num_key_value_heads": 2, "intermediate_size": 48, "num_hidden_layers": 2, "vocab_size": 64, "rms_norm_eps": 1e-5,
            "max_position_embeddings": 32, "rope_theta": 10000.0, "tie_word_embeddings": false, "eos_token_id": 1}"#;
        let sample = EncodedSample::new(Default::default(), (0..30).map(|i| i * 11 % 64).collect(), 1);
        for precision in [Precision::F32, Precision::Nf4, Precision::Nf4Double] {
            let config = ModelConfig::from_json(text).unwrap();
            let model = Model::stand_in(config, 3, precision, placement).unwrap();
            assert_eq!(
                (model.precision(), model.placement(), model.arithmetic()),
                (precision, placement, Arithmetic::Fast)
            );
            let adapter = Adapter::new(&model, LoraConfig::default(), 1).unwrap();
            let loss = model.loss_sum(&Batch::new([&sample]), Some(&adapter)).unwrap();
            let mean = loss.to_scalar::<f32>().unwrap() / 29.0;
            // Logits of deviation 1 over 64 words: ln 64 and about a half more.
            assert!((mean - 64f32.ln()).abs() < 1.5, "{precision:?}: {mean}");
            let gradients = loss.backward().unwrap();
            assert!(adapter.variables().iter().all(|(_, variable)| gradients.get(variable).is_some()));
        }
    }

    #[test]
    fn repeated_blocks_are_those_of_repeated_numbers() {
        let numbers: Vec<f32> = (0..128).map(|i| libm::sinf(1.7 * i as f32)).collect();
        let drawn = Nf4Matrix::quantise(&numbers, 1, 128, false).unwrap();
        let all: Vec<f32> = numbers.iter().cycle().take(7 * 53).map(|value| 0.25 * value).collect();
        let expected = Nf4Matrix::quantise(&all, 7, 53, false).unwrap().dequantise();
        let found = repeated(&drawn, 7, 53, 0.25, false).unwrap().dequantise();
        // A power of two changes no code. The last block is short, so its own largest number is another.
        assert_eq!(found[..5 * 64], expected[..5 * 64]);
        let worst = found.iter().zip(&all).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst <= 0.25 * 0.152, "{worst}");
    }
}

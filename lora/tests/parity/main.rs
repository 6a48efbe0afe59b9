//! The engine's numbers beside those of llama2.c, transformers and PEFT.
//!
//! Reference values: `golden-stories260K` (tools/make_golden.py: torch 2.15.0, transformers 5.23.0, peft 0.21.2, f32 on one
//! CPU thread), `golden-tiny-families` (tools/make_tiny_families.py, same versions) and llama2.c's own texts.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[macro_use]
#[path = "../common/devices.rs"]
mod devices;

mod base;
#[path = "../common/mod.rs"]
mod common;
mod families;
mod methods;
mod peft;

use candle_core::Tensor;
use common::fixture;
use safetensors::{Dtype, SafeTensors};
use std::path::Path;
use tributary_lora::{Arithmetic, EncodedSample, Model, ModelConfig, Placement, Precision, Tokenizer};
use tributary_protocol::ContentHash;

/// Numbers from a safetensors file.
struct Reference(Vec<u8>);

impl Reference {
    fn open(path: &Path) -> Self {
        Self(std::fs::read(path).unwrap())
    }

    fn get(&self, name: &str) -> Vec<f64> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let view = file.tensor(name).unwrap();
        let bytes = view.data();
        match view.dtype() {
            Dtype::F32 => bytes.as_chunks().0.iter().map(|b| f64::from(f32::from_le_bytes(*b))).collect(),
            Dtype::F64 => bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect(),
            Dtype::I64 => bytes.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b) as f64).collect(),
            other => panic!("{other:?}"),
        }
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        SafeTensors::deserialize(&self.0).unwrap().tensor(name).unwrap().data().to_vec()
    }

    /// The bits of f32 elements.
    fn bits(&self, name: &str) -> Vec<u32> {
        self.bytes(name).as_chunks().0.iter().map(|b| u32::from_le_bytes(*b)).collect()
    }

    fn ids(&self, name: &str) -> Vec<u32> {
        self.get(name).into_iter().map(|id| id as u32).collect()
    }
}

/// The model in a folder, where a test wants it; only on the processor in f32 a profile is defined.
fn load(dir: &Path, precision: Precision, placement: Placement) -> Model {
    let arithmetic = if placement == Placement::CPU { Arithmetic::DetF32V1 } else { Arithmetic::Fast };
    let model = Model::load_on(dir, precision, arithmetic, placement).unwrap();
    assert_eq!((model.placement(), model.arithmetic()), (placement, arithmetic));
    model
}

fn stories_at(placement: Placement) -> Option<(Model, Tokenizer)> {
    let dir = fixture("stories260K")?.join("hf");
    let tokenizer = Tokenizer::from_dir(&dir, &ModelConfig::from_dir(&dir).unwrap()).unwrap();
    Some((load(&dir, Precision::F32, placement), tokenizer))
}

fn stories() -> Option<(Model, Tokenizer)> {
    stories_at(Placement::CPU)
}

/// The eight texts of make_golden.py; every token but the first is trained on.
fn golden_samples(tokenizer: &Tokenizer) -> Vec<EncodedSample> {
    let path = fixture("golden-stories260K").unwrap().join("VERSIONS.json");
    let versions: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let texts = versions["texts"].as_array().unwrap();
    let encoded = texts
        .iter()
        .map(|text| text.as_str().unwrap())
        .map(|text| EncodedSample::new(ContentHash::of(text.as_bytes()), tokenizer.encode(text).unwrap(), 1));
    encoded.collect()
}

fn values(tensor: &Tensor) -> Vec<f64> {
    let flat: Vec<f32> = tensor.flatten_all().unwrap().to_vec1().unwrap();
    flat.into_iter().map(f64::from).collect()
}

/// Largest absolute difference, printed.
fn worst(what: &str, found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len(), "{what}");
    let worst = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    println!("{what}: largest difference {worst:.2e} over {} values", found.len());
    worst
}

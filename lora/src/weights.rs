//! Tensors of a Hugging Face model folder.

use crate::error::LoadError;
use candle_core::{Device, Tensor};
use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The files that hold the weights of the model in `dir`, sorted by name.
pub(crate) fn weight_files(dir: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let single = dir.join("model.safetensors");
    if single.is_file() {
        return Ok(vec![single]);
    }
    let index = dir.join("model.safetensors.index.json");
    if !index.is_file() {
        return Err(LoadError::NoWeights { dir: dir.into() });
    }
    let damaged = |reason: String| LoadError::Damaged { path: index.clone(), reason };
    let text = std::fs::read(&index).map_err(|source| LoadError::File { path: index.clone(), source })?;
    let parsed: serde_json::Value = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
    let map = parsed["weight_map"].as_object().ok_or_else(|| damaged("no weight_map".into()))?;
    let names: Option<BTreeSet<&str>> = map.values().map(serde_json::Value::as_str).collect();
    let names = names.ok_or_else(|| damaged("weight_map holds something else than names".into()))?;
    names
        .into_iter()
        // A shard lies beside its index: a path that leaves the folder is an attack or a mistake.
        .map(|name| match Path::new(name).file_name() {
            Some(plain) if plain == name => Ok(dir.join(name)),
            _ => Err(damaged(format!("shard {name:?} is not a plain file name"))),
        })
        .collect()
}

/// Loads exactly the tensors in `expected` (name to shape), as f32, from the model folder `dir`.
///
/// Errors name the tensor that is missing, surplus, of another shape or of another type. `ignored` says which surplus
/// tensors are harmless.
pub(crate) fn load(
    dir: &Path,
    expected: &BTreeMap<String, Vec<usize>>,
    ignored: impl Fn(&str) -> bool,
    device: &Device,
) -> Result<BTreeMap<String, Tensor>, LoadError> {
    let mut loaded = BTreeMap::new();
    for path in weight_files(dir)? {
        let bytes = std::fs::read(&path).map_err(|source| LoadError::File { path: path.clone(), source })?;
        let damaged = |reason: String| LoadError::Damaged { path: path.clone(), reason };
        let file = SafeTensors::deserialize(&bytes).map_err(|error| damaged(error.to_string()))?;
        for (name, view) in file.iter() {
            match expected.get(name) {
                Some(shape) if view.shape() == shape => {
                    let values = to_f32(name, &view)?;
                    if loaded.insert(name.to_owned(), Tensor::from_vec(values, shape.as_slice(), device)?).is_some() {
                        return Err(damaged(format!("tensor {name} is in two files")));
                    }
                }
                Some(shape) => {
                    return Err(LoadError::Shape {
                        name: name.into(),
                        found: view.shape().into(),
                        expected: shape.clone(),
                    });
                }
                None if ignored(name) => {}
                None => return Err(LoadError::UnexpectedTensor { name: name.into(), path: path.clone() }),
            }
        }
    }
    match expected.keys().find(|name| !loaded.contains_key(*name)) {
        Some(name) => Err(LoadError::MissingTensor { name: name.clone(), dir: dir.into() }),
        None => Ok(loaded),
    }
}

/// The elements of a tensor as f32; exact, since f16 and bf16 are subsets.
pub(crate) fn to_f32(name: &str, view: &TensorView<'_>) -> Result<Vec<f32>, LoadError> {
    let bytes = view.data();
    let pairs = || bytes.as_chunks::<2>().0.iter();
    match view.dtype() {
        Dtype::F32 => Ok(bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()),
        Dtype::F16 => Ok(pairs().map(|b| f16::from_le_bytes(*b).to_f32()).collect()),
        Dtype::BF16 => Ok(pairs().map(|b| bf16::from_le_bytes(*b).to_f32()).collect()),
        other => Err(LoadError::DataType { name: name.into(), dtype: format!("{other:?}") }),
    }
}

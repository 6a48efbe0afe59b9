//! Tensors of a Hugging Face model folder.

use crate::error::LoadError;
use half::{bf16, f16};
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo, TensorView};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
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

/// Reads exactly the tensors in `expected` (name to shape), as f32, from the model folder `dir`, and hands each to
/// `take(name, elements, shape)` before it reads the next.
///
/// Errors name the tensor that is missing, surplus, of another shape or of another type. `ignored` says which surplus
/// tensors are harmless. Cost: memory for one tensor as it is in the file and in f32.
pub(crate) fn load(
    dir: &Path,
    expected: &BTreeMap<String, Vec<usize>>,
    ignored: impl Fn(&str) -> bool,
    mut take: impl FnMut(&str, Vec<f32>, &[usize]) -> Result<(), LoadError>,
) -> Result<(), LoadError> {
    let mut loaded = BTreeSet::new();
    for path in weight_files(dir)? {
        let mut shard = Shard::open(&path)?;
        for name in shard.header.offset_keys() {
            let info = shard.header.info(&name).ok_or_else(|| shard.damaged(format!("no entry for {name}")))?.clone();
            match expected.get(&name) {
                Some(shape) if info.shape == *shape => {
                    if !loaded.insert(name.clone()) {
                        return Err(shard.damaged(format!("tensor {name} is in two files")));
                    }
                    let values = shard.read(&name, &info)?;
                    take(&name, values, shape)?;
                }
                Some(shape) => {
                    return Err(LoadError::Shape { name, found: info.shape, expected: shape.clone() });
                }
                None if ignored(&name) => {}
                None => return Err(LoadError::UnexpectedTensor { name, path }),
            }
        }
    }
    match expected.keys().find(|name| !loaded.contains(*name)) {
        Some(name) => Err(LoadError::MissingTensor { name: name.clone(), dir: dir.into() }),
        None => Ok(()),
    }
}

/// A safetensors file whose tensors are read one at a time.
struct Shard {
    path: PathBuf,
    file: File,
    header: Metadata,
    /// Where the tensors begin.
    data_at: u64,
}

impl Shard {
    /// Longest header, which is that of the safetensors crate: 100 MB.
    const HEADER_MAX: u64 = 100_000_000;

    fn open(path: &Path) -> Result<Self, LoadError> {
        let access = |source| LoadError::File { path: path.into(), source };
        let damaged = |reason: &str| LoadError::Damaged { path: path.into(), reason: reason.into() };
        let mut file = File::open(path).map_err(access)?;
        let length = file.metadata().map_err(access)?.len();
        let mut header_length = [0; 8];
        file.read_exact(&mut header_length).map_err(|_| damaged("shorter than its header"))?;
        let header_length = u64::from_le_bytes(header_length);
        if header_length > Self::HEADER_MAX.min(length.saturating_sub(8)) {
            return Err(damaged("shorter than its header"));
        }
        let mut header = vec![0; header_length as usize];
        file.read_exact(&mut header).map_err(access)?;
        let header: Metadata = serde_json::from_slice(&header).map_err(|error| damaged(&error.to_string()))?;
        let data_at = 8 + header_length;
        // The parsed header is contiguous; its last end is the length of the data.
        if data_at + header.data_len() as u64 != length {
            return Err(damaged("another length than its header says"));
        }
        Ok(Self { path: path.into(), file, header, data_at })
    }

    fn read(&mut self, name: &str, info: &TensorInfo) -> Result<Vec<f32>, LoadError> {
        let (from, to) = info.data_offsets;
        let mut bytes = vec![0; to - from];
        let read = self.file.seek(SeekFrom::Start(self.data_at + from as u64));
        read.and_then(|_| self.file.read_exact(&mut bytes))
            .map_err(|source| LoadError::File { path: self.path.clone(), source })?;
        let view = TensorView::new(info.dtype, info.shape.clone(), &bytes);
        to_f32(name, &view.map_err(|error| self.damaged(error.to_string()))?)
    }

    fn damaged(&self, reason: String) -> LoadError {
        LoadError::Damaged { path: self.path.clone(), reason }
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

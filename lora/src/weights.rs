//! Tensors of a Hugging Face model folder.

use crate::error::{LoadError, QuantError};
use crate::quant::bitsandbytes::{self, Part};
use crate::quant::{Nf4Matrix, Precision};
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

/// A tensor as a folder holds it.
pub(crate) enum Stored {
    /// Its elements in row-major order.
    Plain(Vec<f32>),
    /// In four bits.
    Nf4(Nf4Matrix),
}

/// Reads exactly the tensors in `expected` (name to shape) from the model folder `dir`, and hands each to
/// `take(name, tensor, shape)` before it reads the next.
///
/// `packed` says how the matrices are packed that come with a description of it; without it none is.
/// Errors name the tensor that is missing, surplus, of another shape or of another type. `ignored` says which surplus
/// tensors are harmless. Cost: memory for one tensor as it is in the file and in f32.
pub(crate) fn load(
    dir: &Path,
    expected: &BTreeMap<String, Vec<usize>>,
    packed: Option<Precision>,
    ignored: impl Fn(&str) -> bool,
    mut take: impl FnMut(&str, Stored, &[usize]) -> Result<(), LoadError>,
) -> Result<(), LoadError> {
    let mut folder = Folder::open(dir)?;
    for (name, shard) in folder.names() {
        let whole = bitsandbytes::whole_of(&name).filter(|whole| packed.is_some() && folder.describes(whole));
        if whole.is_some_and(|whole| expected.contains_key(whole)) {
            // Read with the weight that it is a part of.
            continue;
        }
        match (expected.get(&name), packed) {
            (Some(shape), Some(precision)) if folder.describes(&name) => {
                let matrix = folder.read_packed(&name, shape, precision)?;
                take(&name, Stored::Nf4(matrix), shape)?;
            }
            (Some(shape), _) => {
                let values = folder.shards[shard].read(&name, shape)?;
                take(&name, Stored::Plain(values), shape)?;
            }
            (None, _) if ignored(&name) => {}
            (None, _) => return Err(LoadError::UnexpectedTensor { name, path: folder.shards[shard].path.clone() }),
        }
    }
    match expected.keys().find(|name| !folder.places.contains_key(*name)) {
        Some(name) => Err(LoadError::MissingTensor { name: name.clone(), dir: dir.into() }),
        None => Ok(()),
    }
}

/// The files of a model.
struct Folder {
    shards: Vec<Shard>,
    /// The file of each tensor.
    places: BTreeMap<String, usize>,
}

impl Folder {
    fn open(dir: &Path) -> Result<Self, LoadError> {
        let mut folder = Self { shards: Vec::new(), places: BTreeMap::new() };
        for (number, path) in weight_files(dir)?.iter().enumerate() {
            let shard = Shard::open(path)?;
            for name in shard.header.offset_keys() {
                if folder.places.insert(name.clone(), number).is_some() {
                    return Err(shard.damaged(format!("tensor {name} is in two files")));
                }
            }
            folder.shards.push(shard);
        }
        Ok(folder)
    }

    /// All tensors with their files, in the order in which they stand there.
    fn names(&self) -> Vec<(String, usize)> {
        let names =
            |(number, shard): (usize, &Shard)| shard.header.offset_keys().into_iter().map(move |name| (name, number));
        self.shards.iter().enumerate().flat_map(names).collect()
    }

    /// Whether there is a description of how `name` is packed.
    fn describes(&self, name: &str) -> bool {
        self.places.contains_key(&[name, bitsandbytes::STATE].concat())
    }

    fn read_packed(&mut self, name: &str, shape: &[usize], precision: Precision) -> Result<Nf4Matrix, LoadError> {
        let of = |source| LoadError::PackedTensor { name: name.into(), source };
        let &[rows, columns] = shape else {
            return Err(of(QuantError::Saved { reason: format!("of shape {shape:?}; only matrices can be") }));
        };
        let found = bitsandbytes::read_matrix([rows, columns], precision, |end| -> Result<_, PartError> {
            let part = [name, end].concat();
            let Some(shard) = self.places.get(&part) else { return Ok(None) };
            Ok(Some(self.shards[*shard].read_part(&part).map_err(PartError::Load)?))
        });
        found.map_err(|error| match error {
            PartError::Load(error) => error,
            PartError::Quant(source) => of(source),
        })
    }
}

/// Why a part of a packed weight could not be used.
enum PartError {
    Load(LoadError),
    Quant(QuantError),
}

impl From<QuantError> for PartError {
    fn from(error: QuantError) -> Self {
        Self::Quant(error)
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

    /// The elements of a tensor, which must have this shape.
    fn read(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, LoadError> {
        let info = self.info(name)?;
        if info.shape != shape {
            return Err(LoadError::Shape { name: name.into(), found: info.shape, expected: shape.to_vec() });
        }
        let bytes = self.bytes(&info)?;
        let view = TensorView::new(info.dtype, info.shape, &bytes);
        to_f32(name, &view.map_err(|error| self.damaged(error.to_string()))?)
    }

    /// A tensor as it is.
    fn read_part(&mut self, name: &str) -> Result<Part, LoadError> {
        let info = self.info(name)?;
        Ok(Part { dtype: info.dtype, bytes: self.bytes(&info)? })
    }

    fn info(&self, name: &str) -> Result<TensorInfo, LoadError> {
        self.header.info(name).cloned().ok_or_else(|| self.damaged(format!("no entry for {name}")))
    }

    fn bytes(&mut self, info: &TensorInfo) -> Result<Vec<u8>, LoadError> {
        let (from, to) = info.data_offsets;
        let mut bytes = vec![0; to - from];
        let read = self.file.seek(SeekFrom::Start(self.data_at + from as u64));
        read.and_then(|_| self.file.read_exact(&mut bytes))
            .map_err(|source| LoadError::File { path: self.path.clone(), source })?;
        Ok(bytes)
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

//! The hash by which the chain knows a base model.

use crate::error::LoadError;
use crate::weights::weight_files;
use std::path::Path;
use tributary_protocol::ContentHash;

/// Domain of a base model's hash.
const CONTEXT: &str = "tributary.network 2026-11 base model folder v1";

/// Small files that take part in the hash where they exist, beside the weights.
const SMALL_FILES: &[&str] = &["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"];

/// The content hash of a model folder: configuration, weights and tokenizer.
///
/// BLAKE3 (derive_key) over, for each file in order of name: length of the name (u32, little endian), name, BLAKE3 of the
/// content. Other files in the folder do not count. Cost: reads every weight once.
pub fn base_model_hash(dir: &Path) -> Result<ContentHash, LoadError> {
    let mut files = weight_files(dir)?;
    files.push(dir.join("model.safetensors.index.json"));
    files.extend(SMALL_FILES.iter().map(|name| dir.join(name)));
    files.retain(|path| path.is_file());
    files.sort();
    files.dedup();
    let mut folder = blake3::Hasher::new_derive_key(CONTEXT);
    for path in files {
        let access = |source| LoadError::File { path: path.clone(), source };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let mut content = blake3::Hasher::new();
        content.update_reader(std::fs::File::open(&path).map_err(access)?).map_err(access)?;
        folder.update(&(name.len() as u32).to_le_bytes());
        folder.update(name.as_bytes());
        folder.update(content.finalize().as_bytes());
    }
    Ok(ContentHash(*folder.finalize().as_bytes()))
}

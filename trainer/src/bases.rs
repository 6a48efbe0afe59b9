//! The base models that a trainer holds.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};
use tributary_lora::{LoadError, base_model_hash};
use tributary_protocol::ContentHash;

/// Model folders by the hash of their content, which is how the chain names them.
#[derive(Clone, Debug, Default)]
pub struct Bases {
    folders: HashMap<ContentHash, PathBuf>,
}

impl Bases {
    /// Hashes every folder. Blocks: reads all weights once.
    pub fn hash(folders: &[PathBuf]) -> Result<Self, LoadError> {
        let mut bases = Self::default();
        for folder in folders {
            let hash = base_model_hash(folder)?;
            tracing::info!(base = %hash, folder = %folder.display(), "base model");
            bases.folders.insert(hash, folder.clone());
        }
        Ok(bases)
    }

    /// The folder of a base model.
    pub fn folder(&self, content: &ContentHash) -> Option<&Path> {
        self.folders.get(content).map(PathBuf::as_path)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.folders.len()
    }
}

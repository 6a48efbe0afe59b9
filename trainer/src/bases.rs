//! The base models that a trainer holds.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};
use tributary_lora::{LoadError, ModelConfig, base_model_hash};
use tributary_protocol::ContentHash;

/// Model folders by the hash of their content, which is how the chain names them.
#[derive(Clone, Debug, Default)]
pub struct Bases {
    folders: HashMap<ContentHash, PathBuf>,
}

impl Bases {
    /// Hashes every folder. Blocks: reads all weights once. A folder of another architecture is refused here: found out
    /// after a claim, it would cost a part of the bond.
    pub fn hash(folders: &[PathBuf]) -> Result<Self, LoadError> {
        let mut bases = Self::default();
        for folder in folders {
            ModelConfig::from_dir(folder)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use tributary_lora::ConfigError;

    #[test]
    fn a_model_that_cannot_be_tuned_is_refused_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let config = r#"{"architectures": ["MambaForCausalLM"], "model_type": "mamba"}"#;
        fs::write(folder.path().join("config.json"), config).unwrap();
        fs::write(folder.path().join("model.safetensors"), b"weights").unwrap();
        let error = Bases::hash(&[folder.path().to_owned()]).unwrap_err();
        assert!(matches!(&error, LoadError::Config(ConfigError::UnknownArchitecture { .. })), "{error}");
        assert!(error.to_string().contains("MambaForCausalLM"), "{error}");
    }
}

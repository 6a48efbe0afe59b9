//! The base models of which the gateway has the folders: to count tokens, and to say what a run would take.

use crate::error::StudioError;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use tributary_lora::{
    DataConfig, ModelConfig, Tokenizer, base_model_hash, data::ChatTemplate, data::Encoder, data::TrainOn,
};
use tributary_protocol::ContentHash;

/// A base model's folder without its weights.
#[derive(Debug)]
pub struct Base {
    folder: PathBuf,
    content: ContentHash,
    config: ModelConfig,
    tokenizer: Tokenizer,
    is_bf16: bool,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub struct Bases(Vec<Arc<Base>>);

impl Bases {
    /// Reads the folders. Blocks: hashes all weights once.
    pub fn read(folders: &[PathBuf]) -> Result<Self, StudioError> {
        folders.iter().map(|folder| Base::read(folder).map(Arc::new)).collect::<Result<_, _>>().map(Self)
    }

    /// The one that the chain knows by this hash.
    pub fn with_content(&self, content: [u8; 32]) -> Option<&Arc<Base>> {
        self.0.iter().find(|base| base.content.0 == content)
    }

    /// The one for questions that name none.
    pub fn usual(&self) -> Option<&Arc<Base>> {
        self.0.first()
    }
}

impl Base {
    fn read(folder: &Path) -> Result<Self, StudioError> {
        let wrong =
            |error: &dyn std::fmt::Display| StudioError::Base { path: folder.into(), reason: error.to_string() };
        let config = ModelConfig::from_dir(folder).map_err(|error| wrong(&error))?;
        let tokenizer = Tokenizer::from_dir(folder, &config).map_err(|error| wrong(&error))?;
        let content = base_model_hash(folder).map_err(|error| wrong(&error))?;
        let text = std::fs::read(folder.join("config.json")).map_err(|error| wrong(&error))?;
        let json: serde_json::Value = serde_json::from_slice(&text).map_err(|error| wrong(&error))?;
        let is_bf16 = ["dtype", "torch_dtype"].iter().any(|key| json[key] == "bfloat16");
        Ok(Self { folder: folder.into(), content, config, tokenizer, is_bf16 })
    }

    /// Its architecture.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Its tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Whether its weights are bf16.
    pub fn is_bf16(&self) -> bool {
        self.is_bf16
    }

    /// What turns rows into tokens for it: by its chat template, if it has one.
    pub fn encoder(&self, tokens_max: usize) -> Result<Encoder<'_>, String> {
        let template = ChatTemplate::from_dir(&self.folder).map_err(|error| error.to_string())?;
        match template {
            Some(template) => Encoder::chat(&self.tokenizer, template, tokens_max, TrainOn::default())
                .map_err(|error| error.to_string()),
            None => {
                let config = DataConfig { tokens_max, ..DataConfig::default() };
                Ok(Encoder::plain(&self.tokenizer, &config, TrainOn::default()))
            }
        }
    }
}

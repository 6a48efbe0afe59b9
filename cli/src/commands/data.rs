//! `tributary data`.

use super::blocking;
use crate::{
    args::{ReadingArgs, named},
    context::Context,
    output::{self, Output},
};
use anyhow::Context as _;
use clap::{Args, Subcommand};
use std::path::PathBuf;
use tributary_lora::{
    DataConfig, ModelConfig, Tokenizer,
    data::{ChatTemplate, CheckConfig, Checked, Encoder, TrainOn, check},
};

/// Commands on training data.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check files before a run: wrong rows, lengths, copies, and which tokens would be trained
    Check(CheckArgs),
}

/// What to check, and how a run would read it.
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// JSON lines, JSON, CSV, TSV or Parquet
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Hugging Face folder of the model; without it, the embedded tributary-tiny
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Chat template, a jinja file; "plain" for question and answer without one; the model's own if left out
    #[arg(long, value_name = "FILE")]
    template: Option<PathBuf>,
    /// What is trained: answers, last-answer, all
    #[arg(long, value_name = "WHAT", default_value = "answers", value_parser = |name: &str| named(&TrainOn::NAMES, name))]
    train_on: TrainOn,
    /// Longest sample in tokens
    #[arg(long, value_name = "TOKENS", default_value_t = DataConfig::default().tokens_max)]
    tokens_max: usize,
    /// How many samples are shown
    #[arg(long, value_name = "N", default_value_t = CheckConfig::default().previews)]
    preview: usize,
    #[command(flatten)]
    reading: ReadingArgs,
}

impl Command {
    /// Does it.
    pub async fn run(self, context: &Context) -> anyhow::Result<Output> {
        let Self::Check(args) = self;
        let json = context.json();
        let checked = blocking(move || args.check()).await??;
        if let Err(verdict) = checked.verdict() {
            // The report is the reason: it stands before the error.
            match json {
                true => output::json_line(checked.report()),
                false => output::line(&checked.report().to_string()),
            }
            return Err(verdict.into());
        }
        Ok(Output::new(checked.report(), checked.report().to_string()))
    }
}

impl CheckArgs {
    fn check(self) -> anyhow::Result<Checked> {
        let folder = match self.model {
            Some(folder) => folder,
            None => crate::embedded::base_model()?,
        };
        let tokenizer = ModelConfig::from_dir(&folder)
            .map_err(anyhow::Error::from)
            .and_then(|config| Ok(Tokenizer::from_dir(&folder, &config)?))
            .with_context(|| folder.display().to_string())?;
        let template = match &self.template {
            Some(plain) if plain.as_os_str() == "plain" => None,
            Some(file) => Some(ChatTemplate::from_file(file, &ChatTemplate::settings(&folder)?)?),
            None => ChatTemplate::from_dir(&folder)?,
        };
        let encoder = match template {
            Some(template) => Encoder::chat(&tokenizer, template, self.tokens_max, self.train_on)?,
            None => {
                let config = DataConfig { tokens_max: self.tokens_max, ..DataConfig::default() };
                Encoder::plain(&tokenizer, &config, self.train_on)
            }
        };
        let config = CheckConfig { previews: self.preview, ..self.reading.config() };
        Ok(check(&self.files, &encoder, &config)?)
    }
}

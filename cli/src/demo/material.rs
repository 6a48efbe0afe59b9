//! What the story is played with: a base model, contributions, questions.

use crate::{
    args::{RecipeArgs, recipe},
    chat::Chat,
    commands::read_samples,
    embedded::{self, Question},
};
use anyhow::{Context as _, ensure};
use std::path::{Path, PathBuf};
use tributary_daemon::Recipe;
use tributary_lora::base_model_hash;
use tributary_protocol::{
    ContentHash,
    sample::{Limits, ParsedSamples},
};

/// Longest answer to the question at the end.
pub const ANSWER_TOKENS: usize = 64;

/// One contribution's file.
pub struct DataFile {
    /// Its name.
    pub name: String,
    /// Its samples.
    pub samples: ParsedSamples,
}

/// Everything that the story needs beside accounts and processes. Checked before anything starts.
pub struct Material {
    /// The base model's folder.
    pub base: PathBuf,
    /// Whether it is the embedded one.
    pub is_embedded_base: bool,
    /// Its name on the chain.
    pub base_name: String,
    /// The hash of its folder.
    pub base_content: ContentHash,
    /// How many parameters it has.
    pub parameters: u64,
    /// The good contributions.
    pub good: Vec<DataFile>,
    /// The one that the curator refuses.
    pub bad: DataFile,
    /// Questions with answers, for the embedded data.
    pub questions: Vec<Question>,
    /// What base and tuned model are asked at the end.
    pub prompt: String,
    /// How to train.
    pub recipe: Recipe,
}

impl Material {
    /// Reads it: the user's, where there is any, else the embedded.
    pub fn collect(base: Option<&Path>, data: &[PathBuf], recipe: &RecipeArgs) -> anyhow::Result<Self> {
        let (folder, base_name) = match base {
            Some(folder) => {
                let folder = folder.canonicalize().with_context(|| format!("cannot read {}", folder.display()))?;
                let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                (folder, name.chars().filter(char::is_ascii).take(64).collect())
            }
            None => (embedded::base_model()?, embedded::BASE_NAME.to_owned()),
        };
        let recipe = recipe.over(if base.is_some() { recipe::DEFAULT } else { recipe::TINY })?;
        let chat = Chat::load(&folder, recipe.hyperparameters.template)?;
        let embedded_file = |(name, text): (&str, &str)| -> anyhow::Result<DataFile> {
            let samples = ParsedSamples::parse(text.as_bytes(), &Limits::DEFAULT)?;
            Ok(DataFile { name: name.to_owned(), samples })
        };
        let mut good = Vec::new();
        for path in data {
            let (samples, _) = read_samples(path, false).with_context(|| path.display().to_string())?;
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            good.push(DataFile { name, samples });
        }
        let questions = if good.is_empty() { embedded::questions(embedded::QUESTIONS)? } else { Vec::new() };
        if good.is_empty() {
            good = embedded::GOOD.into_iter().map(embedded_file).collect::<Result<_, _>>()?;
        }
        ensure!(good.len() <= 64, "{} files are more than the story has room for, 64", good.len());
        // A trainer would give such a job up, and the story would wait in vain.
        chat.check_samples(good.iter().flat_map(|file| file.samples.lines()), &recipe)
            .context("the files do not suit the base model")?;
        let prompt = match questions.first() {
            Some(question) => question.question.clone(),
            None => chat.fitting(&shortest_prompt(&good)?, ANSWER_TOKENS)?,
        };
        Ok(Self {
            base_content: base_model_hash(&folder)?,
            parameters: chat.parameters() as u64,
            is_embedded_base: base.is_none(),
            base: folder,
            base_name,
            good,
            bad: embedded_file(embedded::BAD)?,
            questions,
            prompt,
            recipe,
        })
    }
}

/// The shortest prompt of the files: the likeliest to fit whole into what the model sees at once.
fn shortest_prompt(files: &[DataFile]) -> anyhow::Result<String> {
    let prompts = files.iter().flat_map(|file| file.samples.lines()).map(|line| &line.sample().prompt);
    Ok(prompts.min_by_key(|prompt| prompt.len()).context("the files have no samples")?.clone())
}

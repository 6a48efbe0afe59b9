//! A model on this machine that answers: the base, with or without an adapter.

use crate::embedded::Question;
use anyhow::Context as _;
use candle_core::Device;
use std::path::Path;
use tributary_daemon::{Bundle, Recipe};
use tributary_lora::{
    Adapter, DataConfig, Dataset, Model, PromptStyle, SamplingConfig, Tokenizer,
    data::{Prompter, Role, Turn},
    reply,
};
use tributary_protocol::{recipe::Template, sample::CanonicalLine};

/// A base model, its tokenizer, and how it is asked.
pub struct Chat {
    model: Model,
    tokenizer: Tokenizer,
    asked: DataConfig,
}

impl Chat {
    /// Loads a base model's folder, to be asked by `template`. Blocks.
    pub fn load(base: &Path, template: Template) -> anyhow::Result<Self> {
        let model = Model::load(base, &Device::Cpu).with_context(|| format!("cannot load {}", base.display()))?;
        let tokenizer = Tokenizer::from_dir(base, model.config())?;
        let style = match template {
            Template::Plain => PromptStyle::Plain,
            Template::Chat => PromptStyle::Chat,
        };
        let asked = DataConfig { style, ..DataConfig::default() };
        let chat = Self { model, tokenizer, asked };
        chat.prompter().with_context(|| format!("{} cannot be asked so", base.display()))?;
        Ok(chat)
    }

    /// As [`Chat::load`], asked as the adapter was trained if its folder says how, else by the model's own chat template if
    /// it has one. Blocks.
    pub fn load_for(base: &Path, adapter: Option<&Path>) -> anyhow::Result<Self> {
        let trained = adapter.map(recipe_of).transpose()?.flatten().map(|recipe| recipe.hyperparameters.template);
        let mut chat = Self::load(base, trained.unwrap_or_default())?;
        if trained.is_none() && chat.tokenizer.chat_template()?.is_some() {
            chat.asked.style = PromptStyle::Chat;
            chat.prompter()?;
        }
        Ok(chat)
    }

    fn prompter(&self) -> anyhow::Result<Prompter<'_>> {
        Ok(Prompter::new(&self.tokenizer, &self.asked)?)
    }

    /// Whether the model is told the turns before the last.
    pub fn holds_conversations(&self) -> bool {
        self.asked.style == PromptStyle::Chat
    }

    /// Loads an adapter for it. Blocks.
    pub fn adapter(&self, folder: &Path) -> anyhow::Result<Adapter> {
        Adapter::load(folder, &self.model).with_context(|| format!("cannot use the adapter in {}", folder.display()))
    }

    /// How many parameters the model has.
    pub fn parameters(&self) -> usize {
        self.model.parameter_count()
    }

    /// Checks that every sample has something to train on, as a trainer will find it. Blocks.
    pub fn check_samples<'a>(
        &self,
        lines: impl IntoIterator<Item = &'a CanonicalLine>,
        recipe: &Recipe,
    ) -> anyhow::Result<()> {
        Dataset::encode(lines, &self.tokenizer, &recipe.data(self.model.config()))?;
        Ok(())
    }

    /// The beginning of `prompt`, in whole words, that leaves the model room for an answer of `answer_tokens`; at least one
    /// word.
    pub fn fitting(&self, prompt: &str, answer_tokens: usize) -> anyhow::Result<String> {
        let room = self.model.config().positions_max.saturating_sub(answer_tokens);
        let words: Vec<&str> = prompt.split_inclusive(char::is_whitespace).collect();
        let prompter = self.prompter()?;
        let fits = |count: usize| -> anyhow::Result<bool> {
            Ok(prompter.question(&words[..count].concat())?.tokens.len() <= room)
        };
        if words.len() < 2 || fits(words.len())? {
            return Ok(prompt.to_owned());
        }
        // Fewer words never have more tokens, so the longest beginning is found by halving.
        let (mut fitting, mut beyond) = (1, words.len());
        while beyond > fitting + 1 {
            let middle = fitting.midpoint(beyond);
            if fits(middle)? { fitting = middle } else { beyond = middle }
        }
        Ok(words[..fitting].concat().trim_end().to_owned())
    }

    /// Answers one question, handing out the text as it comes. Blocks.
    pub fn answer(
        &self,
        adapter: Option<&Adapter>,
        prompt: &str,
        config: SamplingConfig,
        on_text: impl FnMut(&str),
    ) -> anyhow::Result<String> {
        let prompt = self.prompter()?.question(prompt)?;
        Ok(reply(&self.model, adapter, &self.tokenizer, &prompt, config, on_text)?)
    }

    /// Answers the last turn of a conversation and adds the answer to it. Turns that the model cannot see any more are taken
    /// out, the oldest first, except for the system's. Blocks.
    pub fn converse(
        &self,
        adapter: Option<&Adapter>,
        turns: &mut Vec<Turn>,
        config: SamplingConfig,
        on_text: impl FnMut(&str),
    ) -> anyhow::Result<String> {
        let prompter = self.prompter()?;
        let room = self.model.config().positions_max.saturating_sub(config.tokens_max);
        let first = usize::from(turns.first().is_some_and(|turn| turn.role == Role::System));
        let prompt = loop {
            let prompt = prompter.prompt(turns)?;
            // The user's turn and its answer go together.
            if prompt.tokens.len() <= room || turns.len() < first + 3 {
                break prompt;
            }
            turns.drain(first..first + 2);
        };
        let answer = reply(&self.model, adapter, &self.tokenizer, &prompt, config, on_text)?;
        turns.push(Turn::new(Role::Assistant, if answer.is_empty() { "..." } else { &answer }));
        Ok(answer)
    }

    /// Asks every question greedily; says for each what was answered and whether it holds what is expected.
    pub fn examine(&self, adapter: Option<&Adapter>, questions: &[Question]) -> anyhow::Result<Vec<(String, bool)>> {
        let config = SamplingConfig { tokens_max: 32, ..SamplingConfig::default() };
        let ask = |question: &Question| {
            let text = self.answer(adapter, &question.question, config, |_| {})?;
            let right = text.to_lowercase().contains(&question.expected.to_lowercase());
            Ok((text, right))
        };
        questions.iter().map(ask).collect()
    }
}

/// The recipe by which the adapter in `folder` was trained: beside it where a bundle was unpacked, else in the bundle;
/// `None` if it was made by another program.
fn recipe_of(folder: &Path) -> anyhow::Result<Option<Recipe>> {
    let read = |name: &str| match std::fs::read(folder.join(name)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", folder.join(name).display())),
    };
    if let Some(text) = read("recipe.json")? {
        return Ok(Some(serde_json::from_slice(&text).context("recipe.json beside the adapter is no recipe")?));
    }
    match read("bundle.tar")? {
        Some(bytes) => Ok(Some(Bundle::from_bytes(&bytes)?.recipe()?)),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_that_is_too_long_is_cut_after_the_last_word_that_fits() {
        let chat = Chat::load(&crate::embedded::base_model().unwrap(), Template::Plain).unwrap();
        let short = "Where does the ferry land?";
        assert_eq!(chat.fitting(short, 32).unwrap(), short);
        let long = "the ferry lands at the old pier, ".repeat(400);
        let cut = chat.fitting(&long, 32).unwrap();
        assert!(long.starts_with(&cut) && !cut.is_empty());
        let config = SamplingConfig { tokens_max: 32, ..SamplingConfig::default() };
        chat.answer(None, &cut, config, |_| {}).unwrap();
        assert!(chat.answer(None, &long, config, |_| {}).is_err());
        // One more word would leave the answer too little room.
        let next = long[cut.len()..].split_whitespace().next().unwrap();
        let more = format!("{cut} {next}");
        assert_eq!(chat.fitting(&more, 32).unwrap(), cut);
    }
}

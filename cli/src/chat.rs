//! A model on this machine that answers: the base, with or without an adapter.

use crate::embedded::Question;
use anyhow::Context as _;
use candle_core::Device;
use std::path::Path;
use tributary_lora::{Adapter, Dataset, Model, PromptTemplate, SamplingConfig, Tokenizer, answer};
use tributary_protocol::sample::CanonicalLine;
use tributary_trainer::Recipe;

/// A base model and its tokenizer.
pub struct Chat {
    model: Model,
    tokenizer: Tokenizer,
    template: PromptTemplate,
}

impl Chat {
    /// Loads a base model's folder. Blocks.
    pub fn load(base: &Path) -> anyhow::Result<Self> {
        let model = Model::load(base, &Device::Cpu).with_context(|| format!("cannot load {}", base.display()))?;
        let tokenizer = Tokenizer::from_dir(base, model.config())?;
        Ok(Self { model, tokenizer, template: PromptTemplate::default() })
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
        let fits = |count: usize| -> anyhow::Result<bool> {
            let text = self.template.prompt(&words[..count].concat());
            Ok(self.tokenizer.encode(&text)?.len() <= room)
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

    /// Answers, handing out the text as it comes. Blocks.
    pub fn answer(
        &self,
        adapter: Option<&Adapter>,
        prompt: &str,
        config: SamplingConfig,
        on_text: impl FnMut(&str),
    ) -> anyhow::Result<String> {
        Ok(answer(&self.model, adapter, &self.tokenizer, &self.template, prompt, config, on_text)?)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_that_is_too_long_is_cut_after_the_last_word_that_fits() {
        let chat = Chat::load(&crate::embedded::base_model().unwrap()).unwrap();
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

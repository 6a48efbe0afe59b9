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

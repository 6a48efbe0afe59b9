//! Text from a model, token by token.

use crate::data::Prompt;
use crate::dataset::PromptTemplate;
use crate::error::GenerateError;
use crate::lora::Adapter;
use crate::model::{Heads, Model, Pass};
use crate::ops::{self, LayerCache, attend_cached, with_elements};
use crate::sampling::{Sampler, SamplingConfig};
use crate::tokenizer::Tokenizer;
use candle_core::Tensor;

/// Tokens that follow a prompt, one per call of `next`, without those that end an answer.
///
/// Keys and values of all past positions are kept, so each token costs one position.
pub struct Generation<'a> {
    model: &'a Model,
    adapter: Option<&'a Adapter>,
    stops: Vec<u32>,
    sampler: Sampler,
    /// Per layer.
    cache: Vec<LayerCache>,
    /// Tokens that were not run through the model yet.
    pending: Vec<u32>,
    /// Positions that were run.
    positions: usize,
    tokens_left: usize,
}

impl<'a> Generation<'a> {
    /// Begins after `prompt`; ends at one of `stops`, after `config.tokens_max` tokens or at the model's last position.
    pub fn new(
        model: &'a Model,
        adapter: Option<&'a Adapter>,
        prompt: &[u32],
        stops: &[u32],
        config: SamplingConfig,
    ) -> Result<Self, GenerateError> {
        if prompt.is_empty() {
            return Err(GenerateError::EmptyPrompt);
        }
        let positions_max = model.config().positions_max;
        if prompt.len() > positions_max {
            return Err(GenerateError::PromptTooLong { tokens: prompt.len(), positions_max });
        }
        Ok(Self {
            sampler: Sampler::new(config)?,
            cache: vec![LayerCache::default(); model.config().layers],
            pending: prompt.to_vec(),
            stops: stops.to_vec(),
            positions: 0,
            tokens_left: config.tokens_max,
            adapter,
            model,
        })
    }

    fn next_token(&mut self) -> Result<Option<u32>, GenerateError> {
        if self.tokens_left == 0 || self.positions + self.pending.len() > self.model.config().positions_max {
            return Ok(None);
        }
        let logits = self.run_pending()?;
        let token = self.sampler.choose(&logits)?;
        if self.stops.contains(&token) {
            self.tokens_left = 0;
            return Ok(None);
        }
        self.tokens_left -= 1;
        self.pending.push(token);
        Ok(Some(token))
    }

    /// Logits after the last pending token.
    fn run_pending(&mut self) -> Result<Vec<f32>, GenerateError> {
        let (rope, cache) = (self.model.rope(), &mut self.cache);
        let pass = Pass { adapter: self.adapter, noise: None, unread: false };
        let hidden = self.model.run(&self.pending, pass, |layer, shape, heads| {
            let Heads { q, k, v } = heads;
            let out = with_elements(q, |q| {
                with_elements(k, |k| with_elements(v, |v| Ok(attend_cached(q, k, v, shape, rope, &mut cache[layer]))))
            })?;
            Tensor::from_vec(out, (q.dim(0)?, shape.output_width()), q.device())
        })?;
        let last = hidden.narrow(0, self.pending.len() - 1, 1)?;
        self.positions += self.pending.len();
        self.pending.clear();
        let logits = ops::linear(&last, self.model.head_matrix())?;
        Ok(with_elements(&logits, |logits| Ok(logits.to_vec()))?)
    }
}

impl Iterator for Generation<'_> {
    type Item = Result<u32, GenerateError>;

    fn next(&mut self) -> Option<Self::Item> {
        let token = self.next_token().transpose();
        if matches!(token, Some(Err(_))) {
            self.tokens_left = 0;
        }
        token
    }
}

/// Answers `prompt`, put to the model as `template` says, and hands each piece of text to `on_text` as it is ready.
///
/// Returns the whole answer without surrounding space.
pub fn answer(
    model: &Model,
    adapter: Option<&Adapter>,
    tokenizer: &Tokenizer,
    template: &PromptTemplate,
    prompt: &str,
    config: SamplingConfig,
    on_text: impl FnMut(&str),
) -> Result<String, GenerateError> {
    let prompt = Prompt { tokens: tokenizer.encode(&template.prompt(prompt))?, stops: tokenizer.ends().to_vec() };
    reply(model, adapter, tokenizer, &prompt, config, on_text)
}

/// Answers `prompt`, which a [`Prompter`](crate::data::Prompter) makes of a conversation, and hands each piece of text to
/// `on_text` as it is ready.
///
/// Returns the whole answer without surrounding space.
pub fn reply(
    model: &Model,
    adapter: Option<&Adapter>,
    tokenizer: &Tokenizer,
    prompt: &Prompt,
    config: SamplingConfig,
    mut on_text: impl FnMut(&str),
) -> Result<String, GenerateError> {
    let mut tokens = Vec::new();
    let mut stream = tokenizer.stream();
    for token in Generation::new(model, adapter, &prompt.tokens, &prompt.stops, config)? {
        let token = token?;
        tokens.push(token);
        let text = stream.push(token)?;
        if !text.is_empty() {
            on_text(&text);
        }
    }
    Ok(tokenizer.decode(&tokens)?.trim().to_owned())
}

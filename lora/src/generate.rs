//! Text from a model, token by token.

use crate::data::Prompt;
use crate::dataset::PromptTemplate;
use crate::error::GenerateError;
use crate::lora::Adapter;
use crate::model::{Heads, Model, Pass};
use crate::ops::{self, LayerCache, PlacedCache, attend_cached, attend_placed, with_elements, with_values};
use crate::sampling::{Sampler, SamplingConfig};
use crate::tokenizer::Tokenizer;
use candle_core::Tensor;
use rayon::prelude::*;

/// Tokens that follow a prompt, one per call of `next`, without those that end an answer.
///
/// Keys and values of all past positions are kept, so each token costs one position.
pub struct Generation<'a> {
    batch: GenerationBatch<'a>,
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
        Ok(Self { batch: GenerationBatch::new(model, adapter, &[prompt], stops, config)? })
    }
}

impl Iterator for Generation<'_> {
    type Item = Result<u32, GenerateError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.batch.next()? {
            Ok(tokens) => tokens.into_iter().next().flatten().map(Ok),
            Err(error) => Some(Err(error)),
        }
    }
}

/// Tokens that follow several prompts, one for each per call of `next`: `None` for those that have ended.
///
/// A position of every sequence is computed together, so the parameters are read from memory once for all of them. A
/// sequence gets the same tokens as by itself, with the same seed.
pub struct GenerationBatch<'a> {
    model: &'a Model,
    adapter: Option<&'a Adapter>,
    stops: Vec<u32>,
    sequences: Vec<Sequence>,
}

/// A prompt and what follows it.
struct Sequence {
    sampler: Sampler,
    /// Per layer.
    cache: Vec<LayerCache>,
    /// The same, of a model that own kernels do not compute.
    placed_cache: Vec<PlacedCache>,
    /// Tokens that were not run through the model yet.
    pending: Vec<u32>,
    /// Positions that were run.
    positions: usize,
    tokens_left: usize,
}

impl<'a> GenerationBatch<'a> {
    /// Begins after `prompts`; a sequence ends at one of `stops`, after `config.tokens_max` tokens or at the model's last
    /// position.
    pub fn new(
        model: &'a Model,
        adapter: Option<&'a Adapter>,
        prompts: &[&[u32]],
        stops: &[u32],
        config: SamplingConfig,
    ) -> Result<Self, GenerateError> {
        let positions_max = model.config().positions_max;
        let mut sequences = Vec::with_capacity(prompts.len());
        for prompt in prompts {
            if prompt.is_empty() {
                return Err(GenerateError::EmptyPrompt);
            }
            if prompt.len() > positions_max {
                return Err(GenerateError::PromptTooLong { tokens: prompt.len(), positions_max });
            }
            sequences.push(Sequence {
                sampler: Sampler::new(config)?,
                cache: vec![LayerCache::default(); model.config().layers],
                placed_cache: vec![PlacedCache::default(); model.config().layers],
                pending: prompt.to_vec(),
                positions: 0,
                tokens_left: config.tokens_max,
            });
        }
        Ok(Self { model, adapter, stops: stops.to_vec(), sequences })
    }

    fn next_tokens(&mut self) -> Result<Vec<Option<u32>>, GenerateError> {
        let Self { model, adapter, stops, sequences } = self;
        let positions_max = model.config().positions_max;
        let mut tokens = vec![None; sequences.len()];
        let goes_on = |s: &Sequence| s.tokens_left > 0 && s.positions + s.pending.len() <= positions_max;
        let active = sequences.iter_mut().zip(&mut tokens).filter(|(sequence, _)| goes_on(sequence));
        let (mut prompts, mut singles): (Vec<_>, Vec<_>) = active.partition(|(sequence, _)| sequence.pending.len() > 1);
        for group in [&mut prompts, &mut singles].into_iter().filter(|group| !group.is_empty()) {
            let logits = run_pending(model, *adapter, group.iter_mut().map(|(sequence, _)| &mut **sequence).collect())?;
            let vocabulary = logits.dim(1)?;
            let chosen = with_values(&logits, |logits| {
                let rows = group.iter_mut().zip(logits.chunks_exact(vocabulary));
                Ok(rows.map(|((sequence, _), row)| sequence.sampler.choose(row)).collect::<Result<Vec<u32>, _>>())
            })??;
            for ((sequence, token), chosen) in group.iter_mut().zip(chosen) {
                if stops.contains(&chosen) {
                    sequence.tokens_left = 0;
                    continue;
                }
                sequence.tokens_left -= 1;
                sequence.pending.push(chosen);
                **token = Some(chosen);
            }
        }
        Ok(tokens)
    }
}

impl Iterator for GenerationBatch<'_> {
    type Item = Result<Vec<Option<u32>>, GenerateError>;

    fn next(&mut self) -> Option<Self::Item> {
        // The many small operations of a position then find themselves among rayon's threads instead of waking them.
        let tokens = rayon::scope(|_| self.next_tokens());
        if tokens.is_err() {
            self.sequences.clear();
        }
        match tokens {
            Ok(tokens) if tokens.iter().all(Option::is_none) => None,
            other => Some(other),
        }
    }
}

/// Logits `[sequences, vocabulary]` after the last pending token of each sequence.
fn run_pending(
    model: &Model,
    adapter: Option<&Adapter>,
    mut sequences: Vec<&mut Sequence>,
) -> Result<Tensor, GenerateError> {
    let tokens: Vec<u32> = sequences.iter().flat_map(|sequence| sequence.pending.iter().copied()).collect();
    let single = tokens.len() == sequences.len();
    let rope = model.rope();
    let pass = Pass { adapter, rows: None, noise: None, unread: false, decode: single, tape: None };
    let hidden = model.run(&tokens, pass, |layer, shape, heads| {
        let Heads { q, k, v } = heads;
        if !ops::is_native(q) {
            let (mut first, mut parts) = (0, Vec::with_capacity(sequences.len()));
            for sequence in &mut sequences {
                let count = sequence.pending.len();
                let rows = |of: &Tensor| of.narrow(0, first, count)?.contiguous();
                let cache = &mut sequence.placed_cache[layer];
                parts.push(attend_placed((&rows(q)?, &rows(k)?, &rows(v)?), shape, rope, cache)?);
                first += count;
            }
            return Tensor::cat(&parts, 0);
        }
        let parts: Vec<Vec<f32>> = with_elements(q, |q| {
            with_elements(k, |k| {
                with_elements(v, |v| {
                    let mut first = 0;
                    let of_sequence = |sequence: &&mut Sequence| {
                        let rows = first..first + sequence.pending.len();
                        first = rows.end;
                        let part = |width: usize| rows.start * width..rows.end * width;
                        (&q[part(shape.query_width())], &k[part(shape.key_width())], &v[part(shape.value_width())])
                    };
                    let rows: Vec<_> = sequences.iter().map(of_sequence).collect();
                    let with_rows = sequences.par_iter_mut().zip(rows);
                    let parts = with_rows
                        .map(|(sequence, (q, k, v))| attend_cached(q, k, v, shape, rope, &mut sequence.cache[layer]));
                    Ok(parts.collect())
                })
            })
        })?;
        Tensor::from_vec(parts.concat(), (tokens.len(), shape.output_width()), q.device())
    })?;
    let mut last = Vec::with_capacity(sequences.len());
    let mut end = 0;
    for sequence in sequences {
        end += sequence.pending.len();
        last.push(end as u32 - 1);
        sequence.positions += sequence.pending.len();
        sequence.pending.clear();
    }
    let last = if single { hidden } else { hidden.index_select(&Tensor::new(last, hidden.device())?, 0)? };
    Ok(ops::decode_linear(&last, model.head_matrix(), None)?)
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

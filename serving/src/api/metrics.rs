//! What the API measures, as Prometheus reads it.

use crate::engine::EngineCounts;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Models that have rows of their own; the rest share one. Each takes four rows.
const MODELS_MAX: usize = 256;
/// The row of all models beyond [`MODELS_MAX`].
const OTHER: &str = "other";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabel {
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ModelLabel {
    model: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndingLabel {
    ending: &'static str,
}

/// How a request for answers ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Complete,
    /// The client went away.
    Abandoned,
    Failed,
}

impl Ending {
    fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Abandoned => "abandoned",
            Self::Failed => "failed",
        }
    }
}

/// Tokens of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TokenCounts {
    pub prompt: u64,
    pub cached: u64,
    pub answer: u64,
}

/// The measurements. All may be changed from any thread.
pub(super) struct Metrics {
    registry: Registry,
    requests: Family<RouteLabel, Counter>,
    endings: Family<EndingLabel, Counter>,
    answers: Family<ModelLabel, Counter>,
    prompt_tokens: Family<ModelLabel, Counter>,
    cached_tokens: Family<ModelLabel, Counter>,
    answer_tokens: Family<ModelLabel, Counter>,
    first_token: Histogram,
    between_tokens: Histogram,
    in_progress: Gauge,
    unsettled: Counter,
    models: Mutex<HashSet<String>>,
    engine: EngineGauges,
}

/// The engine's own counts, taken when somebody looks.
#[derive(Default)]
struct EngineGauges {
    waiting: Gauge,
    running: Gauge,
    pages: Gauge,
    pages_idle: Gauge,
    adapters: Gauge,
    adapter_bytes: Gauge,
    fetched: Gauge,
    loaded: Gauge,
    evicted: Gauge,
    suspended: Gauge,
    steps: Gauge,
    rows: Gauge,
}

/// Seconds to a first token: from a short prompt in memory to a long one behind others and an adapter to fetch.
const FIRST_TOKEN_S: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0];
/// Seconds between two tokens: from a small model alone to a large one in a full batch.
const BETWEEN_TOKENS_S: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("tributary_serving"),
            requests: Family::default(),
            endings: Family::default(),
            answers: Family::default(),
            prompt_tokens: Family::default(),
            cached_tokens: Family::default(),
            answer_tokens: Family::default(),
            first_token: Histogram::new(FIRST_TOKEN_S),
            between_tokens: Histogram::new(BETWEEN_TOKENS_S),
            in_progress: Gauge::default(),
            unsettled: Counter::default(),
            models: Mutex::default(),
            engine: EngineGauges::default(),
        };
        let registry = &mut metrics.registry;
        registry.register("requests", "HTTP requests by route and status", metrics.requests.clone());
        registry.register("endings", "Requests for answers by how they ended", metrics.endings.clone());
        registry.register("answers", "Requests for answers by model", metrics.answers.clone());
        registry.register("prompt_tokens", "Tokens of prompts by model", metrics.prompt_tokens.clone());
        let cached = metrics.cached_tokens.clone();
        registry.register("cached_tokens", "Tokens of prompts whose keys and values were there already", cached);
        registry.register("answer_tokens", "Tokens of answers by model", metrics.answer_tokens.clone());
        let first = metrics.first_token.clone();
        registry.register_with_unit(
            "first_token",
            "From a request's admission to its first token",
            Unit::Seconds,
            first,
        );
        let between = metrics.between_tokens.clone();
        registry.register_with_unit("between_tokens", "Between two tokens of an answer", Unit::Seconds, between);
        registry.register("in_progress", "Requests for answers in progress", metrics.in_progress.clone());
        let unsettled = metrics.unsettled.clone();
        registry.register("unsettled", "Delivered answers whose account could not be settled", unsettled);
        let engine = &metrics.engine;
        for (name, help, gauge) in [
            ("queue", "Answers that wait", &engine.waiting),
            ("running", "Answers that are being computed", &engine.running),
            ("pages", "Pages of keys and values", &engine.pages),
            ("pages_idle", "Pages that nobody needs: free, or kept in case somebody asks", &engine.pages_idle),
            ("adapters", "Adapters in memory", &engine.adapters),
            ("adapter_memory_bytes", "Memory that adapters take", &engine.adapter_bytes),
            ("adapters_fetched", "Adapters brought to the disk since the start", &engine.fetched),
            ("adapters_loaded", "Adapters read to memory since the start", &engine.loaded),
            ("adapters_evicted", "Adapters given up since the start", &engine.evicted),
            ("suspended", "Answers that had to wait again since the start", &engine.suspended),
            ("steps", "Batches computed since the start", &engine.steps),
            ("rows", "Rows of batches computed since the start", &engine.rows),
        ] {
            registry.register(name, help, gauge.clone());
        }
        metrics
    }
}

impl Metrics {
    pub fn record_request(&self, route: &str, status: u16) {
        self.requests.get_or_create(&RouteLabel { route: route.to_owned(), status }).inc();
    }

    pub fn record_first_token(&self, after: Duration) {
        self.first_token.observe(after.as_secs_f64());
    }

    pub fn record_next_token(&self, after: Duration) {
        self.between_tokens.observe(after.as_secs_f64());
    }

    pub fn record_unsettled(&self) {
        self.unsettled.inc();
    }

    /// `model` is one that is served: names that clients make up never come here.
    pub fn record_answer(&self, model: &str, ending: Ending, tokens: TokenCounts) {
        let label = self.label(model);
        self.endings.get_or_create(&EndingLabel { ending: ending.name() }).inc();
        self.answers.get_or_create(&label).inc();
        self.prompt_tokens.get_or_create(&label).inc_by(tokens.prompt);
        self.cached_tokens.get_or_create(&label).inc_by(tokens.cached);
        self.answer_tokens.get_or_create(&label).inc_by(tokens.answer);
    }

    fn label(&self, model: &str) -> ModelLabel {
        let mut models = self.models.lock().unwrap_or_else(PoisonError::into_inner);
        let known = models.contains(model) || (models.len() < MODELS_MAX && models.insert(model.to_owned()));
        ModelLabel { model: if known { model } else { OTHER }.to_owned() }
    }

    /// All of it, in Prometheus' text format.
    pub fn text(&self, in_progress: usize, counts: Option<&EngineCounts>) -> String {
        self.in_progress.set(in_progress as i64);
        if let Some(counts) = counts {
            let (of, adapters) = (&self.engine, &counts.adapters);
            let large = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
            of.waiting.set(counts.waiting as i64);
            of.running.set(counts.running as i64);
            of.pages.set(counts.pages as i64);
            of.pages_idle.set(counts.pages_idle as i64);
            of.adapters.set(adapters.ready as i64);
            of.adapter_bytes.set(large(adapters.bytes));
            of.fetched.set(large(adapters.fetched));
            of.loaded.set(large(adapters.loaded));
            of.evicted.set(large(adapters.evicted));
            of.suspended.set(large(counts.suspended));
            of.steps.set(large(counts.steps));
            of.rows.set(large(counts.rows));
        }
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("writing to a string does not fail");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_beyond_the_bound_share_a_row() {
        let metrics = Metrics::default();
        for number in 0..=MODELS_MAX {
            let tokens = TokenCounts { prompt: 2, cached: 1, answer: 3 };
            metrics.record_answer(&format!("m{number}"), Ending::Complete, tokens);
        }
        metrics.record_answer("m0", Ending::Abandoned, TokenCounts { prompt: 2, cached: 0, answer: 1 });
        let text = metrics.text(5, None);
        for line in [
            "tributary_serving_answer_tokens_total{model=\"m0\"} 4",
            "tributary_serving_answer_tokens_total{model=\"other\"} 3",
            "tributary_serving_endings_total{ending=\"abandoned\"} 1",
            "tributary_serving_in_progress 5",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert_eq!(text.matches("tributary_serving_prompt_tokens_total{").count(), MODELS_MAX + 1);
    }
}

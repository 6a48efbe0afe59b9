//! What a trainer measures about itself, as Prometheus reads it.

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};
use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};
use tributary_lora::StepEvent;

/// What the engine is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Phase {
    Claim,
    Fetch,
    Train,
    Pause,
    Report,
}

impl Phase {
    const ALL: [Self; 5] = [Self::Claim, Self::Fetch, Self::Train, Self::Pause, Self::Report];

    pub fn name(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Fetch => "fetch",
            Self::Train => "train",
            Self::Pause => "pause",
            Self::Report => "report",
        }
    }
}

/// How a job ended for this trainer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Ending {
    Reported,
    Settled,
    Lost,
    GivenUp,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PhaseLabel {
    phase: Phase,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndingLabel {
    ending: Ending,
}

type Real = Gauge<f64, AtomicU64>;

/// The measurements. All may be changed from any thread.
pub(crate) struct Metrics {
    registry: Registry,
    phases: Family<PhaseLabel, Gauge>,
    endings: Family<EndingLabel, Counter>,
    pub claims: Counter,
    pub retries: Counter,
    pub fetched_bytes: Gauge,
    job: Gauge,
    step: Gauge,
    steps: Gauge,
    loss: Real,
    validation_loss: Real,
    gradient_norm: Real,
    learning_rate: Real,
    remaining: Real,
    memory: Gauge,
    tokens: Counter,
    tokens_per_second: Real,
    attribution: Real,
    retraining: Real,
    phase_now: AtomicU64,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("tributary_trainer"),
            phases: Family::default(),
            endings: Family::default(),
            claims: Counter::default(),
            retries: Counter::default(),
            fetched_bytes: Gauge::default(),
            job: Gauge::default(),
            step: Gauge::default(),
            steps: Gauge::default(),
            loss: Real::default(),
            validation_loss: Real::default(),
            gradient_norm: Real::default(),
            learning_rate: Real::default(),
            remaining: Real::default(),
            memory: Gauge::default(),
            tokens: Counter::default(),
            tokens_per_second: Real::default(),
            attribution: Real::default(),
            retraining: Real::default(),
            phase_now: AtomicU64::default(),
        };
        metrics.job.set(-1);
        let registry = &mut metrics.registry;
        registry.register("phase", "1 for the phase that the engine is in", metrics.phases.clone());
        registry.register("jobs", "Jobs by how they ended for this trainer", metrics.endings.clone());
        registry.register("claims", "Jobs claimed", metrics.claims.clone());
        registry.register("retries", "Attempts at a phase after a fault that may pass", metrics.retries.clone());
        registry.register("job", "Number of the job in work, -1 for none", metrics.job.clone());
        registry.register("step", "Optimiser steps done of the run", metrics.step.clone());
        registry.register("steps", "Optimiser steps of the run", metrics.steps.clone());
        registry.register("loss", "Mean loss of the last step, in nats per token", metrics.loss.clone());
        let validation = metrics.validation_loss.clone();
        registry.register("validation_loss", "Mean loss of the last look at the validation samples", validation);
        registry.register("gradient_norm", "Length of the last step's gradient", metrics.gradient_norm.clone());
        registry.register("learning_rate", "Learning rate of the last step", metrics.learning_rate.clone());
        let remaining = metrics.remaining.clone();
        registry.register_with_unit("remaining", "What the run still takes at its pace", Unit::Seconds, remaining);
        let memory = metrics.memory.clone();
        registry.register_with_unit("memory", "Memory in use at the last step", Unit::Bytes, memory);
        registry.register("tokens", "Tokens trained on by this process", metrics.tokens.clone());
        registry.register(
            "tokens_per_second",
            "Tokens read per second in the last step",
            metrics.tokens_per_second.clone(),
        );
        registry.register("retraining_ratio", "Part of the runs without some samples done", metrics.retraining.clone());
        registry.register("attribution_ratio", "Part of the attribution's gradients done", metrics.attribution.clone());
        let fetched = metrics.fetched_bytes.clone();
        registry.register_with_unit("fetched", "Verified bytes of the blob being fetched", Unit::Bytes, fetched);
        metrics.set_phase(Phase::Claim);
        metrics
    }
}

impl Metrics {
    pub fn set_phase(&self, phase: Phase) {
        for other in Phase::ALL {
            self.phases.get_or_create(&PhaseLabel { phase: other }).set(i64::from(other == phase));
        }
        self.phase_now.store(phase as u64, Ordering::Relaxed);
    }

    pub fn phase(&self) -> Phase {
        let index = usize::try_from(self.phase_now.load(Ordering::Relaxed)).unwrap_or_default();
        Phase::ALL.get(index).copied().unwrap_or(Phase::Claim)
    }

    pub fn set_job(&self, job: Option<u64>) {
        self.job.set(job.and_then(|job| i64::try_from(job).ok()).unwrap_or(-1));
        for gauge in [&self.step, &self.steps, &self.fetched_bytes] {
            gauge.set(0);
        }
        let of_run = [&self.loss, &self.validation_loss, &self.gradient_norm, &self.learning_rate, &self.remaining];
        for gauge in of_run.into_iter().chain([&self.attribution, &self.retraining]) {
            gauge.set(0.0);
        }
    }

    pub fn job(&self) -> Option<u64> {
        u64::try_from(self.job.get()).ok()
    }

    /// Steps done, steps in all.
    pub fn progress(&self) -> (i64, i64) {
        (self.step.get(), self.steps.get())
    }

    pub fn record_step(&self, event: &StepEvent) {
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.step.set(number(event.step));
        self.steps.set(number(event.steps));
        self.loss.set(event.loss.into());
        self.gradient_norm.set(event.gradient_norm.into());
        self.learning_rate.set(event.learning_rate);
        self.tokens.inc_by(event.tokens);
        self.tokens_per_second.set(event.tokens_per_second);
        self.remaining.set(event.eta_seconds);
        self.memory.set(number(event.memory_bytes.unwrap_or(0)));
    }

    pub fn record_validation(&self, loss: f32) {
        self.validation_loss.set(loss.into());
    }

    pub fn record_retraining(&self, done: usize, total: usize) {
        self.retraining.set(done as f64 / total.max(1) as f64);
    }

    pub fn record_attribution(&self, done: usize, total: usize) {
        self.attribution.set(done as f64 / total.max(1) as f64);
    }

    pub fn record_ending(&self, ending: Ending) {
        self.endings.get_or_create(&EndingLabel { ending }).inc();
    }

    /// All of it, in Prometheus' text format.
    pub fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("writing to a string does not fail");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measurements_show_in_the_text() {
        let metrics = Metrics::default();
        metrics.set_phase(Phase::Train);
        metrics.set_job(Some(7));
        metrics.record_step(&StepEvent {
            step: 3,
            steps: 9,
            epoch: 0.5,
            loss: 1.5,
            gradient_norm: 0.25,
            learning_rate: 0.001,
            tokens: 64,
            positions: 80,
            tokens_per_second: 800.0,
            memory_bytes: Some(4096),
            eta_seconds: 12.5,
        });
        metrics.record_validation(2.5);
        metrics.record_ending(Ending::Reported);
        let text = metrics.text();
        for line in [
            "tributary_trainer_phase{phase=\"Train\"} 1",
            "tributary_trainer_phase{phase=\"Claim\"} 0",
            "tributary_trainer_job 7",
            "tributary_trainer_step 3",
            "tributary_trainer_loss 1.5",
            "tributary_trainer_validation_loss 2.5",
            "tributary_trainer_tokens_per_second 800.0",
            "tributary_trainer_remaining_seconds 12.5",
            "tributary_trainer_memory_bytes 4096",
            "tributary_trainer_tokens_total 64",
            "tributary_trainer_jobs_total{ending=\"Reported\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert_eq!((metrics.phase(), metrics.job(), metrics.progress()), (Phase::Train, Some(7), (3, 9)));
    }
}

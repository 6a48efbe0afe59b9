//! What a trainer measures about itself, as Prometheus reads it.

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};
use std::{
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

/// What the engine is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Phase {
    Claim,
    Fetch,
    Train,
    Report,
}

impl Phase {
    const ALL: [Self; 4] = [Self::Claim, Self::Fetch, Self::Train, Self::Report];

    pub fn name(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Fetch => "fetch",
            Self::Train => "train",
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
    tokens: Counter,
    tokens_per_second: Real,
    attribution: Real,
    phase_now: AtomicU64,
    last_step: Mutex<Option<Instant>>,
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
            tokens: Counter::default(),
            tokens_per_second: Real::default(),
            attribution: Real::default(),
            phase_now: AtomicU64::default(),
            last_step: Mutex::default(),
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
        registry.register("tokens", "Tokens trained on by this process", metrics.tokens.clone());
        registry.register("tokens_per_second", "Tokens per second of the last step", metrics.tokens_per_second.clone());
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
        *self.last_step.lock().unwrap_or_else(PoisonError::into_inner) = None;
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
        self.attribution.set(0.0);
    }

    pub fn job(&self) -> Option<u64> {
        u64::try_from(self.job.get()).ok()
    }

    /// Steps done, steps in all.
    pub fn progress(&self) -> (i64, i64) {
        (self.step.get(), self.steps.get())
    }

    pub fn record_step(&self, step: u64, steps: u64, loss: f32, tokens: usize) {
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.step.set(number(step));
        self.steps.set(number(steps));
        self.loss.set(loss.into());
        self.tokens.inc_by(tokens as u64);
        let now = Instant::now();
        let last = self.last_step.lock().unwrap_or_else(PoisonError::into_inner).replace(now);
        if let Some(seconds) = last.map(|last| (now - last).as_secs_f64()).filter(|seconds| *seconds > 0.0) {
            self.tokens_per_second.set(tokens as f64 / seconds);
        }
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
        metrics.record_step(3, 9, 1.5, 64);
        metrics.record_ending(Ending::Reported);
        let text = metrics.text();
        for line in [
            "tributary_trainer_phase{phase=\"Train\"} 1",
            "tributary_trainer_phase{phase=\"Claim\"} 0",
            "tributary_trainer_job 7",
            "tributary_trainer_step 3",
            "tributary_trainer_loss 1.5",
            "tributary_trainer_tokens_total 64",
            "tributary_trainer_jobs_total{ending=\"Reported\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert_eq!((metrics.phase(), metrics.job(), metrics.progress()), (Phase::Train, Some(7), (3, 9)));
    }
}

//! The middle of the story: a trainer that dies, and one that finishes.

use super::{
    cast::Cast,
    story::{LOOK, START_PATIENCE, Story, TRAINERS},
};
use crate::{progress::Task, views};
use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tributary_client::{ChainClient, JobState};
use tributary_daemon::http;
use tributary_protocol::JobId;

/// How long a trainer may take for what it does next. Generous: a user's own model may be large.
const TRAINING_PATIENCE: Duration = Duration::from_secs(6 * 3_600);

/// What a trainer says of itself at `/healthz`.
#[derive(Deserialize)]
pub(super) struct Health {
    phase: String,
    step: u64,
    steps: u64,
    /// Where it serves bundles.
    pub(super) exchange: Vec<String>,
}

impl Story {
    /// The first trainer that claims is killed halfway. Returns its place.
    pub(super) async fn train_halfway(
        &mut self,
        client: &ChainClient,
        cast: &Cast,
        job: JobId,
    ) -> anyhow::Result<usize> {
        let task = self.narrator.step("A trainer claims the job, fetches the data, trains, and is killed halfway");
        let first = self.wait_for_lease(client, cast, job, None).await?;
        let name = cast.trainers[first].name;
        drop(task);
        self.narrator.tell(&format!("{name} claimed it; the provider checks the grant and serves the data"));
        let (step, steps) = self.follow_training(first, Some(50)).await?;
        self.processes.kill(TRAINERS[first])?;
        self.narrator.tell(&format!("{name} was killed (SIGKILL) at step {step} of {steps}"));
        Ok(first)
    }

    /// Waits until a trainer holds the job at a finalised block: any, or any but one.
    async fn wait_for_lease(
        &mut self,
        client: &ChainClient,
        cast: &Cast,
        job: JobId,
        except: Option<usize>,
    ) -> anyhow::Result<usize> {
        let deadline = Instant::now() + START_PATIENCE;
        loop {
            self.processes.check()?;
            let found = client.latest().job(job).await?;
            let holder = found.and_then(|job| match job.state {
                JobState::Leased { trainer, .. } => cast.trainers.iter().position(|actor| actor.account() == trainer),
                _ => None,
            });
            match holder {
                Some(place) if Some(place) != except => return Ok(place),
                _ => {}
            }
            ensure!(Instant::now() < deadline, "no trainer claims job {job}");
            sleep(LOOK).await;
        }
    }

    /// Follows a trainer's bar until `percent` of the steps are done, or until it has left training behind.
    async fn follow_training(&mut self, trainer: usize, percent: Option<u64>) -> anyhow::Result<(u64, u64)> {
        let deadline = Instant::now() + TRAINING_PATIENCE;
        let mut idle_since = Instant::now();
        let mut task: Option<Task> = None;
        let mut last = (0, 0);
        loop {
            self.processes.check()?;
            let health = self.health(trainer).await?;
            if health.steps > 0 {
                last = (health.step, health.steps);
                task.get_or_insert_with(|| Task::steps("training", health.steps)).set(health.step);
            }
            let enough = percent.is_some_and(|percent| last.0.saturating_mul(100) >= last.1.saturating_mul(percent));
            if last.1 > 0 || health.phase != "claim" {
                idle_since = Instant::now();
            }
            ensure!(idle_since.elapsed() < START_PATIENCE, "{} has given the job up", TRAINERS[trainer]);
            // A trainer that is through with it reports, or looks for the next job.
            let through = last.1 > 0 && matches!(health.phase.as_str(), "report" | "claim");
            if (last.1 > 0 && enough) || through {
                return Ok(last);
            }
            ensure!(Instant::now() < deadline, "the training does not end");
            sleep(LOOK).await;
        }
    }

    /// What a trainer says of itself.
    pub(super) async fn health(&self, trainer: usize) -> anyhow::Result<Health> {
        let body = http::get(&format!("{}/healthz", self.http[trainer])).await?;
        serde_json::from_slice(&body).context("the trainer's health cannot be read")
    }

    /// The other trainer takes over. Returns its place.
    pub(super) async fn train_to_the_end(
        &mut self,
        client: &ChainClient,
        cast: &Cast,
        job: JobId,
        first: usize,
    ) -> anyhow::Result<usize> {
        let task = self.narrator.step("The lease expires, and the second trainer claims the job and finishes");
        task.note("no heartbeat comes; waiting for the lease to expire");
        let second = self.wait_for_lease(client, cast, job, Some(first)).await?;
        let name = cast.trainers[second].name;
        drop(task);
        self.narrator
            .tell(&format!("{name} claimed it; {} pays the requester for the delay", cast.trainers[first].name));
        self.follow_training(second, None).await?;
        // The lease's holder is named by the chain, its bar by the trainer: only the chain says that it is done.
        let task = Task::spinner("scoring the contributions, reporting");
        let deadline = Instant::now() + TRAINING_PATIENCE;
        let report = loop {
            self.processes.check()?;
            let state = client.latest().job(job).await?.context("the job is gone")?.state;
            match state {
                JobState::Reported { report, .. } => break report,
                JobState::Leased { .. } => {}
                state => bail!("job {job} is {} before its report", state.stage()),
            }
            ensure!(Instant::now() < deadline, "the trainer does not report");
            sleep(LOOK).await;
        };
        drop(task);
        let m = &report.metrics;
        self.narrator.tell(&format!(
            "{} steps; validation loss {} before, {} after",
            m.steps,
            views::loss(m.validation_loss_before_micro),
            views::loss(m.validation_loss_micro)
        ));
        self.narrator.tell(&format!("adapter            {}", report.adapter));
        self.narrator.tell(&format!("training trace     {}", report.trace));
        self.narrator.tell(&format!(
            "contribution root  {} over {} contributions",
            report.contributions.shares.root, report.contributions.shares.leaves
        ));
        Ok(second)
    }
}

//! `tributary train`.

use super::blocking;
use crate::{
    args::{BaseArgs, ReadingArgs, RecipeArgs, recipe},
    context::Context,
    output::{self, Output},
    progress::Task,
    views,
};
use serde_json::json;
use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Mutex,
};
use tokio_util::sync::CancellationToken;
use tributary_daemon::{Recipe, shutdown_on_signals};
use tributary_lora::{MachineSpeed, available_bytes, data::CheckConfig};
use tributary_trainer::{Activity, Cadence, Event, LocalOutcome, estimate_local, train_local};

/// What to tune, and on what.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// JSON lines, JSON, CSV, TSV or Parquet; `tributary data check` shows what they hold
    #[arg(required = true, value_name = "FILE")]
    data: Vec<PathBuf>,
    /// Where the adapter goes, as PEFT reads it; a run that was stopped goes on from there
    #[arg(long, value_name = "DIR", required_unless_present = "estimate")]
    out: Option<PathBuf>,
    /// Only say what memory, time and disk it would take
    #[arg(long)]
    estimate: bool,
    #[command(flatten)]
    base: BaseArgs,
    #[command(flatten)]
    recipe: RecipeArgs,
    #[command(flatten)]
    reading: ReadingArgs,
}

impl Args {
    /// Trains.
    pub async fn run(self, context: &Context) -> anyhow::Result<Output> {
        let shutdown = shutdown_on_signals()?;
        let base = self.base.folder()?;
        let usual = if self.base.base.is_some() { recipe::DEFAULT } else { recipe::TINY };
        let recipe = self.recipe.over(usual)?;
        let (data, reading) = (self.data.clone(), self.reading.config());
        let Some(out) = self.out.filter(|_| !self.estimate) else {
            return blocking(move || estimate(&base, &data, &reading, &recipe)).await?;
        };
        let outcome = blocking(move || train(&base, &data, &reading, &recipe, &out, &shutdown)).await??;
        Ok(show(context, &self.data, &outcome))
    }
}

/// What the run would take, on this machine as it is now.
fn estimate(base: &Path, data: &[PathBuf], reading: &CheckConfig, recipe: &Recipe) -> anyhow::Result<Output> {
    let estimate = estimate_local(base, data, reading, recipe)?;
    let seconds = estimate.seconds(&MachineSpeed::measure()?);
    let (memory, disk, available) = (estimate.memory, estimate.disk, available_bytes());
    let mega = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
    let json = json!({
        "memory_bytes": memory.peak(), "base_bytes": memory.base, "activation_bytes": memory.activations,
        "available_bytes": available, "seconds": seconds, "seconds_with_attribution": seconds * recipe.runs(),
        "disk_bytes": disk.folder(),
    });
    let mut fields = vec![
        ("memory", mega(memory.peak())),
        ("of it the base", mega(memory.base)),
        ("of it activations", mega(memory.activations)),
        ("processor time", format!("{seconds:.0} s to train")),
        ("with attribution", format!("{:.0} s: as {:.1} runs", seconds * recipe.runs(), recipe.runs())),
        ("disk", mega(disk.folder())),
    ];
    fields.extend(available.map(|bytes| ("available memory", mega(bytes))));
    let mut text = output::fields(&fields);
    if let Err(error) = estimate.check_machine(0) {
        text = format!("{text}\n\n{error}");
    }
    Ok(Output::new(json, text))
}

/// Trains with a bar on standard error, until the end or `stop`.
fn train(
    base: &Path,
    data: &[PathBuf],
    reading: &CheckConfig,
    recipe: &Recipe,
    out: &Path,
    stop: &CancellationToken,
) -> anyhow::Result<LocalOutcome> {
    let task = Mutex::new((Task::spinner("loading"), ""));
    let progress = |activity: Activity| {
        let mut task = task.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        show_activity(&mut task, activity);
        if stop.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    Ok(train_local(base, data, reading, recipe, out, Cadence::default(), &progress)?)
}

/// Moves the bar of the phase that an activity belongs to.
pub fn show_activity((task, phase): &mut (Task, &'static str), activity: Activity) {
    let (name, done, total) = match &activity {
        Activity::Training(Event::Step(event)) => ("training", event.step, event.steps),
        Activity::Training(Event::StoppedEarly { best_step, best_loss, .. }) => {
            task.note(&format!("ended early; the best is step {best_step} with validation loss {best_loss:.4}"));
            return;
        }
        Activity::Training(_) => return,
        Activity::Evaluation { .. } if *phase == "training" => {
            task.note("looking at the validation samples");
            return;
        }
        Activity::Evaluation { done, total } => ("evaluating", *done as u64, *total as u64),
        Activity::Retraining { done, total } => ("training again without some", *done as u64, *total as u64),
        Activity::Attribution { done, total } => ("scoring contributions", *done as u64, *total as u64),
    };
    if *phase != name {
        *phase = name;
        *task = Task::steps(name, total);
    }
    task.set(done);
    if let Activity::Training(Event::Step(event)) = activity {
        task.note(&format!("loss {:.4}, {:.0} tokens/s", event.loss, event.tokens_per_second));
    }
}

fn show(context: &Context, data: &[PathBuf], outcome: &LocalOutcome) -> Output {
    let metrics = &outcome.report.metrics;
    let parts: Vec<_> = data
        .iter()
        .zip(&outcome.attribution.contributions)
        .map(|(path, part)| (path.display().to_string(), part.samples, part.units))
        .collect();
    let json = json!({
        "adapter": outcome.report.adapter,
        "folder": outcome.folder,
        "metrics": metrics,
        "contributions": parts.iter().map(|(file, samples, units)| json!({
            "file": file, "samples": samples, "units": units,
        })).collect::<Vec<_>>(),
        "by_samples": outcome.attribution.by_samples,
        "accuracy": outcome.report.accuracy,
        "duplicates_left_out": outcome.duplicates,
    });
    if context.json() {
        return Output::new(json, "");
    }
    let fields = [
        ("adapter", outcome.folder.display().to_string()),
        ("adapter hash", outcome.report.adapter.to_string()),
        ("steps, tokens", format!("{}, {}", metrics.steps, metrics.tokens)),
        ("training loss", views::loss(metrics.training_loss_micro)),
        (
            "validation loss",
            format!(
                "{} before, {} after",
                views::loss(metrics.validation_loss_before_micro),
                views::loss(metrics.validation_loss_micro)
            ),
        ),
    ];
    let rows: Vec<_> = parts
        .into_iter()
        .map(|(file, samples, units)| vec![file, samples.to_string(), views::units_percent(units)])
        .collect();
    let shares = output::table(&["file", "samples", "part"], &rows);
    let how = match outcome.attribution.by_samples {
        true => "\n(by numbers of samples: none stood out from those that were held out)",
        false => "",
    };
    let accuracy = match &outcome.report.accuracy {
        Some(accuracy) => {
            let attributed = outcome.report.contributions.attributed;
            format!("\nTo answers: {}", views::accuracy(Some(accuracy), attributed))
        }
        None => String::new(),
    };
    Output::new(json, format!("{}\n\nWho shaped it:\n{shares}{how}{accuracy}", output::fields(&fields)))
}

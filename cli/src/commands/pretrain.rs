//! `tributary pretrain`.

use super::blocking;
use crate::{
    output::{self, Output},
    progress::Task,
};
use anyhow::Context as _;
use std::{path::PathBuf, sync::Mutex};
use tributary_lora::pretrain::{PretrainProgress, Recipe, pretrain};

/// What to make, and where.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Folder of the new model; a run that was stopped goes on from there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Recipe as JSON, such as the "recipe" of a RECIPE.json; that of tributary-tiny if left out
    #[arg(long, value_name = "FILE")]
    recipe: Option<PathBuf>,
}

impl Args {
    /// Makes the model.
    pub async fn run(self) -> anyhow::Result<Output> {
        let recipe = match &self.recipe {
            Some(path) => {
                let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
                serde_json::from_slice(&text).with_context(|| format!("{} is no recipe", path.display()))?
            }
            None => Recipe::default(),
        };
        std::fs::create_dir_all(&self.out).with_context(|| format!("cannot make {}", self.out.display()))?;
        let out = self.out.clone();
        let report = blocking(move || {
            let task = Mutex::new(Task::spinner("writing the corpus"));
            pretrain(&recipe, &out, |progress| {
                let mut task = task.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                match progress {
                    PretrainProgress::Corpus { documents } => {
                        *task = Task::spinner(format!("learning a tokenizer from {documents} documents"));
                    }
                    PretrainProgress::Tokenizer { .. } => *task = Task::steps("pretraining", 1),
                    PretrainProgress::Step { metrics, steps } => {
                        task.set_total(steps);
                        task.set(metrics.step);
                        task.note(&format!("loss {:.4}", metrics.loss));
                    }
                }
            })
        })
        .await??;
        let fields = [
            ("model", self.out.display().to_string()),
            ("parameters", report.parameters.to_string()),
            ("steps, tokens", format!("{}, {}", report.steps, report.tokens)),
            ("final loss", format!("{:.4}", report.final_loss)),
            ("corpus", report.corpus.to_string()),
        ];
        Ok(Output::new(&report, output::fields(&fields)))
    }
}

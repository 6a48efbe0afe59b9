//! `tributary attribution`.

use super::{
    blocking,
    explain::{self, CheckAnswerArgs, ExplainArgs},
    inputs::{InputArgs, Sources},
    model,
    reward::SharesArgs,
    suspects::{self, SuspectsArgs},
    train::show_activity,
};
use crate::{args::parse, context::Context, output::Output, progress::Task, views::ShareView};
use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand};
use serde_json::json;
use std::{
    ops::ControlFlow,
    sync::{Mutex, PoisonError},
};
use tributary_protocol::{JobId, recipe::Arithmetic, sum_tree::Domain};
use tributary_trainer::{Verification, differences, repeat_job, verify_job};

/// Commands on attribution.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show who shaped a job's model, checked against the chain's root
    Show {
        /// The job
        #[arg(value_parser = parse::job)]
        job: JobId,
        #[command(flatten)]
        shares: SharesArgs,
    },
    /// Check a job's report and do its attribution again, from data, checkpoints and base model
    Verify(VerifyArgs),
    /// Show which contributions and samples shaped an answer of a job's model
    Explain(ExplainArgs),
    /// Check the evidence of an answer: that its units follow from its sketch, and that from its tokens
    CheckAnswer(CheckAnswerArgs),
    /// List the samples of a job that look wrong, for a curator to look at; needs the contributions' files
    Suspects(SuspectsArgs),
}

/// A job to check, and where its inputs come from.
#[derive(Args, Clone, Debug)]
pub struct VerifyArgs {
    #[command(flatten)]
    from: InputArgs,
    /// Do the training again too, and the runs without groups of samples: takes as long as the job did
    #[arg(long)]
    repeat: bool,
}

impl Command {
    /// Does it.
    pub async fn run(self, context: &Context) -> anyhow::Result<Output> {
        match self {
            Self::Show { job, shares } => {
                let client = context.client().await?;
                let (report, _) = model::report(&client, job).await?;
                let shares = shares.read().await?;
                ensure!(
                    shares.tree()?.root() == report.contributions.shares,
                    "these shares are not those of job {job}: their root is another than the chain's"
                );
                let views: Vec<_> = shares.tree()?.leaves().iter().map(ShareView::from).collect();
                Ok(Output::list(&views))
            }
            Self::Verify(args) => verify(context, args).await,
            Self::Explain(args) => explain::explain(context, args).await,
            Self::CheckAnswer(args) => explain::check_answer(context, args).await,
            Self::Suspects(args) => suspects::suspects(context, args).await,
        }
    }
}

async fn verify(context: &Context, args: VerifyArgs) -> anyhow::Result<Output> {
    let client = context.client().await?;
    let (job, repeat) = (args.from.job, args.repeat);
    let (report, recipe) = model::report(&client, job).await?;
    let spec = client.latest().job(job).await?.context("the job was removed meanwhile")?.spec;
    let base = args.from.base_of(&client, &spec).await?;
    let mut sources = Sources::new(context, &args.from);
    let collected = sources.collect(&client, &spec, &report.bundle).await;
    sources.stop().await;
    let (bundle, contributions) = collected?;

    let domain = Domain { genesis: client.genesis().0, job };
    let verdict = blocking(move || -> anyhow::Result<_> {
        let scratch = tempfile::Builder::new().prefix("tributary-verify-").tempdir()?;
        let task = Mutex::new((Task::spinner("checking hashes"), ""));
        let verification = Verification {
            report: &report,
            recipe: &recipe,
            domain,
            bundle: &bundle,
            base: &base,
            contributions: &contributions,
            scratch: scratch.path(),
        };
        let observe = |activity| {
            show_activity(&mut task.lock().unwrap_or_else(PoisonError::into_inner), activity);
            ControlFlow::Continue(())
        };
        let verdict = verify_job(&verification, &observe)?;
        let scratch = tempfile::Builder::new().prefix("tributary-repeat-").tempdir()?;
        let verification = Verification { scratch: scratch.path(), ..verification };
        let again = if repeat { Some(repeat_job(&verification, &observe)?) } else { None };
        let differences = again.map(|again| differences(&report, &again)).unwrap_or_default();
        ensure!(
            differences.is_empty(),
            "done again, the job has another {}{}",
            differences.join(", another "),
            match recipe.hyperparameters.arithmetic {
                Arithmetic::DetF32V1 => "",
                Arithmetic::Fast => "\nhint: its arithmetic is not reproducible on other machines",
            }
        );
        Ok(verdict)
    })
    .await??;

    ensure!(verdict.comparison.holds(), "the attribution of job {job} does not stand: {}", verdict.comparison);
    let shares: Vec<_> = verdict.reported.leaves().iter().map(ShareView::from).collect();
    let json = json!({ "job": job, "stands": true, "repeated": repeat, "comparison": verdict.comparison.to_string(), "shares": shares });
    let list = Output::list(&shares);
    let also = if repeat { "; training and runs without groups, done again, are the same bit for bit" } else { "" };
    let text = format!("{}\nthe attribution of job {job} stands: {}{also}", list.text(), verdict.comparison);
    Ok(Output::new(json, text))
}

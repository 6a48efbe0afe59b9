//! `tributary job`.

use super::done;
use crate::{
    amounts::Money,
    args::{RecipeArgs, choices, parse, recipe},
    context::{Context, Signer},
    output::{self, Output, Record},
    progress::Task,
    views::JobView,
};
use anyhow::Context as _;
use clap::Subcommand;
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};
use tributary_client::{Call, ChainClient, JobState, calls::jobs};
use tributary_daemon::{RunOrder, RunWish, http};
use tributary_protocol::{
    BaseModelId, ContentHash, JobId, Ppm,
    datanet::Purpose,
    job::{JobSpec, Stage},
    model::DataUse,
    stream::Split,
};
use url::Url;

/// Commands on jobs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Post a job; its price and the Datanets' fees go into escrow
    Post {
        /// The base model's number
        #[arg(long, value_parser = parse::base_model)]
        base: BaseModelId,
        /// Data and the grant that opens it, as DATANET@VERSION:GRANT; may be given several times
        #[arg(long = "data", required = true, value_name = "D@V:GRANT", value_parser = parse::data_use)]
        data: Vec<DataUse>,
        /// For what; each grant must be for the same
        #[arg(long, value_parser = choices::purpose())]
        purpose: Purpose,
        /// What the trainer is paid
        #[arg(long, value_name = "AMOUNT")]
        price: Money,
        /// What the data may cost in all; what it costs now, if left out
        #[arg(long, value_name = "AMOUNT")]
        data_fees_max: Option<Money>,
        /// Within how many blocks of 3 s a report is taken
        #[arg(long, value_name = "BLOCKS", default_value_t = 28_800)]
        deadline_in: u32,
        /// How many blocks you have to accept or dispute a report
        #[arg(long, value_name = "BLOCKS", default_value_t = 1_200)]
        acceptance_blocks: u32,
        #[command(flatten)]
        recipe: Box<RecipeArgs>,
    },
    /// List jobs
    List {
        /// Only those in this stage
        #[arg(long, value_parser = choices::stage())]
        stage: Option<Stage>,
    },
    /// Show one job
    Show {
        /// Its number
        #[arg(value_parser = parse::job)]
        job: JobId,
    },
    /// Follow a job to its end, or all jobs until interrupted
    Watch {
        /// Its number; all jobs if left out
        #[arg(value_parser = parse::job)]
        job: Option<JobId>,
    },
    /// Accept the report: trainer and Datanets are paid, the model is recorded
    Accept {
        /// Its number
        #[arg(value_parser = parse::job)]
        job: JobId,
    },
    /// Dispute the report within the window
    Dispute {
        /// Its number
        #[arg(value_parser = parse::job)]
        job: JobId,
        /// File with your reasons and evidence; the chain gets its hash, keep the file
        #[arg(long, value_name = "FILE")]
        evidence: PathBuf,
    },
    /// Settle a job whose acceptance window is over; anyone may
    Settle {
        /// Its number
        #[arg(value_parser = parse::job)]
        job: JobId,
    },
    /// Take an unclaimed job back, or end one whose grant no longer covers it
    Cancel {
        /// Its number
        #[arg(value_parser = parse::job)]
        job: JobId,
    },
    /// Take back a job that a trainer works on: it is paid for what was done, the rest returns
    Stop {
        /// Its number
        #[arg(value_parser = parse::job)]
        job: JobId,
        /// What stopping may cost; what it costs now, if left out
        #[arg(long, value_name = "AMOUNT")]
        pay_max: Option<Money>,
    },
    /// Ask the trainer of your job to pause the run: it keeps a checkpoint, and waits as long as it allows
    Pause {
        /// Its number
        #[arg(value_parser = parse::job)]
        job: JobId,
        /// The trainer's window, such as http://127.0.0.1:9955
        #[arg(long, value_name = "URL")]
        trainer: Url,
    },
    /// Ask the trainer of your job to go on with a paused run
    Resume {
        /// Its number
        #[arg(value_parser = parse::job)]
        job: JobId,
        /// The trainer's window, such as http://127.0.0.1:9955
        #[arg(long, value_name = "URL")]
        trainer: Url,
    },
    /// Apply a lapsed lease or a passed deadline; anyone may
    Expire {
        /// Its number
        #[arg(value_parser = parse::job)]
        job: JobId,
    },
    /// Remove the record of your cancelled or expired job, and get its deposit back
    Forget {
        /// Its number
        #[arg(value_parser = parse::job)]
        job: JobId,
    },
}

impl Command {
    /// Does it.
    pub async fn run(self, context: &Context) -> anyhow::Result<Output> {
        match self {
            Self::Post { base, data, purpose, price, data_fees_max, deadline_in, acceptance_blocks, recipe: args } => {
                let recipe = args.over(recipe::DEFAULT)?;
                let signer = context.signer().await?;
                let data_fees_max = match data_fees_max {
                    Some(amount) => amount.0,
                    None => signer.client().latest().data_fees(&data).await?,
                };
                let spec = JobSpec {
                    base,
                    data: data.try_into().map_err(|_| anyhow::anyhow!("a job uses at most 8 versions"))?,
                    purpose,
                    method: recipe.method,
                    hyperparameters: recipe.hyperparameters,
                    attribution: recipe.attribution,
                    split: Split::DEFAULT,
                    price: price.0,
                    deadline: signer.client().finalised_head().number.saturating_add(deadline_in),
                    acceptance_blocks,
                };
                let receipt = signer.submit(&jobs::post(&spec, data_fees_max)).await?;
                let job = receipt.job()?;
                Ok(done(&receipt, json!({ "job": job }), format!("posted job {job}")))
            }
            Self::List { stage } => {
                let all = context.client().await?.latest().all_jobs(JobId(0), stage).await?;
                let views: Vec<_> = all.into_iter().map(|(id, job)| JobView::new(id, job)).collect();
                Ok(Output::list(&views))
            }
            Self::Show { job } => Ok(Output::record(&find(&context.client().await?, job).await?)),
            Self::Watch { job: Some(job) } => watch_one(context, job).await,
            Self::Watch { job: None } => watch_all(context).await,
            Self::Accept { job } => change(context, job, "accepted", jobs::accept).await,
            Self::Dispute { job, evidence } => {
                let bytes = std::fs::read(&evidence).with_context(|| format!("cannot read {}", evidence.display()))?;
                let hash = ContentHash::of(&bytes);
                change(context, job, "disputed", |job| jobs::dispute(job, hash)).await
            }
            Self::Settle { job } => change(context, job, "settled", jobs::settle).await,
            Self::Cancel { job } => change(context, job, "cancelled", jobs::cancel).await,
            Self::Stop { job, pay_max } => stop(context, job, pay_max).await,
            Self::Pause { job, trainer } => order(context, job, &trainer, RunWish::Pause).await,
            Self::Resume { job, trainer } => order(context, job, &trainer, RunWish::Resume).await,
            Self::Expire { job } => change(context, job, "expired", jobs::expire).await,
            Self::Forget { job } => change(context, job, "forgot", jobs::forget).await,
        }
    }
}

async fn change(
    context: &Context,
    job: JobId,
    verb: &'static str,
    call: impl FnOnce(JobId) -> Call,
) -> anyhow::Result<Output> {
    let signer: Signer = context.signer().await?;
    let receipt = signer.submit(&call(job)).await?;
    let model = receipt.settled().ok().map(|(_, model)| model);
    let mut sentence = format!("{verb} job {job}");
    if let Some(model) = model {
        sentence = format!("{sentence}: model {model} is recorded");
    }
    Ok(done(&receipt, json!({ "job": job, "model": model }), sentence))
}

/// Stops a job in work for what its trainer last said it had done, or for no more than the caller allows.
async fn stop(context: &Context, job: JobId, pay_max: Option<Money>) -> anyhow::Result<Output> {
    let signer: Signer = context.signer().await?;
    let pay_max = match pay_max {
        Some(amount) => amount.0,
        None => {
            let found = signer.client().latest().job(job).await?;
            let found = found.with_context(|| format!("there is no job {job}; hint: tributary job list"))?;
            let JobState::Leased { progress, .. } = found.state else {
                let stage = found.state.stage();
                anyhow::bail!(
                    "job {job} is {stage}: nobody works on it; hint: tributary job cancel {job}, if it is open"
                );
            };
            let least: Ppm = signer.client().constant("Jobs", "StopPartMin").await?;
            progress.part_of(found.spec.price).max(least.of(found.spec.price))
        }
    };
    let receipt = signer.submit(&jobs::stop(job, pay_max)).await?;
    let (paid, returned) = receipt.stopped()?;
    let sentence = format!("stopped job {job}: the trainer got {}, {} returned", Money(paid), Money(returned));
    Ok(done(&receipt, json!({ "job": job, "paid": paid.to_string(), "returned": returned.to_string() }), sentence))
}

/// How a run stands after an order, as trainers say it.
#[derive(Deserialize, Serialize)]
struct Standing {
    paused: bool,
    left_seconds: u64,
}

/// Tells the trainer of a job what its requester wants of the run.
async fn order(context: &Context, job: JobId, trainer: &Url, wish: RunWish) -> anyhow::Result<Output> {
    let client = context.client().await?;
    let key = context.key_for(&client)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let order = RunOrder::sign(&key, wish, job, &client.genesis().0, u64::try_from(now.as_millis())?);
    let url = format!("{}/jobs/{job}/orders", trainer.as_str().trim_end_matches('/'));
    let answer = http::post(&url, &[], &serde_json::to_vec(&order)?).await?;
    if answer.status != 200 {
        anyhow::bail!("{}", String::from_utf8_lossy(&answer.body).trim_end());
    }
    let Standing { paused, left_seconds } =
        serde_json::from_slice(&answer.body).with_context(|| format!("{url} answers something else"))?;
    let sentence = match paused {
        true => format!(
            "job {job} pauses, for at most {left_seconds} s; hint: tributary job resume {job} --trainer {trainer}"
        ),
        false => format!("job {job} goes on"),
    };
    Ok(Output::new(json!({ "job": job, "paused": paused, "left_seconds": left_seconds }), sentence))
}

async fn find(client: &ChainClient, id: JobId) -> anyhow::Result<JobView> {
    let job = client.latest().job(id).await?;
    Ok(JobView::new(id, job.with_context(|| format!("there is no job {id}; hint: tributary job list"))?))
}

/// Reports every change at a finalised block until the job's stage is final.
async fn watch_one(context: &Context, id: JobId) -> anyhow::Result<Output> {
    let client = context.lasting_client().await?;
    // Subscribed before the first look, so that nothing falls between the two.
    let mut changes = std::pin::pin!(client.job_changes());
    let mut job = find(&client, id).await?;
    while !job.stage.is_final() {
        report(context, &job);
        let task = Task::spinner(job.headline());
        job = loop {
            let change = changes.next().await.context("the connection to the chain was closed")??;
            if change.id == id {
                let found = change.job.with_context(|| format!("the record of job {id} was removed"))?;
                break JobView::new(id, found);
            }
        };
        drop(task);
    }
    Ok(Output::new(&job, output::fields(&job.fields())))
}

async fn watch_all(context: &Context) -> anyhow::Result<Output> {
    let client = context.lasting_client().await?;
    let mut changes = std::pin::pin!(client.job_changes());
    for (id, job) in client.latest().all_jobs(JobId(0), None).await? {
        if !job.state.stage().is_final() {
            report(context, &JobView::new(id, job));
        }
    }
    while let Some(change) = changes.next().await {
        let change = change?;
        if let Some(job) = change.job {
            report(context, &JobView::new(change.id, job));
        }
    }
    anyhow::bail!("the connection to the chain was closed")
}

fn report(context: &Context, job: &JobView) {
    if context.json() { output::json_line(job) } else { output::line(&job.headline()) }
}

//! `tributary attribution`.

use super::{blocking, contribution, model, reward::SharesArgs, train::show_activity};
use crate::{
    args::{BaseArgs, parse},
    context::{Context, Signer},
    fetching::Fetching,
    output::Output,
    progress::Task,
    views::ShareView,
};
use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand};
use serde_json::json;
use std::{
    collections::HashMap,
    ops::ControlFlow,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};
use tributary_exchange::Multiaddr;
use tributary_lora::base_model_hash;
use tributary_protocol::{
    ContentHash, JobId,
    access::Scope,
    sample::{CanonicalLine, Limits, ParsedSamples},
    sum_tree::Domain,
};
use tributary_trainer::{ContributionSamples, Verification, verify_job};

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
}

/// Where the inputs of a verification come from. All are checked against the chain.
#[derive(Args, Clone, Debug)]
pub struct VerifyArgs {
    /// The job
    #[arg(value_parser = parse::job)]
    job: JobId,
    /// The bundle's file; fetched from the providers if left out
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// Contributions' files that you have; the others are fetched
    #[arg(long, value_name = "FILE", num_args = 1..)]
    data: Vec<PathBuf>,
    /// Data provider or trainer to fetch from, ending in /p2p/PEER; may be given several times
    #[arg(long = "provider", value_name = "MULTIADDR")]
    providers: Vec<Multiaddr>,
    #[command(flatten)]
    base: BaseArgs,
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
        }
    }
}

async fn verify(context: &Context, args: VerifyArgs) -> anyhow::Result<Output> {
    let client = context.client().await?;
    let job = args.job;
    let (report, recipe) = model::report(&client, job).await?;
    let spec = client.latest().job(job).await?.context("the job was removed meanwhile")?.spec;
    let base = args.base.folder()?;
    let content =
        client.latest().base_model(spec.base).await?.context("the job's base model is not on the chain")?.content;
    let folder = base.clone();
    let found = blocking(move || base_model_hash(&folder)).await??;
    ensure!(
        found == content,
        "{} is not the job's base model: its content is {found}, not {content}\nhint: --base DIR",
        base.display()
    );

    let mut sources = Sources { context, args: &args, signer: None, fetching: None };
    let collected = sources.collect(&client, &spec, &report.bundle).await;
    if let Some(fetching) = sources.fetching.take() {
        fetching.stop().await;
    }
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
        Ok(verify_job(&verification, &|activity| {
            show_activity(&mut task.lock().unwrap_or_else(PoisonError::into_inner), activity);
            ControlFlow::Continue(())
        })?)
    })
    .await??;

    ensure!(verdict.comparison.holds(), "the attribution of job {job} does not stand: {}", verdict.comparison);
    let shares: Vec<_> = verdict.reported.leaves().iter().map(ShareView::from).collect();
    let json = json!({ "job": job, "stands": true, "comparison": verdict.comparison.to_string(), "shares": shares });
    let list = Output::list(&shares);
    Ok(Output::new(json, format!("{}\nthe attribution of job {job} stands: {}", list.text(), verdict.comparison)))
}

/// Where a verification gets its inputs.
struct Sources<'a> {
    context: &'a Context,
    args: &'a VerifyArgs,
    signer: Option<Signer>,
    fetching: Option<Fetching>,
}

impl Sources<'_> {
    async fn collect(
        &mut self,
        client: &tributary_client::ChainClient,
        spec: &tributary_protocol::job::JobSpec,
        bundle: &ContentHash,
    ) -> anyhow::Result<(Vec<u8>, Vec<ContributionSamples>)> {
        let mut files = self.local_files().await?;
        let mut contributions = Vec::new();
        for used in &spec.data {
            for (entry, contributor) in client.latest().entries(used.version).await? {
                let name = format!("contribution {}", entry.contribution);
                let lines = match files.remove(&entry.samples.blob) {
                    Some(lines) => lines,
                    None => {
                        let scope = Scope::Version(used.version);
                        let bytes = self.fetch(&name, scope, entry.samples.blob, Some(entry.samples.bytes)).await?;
                        ParsedSamples::parse_committed(&bytes, &entry.samples, &Limits::DEFAULT)?.into_lines()
                    }
                };
                contributions.push(ContributionSamples {
                    contribution: entry.contribution,
                    contributor: contributor.0,
                    lines,
                });
            }
        }
        let bundle = match &self.args.bundle {
            Some(path) => std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?,
            None => self.fetch("the bundle", Scope::Bundle(self.args.job), *bundle, None).await?,
        };
        Ok((bundle, contributions))
    }

    /// The given files by the hash of their canonical form.
    async fn local_files(&self) -> anyhow::Result<HashMap<ContentHash, Vec<CanonicalLine>>> {
        let paths = self.args.data.clone();
        blocking(move || {
            let mut files = HashMap::new();
            for path in paths {
                let (samples, _) = contribution::read(&path, true).with_context(|| path.display().to_string())?;
                files.insert(samples.commitment().blob, samples.into_lines());
            }
            Ok(files)
        })
        .await?
    }

    async fn fetch(
        &mut self,
        name: &str,
        scope: Scope,
        blob: ContentHash,
        bytes: Option<u64>,
    ) -> anyhow::Result<Vec<u8>> {
        ensure!(
            !self.args.providers.is_empty(),
            "{name} is missing (blob {blob})\nhint: --provider MULTIADDR with an account that may read it, or name its file"
        );
        if self.signer.is_none() {
            self.signer = Some(self.context.signer().await?);
        }
        let signer = self.signer.as_ref().context("a signer was made just now")?;
        if self.fetching.is_none() {
            self.fetching = Some(Fetching::start(signer, self.args.providers.clone()).await?);
        }
        let fetching = self.fetching.as_ref().context("a node was started just now")?;
        fetching.get(name, scope, blob, bytes).await
    }
}

//! What checking a job, or explaining an answer, needs from outside: bundle, data and base model.

use super::{blocking, contribution};
use crate::{
    args::{BaseArgs, parse},
    context::{Context, Signer},
    fetching::Fetching,
};
use anyhow::{Context as _, ensure};
use clap::Args;
use std::{collections::HashMap, path::PathBuf};
use tributary_client::ChainClient;
use tributary_exchange::Multiaddr;
use tributary_lora::base_model_hash;
use tributary_protocol::{
    ContentHash, JobId,
    access::Scope,
    job::JobSpec,
    sample::{CanonicalLine, Limits, ParsedSamples},
};
use tributary_trainer::ContributionSamples;

/// Where a job's bundle, data and base model come from. All are checked against the chain.
#[derive(Args, Clone, Debug)]
pub struct InputArgs {
    /// The job
    #[arg(value_parser = parse::job)]
    pub job: JobId,
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

impl InputArgs {
    /// The base model's folder, which holds what the job names.
    pub async fn base_of(&self, client: &ChainClient, spec: &JobSpec) -> anyhow::Result<PathBuf> {
        let base = self.base.folder()?;
        let content =
            client.latest().base_model(spec.base).await?.context("the job's base model is not on the chain")?.content;
        let folder = base.clone();
        let found = blocking(move || base_model_hash(&folder)).await??;
        ensure!(
            found == content,
            "{} is not the job's base model: its content is {found}, not {content}\nhint: --base DIR",
            base.display()
        );
        Ok(base)
    }
}

/// Where a command gets its inputs.
pub struct Sources<'a> {
    context: &'a Context,
    args: &'a InputArgs,
    signer: Option<Signer>,
    fetching: Option<Fetching>,
}

impl<'a> Sources<'a> {
    /// Nothing is read or fetched yet.
    pub fn new(context: &'a Context, args: &'a InputArgs) -> Self {
        Self { context, args, signer: None, fetching: None }
    }

    /// Ends what was begun for fetching.
    pub async fn stop(&mut self) {
        if let Some(fetching) = self.fetching.take() {
            fetching.stop().await;
        }
    }

    /// The bundle: the file that was named, or what the providers have.
    pub async fn bundle(&mut self, bundle: &ContentHash) -> anyhow::Result<Vec<u8>> {
        match &self.args.bundle {
            Some(path) => std::fs::read(path).with_context(|| format!("cannot read {}", path.display())),
            None => self.fetch("the bundle", Scope::Bundle(self.args.job), *bundle, None).await,
        }
    }

    /// The bundle and the samples of every version that the job uses.
    pub async fn collect(
        &mut self,
        client: &ChainClient,
        spec: &JobSpec,
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
        let bundle = self.bundle(bundle).await?;
        Ok((bundle, contributions))
    }

    /// The given files by the hash of their canonical form.
    pub async fn local_files(&self) -> anyhow::Result<HashMap<ContentHash, Vec<CanonicalLine>>> {
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

//! Fetching: the samples of every version that the job uses, verified down to the sample.

use crate::{error::Fault, metrics::Metrics};
use std::sync::Arc;
use tributary_attribution::{ContributionSamples, Corpus};
use tributary_client::{Account, Job};
use tributary_exchange::{FetchRequest, Multiaddr, Node, Scope, StoreError};
use tributary_protocol::{
    VersionRef,
    datanet::VersionEntry,
    sample::{Limits, ParsedSamples},
};

/// Fetches what is missing of the job's data into the node's store, and reads it.
pub(crate) async fn fetch(
    chain: &dyn crate::chain::JobChain,
    node: &Node,
    providers: &[Multiaddr],
    job: &Job,
    metrics: &Arc<Metrics>,
) -> Result<Corpus, Fault> {
    let mut contributions = Vec::new();
    for data in &job.spec.data {
        let entries = chain.entries(data.version).await?;
        if entries.is_empty() {
            return Err(Fault::NoVersion { version: data.version });
        }
        for (entry, contributor) in entries {
            contributions.push(contribution(node, providers, data.version, entry, contributor, metrics).await?);
        }
    }
    // Away from the tasks: a hundred thousand samples take seconds.
    let corpus = tokio::task::spawn_blocking(move || Corpus::intake(contributions)).await;
    let corpus = corpus.map_err(|error| crate::error::WorkError::Thread { reason: error.to_string() })?;
    for part in corpus.parts().iter().filter(|part| part.copies > 0) {
        let (samples, copies) = (part.samples, part.copies);
        tracing::info!(contribution = %part.contribution, samples, copies, "copies of earlier samples are left out");
    }
    Ok(corpus)
}

async fn contribution(
    node: &Node,
    providers: &[Multiaddr],
    version: VersionRef,
    entry: VersionEntry,
    contributor: Account,
    metrics: &Arc<Metrics>,
) -> Result<ContributionSamples, Fault> {
    let VersionEntry { contribution, samples } = entry;
    let blob = samples.blob;
    let store = node.store().clone();
    if !blocking({
        let store = store.clone();
        move || store.contains(&blob.0)
    })
    .await?
    {
        let request = FetchRequest {
            scope: Scope::Version { datanet: version.datanet.0, version: version.number },
            blob: blob.0,
            bytes: Some(samples.bytes),
        };
        let told = metrics.clone();
        let progress = move |progress: tributary_exchange::Progress| {
            told.fetched_bytes.set(i64::try_from(progress.verified).unwrap_or(i64::MAX));
        };
        let fetched = node.fetch(providers, request, progress).await.map_err(|source| Fault::Fetch {
            contribution,
            version,
            source,
        })?;
        for (provider, fault) in &fetched.faults {
            tracing::warn!(%provider, %blob, "provider given up: {fault}");
        }
        tracing::info!(%contribution, %version, %blob, bytes = fetched.bytes, resumed = fetched.resumed, "fetched");
    }
    let bytes = blocking({
        let store = store.clone();
        move || {
            store.read(&blob.0).inspect_err(|error| {
                if matches!(error, StoreError::Damaged { .. }) {
                    // The next attempt fetches it again; that it cannot be removed shows there.
                    let _ = store.remove(&blob.0);
                }
            })
        }
    })
    .await?;
    let parsed = blocking(move || Ok(ParsedSamples::parse_committed(&bytes, &samples, &Limits::DEFAULT))).await?;
    let lines = parsed.map_err(|source| Fault::Committed { contribution, version, blob, source })?.into_lines();
    Ok(ContributionSamples { contribution, contributor: contributor.0, lines })
}

/// Runs what waits for the disk away from the tasks.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Fault> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => Ok(result?),
        Err(error) => Err(Fault::Work(crate::error::WorkError::Thread { reason: error.to_string() })),
    }
}

//! The subscription to job changes.

use crate::views::{JobChange, JobView};
use futures::{FutureExt, StreamExt, stream};
use jsonrpsee::PendingSubscriptionSink;
use sc_client_api::BlockchainEvents;
use sc_rpc::{
    SubscriptionTaskExecutor,
    utils::{BoundedVecDeque, PendingSubscription, spawn_subscription_task},
};
use sp_api::{ApiError, ProvideRuntimeApi};
use sp_blockchain::HeaderBackend;
use sp_runtime::{AccountId32, SaturatedConversion, traits::Block as BlockT};
use std::sync::Arc;
use tributary_runtime_api::JobsApi;

/// How many changes wait for a slow subscriber before it is cut off.
const CHANGES_WAITING_MAX: usize = 4_096;

/// Sends every change of every final block to a subscriber, on a task of its own, until the subscriber leaves or falls
/// behind. It looks only at what the blocks changed, so a quiet chain costs one call of the runtime per block.
pub(crate) fn spawn<C, B>(client: Arc<C>, executor: &SubscriptionTaskExecutor, pending: PendingSubscriptionSink)
where
    B: BlockT,
    C: ProvideRuntimeApi<B> + HeaderBackend<B> + BlockchainEvents<B> + Send + Sync + 'static,
    C::Api: JobsApi<B, AccountId32>,
{
    let changes = client
        .finality_notification_stream()
        .flat_map(move |notification| {
            // One notification may finalise several blocks: the route to the newest, and the newest itself.
            let blocks = notification.tree_route.iter().copied().chain([notification.hash]);
            let changes: Vec<_> = blocks.flat_map(|block| changed(&*client, block)).collect();
            stream::iter(changes)
        })
        .boxed();
    let task = PendingSubscription::from(pending).pipe_from_stream(changes, BoundedVecDeque::new(CHANGES_WAITING_MAX));
    spawn_subscription_task(executor, task.boxed());
}

/// The jobs that a block changed, as they are after it. A block whose state cannot be read is skipped with a warning: the
/// next change of a job shows it again.
fn changed<C, B>(client: &C, block: B::Hash) -> Vec<JobChange<B::Hash>>
where
    B: BlockT,
    C: ProvideRuntimeApi<B> + HeaderBackend<B>,
    C::Api: JobsApi<B, AccountId32>,
{
    read(client, block).unwrap_or_else(|error| {
        log::warn!(target: "rpc", "cannot read the job changes of block {block:?}: {error}");
        Vec::new()
    })
}

fn read<C, B>(client: &C, block: B::Hash) -> Result<Vec<JobChange<B::Hash>>, ApiError>
where
    B: BlockT,
    C: ProvideRuntimeApi<B> + HeaderBackend<B>,
    C::Api: JobsApi<B, AccountId32>,
{
    let number = client.number(block).map_err(|error| ApiError::Application(error.into()))?;
    let api = client.runtime_api();
    let changed = api.changed_jobs(block)?;
    changed
        .into_iter()
        .map(|id| {
            let job = api.job(block, id)?.map(|job| JobView::new(id, job));
            Ok(JobChange {
                block_number: number.map_or(0, SaturatedConversion::saturated_into),
                block_hash: block,
                id,
                job,
            })
        })
        .collect()
}

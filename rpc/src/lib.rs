//! JSON-RPC over the runtime APIs: the namespaces `datanet_*`, `grant_*`, `job_*`, `model_*`, `attribution_*` and
//! `channels_*`.
//!
//! [`api`] lists the methods, [`views`] what they return as JSON, [`error`] their error codes; [`Reader`] answers them.
//! A method reads at the last finalised block unless it is given another in `at`.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod api;
pub mod error;
mod reader;
mod server;
pub mod views;
mod watch;

pub use reader::Reader;

use api::{AttributionRpcServer, ChannelsRpcServer, DatanetRpcServer, GrantRpcServer, JobRpcServer, ModelRpcServer};
use jsonrpsee::{RpcModule, core::RegisterMethodError};
use sc_client_api::{BlockBackend, BlockchainEvents};
use sc_rpc::SubscriptionTaskExecutor;
use sp_api::ProvideRuntimeApi;
use sp_blockchain::HeaderBackend;
use sp_runtime::{AccountId32, traits::Block as BlockT};
use std::sync::Arc;
use tributary_runtime_api::{AttributionApi, ChannelsApi, DatanetsApi, GrantsApi, JobsApi, ModelsApi};

/// Every method of this crate, over a client. Subscriptions run on `executor`.
///
/// Errors: a method's name is taken twice, which is a fault of this crate.
pub fn module<C, B>(client: Arc<C>, executor: SubscriptionTaskExecutor) -> Result<RpcModule<()>, RegisterMethodError>
where
    B: BlockT,
    B::Hash: Into<[u8; 32]>,
    C: ProvideRuntimeApi<B> + HeaderBackend<B> + BlockBackend<B> + BlockchainEvents<B> + Send + Sync + 'static,
    C::Api: DatanetsApi<B, AccountId32>
        + GrantsApi<B, AccountId32>
        + JobsApi<B, AccountId32>
        + ModelsApi<B, AccountId32>
        + AttributionApi<B, AccountId32>
        + ChannelsApi<B, AccountId32>,
{
    let reader = Reader::new(client, executor);
    let mut module = RpcModule::new(());
    module.merge(DatanetRpcServer::into_rpc(reader.clone()))?;
    module.merge(GrantRpcServer::into_rpc(reader.clone()))?;
    module.merge(JobRpcServer::into_rpc(reader.clone()))?;
    module.merge(ModelRpcServer::into_rpc(reader.clone()))?;
    module.merge(AttributionRpcServer::into_rpc(reader.clone()))?;
    module.merge(ChannelsRpcServer::into_rpc(reader))?;
    Ok(module)
}

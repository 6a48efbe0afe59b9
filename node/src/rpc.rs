//! Mounts the RPC methods: the SDK's sets, and Tributary's own over the runtime APIs. `sc-service` adds `system`, `chain`,
//! `state`, `author` and the new JSON-RPC specification's.

use crate::service::{Backend, Client, SelectChain, TransactionPool};
use jsonrpsee::RpcModule;
use pallet_transaction_payment_rpc::{TransactionPayment, TransactionPaymentApiServer};
use sc_consensus_babe::BabeWorkerHandle;
use sc_consensus_babe_rpc::{Babe, BabeApiServer};
use sc_consensus_grandpa::{FinalityProofProvider, GrandpaJustificationStream, SharedAuthoritySet, SharedVoterState};
use sc_consensus_grandpa_rpc::{Grandpa, GrandpaApiServer};
use sc_rpc::SubscriptionTaskExecutor;
use sc_service::ChainSpec;
use sc_sync_state_rpc::{SyncState, SyncStateApiServer};
use sp_keystore::KeystorePtr;
use std::{error::Error, sync::Arc};
use substrate_frame_rpc_system::{System, SystemApiServer};
use tributary_runtime::{BlockNumber, Hash, opaque::Block};

/// What the methods read from.
pub struct Deps {
    /// The chain.
    pub client: Arc<Client>,
    /// Transactions that wait.
    pub pool: Arc<TransactionPool>,
    /// Which chain is the best.
    pub select_chain: SelectChain,
    /// The chain's specification.
    pub chain_spec: Box<dyn ChainSpec>,
    /// This node's keys.
    pub keystore: KeystorePtr,
    /// Answers questions about BABE's epochs.
    pub babe: BabeWorkerHandle<Block>,
    /// What GRANDPA shares.
    pub grandpa: GrandpaDeps,
}

/// What the methods on finality read from.
pub struct GrandpaDeps {
    /// The rounds being voted on.
    pub voter_state: SharedVoterState,
    /// Who votes.
    pub authority_set: SharedAuthoritySet<Hash, BlockNumber>,
    /// New finality proofs.
    pub justifications: GrandpaJustificationStream<Block>,
    /// Old finality proofs.
    pub proofs: Arc<FinalityProofProvider<Backend, Block>>,
}

/// Every method of this node beside those of `sc-service`. Subscriptions run on `executor`.
pub fn module(deps: Deps, executor: SubscriptionTaskExecutor) -> Result<RpcModule<()>, Box<dyn Error + Send + Sync>> {
    let Deps { client, pool, select_chain, chain_spec, keystore, babe, grandpa } = deps;
    let mut module = tributary_rpc::module::<_, Block>(client.clone(), executor.clone())?;
    module.merge(System::new(client.clone(), pool).into_rpc())?;
    module.merge(TransactionPayment::new(client.clone()).into_rpc())?;
    module.merge(Babe::new(client.clone(), babe.clone(), keystore, select_chain).into_rpc())?;
    module.merge(
        Grandpa::new(
            executor,
            grandpa.authority_set.clone(),
            grandpa.voter_state,
            grandpa.justifications,
            grandpa.proofs,
        )
        .into_rpc(),
    )?;
    module.merge(SyncState::new(chain_spec, client, grandpa.authority_set, babe)?.into_rpc())?;
    Ok(module)
}

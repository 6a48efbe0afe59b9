//! Which pallets are measured, for the runner that writes their weights.

use crate::{
    AllPalletsWithSystem, Attribution, Balances, Channels, Datanets, Grants, Jobs, Models, Timestamp, Utility,
};
use alloc::{string::String, vec::Vec};
use frame_benchmarking::{BenchmarkBatch, BenchmarkConfig, BenchmarkList};
use frame_support::traits::{StorageInfo, StorageInfoTrait, WhitelistedStorageKeys};

frame_benchmarking::define_benchmarks!(
    [pallet_timestamp, Timestamp]
    [pallet_balances, Balances]
    [pallet_utility, Utility]
    [pallet_datanets, Datanets]
    [pallet_grants, Grants]
    [pallet_models, Models]
    [pallet_jobs, Jobs]
    [pallet_attribution, Attribution]
    [pallet_channels, Channels]
);

/// The benchmarks there are, and what the storage they touch looks like.
pub fn metadata(extra: bool) -> (Vec<BenchmarkList>, Vec<StorageInfo>) {
    let mut list = Vec::<BenchmarkList>::new();
    list_benchmarks!(list, extra);
    (list, AllPalletsWithSystem::storage_info())
}

/// Runs one.
pub fn dispatch(config: BenchmarkConfig) -> Result<Vec<BenchmarkBatch>, String> {
    let whitelist = AllPalletsWithSystem::whitelisted_storage_keys();
    let mut batches = Vec::<BenchmarkBatch>::new();
    let params = (&config, &whitelist);
    add_benchmarks!(params, batches);
    Ok(batches)
}

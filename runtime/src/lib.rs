//! The Tributary runtime: composes the pallets, and nothing else.
//!
//! Reading order: this file lists the pallets and the transaction extensions; [`constants`] fixes money, time and block
//! size; `configs/` holds one file for each pallet; [`apis`] is what nodes may ask; [`genesis`] how a chain starts.
#![cfg_attr(not(feature = "std"), no_std)]
#![recursion_limit = "256"]
#![expect(missing_docs, reason = "frame_support::runtime generates public items without docs at the root of the crate")]

extern crate alloc;

#[cfg(feature = "std")]
pub use wasm::{WASM_BINARY, WASM_BINARY_BLOATY};

/// The runtime's Wasm as `build.rs` made it; nothing where it was told to skip that.
#[cfg(feature = "std")]
#[allow(dead_code, missing_docs, reason = "generated; the paths to the files stay unused")]
mod wasm {
    include!(concat!(env!("OUT_DIR"), "/wasm_binary.rs"));
}

pub mod apis;
#[cfg(feature = "runtime-benchmarks")]
mod benchmarks;
pub mod configs;
pub mod constants;
pub mod genesis;

use alloc::{borrow::Cow, vec::Vec};
pub use apis::RuntimeApi;
use sp_runtime::{
    MultiAddress, MultiSignature, generic, impl_opaque_keys,
    traits::{BlakeTwo256, IdentifyAccount, Verify},
};
use sp_version::RuntimeVersion;

/// What signs a transaction: sr25519, ed25519 or ecdsa.
pub type Signature = MultiSignature;
/// An account: the public key of its signature, or a hash of it.
pub type AccountId = <<Signature as Verify>::Signer as IdentifyAccount>::AccountId;
/// How transactions name accounts.
pub type Address = MultiAddress<AccountId, ()>;
/// Money, in 10^-12 TRIB.
pub type Balance = tributary_protocol::Amount;
/// A block's height.
pub type BlockNumber = tributary_protocol::BlockNumber;
/// How many transactions an account has sent.
pub type Nonce = u32;
/// A hash of the chain.
pub type Hash = sp_core::H256;
/// A block's header.
pub type Header = generic::Header<BlockNumber, BlakeTwo256>;
/// A block.
pub type Block = generic::Block<Header, UncheckedExtrinsic>;
/// A block with its finality proof.
pub type SignedBlock = generic::SignedBlock<Block>;
/// A transaction whose signature has not been checked.
pub type UncheckedExtrinsic = generic::UncheckedExtrinsic<Address, RuntimeCall, Signature, TxExtension>;
/// What a transaction's signer signs.
pub type SignedPayload = generic::SignedPayload<RuntimeCall, TxExtension>;

/// What every transaction carries and is checked by, in this order on the wire. The order is part of the format: wallets
/// and clients read it from the metadata, hardware wallets may not.
pub type TxExtension = (
    frame_system::AuthorizeCall<Runtime>,
    frame_system::CheckNonZeroSender<Runtime>,
    frame_system::CheckSpecVersion<Runtime>,
    frame_system::CheckTxVersion<Runtime>,
    frame_system::CheckGenesis<Runtime>,
    frame_system::CheckMortality<Runtime>,
    frame_system::CheckNonce<Runtime>,
    frame_system::CheckWeight<Runtime>,
    pallet_transaction_payment::ChargeTransactionPayment<Runtime>,
    frame_metadata_hash_extension::CheckMetadataHash<Runtime>,
    frame_system::WeightReclaim<Runtime>,
);

/// Dispatches everything in a block to the pallets.
pub type Executive =
    frame_executive::Executive<Runtime, Block, frame_system::ChainContext<Runtime>, Runtime, AllPalletsWithSystem>;

/// Types with opaque transactions: what the node's networking and database handle, whatever the runtime's calls are.
pub mod opaque {
    use super::Header;
    use sp_runtime::{OpaqueExtrinsic, generic};

    /// A block whose transactions are bytes.
    pub type Block = generic::Block<Header, OpaqueExtrinsic>;
}

impl_opaque_keys! {
    /// The keys with which a validator's node signs. They are apart from the stash, so a stolen node costs no money.
    pub struct SessionKeys {
        /// Signs blocks.
        pub babe: Babe,
        /// Votes on finality.
        pub grandpa: Grandpa,
    }
}

/// This runtime's version. `spec_version` grows with every change of behaviour; `transaction_version` with every change of
/// a call's index, its arguments, or of the transaction extensions.
#[sp_version::runtime_version]
pub const VERSION: RuntimeVersion = RuntimeVersion {
    spec_name: Cow::Borrowed("tributary"),
    impl_name: Cow::Borrowed("tributary"),
    authoring_version: 1,
    spec_version: 1,
    impl_version: 1,
    apis: apis::RUNTIME_API_VERSIONS,
    transaction_version: 1,
    system_version: 1,
};

/// The pallets. Indices are part of the transaction format: never reused, never moved. 0 to 9 run the chain, from 20 on
/// follow our own, in the order in which a Datanet's data becomes a contributor's payout.
#[frame_support::runtime]
mod runtime {
    /// The runtime.
    #[runtime::runtime]
    #[runtime::derive(
        RuntimeCall,
        RuntimeEvent,
        RuntimeError,
        RuntimeOrigin,
        RuntimeFreezeReason,
        RuntimeHoldReason,
        RuntimeSlashReason,
        RuntimeLockId,
        RuntimeTask,
        RuntimeViewFunction
    )]
    pub struct Runtime;

    #[runtime::pallet_index(0)]
    pub type System = frame_system;
    #[runtime::pallet_index(1)]
    pub type Timestamp = pallet_timestamp;
    #[runtime::pallet_index(2)]
    pub type Babe = pallet_babe;
    #[runtime::pallet_index(3)]
    pub type Grandpa = pallet_grandpa;
    #[runtime::pallet_index(4)]
    pub type Session = pallet_session;
    #[runtime::pallet_index(5)]
    pub type Authorship = pallet_authorship;
    #[runtime::pallet_index(6)]
    pub type Balances = pallet_balances;
    #[runtime::pallet_index(7)]
    pub type TransactionPayment = pallet_transaction_payment;
    #[runtime::pallet_index(8)]
    pub type Utility = pallet_utility;
    #[runtime::pallet_index(9)]
    pub type Sudo = pallet_sudo;

    #[runtime::pallet_index(20)]
    pub type Datanets = pallet_datanets;
    #[runtime::pallet_index(21)]
    pub type Grants = pallet_grants;
    #[runtime::pallet_index(22)]
    pub type Models = pallet_models;
    #[runtime::pallet_index(23)]
    pub type Jobs = pallet_jobs;
    #[runtime::pallet_index(24)]
    pub type Attribution = pallet_attribution;
    #[runtime::pallet_index(25)]
    pub type Channels = pallet_channels;
}

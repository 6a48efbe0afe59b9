//! Weights of `pallet_models`, measured.
//!
//! Written by `scripts/weights` with frame-omni-bencher (64.0.0); do not edit.
//! DATE: 2026-11-21, STEPS: `50`, REPEAT: `20`, LOW RANGE: `[]`, HIGH RANGE: `[]`
//! CPU: `AMD EPYC`, WASM-EXECUTION: `Compiled`, WORST CASE MAP SIZE: `1000000`

#![cfg_attr(rustfmt, rustfmt_skip)]
#![allow(unused_parens)]
#![allow(unused_imports)]
#![allow(missing_docs)]
#![allow(dead_code)]

use frame_support::{traits::Get, weights::{Weight, constants::ParityDbWeight}};
use core::marker::PhantomData;

/// Weight functions needed for `pallet_models`.
pub trait WeightInfo {
	fn register_base() -> Weight;
	fn publish() -> Weight;
	fn set_terms() -> Weight;
	fn deploy() -> Weight;
	fn undeploy() -> Weight;
	fn withdraw() -> Weight;
}

/// Weights for `pallet_models` in a runtime: its own database weights.
pub struct SubstrateWeight<T>(PhantomData<T>);
impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
	/// Storage: `Models::Contents` (r:1 w:1)
	/// Proof: `Models::Contents` (`max_values`: None, `max_size`: Some(52), added: 2527, mode: `MaxEncodedLen`)
	/// Storage: `Models::NextBase` (r:1 w:1)
	/// Proof: `Models::NextBase` (`max_values`: Some(1), `max_size`: Some(4), added: 499, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:1 w:1)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:1 w:1)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(265), added: 2740, mode: `MaxEncodedLen`)
	/// Storage: `Models::BaseModels` (r:0 w:1)
	/// Proof: `Models::BaseModels` (`max_values`: None, `max_size`: Some(237), added: 2712, mode: `MaxEncodedLen`)
	fn register_base() -> Weight {
		// Proof size in bytes:
		//  Measured:  `106`
		//  Estimated: `3730`
		// Least execution time: 74_549_000 picoseconds.
		Weight::from_parts(77_665_000, 3730)
			.saturating_add(T::DbWeight::get().reads(4_u64))
			.saturating_add(T::DbWeight::get().writes(5_u64))
	}
	/// Storage: `Models::Models` (r:1 w:1)
	/// Proof: `Models::Models` (`max_values`: None, `max_size`: Some(343), added: 2818, mode: `MaxEncodedLen`)
	/// Storage: `Grants::Grants` (r:8 w:0)
	/// Proof: `Grants::Grants` (`max_values`: None, `max_size`: Some(614), added: 3089, mode: `MaxEncodedLen`)
	fn publish() -> Weight {
		// Proof size in bytes:
		//  Measured:  `1653`
		//  Estimated: `25702`
		// Least execution time: 68_849_000 picoseconds.
		Weight::from_parts(73_348_000, 25702)
			.saturating_add(T::DbWeight::get().reads(9_u64))
			.saturating_add(T::DbWeight::get().writes(1_u64))
	}
	/// Storage: `Models::Models` (r:1 w:1)
	/// Proof: `Models::Models` (`max_values`: None, `max_size`: Some(343), added: 2818, mode: `MaxEncodedLen`)
	fn set_terms() -> Weight {
		// Proof size in bytes:
		//  Measured:  `557`
		//  Estimated: `3808`
		// Least execution time: 23_784_000 picoseconds.
		Weight::from_parts(26_610_000, 3808)
			.saturating_add(T::DbWeight::get().reads(1_u64))
			.saturating_add(T::DbWeight::get().writes(1_u64))
	}
	/// Storage: `Models::Models` (r:1 w:1)
	/// Proof: `Models::Models` (`max_values`: None, `max_size`: Some(343), added: 2818, mode: `MaxEncodedLen`)
	/// Storage: `Models::Deployments` (r:1 w:1)
	/// Proof: `Models::Deployments` (`max_values`: None, `max_size`: Some(342), added: 2817, mode: `MaxEncodedLen`)
	/// Storage: `Grants::Grants` (r:8 w:0)
	/// Proof: `Grants::Grants` (`max_values`: None, `max_size`: Some(614), added: 3089, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:1 w:1)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:1 w:1)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(265), added: 2740, mode: `MaxEncodedLen`)
	fn deploy() -> Weight {
		// Proof size in bytes:
		//  Measured:  `1843`
		//  Estimated: `25702`
		// Least execution time: 136_965_000 picoseconds.
		Weight::from_parts(143_768_000, 25702)
			.saturating_add(T::DbWeight::get().reads(12_u64))
			.saturating_add(T::DbWeight::get().writes(4_u64))
	}
	/// Storage: `Models::Deployments` (r:1 w:1)
	/// Proof: `Models::Deployments` (`max_values`: None, `max_size`: Some(342), added: 2817, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:1 w:1)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:1 w:1)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(265), added: 2740, mode: `MaxEncodedLen`)
	/// Storage: `Models::Models` (r:1 w:1)
	/// Proof: `Models::Models` (`max_values`: None, `max_size`: Some(343), added: 2818, mode: `MaxEncodedLen`)
	fn undeploy() -> Weight {
		// Proof size in bytes:
		//  Measured:  `1187`
		//  Estimated: `3808`
		// Least execution time: 79_468_000 picoseconds.
		Weight::from_parts(83_527_000, 3808)
			.saturating_add(T::DbWeight::get().reads(4_u64))
			.saturating_add(T::DbWeight::get().writes(4_u64))
	}
	/// Storage: `Models::Models` (r:1 w:1)
	/// Proof: `Models::Models` (`max_values`: None, `max_size`: Some(343), added: 2818, mode: `MaxEncodedLen`)
	fn withdraw() -> Weight {
		// Proof size in bytes:
		//  Measured:  `557`
		//  Estimated: `3808`
		// Least execution time: 23_765_000 picoseconds.
		Weight::from_parts(26_159_000, 3808)
			.saturating_add(T::DbWeight::get().reads(1_u64))
			.saturating_add(T::DbWeight::get().writes(1_u64))
	}
}

/// The same with ParityDB's weights, for tests of the pallet alone.
impl WeightInfo for () {
	fn register_base() -> Weight {
		Weight::from_parts(77_665_000, 3730)
			.saturating_add(ParityDbWeight::get().reads(4_u64))
			.saturating_add(ParityDbWeight::get().writes(5_u64))
	}
	fn publish() -> Weight {
		Weight::from_parts(73_348_000, 25702)
			.saturating_add(ParityDbWeight::get().reads(9_u64))
			.saturating_add(ParityDbWeight::get().writes(1_u64))
	}
	fn set_terms() -> Weight {
		Weight::from_parts(26_610_000, 3808)
			.saturating_add(ParityDbWeight::get().reads(1_u64))
			.saturating_add(ParityDbWeight::get().writes(1_u64))
	}
	fn deploy() -> Weight {
		Weight::from_parts(143_768_000, 25702)
			.saturating_add(ParityDbWeight::get().reads(12_u64))
			.saturating_add(ParityDbWeight::get().writes(4_u64))
	}
	fn undeploy() -> Weight {
		Weight::from_parts(83_527_000, 3808)
			.saturating_add(ParityDbWeight::get().reads(4_u64))
			.saturating_add(ParityDbWeight::get().writes(4_u64))
	}
	fn withdraw() -> Weight {
		Weight::from_parts(26_159_000, 3808)
			.saturating_add(ParityDbWeight::get().reads(1_u64))
			.saturating_add(ParityDbWeight::get().writes(1_u64))
	}
}

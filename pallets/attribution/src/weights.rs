//! Weights for `pallet_attribution`: placeholder until scripts/weights has run.

#![cfg_attr(rustfmt, rustfmt_skip)]
#![allow(unused_parens)]
#![allow(unused_imports)]
#![allow(missing_docs)]

use frame_support::{traits::Get, weights::{Weight, constants::RocksDbWeight}};
use core::marker::PhantomData;

/// Weight functions needed for `pallet_attribution`.
pub trait WeightInfo {
	fn fund() -> Weight;
	fn claim(d: u32, ) -> Weight;
}

/// Weights for `pallet_attribution` on the machine that generated this file.
pub struct SubstrateWeight<T>(PhantomData<T>);
impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
	/// Storage: `Attribution::Streams` (r:1 w:1)
	/// Storage: `System::Account` (r:14 w:14)
	/// Storage: `Balances::Holds` (r:1 w:1)
	fn fund() -> Weight {
		Weight::from_parts(700_000_000, 40_000)
			.saturating_add(T::DbWeight::get().reads(16_u64))
			.saturating_add(T::DbWeight::get().writes(16_u64))
	}
	/// Storage: `Attribution::Streams` (r:1 w:1)
	/// Storage: `Attribution::Claims` (r:1 w:1)
	/// Storage: `System::BlockHash` (r:1 w:0)
	/// Storage: `Balances::Holds` (r:2 w:2)
	/// Storage: `System::Account` (r:2 w:2)
	/// The range of component `d` is `[0, 24]`.
	fn claim(d: u32, ) -> Weight {
		Weight::from_parts(200_000_000, 12_000)
			.saturating_add(Weight::from_parts(1_000_000, 0).saturating_mul(d.into()))
			.saturating_add(T::DbWeight::get().reads(7_u64))
			.saturating_add(T::DbWeight::get().writes(6_u64))
	}
}

// For backwards compatibility and tests.
impl WeightInfo for () {
	fn fund() -> Weight {
		Weight::from_parts(700_000_000, 40_000)
			.saturating_add(RocksDbWeight::get().reads(16_u64))
			.saturating_add(RocksDbWeight::get().writes(16_u64))
	}
	fn claim(d: u32, ) -> Weight {
		Weight::from_parts(200_000_000, 12_000)
			.saturating_add(Weight::from_parts(1_000_000, 0).saturating_mul(d.into()))
			.saturating_add(RocksDbWeight::get().reads(7_u64))
			.saturating_add(RocksDbWeight::get().writes(6_u64))
	}
}

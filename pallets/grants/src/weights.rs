//! Weights of `pallet_grants`, measured.
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

/// Weight functions needed for `pallet_grants`.
pub trait WeightInfo {
	fn request() -> Weight;
	fn issue() -> Weight;
	fn deny() -> Weight;
	fn revoke() -> Weight;
	fn renounce() -> Weight;
	fn present() -> Weight;
	fn prune() -> Weight;
}

/// Weights for `pallet_grants` in a runtime: its own database weights.
pub struct SubstrateWeight<T>(PhantomData<T>);
impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
	/// Storage: `Datanets::Datanets` (r:1 w:0)
	/// Proof: `Datanets::Datanets` (`max_values`: None, `max_size`: Some(1328), added: 3803, mode: `MaxEncodedLen`)
	/// Storage: `Grants::NextGrant` (r:1 w:1)
	/// Proof: `Grants::NextGrant` (`max_values`: Some(1), `max_size`: Some(8), added: 503, mode: `MaxEncodedLen`)
	/// Storage: `Grants::GranteeTallies` (r:1 w:1)
	/// Proof: `Grants::GranteeTallies` (`max_values`: None, `max_size`: Some(56), added: 2531, mode: `MaxEncodedLen`)
	/// Storage: `Grants::DatanetTallies` (r:1 w:1)
	/// Proof: `Grants::DatanetTallies` (`max_values`: None, `max_size`: Some(20), added: 2495, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:1 w:1)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:1 w:1)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(265), added: 2740, mode: `MaxEncodedLen`)
	/// Storage: `Grants::ByGrantee` (r:0 w:1)
	/// Proof: `Grants::ByGrantee` (`max_values`: None, `max_size`: Some(68), added: 2543, mode: `MaxEncodedLen`)
	/// Storage: `Grants::GrantPlaces` (r:0 w:1)
	/// Proof: `Grants::GrantPlaces` (`max_values`: None, `max_size`: Some(24), added: 2499, mode: `MaxEncodedLen`)
	/// Storage: `Grants::Grants` (r:0 w:1)
	/// Proof: `Grants::Grants` (`max_values`: None, `max_size`: Some(614), added: 3089, mode: `MaxEncodedLen`)
	/// Storage: `Grants::ByDatanet` (r:0 w:1)
	/// Proof: `Grants::ByDatanet` (`max_values`: None, `max_size`: Some(32), added: 2507, mode: `MaxEncodedLen`)
	fn request() -> Weight {
		// Proof size in bytes:
		//  Measured:  `1874`
		//  Estimated: `4793`
		// Least execution time: 99_525_000 picoseconds.
		Weight::from_parts(105_316_000, 4793)
			.saturating_add(T::DbWeight::get().reads(6_u64))
			.saturating_add(T::DbWeight::get().writes(9_u64))
	}
	/// Storage: `Grants::Grants` (r:1 w:1)
	/// Proof: `Grants::Grants` (`max_values`: None, `max_size`: Some(614), added: 3089, mode: `MaxEncodedLen`)
	/// Storage: `Datanets::Datanets` (r:1 w:0)
	/// Proof: `Datanets::Datanets` (`max_values`: None, `max_size`: Some(1328), added: 3803, mode: `MaxEncodedLen`)
	/// Storage: `Grants::OpenRequests` (r:1 w:1)
	/// Proof: `Grants::OpenRequests` (`max_values`: None, `max_size`: Some(64), added: 2539, mode: `MaxEncodedLen`)
	fn issue() -> Weight {
		// Proof size in bytes:
		//  Measured:  `2077`
		//  Estimated: `4793`
		// Least execution time: 39_494_000 picoseconds.
		Weight::from_parts(42_099_000, 4793)
			.saturating_add(T::DbWeight::get().reads(3_u64))
			.saturating_add(T::DbWeight::get().writes(2_u64))
	}
	/// Storage: `Grants::Grants` (r:1 w:1)
	/// Proof: `Grants::Grants` (`max_values`: None, `max_size`: Some(614), added: 3089, mode: `MaxEncodedLen`)
	/// Storage: `Datanets::Datanets` (r:1 w:0)
	/// Proof: `Datanets::Datanets` (`max_values`: None, `max_size`: Some(1328), added: 3803, mode: `MaxEncodedLen`)
	/// Storage: `Grants::OpenRequests` (r:1 w:1)
	/// Proof: `Grants::OpenRequests` (`max_values`: None, `max_size`: Some(64), added: 2539, mode: `MaxEncodedLen`)
	fn deny() -> Weight {
		// Proof size in bytes:
		//  Measured:  `2077`
		//  Estimated: `4793`
		// Least execution time: 39_875_000 picoseconds.
		Weight::from_parts(43_561_000, 4793)
			.saturating_add(T::DbWeight::get().reads(3_u64))
			.saturating_add(T::DbWeight::get().writes(2_u64))
	}
	/// Storage: `Grants::Grants` (r:1 w:1)
	/// Proof: `Grants::Grants` (`max_values`: None, `max_size`: Some(614), added: 3089, mode: `MaxEncodedLen`)
	/// Storage: `Datanets::Datanets` (r:1 w:0)
	/// Proof: `Datanets::Datanets` (`max_values`: None, `max_size`: Some(1328), added: 3803, mode: `MaxEncodedLen`)
	fn revoke() -> Weight {
		// Proof size in bytes:
		//  Measured:  `1991`
		//  Estimated: `4793`
		// Least execution time: 34_194_000 picoseconds.
		Weight::from_parts(36_599_000, 4793)
			.saturating_add(T::DbWeight::get().reads(2_u64))
			.saturating_add(T::DbWeight::get().writes(1_u64))
	}
	/// Storage: `Grants::Grants` (r:1 w:1)
	/// Proof: `Grants::Grants` (`max_values`: None, `max_size`: Some(614), added: 3089, mode: `MaxEncodedLen`)
	/// Storage: `Grants::OpenRequests` (r:1 w:1)
	/// Proof: `Grants::OpenRequests` (`max_values`: None, `max_size`: Some(64), added: 2539, mode: `MaxEncodedLen`)
	fn renounce() -> Weight {
		// Proof size in bytes:
		//  Measured:  `453`
		//  Estimated: `4079`
		// Least execution time: 28_854_000 picoseconds.
		Weight::from_parts(31_058_000, 4079)
			.saturating_add(T::DbWeight::get().reads(2_u64))
			.saturating_add(T::DbWeight::get().writes(2_u64))
	}
	/// Storage: `Datanets::Datanets` (r:1 w:0)
	/// Proof: `Datanets::Datanets` (`max_values`: None, `max_size`: Some(1328), added: 3803, mode: `MaxEncodedLen`)
	/// Storage: `Grants::OfferNonces` (r:1 w:1)
	/// Proof: `Grants::OfferNonces` (`max_values`: None, `max_size`: Some(44), added: 2519, mode: `MaxEncodedLen`)
	/// Storage: `System::BlockHash` (r:1 w:0)
	/// Proof: `System::BlockHash` (`max_values`: None, `max_size`: Some(44), added: 2519, mode: `MaxEncodedLen`)
	/// Storage: `Grants::NextGrant` (r:1 w:1)
	/// Proof: `Grants::NextGrant` (`max_values`: Some(1), `max_size`: Some(8), added: 503, mode: `MaxEncodedLen`)
	/// Storage: `Grants::GranteeTallies` (r:1 w:1)
	/// Proof: `Grants::GranteeTallies` (`max_values`: None, `max_size`: Some(56), added: 2531, mode: `MaxEncodedLen`)
	/// Storage: `Grants::DatanetTallies` (r:1 w:1)
	/// Proof: `Grants::DatanetTallies` (`max_values`: None, `max_size`: Some(20), added: 2495, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:1 w:1)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:1 w:1)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(265), added: 2740, mode: `MaxEncodedLen`)
	/// Storage: `Grants::ByGrantee` (r:0 w:1)
	/// Proof: `Grants::ByGrantee` (`max_values`: None, `max_size`: Some(68), added: 2543, mode: `MaxEncodedLen`)
	/// Storage: `Grants::GrantPlaces` (r:0 w:1)
	/// Proof: `Grants::GrantPlaces` (`max_values`: None, `max_size`: Some(24), added: 2499, mode: `MaxEncodedLen`)
	/// Storage: `Grants::Grants` (r:0 w:1)
	/// Proof: `Grants::Grants` (`max_values`: None, `max_size`: Some(614), added: 3089, mode: `MaxEncodedLen`)
	/// Storage: `Grants::ByDatanet` (r:0 w:1)
	/// Proof: `Grants::ByDatanet` (`max_values`: None, `max_size`: Some(32), added: 2507, mode: `MaxEncodedLen`)
	/// Storage: `Grants::Offers` (r:0 w:1)
	/// Proof: `Grants::Offers` (`max_values`: None, `max_size`: Some(28), added: 2503, mode: `MaxEncodedLen`)
	fn present() -> Weight {
		// Proof size in bytes:
		//  Measured:  `1928`
		//  Estimated: `4793`
		// Least execution time: 221_684_000 picoseconds.
		Weight::from_parts(232_013_000, 4793)
			.saturating_add(T::DbWeight::get().reads(8_u64))
			.saturating_add(T::DbWeight::get().writes(11_u64))
	}
	/// Storage: `Grants::Grants` (r:1 w:1)
	/// Proof: `Grants::Grants` (`max_values`: None, `max_size`: Some(614), added: 3089, mode: `MaxEncodedLen`)
	/// Storage: `Grants::Offers` (r:1 w:1)
	/// Proof: `Grants::Offers` (`max_values`: None, `max_size`: Some(28), added: 2503, mode: `MaxEncodedLen`)
	/// Storage: `Grants::GrantPlaces` (r:1 w:1)
	/// Proof: `Grants::GrantPlaces` (`max_values`: None, `max_size`: Some(24), added: 2499, mode: `MaxEncodedLen`)
	/// Storage: `Grants::GranteeTallies` (r:1 w:1)
	/// Proof: `Grants::GranteeTallies` (`max_values`: None, `max_size`: Some(56), added: 2531, mode: `MaxEncodedLen`)
	/// Storage: `Grants::DatanetTallies` (r:1 w:1)
	/// Proof: `Grants::DatanetTallies` (`max_values`: None, `max_size`: Some(20), added: 2495, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:1 w:1)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:1 w:1)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(265), added: 2740, mode: `MaxEncodedLen`)
	/// Storage: `Grants::ByGrantee` (r:0 w:1)
	/// Proof: `Grants::ByGrantee` (`max_values`: None, `max_size`: Some(68), added: 2543, mode: `MaxEncodedLen`)
	/// Storage: `Grants::OfferNonces` (r:0 w:1)
	/// Proof: `Grants::OfferNonces` (`max_values`: None, `max_size`: Some(44), added: 2519, mode: `MaxEncodedLen`)
	/// Storage: `Grants::ByDatanet` (r:0 w:1)
	/// Proof: `Grants::ByDatanet` (`max_values`: None, `max_size`: Some(32), added: 2507, mode: `MaxEncodedLen`)
	fn prune() -> Weight {
		// Proof size in bytes:
		//  Measured:  `710`
		//  Estimated: `4079`
		// Least execution time: 100_267_000 picoseconds.
		Weight::from_parts(104_104_000, 4079)
			.saturating_add(T::DbWeight::get().reads(7_u64))
			.saturating_add(T::DbWeight::get().writes(10_u64))
	}
}

/// The same with ParityDB's weights, for tests of the pallet alone.
impl WeightInfo for () {
	fn request() -> Weight {
		Weight::from_parts(105_316_000, 4793)
			.saturating_add(ParityDbWeight::get().reads(6_u64))
			.saturating_add(ParityDbWeight::get().writes(9_u64))
	}
	fn issue() -> Weight {
		Weight::from_parts(42_099_000, 4793)
			.saturating_add(ParityDbWeight::get().reads(3_u64))
			.saturating_add(ParityDbWeight::get().writes(2_u64))
	}
	fn deny() -> Weight {
		Weight::from_parts(43_561_000, 4793)
			.saturating_add(ParityDbWeight::get().reads(3_u64))
			.saturating_add(ParityDbWeight::get().writes(2_u64))
	}
	fn revoke() -> Weight {
		Weight::from_parts(36_599_000, 4793)
			.saturating_add(ParityDbWeight::get().reads(2_u64))
			.saturating_add(ParityDbWeight::get().writes(1_u64))
	}
	fn renounce() -> Weight {
		Weight::from_parts(31_058_000, 4079)
			.saturating_add(ParityDbWeight::get().reads(2_u64))
			.saturating_add(ParityDbWeight::get().writes(2_u64))
	}
	fn present() -> Weight {
		Weight::from_parts(232_013_000, 4793)
			.saturating_add(ParityDbWeight::get().reads(8_u64))
			.saturating_add(ParityDbWeight::get().writes(11_u64))
	}
	fn prune() -> Weight {
		Weight::from_parts(104_104_000, 4079)
			.saturating_add(ParityDbWeight::get().reads(7_u64))
			.saturating_add(ParityDbWeight::get().writes(10_u64))
	}
}

//! Weights of `pallet_datanets`, measured.
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

/// Weight functions needed for `pallet_datanets`.
pub trait WeightInfo {
	fn register() -> Weight;
	fn update_terms() -> Weight;
	fn set_curators(c: u32, ) -> Weight;
	fn retire() -> Weight;
	fn submit_contribution() -> Weight;
	fn accept() -> Weight;
	fn reject() -> Weight;
	fn withdraw() -> Weight;
	fn publish_version(n: u32, ) -> Weight;
}

/// Weights for `pallet_datanets` in a runtime: its own database weights.
pub struct SubstrateWeight<T>(PhantomData<T>);
impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
	/// Storage: `Datanets::NextDatanet` (r:1 w:1)
	/// Proof: `Datanets::NextDatanet` (`max_values`: Some(1), `max_size`: Some(4), added: 499, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:1 w:1)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:1 w:1)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(265), added: 2740, mode: `MaxEncodedLen`)
	/// Storage: `Datanets::Datanets` (r:0 w:1)
	/// Proof: `Datanets::Datanets` (`max_values`: None, `max_size`: Some(1328), added: 3803, mode: `MaxEncodedLen`)
	fn register() -> Weight {
		// Proof size in bytes:
		//  Measured:  `109`
		//  Estimated: `3730`
		// Least execution time: 72_275_000 picoseconds.
		Weight::from_parts(75_491_000, 3730)
			.saturating_add(T::DbWeight::get().reads(3_u64))
			.saturating_add(T::DbWeight::get().writes(4_u64))
	}
	/// Storage: `Datanets::Datanets` (r:1 w:1)
	/// Proof: `Datanets::Datanets` (`max_values`: None, `max_size`: Some(1328), added: 3803, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:1 w:1)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:1 w:1)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(265), added: 2740, mode: `MaxEncodedLen`)
	fn update_terms() -> Weight {
		// Proof size in bytes:
		//  Measured:  `1542`
		//  Estimated: `4793`
		// Least execution time: 69_039_000 picoseconds.
		Weight::from_parts(71_484_000, 4793)
			.saturating_add(T::DbWeight::get().reads(3_u64))
			.saturating_add(T::DbWeight::get().writes(3_u64))
	}
	/// Storage: `Datanets::Datanets` (r:1 w:1)
	/// Proof: `Datanets::Datanets` (`max_values`: None, `max_size`: Some(1328), added: 3803, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:1 w:1)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:1 w:0)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(265), added: 2740, mode: `MaxEncodedLen`)
	/// The range of component `c` is `[0, 16]`.
	fn set_curators(c: u32, ) -> Weight {
		// Proof size in bytes:
		//  Measured:  `1542`
		//  Estimated: `4793`
		// Least execution time: 63_820_000 picoseconds.
		Weight::from_parts(72_874_141, 4793)
			// Standard error: 6_174
			.saturating_add(Weight::from_parts(66_195, 0).saturating_mul(c.into()))
			.saturating_add(T::DbWeight::get().reads(3_u64))
			.saturating_add(T::DbWeight::get().writes(3_u64))
	}
	/// Storage: `Datanets::Datanets` (r:1 w:1)
	/// Proof: `Datanets::Datanets` (`max_values`: None, `max_size`: Some(1328), added: 3803, mode: `MaxEncodedLen`)
	fn retire() -> Weight {
		// Proof size in bytes:
		//  Measured:  `1384`
		//  Estimated: `4793`
		// Least execution time: 20_809_000 picoseconds.
		Weight::from_parts(22_382_000, 4793)
			.saturating_add(T::DbWeight::get().reads(1_u64))
			.saturating_add(T::DbWeight::get().writes(1_u64))
	}
	/// Storage: `Datanets::Datanets` (r:1 w:0)
	/// Proof: `Datanets::Datanets` (`max_values`: None, `max_size`: Some(1328), added: 3803, mode: `MaxEncodedLen`)
	/// Storage: `Datanets::Blobs` (r:1 w:1)
	/// Proof: `Datanets::Blobs` (`max_values`: None, `max_size`: Some(68), added: 2543, mode: `MaxEncodedLen`)
	/// Storage: `Datanets::Tallies` (r:1 w:1)
	/// Proof: `Datanets::Tallies` (`max_values`: None, `max_size`: Some(24), added: 2499, mode: `MaxEncodedLen`)
	/// Storage: `Datanets::NextContribution` (r:1 w:1)
	/// Proof: `Datanets::NextContribution` (`max_values`: Some(1), `max_size`: Some(8), added: 503, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:1 w:1)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:1 w:1)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(265), added: 2740, mode: `MaxEncodedLen`)
	/// Storage: `Datanets::Places` (r:0 w:1)
	/// Proof: `Datanets::Places` (`max_values`: None, `max_size`: Some(20), added: 2495, mode: `MaxEncodedLen`)
	/// Storage: `Datanets::Contributions` (r:0 w:1)
	/// Proof: `Datanets::Contributions` (`max_values`: None, `max_size`: Some(729), added: 3204, mode: `MaxEncodedLen`)
	/// Storage: `Datanets::ByPlace` (r:0 w:1)
	/// Proof: `Datanets::ByPlace` (`max_values`: None, `max_size`: Some(32), added: 2507, mode: `MaxEncodedLen`)
	fn submit_contribution() -> Weight {
		// Proof size in bytes:
		//  Measured:  `1579`
		//  Estimated: `4793`
		// Least execution time: 97_392_000 picoseconds.
		Weight::from_parts(101_299_000, 4793)
			.saturating_add(T::DbWeight::get().reads(6_u64))
			.saturating_add(T::DbWeight::get().writes(8_u64))
	}
	/// Storage: `Datanets::Contributions` (r:1 w:1)
	/// Proof: `Datanets::Contributions` (`max_values`: None, `max_size`: Some(729), added: 3204, mode: `MaxEncodedLen`)
	/// Storage: `Datanets::Datanets` (r:1 w:0)
	/// Proof: `Datanets::Datanets` (`max_values`: None, `max_size`: Some(1328), added: 3803, mode: `MaxEncodedLen`)
	/// Storage: `Datanets::Accepted` (r:1 w:1)
	/// Proof: `Datanets::Accepted` (`max_values`: None, `max_size`: Some(2062), added: 4537, mode: `MaxEncodedLen`)
	/// Storage: `Datanets::Tallies` (r:1 w:1)
	/// Proof: `Datanets::Tallies` (`max_values`: None, `max_size`: Some(24), added: 2499, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:1 w:1)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:1 w:1)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(265), added: 2740, mode: `MaxEncodedLen`)
	fn accept() -> Weight {
		// Proof size in bytes:
		//  Measured:  `4944`
		//  Estimated: `5527`
		// Least execution time: 122_369_000 picoseconds.
		Weight::from_parts(134_812_000, 5527)
			.saturating_add(T::DbWeight::get().reads(6_u64))
			.saturating_add(T::DbWeight::get().writes(5_u64))
	}
	/// Storage: `Datanets::Contributions` (r:1 w:1)
	/// Proof: `Datanets::Contributions` (`max_values`: None, `max_size`: Some(729), added: 3204, mode: `MaxEncodedLen`)
	/// Storage: `Datanets::Datanets` (r:1 w:0)
	/// Proof: `Datanets::Datanets` (`max_values`: None, `max_size`: Some(1328), added: 3803, mode: `MaxEncodedLen`)
	/// Storage: `Datanets::Tallies` (r:1 w:1)
	/// Proof: `Datanets::Tallies` (`max_values`: None, `max_size`: Some(24), added: 2499, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:1 w:1)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:1 w:1)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(265), added: 2740, mode: `MaxEncodedLen`)
	/// Storage: `Datanets::Blobs` (r:0 w:1)
	/// Proof: `Datanets::Blobs` (`max_values`: None, `max_size`: Some(68), added: 2543, mode: `MaxEncodedLen`)
	fn reject() -> Weight {
		// Proof size in bytes:
		//  Measured:  `2031`
		//  Estimated: `4793`
		// Least execution time: 87_614_000 picoseconds.
		Weight::from_parts(91_911_000, 4793)
			.saturating_add(T::DbWeight::get().reads(5_u64))
			.saturating_add(T::DbWeight::get().writes(5_u64))
	}
	/// Storage: `Datanets::Contributions` (r:1 w:1)
	/// Proof: `Datanets::Contributions` (`max_values`: None, `max_size`: Some(729), added: 3204, mode: `MaxEncodedLen`)
	/// Storage: `Datanets::Accepted` (r:1 w:1)
	/// Proof: `Datanets::Accepted` (`max_values`: None, `max_size`: Some(2062), added: 4537, mode: `MaxEncodedLen`)
	/// Storage: `Datanets::Datanets` (r:1 w:0)
	/// Proof: `Datanets::Datanets` (`max_values`: None, `max_size`: Some(1328), added: 3803, mode: `MaxEncodedLen`)
	/// Storage: `Datanets::Versions` (r:1 w:0)
	/// Proof: `Datanets::Versions` (`max_values`: None, `max_size`: Some(2118), added: 4593, mode: `MaxEncodedLen`)
	/// Storage: `Datanets::Places` (r:1 w:1)
	/// Proof: `Datanets::Places` (`max_values`: None, `max_size`: Some(20), added: 2495, mode: `MaxEncodedLen`)
	/// Storage: `Datanets::Tallies` (r:1 w:1)
	/// Proof: `Datanets::Tallies` (`max_values`: None, `max_size`: Some(24), added: 2499, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:1 w:1)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:1 w:1)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(265), added: 2740, mode: `MaxEncodedLen`)
	/// Storage: `Datanets::Blobs` (r:0 w:1)
	/// Proof: `Datanets::Blobs` (`max_values`: None, `max_size`: Some(68), added: 2543, mode: `MaxEncodedLen`)
	/// Storage: `Datanets::ByPlace` (r:0 w:1)
	/// Proof: `Datanets::ByPlace` (`max_values`: None, `max_size`: Some(32), added: 2507, mode: `MaxEncodedLen`)
	fn withdraw() -> Weight {
		// Proof size in bytes:
		//  Measured:  `8003`
		//  Estimated: `5583`
		// Least execution time: 149_729_000 picoseconds.
		Weight::from_parts(163_796_000, 5583)
			.saturating_add(T::DbWeight::get().reads(8_u64))
			.saturating_add(T::DbWeight::get().writes(8_u64))
	}
	/// Storage: `Datanets::Datanets` (r:1 w:1)
	/// Proof: `Datanets::Datanets` (`max_values`: None, `max_size`: Some(1328), added: 3803, mode: `MaxEncodedLen`)
	/// Storage: `Datanets::Accepted` (r:1 w:0)
	/// Proof: `Datanets::Accepted` (`max_values`: None, `max_size`: Some(2062), added: 4537, mode: `MaxEncodedLen`)
	/// Storage: `Datanets::Versions` (r:1 w:1)
	/// Proof: `Datanets::Versions` (`max_values`: None, `max_size`: Some(2118), added: 4593, mode: `MaxEncodedLen`)
	/// Storage: `Datanets::Contributions` (r:256 w:0)
	/// Proof: `Datanets::Contributions` (`max_values`: None, `max_size`: Some(729), added: 3204, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:1 w:1)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:1 w:1)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(265), added: 2740, mode: `MaxEncodedLen`)
	/// The range of component `n` is `[1, 256]`.
	fn publish_version(n: u32, ) -> Weight {
		// Proof size in bytes:
		//  Measured:  `1800 + n * (230 ±0)`
		//  Estimated: `5583 + n * (3204 ±0)`
		// Least execution time: 99_566_000 picoseconds.
		Weight::from_parts(94_705_395, 5583)
			// Standard error: 86_970
			.saturating_add(Weight::from_parts(7_890_373, 0).saturating_mul(n.into()))
			.saturating_add(T::DbWeight::get().reads(5_u64))
			.saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(n.into())))
			.saturating_add(T::DbWeight::get().writes(4_u64))
			.saturating_add(Weight::from_parts(0, 3204).saturating_mul(n.into()))
	}
}

/// The same with ParityDB's weights, for tests of the pallet alone.
impl WeightInfo for () {
	fn register() -> Weight {
		Weight::from_parts(75_491_000, 3730)
			.saturating_add(ParityDbWeight::get().reads(3_u64))
			.saturating_add(ParityDbWeight::get().writes(4_u64))
	}
	fn update_terms() -> Weight {
		Weight::from_parts(71_484_000, 4793)
			.saturating_add(ParityDbWeight::get().reads(3_u64))
			.saturating_add(ParityDbWeight::get().writes(3_u64))
	}
	fn set_curators(c: u32, ) -> Weight {
		Weight::from_parts(72_874_141, 4793)
			.saturating_add(Weight::from_parts(66_195, 0).saturating_mul(c.into()))
			.saturating_add(ParityDbWeight::get().reads(3_u64))
			.saturating_add(ParityDbWeight::get().writes(3_u64))
	}
	fn retire() -> Weight {
		Weight::from_parts(22_382_000, 4793)
			.saturating_add(ParityDbWeight::get().reads(1_u64))
			.saturating_add(ParityDbWeight::get().writes(1_u64))
	}
	fn submit_contribution() -> Weight {
		Weight::from_parts(101_299_000, 4793)
			.saturating_add(ParityDbWeight::get().reads(6_u64))
			.saturating_add(ParityDbWeight::get().writes(8_u64))
	}
	fn accept() -> Weight {
		Weight::from_parts(134_812_000, 5527)
			.saturating_add(ParityDbWeight::get().reads(6_u64))
			.saturating_add(ParityDbWeight::get().writes(5_u64))
	}
	fn reject() -> Weight {
		Weight::from_parts(91_911_000, 4793)
			.saturating_add(ParityDbWeight::get().reads(5_u64))
			.saturating_add(ParityDbWeight::get().writes(5_u64))
	}
	fn withdraw() -> Weight {
		Weight::from_parts(163_796_000, 5583)
			.saturating_add(ParityDbWeight::get().reads(8_u64))
			.saturating_add(ParityDbWeight::get().writes(8_u64))
	}
	fn publish_version(n: u32, ) -> Weight {
		Weight::from_parts(94_705_395, 5583)
			.saturating_add(Weight::from_parts(7_890_373, 0).saturating_mul(n.into()))
			.saturating_add(ParityDbWeight::get().reads(5_u64))
			.saturating_add(ParityDbWeight::get().reads((1_u64).saturating_mul(n.into())))
			.saturating_add(ParityDbWeight::get().writes(4_u64))
			.saturating_add(Weight::from_parts(0, 3204).saturating_mul(n.into()))
	}
}

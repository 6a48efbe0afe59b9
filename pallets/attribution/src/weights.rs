//! Weights of `pallet_attribution`, measured.
//!
//! Written by `scripts/weights` with frame-omni-bencher (64.0.0); do not edit.
//! DATE: 2026-11-22, STEPS: `50`, REPEAT: `20`, LOW RANGE: `[]`, HIGH RANGE: `[]`
//! CPU: `AMD EPYC`, WASM-EXECUTION: `Compiled`, WORST CASE MAP SIZE: `1000000`

#![cfg_attr(rustfmt, rustfmt_skip)]
#![allow(unused_parens)]
#![allow(unused_imports)]
#![allow(missing_docs)]
#![allow(dead_code)]

use frame_support::{traits::Get, weights::{Weight, constants::ParityDbWeight}};
use core::marker::PhantomData;

/// Weight functions needed for `pallet_attribution`.
pub trait WeightInfo {
	fn fund() -> Weight;
	fn claim(d: u32, ) -> Weight;
	fn fund_answers() -> Weight;
	fn publish_epoch() -> Weight;
	fn challenge() -> Weight;
	fn draw() -> Weight;
	fn open_leaf(d: u32, n: u32, ) -> Weight;
	fn refute(d: u32, ) -> Weight;
	fn resolve_accept() -> Weight;
	fn resolve_reject() -> Weight;
	fn claim_answers(d: u32, ) -> Weight;
	fn release() -> Weight;
}

/// Weights for `pallet_attribution` in a runtime: its own database weights.
pub struct SubstrateWeight<T>(PhantomData<T>);
impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
	/// Storage: `Attribution::Streams` (r:1 w:1)
	/// Proof: `Attribution::Streams` (`max_values`: None, `max_size`: Some(625), added: 3100, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:14 w:14)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:1 w:1)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(391), added: 2866, mode: `MaxEncodedLen`)
	fn fund() -> Weight {
		// Proof size in bytes:
		//  Measured:  `1754`
		//  Estimated: `37432`
		// Least execution time: 658_539_000 picoseconds.
		Weight::from_parts(694_302_000, 37432)
			.saturating_add(T::DbWeight::get().reads(16_u64))
			.saturating_add(T::DbWeight::get().writes(16_u64))
	}
	/// Storage: `Attribution::Streams` (r:1 w:1)
	/// Proof: `Attribution::Streams` (`max_values`: None, `max_size`: Some(625), added: 3100, mode: `MaxEncodedLen`)
	/// Storage: `System::BlockHash` (r:1 w:0)
	/// Proof: `System::BlockHash` (`max_values`: None, `max_size`: Some(44), added: 2519, mode: `MaxEncodedLen`)
	/// Storage: `Attribution::Claims` (r:1 w:1)
	/// Proof: `Attribution::Claims` (`max_values`: None, `max_size`: Some(116), added: 2591, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:2 w:2)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:2 w:2)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(391), added: 2866, mode: `MaxEncodedLen`)
	/// The range of component `d` is `[0, 24]`.
	fn claim(d: u32, ) -> Weight {
		// Proof size in bytes:
		//  Measured:  `1009`
		//  Estimated: `6722`
		// Least execution time: 137_234_000 picoseconds.
		Weight::from_parts(144_130_764, 6722)
			// Standard error: 15_852
			.saturating_add(Weight::from_parts(920_136, 0).saturating_mul(d.into()))
			.saturating_add(T::DbWeight::get().reads(7_u64))
			.saturating_add(T::DbWeight::get().writes(6_u64))
	}
	/// Storage: `Attribution::Streams` (r:1 w:1)
	/// Proof: `Attribution::Streams` (`max_values`: None, `max_size`: Some(625), added: 3100, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:14 w:14)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:2 w:2)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(391), added: 2866, mode: `MaxEncodedLen`)
	/// Storage: `Attribution::Ledgers` (r:1 w:1)
	/// Proof: `Attribution::Ledgers` (`max_values`: None, `max_size`: Some(524), added: 2999, mode: `MaxEncodedLen`)
	fn fund_answers() -> Weight {
		// Proof size in bytes:
		//  Measured:  `1790`
		//  Estimated: `37432`
		// Least execution time: 715_884_000 picoseconds.
		Weight::from_parts(764_457_000, 37432)
			.saturating_add(T::DbWeight::get().reads(18_u64))
			.saturating_add(T::DbWeight::get().writes(18_u64))
	}
	/// Storage: `Attribution::Streams` (r:1 w:0)
	/// Proof: `Attribution::Streams` (`max_values`: None, `max_size`: Some(625), added: 3100, mode: `MaxEncodedLen`)
	/// Storage: `Attribution::Ledgers` (r:1 w:1)
	/// Proof: `Attribution::Ledgers` (`max_values`: None, `max_size`: Some(524), added: 2999, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:1 w:1)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:1 w:1)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(391), added: 2866, mode: `MaxEncodedLen`)
	fn publish_epoch() -> Weight {
		// Proof size in bytes:
		//  Measured:  `1037`
		//  Estimated: `4090`
		// Least execution time: 80_580_000 picoseconds.
		Weight::from_parts(85_307_000, 4090)
			.saturating_add(T::DbWeight::get().reads(4_u64))
			.saturating_add(T::DbWeight::get().writes(3_u64))
	}
	/// Storage: `Attribution::Ledgers` (r:1 w:1)
	/// Proof: `Attribution::Ledgers` (`max_values`: None, `max_size`: Some(524), added: 2999, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:1 w:1)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:1 w:1)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(391), added: 2866, mode: `MaxEncodedLen`)
	fn challenge() -> Weight {
		// Proof size in bytes:
		//  Measured:  `492`
		//  Estimated: `3989`
		// Least execution time: 73_920_000 picoseconds.
		Weight::from_parts(77_506_000, 3989)
			.saturating_add(T::DbWeight::get().reads(3_u64))
			.saturating_add(T::DbWeight::get().writes(3_u64))
	}
	/// Storage: `Attribution::Ledgers` (r:1 w:1)
	/// Proof: `Attribution::Ledgers` (`max_values`: None, `max_size`: Some(524), added: 2999, mode: `MaxEncodedLen`)
	/// Storage: `System::BlockHash` (r:1 w:0)
	/// Proof: `System::BlockHash` (`max_values`: None, `max_size`: Some(44), added: 2519, mode: `MaxEncodedLen`)
	/// Storage: `Babe::NextRandomness` (r:1 w:0)
	/// Proof: `Babe::NextRandomness` (`max_values`: Some(1), `max_size`: Some(32), added: 527, mode: `MaxEncodedLen`)
	/// Storage: `Babe::EpochStart` (r:1 w:0)
	/// Proof: `Babe::EpochStart` (`max_values`: Some(1), `max_size`: Some(8), added: 503, mode: `MaxEncodedLen`)
	fn draw() -> Weight {
		// Proof size in bytes:
		//  Measured:  `639`
		//  Estimated: `3989`
		// Least execution time: 30_836_000 picoseconds.
		Weight::from_parts(33_880_000, 3989)
			.saturating_add(T::DbWeight::get().reads(4_u64))
			.saturating_add(T::DbWeight::get().writes(1_u64))
	}
	/// Storage: `Attribution::Ledgers` (r:1 w:1)
	/// Proof: `Attribution::Ledgers` (`max_values`: None, `max_size`: Some(524), added: 2999, mode: `MaxEncodedLen`)
	/// Storage: `System::BlockHash` (r:1 w:0)
	/// Proof: `System::BlockHash` (`max_values`: None, `max_size`: Some(44), added: 2519, mode: `MaxEncodedLen`)
	/// The range of component `d` is `[0, 24]`.
	/// The range of component `n` is `[0, 300]`.
	fn open_leaf(d: u32, n: u32, ) -> Weight {
		// Proof size in bytes:
		//  Measured:  `518`
		//  Estimated: `3989`
		// Least execution time: 55_312_000 picoseconds.
		Weight::from_parts(39_023_919, 3989)
			// Standard error: 36_265
			.saturating_add(Weight::from_parts(1_127_404, 0).saturating_mul(d.into()))
			// Standard error: 2_985
			.saturating_add(Weight::from_parts(841_965, 0).saturating_mul(n.into()))
			.saturating_add(T::DbWeight::get().reads(2_u64))
			.saturating_add(T::DbWeight::get().writes(1_u64))
	}
	/// Storage: `Attribution::Ledgers` (r:1 w:1)
	/// Proof: `Attribution::Ledgers` (`max_values`: None, `max_size`: Some(524), added: 2999, mode: `MaxEncodedLen`)
	/// Storage: `System::BlockHash` (r:1 w:0)
	/// Proof: `System::BlockHash` (`max_values`: None, `max_size`: Some(44), added: 2519, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:4 w:4)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:2 w:2)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(391), added: 2866, mode: `MaxEncodedLen`)
	/// The range of component `d` is `[0, 24]`.
	fn refute(d: u32, ) -> Weight {
		// Proof size in bytes:
		//  Measured:  `1346`
		//  Estimated: `11402`
		// Least execution time: 185_777_000 picoseconds.
		Weight::from_parts(199_145_283, 11402)
			// Standard error: 28_047
			.saturating_add(Weight::from_parts(2_171_738, 0).saturating_mul(d.into()))
			.saturating_add(T::DbWeight::get().reads(8_u64))
			.saturating_add(T::DbWeight::get().writes(7_u64))
	}
	/// Storage: `Attribution::Ledgers` (r:1 w:1)
	/// Proof: `Attribution::Ledgers` (`max_values`: None, `max_size`: Some(524), added: 2999, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:2 w:2)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:2 w:2)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(391), added: 2866, mode: `MaxEncodedLen`)
	fn resolve_accept() -> Weight {
		// Proof size in bytes:
		//  Measured:  `892`
		//  Estimated: `6722`
		// Least execution time: 120_569_000 picoseconds.
		Weight::from_parts(128_591_000, 6722)
			.saturating_add(T::DbWeight::get().reads(5_u64))
			.saturating_add(T::DbWeight::get().writes(5_u64))
	}
	/// Storage: `Attribution::Ledgers` (r:1 w:1)
	/// Proof: `Attribution::Ledgers` (`max_values`: None, `max_size`: Some(524), added: 2999, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:3 w:3)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:2 w:2)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(391), added: 2866, mode: `MaxEncodedLen`)
	fn resolve_reject() -> Weight {
		// Proof size in bytes:
		//  Measured:  `1066`
		//  Estimated: `8799`
		// Least execution time: 167_219_000 picoseconds.
		Weight::from_parts(175_682_000, 8799)
			.saturating_add(T::DbWeight::get().reads(6_u64))
			.saturating_add(T::DbWeight::get().writes(6_u64))
	}
	/// Storage: `Attribution::Ledgers` (r:1 w:1)
	/// Proof: `Attribution::Ledgers` (`max_values`: None, `max_size`: Some(524), added: 2999, mode: `MaxEncodedLen`)
	/// Storage: `System::BlockHash` (r:1 w:0)
	/// Proof: `System::BlockHash` (`max_values`: None, `max_size`: Some(44), added: 2519, mode: `MaxEncodedLen`)
	/// Storage: `Attribution::AnswerClaims` (r:1 w:1)
	/// Proof: `Attribution::AnswerClaims` (`max_values`: None, `max_size`: Some(132), added: 2607, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:2 w:2)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:2 w:2)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(391), added: 2866, mode: `MaxEncodedLen`)
	/// The range of component `d` is `[0, 24]`.
	fn claim_answers(d: u32, ) -> Weight {
		// Proof size in bytes:
		//  Measured:  `785`
		//  Estimated: `6722`
		// Least execution time: 142_472_000 picoseconds.
		Weight::from_parts(150_872_183, 6722)
			// Standard error: 19_003
			.saturating_add(Weight::from_parts(1_160_803, 0).saturating_mul(d.into()))
			.saturating_add(T::DbWeight::get().reads(7_u64))
			.saturating_add(T::DbWeight::get().writes(6_u64))
	}
	/// Storage: `Attribution::Streams` (r:1 w:1)
	/// Proof: `Attribution::Streams` (`max_values`: None, `max_size`: Some(625), added: 3100, mode: `MaxEncodedLen`)
	/// Storage: `Attribution::Ledgers` (r:1 w:1)
	/// Proof: `Attribution::Ledgers` (`max_values`: None, `max_size`: Some(524), added: 2999, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:1 w:1)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:1 w:1)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(391), added: 2866, mode: `MaxEncodedLen`)
	fn release() -> Weight {
		// Proof size in bytes:
		//  Measured:  `1037`
		//  Estimated: `4090`
		// Least execution time: 119_688_000 picoseconds.
		Weight::from_parts(128_722_000, 4090)
			.saturating_add(T::DbWeight::get().reads(4_u64))
			.saturating_add(T::DbWeight::get().writes(4_u64))
	}
}

/// The same with ParityDB's weights, for tests of the pallet alone.
impl WeightInfo for () {
	fn fund() -> Weight {
		Weight::from_parts(694_302_000, 37432)
			.saturating_add(ParityDbWeight::get().reads(16_u64))
			.saturating_add(ParityDbWeight::get().writes(16_u64))
	}
	fn claim(d: u32, ) -> Weight {
		Weight::from_parts(144_130_764, 6722)
			.saturating_add(Weight::from_parts(920_136, 0).saturating_mul(d.into()))
			.saturating_add(ParityDbWeight::get().reads(7_u64))
			.saturating_add(ParityDbWeight::get().writes(6_u64))
	}
	fn fund_answers() -> Weight {
		Weight::from_parts(764_457_000, 37432)
			.saturating_add(ParityDbWeight::get().reads(18_u64))
			.saturating_add(ParityDbWeight::get().writes(18_u64))
	}
	fn publish_epoch() -> Weight {
		Weight::from_parts(85_307_000, 4090)
			.saturating_add(ParityDbWeight::get().reads(4_u64))
			.saturating_add(ParityDbWeight::get().writes(3_u64))
	}
	fn challenge() -> Weight {
		Weight::from_parts(77_506_000, 3989)
			.saturating_add(ParityDbWeight::get().reads(3_u64))
			.saturating_add(ParityDbWeight::get().writes(3_u64))
	}
	fn draw() -> Weight {
		Weight::from_parts(33_880_000, 3989)
			.saturating_add(ParityDbWeight::get().reads(4_u64))
			.saturating_add(ParityDbWeight::get().writes(1_u64))
	}
	fn open_leaf(d: u32, n: u32, ) -> Weight {
		Weight::from_parts(39_023_919, 3989)
			.saturating_add(Weight::from_parts(1_127_404, 0).saturating_mul(d.into()))
			.saturating_add(Weight::from_parts(841_965, 0).saturating_mul(n.into()))
			.saturating_add(ParityDbWeight::get().reads(2_u64))
			.saturating_add(ParityDbWeight::get().writes(1_u64))
	}
	fn refute(d: u32, ) -> Weight {
		Weight::from_parts(199_145_283, 11402)
			.saturating_add(Weight::from_parts(2_171_738, 0).saturating_mul(d.into()))
			.saturating_add(ParityDbWeight::get().reads(8_u64))
			.saturating_add(ParityDbWeight::get().writes(7_u64))
	}
	fn resolve_accept() -> Weight {
		Weight::from_parts(128_591_000, 6722)
			.saturating_add(ParityDbWeight::get().reads(5_u64))
			.saturating_add(ParityDbWeight::get().writes(5_u64))
	}
	fn resolve_reject() -> Weight {
		Weight::from_parts(175_682_000, 8799)
			.saturating_add(ParityDbWeight::get().reads(6_u64))
			.saturating_add(ParityDbWeight::get().writes(6_u64))
	}
	fn claim_answers(d: u32, ) -> Weight {
		Weight::from_parts(150_872_183, 6722)
			.saturating_add(Weight::from_parts(1_160_803, 0).saturating_mul(d.into()))
			.saturating_add(ParityDbWeight::get().reads(7_u64))
			.saturating_add(ParityDbWeight::get().writes(6_u64))
	}
	fn release() -> Weight {
		Weight::from_parts(128_722_000, 4090)
			.saturating_add(ParityDbWeight::get().reads(4_u64))
			.saturating_add(ParityDbWeight::get().writes(4_u64))
	}
}

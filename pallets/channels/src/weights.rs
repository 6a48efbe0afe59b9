//! Weights of `pallet_channels`, measured.
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

/// Weight functions needed for `pallet_channels`.
pub trait WeightInfo {
	fn offer() -> Weight;
	fn withdraw_offer() -> Weight;
	fn open() -> Weight;
	fn top_up() -> Weight;
	fn redeem(v: u32, m: u32, ) -> Weight;
	fn close_by_app() -> Weight;
	fn close_by_operator() -> Weight;
	fn finalise() -> Weight;
	fn force_close() -> Weight;
}

/// Weights for `pallet_channels` in a runtime: its own database weights.
pub struct SubstrateWeight<T>(PhantomData<T>);
impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
	/// Storage: `Models::Models` (r:1 w:0)
	/// Proof: `Models::Models` (`max_values`: None, `max_size`: Some(385), added: 2860, mode: `MaxEncodedLen`)
	/// Storage: `Models::Deployments` (r:1 w:0)
	/// Proof: `Models::Deployments` (`max_values`: None, `max_size`: Some(342), added: 2817, mode: `MaxEncodedLen`)
	/// Storage: `Grants::Grants` (r:8 w:0)
	/// Proof: `Grants::Grants` (`max_values`: None, `max_size`: Some(614), added: 3089, mode: `MaxEncodedLen`)
	/// Storage: `Channels::Offers` (r:1 w:1)
	/// Proof: `Channels::Offers` (`max_values`: None, `max_size`: Some(148), added: 2623, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:1 w:1)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:1 w:1)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(391), added: 2866, mode: `MaxEncodedLen`)
	fn offer() -> Weight {
		// Proof size in bytes:
		//  Measured:  `2282`
		//  Estimated: `25702`
		// Least execution time: 140_088_000 picoseconds.
		Weight::from_parts(155_331_000, 25702)
			.saturating_add(T::DbWeight::get().reads(13_u64))
			.saturating_add(T::DbWeight::get().writes(3_u64))
	}
	/// Storage: `Channels::Offers` (r:1 w:1)
	/// Proof: `Channels::Offers` (`max_values`: None, `max_size`: Some(148), added: 2623, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:1 w:1)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:1 w:1)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(391), added: 2866, mode: `MaxEncodedLen`)
	fn withdraw_offer() -> Weight {
		// Proof size in bytes:
		//  Measured:  `707`
		//  Estimated: `3856`
		// Least execution time: 72_047_000 picoseconds.
		Weight::from_parts(77_976_000, 3856)
			.saturating_add(T::DbWeight::get().reads(3_u64))
			.saturating_add(T::DbWeight::get().writes(3_u64))
	}
	/// Storage: `Channels::NextChannel` (r:1 w:1)
	/// Proof: `Channels::NextChannel` (`max_values`: Some(1), `max_size`: Some(8), added: 503, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:1 w:1)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:1 w:1)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(391), added: 2866, mode: `MaxEncodedLen`)
	/// Storage: `Channels::Channels` (r:0 w:1)
	/// Proof: `Channels::Channels` (`max_values`: None, `max_size`: Some(810), added: 3285, mode: `MaxEncodedLen`)
	fn open() -> Weight {
		// Proof size in bytes:
		//  Measured:  `145`
		//  Estimated: `3856`
		// Least execution time: 113_088_000 picoseconds.
		Weight::from_parts(117_354_000, 3856)
			.saturating_add(T::DbWeight::get().reads(3_u64))
			.saturating_add(T::DbWeight::get().writes(4_u64))
	}
	/// Storage: `Channels::Channels` (r:1 w:1)
	/// Proof: `Channels::Channels` (`max_values`: None, `max_size`: Some(810), added: 3285, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:1 w:1)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:1 w:1)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(391), added: 2866, mode: `MaxEncodedLen`)
	fn top_up() -> Weight {
		// Proof size in bytes:
		//  Measured:  `1042`
		//  Estimated: `4275`
		// Least execution time: 71_256_000 picoseconds.
		Weight::from_parts(74_511_000, 4275)
			.saturating_add(T::DbWeight::get().reads(3_u64))
			.saturating_add(T::DbWeight::get().writes(3_u64))
	}
	/// Storage: `Channels::Channels` (r:16 w:16)
	/// Proof: `Channels::Channels` (`max_values`: None, `max_size`: Some(810), added: 3285, mode: `MaxEncodedLen`)
	/// Storage: `Models::Models` (r:16 w:0)
	/// Proof: `Models::Models` (`max_values`: None, `max_size`: Some(385), added: 2860, mode: `MaxEncodedLen`)
	/// Storage: `Channels::Offers` (r:16 w:0)
	/// Proof: `Channels::Offers` (`max_values`: None, `max_size`: Some(148), added: 2623, mode: `MaxEncodedLen`)
	/// Storage: `System::BlockHash` (r:1 w:0)
	/// Proof: `System::BlockHash` (`max_values`: None, `max_size`: Some(44), added: 2519, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:18 w:18)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(391), added: 2866, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:30 w:30)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Attribution::Streams` (r:16 w:16)
	/// Proof: `Attribution::Streams` (`max_values`: None, `max_size`: Some(625), added: 3100, mode: `MaxEncodedLen`)
	/// Storage: `Attribution::Ledgers` (r:16 w:16)
	/// Proof: `Attribution::Ledgers` (`max_values`: None, `max_size`: Some(524), added: 2999, mode: `MaxEncodedLen`)
	/// The range of component `v` is `[1, 16]`.
	/// The range of component `m` is `[0, 16]`.
	fn redeem(v: u32, m: u32, ) -> Weight {
		// Proof size in bytes:
		//  Measured:  `0 + m * (984 ±0) + v * (1926 ±0)`
		//  Estimated: `37432 + m * (1108 ±112) + v * (3285 ±0)`
		// Least execution time: 999_155_000 picoseconds.
		Weight::from_parts(1_036_401_000, 37432)
			// Standard error: 9_295_035
			.saturating_add(Weight::from_parts(332_211_964, 0).saturating_mul(v.into()))
			// Standard error: 9_357_160
			.saturating_add(Weight::from_parts(290_818_484, 0).saturating_mul(m.into()))
			.saturating_add(T::DbWeight::get().reads(24_u64))
			.saturating_add(T::DbWeight::get().reads((4_u64).saturating_mul(v.into())))
			.saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(m.into())))
			.saturating_add(T::DbWeight::get().writes(21_u64))
			.saturating_add(T::DbWeight::get().writes((3_u64).saturating_mul(v.into())))
			.saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(m.into())))
			.saturating_add(Weight::from_parts(0, 1108).saturating_mul(m.into()))
			.saturating_add(Weight::from_parts(0, 3285).saturating_mul(v.into()))
	}
	/// Storage: `Channels::Channels` (r:1 w:1)
	/// Proof: `Channels::Channels` (`max_values`: None, `max_size`: Some(810), added: 3285, mode: `MaxEncodedLen`)
	fn close_by_app() -> Weight {
		// Proof size in bytes:
		//  Measured:  `864`
		//  Estimated: `4275`
		// Least execution time: 16_224_000 picoseconds.
		Weight::from_parts(17_757_000, 4275)
			.saturating_add(T::DbWeight::get().reads(1_u64))
			.saturating_add(T::DbWeight::get().writes(1_u64))
	}
	/// Storage: `Channels::Channels` (r:1 w:1)
	/// Proof: `Channels::Channels` (`max_values`: None, `max_size`: Some(810), added: 3285, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:1 w:1)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:1 w:1)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(391), added: 2866, mode: `MaxEncodedLen`)
	fn close_by_operator() -> Weight {
		// Proof size in bytes:
		//  Measured:  `1046`
		//  Estimated: `4275`
		// Least execution time: 101_140_000 picoseconds.
		Weight::from_parts(105_837_000, 4275)
			.saturating_add(T::DbWeight::get().reads(3_u64))
			.saturating_add(T::DbWeight::get().writes(3_u64))
	}
	/// Storage: `Channels::Channels` (r:1 w:1)
	/// Proof: `Channels::Channels` (`max_values`: None, `max_size`: Some(810), added: 3285, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:1 w:1)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:1 w:1)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(391), added: 2866, mode: `MaxEncodedLen`)
	fn finalise() -> Weight {
		// Proof size in bytes:
		//  Measured:  `1046`
		//  Estimated: `4275`
		// Least execution time: 101_030_000 picoseconds.
		Weight::from_parts(105_787_000, 4275)
			.saturating_add(T::DbWeight::get().reads(3_u64))
			.saturating_add(T::DbWeight::get().writes(3_u64))
	}
	/// Storage: `Channels::Channels` (r:1 w:1)
	/// Proof: `Channels::Channels` (`max_values`: None, `max_size`: Some(810), added: 3285, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:1 w:1)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:1 w:1)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(391), added: 2866, mode: `MaxEncodedLen`)
	fn force_close() -> Weight {
		// Proof size in bytes:
		//  Measured:  `1046`
		//  Estimated: `4275`
		// Least execution time: 100_469_000 picoseconds.
		Weight::from_parts(107_680_000, 4275)
			.saturating_add(T::DbWeight::get().reads(3_u64))
			.saturating_add(T::DbWeight::get().writes(3_u64))
	}
}

/// The same with ParityDB's weights, for tests of the pallet alone.
impl WeightInfo for () {
	fn offer() -> Weight {
		Weight::from_parts(155_331_000, 25702)
			.saturating_add(ParityDbWeight::get().reads(13_u64))
			.saturating_add(ParityDbWeight::get().writes(3_u64))
	}
	fn withdraw_offer() -> Weight {
		Weight::from_parts(77_976_000, 3856)
			.saturating_add(ParityDbWeight::get().reads(3_u64))
			.saturating_add(ParityDbWeight::get().writes(3_u64))
	}
	fn open() -> Weight {
		Weight::from_parts(117_354_000, 3856)
			.saturating_add(ParityDbWeight::get().reads(3_u64))
			.saturating_add(ParityDbWeight::get().writes(4_u64))
	}
	fn top_up() -> Weight {
		Weight::from_parts(74_511_000, 4275)
			.saturating_add(ParityDbWeight::get().reads(3_u64))
			.saturating_add(ParityDbWeight::get().writes(3_u64))
	}
	fn redeem(v: u32, m: u32, ) -> Weight {
		Weight::from_parts(1_036_401_000, 37432)
			.saturating_add(Weight::from_parts(332_211_964, 0).saturating_mul(v.into()))
			.saturating_add(Weight::from_parts(290_818_484, 0).saturating_mul(m.into()))
			.saturating_add(ParityDbWeight::get().reads(24_u64))
			.saturating_add(ParityDbWeight::get().reads((4_u64).saturating_mul(v.into())))
			.saturating_add(ParityDbWeight::get().reads((1_u64).saturating_mul(m.into())))
			.saturating_add(ParityDbWeight::get().writes(21_u64))
			.saturating_add(ParityDbWeight::get().writes((3_u64).saturating_mul(v.into())))
			.saturating_add(ParityDbWeight::get().writes((1_u64).saturating_mul(m.into())))
			.saturating_add(Weight::from_parts(0, 1108).saturating_mul(m.into()))
			.saturating_add(Weight::from_parts(0, 3285).saturating_mul(v.into()))
	}
	fn close_by_app() -> Weight {
		Weight::from_parts(17_757_000, 4275)
			.saturating_add(ParityDbWeight::get().reads(1_u64))
			.saturating_add(ParityDbWeight::get().writes(1_u64))
	}
	fn close_by_operator() -> Weight {
		Weight::from_parts(105_837_000, 4275)
			.saturating_add(ParityDbWeight::get().reads(3_u64))
			.saturating_add(ParityDbWeight::get().writes(3_u64))
	}
	fn finalise() -> Weight {
		Weight::from_parts(105_787_000, 4275)
			.saturating_add(ParityDbWeight::get().reads(3_u64))
			.saturating_add(ParityDbWeight::get().writes(3_u64))
	}
	fn force_close() -> Weight {
		Weight::from_parts(107_680_000, 4275)
			.saturating_add(ParityDbWeight::get().reads(3_u64))
			.saturating_add(ParityDbWeight::get().writes(3_u64))
	}
}

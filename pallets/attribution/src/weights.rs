//! Weights of `pallet_attribution`, measured but for the calls of operators' epochs, which are estimated above `claim` until
//! `scripts/weights attribution` runs again.
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
	/// Proof: `Attribution::Streams` (`max_values`: None, `max_size`: Some(621), added: 3096, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:14 w:14)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:1 w:1)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(265), added: 2740, mode: `MaxEncodedLen`)
	fn fund() -> Weight {
		// Proof size in bytes:
		//  Measured:  `1750`
		//  Estimated: `37432`
		// Least execution time: 643_021_000 picoseconds.
		Weight::from_parts(661_014_000, 37432)
			.saturating_add(T::DbWeight::get().reads(16_u64))
			.saturating_add(T::DbWeight::get().writes(16_u64))
	}
	/// Storage: `Attribution::Streams` (r:1 w:1)
	/// Proof: `Attribution::Streams` (`max_values`: None, `max_size`: Some(621), added: 3096, mode: `MaxEncodedLen`)
	/// Storage: `System::BlockHash` (r:1 w:0)
	/// Proof: `System::BlockHash` (`max_values`: None, `max_size`: Some(44), added: 2519, mode: `MaxEncodedLen`)
	/// Storage: `Attribution::Claims` (r:1 w:1)
	/// Proof: `Attribution::Claims` (`max_values`: None, `max_size`: Some(116), added: 2591, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:2 w:2)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:2 w:2)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(265), added: 2740, mode: `MaxEncodedLen`)
	/// The range of component `d` is `[0, 24]`.
	fn claim(d: u32, ) -> Weight {
		// Proof size in bytes:
		//  Measured:  `1005`
		//  Estimated: `6470`
		// Least execution time: 143_518_000 picoseconds.
		Weight::from_parts(149_250_893, 6470)
			// Standard error: 5_591
			.saturating_add(Weight::from_parts(1_120_836, 0).saturating_mul(d.into()))
			.saturating_add(T::DbWeight::get().reads(7_u64))
			.saturating_add(T::DbWeight::get().writes(6_u64))
	}
	/// Not measured yet: as `fund`, with a ledger and its hold.
	fn fund_answers() -> Weight {
		Self::fund().saturating_add(Weight::from_parts(100_000_000, 6470))
			.saturating_add(T::DbWeight::get().reads(3_u64))
			.saturating_add(T::DbWeight::get().writes(3_u64))
	}
	/// Not measured yet: bounded by `claim`, which does as much.
	fn publish_epoch() -> Weight {
		Weight::from_parts(250_000_000, 12940)
			.saturating_add(T::DbWeight::get().reads(4_u64))
			.saturating_add(T::DbWeight::get().writes(3_u64))
	}
	/// Not measured yet: bounded by `claim`, which does as much.
	fn challenge() -> Weight {
		Weight::from_parts(250_000_000, 12940)
			.saturating_add(T::DbWeight::get().reads(2_u64))
			.saturating_add(T::DbWeight::get().writes(2_u64))
	}
	/// Not measured yet: bounded by `claim`, which does as much.
	fn draw() -> Weight {
		Weight::from_parts(250_000_000, 12940)
			.saturating_add(T::DbWeight::get().reads(4_u64))
			.saturating_add(T::DbWeight::get().writes(1_u64))
	}
	/// Not measured yet: bounded by `claim`, which does as much.
	fn open_leaf(d: u32, n: u32, ) -> Weight {
		Weight::from_parts(250_000_000, 12940)
			.saturating_add(Weight::from_parts(1200000, 0).saturating_mul(d.into()))
			.saturating_add(Weight::from_parts(1_200_000, 0).saturating_mul(n.into()))
			.saturating_add(T::DbWeight::get().reads(2_u64))
			.saturating_add(T::DbWeight::get().writes(1_u64))
	}
	/// Not measured yet: bounded by `claim`, which does as much.
	fn refute(d: u32, ) -> Weight {
		Weight::from_parts(250_000_000, 12940)
			.saturating_add(Weight::from_parts(2400000, 0).saturating_mul(d.into()))
			.saturating_add(T::DbWeight::get().reads(5_u64))
			.saturating_add(T::DbWeight::get().writes(4_u64))
	}
	/// Not measured yet: bounded by `claim`, which does as much.
	fn resolve_accept() -> Weight {
		Weight::from_parts(250_000_000, 12940)
			.saturating_add(T::DbWeight::get().reads(5_u64))
			.saturating_add(T::DbWeight::get().writes(4_u64))
	}
	/// Not measured yet: bounded by `claim`, which does as much.
	fn resolve_reject() -> Weight {
		Weight::from_parts(250_000_000, 12940)
			.saturating_add(T::DbWeight::get().reads(6_u64))
			.saturating_add(T::DbWeight::get().writes(5_u64))
	}
	/// Not measured yet: bounded by `claim`, which does as much.
	fn claim_answers(d: u32, ) -> Weight {
		Weight::from_parts(250_000_000, 12940)
			.saturating_add(Weight::from_parts(1200000, 0).saturating_mul(d.into()))
			.saturating_add(T::DbWeight::get().reads(7_u64))
			.saturating_add(T::DbWeight::get().writes(6_u64))
	}
	/// Not measured yet: bounded by `claim`, which does as much.
	fn release() -> Weight {
		Weight::from_parts(250_000_000, 12940)
			.saturating_add(T::DbWeight::get().reads(4_u64))
			.saturating_add(T::DbWeight::get().writes(4_u64))
	}
}

/// The same with ParityDB's weights, for tests of the pallet alone.
impl WeightInfo for () {
	fn fund() -> Weight {
		Weight::from_parts(661_014_000, 37432)
			.saturating_add(ParityDbWeight::get().reads(16_u64))
			.saturating_add(ParityDbWeight::get().writes(16_u64))
	}
	fn claim(d: u32, ) -> Weight {
		Weight::from_parts(149_250_893, 6470)
			.saturating_add(Weight::from_parts(1_120_836, 0).saturating_mul(d.into()))
			.saturating_add(ParityDbWeight::get().reads(7_u64))
			.saturating_add(ParityDbWeight::get().writes(6_u64))
	}
	/// Not measured yet: as `fund`, with a ledger and its hold.
	fn fund_answers() -> Weight {
		Self::fund().saturating_add(Weight::from_parts(100_000_000, 6470))
			.saturating_add(ParityDbWeight::get().reads(3_u64))
			.saturating_add(ParityDbWeight::get().writes(3_u64))
	}
	/// Not measured yet: bounded by `claim`, which does as much.
	fn publish_epoch() -> Weight {
		Weight::from_parts(250_000_000, 12940)
			.saturating_add(ParityDbWeight::get().reads(4_u64))
			.saturating_add(ParityDbWeight::get().writes(3_u64))
	}
	/// Not measured yet: bounded by `claim`, which does as much.
	fn challenge() -> Weight {
		Weight::from_parts(250_000_000, 12940)
			.saturating_add(ParityDbWeight::get().reads(2_u64))
			.saturating_add(ParityDbWeight::get().writes(2_u64))
	}
	/// Not measured yet: bounded by `claim`, which does as much.
	fn draw() -> Weight {
		Weight::from_parts(250_000_000, 12940)
			.saturating_add(ParityDbWeight::get().reads(4_u64))
			.saturating_add(ParityDbWeight::get().writes(1_u64))
	}
	/// Not measured yet: bounded by `claim`, which does as much.
	fn open_leaf(d: u32, n: u32, ) -> Weight {
		Weight::from_parts(250_000_000, 12940)
			.saturating_add(Weight::from_parts(1200000, 0).saturating_mul(d.into()))
			.saturating_add(Weight::from_parts(1_200_000, 0).saturating_mul(n.into()))
			.saturating_add(ParityDbWeight::get().reads(2_u64))
			.saturating_add(ParityDbWeight::get().writes(1_u64))
	}
	/// Not measured yet: bounded by `claim`, which does as much.
	fn refute(d: u32, ) -> Weight {
		Weight::from_parts(250_000_000, 12940)
			.saturating_add(Weight::from_parts(2400000, 0).saturating_mul(d.into()))
			.saturating_add(ParityDbWeight::get().reads(5_u64))
			.saturating_add(ParityDbWeight::get().writes(4_u64))
	}
	/// Not measured yet: bounded by `claim`, which does as much.
	fn resolve_accept() -> Weight {
		Weight::from_parts(250_000_000, 12940)
			.saturating_add(ParityDbWeight::get().reads(5_u64))
			.saturating_add(ParityDbWeight::get().writes(4_u64))
	}
	/// Not measured yet: bounded by `claim`, which does as much.
	fn resolve_reject() -> Weight {
		Weight::from_parts(250_000_000, 12940)
			.saturating_add(ParityDbWeight::get().reads(6_u64))
			.saturating_add(ParityDbWeight::get().writes(5_u64))
	}
	/// Not measured yet: bounded by `claim`, which does as much.
	fn claim_answers(d: u32, ) -> Weight {
		Weight::from_parts(250_000_000, 12940)
			.saturating_add(Weight::from_parts(1200000, 0).saturating_mul(d.into()))
			.saturating_add(ParityDbWeight::get().reads(7_u64))
			.saturating_add(ParityDbWeight::get().writes(6_u64))
	}
	/// Not measured yet: bounded by `claim`, which does as much.
	fn release() -> Weight {
		Weight::from_parts(250_000_000, 12940)
			.saturating_add(ParityDbWeight::get().reads(4_u64))
			.saturating_add(ParityDbWeight::get().writes(4_u64))
	}
}

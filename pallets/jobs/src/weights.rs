//! Weights of `pallet_jobs`, measured.
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

/// Weight functions needed for `pallet_jobs`.
pub trait WeightInfo {
	fn bond() -> Weight;
	fn unbond() -> Weight;
	fn post(v: u32, ) -> Weight;
	fn claim() -> Weight;
	fn heartbeat() -> Weight;
	fn report() -> Weight;
	fn accept() -> Weight;
	fn dispute() -> Weight;
	fn settle() -> Weight;
	fn cancel() -> Weight;
	fn stop() -> Weight;
	fn expire() -> Weight;
	fn resolve_uphold() -> Weight;
	fn resolve_overturn() -> Weight;
	fn forget() -> Weight;
	fn on_initialize(n: u32, ) -> Weight;
}

/// Weights for `pallet_jobs` in a runtime: its own database weights.
pub struct SubstrateWeight<T>(PhantomData<T>);
impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
	/// Storage: `Jobs::Trainers` (r:1 w:1)
	/// Proof: `Jobs::Trainers` (`max_values`: None, `max_size`: Some(96), added: 2571, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:1 w:1)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:1 w:1)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(391), added: 2866, mode: `MaxEncodedLen`)
	fn bond() -> Weight {
		// Proof size in bytes:
		//  Measured:  `183`
		//  Estimated: `3856`
		// Least execution time: 64_847_000 picoseconds.
		Weight::from_parts(82_933_000, 3856)
			.saturating_add(T::DbWeight::get().reads(3_u64))
			.saturating_add(T::DbWeight::get().writes(3_u64))
	}
	/// Storage: `Jobs::Trainers` (r:1 w:1)
	/// Proof: `Jobs::Trainers` (`max_values`: None, `max_size`: Some(96), added: 2571, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:1 w:1)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:1 w:1)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(391), added: 2866, mode: `MaxEncodedLen`)
	fn unbond() -> Weight {
		// Proof size in bytes:
		//  Measured:  `362`
		//  Estimated: `3856`
		// Least execution time: 57_586_000 picoseconds.
		Weight::from_parts(80_700_000, 3856)
			.saturating_add(T::DbWeight::get().reads(3_u64))
			.saturating_add(T::DbWeight::get().writes(3_u64))
	}
	/// Storage: `Models::BaseModels` (r:1 w:0)
	/// Proof: `Models::BaseModels` (`max_values`: None, `max_size`: Some(237), added: 2712, mode: `MaxEncodedLen`)
	/// Storage: `Datanets::Datanets` (r:8 w:0)
	/// Proof: `Datanets::Datanets` (`max_values`: None, `max_size`: Some(1328), added: 3803, mode: `MaxEncodedLen`)
	/// Storage: `Jobs::NextJob` (r:1 w:1)
	/// Proof: `Jobs::NextJob` (`max_values`: Some(1), `max_size`: Some(8), added: 503, mode: `MaxEncodedLen`)
	/// Storage: `Grants::Grants` (r:8 w:8)
	/// Proof: `Grants::Grants` (`max_values`: None, `max_size`: Some(614), added: 3089, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:1 w:1)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:1 w:1)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(391), added: 2866, mode: `MaxEncodedLen`)
	/// Storage: `Jobs::Jobs` (r:0 w:1)
	/// Proof: `Jobs::Jobs` (`max_values`: None, `max_size`: Some(820), added: 3295, mode: `MaxEncodedLen`)
	/// The range of component `v` is `[1, 8]`.
	fn post(v: u32, ) -> Weight {
		// Proof size in bytes:
		//  Measured:  `1160 + v * (1471 ±0)`
		//  Estimated: `3856 + v * (3803 ±0)`
		// Least execution time: 158_115_000 picoseconds.
		Weight::from_parts(171_308_816, 3856)
			// Standard error: 580_062
			.saturating_add(Weight::from_parts(28_258_827, 0).saturating_mul(v.into()))
			.saturating_add(T::DbWeight::get().reads(4_u64))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(v.into())))
			.saturating_add(T::DbWeight::get().writes(4_u64))
			.saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(v.into())))
			.saturating_add(Weight::from_parts(0, 3803).saturating_mul(v.into()))
	}
	/// Storage: `Jobs::Jobs` (r:1 w:1)
	/// Proof: `Jobs::Jobs` (`max_values`: None, `max_size`: Some(820), added: 3295, mode: `MaxEncodedLen`)
	/// Storage: `Grants::Grants` (r:8 w:0)
	/// Proof: `Grants::Grants` (`max_values`: None, `max_size`: Some(614), added: 3089, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:2 w:2)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:1 w:1)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(391), added: 2866, mode: `MaxEncodedLen`)
	/// Storage: `Jobs::Trainers` (r:2 w:2)
	/// Proof: `Jobs::Trainers` (`max_values`: None, `max_size`: Some(96), added: 2571, mode: `MaxEncodedLen`)
	/// Storage: `Jobs::ActiveJobs` (r:2 w:2)
	/// Proof: `Jobs::ActiveJobs` (`max_values`: None, `max_size`: Some(177), added: 2652, mode: `MaxEncodedLen`)
	fn claim() -> Weight {
		// Proof size in bytes:
		//  Measured:  `2934`
		//  Estimated: `25702`
		// Least execution time: 182_151_000 picoseconds.
		Weight::from_parts(197_234_000, 25702)
			.saturating_add(T::DbWeight::get().reads(16_u64))
			.saturating_add(T::DbWeight::get().writes(8_u64))
	}
	/// Storage: `Jobs::Jobs` (r:1 w:1)
	/// Proof: `Jobs::Jobs` (`max_values`: None, `max_size`: Some(820), added: 3295, mode: `MaxEncodedLen`)
	/// Storage: `Grants::Grants` (r:8 w:0)
	/// Proof: `Grants::Grants` (`max_values`: None, `max_size`: Some(614), added: 3089, mode: `MaxEncodedLen`)
	fn heartbeat() -> Weight {
		// Proof size in bytes:
		//  Measured:  `1818`
		//  Estimated: `25702`
		// Least execution time: 67_500_000 picoseconds.
		Weight::from_parts(80_891_000, 25702)
			.saturating_add(T::DbWeight::get().reads(9_u64))
			.saturating_add(T::DbWeight::get().writes(1_u64))
	}
	/// Storage: `Jobs::Jobs` (r:1 w:1)
	/// Proof: `Jobs::Jobs` (`max_values`: None, `max_size`: Some(820), added: 3295, mode: `MaxEncodedLen`)
	/// Storage: `Jobs::Agenda` (r:7 w:1)
	/// Proof: `Jobs::Agenda` (`max_values`: None, `max_size`: Some(141), added: 2616, mode: `MaxEncodedLen`)
	/// Storage: `Jobs::SettlesAt` (r:0 w:1)
	/// Proof: `Jobs::SettlesAt` (`max_values`: None, `max_size`: Some(20), added: 2495, mode: `MaxEncodedLen`)
	fn report() -> Weight {
		// Proof size in bytes:
		//  Measured:  `1165`
		//  Estimated: `19302`
		// Least execution time: 57_856_000 picoseconds.
		Weight::from_parts(71_036_000, 19302)
			.saturating_add(T::DbWeight::get().reads(8_u64))
			.saturating_add(T::DbWeight::get().writes(3_u64))
	}
	/// Storage: `Jobs::Jobs` (r:1 w:1)
	/// Proof: `Jobs::Jobs` (`max_values`: None, `max_size`: Some(820), added: 3295, mode: `MaxEncodedLen`)
	/// Storage: `Jobs::SettlesAt` (r:1 w:1)
	/// Proof: `Jobs::SettlesAt` (`max_values`: None, `max_size`: Some(20), added: 2495, mode: `MaxEncodedLen`)
	/// Storage: `Jobs::Agenda` (r:1 w:1)
	/// Proof: `Jobs::Agenda` (`max_values`: None, `max_size`: Some(141), added: 2616, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:1 w:1)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(391), added: 2866, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:2 w:2)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Datanets::Datanets` (r:8 w:0)
	/// Proof: `Datanets::Datanets` (`max_values`: None, `max_size`: Some(1328), added: 3803, mode: `MaxEncodedLen`)
	/// Storage: `Models::BaseModels` (r:1 w:0)
	/// Proof: `Models::BaseModels` (`max_values`: None, `max_size`: Some(237), added: 2712, mode: `MaxEncodedLen`)
	/// Storage: `Models::NextModel` (r:1 w:1)
	/// Proof: `Models::NextModel` (`max_values`: Some(1), `max_size`: Some(8), added: 503, mode: `MaxEncodedLen`)
	/// Storage: `Models::VersionModelCount` (r:8 w:8)
	/// Proof: `Models::VersionModelCount` (`max_values`: None, `max_size`: Some(20), added: 2495, mode: `MaxEncodedLen`)
	/// Storage: `Models::Adapters` (r:1 w:1)
	/// Proof: `Models::Adapters` (`max_values`: None, `max_size`: Some(56), added: 2531, mode: `MaxEncodedLen`)
	/// Storage: `Attribution::Streams` (r:1 w:1)
	/// Proof: `Attribution::Streams` (`max_values`: None, `max_size`: Some(625), added: 3100, mode: `MaxEncodedLen`)
	/// Storage: `Jobs::Trainers` (r:1 w:1)
	/// Proof: `Jobs::Trainers` (`max_values`: None, `max_size`: Some(96), added: 2571, mode: `MaxEncodedLen`)
	/// Storage: `Jobs::ActiveJobs` (r:1 w:1)
	/// Proof: `Jobs::ActiveJobs` (`max_values`: None, `max_size`: Some(177), added: 2652, mode: `MaxEncodedLen`)
	/// Storage: `Models::Models` (r:0 w:1)
	/// Proof: `Models::Models` (`max_values`: None, `max_size`: Some(385), added: 2860, mode: `MaxEncodedLen`)
	/// Storage: `Models::VersionModels` (r:0 w:8)
	/// Proof: `Models::VersionModels` (`max_values`: None, `max_size`: Some(36), added: 2511, mode: `MaxEncodedLen`)
	fn accept() -> Weight {
		// Proof size in bytes:
		//  Measured:  `13378`
		//  Estimated: `31414`
		// Least execution time: 278_955_000 picoseconds.
		Weight::from_parts(310_562_000, 31414)
			.saturating_add(T::DbWeight::get().reads(28_u64))
			.saturating_add(T::DbWeight::get().writes(28_u64))
	}
	/// Storage: `Jobs::Jobs` (r:1 w:1)
	/// Proof: `Jobs::Jobs` (`max_values`: None, `max_size`: Some(820), added: 3295, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:1 w:1)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:1 w:1)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(391), added: 2866, mode: `MaxEncodedLen`)
	/// Storage: `Jobs::SettlesAt` (r:1 w:1)
	/// Proof: `Jobs::SettlesAt` (`max_values`: None, `max_size`: Some(20), added: 2495, mode: `MaxEncodedLen`)
	/// Storage: `Jobs::Agenda` (r:1 w:1)
	/// Proof: `Jobs::Agenda` (`max_values`: None, `max_size`: Some(141), added: 2616, mode: `MaxEncodedLen`)
	/// Storage: `Jobs::Disputes` (r:0 w:1)
	/// Proof: `Jobs::Disputes` (`max_values`: None, `max_size`: Some(32), added: 2507, mode: `MaxEncodedLen`)
	fn dispute() -> Weight {
		// Proof size in bytes:
		//  Measured:  `1639`
		//  Estimated: `4285`
		// Least execution time: 101_281_000 picoseconds.
		Weight::from_parts(114_740_000, 4285)
			.saturating_add(T::DbWeight::get().reads(5_u64))
			.saturating_add(T::DbWeight::get().writes(6_u64))
	}
	/// Storage: `Jobs::Jobs` (r:1 w:1)
	/// Proof: `Jobs::Jobs` (`max_values`: None, `max_size`: Some(820), added: 3295, mode: `MaxEncodedLen`)
	/// Storage: `Jobs::SettlesAt` (r:1 w:1)
	/// Proof: `Jobs::SettlesAt` (`max_values`: None, `max_size`: Some(20), added: 2495, mode: `MaxEncodedLen`)
	/// Storage: `Jobs::Agenda` (r:1 w:1)
	/// Proof: `Jobs::Agenda` (`max_values`: None, `max_size`: Some(141), added: 2616, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:1 w:1)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(391), added: 2866, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:2 w:2)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Datanets::Datanets` (r:8 w:0)
	/// Proof: `Datanets::Datanets` (`max_values`: None, `max_size`: Some(1328), added: 3803, mode: `MaxEncodedLen`)
	/// Storage: `Models::BaseModels` (r:1 w:0)
	/// Proof: `Models::BaseModels` (`max_values`: None, `max_size`: Some(237), added: 2712, mode: `MaxEncodedLen`)
	/// Storage: `Models::NextModel` (r:1 w:1)
	/// Proof: `Models::NextModel` (`max_values`: Some(1), `max_size`: Some(8), added: 503, mode: `MaxEncodedLen`)
	/// Storage: `Models::VersionModelCount` (r:8 w:8)
	/// Proof: `Models::VersionModelCount` (`max_values`: None, `max_size`: Some(20), added: 2495, mode: `MaxEncodedLen`)
	/// Storage: `Models::Adapters` (r:1 w:1)
	/// Proof: `Models::Adapters` (`max_values`: None, `max_size`: Some(56), added: 2531, mode: `MaxEncodedLen`)
	/// Storage: `Attribution::Streams` (r:1 w:1)
	/// Proof: `Attribution::Streams` (`max_values`: None, `max_size`: Some(625), added: 3100, mode: `MaxEncodedLen`)
	/// Storage: `Jobs::Trainers` (r:1 w:1)
	/// Proof: `Jobs::Trainers` (`max_values`: None, `max_size`: Some(96), added: 2571, mode: `MaxEncodedLen`)
	/// Storage: `Jobs::ActiveJobs` (r:1 w:1)
	/// Proof: `Jobs::ActiveJobs` (`max_values`: None, `max_size`: Some(177), added: 2652, mode: `MaxEncodedLen`)
	/// Storage: `Models::Models` (r:0 w:1)
	/// Proof: `Models::Models` (`max_values`: None, `max_size`: Some(385), added: 2860, mode: `MaxEncodedLen`)
	/// Storage: `Models::VersionModels` (r:0 w:8)
	/// Proof: `Models::VersionModels` (`max_values`: None, `max_size`: Some(36), added: 2511, mode: `MaxEncodedLen`)
	fn settle() -> Weight {
		// Proof size in bytes:
		//  Measured:  `13379`
		//  Estimated: `31414`
		// Least execution time: 279_896_000 picoseconds.
		Weight::from_parts(300_757_000, 31414)
			.saturating_add(T::DbWeight::get().reads(28_u64))
			.saturating_add(T::DbWeight::get().writes(28_u64))
	}
	/// Storage: `Jobs::Jobs` (r:1 w:1)
	/// Proof: `Jobs::Jobs` (`max_values`: None, `max_size`: Some(820), added: 3295, mode: `MaxEncodedLen`)
	/// Storage: `Grants::Grants` (r:8 w:8)
	/// Proof: `Grants::Grants` (`max_values`: None, `max_size`: Some(614), added: 3089, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:2 w:2)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:2 w:2)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(391), added: 2866, mode: `MaxEncodedLen`)
	/// Storage: `Jobs::Trainers` (r:1 w:1)
	/// Proof: `Jobs::Trainers` (`max_values`: None, `max_size`: Some(96), added: 2571, mode: `MaxEncodedLen`)
	/// Storage: `Jobs::ActiveJobs` (r:1 w:1)
	/// Proof: `Jobs::ActiveJobs` (`max_values`: None, `max_size`: Some(177), added: 2652, mode: `MaxEncodedLen`)
	fn cancel() -> Weight {
		// Proof size in bytes:
		//  Measured:  `2742`
		//  Estimated: `25702`
		// Least execution time: 260_217_000 picoseconds.
		Weight::from_parts(283_752_000, 25702)
			.saturating_add(T::DbWeight::get().reads(15_u64))
			.saturating_add(T::DbWeight::get().writes(15_u64))
	}
	/// Storage: `Jobs::Jobs` (r:1 w:1)
	/// Proof: `Jobs::Jobs` (`max_values`: None, `max_size`: Some(820), added: 3295, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:2 w:2)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:1 w:1)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(391), added: 2866, mode: `MaxEncodedLen`)
	/// Storage: `Jobs::Trainers` (r:1 w:1)
	/// Proof: `Jobs::Trainers` (`max_values`: None, `max_size`: Some(96), added: 2571, mode: `MaxEncodedLen`)
	/// Storage: `Jobs::ActiveJobs` (r:1 w:1)
	/// Proof: `Jobs::ActiveJobs` (`max_values`: None, `max_size`: Some(177), added: 2652, mode: `MaxEncodedLen`)
	/// Storage: `Grants::Grants` (r:8 w:8)
	/// Proof: `Grants::Grants` (`max_values`: None, `max_size`: Some(614), added: 3089, mode: `MaxEncodedLen`)
	fn stop() -> Weight {
		// Proof size in bytes:
		//  Measured:  `2702`
		//  Estimated: `25702`
		// Least execution time: 215_831_000 picoseconds.
		Weight::from_parts(233_858_000, 25702)
			.saturating_add(T::DbWeight::get().reads(14_u64))
			.saturating_add(T::DbWeight::get().writes(14_u64))
	}
	/// Storage: `Jobs::Jobs` (r:1 w:1)
	/// Proof: `Jobs::Jobs` (`max_values`: None, `max_size`: Some(820), added: 3295, mode: `MaxEncodedLen`)
	/// Storage: `Grants::Grants` (r:8 w:8)
	/// Proof: `Grants::Grants` (`max_values`: None, `max_size`: Some(614), added: 3089, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:2 w:2)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:2 w:2)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(391), added: 2866, mode: `MaxEncodedLen`)
	/// Storage: `Jobs::Trainers` (r:1 w:1)
	/// Proof: `Jobs::Trainers` (`max_values`: None, `max_size`: Some(96), added: 2571, mode: `MaxEncodedLen`)
	/// Storage: `Jobs::ActiveJobs` (r:1 w:1)
	/// Proof: `Jobs::ActiveJobs` (`max_values`: None, `max_size`: Some(177), added: 2652, mode: `MaxEncodedLen`)
	fn expire() -> Weight {
		// Proof size in bytes:
		//  Measured:  `2742`
		//  Estimated: `25702`
		// Least execution time: 243_071_000 picoseconds.
		Weight::from_parts(256_472_000, 25702)
			.saturating_add(T::DbWeight::get().reads(15_u64))
			.saturating_add(T::DbWeight::get().writes(15_u64))
	}
	/// Storage: `Jobs::Jobs` (r:1 w:1)
	/// Proof: `Jobs::Jobs` (`max_values`: None, `max_size`: Some(820), added: 3295, mode: `MaxEncodedLen`)
	/// Storage: `Jobs::Disputes` (r:1 w:1)
	/// Proof: `Jobs::Disputes` (`max_values`: None, `max_size`: Some(32), added: 2507, mode: `MaxEncodedLen`)
	/// Storage: `Jobs::SettlesAt` (r:1 w:0)
	/// Proof: `Jobs::SettlesAt` (`max_values`: None, `max_size`: Some(20), added: 2495, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:1 w:1)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(391), added: 2866, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:2 w:2)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Datanets::Datanets` (r:8 w:0)
	/// Proof: `Datanets::Datanets` (`max_values`: None, `max_size`: Some(1328), added: 3803, mode: `MaxEncodedLen`)
	/// Storage: `Models::BaseModels` (r:1 w:0)
	/// Proof: `Models::BaseModels` (`max_values`: None, `max_size`: Some(237), added: 2712, mode: `MaxEncodedLen`)
	/// Storage: `Models::NextModel` (r:1 w:1)
	/// Proof: `Models::NextModel` (`max_values`: Some(1), `max_size`: Some(8), added: 503, mode: `MaxEncodedLen`)
	/// Storage: `Models::VersionModelCount` (r:8 w:8)
	/// Proof: `Models::VersionModelCount` (`max_values`: None, `max_size`: Some(20), added: 2495, mode: `MaxEncodedLen`)
	/// Storage: `Models::Adapters` (r:1 w:1)
	/// Proof: `Models::Adapters` (`max_values`: None, `max_size`: Some(56), added: 2531, mode: `MaxEncodedLen`)
	/// Storage: `Attribution::Streams` (r:1 w:1)
	/// Proof: `Attribution::Streams` (`max_values`: None, `max_size`: Some(625), added: 3100, mode: `MaxEncodedLen`)
	/// Storage: `Jobs::Trainers` (r:1 w:1)
	/// Proof: `Jobs::Trainers` (`max_values`: None, `max_size`: Some(96), added: 2571, mode: `MaxEncodedLen`)
	/// Storage: `Jobs::ActiveJobs` (r:1 w:1)
	/// Proof: `Jobs::ActiveJobs` (`max_values`: None, `max_size`: Some(177), added: 2652, mode: `MaxEncodedLen`)
	/// Storage: `Models::Models` (r:0 w:1)
	/// Proof: `Models::Models` (`max_values`: None, `max_size`: Some(385), added: 2860, mode: `MaxEncodedLen`)
	/// Storage: `Models::VersionModels` (r:0 w:8)
	/// Proof: `Models::VersionModels` (`max_values`: None, `max_size`: Some(36), added: 2511, mode: `MaxEncodedLen`)
	fn resolve_uphold() -> Weight {
		// Proof size in bytes:
		//  Measured:  `13270`
		//  Estimated: `31414`
		// Least execution time: 320_697_000 picoseconds.
		Weight::from_parts(340_806_000, 31414)
			.saturating_add(T::DbWeight::get().reads(28_u64))
			.saturating_add(T::DbWeight::get().writes(27_u64))
	}
	/// Storage: `Jobs::Jobs` (r:1 w:1)
	/// Proof: `Jobs::Jobs` (`max_values`: None, `max_size`: Some(820), added: 3295, mode: `MaxEncodedLen`)
	/// Storage: `Jobs::Disputes` (r:1 w:1)
	/// Proof: `Jobs::Disputes` (`max_values`: None, `max_size`: Some(32), added: 2507, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:2 w:2)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:2 w:2)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(391), added: 2866, mode: `MaxEncodedLen`)
	/// Storage: `Jobs::Trainers` (r:1 w:1)
	/// Proof: `Jobs::Trainers` (`max_values`: None, `max_size`: Some(96), added: 2571, mode: `MaxEncodedLen`)
	/// Storage: `Jobs::ActiveJobs` (r:1 w:1)
	/// Proof: `Jobs::ActiveJobs` (`max_values`: None, `max_size`: Some(177), added: 2652, mode: `MaxEncodedLen`)
	/// Storage: `Grants::Grants` (r:8 w:8)
	/// Proof: `Grants::Grants` (`max_values`: None, `max_size`: Some(614), added: 3089, mode: `MaxEncodedLen`)
	fn resolve_overturn() -> Weight {
		// Proof size in bytes:
		//  Measured:  `3063`
		//  Estimated: `25702`
		// Least execution time: 264_032_000 picoseconds.
		Weight::from_parts(280_517_000, 25702)
			.saturating_add(T::DbWeight::get().reads(16_u64))
			.saturating_add(T::DbWeight::get().writes(16_u64))
	}
	/// Storage: `Jobs::Jobs` (r:1 w:1)
	/// Proof: `Jobs::Jobs` (`max_values`: None, `max_size`: Some(820), added: 3295, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:1 w:1)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:1 w:1)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(391), added: 2866, mode: `MaxEncodedLen`)
	fn forget() -> Weight {
		// Proof size in bytes:
		//  Measured:  `1032`
		//  Estimated: `4285`
		// Least execution time: 74_160_000 picoseconds.
		Weight::from_parts(85_327_000, 4285)
			.saturating_add(T::DbWeight::get().reads(3_u64))
			.saturating_add(T::DbWeight::get().writes(3_u64))
	}
	/// Storage: `Jobs::Agenda` (r:1 w:1)
	/// Proof: `Jobs::Agenda` (`max_values`: None, `max_size`: Some(141), added: 2616, mode: `MaxEncodedLen`)
	/// Storage: `Jobs::Jobs` (r:16 w:16)
	/// Proof: `Jobs::Jobs` (`max_values`: None, `max_size`: Some(820), added: 3295, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:16 w:16)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(391), added: 2866, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:32 w:32)
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// Storage: `Datanets::Datanets` (r:128 w:0)
	/// Proof: `Datanets::Datanets` (`max_values`: None, `max_size`: Some(1328), added: 3803, mode: `MaxEncodedLen`)
	/// Storage: `Models::BaseModels` (r:16 w:0)
	/// Proof: `Models::BaseModels` (`max_values`: None, `max_size`: Some(237), added: 2712, mode: `MaxEncodedLen`)
	/// Storage: `Models::NextModel` (r:1 w:1)
	/// Proof: `Models::NextModel` (`max_values`: Some(1), `max_size`: Some(8), added: 503, mode: `MaxEncodedLen`)
	/// Storage: `Models::VersionModelCount` (r:128 w:128)
	/// Proof: `Models::VersionModelCount` (`max_values`: None, `max_size`: Some(20), added: 2495, mode: `MaxEncodedLen`)
	/// Storage: `Models::Adapters` (r:1 w:1)
	/// Proof: `Models::Adapters` (`max_values`: None, `max_size`: Some(56), added: 2531, mode: `MaxEncodedLen`)
	/// Storage: `Attribution::Streams` (r:16 w:16)
	/// Proof: `Attribution::Streams` (`max_values`: None, `max_size`: Some(625), added: 3100, mode: `MaxEncodedLen`)
	/// Storage: `Jobs::Trainers` (r:16 w:16)
	/// Proof: `Jobs::Trainers` (`max_values`: None, `max_size`: Some(96), added: 2571, mode: `MaxEncodedLen`)
	/// Storage: `Jobs::ActiveJobs` (r:16 w:16)
	/// Proof: `Jobs::ActiveJobs` (`max_values`: None, `max_size`: Some(177), added: 2652, mode: `MaxEncodedLen`)
	/// Storage: `Jobs::SettlesAt` (r:0 w:16)
	/// Proof: `Jobs::SettlesAt` (`max_values`: None, `max_size`: Some(20), added: 2495, mode: `MaxEncodedLen`)
	/// Storage: `Models::Models` (r:0 w:16)
	/// Proof: `Models::Models` (`max_values`: None, `max_size`: Some(385), added: 2860, mode: `MaxEncodedLen`)
	/// Storage: `Models::VersionModels` (r:0 w:128)
	/// Proof: `Models::VersionModels` (`max_values`: None, `max_size`: Some(36), added: 2511, mode: `MaxEncodedLen`)
	/// The range of component `n` is `[0, 16]`.
	fn on_initialize(n: u32, ) -> Weight {
		// Proof size in bytes:
		//  Measured:  `11346 + n * (1986 ±0)`
		//  Estimated: `3606 + n * (30424 ±0)`
		// Least execution time: 3_646_000 picoseconds.
		Weight::from_parts(73_757_386, 3606)
			// Standard error: 1_390_409
			.saturating_add(Weight::from_parts(277_178_000, 0).saturating_mul(n.into()))
			.saturating_add(T::DbWeight::get().reads(3_u64))
			.saturating_add(T::DbWeight::get().reads((24_u64).saturating_mul(n.into())))
			.saturating_add(T::DbWeight::get().writes(3_u64))
			.saturating_add(T::DbWeight::get().writes((25_u64).saturating_mul(n.into())))
			.saturating_add(Weight::from_parts(0, 30424).saturating_mul(n.into()))
	}
}

/// The same with ParityDB's weights, for tests of the pallet alone.
impl WeightInfo for () {
	fn bond() -> Weight {
		Weight::from_parts(82_933_000, 3856)
			.saturating_add(ParityDbWeight::get().reads(3_u64))
			.saturating_add(ParityDbWeight::get().writes(3_u64))
	}
	fn unbond() -> Weight {
		Weight::from_parts(80_700_000, 3856)
			.saturating_add(ParityDbWeight::get().reads(3_u64))
			.saturating_add(ParityDbWeight::get().writes(3_u64))
	}
	fn post(v: u32, ) -> Weight {
		Weight::from_parts(171_308_816, 3856)
			.saturating_add(Weight::from_parts(28_258_827, 0).saturating_mul(v.into()))
			.saturating_add(ParityDbWeight::get().reads(4_u64))
			.saturating_add(ParityDbWeight::get().reads((2_u64).saturating_mul(v.into())))
			.saturating_add(ParityDbWeight::get().writes(4_u64))
			.saturating_add(ParityDbWeight::get().writes((1_u64).saturating_mul(v.into())))
			.saturating_add(Weight::from_parts(0, 3803).saturating_mul(v.into()))
	}
	fn claim() -> Weight {
		Weight::from_parts(197_234_000, 25702)
			.saturating_add(ParityDbWeight::get().reads(16_u64))
			.saturating_add(ParityDbWeight::get().writes(8_u64))
	}
	fn heartbeat() -> Weight {
		Weight::from_parts(80_891_000, 25702)
			.saturating_add(ParityDbWeight::get().reads(9_u64))
			.saturating_add(ParityDbWeight::get().writes(1_u64))
	}
	fn report() -> Weight {
		Weight::from_parts(71_036_000, 19302)
			.saturating_add(ParityDbWeight::get().reads(8_u64))
			.saturating_add(ParityDbWeight::get().writes(3_u64))
	}
	fn accept() -> Weight {
		Weight::from_parts(310_562_000, 31414)
			.saturating_add(ParityDbWeight::get().reads(28_u64))
			.saturating_add(ParityDbWeight::get().writes(28_u64))
	}
	fn dispute() -> Weight {
		Weight::from_parts(114_740_000, 4285)
			.saturating_add(ParityDbWeight::get().reads(5_u64))
			.saturating_add(ParityDbWeight::get().writes(6_u64))
	}
	fn settle() -> Weight {
		Weight::from_parts(300_757_000, 31414)
			.saturating_add(ParityDbWeight::get().reads(28_u64))
			.saturating_add(ParityDbWeight::get().writes(28_u64))
	}
	fn cancel() -> Weight {
		Weight::from_parts(283_752_000, 25702)
			.saturating_add(ParityDbWeight::get().reads(15_u64))
			.saturating_add(ParityDbWeight::get().writes(15_u64))
	}
	fn stop() -> Weight {
		Weight::from_parts(233_858_000, 25702)
			.saturating_add(ParityDbWeight::get().reads(14_u64))
			.saturating_add(ParityDbWeight::get().writes(14_u64))
	}
	fn expire() -> Weight {
		Weight::from_parts(256_472_000, 25702)
			.saturating_add(ParityDbWeight::get().reads(15_u64))
			.saturating_add(ParityDbWeight::get().writes(15_u64))
	}
	fn resolve_uphold() -> Weight {
		Weight::from_parts(340_806_000, 31414)
			.saturating_add(ParityDbWeight::get().reads(28_u64))
			.saturating_add(ParityDbWeight::get().writes(27_u64))
	}
	fn resolve_overturn() -> Weight {
		Weight::from_parts(280_517_000, 25702)
			.saturating_add(ParityDbWeight::get().reads(16_u64))
			.saturating_add(ParityDbWeight::get().writes(16_u64))
	}
	fn forget() -> Weight {
		Weight::from_parts(85_327_000, 4285)
			.saturating_add(ParityDbWeight::get().reads(3_u64))
			.saturating_add(ParityDbWeight::get().writes(3_u64))
	}
	fn on_initialize(n: u32, ) -> Weight {
		Weight::from_parts(73_757_386, 3606)
			.saturating_add(Weight::from_parts(277_178_000, 0).saturating_mul(n.into()))
			.saturating_add(ParityDbWeight::get().reads(3_u64))
			.saturating_add(ParityDbWeight::get().reads((24_u64).saturating_mul(n.into())))
			.saturating_add(ParityDbWeight::get().writes(3_u64))
			.saturating_add(ParityDbWeight::get().writes((25_u64).saturating_mul(n.into())))
			.saturating_add(Weight::from_parts(0, 30424).saturating_mul(n.into()))
	}
}

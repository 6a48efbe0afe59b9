//! Weights of `pallet_channels`: estimates, not measured yet. Each is set above what calls of the other pallets that do as much
//! were measured at. `scripts/weights channels` replaces them.

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
	/// Estimated: bounded by `models.deploy` with a model and its 8 grants.
	fn offer() -> Weight {
		Weight::from_parts(260_000_000, 33700)
			.saturating_add(T::DbWeight::get().reads(12_u64))
			.saturating_add(T::DbWeight::get().writes(3_u64))
	}
	/// Estimated: bounded by `models.undeploy`, which does more.
	fn withdraw_offer() -> Weight {
		Weight::from_parts(150_000_000, 9400)
			.saturating_add(T::DbWeight::get().reads(3_u64))
			.saturating_add(T::DbWeight::get().writes(3_u64))
	}
	/// Estimated: two holds and a row.
	fn open() -> Weight {
		Weight::from_parts(200_000_000, 9400)
			.saturating_add(T::DbWeight::get().reads(3_u64))
			.saturating_add(T::DbWeight::get().writes(4_u64))
	}
	/// Estimated: a hold and a row.
	fn top_up() -> Weight {
		Weight::from_parts(150_000_000, 9400)
			.saturating_add(T::DbWeight::get().reads(3_u64))
			.saturating_add(T::DbWeight::get().writes(3_u64))
	}
	/// Estimated: for each voucher a signature (as `grants.present`), a transfer on hold and a row; for each model as `attribution.fund_answers`.
	/// The range of component `v` is `[1, 16]`, that of `m` `[0, 16]`.
	fn redeem(v: u32, m: u32, ) -> Weight {
		Weight::from_parts(100_000_000, 6700)
			.saturating_add(Weight::from_parts(300_000_000, 13500).saturating_mul(v.into()))
			.saturating_add(Weight::from_parts(800_000_000, 54000).saturating_mul(m.into()))
			.saturating_add(T::DbWeight::get().reads(2_u64))
			.saturating_add(T::DbWeight::get().reads((5_u64).saturating_mul(v.into())))
			.saturating_add(T::DbWeight::get().reads((20_u64).saturating_mul(m.into())))
			.saturating_add(T::DbWeight::get().writes(2_u64))
			.saturating_add(T::DbWeight::get().writes((4_u64).saturating_mul(v.into())))
			.saturating_add(T::DbWeight::get().writes((20_u64).saturating_mul(m.into())))
	}
	/// Estimated: a row.
	fn close_by_app() -> Weight {
		Weight::from_parts(80_000_000, 4000)
			.saturating_add(T::DbWeight::get().reads(1_u64))
			.saturating_add(T::DbWeight::get().writes(1_u64))
	}
	/// Estimated: two releases and a row.
	fn close_by_operator() -> Weight {
		Weight::from_parts(200_000_000, 9400)
			.saturating_add(T::DbWeight::get().reads(3_u64))
			.saturating_add(T::DbWeight::get().writes(3_u64))
	}
	/// Estimated: as closing by the operator.
	fn finalise() -> Weight {
		Weight::from_parts(200_000_000, 9400)
			.saturating_add(T::DbWeight::get().reads(3_u64))
			.saturating_add(T::DbWeight::get().writes(3_u64))
	}
	/// Estimated: as closing by the operator.
	fn force_close() -> Weight {
		Weight::from_parts(200_000_000, 9400)
			.saturating_add(T::DbWeight::get().reads(3_u64))
			.saturating_add(T::DbWeight::get().writes(3_u64))
	}
}

/// The same with ParityDB's weights, for tests of the pallet alone.
impl WeightInfo for () {
	/// Estimated: bounded by `models.deploy` with a model and its 8 grants.
	fn offer() -> Weight {
		Weight::from_parts(260_000_000, 33700)
			.saturating_add(ParityDbWeight::get().reads(12_u64))
			.saturating_add(ParityDbWeight::get().writes(3_u64))
	}
	/// Estimated: bounded by `models.undeploy`, which does more.
	fn withdraw_offer() -> Weight {
		Weight::from_parts(150_000_000, 9400)
			.saturating_add(ParityDbWeight::get().reads(3_u64))
			.saturating_add(ParityDbWeight::get().writes(3_u64))
	}
	/// Estimated: two holds and a row.
	fn open() -> Weight {
		Weight::from_parts(200_000_000, 9400)
			.saturating_add(ParityDbWeight::get().reads(3_u64))
			.saturating_add(ParityDbWeight::get().writes(4_u64))
	}
	/// Estimated: a hold and a row.
	fn top_up() -> Weight {
		Weight::from_parts(150_000_000, 9400)
			.saturating_add(ParityDbWeight::get().reads(3_u64))
			.saturating_add(ParityDbWeight::get().writes(3_u64))
	}
	/// Estimated: for each voucher a signature (as `grants.present`), a transfer on hold and a row; for each model as `attribution.fund_answers`.
	/// The range of component `v` is `[1, 16]`, that of `m` `[0, 16]`.
	fn redeem(v: u32, m: u32, ) -> Weight {
		Weight::from_parts(100_000_000, 6700)
			.saturating_add(Weight::from_parts(300_000_000, 13500).saturating_mul(v.into()))
			.saturating_add(Weight::from_parts(800_000_000, 54000).saturating_mul(m.into()))
			.saturating_add(ParityDbWeight::get().reads(2_u64))
			.saturating_add(ParityDbWeight::get().reads((5_u64).saturating_mul(v.into())))
			.saturating_add(ParityDbWeight::get().reads((20_u64).saturating_mul(m.into())))
			.saturating_add(ParityDbWeight::get().writes(2_u64))
			.saturating_add(ParityDbWeight::get().writes((4_u64).saturating_mul(v.into())))
			.saturating_add(ParityDbWeight::get().writes((20_u64).saturating_mul(m.into())))
	}
	/// Estimated: a row.
	fn close_by_app() -> Weight {
		Weight::from_parts(80_000_000, 4000)
			.saturating_add(ParityDbWeight::get().reads(1_u64))
			.saturating_add(ParityDbWeight::get().writes(1_u64))
	}
	/// Estimated: two releases and a row.
	fn close_by_operator() -> Weight {
		Weight::from_parts(200_000_000, 9400)
			.saturating_add(ParityDbWeight::get().reads(3_u64))
			.saturating_add(ParityDbWeight::get().writes(3_u64))
	}
	/// Estimated: as closing by the operator.
	fn finalise() -> Weight {
		Weight::from_parts(200_000_000, 9400)
			.saturating_add(ParityDbWeight::get().reads(3_u64))
			.saturating_add(ParityDbWeight::get().writes(3_u64))
	}
	/// Estimated: as closing by the operator.
	fn force_close() -> Weight {
		Weight::from_parts(200_000_000, 9400)
			.saturating_add(ParityDbWeight::get().reads(3_u64))
			.saturating_add(ParityDbWeight::get().writes(3_u64))
	}
}

//! Money, time and block size: every number that the pallets' configurations share, each with where it comes from.

use crate::{Balance, BlockNumber};
use frame_support::{
    parameter_types,
    weights::{Weight, constants::WEIGHT_REF_TIME_PER_SECOND},
};
use frame_system::limits::{BlockLength, BlockWeights};
use sp_runtime::Perbill;
use tributary_protocol::amount::{BLOCK_MS, TRIB};

/// A thousandth of a TRIB.
pub const MILLI_TRIB: Balance = TRIB / 1_000;

/// An account that holds less is removed. Far below a transfer's fee, so that even a small claim opens an account; the
/// deposits below, not this, are what keeps the state from growing.
pub const EXISTENTIAL_DEPOSIT: Balance = MILLI_TRIB;

/// Held for each entry in storage: what a database pays for a row besides its bytes (a trie path and an index).
pub const DEPOSIT_PER_ITEM: Balance = 100 * MILLI_TRIB;
/// Held for each byte in storage: who fills one GiB of state has a million TRIB on hold.
pub const DEPOSIT_PER_BYTE: Balance = MILLI_TRIB;

/// What is held for `items` entries of `bytes` bytes in all.
pub const fn deposit(items: u32, bytes: u32) -> Balance {
    items as Balance * DEPOSIT_PER_ITEM + bytes as Balance * DEPOSIT_PER_BYTE
}

/// Charged for a picosecond of a block's time: a whole block's second costs 10 TRIB, a transfer's 0.3 to 0.6 ms
/// (extensions included) 3 to 6 thousandths of one.
pub const FEE_PER_PICOSECOND: Balance = 10;
/// Charged for a byte of a transaction: 10^-5 TRIB, so a signed transfer's 150 bytes cost 1.5 thousandths of a TRIB, and a
/// block full of bytes about five times what a block full of work costs.
pub const FEE_PER_BYTE: Balance = TRIB / 100_000;

/// Blocks in a minute.
pub const MINUTE: BlockNumber = (60_000 / BLOCK_MS) as BlockNumber;
/// Blocks in an hour.
pub const HOUR: BlockNumber = 60 * MINUTE;
/// Blocks in a day.
pub const DAY: BlockNumber = 24 * HOUR;

/// Slots of a session: ten minutes. Short enough for a development chain to live through several; a network with many
/// validators will want hours, so that GRANDPA need not change sets so often.
pub const SESSION_SLOTS: u64 = 10 * MINUTE as u64;

/// Part of a block that ordinary transactions may fill; the rest is for operational ones and for hooks.
const NORMAL_PART: Perbill = Perbill::from_percent(75);

/// Time a block may take: a third of its slot. The other two thirds are for the network to carry it to every validator.
const BLOCK_WEIGHT_MAX: Weight = Weight::from_parts(WEIGHT_REF_TIME_PER_SECOND * BLOCK_MS / 1_000 / 3, u64::MAX);

/// Bytes of a block: 5 MiB, as everywhere in the ecosystem. At 100 Mbit/s that is 0.4 s.
const BLOCK_BYTES_MAX: u32 = 5 * 1024 * 1024;

parameter_types! {
    /// How much time a block's transactions may take.
    pub RuntimeBlockWeights: BlockWeights =
        BlockWeights::with_sensible_defaults(BLOCK_WEIGHT_MAX, NORMAL_PART);
    /// How many bytes a block's transactions may have.
    pub RuntimeBlockLength: BlockLength = BlockLength::builder()
        .max_length(BLOCK_BYTES_MAX)
        .modify_max_length_for_class(frame_support::dispatch::DispatchClass::Normal, |length| {
            *length = NORMAL_PART * BLOCK_BYTES_MAX;
        })
        .build();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_takes_at_most_a_third_of_its_slot() {
        let max = RuntimeBlockWeights::get().max_block.ref_time();
        assert_eq!(max, WEIGHT_REF_TIME_PER_SECOND);
        assert!(max.checked_mul(3) <= Some(WEIGHT_REF_TIME_PER_SECOND * BLOCK_MS / 1_000));
    }
}

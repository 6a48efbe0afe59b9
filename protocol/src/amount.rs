//! Money, time and parts, with the constants that fix their units in one place.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::fmt;
use scale_info::TypeInfo;

/// Money, in the smallest unit: 10^-12 TRIB.
pub type Amount = u128;

/// A block's height.
pub type BlockNumber = u32;

/// Digits after the point of one TRIB.
pub const TOKEN_DECIMALS: u8 = 12;
/// The currency's symbol.
pub const TOKEN_SYMBOL: &str = "TRIB";
/// One TRIB.
pub const TRIB: Amount = 1_000_000_000_000;
/// The address format's prefix: 42, the generic Substrate one, until the network registers its own.
pub const SS58_PREFIX: u16 = 42;
/// The time from one block slot to the next.
pub const BLOCK_MS: u64 = 3_000;

/// A part of a whole, in millionths: 0 ..= 1,000,000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "std", serde(try_from = "u32", into = "u32"))]
pub struct Ppm(u32);

impl Ppm {
    /// The whole.
    pub const ONE: Self = Self(1_000_000);
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// `parts` millionths, or `None` above one million.
    pub const fn new(parts: u32) -> Option<Self> {
        if parts <= Self::ONE.0 { Some(Self(parts)) } else { None }
    }

    /// `percent` hundredths, at most 100.
    pub const fn from_percent(percent: u8) -> Self {
        #[expect(clippy::arithmetic_side_effects, reason = "at most 100 * 10_000")]
        if percent >= 100 { Self::ONE } else { Self(percent as u32 * 10_000) }
    }

    /// The millionths.
    pub const fn parts(self) -> u32 {
        self.0
    }

    /// This part of `amount`, rounded down. Cannot overflow: splits `amount` at 10^6 before multiplying.
    pub fn of(self, amount: Amount) -> Amount {
        const ONE: Amount = 1_000_000;
        let parts = Amount::from(self.0);
        let (whole, rest) = (amount / ONE, amount % ONE);
        #[expect(
            clippy::arithmetic_side_effects,
            reason = "whole * parts <= amount, rest * parts < 10^12, and their sum is at most amount"
        )]
        {
            whole * parts + rest * parts / ONE
        }
    }
}

impl TryFrom<u32> for Ppm {
    type Error = &'static str;

    fn try_from(parts: u32) -> Result<Self, Self::Error> {
        Self::new(parts).ok_or("a part is at most 1,000,000 millionths")
    }
}

impl From<Ppm> for u32 {
    fn from(ppm: Ppm) -> Self {
        ppm.0
    }
}

impl fmt::Display for Ppm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ppm", self.0)
    }
}

// Decoding checks the range, so a `Ppm` in hand is always at most one.
impl Decode for Ppm {
    fn decode<I: codec::Input>(input: &mut I) -> Result<Self, codec::Error> {
        Self::new(u32::decode(input)?).ok_or_else(|| "Ppm above 1,000,000".into())
    }
}

impl DecodeWithMemTracking for Ppm {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_any_amount_never_exceed_it() {
        for amount in [0, 1, 999_999, 1_000_000, 1_000_001, TRIB, Amount::MAX] {
            assert_eq!(Ppm::ONE.of(amount), amount);
            assert_eq!(Ppm::ZERO.of(amount), 0);
            assert!(Ppm::from_percent(50).of(amount) <= amount / 2);
        }
    }

    #[test]
    fn decoding_refuses_more_than_the_whole() {
        assert!(Ppm::decode(&mut &1_000_001u32.encode()[..]).is_err());
        assert_eq!(Ppm::decode(&mut &1_000_000u32.encode()[..]), Ok(Ppm::ONE));
    }
}

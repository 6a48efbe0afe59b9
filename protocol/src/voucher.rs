//! Vouchers: how an app pays for each answer without a transaction.
//!
//! A voucher says what all answers that one channel bought of one model have cost so far. It is signed by the channel's key
//! and binds the chain, the operator, the channel and the model, so it serves nowhere else; and as each replaces the one
//! before, to redeem one twice, or an older one, pays nothing. Byte layouts: docs/protocol/channels.md.

use crate::{
    amount::Amount,
    ids::{ChannelId, ModelId},
};
use alloc::vec::Vec;
use codec::{Decode, DecodeAll, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::{fmt, str::FromStr};
use scale_info::TypeInfo;

/// What the bytes of a voucher begin with, so that no other signature can be taken for one.
pub const VOUCHER_CONTEXT: [u8; 20] = *b"tributary voucher v1";
/// The HTTP header of a request that carries a [`SignedVoucher`] as text.
pub const VOUCHER_HEADER: &str = "x-tributary-voucher";
/// Most vouchers that are redeemed at once.
pub const REDEEM_MAX: u32 = 16;

/// What all answers of a model that a channel bought have cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct Voucher {
    /// The channel that pays.
    pub channel: ChannelId,
    /// The model that answered.
    pub model: ModelId,
    /// Tokens of all requests since the channel was opened.
    pub input_tokens: u64,
    /// Tokens of all answers.
    pub output_tokens: u64,
    /// What they cost together.
    pub amount: Amount,
}

impl Voucher {
    /// The bytes that the channel's key signs, on the chain with this genesis, for this operator's account. 132 of them.
    pub fn payload(&self, genesis: [u8; 32], operator: [u8; 32]) -> Vec<u8> {
        (VOUCHER_CONTEXT, genesis, operator, self).encode()
    }
}

/// A voucher with its sr25519 signature (signing context `substrate`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct SignedVoucher {
    /// What is signed.
    pub voucher: Voucher,
    /// The channel's key's signature over [`Voucher::payload`].
    pub signature: [u8; 64],
}

/// As text: the SCALE bytes in lower-case hexadecimal digits.
impl fmt::Display for SignedVoucher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.encode().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A text that is no voucher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoucherUnreadable;

impl fmt::Display for VoucherUnreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = SignedVoucher::max_encoded_len();
        write!(f, "a voucher is {} hexadecimal digits: the SCALE bytes of a signed voucher", bytes.saturating_mul(2))
    }
}

impl core::error::Error for VoucherUnreadable {}

impl FromStr for SignedVoucher {
    type Err = VoucherUnreadable;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Bounded before anything is made of it: the text comes from a stranger.
        if text.len() != Self::max_encoded_len().saturating_mul(2) || !text.bytes().all(|c| c.is_ascii_hexdigit()) {
            return Err(VoucherUnreadable);
        }
        let bytes = text.as_bytes().chunks(2).map(|pair| {
            let pair = core::str::from_utf8(pair).map_err(|_| VoucherUnreadable)?;
            u8::from_str_radix(pair, 16).map_err(|_| VoucherUnreadable)
        });
        let bytes = bytes.collect::<Result<Vec<u8>, _>>()?;
        Self::decode_all(&mut bytes.as_slice()).map_err(|_| VoucherUnreadable)
    }
}

/// Why a voucher pays nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum VoucherRefusal {
    /// The channel is closing, and its last block for redeeming has passed.
    WindowOver,
    /// The channel has paid this model as much already: the voucher is a replay, or older than the newest.
    Stale,
    /// It counts fewer tokens than a voucher that was redeemed.
    TokensTakenBack,
    /// The channel does not hold so much.
    Overdrawn,
    /// The channel pays for as many models as it can.
    TooManyModels,
}

impl fmt::Display for VoucherRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WindowOver => "the channel is closed to vouchers",
            Self::Stale => "the channel has paid this model as much already",
            Self::TokensTakenBack => "the voucher counts fewer tokens than one that was redeemed",
            Self::Overdrawn => "the channel does not hold so much\nhint: top the channel up",
            Self::TooManyModels => "the channel pays for as many models as it can\nhint: open another channel",
        })
    }
}

impl core::error::Error for VoucherRefusal {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    const VOUCHER: Voucher =
        Voucher { channel: ChannelId(1), model: ModelId(2), input_tokens: 3, output_tokens: 4, amount: 5 };

    #[test]
    fn the_payload_is_of_fixed_layout_and_binds_everything() {
        let payload = VOUCHER.payload([7; 32], [9; 32]);
        assert_eq!(payload.len(), 132);
        assert_eq!(payload[..20], VOUCHER_CONTEXT);
        assert_eq!(payload[20..52], [7; 32]);
        assert_eq!(payload[52..84], [9; 32]);
        let others = [
            VOUCHER.payload([8; 32], [9; 32]),
            VOUCHER.payload([7; 32], [8; 32]),
            Voucher { channel: ChannelId(2), ..VOUCHER }.payload([7; 32], [9; 32]),
            Voucher { model: ModelId(1), ..VOUCHER }.payload([7; 32], [9; 32]),
            Voucher { input_tokens: 4, ..VOUCHER }.payload([7; 32], [9; 32]),
            Voucher { output_tokens: 3, ..VOUCHER }.payload([7; 32], [9; 32]),
            Voucher { amount: 6, ..VOUCHER }.payload([7; 32], [9; 32]),
        ];
        assert!(others.iter().all(|other| *other != payload));
    }

    #[test]
    fn text_reads_back_and_nothing_else_is_a_voucher() {
        let signed = SignedVoucher { voucher: VOUCHER, signature: [0xab; 64] };
        let text = signed.to_string();
        assert_eq!(text.len(), 224);
        assert_eq!(text.parse(), Ok(signed));
        assert_eq!(text.to_uppercase().parse(), Ok(signed));
        let longer = text.clone() + "00";
        let signs = "+f".repeat(112);
        let accents = "é".repeat(112);
        for bad in ["", &text[2..], &longer, &signs, &accents, &"g".repeat(224)] {
            assert_eq!(bad.parse::<SignedVoucher>(), Err(VoucherUnreadable), "{bad}");
        }
    }
}

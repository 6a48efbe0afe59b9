//! What the pallet keeps and reports beside the protocol's types.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use sp_core::U256;
use tributary_protocol::Amount;

/// What is remembered of a leaf that has claimed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Claim<AccountId> {
    /// Who claimed: the leaf's contributor, who has the deposit on hold.
    pub contributor: AccountId,
    /// The leaf's units.
    pub units: u64,
    /// The stream's revenue per unit up to which the leaf is paid, scaled by 2^64.
    pub revenue_per_unit: U256,
    /// What the contributor has on hold for this record.
    pub deposit: Amount,
}

/// Where one sale went. The parts sum to the sale exactly.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Distribution {
    /// To the treasury: its own part, and those of parties whose accounts cannot receive them.
    pub treasury: Amount,
    /// To the base model's owner.
    pub base_owner: Amount,
    /// To the trainer.
    pub trainer: Amount,
    /// To the model's owner.
    pub model_owner: Amount,
    /// To the owners of the Datanets, together.
    pub datanet_owners: Amount,
    /// To the contributors' pool: their part and all rounding remainders.
    pub contributors: Amount,
}

/// What is remembered of an epoch's leaf that has claimed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct AnswerClaim<AccountId> {
    /// Who claimed first: who has the deposit on hold.
    pub contributor: AccountId,
    /// All that the leaf has been paid.
    pub paid: Amount,
    /// What is on hold for this record.
    pub deposit: Amount,
}

/// Where what answers sold for went.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct AnswerPayment {
    /// The parts. They sum to the payment exactly.
    pub distribution: Distribution,
    /// How much of the contributors' part the operator's epochs divide. The rest goes by the shares.
    pub by_answers: Amount,
}

/// Why an epoch was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum Rejection {
    /// Leaves that the audit drew were not opened in time.
    Unopened,
    /// A leaf contradicts the accepted epoch or the model's shares.
    Contradiction,
    /// Those who decide disputes found a leaf wrong.
    Overturned,
}

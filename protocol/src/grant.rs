//! Grants: revocable permission to use a Datanet, and the one rule that decides whether a use is allowed now.

use crate::{
    amount::{Amount, BlockNumber},
    datanet::{Purpose, Text},
    ids::{BaseModelId, DatanetId, GrantId, VersionRef},
};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::fmt;
use scale_info::TypeInfo;

/// Which versions a grant opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum VersionScope {
    /// Every version, those to come included.
    All,
    /// Versions up to and including this number.
    UpTo(u32),
    /// This version only.
    Only(u32),
}

impl VersionScope {
    /// Whether version `number` is open.
    pub fn contains(self, number: u32) -> bool {
        match self {
            Self::All => true,
            Self::UpTo(last) => number <= last,
            Self::Only(one) => number == one,
        }
    }
}

/// Which base models a grant's data may train.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum BaseModelScope {
    /// Any registered base model.
    Any,
    /// This one only.
    Only(BaseModelId),
}

impl BaseModelScope {
    /// Whether `base` may be trained.
    pub fn contains(self, base: BaseModelId) -> bool {
        match self {
            Self::Any => true,
            Self::Only(one) => one == base,
        }
    }
}

/// What a grant allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct GrantTerms {
    /// Which versions.
    pub versions: VersionScope,
    /// For what.
    pub purpose: Purpose,
    /// To train which base models.
    pub base_models: BaseModelScope,
    /// How many jobs.
    pub uses: u32,
    /// The last block in which it is valid.
    pub expires_at: BlockNumber,
}

/// Where a grant stands.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum GrantStatus {
    /// Waits for the owner.
    Requested,
    /// Given.
    Active,
    /// Refused by the owner, and why.
    Denied {
        /// The owner's reason.
        reason: Text,
    },
    /// Taken back by the owner, and why.
    Revoked {
        /// The owner's reason.
        reason: Text,
        /// When.
        at: BlockNumber,
    },
    /// Given back by the grantee.
    Renounced,
}

/// A revocable permission: grantor, grantee, scope, terms.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Grant<AccountId> {
    /// The Datanet it opens.
    pub datanet: DatanetId,
    /// Who may use it.
    pub grantee: AccountId,
    /// What it allows.
    pub terms: GrantTerms,
    /// How many of its uses are taken by jobs.
    pub used: u32,
    /// Where it stands.
    pub status: GrantStatus,
    /// What the grantee has on hold for it.
    pub deposit: Amount,
    /// When it was asked for.
    pub requested_at: BlockNumber,
}

/// What the bytes of a signed offer begin with, so that no other signature of an owner can be taken for one.
pub const OFFER_CONTEXT: [u8; 24] = *b"tributary grant offer v1";

/// A grant that a Datanet's owner signs ahead, off chain, and its grantee presents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct GrantOffer<AccountId> {
    /// The Datanet it opens.
    pub datanet: DatanetId,
    /// Who may present it.
    pub grantee: AccountId,
    /// What it allows.
    pub terms: GrantTerms,
    /// Chosen by the owner; each number of a Datanet makes at most one grant.
    pub nonce: u64,
    /// The last block in which it may be presented.
    pub valid_until: BlockNumber,
}

impl<AccountId: Encode> GrantOffer<AccountId> {
    /// The bytes that the owner signs, on the chain with this genesis: SCALE of context, genesis hash and offer.
    pub fn payload(&self, genesis: [u8; 32]) -> Vec<u8> {
        (OFFER_CONTEXT, genesis, self).encode()
    }
}

/// One use of a Datanet's version that somebody wants to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct Use<AccountId> {
    /// Who asks.
    pub grantee: AccountId,
    /// What data.
    pub version: VersionRef,
    /// For what.
    pub purpose: Purpose,
    /// To train which base model.
    pub base_model: BaseModelId,
}

/// Why a use is not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum GrantRefusal {
    /// The grant is for another Datanet.
    OtherDatanet,
    /// The grant belongs to someone else.
    OtherGrantee,
    /// The owner has not decided, or has refused.
    NotIssued,
    /// The owner took it back.
    Revoked,
    /// The grantee gave it back.
    Renounced,
    /// Its last block has passed.
    Expired,
    /// It does not open this version.
    OtherVersion,
    /// It is for another purpose.
    OtherPurpose,
    /// It does not cover this base model.
    OtherBaseModel,
    /// Every use is taken.
    UsedUp,
}

impl fmt::Display for GrantRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherDatanet => "the grant is for another Datanet",
            Self::OtherGrantee => "the grant belongs to another account",
            Self::NotIssued => "the grant has not been issued",
            Self::Revoked => "the grant was revoked",
            Self::Renounced => "the grant was given back",
            Self::Expired => "the grant has expired",
            Self::OtherVersion => "the grant does not open this version",
            Self::OtherPurpose => "the grant is for another purpose",
            Self::OtherBaseModel => "the grant does not cover this base model",
            Self::UsedUp => "every use of the grant is taken",
        })
    }
}

/// A grant with its number, as requests and pages return it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct NumberedGrant<AccountId> {
    /// Its number.
    pub id: GrantId,
    /// The grant.
    pub grant: Grant<AccountId>,
}

impl<AccountId: PartialEq> Grant<AccountId> {
    /// Whether `wanted` is covered at block `now`, whatever uses are left: the rule for a use already taken (a claim,
    /// a data provider). The most telling refusal comes first.
    pub fn covers(&self, wanted: &Use<AccountId>, now: BlockNumber) -> Result<(), GrantRefusal> {
        if self.datanet != wanted.version.datanet {
            return Err(GrantRefusal::OtherDatanet);
        }
        if self.grantee != wanted.grantee {
            return Err(GrantRefusal::OtherGrantee);
        }
        match self.status {
            GrantStatus::Active => {}
            GrantStatus::Requested | GrantStatus::Denied { .. } => return Err(GrantRefusal::NotIssued),
            GrantStatus::Revoked { .. } => return Err(GrantRefusal::Revoked),
            GrantStatus::Renounced => return Err(GrantRefusal::Renounced),
        }
        if now > self.terms.expires_at {
            return Err(GrantRefusal::Expired);
        }
        if !self.terms.versions.contains(wanted.version.number) {
            return Err(GrantRefusal::OtherVersion);
        }
        if self.terms.purpose != wanted.purpose {
            return Err(GrantRefusal::OtherPurpose);
        }
        if !self.terms.base_models.contains(wanted.base_model) {
            return Err(GrantRefusal::OtherBaseModel);
        }
        Ok(())
    }

    /// Whether a new use may be taken at block `now`: [`Self::covers`], and a use is left.
    pub fn allows(&self, wanted: &Use<AccountId>, now: BlockNumber) -> Result<(), GrantRefusal> {
        self.covers(wanted, now)?;
        if self.used >= self.terms.uses { Err(GrantRefusal::UsedUp) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: Use<u8> = Use {
        grantee: 7,
        version: VersionRef { datanet: DatanetId(1), number: 2 },
        purpose: Purpose::Research,
        base_model: BaseModelId(3),
    };

    fn grant() -> Grant<u8> {
        Grant {
            datanet: DatanetId(1),
            grantee: 7,
            terms: GrantTerms {
                versions: VersionScope::UpTo(2),
                purpose: Purpose::Research,
                base_models: BaseModelScope::Only(BaseModelId(3)),
                uses: 1,
                expires_at: 100,
            },
            used: 0,
            status: GrantStatus::Active,
            deposit: 0,
            requested_at: 0,
        }
    }

    #[test]
    fn a_fitting_use_is_allowed_until_the_last_block() {
        assert_eq!(grant().allows(&WANTED, 100), Ok(()));
        assert_eq!(grant().allows(&WANTED, 101), Err(GrantRefusal::Expired));
    }

    #[test]
    fn a_taken_use_stays_covered_but_no_other_is_allowed() {
        let grant = Grant { used: 1, ..grant() };
        assert_eq!(grant.covers(&WANTED, 5), Ok(()));
        assert_eq!(grant.allows(&WANTED, 5), Err(GrantRefusal::UsedUp));
    }

    #[test]
    fn each_mismatch_is_refused_by_name() {
        let version = |datanet, number| VersionRef { datanet: DatanetId(datanet), number };
        let cases = [
            (Use { version: version(9, 2), ..WANTED }, GrantRefusal::OtherDatanet),
            (Use { grantee: 8, ..WANTED }, GrantRefusal::OtherGrantee),
            (Use { version: version(1, 3), ..WANTED }, GrantRefusal::OtherVersion),
            (Use { purpose: Purpose::Commercial, ..WANTED }, GrantRefusal::OtherPurpose),
            (Use { base_model: BaseModelId(4), ..WANTED }, GrantRefusal::OtherBaseModel),
        ];
        for (wanted, refusal) in cases {
            assert_eq!(grant().allows(&wanted, 5), Err(refusal));
        }
        for (status, refusal) in [
            (GrantStatus::Requested, GrantRefusal::NotIssued),
            (GrantStatus::Revoked { reason: Text::default(), at: 1 }, GrantRefusal::Revoked),
            (GrantStatus::Renounced, GrantRefusal::Renounced),
        ] {
            assert_eq!(Grant { status, ..grant() }.allows(&WANTED, 5), Err(refusal));
        }
    }
}

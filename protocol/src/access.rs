//! What may be read by whom: the question that data providers ask the chain.

use crate::ids::{ContentHash, JobId, VersionRef};
use codec::{Decode, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// What a reader wants to read under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Scope {
    /// A contribution's file in a Datanet's version. Open to: the Datanet's owner and curators, the holder of a live
    /// lease on a job that uses the version under a grant that still covers it.
    Version(VersionRef),
    /// The bundle of a reported job. Open to: the job's requester and its trainer.
    Bundle(JobId),
}

/// A reader's question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct ReadRequest<AccountId> {
    /// Who wants to read.
    pub account: AccountId,
    /// Under what.
    pub scope: Scope,
    /// Which file.
    pub blob: ContentHash,
}

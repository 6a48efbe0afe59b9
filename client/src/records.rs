//! The chain's records with this crate's account type.

use crate::account::Account;
use tributary_protocol::{access, channel, datanet, epoch, grant, job, model, stream};

/// See [`datanet::Datanet`].
pub type Datanet = datanet::Datanet<Account>;
/// See [`datanet::Contribution`].
pub type Contribution = datanet::Contribution<Account>;
/// See [`grant::Grant`].
pub type Grant = grant::Grant<Account>;
/// See [`grant::GrantOffer`].
pub type GrantOffer = grant::GrantOffer<Account>;
/// See [`grant::Use`].
pub type Use = grant::Use<Account>;
/// See [`job::Job`].
pub type Job = job::Job<Account>;
/// See [`job::JobState`].
pub type JobState = job::JobState<Account>;
/// See [`model::BaseModel`].
pub type BaseModel = model::BaseModel<Account>;
/// See [`model::Model`].
pub type Model = model::Model<Account>;
/// See [`epoch::Ledger`].
pub type AnswerLedger = epoch::Ledger<Account>;
/// See [`channel::Channel`].
pub type Channel = channel::Channel<Account>;
/// See [`stream::Stream`].
pub type Stream = stream::Stream<Account>;
/// See [`access::ReadRequest`].
pub type ReadRequest = access::ReadRequest<Account>;

//! Typed chain client for every off-chain process.
//!
//! A daemon or a command needs four things of the chain, and this crate is the one door to them:
//!
//! - [`ChainClient`] connects to a node and stays connected. It refuses a chain whose runtime is not the one this
//!   program was built for (`metadata.scale` in this crate pins that), naming what differs.
//! - [`View`] reads: every runtime API function at one block, by default the latest finalised one, with the types of
//!   [`tributary_protocol`]. Decisions are made on finalised blocks only.
//! - [`calls`] and [`Submitter`] write: a typed call, submitted under an intent, happens exactly once even if the process
//!   or the node crashes in between, and ends in a [`Receipt`] or in an error that names pallet and fact.
//! - [`ChainClient::job_changes`] and [`ChainClient::wait_for_job`] watch.
//!
//! Accounts are [`Account`]s, secrets [`Keypair`]s: see [`KeySource`] for where they come from.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use tributary_client::{ChainClient, Journal, KeySource, Keypair, Submitter, calls};
//!
//! let client = ChainClient::connect("ws://127.0.0.1:9944").await?;
//! let key = Keypair::load(&KeySource::File("trainer.key".into()))?;
//! let trainer = Submitter::new(client.clone(), key, Journal::open("trainer.journal".as_ref())?)?;
//! trainer.recover().await?;
//!
//! let need = client.latest().bond_required(5_000_000_000_000).await?;
//! trainer.submit("bond/first", &calls::jobs::bond(need)).await?;
//! # Ok(())
//! # }
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod account;
mod call;
pub mod calls;
mod chain;
mod error;
mod events;
mod head;
mod keys;
mod reads;
mod records;
mod runtime;
mod submit;
mod watch;

pub use account::{Account, AccountError};
pub use call::UnknownCall;
pub use calls::Call;
pub use chain::{ChainClient, ChainKind, PATIENCE};
pub use error::{ChainError, Failure};
pub use events::{BlockEvent, Event, EventsUnreadable, Receipt};
pub use head::{BlockHash, Head};
pub use keys::{KeyError, KeySource, Keypair};
pub use reads::{Balance, Hold, PAGE, View};
pub use records::{
    AnswerLedger, BaseModel, Channel, Contribution, Datanet, Grant, GrantOffer, Job, JobState, Model, ReadRequest,
    Stream, Use,
};
pub use runtime::{PALLETS, PINNED_METADATA, RUNTIME_APIS, SignError, check_compatible};
pub use submit::{
    ATTEMPTS_MAX, Journal, JournalError, Ledger, Outcome, PERIOD, Phase, RECEIPT_BLOCKS, Rejection, SendError,
    SignOrChainError, Status, SubmitError, Submitter,
};
pub use watch::{JobChange, WaitError};

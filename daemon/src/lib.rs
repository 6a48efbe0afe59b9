//! What the daemons off chain have in common: trainers write bundles, operators serve from them, both ask the chain who may
//! read what.
//!
//! # Reading order
//! [`Recipe`] (what a job asked for, as settings of a run), [`Bundle`] (what a job made, as one file) and [`Shares`] (who is
//! paid for it), [`verify_bundle`] (whether it is what was reported), [`ChainGrants`] and [`KeySigner`] (the chain as the
//! exchange wants it), [`recover`] (what was being submitted), [`contribution_of`] (rows as samples), [`RunOrder`]
//! (what a requester tells its trainer), [`Suspects`] (what a trainer tells curators), [`files`] (files that are whole or absent), [`http`] (what trainers and operators show).
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod bundle;
pub mod files;
mod grants;
pub mod http;
mod recipe;
mod recover;
mod run_order;
mod samples;
mod signals;

pub use bundle::{
    ArchiveError, Bundle, BundleContents, BundleError, BundleMismatch, EMBEDDINGS_FILE, SNAPSHOTS_FOLDER, Share,
    Shares, TANGENTS_FILE, verify_bundle,
};
pub use files::FileError;
pub use grants::{ChainGrants, KeySigner, chain_scope, exchange_scope};
pub use recipe::{Recipe, micro};
pub use recover::recover;
pub use run_order::{RunOrder, RunOrderError, RunWish};
pub use samples::{Accepted, RowsError, WrongRows, contribution_of};
pub use signals::shutdown_on_signals;
pub use tributary_attribution::{Suspect, Suspects};

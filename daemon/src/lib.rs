//! What the daemons off chain have in common: trainers write bundles, operators serve from them, both ask the chain who may
//! read what.
//!
//! # Reading order
//! [`Recipe`] (what a job asked for, as settings of a run), [`Bundle`] (what a job made, as one file) and [`Shares`] (who is
//! paid for it), [`verify_bundle`] (whether it is what was reported), [`ChainGrants`] and [`KeySigner`] (the chain as the
//! exchange wants it), [`files`] (files that are whole or absent).
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod bundle;
pub mod files;
mod grants;
mod recipe;
mod signals;

pub use bundle::{
    ArchiveError, Bundle, BundleContents, BundleError, BundleMismatch, EMBEDDINGS_FILE, SNAPSHOTS_FOLDER, Share,
    Shares, TANGENTS_FILE, verify_bundle,
};
pub use files::FileError;
pub use grants::{ChainGrants, KeySigner, chain_scope, exchange_scope};
pub use recipe::{Recipe, micro};
pub use signals::shutdown_on_signals;

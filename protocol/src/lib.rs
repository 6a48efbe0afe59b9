//! Nouns and rules that the chain and every daemon share.
//!
//! Pure and `no_std`: no FRAME, no network, no clock, no floats. The pallets store these types, the runtime API
//! returns them, the daemons decode them; golden cases in `vectors/` hold their meaning still for clients of other languages.
//!
//! Reading order: [`ids`], [`amount`], [`datanet`], [`grant`], [`model`], [`recipe`], [`job`], [`stream`], [`channel`] are the
//! nouns; [`voucher`] and [`receipt`] are what apps and operators sign, [`epoch`] and [`earnings`] what pays contributors for it;
//! [`content`], [`sum_tree`], [`share`], [`answer`], [`trace`] are the commitments and the arithmetic; [`sample`] is how data looks.
#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::float_arithmetic))]
#![cfg_attr(test, allow(clippy::unwrap_used))]

extern crate alloc;

pub mod access;
pub mod amount;
pub mod answer;
pub mod channel;
pub mod content;
pub mod datanet;
pub mod earnings;
pub mod epoch;
pub mod grant;
pub mod ids;
pub mod job;
pub mod model;
pub mod receipt;
pub mod recipe;
#[cfg(feature = "std")]
pub mod sample;
pub mod share;
pub mod stream;
pub mod sum_tree;
pub mod trace;
pub mod voucher;

pub use amount::{Amount, BlockNumber, Ppm};
pub use ids::{BaseModelId, ChannelId, ContentHash, ContributionId, DatanetId, GrantId, JobId, ModelId, VersionRef};

//! One function per call of the chain that this crate uses. Each returns a [`Call`] for [`crate::Submitter::submit`];
//! nothing is sent here. What a call does, who may make it and how it can fail is the pallet's documentation.

pub mod attribution;
pub mod balances;
pub mod datanets;
pub mod grants;
pub mod jobs;
pub mod models;
pub mod sudo;
pub mod utility;

pub use crate::call::Call;

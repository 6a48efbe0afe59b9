//! What each pallet needs to know: one file for each, in the order of the runtime's list.

pub mod system;
mod timestamp;
pub mod babe;
mod grandpa;
pub mod session;
mod authorship;
pub mod balances;
pub mod transaction_payment;
mod utility;
mod sudo;

pub mod attribution;
pub mod datanets;
pub mod grants;
pub mod jobs;
pub mod models;

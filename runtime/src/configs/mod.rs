//! What each pallet needs to know: one file for each, in the order of the runtime's list.

mod authorship;
pub mod babe;
pub mod balances;
mod grandpa;
pub mod session;
mod sudo;
pub mod system;
mod timestamp;
pub mod transaction_payment;
mod utility;

pub mod attribution;
pub mod channels;
pub mod datanets;
pub mod grants;
pub mod jobs;
pub mod models;

//! The traits by which the pallets meet. A pallet names another only through these.
#![cfg_attr(not(feature = "std"), no_std)]

mod answers;
mod clock;
mod datanets;
mod grants;
mod models;
mod rewards;

pub use answers::{AnswerSink, ServedModels};
pub use clock::now;
pub use datanets::DatanetInspect;
pub use grants::GrantGate;
pub use models::{BaseModelInspect, ModelRegistry, NewModel};
pub use rewards::RewardSink;

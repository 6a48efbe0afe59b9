//! Datanets: register, contribute, curate, publish.

use crate::{account::Account, call::Call};
use tributary_protocol::{
    ContributionId, DatanetId,
    datanet::{Name, SampleCommitment, Schema, Terms, Text},
};

const PALLET: &str = "Datanets";

/// Registers a Datanet owned by the signer.
pub fn register(name: &Name, domain: &Name, description: &Text, schema: Schema, terms: &Terms) -> Call {
    Call::new(PALLET, "register").with(name).with(domain).with(description).with(schema).with(terms)
}

/// Changes the terms, for later grants and jobs.
pub fn update_terms(datanet: DatanetId, terms: &Terms) -> Call {
    Call::new(PALLET, "update_terms").with(datanet).with(terms)
}

/// Replaces the curators.
pub fn set_curators(datanet: DatanetId, curators: &[Account]) -> Call {
    Call::new(PALLET, "set_curators").with(datanet).with(curators)
}

/// Ends the Datanet for anything new.
pub fn retire(datanet: DatanetId) -> Call {
    Call::new(PALLET, "retire").with(datanet)
}

/// Submits samples by their commitment.
pub fn submit_contribution(datanet: DatanetId, samples: &SampleCommitment, licence: &Name) -> Call {
    Call::new(PALLET, "submit_contribution").with(datanet).with(samples).with(licence)
}

/// Accepts a contribution into the next version.
pub fn accept(contribution: ContributionId) -> Call {
    Call::new(PALLET, "accept").with(contribution)
}

/// Refuses a contribution, and says why.
pub fn reject(contribution: ContributionId, reason: &Text) -> Call {
    Call::new(PALLET, "reject").with(contribution).with(reason)
}

/// Takes a contribution back.
pub fn withdraw(contribution: ContributionId) -> Call {
    Call::new(PALLET, "withdraw").with(contribution)
}

/// Publishes the accepted contributions as the next version.
pub fn publish_version(datanet: DatanetId) -> Call {
    Call::new(PALLET, "publish_version").with(datanet)
}

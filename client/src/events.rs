//! Events of a transaction, each with its fields as SCALE, and the receipt that carries them.

use crate::head::Head;
use codec::{Decode, Encode};
use tributary_protocol::{
    Amount, BaseModelId, ChannelId, ContributionId, DatanetId, GrantId, JobId, ModelId, VersionRef,
};

/// Something that happened in a block.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Event {
    /// The pallet that says so.
    pub pallet: String,
    /// What happened.
    pub name: String,
    /// SCALE of its fields, one after the other.
    pub fields: Vec<u8>,
}

/// An event with what caused it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct BlockEvent {
    /// The transaction's place in the block; `None` for what the block did by itself, before or after its transactions.
    pub transaction: Option<u32>,
    /// What happened.
    pub event: Event,
}

/// An event's fields are not what was expected of it.
#[derive(Debug, thiserror::Error)]
#[error("events cannot be read: {reason}\nhint: the chain's runtime may be of another version than this program")]
pub struct EventsUnreadable {
    /// What is wrong.
    pub reason: String,
}

impl Event {
    /// Whether it is this pallet's event of this name.
    pub fn is(&self, pallet: &str, name: &str) -> bool {
        self.pallet == pallet && self.name == name
    }

    /// Its first fields: a type, or a tuple of types, that decodes from the start of the fields.
    pub fn first<T: Decode>(&self) -> Result<T, EventsUnreadable> {
        T::decode(&mut self.fields.as_slice())
            .map_err(|error| EventsUnreadable { reason: format!("{}.{}: {error}", self.pallet, self.name) })
    }
}

/// Proof that a transaction is in a finalised block and did what it should.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Receipt {
    /// The finalised block that holds it.
    pub block: Head,
    /// Its place in the block.
    pub index: u32,
    /// BLAKE2-256 of its bytes: how explorers name it.
    pub extrinsic_hash: [u8; 32],
    /// What it caused, in order.
    pub events: Vec<Event>,
}

impl Receipt {
    /// The first fields of the first event of this name, or `None` if there is none.
    pub fn find<T: Decode>(&self, pallet: &str, name: &str) -> Result<Option<T>, EventsUnreadable> {
        self.events.iter().find(|event| event.is(pallet, name)).map(Event::first).transpose()
    }

    /// The first fields of the first event of this name, which the transaction must have caused.
    pub fn expect<T: Decode>(&self, pallet: &str, name: &str) -> Result<T, EventsUnreadable> {
        self.find(pallet, name)?
            .ok_or_else(|| EventsUnreadable { reason: format!("the transaction caused no {pallet}.{name}") })
    }

    /// What was paid for inclusion.
    pub fn fee(&self) -> Result<Option<Amount>, EventsUnreadable> {
        let paid: Option<([u8; 32], Amount)> = self.find("TransactionPayment", "TransactionFeePaid")?;
        Ok(paid.map(|(_, fee)| fee))
    }
}

/// What calls that make something have made. Each errs if the transaction made no such thing.
impl Receipt {
    /// By [`crate::calls::datanets::register`].
    pub fn datanet(&self) -> Result<DatanetId, EventsUnreadable> {
        self.expect("Datanets", "DatanetRegistered")
    }

    /// By [`crate::calls::datanets::submit_contribution`].
    pub fn contribution(&self) -> Result<ContributionId, EventsUnreadable> {
        self.expect("Datanets", "ContributionSubmitted")
    }

    /// By [`crate::calls::datanets::publish_version`].
    pub fn version(&self) -> Result<VersionRef, EventsUnreadable> {
        self.expect("Datanets", "VersionPublished")
    }

    /// By [`crate::calls::grants::request`] or [`crate::calls::grants::present`].
    pub fn grant(&self) -> Result<GrantId, EventsUnreadable> {
        match self.find("Grants", "GrantRequested")? {
            Some(grant) => Ok(grant),
            None => self.expect("Grants", "GrantIssued"),
        }
    }

    /// By [`crate::calls::models::register_base`].
    pub fn base_model(&self) -> Result<BaseModelId, EventsUnreadable> {
        self.expect("Models", "BaseRegistered")
    }

    /// By [`crate::calls::jobs::post`].
    pub fn job(&self) -> Result<JobId, EventsUnreadable> {
        self.expect("Jobs", "JobPosted")
    }

    /// By [`crate::calls::channels::open`].
    pub fn channel(&self) -> Result<ChannelId, EventsUnreadable> {
        self.expect("Channels", "ChannelOpened")
    }

    /// By whatever settled a job: the job and its model.
    pub fn settled(&self) -> Result<(JobId, ModelId), EventsUnreadable> {
        self.expect("Jobs", "JobSettled")
    }

    /// By [`crate::calls::jobs::stop`]: what the trainer got, and what returned.
    pub fn stopped(&self) -> Result<(Amount, Amount), EventsUnreadable> {
        let (_, _, _, paid, returned): (JobId, [u8; 32], [u8; 32], Amount, Amount) =
            self.expect("Jobs", "JobStopped")?;
        Ok((paid, returned))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::pinned;

    #[test]
    fn every_event_that_receipts_look_for_begins_as_they_expect() {
        let expected = [
            ("Datanets", "DatanetRegistered", &["DatanetId"][..]),
            ("Datanets", "ContributionSubmitted", &["ContributionId"]),
            ("Datanets", "VersionPublished", &["VersionRef"]),
            ("Grants", "GrantRequested", &["GrantId"]),
            ("Grants", "GrantIssued", &["GrantId"]),
            ("Models", "BaseRegistered", &["BaseModelId"]),
            ("Channels", "ChannelOpened", &["ChannelId"]),
            ("Jobs", "JobPosted", &["JobId"]),
            ("Jobs", "JobSettled", &["JobId", "ModelId"]),
            ("Jobs", "JobStopped", &["JobId", "AccountId32", "AccountId32", "u128", "u128"]),
            ("TransactionPayment", "TransactionFeePaid", &["AccountId32", "u128"]),
        ];
        for (pallet, event, fields) in expected {
            let variants = pinned().pallet_by_name(pallet).unwrap().event_variants().unwrap();
            let variant = variants.iter().find(|variant| variant.name == event).unwrap_or_else(|| panic!("{event}"));
            for (field, name) in variant.fields.iter().zip(fields) {
                let ty = pinned().types().resolve(field.ty.id).unwrap();
                let found = ty.path.ident().unwrap_or_else(|| format!("{:?}", ty.type_def).to_lowercase());
                assert!(found.contains(name), "{pallet}.{event}: {found}, not {name}");
            }
        }
    }

    #[test]
    fn a_missing_event_is_told_by_name() {
        let block = Head { number: 1, hash: crate::BlockHash::zero() };
        let receipt = Receipt { block, index: 2, extrinsic_hash: [0; 32], events: Vec::new() };
        let error = receipt.job().unwrap_err().to_string();
        assert!(error.contains("no Jobs.JobPosted"), "{error}");
    }
}

//! What one finalised block says: its events, and the records that they concern as they are at its end.
//!
//! Records are read at the block itself, not at the head, so that what a block adds to the index does not depend on when it
//! is read. This needs a node that keeps the state of all blocks.

use codec::Decode;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use std::collections::BTreeSet;
use tributary_client::{
    Account, AnswerLedger, BaseModel, BlockEvent, ChainClient, ChainError, Channel, Contribution, Datanet, Event,
    EventsUnreadable, Grant, Head, Job, Model, PAGE, PALLETS, Stream, View,
};
use tributary_protocol::{
    BaseModelId, ChannelId, ContributionId, DatanetId, GrantId, JobId, ModelId, VersionRef, channel::Offer,
    datanet::Version, job::TrainerRecord, model::Deployment, voucher::Voucher,
};

/// Records of one block that are asked for at a time.
const READS_AT_ONCE: usize = 8;

/// Why a block could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FactsError {
    /// The node could not be asked.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// An event has other fields than this program knows.
    #[error(transparent)]
    Events(#[from] EventsUnreadable),
}

/// One finalised block.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Which.
    pub head: Head,
    /// Its time, in milliseconds since 1970 began.
    pub time_ms: Option<u64>,
    /// The events of Tributary's pallets.
    pub events: Vec<BlockEvent>,
    /// The records that they concern, each once.
    pub records: Vec<Record>,
}

/// What a record is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// A Datanet.
    Datanet(DatanetId),
    /// A contribution.
    Contribution(ContributionId),
    /// A version.
    Version(VersionRef),
    /// A grant.
    Grant(GrantId),
    /// A base model.
    BaseModel(BaseModelId),
    /// A job.
    Job(JobId),
    /// A trainer.
    Trainer(Account),
    /// A model. Before its stream and whatever else belongs to it.
    Model(ModelId),
    /// A model's deployments.
    Deployments(ModelId),
    /// A model's stream.
    Stream(ModelId),
    /// What an operator owes a model's contributors.
    Ledger(ModelId, Account),
    /// An operator's offer.
    Offer(ModelId, Account),
    /// A channel.
    Channel(ChannelId),
}

impl Key {
    /// Kind and id as the API names them.
    pub fn name(&self) -> (&'static str, String) {
        match self {
            Self::Datanet(id) => ("datanet", id.to_string()),
            Self::Contribution(id) => ("contribution", id.to_string()),
            Self::Version(id) => ("version", id.to_string()),
            Self::Grant(id) => ("grant", id.to_string()),
            Self::BaseModel(id) => ("base_model", id.to_string()),
            Self::Job(id) => ("job", id.to_string()),
            Self::Trainer(account) => ("trainer", account.to_string()),
            Self::Model(id) => ("model", id.to_string()),
            Self::Deployments(model) => ("deployment", model.to_string()),
            Self::Stream(model) => ("stream", model.to_string()),
            Self::Ledger(model, _) => ("stream", model.to_string()),
            Self::Offer(model, _) => ("offer", model.to_string()),
            Self::Channel(id) => ("channel", id.to_string()),
        }
    }
}

/// A record as it is at the end of a block; `None` where the chain has none any more.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "see Key")]
pub enum Record {
    Datanet(DatanetId, Option<Datanet>),
    Contribution(ContributionId, Option<Contribution>),
    Version(VersionRef, Option<Version>),
    Grant(GrantId, Option<Grant>),
    BaseModel(BaseModelId, Option<BaseModel>),
    Job(JobId, Option<Box<Job>>),
    Trainer(Account, Option<TrainerRecord>),
    Model(ModelId, Option<Box<Model>>),
    Deployments(ModelId, Vec<(Account, Deployment)>),
    Stream(ModelId, Option<Box<Stream>>),
    Ledger(ModelId, Account, Option<Box<AnswerLedger>>),
    Offer(ModelId, Account, Option<Offer>),
    Channel(ChannelId, Option<Box<Channel>>),
}

impl Record {
    /// What it is found by.
    pub fn key(&self) -> Key {
        match self {
            Self::Datanet(id, _) => Key::Datanet(*id),
            Self::Contribution(id, _) => Key::Contribution(*id),
            Self::Version(id, _) => Key::Version(*id),
            Self::Grant(id, _) => Key::Grant(*id),
            Self::BaseModel(id, _) => Key::BaseModel(*id),
            Self::Job(id, _) => Key::Job(*id),
            Self::Trainer(account, _) => Key::Trainer(*account),
            Self::Model(id, _) => Key::Model(*id),
            Self::Deployments(model, _) => Key::Deployments(*model),
            Self::Stream(model, _) => Key::Stream(*model),
            Self::Ledger(model, operator, _) => Key::Ledger(*model, *operator),
            Self::Offer(model, operator, _) => Key::Offer(*model, *operator),
            Self::Channel(id, _) => Key::Channel(*id),
        }
    }
}

/// Reads the finalised block at this height; `None` above the finalised head.
pub async fn read(client: &ChainClient, number: u32) -> Result<Option<Facts>, FactsError> {
    let Some(hash) = client.finalised_hash(number).await? else { return Ok(None) };
    let view = client.at(hash);
    let time_ms = view.time_ms().await?;
    let mut events = client.events_at(hash).await?;
    events.retain(|event| PALLETS.contains(&event.event.pallet.as_str()));
    let mut keys = BTreeSet::new();
    if number == 0 {
        keys = genesis(&view).await?;
    }
    for event in &events {
        concerned(&event.event, &mut keys)?;
    }
    // A job that ended without a model names no trainer, but may have freed one.
    let ended: Vec<JobId> = events.iter().filter_map(|event| ended(&event.event)).collect();
    if let (false, Some(before)) = (ended.is_empty(), number.checked_sub(1)) {
        let before = client.finalised_hash(before).await?.map(|hash| client.at(hash));
        for job in ended {
            let Some(before) = &before else { continue };
            let job = before.job(job).await?;
            keys.extend(job.and_then(|job| job.state.trainer().copied()).map(Key::Trainer));
        }
    }
    let reads = keys.into_iter().map(|key| look_up(&view, key));
    let records = stream::iter(reads).buffered(READS_AT_ONCE).try_collect().await?;
    Ok(Some(Facts { head: Head { number, hash }, time_ms, events, records }))
}

/// All that a chain begins with: no event tells of it.
async fn genesis(view: &View) -> Result<BTreeSet<Key>, FactsError> {
    let mut keys = BTreeSet::new();
    keys.extend(view.all_datanets().await?.into_iter().map(|(id, _)| Key::Datanet(id)));
    keys.extend(view.all_base_models().await?.into_iter().map(|(id, _)| Key::BaseModel(id)));
    Ok(keys)
}

async fn look_up(view: &View, key: Key) -> Result<Record, FactsError> {
    Ok(match key {
        Key::Datanet(id) => Record::Datanet(id, view.datanet(id).await?),
        Key::Contribution(id) => Record::Contribution(id, view.contribution(id).await?),
        Key::Version(id) => Record::Version(id, view.version(id).await?),
        Key::Grant(id) => Record::Grant(id, view.grant(id).await?),
        Key::BaseModel(id) => Record::BaseModel(id, view.base_model(id).await?),
        Key::Job(id) => Record::Job(id, view.job(id).await?.map(Box::new)),
        Key::Trainer(account) => Record::Trainer(account, view.trainer(account).await?),
        Key::Model(id) => Record::Model(id, view.model(id).await?.map(Box::new)),
        Key::Deployments(model) => Record::Deployments(model, view.deployments(model, PAGE).await?),
        Key::Stream(model) => Record::Stream(model, view.stream(model).await?.map(Box::new)),
        Key::Ledger(model, operator) => {
            Record::Ledger(model, operator, view.ledger(model, operator).await?.map(Box::new))
        }
        Key::Offer(model, operator) => Record::Offer(model, operator, view.offer(model, operator).await?),
        Key::Channel(id) => Record::Channel(id, view.channel(id).await?.map(Box::new)),
    })
}

fn ended(event: &Event) -> Option<JobId> {
    let ended = ["JobCancelled", "JobStopped", "JobExpired"].iter().any(|name| event.is("Jobs", name));
    if ended { event.first().ok() } else { None }
}

/// The records that an event is about.
fn concerned(event: &Event, keys: &mut BTreeSet<Key>) -> Result<(), FactsError> {
    match event.pallet.as_str() {
        "Datanets" => match event.name.as_str() {
            "VersionPublished" => {
                let version: VersionRef = event.first()?;
                keys.extend([Key::Version(version), Key::Datanet(version.datanet)]);
            }
            name if name.starts_with("Contribution") => {
                let contribution: ContributionId = event.first()?;
                keys.insert(Key::Contribution(contribution));
            }
            _ => {
                keys.insert(Key::Datanet(event.first()?));
            }
        },
        "Grants" => {
            keys.insert(Key::Grant(event.first()?));
        }
        "Models" => match event.name.as_str() {
            "BaseRegistered" => {
                keys.insert(Key::BaseModel(event.first()?));
            }
            name => {
                let model = event.first()?;
                keys.insert(Key::Model(model));
                if matches!(name, "ModelDeployed" | "ModelUndeployed" | "ModelWithdrawn") {
                    keys.insert(Key::Deployments(model));
                }
            }
        },
        "Jobs" => jobs(event, keys)?,
        "Attribution" => {
            let model: ModelId = event.first()?;
            keys.extend([Key::Stream(model), Key::Model(model)]);
            let of_an_operator = match event.name.as_str() {
                "StreamOpened" | "StreamFunded" | "RewardClaimed" => None,
                _ => Some(event.first::<(ModelId, Account)>()?),
            };
            keys.extend(of_an_operator.map(|(model, operator)| Key::Ledger(model, operator)));
        }
        "Channels" => match event.name.as_str() {
            "OfferMade" | "OfferWithdrawn" => {
                let (model, operator) = event.first()?;
                keys.insert(Key::Offer(model, operator));
            }
            "VoucherRedeemed" => {
                keys.insert(Key::Channel(event.first::<Voucher>()?.channel));
            }
            _ => {
                keys.insert(Key::Channel(event.first()?));
            }
        },
        _ => {}
    }
    Ok(())
}

fn jobs(event: &Event, keys: &mut BTreeSet<Key>) -> Result<(), FactsError> {
    match event.name.as_str() {
        "Bonded" | "Unbonded" => {
            keys.insert(Key::Trainer(event.first()?));
            return Ok(());
        }
        "JobClaimed" | "HeartbeatRecorded" | "LeaseLapsed" | "JobReported" => {
            let (_, trainer): (JobId, Account) = event.first()?;
            keys.insert(Key::Trainer(trainer));
        }
        "JobSettled" => {
            let (_, _, _, trainer): (JobId, ModelId, Account, Account) = event.first()?;
            keys.insert(Key::Trainer(trainer));
        }
        "DisputeResolved" => {
            let fields: DisputeResolved = event.first()?;
            keys.insert(Key::Trainer(fields.trainer));
        }
        _ => {}
    }
    keys.insert(Key::Job(event.first()?));
    Ok(())
}

/// The first fields of `Jobs.DisputeResolved`.
#[derive(Decode)]
pub struct DisputeResolved {
    /// The job.
    pub job: JobId,
    /// The outcome.
    pub verdict: tributary_protocol::job::Verdict,
    /// Who disputed.
    pub requester: Account,
    /// Whose report it was.
    pub trainer: Account,
    /// What the requester got of the trainer's bond.
    pub slashed: tributary_protocol::Amount,
}

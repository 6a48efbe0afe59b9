//! Trainers: bond, record, and what they do now.

use super::{Money, Page, When};
use crate::{
    db::{Row, WorkError},
    index::{
        codes::{account, record},
        reader::{Filter, List, Order, Reader, Want},
    },
    trainers::Live,
};
use serde::Serialize;
use tributary_client::Account;
use tributary_protocol::{JobId, job::TrainerRecord};

/// A trainer.
#[derive(Clone, Debug, Serialize)]
pub struct TrainerView {
    /// Who.
    pub account: Account,
    bonded: Money,
    at_risk: Money,
    free: Money,
    active: u32,
    settled: u32,
    lapsed: u32,
    overturned: u32,
    since: When,
    earned: Money,
    jobs: Vec<JobId>,
    /// What it says of itself: filled in by the route.
    pub live: Option<Live>,
}

/// Trainers, by settled jobs.
pub fn list(reader: &Reader<'_>, want: &Want) -> Result<Page<TrainerView>, WorkError> {
    let order = Order { key: "settled", is_text: false, id: "account", is_account: true, is_descending: true };
    let list = List { table: "trainers", filter: Filter::default(), order };
    reader.page(&list, want, |row| view(reader, row))
}

/// A trainer.
pub fn one(reader: &Reader<'_>, id: Account) -> Result<Option<TrainerView>, WorkError> {
    reader.one("SELECT * FROM trainers WHERE account = ?", [id.0], |row| view(reader, row))
}

fn view(reader: &Reader<'_>, row: &Row) -> Result<TrainerView, WorkError> {
    let id = account(row, "account")?.ok_or_else(|| WorkError::damaged("a trainer's account"))?;
    let trainer: TrainerRecord = record(row, "record")?;
    let jobs = "SELECT id FROM jobs WHERE trainer = ? AND stage IN ('leased', 'reported', 'disputed') ORDER BY id";
    let earned = reader.total("account", id.0, "job_trainer")?;
    Ok(TrainerView {
        account: id,
        bonded: Money(trainer.bonded),
        at_risk: Money(trainer.at_risk),
        free: Money(trainer.bonded.saturating_sub(trainer.at_risk)),
        active: trainer.active,
        settled: trainer.settled,
        lapsed: trainer.lapsed,
        overturned: trainer.overturned,
        since: reader.when(row.get("since_block")?)?,
        earned: Money(earned.saturating_add(reader.total("account", id.0, "trainer")?)),
        jobs: reader.all(jobs, [id.0], |row| Ok(JobId(row.get(0)?)))?,
        live: None,
    })
}

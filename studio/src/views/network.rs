//! The network at a glance, and its blocks.

use super::{Hex, Money, Page, iso};
use crate::{
    db::{Row, WorkError},
    index::reader::{Filter, List, Order, Reader, Want},
};
use serde::Serialize;
use std::collections::BTreeMap;
use tributary_client::{AnswerLedger, Stream};
use tributary_protocol::{Amount, job::Stage};

/// Blocks over which the pace is measured.
const PACE_BLOCKS: u32 = 100;

/// A block.
#[derive(Clone, Debug, Serialize)]
pub struct BlockView {
    number: u32,
    hash: Hex,
    time: Option<String>,
    events: u32,
}

/// How far the index is.
#[derive(Clone, Debug, Serialize)]
pub struct IndexView {
    block: u32,
    blocks_behind: u32,
}

/// The network at a glance.
#[derive(Clone, Debug, Serialize)]
pub struct NetworkView {
    finalised: BlockView,
    index: IndexView,
    datanets: u64,
    contributions: u64,
    samples: u64,
    contributors: u64,
    base_models: u64,
    models: u64,
    models_published: u64,
    jobs: BTreeMap<String, u64>,
    trainers: u64,
    paid_in: Money,
    paid_to_contributors: Money,
    earned_by_contributors: Money,
    /// All the money there is: filled in by the route.
    pub issuance: Money,
    block_seconds: Option<f64>,
}

/// The network at a glance; `height` is that of the node's finalised head.
pub fn network(reader: &Reader<'_>, height: u32) -> Result<NetworkView, WorkError> {
    let newest = reader.newest();
    let count = |query: &str| reader.count(query, ());
    let mut jobs = BTreeMap::new();
    for stage in
        [Stage::Open, Stage::Leased, Stage::Reported, Stage::Disputed, Stage::Settled, Stage::Cancelled, Stage::Expired]
    {
        let stage = stage.to_string();
        let found = reader.count("SELECT count(*) FROM jobs WHERE stage = ?", [stage.as_str()])?;
        jobs.insert(stage, found);
    }
    let running = ["leased", "reported", "disputed"].iter().filter_map(|stage| jobs.get(*stage)).sum();
    jobs.insert("running".to_owned(), running);
    let (mut paid_in, mut earned, mut claimed): (Amount, Amount, Amount) = (0, 0, 0);
    reader.all("SELECT record FROM streams", (), |row| {
        let stream: Stream = crate::index::codes::record(row, "record")?;
        paid_in = paid_in.saturating_add(stream.funded);
        earned = earned.saturating_add(stream.contributors_funded);
        claimed = claimed.saturating_add(stream.claimed);
        Ok(())
    })?;
    reader.all("SELECT record FROM ledgers", (), |row| {
        let ledger: AnswerLedger = crate::index::codes::record(row, "record")?;
        earned = earned.saturating_add(ledger.funded);
        claimed = claimed.saturating_add(ledger.claimed);
        Ok(())
    })?;
    Ok(NetworkView {
        finalised: reader.one("SELECT * FROM blocks WHERE number = ?", [newest.number], block)?.unwrap_or(BlockView {
            number: 0,
            hash: Hex([0; 32]),
            time: None,
            events: 0,
        }),
        index: IndexView { block: newest.number, blocks_behind: height.saturating_sub(newest.number) },
        datanets: count("SELECT count(*) FROM datanets")?,
        contributions: count("SELECT count(*) FROM contributions")?,
        samples: count(
            "SELECT CAST(coalesce(sum(samples), 0) AS BIGINT) FROM contributions WHERE status = 'accepted'",
        )?,
        contributors: count("SELECT count(DISTINCT contributor) FROM contributions")?,
        base_models: count("SELECT count(*) FROM base_models")?,
        models: count("SELECT count(*) FROM models")?,
        models_published: count("SELECT count(*) FROM models WHERE status = 'published'")?,
        jobs,
        trainers: count("SELECT count(*) FROM trainers")?,
        paid_in: Money(paid_in),
        paid_to_contributors: Money(claimed),
        earned_by_contributors: Money(earned),
        issuance: Money(0),
        block_seconds: pace(reader)?,
    })
}

fn pace(reader: &Reader<'_>) -> Result<Option<f64>, WorkError> {
    let newest = reader.newest();
    let first = newest.number.saturating_sub(PACE_BLOCKS).max(1);
    if newest.number <= first {
        return Ok(None);
    }
    let query = "SELECT time_ms FROM blocks WHERE number = ?";
    let then: Option<Option<i64>> = reader.one(query, [first], |row| row.get(0))?;
    let (Some(now), Some(Some(then))) = (newest.time_ms, then) else { return Ok(None) };
    Ok(Some((now - then) as f64 / 1e3 / f64::from(newest.number - first)))
}

/// Finalised blocks, the newest first.
pub fn blocks(reader: &Reader<'_>, want: &Want) -> Result<Page<BlockView>, WorkError> {
    let order = Order { key: "number", is_text: false, id: "number", is_account: false, is_descending: true };
    reader.page(&List { table: "blocks", filter: Filter::default(), order }, want, block)
}

fn block(row: &Row) -> Result<BlockView, WorkError> {
    let time: Option<i64> = row.get("time_ms")?;
    Ok(BlockView {
        number: row.get("number")?,
        hash: Hex(row.get("hash")?),
        time: time.and_then(iso),
        events: row.get("events")?,
    })
}

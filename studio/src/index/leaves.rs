//! Leaves of contribution roots: shown by trainers, believed once they make the root that the chain has.

use super::{codes::account, reader::Reader};
use crate::db::WorkError;
use rusqlite::{Connection, params};
use tributary_client::{Account, Stream};
use tributary_daemon::{Share, Shares};
use tributary_protocol::{ContentHash, ContributionId, JobId, ModelId};

/// Models without leaves: number and job, the oldest first.
pub fn missing(db: &Connection) -> Result<Vec<(ModelId, JobId)>, WorkError> {
    let query =
        "SELECT id, job FROM models m WHERE NOT EXISTS (SELECT 1 FROM leaf_sets l WHERE l.model = m.id) ORDER BY id";
    let mut statement = db.prepare_cached(query)?;
    let rows = statement.query_map([], |row| Ok((ModelId(row.get(0)?), JobId(row.get(1)?))))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Keeps the leaves of a model, if they make its root; says whether they do.
pub fn put(db: &Connection, model: ModelId, genesis: [u8; 32], shares: &Shares) -> Result<bool, WorkError> {
    let reader = Reader::new(db)?;
    let stream: Option<Stream> = reader.record("SELECT record FROM streams WHERE model = ?", [model.0])?;
    let Some(stream) = stream else { return Ok(false) };
    let is_of_this_job = shares.genesis.0 == genesis && shares.job == stream.job;
    if !is_of_this_job || !shares.tree().is_ok_and(|tree| tree.root() == stream.contributions.shares) {
        return Ok(false);
    }
    db.execute("DELETE FROM leaves WHERE model = ?", [model.0])?;
    let mut insert = db.prepare_cached(
        "INSERT INTO leaves (model, place, contribution, contributor, units, evidence) VALUES (?, ?, ?, ?, ?, ?)",
    )?;
    for (place, share) in (0u32..).zip(&shares.leaves) {
        let Share { contribution, contributor, units, evidence } = share;
        insert.execute(params![model.0, place, contribution.0, contributor.0, units, evidence.0])?;
    }
    let upsert = "INSERT OR REPLACE INTO leaf_sets (model, leaves) VALUES (?, ?)";
    db.execute(upsert, params![model.0, shares.leaves.len()])?;
    Ok(true)
}

/// The leaves of a model; `None` if they are not known.
pub fn get(reader: &Reader<'_>, model: ModelId, job: JobId, genesis: [u8; 32]) -> Result<Option<Shares>, WorkError> {
    if reader.count("SELECT count(*) FROM leaf_sets WHERE model = ?", [model.0])? == 0 {
        return Ok(None);
    }
    let query = "SELECT * FROM leaves WHERE model = ? ORDER BY place";
    let leaves = reader.all(query, [model.0], |row| {
        Ok(Share {
            contribution: ContributionId(row.get("contribution")?),
            contributor: account(row, "contributor")?.unwrap_or(Account([0; 32])),
            units: row.get("units")?,
            evidence: ContentHash(row.get("evidence")?),
        })
    })?;
    Ok(Some(Shares { genesis: ContentHash(genesis), job, leaves }))
}

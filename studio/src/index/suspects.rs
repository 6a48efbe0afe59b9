//! Samples that look wrong: what the trainer of a model said of them. Nothing is paid by it, so that its word is enough.

use super::reader::Reader;
use crate::db::{Connection, WorkError, params};
use std::collections::BTreeMap;
use tributary_client::{Account, Job, JobState};
use tributary_daemon::{Suspect, Suspects};
use tributary_protocol::{ContributionId, JobId, ModelId, Ppm};

/// A model whose trainer has not been heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unheard {
    /// The model.
    pub model: ModelId,
    /// Its job.
    pub job: JobId,
    /// Who did the job.
    pub trainer: Account,
}

/// Models without a word on their samples, the oldest first.
pub fn missing(db: &Connection) -> Result<Vec<Unheard>, WorkError> {
    let reader = Reader::new(db)?;
    let query =
        "SELECT id, job FROM models m WHERE NOT EXISTS (SELECT 1 FROM suspect_sets s WHERE s.model = m.id) ORDER BY id";
    let models = reader.all(query, (), |row| Ok((ModelId(row.get(0)?), JobId(row.get(1)?))))?;
    let mut found = Vec::new();
    for (model, job) in models {
        let record: Option<Job> = reader.record("SELECT record FROM jobs WHERE id = ?", [job.0])?;
        if let Some(JobState::Settled { trainer, .. }) = record.map(|job| job.state) {
            found.push(Unheard { model, job, trainer });
        }
    }
    Ok(found)
}

/// Keeps what the trainer of a model said.
pub fn put(db: &Connection, model: ModelId, said: &Suspects) -> Result<(), WorkError> {
    db.execute("DELETE FROM suspects WHERE model = ?", [model.0])?;
    let insert = "INSERT INTO suspects (model, contribution, place, score) VALUES (?, ?, ?, ?)
        ON CONFLICT (model, contribution, place) DO NOTHING";
    for Suspect { contribution, place, score } in &said.suspects {
        db.execute(insert, params![model.0, contribution.0, *place, score.parts()])?;
    }
    let upsert = "INSERT INTO suspect_sets (model, screened) VALUES (?, ?)
        ON CONFLICT (model) DO UPDATE SET screened = excluded.screened";
    db.execute(upsert, params![model.0, said.screened])?;
    Ok(())
}

/// What makes a sample a suspect: the model whose training found it the most suspicious, and how much that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspected {
    /// The model.
    pub model: ModelId,
    /// From 0 to 1, the higher the more suspicious.
    pub score: Ppm,
}

/// The suspects of a contribution, by their places in its file.
pub fn of_contribution(
    reader: &Reader<'_>,
    contribution: ContributionId,
) -> Result<BTreeMap<usize, Suspected>, WorkError> {
    let query = "SELECT place, model, score FROM suspects WHERE contribution = ? ORDER BY score, model";
    let rows = reader.all(query, [contribution.0], |row| {
        let score = Ppm::new(row.get(2)?).unwrap_or(Ppm::ONE);
        let place: u32 = row.get(0)?;
        Ok((place as usize, Suspected { model: ModelId(row.get(1)?), score }))
    })?;
    // Of several models' words the last, which is the strongest.
    Ok(rows.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::{Database, Db};

    fn suspect(contribution: u64, place: u32, percent: u8) -> Suspect {
        Suspect { contribution: ContributionId(contribution), place, score: Ppm::from_percent(percent) }
    }

    #[tokio::test]
    async fn the_strongest_word_on_a_sample_counts_and_a_later_one_of_a_model_replaces_it() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(&Database::in_folder(folder.path())).await.unwrap();
        let said = |suspects: Vec<Suspect>| Suspects { screened: 40, suspects };
        let found = db.write(move |db| {
            put(db, ModelId(1), &said(vec![suspect(3, 0, 90), suspect(3, 7, 80), suspect(4, 1, 70)]))?;
            put(db, ModelId(2), &said(vec![suspect(3, 7, 85), suspect(3, 7, 10)]))?;
            let before = of_contribution(&Reader::new(db)?, ContributionId(3))?;
            put(db, ModelId(2), &said(vec![]))?;
            Ok((before, of_contribution(&Reader::new(db)?, ContributionId(3))?))
        });
        let (before, after) = found.await.unwrap();
        let of = |model, percent| Suspected { model: ModelId(model), score: Ppm::from_percent(percent) };
        assert_eq!(before, BTreeMap::from([(0, of(1, 90)), (7, of(2, 85))]));
        assert_eq!(after, BTreeMap::from([(0, of(1, 90)), (7, of(1, 80))]));
        assert_eq!(db.read(missing).await.unwrap(), []);
    }
}

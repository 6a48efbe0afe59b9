//! Leaves of contribution roots: shown by trainers, believed once they make the root that the chain has.

use super::{codes::account, reader::Reader};
use crate::db::{Connection, WorkError, params};
use tributary_client::{Account, Stream};
use tributary_daemon::{Share, Shares};
use tributary_protocol::{ContentHash, ContributionId, JobId, ModelId};

/// Models without leaves: number and job, the oldest first.
pub fn missing(db: &Connection) -> Result<Vec<(ModelId, JobId)>, WorkError> {
    let query =
        "SELECT id, job FROM models m WHERE NOT EXISTS (SELECT 1 FROM leaf_sets l WHERE l.model = m.id) ORDER BY id";
    db.rows(query, ())?.iter().map(|row| Ok((ModelId(row.get(0)?), JobId(row.get(1)?)))).collect()
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
    let insert =
        "INSERT INTO leaves (model, place, contribution, contributor, units, evidence) VALUES (?, ?, ?, ?, ?, ?)";
    for (place, share) in (0u32..).zip(&shares.leaves) {
        let Share { contribution, contributor, units, evidence } = share;
        db.execute(insert, params![model.0, place, contribution.0, contributor.0, units, evidence.0])?;
    }
    let upsert = "INSERT INTO leaf_sets (model, leaves) VALUES (?, ?)
        ON CONFLICT (model) DO UPDATE SET leaves = excluded.leaves";
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::{Database, Db};
    use codec::Encode as _;
    use tributary_protocol::{
        Ppm,
        stream::{ContributionRoot, Parties, SHARE_UNITS, Split},
        sum_tree::{Domain, verify},
    };

    const GENESIS: [u8; 32] = [1; 32];
    const MODEL: ModelId = ModelId(5);

    fn shares(first: u64) -> Shares {
        let share = |number: u8, units| Share {
            contribution: ContributionId(number.into()),
            contributor: Account([number; 32]),
            units,
            evidence: ContentHash([number; 32]),
        };
        let leaves = vec![share(1, first), share(2, SHARE_UNITS - first)];
        Shares { genesis: ContentHash(GENESIS), job: JobId(3), leaves }
    }

    fn stream() -> Stream {
        let account = Account([9; 32]);
        Stream {
            job: JobId(3),
            parties: Parties {
                base_owner: account,
                trainer: account,
                model_owner: account,
                datanet_owners: Default::default(),
            },
            split: Split::DEFAULT,
            contributions: ContributionRoot {
                shares: shares(7).tree().unwrap().root(),
                evidence: ContentHash([2; 32]),
                attributed: Ppm::ZERO,
            },
            revenue_per_unit: Default::default(),
            carry: Default::default(),
            funded: 0,
            contributors_funded: 0,
            claimed: 0,
        }
    }

    #[tokio::test]
    async fn only_leaves_that_make_the_chains_root_are_kept_and_their_proofs_hold() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(&Database::in_folder(folder.path())).await.unwrap();
        let done = db.write(|db| {
            assert!(!put(db, MODEL, GENESIS, &shares(7))?, "the model has no stream yet");
            let insert = "INSERT INTO streams (model, record) VALUES (?, ?)";
            db.execute(insert, params![MODEL.0, stream().encode()])?;
            assert!(!put(db, MODEL, GENESIS, &shares(8))?, "other units");
            assert!(!put(db, MODEL, [0; 32], &shares(7))?, "another chain");
            assert!(!put(db, MODEL, GENESIS, &Shares { job: JobId(4), ..shares(7) })?, "another job");
            assert!(get(&Reader::new(db)?, MODEL, JobId(3), GENESIS)?.is_none());
            assert!(put(db, MODEL, GENESIS, &shares(7))?);
            // Asked for again, nothing changes.
            assert!(put(db, MODEL, GENESIS, &shares(7))?);
            get(&Reader::new(db)?, MODEL, JobId(3), GENESIS)
        });
        let kept = done.await.unwrap().unwrap();
        assert_eq!(kept, shares(7));
        let root = stream().contributions.shares;
        let claims = kept.claims(&Account([2; 32]), &root).unwrap().unwrap();
        let [(leaf, proof)] = claims.as_slice() else { panic!("{claims:?}") };
        let domain = Domain { genesis: GENESIS, job: JobId(3) };
        assert_eq!((leaf.units, verify(&domain, &root, leaf, proof)), (SHARE_UNITS - 7, Ok(7)));
    }
}

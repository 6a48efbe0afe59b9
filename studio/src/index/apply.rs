//! Writing one block into the index: its row, its events, and the records that it changed. What its events add to
//! histories and sums is in [`super::history`].

use super::{
    codes::{amount_text, text, word},
    facts::{Facts, Record},
    history, words,
};
use crate::db::{Connection, WorkError, params};
use codec::Encode as _;
use tributary_client::{BaseModel, Contribution, Datanet, Grant, Job, Model};
use tributary_protocol::{
    BaseModelId, ContributionId, DatanetId, GrantId, JobId, ModelId, VersionRef,
    datanet::{ContributionStatus, Version},
    grant::GrantStatus,
};

/// Adds a block. It must be the one after the newest.
pub fn apply(db: &Connection, facts: &Facts) -> Result<(), WorkError> {
    let number = facts.head.number;
    let newest = db.find::<Option<u32>>("SELECT max(number) FROM blocks", ())?.flatten();
    if newest.map_or(0, |newest| newest.saturating_add(1)) != number {
        return Err(WorkError::damaged(format!("block {newest:?} before block {number}")));
    }
    db.execute(
        "INSERT INTO blocks (number, hash, time_ms, events) VALUES (?, ?, ?, ?)",
        params![
            number,
            facts.head.hash.0,
            facts.time_ms.map(i64::try_from).transpose().map_err(|_| WorkError::damaged("a block's time"))?,
            facts.events.len(),
        ],
    )?;
    let insert = "INSERT INTO events (block, place, extrinsic, pallet, name, fields) VALUES (?, ?, ?, ?, ?, ?)";
    for (place, event) in facts.events.iter().enumerate() {
        let body = &event.event;
        db.execute(insert, params![number, place, event.transaction, body.pallet, body.name, body.fields])?;
    }
    for record in &facts.records {
        let (kind, id) = record.key().name();
        db.execute(
            "INSERT INTO changes (block, kind, id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            params![number, kind, id],
        )?;
        put(db, number, record)?;
    }
    for (place, event) in facts.events.iter().enumerate() {
        history::apply(db, number, place, &event.event)?;
    }
    Ok(())
}

fn put(db: &Connection, block: u32, record: &Record) -> Result<(), WorkError> {
    match record {
        Record::Datanet(id, Some(datanet)) => put_datanet(db, block, *id, datanet),
        Record::Contribution(id, Some(contribution)) => put_contribution(db, *id, contribution),
        // Its history stays; the record is as it was.
        Record::Contribution(id, None) => {
            let set = "UPDATE contributions SET is_removed = 1, status = 'withdrawn' WHERE id = ?";
            db.execute(set, [id.0])
        }
        Record::Version(id, Some(version)) => put_version(db, *id, version),
        Record::Grant(id, Some(grant)) => put_grant(db, *id, grant),
        Record::Grant(id, None) => db.execute("UPDATE grants SET is_pruned = 1 WHERE id = ?", [id.0]),
        Record::BaseModel(id, Some(base)) => put_base(db, *id, base),
        Record::Job(id, Some(job)) => put_job(db, block, *id, job),
        Record::Job(id, None) => db.execute("UPDATE jobs SET is_forgotten = 1 WHERE id = ?", [id.0]),
        Record::Trainer(account, Some(trainer)) => {
            let upsert = "INSERT INTO trainers (account, record, settled, since_block) VALUES (?, ?, ?, ?)
                ON CONFLICT (account) DO UPDATE SET record = excluded.record, settled = excluded.settled";
            db.execute(upsert, params![account.0, trainer.encode(), trainer.settled, block])?;
            words::put(db, "account", &account.to_string(), "Trainer", &account.to_string())
        }
        Record::Trainer(account, None) => db.execute("DELETE FROM trainers WHERE account = ?", [account.0]),
        Record::Model(id, Some(model)) => put_model(db, *id, model),
        Record::Deployments(model, deployments) => {
            db.execute("DELETE FROM deployments WHERE model = ?", [model.0])?;
            let insert = "INSERT INTO deployments (model, operator, record) VALUES (?, ?, ?)";
            for (operator, deployment) in deployments {
                db.execute(insert, params![model.0, operator.0, deployment.encode()])?;
            }
            Ok(())
        }
        Record::Stream(model, Some(stream)) => {
            let upsert = "INSERT INTO streams (model, record) VALUES (?, ?)
                ON CONFLICT (model) DO UPDATE SET record = excluded.record";
            db.execute(upsert, params![model.0, stream.encode()])?;
            db.execute("UPDATE models SET paid_in = ? WHERE id = ?", params![amount_text(stream.funded), model.0])
        }
        Record::Ledger(model, operator, Some(ledger)) => {
            let upsert = "INSERT INTO ledgers (model, operator, record) VALUES (?, ?, ?)
                ON CONFLICT (model, operator) DO UPDATE SET record = excluded.record";
            db.execute(upsert, params![model.0, operator.0, ledger.encode()])
        }
        Record::Ledger(model, operator, None) => {
            db.execute("DELETE FROM ledgers WHERE model = ? AND operator = ?", params![model.0, operator.0])
        }
        Record::Offer(model, operator, Some(offer)) => {
            let upsert = "INSERT INTO offers (model, operator, record) VALUES (?, ?, ?)
                ON CONFLICT (model, operator) DO UPDATE SET record = excluded.record";
            db.execute(upsert, params![model.0, operator.0, offer.encode()])
        }
        Record::Offer(model, operator, None) => {
            db.execute("DELETE FROM offers WHERE model = ? AND operator = ?", params![model.0, operator.0])
        }
        Record::Channel(id, Some(channel)) => {
            let upsert = "INSERT INTO channels (id, record, app, operator) VALUES (?, ?, ?, ?)
                ON CONFLICT (id) DO UPDATE SET record = excluded.record";
            db.execute(upsert, params![id.0, channel.encode(), channel.app.0, channel.operator.0])
        }
        Record::Channel(id, None) => db.execute("DELETE FROM channels WHERE id = ?", [id.0]),
        // None of these is ever removed from the chain.
        Record::Datanet(_, None)
        | Record::Version(_, None)
        | Record::BaseModel(_, None)
        | Record::Model(_, None)
        | Record::Stream(_, None) => {
            let (kind, id) = record.key().name();
            Err(WorkError::damaged(format!("an event about {kind} {id}, which the chain does not have")))
        }
    }
}

fn put_datanet(db: &Connection, block: u32, id: DatanetId, datanet: &Datanet) -> Result<(), WorkError> {
    let upsert = "INSERT INTO datanets (id, record, name, domain, licence, owner, status, access, price, updated_block)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (id) DO UPDATE SET record = excluded.record, name = excluded.name, domain = excluded.domain,
            licence = excluded.licence, owner = excluded.owner, status = excluded.status, access = excluded.access,
            price = excluded.price, updated_block = excluded.updated_block";
    let (name, domain, licence) = (text(&datanet.name), text(&datanet.domain), text(&datanet.terms.licence));
    db.execute(
        upsert,
        params![
            id.0,
            datanet.encode(),
            name,
            domain,
            licence,
            datanet.owner.0,
            word(&datanet.status)?,
            word(&datanet.terms.access)?,
            amount_text(datanet.terms.price),
            block,
        ],
    )?;
    db.execute("DELETE FROM curators WHERE datanet = ?", [id.0])?;
    let insert = "INSERT INTO curators (datanet, account) VALUES (?, ?) ON CONFLICT DO NOTHING";
    for curator in &datanet.curators {
        db.execute(insert, params![id.0, curator.0])?;
    }
    let body = format!("{domain} {licence} {} {}", text(&datanet.description), datanet.owner);
    words::put(db, "datanet", &id.to_string(), &name, &body)
}

fn put_contribution(db: &Connection, id: ContributionId, contribution: &Contribution) -> Result<(), WorkError> {
    let upsert = "INSERT INTO contributions (id, record, datanet, contributor, status, samples, root, blob)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (id) DO UPDATE SET record = excluded.record, status = excluded.status";
    let status = match contribution.status {
        ContributionStatus::Pending => "pending",
        ContributionStatus::Accepted => "accepted",
        ContributionStatus::Rejected { .. } => "rejected",
        ContributionStatus::Withdrawn => "withdrawn",
    };
    let samples = &contribution.samples;
    db.execute(
        upsert,
        params![
            id.0,
            contribution.encode(),
            contribution.datanet.0,
            contribution.contributor.0,
            status,
            samples.samples,
            samples.root.0,
            samples.blob.0,
        ],
    )
}

fn put_version(db: &Connection, id: VersionRef, version: &Version) -> Result<(), WorkError> {
    // Versions never change; who published it is in the event.
    let insert = "INSERT INTO versions (datanet, number, record, samples, publisher) VALUES (?, ?, ?, ?, ?)";
    let samples = i64::try_from(version.samples).map_err(|_| WorkError::damaged("a version's samples"))?;
    db.execute(insert, params![id.datanet.0, id.number, version.encode(), samples, [0u8; 32]])?;
    let insert = "INSERT INTO version_contributions (contribution, datanet, number) VALUES (?, ?, ?)";
    for contribution in &version.contributions {
        db.execute(insert, params![contribution.0, id.datanet.0, id.number])?;
    }
    Ok(())
}

fn put_grant(db: &Connection, id: GrantId, grant: &Grant) -> Result<(), WorkError> {
    let upsert = "INSERT INTO grants (id, record, datanet, grantee, status) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT (id) DO UPDATE SET record = excluded.record, status = excluded.status";
    let status = match grant.status {
        GrantStatus::Requested => "requested",
        GrantStatus::Active => "active",
        GrantStatus::Denied { .. } => "denied",
        GrantStatus::Revoked { .. } => "revoked",
        GrantStatus::Renounced => "renounced",
    };
    let values = params![id.0, grant.encode(), grant.datanet.0, grant.grantee.0, status];
    db.execute(upsert, values)
}

fn put_base(db: &Connection, id: BaseModelId, base: &BaseModel) -> Result<(), WorkError> {
    let upsert = "INSERT INTO base_models (id, record, name, owner, content) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT (id) DO UPDATE SET record = excluded.record";
    let name = text(&base.name);
    db.execute(upsert, params![id.0, base.encode(), name, base.owner.0, base.content.0])?;
    let body = format!("{} {} {}", word(&base.family)?, text(&base.licence), base.content);
    words::put(db, "base_model", &id.to_string(), &name, &body)
}

fn put_job(db: &Connection, block: u32, id: JobId, job: &Job) -> Result<(), WorkError> {
    // A heartbeat changes the record, not the stage.
    let upsert = "INSERT INTO jobs (id, record, requester, trainer, stage, base, changed_block)
        VALUES (?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (id) DO UPDATE SET record = excluded.record, trainer = coalesce(excluded.trainer, jobs.trainer),
            changed_block = CASE WHEN jobs.stage = excluded.stage THEN jobs.changed_block ELSE excluded.changed_block END,
            stage = excluded.stage";
    db.execute(
        upsert,
        params![
            id.0,
            job.encode(),
            job.requester.0,
            job.state.trainer().map(|trainer| trainer.0),
            word(&job.state.stage())?,
            job.spec.base.0,
            block,
        ],
    )?;
    let insert = "INSERT INTO job_data (job, datanet, version) VALUES (?, ?, ?) ON CONFLICT DO NOTHING";
    for used in &job.spec.data {
        db.execute(insert, params![id.0, used.version.datanet.0, used.version.number])?;
    }
    Ok(())
}

fn put_model(db: &Connection, id: ModelId, model: &Model) -> Result<(), WorkError> {
    let base: Option<String> = db.find("SELECT name FROM base_models WHERE id = ?", [model.lineage.base.0])?;
    let mut names = Vec::new();
    let mut domains = Vec::new();
    for used in &model.lineage.data {
        let VersionRef { datanet, number } = used.version;
        if let Some(row) = db.row("SELECT name, domain FROM datanets WHERE id = ?", [datanet.0])? {
            let name: String = row.get(0)?;
            if !names.contains(&name) {
                names.push(name);
            }
            domains.push(row.get::<_, String>(1)?);
        }
        let insert =
            "INSERT INTO model_data (model, datanet, version, \"grant\") VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING";
        db.execute(insert, params![id.0, datanet.0, number, used.grant.0])?;
    }
    let base = base.unwrap_or_else(|| format!("base model {}", model.lineage.base));
    let title = format!("{base} on {}", names.join(", "));
    let upsert = "INSERT INTO models (id, record, title, owner, status, base, job, loss, paid_in)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (id) DO UPDATE SET record = excluded.record, status = excluded.status";
    db.execute(
        upsert,
        params![
            id.0,
            model.encode(),
            title,
            model.owner.0,
            word(&model.status)?,
            model.lineage.base.0,
            model.lineage.job.0,
            model.metrics.validation_loss_micro,
            amount_text(0),
        ],
    )?;
    let body = format!("{} {} {} {}", domains.join(" "), model.adapter, model.owner, model.lineage.trainer);
    words::put(db, "model", &id.to_string(), &title, &body)
}

//! What events add to histories and sums: the steps of a job's life, verdicts, sales, and who was paid for what.

use super::{
    codes::{amount, amount_text},
    facts::DisputeResolved,
};
use crate::db::{Connection, WorkError, params};
use codec::Decode;
use tributary_client::{Account, Event, Job, Stream};
use tributary_protocol::{
    Amount, ContentHash, ContributionId, DatanetId, GrantId, JobId, ModelId, VersionRef, job::Verdict,
};

/// Adds what one event tells. The records of its block are written already.
pub fn apply(db: &Connection, block: u32, place: usize, event: &Event) -> Result<(), WorkError> {
    let at = At { db, block, place };
    match (event.pallet.as_str(), event.name.as_str()) {
        ("Datanets", name) => at.datanets(name, event),
        ("Grants", name) => at.grants(name, event),
        ("Jobs", name) => at.jobs(name, event),
        ("Models", "ModelRecorded") => {
            let (model, first): (ModelId, Option<ModelId>) = fields(event)?;
            at.db.execute(
                "UPDATE models SET first_with_adapter = ? WHERE id = ?",
                params![first.map(|id| id.0), model.0],
            )
        }
        ("Attribution", name) => at.attribution(name, event),
        _ => Ok(()),
    }
}

fn fields<T: Decode>(event: &Event) -> Result<T, WorkError> {
    event.first().map_err(|error| WorkError::damaged(error.to_string()))
}

/// Where a sale went: as the pallet's event has it.
#[derive(Clone, Copy, Decode)]
struct Distribution {
    treasury: Amount,
    base_owner: Amount,
    trainer: Amount,
    model_owner: Amount,
    datanet_owners: Amount,
    contributors: Amount,
}

/// One receiver of money.
#[derive(Clone, Copy, Default)]
struct Payout<'a> {
    part: u32,
    account: Option<Account>,
    role: &'a str,
    reason: &'a str,
    model: Option<ModelId>,
    job: Option<JobId>,
    datanet: Option<DatanetId>,
    contribution: Option<ContributionId>,
    leaf: Option<u32>,
    amount: Amount,
    payer: Option<Account>,
}

/// One step of a job's life.
#[derive(Clone, Copy, Default)]
struct Step<'a> {
    event: &'a str,
    stage: &'a str,
    account: Option<Account>,
    amount: Option<Amount>,
    detail: Option<&'a str>,
}

/// An event's place.
struct At<'a> {
    db: &'a Connection,
    block: u32,
    place: usize,
}

impl At<'_> {
    fn datanets(&self, name: &str, event: &Event) -> Result<(), WorkError> {
        const DECIDED: &str = "UPDATE contributions SET decided_block = ?, curator = ? WHERE id = ?";
        match name {
            "ContributionAccepted" => {
                let (id, _, curator): (ContributionId, DatanetId, Account) = fields(event)?;
                self.db.execute(DECIDED, params![self.block, curator.0, id.0])
            }
            "ContributionRejected" => {
                let (id, _, _, curator): (ContributionId, DatanetId, Vec<u8>, Account) = fields(event)?;
                self.db.execute(DECIDED, params![self.block, curator.0, id.0])
            }
            "VersionPublished" => {
                let (version, _, _, _, _, publisher): (VersionRef, ContentHash, u32, u64, u64, Account) =
                    fields(event)?;
                let set = "UPDATE versions SET publisher = ? WHERE datanet = ? AND number = ?";
                self.db.execute(set, params![publisher.0, version.datanet.0, version.number])
            }
            _ => Ok(()),
        }
    }

    fn grants(&self, name: &str, event: &Event) -> Result<(), WorkError> {
        match name {
            "GrantIssued" | "GrantDenied" | "GrantRevoked" | "GrantRenounced" => {
                let grant: GrantId = fields(event)?;
                self.db.execute("UPDATE grants SET decided_block = ? WHERE id = ?", params![self.block, grant.0])
            }
            _ => Ok(()),
        }
    }

    fn jobs(&self, name: &str, event: &Event) -> Result<(), WorkError> {
        let job = || fields::<JobId>(event);
        match name {
            "JobPosted" => {
                let (job, requester, _, _, escrow): (JobId, Account, u32, Amount, Amount) = fields(event)?;
                let step = Step { event: "posted", stage: "open", amount: Some(escrow), ..by(requester) };
                self.step(job, &step)
            }
            "JobClaimed" => {
                let (job, trainer): (JobId, Account) = fields(event)?;
                self.step(job, &Step { event: "claimed", stage: "leased", ..by(trainer) })
            }
            "LeaseLapsed" => {
                let (job, trainer, slashed): (JobId, Account, Amount) = fields(event)?;
                self.step(job, &Step { event: "lapsed", stage: "open", amount: Some(slashed), ..by(trainer) })
            }
            "JobReported" => {
                let (job, trainer, adapter): (JobId, Account, ContentHash) = fields(event)?;
                let adapter = adapter.to_string();
                let step = Step { event: "reported", stage: "reported", detail: Some(&adapter), ..by(trainer) };
                self.step(job, &step)
            }
            "JobSettled" => self.settled(event),
            "SettlementFailed" => {
                self.step(job()?, &Step { event: "settlement_failed", stage: "reported", ..Step::default() })
            }
            "JobDisputed" => {
                let (job, requester, evidence, deposit): (JobId, Account, ContentHash, Amount) = fields(event)?;
                let evidence = evidence.to_string();
                let step = Step { event: "disputed", stage: "disputed", detail: Some(&evidence), ..by(requester) };
                self.step(job, &Step { amount: Some(deposit), ..step })
            }
            "DisputeResolved" => {
                let fields: DisputeResolved = fields(event)?;
                let (stage, verdict) = match fields.verdict {
                    Verdict::Uphold => ("settled", "uphold"),
                    Verdict::Overturn => ("cancelled", "overturn"),
                };
                let step = Step { event: "dispute_resolved", stage, detail: Some(verdict), ..by(fields.trainer) };
                self.step(fields.job, &Step { amount: Some(fields.slashed), ..step })
            }
            "JobCancelled" | "JobExpired" => {
                let (job, requester, escrow): (JobId, Account, Amount) = fields(event)?;
                let word = if name == "JobCancelled" { "cancelled" } else { "expired" };
                self.step(job, &Step { event: word, stage: word, amount: Some(escrow), ..by(requester) })
            }
            "JobStopped" => {
                let (job, requester, trainer, paid): (JobId, Account, Account, Amount) = fields(event)?;
                let step = Step { event: "stopped", stage: "cancelled", amount: Some(paid), ..by(requester) };
                self.step(job, &step)?;
                let payout = Payout { reason: "job", job: Some(job), payer: Some(requester), ..Payout::default() };
                self.payout(&Payout { account: Some(trainer), role: "job_trainer", amount: paid, ..payout })
            }
            "JobForgotten" => {
                let (job, requester, deposit): (JobId, Account, Amount) = fields(event)?;
                let find = "SELECT stage FROM jobs WHERE id = ?";
                let stage: Option<String> = self.db.find(find, [job.0])?;
                let stage = stage.as_deref().unwrap_or("cancelled");
                self.step(job, &Step { event: "forgotten", stage, amount: Some(deposit), ..by(requester) })
            }
            _ => Ok(()),
        }
    }

    fn settled(&self, event: &Event) -> Result<(), WorkError> {
        let (job, model, requester, trainer, price, data_fees): (JobId, ModelId, Account, Account, Amount, Amount) =
            fields(event)?;
        let detail = model.to_string();
        let paid = price.saturating_add(data_fees);
        let step = Step { event: "settled", stage: "settled", detail: Some(&detail), ..by(trainer) };
        self.step(job, &Step { amount: Some(paid), ..step })?;
        let payout =
            Payout { reason: "job", job: Some(job), model: Some(model), payer: Some(requester), ..Payout::default() };
        self.payout(&Payout { account: Some(trainer), role: "job_trainer", amount: price, ..payout })?;
        // Who owned each Datanet when the model was made is in the model's stream; the fees were fixed with the job.
        let (Some(record), Some(stream)) = (self.job(job)?, self.stream(model)?) else { return Ok(()) };
        let owners = &stream.parties.datanet_owners;
        for ((part, used), fee) in (1..).zip(&record.spec.data).zip(&record.data_fees) {
            let datanet = used.version.datanet;
            let owner = owners.iter().find(|(id, _)| *id == datanet).map(|(_, owner)| *owner);
            self.payout(&Payout {
                part,
                account: owner,
                role: "data_fee",
                datanet: Some(datanet),
                amount: *fee,
                ..payout
            })?;
        }
        Ok(())
    }

    fn attribution(&self, name: &str, event: &Event) -> Result<(), WorkError> {
        match name {
            "StreamFunded" => {
                let (model, payer, amount, parts): (ModelId, Account, Amount, Distribution) = fields(event)?;
                self.sale(model, payer, amount, parts, "sale")
            }
            "AnswersFunded" => {
                let (model, operator, amount, parts): (ModelId, Account, Amount, Distribution) = fields(event)?;
                self.sale(model, operator, amount, parts, "answers")
            }
            "RewardClaimed" => {
                type Fields = (ModelId, u32, ContributionId, Account, u64, Amount);
                let (model, leaf, contribution, account, _, amount): Fields = fields(event)?;
                let payout = Payout { reason: "claim", leaf: Some(leaf), amount, ..Payout::default() };
                self.claim(model, contribution, account, payout)
            }
            "AnswerRewardClaimed" => {
                type Fields = (ModelId, Account, u32, u32, ContributionId, Account, Amount);
                let (model, operator, _, leaf, contribution, account, amount): Fields = fields(event)?;
                let payer = Some(operator);
                let payout = Payout { reason: "answer_claim", leaf: Some(leaf), amount, payer, ..Payout::default() };
                self.claim(model, contribution, account, payout)
            }
            _ => Ok(()),
        }
    }

    fn sale(
        &self,
        model: ModelId,
        payer: Account,
        amount: Amount,
        parts: Distribution,
        reason: &str,
    ) -> Result<(), WorkError> {
        let insert = "INSERT INTO sales (model, block, place, amount, contributors, payer) VALUES (?, ?, ?, ?, ?, ?)";
        let (all, contributors) = (amount_text(amount), amount_text(parts.contributors));
        self.db.execute(insert, params![model.0, self.block, self.place, all, contributors, payer.0])?;
        let Some(stream) = self.stream(model)? else { return Ok(()) };
        let payout = Payout { reason, model: Some(model), payer: Some(payer), ..Payout::default() };
        let parties = &stream.parties;
        let one = |part, account, role, amount| Payout { part, account, role, amount, ..payout };
        self.payout(&one(0, None, "treasury", parts.treasury))?;
        self.payout(&one(1, Some(parties.base_owner), "base_owner", parts.base_owner))?;
        self.payout(&one(2, Some(parties.trainer), "trainer", parts.trainer))?;
        self.payout(&one(3, Some(parties.model_owner), "model_owner", parts.model_owner))?;
        // In equal parts; what dividing leaves over is in the contributors' part already.
        let owners = Amount::try_from(parties.datanet_owners.len()).unwrap_or(1).max(1);
        let each = parts.datanet_owners.checked_div(owners).unwrap_or_default();
        for (part, (datanet, owner)) in (4..).zip(&parties.datanet_owners) {
            let datanet = Some(*datanet);
            self.payout(&Payout { datanet, ..one(part, Some(*owner), "datanet_owner", each) })?;
        }
        Ok(())
    }

    fn claim(
        &self,
        model: ModelId,
        contribution: ContributionId,
        account: Account,
        payout: Payout<'_>,
    ) -> Result<(), WorkError> {
        let find = "SELECT datanet FROM contributions WHERE id = ?";
        let datanet: Option<u32> = self.db.find(find, [contribution.0])?;
        self.payout(&Payout {
            account: Some(account),
            role: "contributor",
            model: Some(model),
            contribution: Some(contribution),
            datanet: datanet.map(DatanetId),
            ..payout
        })
    }

    fn step(&self, job: JobId, step: &Step<'_>) -> Result<(), WorkError> {
        let insert = "INSERT INTO job_history (job, block, place, event, stage, account, amount, detail)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
        let (account, amount) = (step.account.map(|account| account.0), step.amount.map(amount_text));
        self.db.execute(
            insert,
            params![job.0, self.block, self.place, step.event, step.stage, account, amount, step.detail],
        )
    }

    fn payout(&self, payout: &Payout<'_>) -> Result<(), WorkError> {
        if payout.amount == 0 {
            return Ok(());
        }
        let insert = "INSERT INTO payouts
            (block, place, part, account, role, reason, model, job, datanet, contribution, leaf, amount, payer)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        self.db.execute(
            insert,
            params![
                self.block,
                self.place,
                payout.part,
                payout.account.map(|account| account.0),
                payout.role,
                payout.reason,
                payout.model.map(|id| id.0),
                payout.job.map(|id| id.0),
                payout.datanet.map(|id| id.0),
                payout.contribution.map(|id| id.0),
                payout.leaf,
                amount_text(payout.amount),
                payout.payer.map(|account| account.0),
            ],
        )?;
        self.add("all", b"", payout)?;
        if let Some(account) = payout.account {
            self.add("account", &account.0, payout)?;
        }
        if let Some(datanet) = payout.datanet {
            self.add("datanet", datanet.0.to_string().as_bytes(), payout)?;
        }
        if let Some(contribution) = payout.contribution {
            self.add("contribution", contribution.0.to_string().as_bytes(), payout)?;
        }
        if let (Some(model), Some(leaf), "claim") = (payout.model, payout.leaf, payout.reason) {
            self.add("leaf", format!("{model}/{leaf}").as_bytes(), payout)?;
        }
        Ok(())
    }

    /// Adds a payout to a sum. Numbers are written as digits in `id`.
    fn add(&self, subject: &str, id: &[u8], payout: &Payout<'_>) -> Result<(), WorkError> {
        let find = "SELECT amount FROM totals WHERE subject = ? AND id = ? AND role = ?";
        let before: Option<String> = self.db.find(find, params![subject, id, payout.role])?;
        let before = before.as_deref().map(amount).transpose()?.unwrap_or_default();
        let sum = before.checked_add(payout.amount).ok_or_else(|| WorkError::damaged("a sum beyond 2^128"))?;
        let upsert = "INSERT INTO totals (subject, id, role, amount, payouts) VALUES (?, ?, ?, ?, 1)
            ON CONFLICT (subject, id, role) DO UPDATE SET amount = excluded.amount, payouts = totals.payouts + 1";
        self.db.execute(upsert, params![subject, id, payout.role, amount_text(sum)])
    }

    fn stream(&self, model: ModelId) -> Result<Option<Stream>, WorkError> {
        self.decoded("SELECT record FROM streams WHERE model = ?", model.0)
    }

    fn job(&self, job: JobId) -> Result<Option<Job>, WorkError> {
        self.decoded("SELECT record FROM jobs WHERE id = ?", job.0)
    }

    fn decoded<T: Decode>(&self, find: &str, id: u64) -> Result<Option<T>, WorkError> {
        let bytes: Option<Vec<u8>> = self.db.find(find, [id])?;
        let read = |bytes: Vec<u8>| T::decode(&mut bytes.as_slice());
        bytes.map(read).transpose().map_err(|error| WorkError::damaged(format!("{find}: {error}")))
    }
}

fn by<'a>(account: Account) -> Step<'a> {
    Step { account: Some(account), ..Step::default() }
}

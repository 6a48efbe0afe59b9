//! A chain in memory on which jobs are posted, and whoever trains and serves.

use async_trait::async_trait;
use codec::Encode;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tributary_client::{
    Account, BaseModel, BlockHash, ChainError, Event, Failure, GrantOffer, Head, Job, JobState, Model, Receipt,
    SubmitError,
};
use tributary_daemon::Recipe;
use tributary_lora::Record;
use tributary_protocol::{
    Amount, BaseModelId, ContentHash, ContributionId, DatanetId, GrantId, JobId, ModelId, VersionRef,
    job::{Metrics, Progress, Report},
    model::{Lineage, ModelFamily, ModelStatus},
    recipe::{AttributionMethod, Hyperparameters, Method, Template},
};
use tributary_serving::tuning::{
    Holder, Inspection, Outside, SignedOffer, Step, Tuning, TuningChain, TuningConfig, TuningParts,
};
use tributary_serving::{Credentials, Refusal};

pub const BASE: ContentHash = ContentHash([8; 32]);
pub const TRAINER: Account = Account([4; 32]);
/// The least that a job costs.
pub const PRICE_MIN: Amount = 1_000;

#[derive(Default)]
pub struct Ledger {
    pub jobs: BTreeMap<JobId, Job>,
    pub models: BTreeMap<ModelId, Model>,
    /// What was done for which intent, in order: each once.
    pub acts: Vec<(String, Step)>,
    receipts: HashMap<String, Receipt>,
    /// What every intent was asked for, refused ones too.
    pub asked: Vec<String>,
    /// The act that is done, and whose answer is lost.
    pub lost_answer: Option<usize>,
    /// The steps that are refused, by the end of their intent.
    pub refused: Vec<&'static str>,
}

pub struct FakeChain {
    ledger: Mutex<Ledger>,
    heads: watch::Sender<Head>,
}

fn receipt(at: Head, events: Vec<Event>) -> Receipt {
    Receipt { block: at, index: 0, extrinsic_hash: [0; 32], events }
}

fn event(pallet: &str, name: &str, made: impl Encode) -> Event {
    Event { pallet: pallet.into(), name: name.into(), fields: made.encode() }
}

impl FakeChain {
    /// Whose blocks come every few milliseconds for as long as it is there.
    pub fn new() -> Arc<Self> {
        let heads = watch::Sender::new(Head { number: 10, hash: BlockHash::zero() });
        let chain = Arc::new(Self { ledger: Mutex::default(), heads });
        let weak = Arc::downgrade(&chain);
        tokio::spawn(async move {
            while let Some(chain) = weak.upgrade() {
                chain.heads.send_modify(|head| head.number += 1);
                drop(chain);
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
        });
        chain
    }

    pub fn ledger<T>(&self, look: impl FnOnce(&mut Ledger) -> T) -> T {
        look(&mut self.ledger.lock().unwrap())
    }

    fn head(&self) -> Head {
        *self.heads.borrow()
    }

    /// The only job, once it is posted.
    pub async fn posted(&self) -> JobId {
        crate::common::wait_for(async || self.ledger(|ledger| ledger.jobs.keys().next().copied())).await
    }

    fn change(&self, id: JobId, state: impl FnOnce(&Job) -> JobState) {
        self.ledger(|ledger| {
            let job = ledger.jobs.get_mut(&id).unwrap();
            job.state = state(job);
        });
    }

    pub fn claim(&self, id: JobId) {
        self.ledger(|ledger| ledger.jobs.get_mut(&id).unwrap().leases += 1);
        let until = self.head().number + 1_000_000;
        self.change(id, |_| JobState::Leased { trainer: TRAINER, until, progress: Progress::default(), at_risk: 0 });
    }

    pub fn lapse(&self, id: JobId) {
        self.change(id, |_| JobState::Open);
    }

    pub fn report(&self, id: JobId) {
        let metrics = Metrics {
            steps: 40,
            tokens: 1_234,
            training_loss_micro: 500_000,
            validation_loss_before_micro: 2_000_000,
            validation_loss_micro: 750_000,
        };
        let report = Report { metrics, adapter: ContentHash([5; 32]), ..Report::default() };
        self.change(id, |_| JobState::Reported { trainer: TRAINER, report, accept_until: u32::MAX, at_risk: 0 });
    }

    fn apply(&self, step: &Step) -> Result<Vec<Event>, ()> {
        self.ledger(|ledger| {
            let count = |wanted: fn(&Step) -> bool| ledger.acts.iter().filter(|(_, step)| wanted(step)).count() as u64;
            Ok(match step {
                Step::Register { .. } => {
                    let id = DatanetId(count(|step| matches!(step, Step::Register { .. })) as u32);
                    vec![event("Datanets", "DatanetRegistered", id)]
                }
                Step::Submit { .. } => {
                    let id = ContributionId(count(|step| matches!(step, Step::Submit { .. })));
                    vec![event("Datanets", "ContributionSubmitted", id)]
                }
                Step::Publish { datanet, .. } => {
                    vec![event("Datanets", "VersionPublished", VersionRef { datanet: *datanet, number: 1 })]
                }
                Step::Grant(_) => {
                    let id = GrantId(count(|step| matches!(step, Step::Grant(_))));
                    vec![event("Grants", "GrantIssued", id)]
                }
                Step::Post(spec) => {
                    let id = JobId(ledger.jobs.len() as u64);
                    let job = Job {
                        requester: self.account(),
                        spec: (**spec).clone(),
                        data_fees: Vec::new().try_into().unwrap(),
                        escrow: spec.price,
                        deposit: 0,
                        state: JobState::Open,
                        leases: 0,
                        posted_at: self.head().number,
                    };
                    ledger.jobs.insert(id, job);
                    vec![event("Jobs", "JobPosted", id)]
                }
                Step::Cancel(id) | Step::Expire(id) | Step::Accept(id) | Step::Dispute { job: id, .. } => {
                    let model = ModelId(ledger.models.len() as u64);
                    let job = ledger.jobs.get_mut(id).ok_or(())?;
                    job.state = match (step, &job.state) {
                        (Step::Cancel(_), JobState::Open) => JobState::Cancelled,
                        (Step::Expire(_), JobState::Open) => JobState::Expired,
                        (Step::Accept(_), JobState::Reported { trainer, report, .. }) => {
                            let model_record = made(job, *id, report);
                            let state = JobState::Settled { trainer: *trainer, report: *report, model };
                            ledger.models.insert(model, model_record);
                            state
                        }
                        (Step::Dispute { evidence, .. }, JobState::Reported { trainer, report, at_risk, .. }) => {
                            JobState::Disputed {
                                trainer: *trainer,
                                report: *report,
                                evidence: *evidence,
                                at_risk: *at_risk,
                            }
                        }
                        _ => return Err(()),
                    };
                    Vec::new()
                }
                Step::Forget(id) => {
                    ledger.jobs.remove(id).ok_or(())?;
                    Vec::new()
                }
                Step::PublishModel { model, prices } => {
                    let model = ledger.models.get_mut(model).ok_or(())?;
                    (model.status, model.prices) = (ModelStatus::Published, *prices);
                    Vec::new()
                }
            })
        })
    }
}

fn made(job: &Job, id: JobId, report: &Report) -> Model {
    Model {
        owner: job.requester,
        adapter: report.adapter,
        lineage: Lineage {
            base: job.spec.base,
            job: id,
            trainer: TRAINER,
            data: job.spec.data.clone(),
            purpose: job.spec.purpose,
        },
        metrics: report.metrics,
        accuracy: None,
        prices: Default::default(),
        split: job.spec.split,
        status: ModelStatus::Private,
        deployments: 0,
        created_at: 1,
    }
}

#[async_trait]
impl TuningChain for FakeChain {
    fn account(&self) -> Account {
        Account([3; 32])
    }

    fn genesis(&self) -> [u8; 32] {
        [7; 32]
    }

    fn heads(&self) -> watch::Receiver<Head> {
        self.heads.subscribe()
    }

    async fn base(&self, _: Head, content: ContentHash) -> Result<Option<(BaseModelId, BaseModel)>, ChainError> {
        let base = BaseModel {
            owner: TRAINER,
            name: b"bytes".to_vec().try_into().unwrap(),
            family: ModelFamily::Llama,
            content: BASE,
            parameters: 1,
            licence: b"MIT".to_vec().try_into().unwrap(),
            deposit: 0,
            registered_at: 0,
        };
        Ok((content == BASE).then_some((BaseModelId(6), base)))
    }

    async fn price_min(&self) -> Result<Amount, ChainError> {
        Ok(PRICE_MIN)
    }

    async fn job(&self, _: Head, id: JobId) -> Result<Option<Job>, ChainError> {
        Ok(self.ledger(|ledger| ledger.jobs.get(&id).cloned()))
    }

    async fn job_with(&self, _: Head, grant: GrantId) -> Result<Option<JobId>, ChainError> {
        Ok(self.ledger(|ledger| {
            let found = ledger.jobs.iter().find(|(_, job)| job.spec.data.iter().any(|data| data.grant == grant));
            found.map(|(id, _)| *id)
        }))
    }

    async fn model(&self, _: Head, id: ModelId) -> Result<Option<Model>, ChainError> {
        Ok(self.ledger(|ledger| ledger.models.get(&id).cloned()))
    }

    fn sign(&self, offer: GrantOffer) -> SignedOffer {
        // Another one each time, as signatures are.
        SignedOffer { offer, signature: format!("{:032x}", rand::random::<u128>()).repeat(4) }
    }

    async fn act(&self, intent: &str, step: &Step) -> Result<Receipt, SubmitError> {
        tokio::task::yield_now().await;
        let failed = || SubmitError::Failed {
            call: intent.into(),
            failure: Box::new(Failure::Runtime("as planned".into())),
            block: self.head(),
        };
        let known = self.ledger(|ledger| {
            ledger.asked.push(intent.to_owned());
            if ledger.refused.iter().any(|refused| intent.ends_with(refused)) {
                return Err(failed());
            }
            let before = ledger.acts.iter().find(|(done, _)| done == intent);
            before.inspect(|(_, before)| assert_eq!(before, step, "an intent is for one thing"));
            Ok(ledger.receipts.get(intent).cloned())
        })?;
        if let Some(known) = known {
            return Ok(known);
        }
        let receipt = receipt(self.head(), self.apply(step).map_err(|()| failed())?);
        self.ledger(|ledger| {
            ledger.acts.push((intent.into(), step.clone()));
            ledger.receipts.insert(intent.into(), receipt.clone());
            match ledger.lost_answer == Some(ledger.acts.len()) {
                // The process would be gone; the test ends it.
                true => Err(SubmitError::Stalled { call: intent.into() }),
                false => Ok(receipt),
            }
        })
    }
}

/// Keys "ada" and "ben" with budgets, and "poor" without.
#[derive(Default)]
pub struct World {
    pub provided: Mutex<Vec<Vec<u8>>>,
    pub records: Mutex<Vec<Record>>,
    pub inspection: Mutex<Option<Inspection>>,
    pub served: Mutex<Vec<ModelId>>,
}

#[async_trait]
impl Outside for World {
    fn holder(&self, who: &Credentials) -> Result<Holder, Refusal> {
        match who.bearer.as_deref() {
            Some(name @ ("ada" | "ben")) => Ok(Holder { id: name.into(), budget: 5 * PRICE_MIN }),
            Some("poor") => Ok(Holder { id: "poor".into(), budget: 0 }),
            _ => Err(Refusal::Unauthenticated { reason: "no key".into(), code: "invalid_api_key" }),
        }
    }

    fn provide(&self, canonical: &[u8]) -> Result<(), String> {
        self.provided.lock().unwrap().push(canonical.to_vec());
        Ok(())
    }

    async fn told(&self, trainer: Account, _: JobId, after: u64) -> Option<Vec<Record>> {
        assert_eq!(trainer, TRAINER);
        let records = self.records.lock().unwrap();
        Some(records.iter().filter(|record| record.sequence > after).cloned().collect())
    }

    async fn inspect(&self, _: JobId, _: &Job, _: &Report) -> Result<(), Inspection> {
        self.inspection.lock().unwrap().clone().map_or(Ok(()), Err)
    }

    async fn serve(&self, model: ModelId) -> Result<(), String> {
        let mut served = self.served.lock().unwrap();
        if !served.contains(&model) {
            served.push(model);
        }
        Ok(())
    }
}

pub fn recipe() -> Recipe {
    let hyperparameters = Hyperparameters {
        template: Template::Chat,
        sequence_tokens: 128,
        epochs: 2,
        batch_size: 2,
        accumulation: 1,
        ..Hyperparameters::DEFAULT
    };
    Recipe { method: Method::Lora, hyperparameters, attribution: AttributionMethod::TracInCp { checkpoints: 2 } }
}

/// As a start of the process makes it. What all keys may spend is 8 of the least prices.
pub async fn tuning(
    chain: &Arc<FakeChain>,
    world: &Arc<World>,
    folder: &Path,
    change: impl FnOnce(&mut TuningConfig),
) -> Tuning {
    let (model, tokenizer) = crate::harness::byte_model(folder);
    let mut config = TuningConfig::new(folder.join("tuning"), recipe(), 8 * PRICE_MIN);
    config.rate = 1;
    change(&mut config);
    let parts = TuningParts { chain: chain.clone(), outside: world.clone(), model, tokenizer, base: BASE };
    Tuning::start(config, parts).await.unwrap()
}

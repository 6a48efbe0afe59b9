//! A chain in memory, with one operator, one app and its models.

use crate::door::{Admission, Credentials, Refusal, Served, Sold, Till, Wanted};
use crate::operator::catalogue::ChainCatalogue;
use crate::operator::chain::{Action, ModelFacts, OperatorChain, Standing};
use crate::operator::config::{Exposure, ModelChoice, Selection};
use crate::operator::keys::{KeyFile, KeyRing};
use crate::operator::pulse::Pulse;
use crate::operator::receipts::{Issued, ReceiptError, Receipts, Sale};
use crate::operator::till::{Contents, Desk, DeskParts, OperatorTill, Store};
use async_trait::async_trait;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio::sync::watch;
use tributary_client::{
    Account, BaseModel, BlockHash, ChainError, Channel, Head, Job, JobState, Keypair, Model, Receipt, SubmitError,
};
use tributary_protocol::{
    Amount, BaseModelId, ChannelId, ContentHash, JobId, ModelId,
    channel::{ChannelState, Offer},
    datanet::Purpose,
    job::{JobSpec, Metrics, Report},
    model::{Lineage, ModelFamily, ModelStatus, Prices},
    recipe::{AttributionMethod, Hyperparameters, Method, Template},
    stream::Split,
    voucher::{SignedVoucher, Voucher},
};

pub const GENESIS: [u8; 32] = [7; 32];
pub const BASE: ContentHash = ContentHash([8; 32]);
pub const MODEL: ModelId = ModelId(0);
pub const OTHER: ModelId = ModelId(1);
pub const CHANNEL: ChannelId = ChannelId(4);
/// What the model costs, and what the operator asks: 1 and 2 of the smallest unit for a token.
pub const OF_MODEL: Prices = Prices { input_per_1000: 500, output_per_1000: 1_000 };
pub const ASKED: Prices = Prices { input_per_1000: 1_000, output_per_1000: 2_000 };

pub fn operator() -> Keypair {
    Keypair::development("Dave").unwrap()
}

/// Signs vouchers.
pub fn app() -> Keypair {
    Keypair::development("Eve").unwrap()
}

/// What the chain in memory knows.
pub struct World {
    pub channels: BTreeMap<ChannelId, Channel>,
    pub standings: BTreeMap<ModelId, Standing>,
    pub is_affected: bool,
    pub endpoint: Option<String>,
    /// What was done, with its intent: each intent once.
    pub acts: Vec<(String, Action)>,
    /// How many questions are not answered, and how many acts fail before they are sent.
    pub silent: bool,
    pub failing_acts: usize,
}

pub struct FakeChain {
    pub world: Mutex<World>,
    heads: watch::Sender<Head>,
}

pub fn channel(funded: Amount) -> Channel {
    Channel {
        app: app().account(),
        operator: operator().account(),
        key: app().account().0,
        funded,
        redeemed: 0,
        paid: Vec::new().try_into().unwrap(),
        state: ChannelState::Open,
        deposit: 0,
        opened_at: 0,
    }
}

fn standing() -> Standing {
    let offer = Offer { prices: ASKED, model_prices: OF_MODEL, until: 1_000, deposit: 0 };
    Standing { may_serve: true, offer: Some(offer) }
}

impl FakeChain {
    /// Two models that are served, and a channel with so much in it, at block 10.
    pub fn new(funded: Amount) -> Arc<Self> {
        let world = World {
            channels: BTreeMap::from([(CHANNEL, channel(funded))]),
            standings: BTreeMap::from([(MODEL, standing()), (OTHER, standing())]),
            is_affected: false,
            endpoint: Some("https://here.example".into()),
            acts: Vec::new(),
            silent: false,
            failing_acts: 0,
        };
        let heads = watch::Sender::new(head(10));
        Arc::new(Self { world: Mutex::new(world), heads })
    }

    pub fn world<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        change(&mut self.world.lock().unwrap())
    }

    /// Finalises a block.
    pub fn finalise(&self, number: u32) -> Head {
        self.heads.send_replace(head(number));
        head(number)
    }

    pub fn head(&self) -> Head {
        *self.heads.borrow()
    }

    fn ask<T>(&self, answer: impl FnOnce(&World) -> T) -> Result<T, ChainError> {
        let world = self.world.lock().unwrap();
        if world.silent { Err(ChainError::NoSuchBlock { block: "any".into() }) } else { Ok(answer(&world)) }
    }
}

pub fn head(number: u32) -> Head {
    Head { number, hash: BlockHash::zero() }
}

fn facts(id: ModelId, is_affected: bool) -> ModelFacts {
    let person = Account([3; 32]);
    let report = Report { adapter: adapter(id), bundle: ContentHash([id.0 as u8 + 60; 32]), ..Report::default() };
    let lineage = Lineage {
        base: BaseModelId(0),
        job: JobId(id.0),
        trainer: person,
        data: Vec::new().try_into().unwrap(),
        purpose: Purpose::Research,
    };
    let model = Model {
        owner: person,
        adapter: adapter(id),
        lineage,
        metrics: Metrics::default(),
        accuracy: None,
        prices: OF_MODEL,
        split: Split::DEFAULT,
        status: ModelStatus::Published,
        deployments: 1,
        created_at: 1,
    };
    let base = BaseModel {
        owner: person,
        name: b"base".to_vec().try_into().unwrap(),
        family: ModelFamily::Llama,
        content: BASE,
        parameters: 1,
        licence: b"MIT".to_vec().try_into().unwrap(),
        deposit: 0,
        registered_at: 0,
    };
    let spec = JobSpec {
        base: BaseModelId(0),
        data: Vec::new().try_into().unwrap(),
        purpose: Purpose::Research,
        method: Method::Lora,
        hyperparameters: Hyperparameters::DEFAULT,
        attribution: AttributionMethod::DataValueEmbedding,
        split: Split::DEFAULT,
        price: 0,
        deadline: 0,
        acceptance_blocks: 0,
    };
    let job = Job {
        requester: person,
        spec,
        data_fees: Vec::new().try_into().unwrap(),
        escrow: 0,
        deposit: 0,
        state: JobState::Settled { trainer: person, report, model: id },
        leases: 1,
        posted_at: 0,
    };
    ModelFacts { model, is_affected, base, job }
}

pub fn adapter(model: ModelId) -> ContentHash {
    ContentHash([model.0 as u8 + 30; 32])
}

#[async_trait]
impl OperatorChain for FakeChain {
    fn operator(&self) -> Account {
        operator().account()
    }

    fn genesis(&self) -> [u8; 32] {
        GENESIS
    }

    fn heads(&self) -> watch::Receiver<Head> {
        self.heads.subscribe()
    }

    async fn channel(&self, _: Head, id: ChannelId) -> Result<Option<Channel>, ChainError> {
        self.ask(|world| world.channels.get(&id).cloned())
    }

    async fn standing(&self, _: Head, model: ModelId) -> Result<Standing, ChainError> {
        self.ask(|world| world.standings.get(&model).copied().unwrap_or(Standing { may_serve: false, offer: None }))
    }

    async fn facts(&self, _: Head, model: ModelId) -> Result<Option<ModelFacts>, ChainError> {
        self.ask(|world| world.standings.contains_key(&model).then(|| facts(model, world.is_affected)))
    }

    async fn served(&self, _: Head) -> Result<Vec<ModelId>, ChainError> {
        self.ask(|world| world.standings.iter().filter(|(_, standing)| standing.may_serve).map(|(id, _)| *id).collect())
    }

    async fn published(&self, _: Head) -> Result<Vec<ModelId>, ChainError> {
        self.ask(|world| world.standings.keys().copied().collect())
    }

    async fn endpoint(&self, _: Head, _: ModelId) -> Result<Option<String>, ChainError> {
        self.ask(|world| world.endpoint.clone())
    }

    async fn is_attributed(&self, _: Head, _: ModelId) -> Result<bool, ChainError> {
        self.ask(|_| true)
    }

    async fn act(&self, intent: &str, action: &Action) -> Result<Receipt, SubmitError> {
        let mut world = self.world.lock().unwrap();
        if world.failing_acts > 0 {
            world.failing_acts -= 1;
            return Err(SubmitError::Rejected { call: intent.into(), reason: "as planned".into() });
        }
        match world.acts.iter().find(|(done, _)| done == intent) {
            Some((_, before)) => assert_eq!(before, action, "an intent is for one thing"),
            None => {
                let now = self.heads.borrow().number + 1;
                match action {
                    Action::Redeem(vouchers) => {
                        for signed in vouchers {
                            let channel = world.channels.get_mut(&signed.voucher.channel).unwrap();
                            channel.redeem(&signed.voucher, now).unwrap();
                        }
                    }
                    Action::Deploy { model, endpoint, .. } => {
                        world.endpoint = Some(endpoint.clone());
                        world.standings.get_mut(model).unwrap().may_serve = true;
                    }
                    Action::Offer { model, prices, until } => {
                        let offer = Offer { prices: *prices, model_prices: OF_MODEL, until: *until, deposit: 0 };
                        world.standings.get_mut(model).unwrap().offer = Some(offer);
                    }
                    Action::Pay { .. } => {}
                }
                world.acts.push((intent.into(), action.clone()));
            }
        }
        Ok(Receipt { block: *self.heads.borrow(), index: 0, extrinsic_hash: [0; 32], events: Vec::new() })
    }
}

/// Gives receipts that say the sale's number, and counts them.
#[derive(Default)]
pub struct FakeReceipts {
    pub issued: Mutex<BTreeMap<u64, Sale>>,
    pub failing: Mutex<usize>,
}

#[async_trait]
impl Receipts for FakeReceipts {
    async fn issue(&self, sale: Sale) -> Result<Issued, ReceiptError> {
        let mut failing = self.failing.lock().unwrap();
        if *failing > 0 {
            *failing -= 1;
            return Err(ReceiptError::Store { reason: "as planned".into() });
        }
        let json = json!({ "number": sale.number });
        let header = sale.number.to_string();
        let before = self.issued.lock().unwrap().insert(sale.number, sale.clone());
        assert!(before.is_none_or(|before| before == sale), "a number is one sale");
        Ok(Issued { receipt: Vec::new(), signature: [0; 64], json, header })
    }

    async fn next_sale(&self) -> Result<u64, ReceiptError> {
        Ok(self.issued.lock().unwrap().keys().last().map_or(0, |last| last + 1))
    }
}

/// A desk over a ledger in `folder`, as a start of the process makes it.
pub async fn desk(chain: &Arc<FakeChain>, folder: &Path, receipts: &Arc<FakeReceipts>) -> Arc<Desk> {
    let ledger = Store::open(&folder.join("ledger.redb"), GENESIS, operator().account()).unwrap();
    desk_over(chain, folder, receipts, ledger).await
}

/// A desk over any ledger; the keys are in `folder`.
pub async fn desk_over(
    chain: &Arc<FakeChain>,
    folder: &Path,
    receipts: &Arc<FakeReceipts>,
    (store, contents): (Store, Contents),
) -> Arc<Desk> {
    let at = chain.head();
    let choices = [MODEL, OTHER].map(|model| ModelChoice { model, alias: None });
    let catalogue = ChainCatalogue::load(chain.as_ref(), at, Selection::These(choices.to_vec()), BASE).await.unwrap();
    let catalogue = catalogue.with_base("tiny", Template::Plain).unwrap();
    catalogue.refresh(chain.as_ref(), at).await.unwrap();
    let keys = KeyRing::open(KeyFile::in_state(folder)).unwrap();
    let parts = DeskParts {
        chain: chain.clone(),
        catalogue: Arc::new(catalogue),
        pulse: Arc::new(Pulse::new(Exposure::default(), at.number, Instant::now())),
        keys,
        receipts: Some(receipts.clone()),
        store,
        contents,
    };
    Arc::new(Desk::new(parts))
}

pub fn voucher(model: ModelId, input_tokens: u64, output_tokens: u64, amount: Amount) -> Voucher {
    Voucher { channel: CHANNEL, model, input_tokens, output_tokens, amount }
}

/// Signed as the app does.
pub fn signed(voucher: Voucher) -> SignedVoucher {
    let payload = voucher.payload(GENESIS, operator().account().0);
    SignedVoucher { voucher, signature: app().sign(&payload) }
}

pub fn shows(voucher: Voucher) -> Credentials {
    Credentials { bearer: None, voucher: Some(signed(voucher).to_string()) }
}

pub fn wanted(model: ModelId, prompt_tokens: u32, answer_tokens_max: u32) -> Wanted {
    let served = Served {
        id: crate::operator::usual_name(model),
        model: Some(model),
        adapter: Some(adapter(model)),
        template: Default::default(),
        created_s: 0,
        owner: String::new(),
    };
    let request = ContentHash([1; 32]);
    Wanted { served: Arc::new(served), prompt_tokens, answer_tokens_max, choices: 1, request }
}

/// The base itself.
pub fn wanted_base(prompt_tokens: u32, answer_tokens_max: u32) -> Wanted {
    Wanted {
        served: Arc::new(Served::base("tiny", Template::Plain)),
        ..wanted(MODEL, prompt_tokens, answer_tokens_max)
    }
}

pub fn sold(prompt_tokens: u32, answer_tokens: u32) -> Sold {
    Sold {
        prompt_tokens,
        answer_tokens,
        prompt: (0..prompt_tokens).collect(),
        answers: vec![(0..answer_tokens).collect()],
        answer: ContentHash([2; 32]),
    }
}

/// Asks for an answer of a model at a desk.
pub async fn ask(desk: &Arc<Desk>, who: &Credentials, wanted: Wanted) -> Result<Admission, Refusal> {
    OperatorTill(desk.clone()).admit(who, wanted).await
}

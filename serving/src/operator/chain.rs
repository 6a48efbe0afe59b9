//! What an operator needs of the chain. A trait, so that the till runs against a chain in memory, too.

use async_trait::async_trait;
use std::sync::Arc;
use tokio::sync::watch;
use tributary_client::{
    Account, BaseModel, Call, ChainClient, ChainError, Channel, Head, Job, Model, PAGE, Receipt, SubmitError,
    Submitter, calls,
};
use tributary_protocol::{
    Amount, BlockNumber, ChannelId, ModelId, Ppm,
    channel::Offer,
    model::{ModelStatus, Prices},
    voucher::SignedVoucher,
};

/// What the chain says of a model and this operator at one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether the operator may answer with it.
    pub may_serve: bool,
    /// At which prices it said it would, and until when.
    pub offer: Option<Offer>,
}

/// What a model is. Nothing of it but the model's record changes.
#[derive(Clone, Debug)]
pub struct ModelFacts {
    /// Its record.
    pub model: Model,
    /// Whether a grant that it was trained under was revoked.
    pub is_affected: bool,
    /// The base that it was trained on.
    pub base: BaseModel,
    /// The job that made it.
    pub job: Job,
}

/// What an operator does on the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Says where it serves a model, in the place of what it said before.
    Deploy {
        /// The model.
        model: ModelId,
        /// A URL.
        endpoint: String,
        /// Whether it is deployed elsewhere until now.
        moves: bool,
    },
    /// Says at which prices.
    Offer {
        /// The model.
        model: ModelId,
        /// Per 1,000 tokens.
        prices: Prices,
        /// The last block.
        until: BlockNumber,
    },
    /// Is paid for vouchers.
    Redeem(Vec<SignedVoucher>),
    /// Pays a model for answers that no voucher pays.
    Pay {
        /// The model.
        model: ModelId,
        /// How much.
        amount: Amount,
        /// Whether a part of it waits for the operator's epochs: see `Attribution.fund_answers`.
        is_attributed: bool,
    },
}

impl Action {
    fn call(&self) -> Call {
        match self {
            Self::Deploy { model, endpoint, moves: false } => calls::models::deploy(*model, endpoint),
            Self::Deploy { model, endpoint, moves: true } => calls::utility::batch_all(vec![
                calls::models::undeploy(*model),
                calls::models::deploy(*model, endpoint),
            ]),
            Self::Offer { model, prices, until } => calls::channels::offer(*model, *prices, *until),
            Self::Redeem(vouchers) => calls::channels::redeem(vouchers),
            Self::Pay { model, amount, is_attributed: true } => calls::attribution::fund_answers(*model, *amount),
            Self::Pay { model, amount, is_attributed: false } => calls::attribution::fund(*model, *amount),
        }
    }
}

/// The chain as one operator's account sees it. Reads are at the finalised block that is named.
#[async_trait]
pub trait OperatorChain: Send + Sync + 'static {
    /// The operator's account.
    fn operator(&self) -> Account;

    /// Hash of the chain's first block.
    fn genesis(&self) -> [u8; 32];

    /// The latest finalised block, kept current.
    fn heads(&self) -> watch::Receiver<Head>;

    /// A channel, if it has not ended.
    async fn channel(&self, at: Head, id: ChannelId) -> Result<Option<Channel>, ChainError>;

    /// What the chain says of a model and this operator.
    async fn standing(&self, at: Head, model: ModelId) -> Result<Standing, ChainError>;

    /// What a model is, if there is one.
    async fn facts(&self, at: Head, model: ModelId) -> Result<Option<ModelFacts>, ChainError>;

    /// The models that the operator may answer with.
    async fn served(&self, at: Head) -> Result<Vec<ModelId>, ChainError>;

    /// The models that are published, whoever serves them, in the order of their numbers.
    async fn published(&self, at: Head) -> Result<Vec<ModelId>, ChainError>;

    /// Where the operator says that it serves a model, if it is among the model's first 100 deployments.
    async fn endpoint(&self, at: Head, model: ModelId) -> Result<Option<String>, ChainError>;

    /// Whether what a model is paid for answers is attributed to them in part.
    async fn is_attributed(&self, at: Head, model: ModelId) -> Result<bool, ChainError>;

    /// Does `action` once for this `intent`, however often it is called, and waits until it is final.
    async fn act(&self, intent: &str, action: &Action) -> Result<Receipt, SubmitError>;
}

/// The real chain: a client, and a submitter that survives a crash.
pub struct LiveChain {
    submitter: Arc<Submitter>,
}

impl LiveChain {
    /// The chain as the submitter's account sees it.
    pub fn new(submitter: Arc<Submitter>) -> Self {
        Self { submitter }
    }

    /// The connection.
    pub fn client(&self) -> &ChainClient {
        self.submitter.client()
    }

    /// What submits for the account.
    pub fn submitter(&self) -> &Arc<Submitter> {
        &self.submitter
    }

    /// Goes on with what an earlier process began to submit.
    pub async fn recover(&self) -> Result<(), SubmitError> {
        tributary_daemon::recover(&self.submitter).await
    }
}

#[async_trait]
impl OperatorChain for LiveChain {
    fn operator(&self) -> Account {
        self.submitter.account()
    }

    fn genesis(&self) -> [u8; 32] {
        self.client().genesis().0
    }

    fn heads(&self) -> watch::Receiver<Head> {
        self.client().finalised_heads()
    }

    async fn channel(&self, at: Head, id: ChannelId) -> Result<Option<Channel>, ChainError> {
        self.client().at(at.hash).channel(id).await
    }

    async fn standing(&self, at: Head, model: ModelId) -> Result<Standing, ChainError> {
        let view = self.client().at(at.hash);
        let operator = self.operator();
        let (may_serve, offer) = tokio::try_join!(view.may_serve(model, operator), view.offer(model, operator))?;
        Ok(Standing { may_serve, offer })
    }

    async fn facts(&self, at: Head, id: ModelId) -> Result<Option<ModelFacts>, ChainError> {
        let view = self.client().at(at.hash);
        let Some(model) = view.model(id).await? else { return Ok(None) };
        let is_affected = view.is_affected(id).await?.unwrap_or_default();
        // Neither is ever removed while the model is there.
        let base = view.base_model(model.lineage.base).await?;
        let job = view.job(model.lineage.job).await?;
        Ok(base.zip(job).map(|(base, job)| ModelFacts { model, is_affected, base, job }))
    }

    async fn served(&self, at: Head) -> Result<Vec<ModelId>, ChainError> {
        let view = self.client().at(at.hash);
        let mut served = Vec::new();
        for (id, model) in view.all_models().await? {
            if model.deployments > 0 && view.may_serve(id, self.operator()).await? {
                served.push(id);
            }
        }
        Ok(served)
    }

    async fn published(&self, at: Head) -> Result<Vec<ModelId>, ChainError> {
        let models = self.client().at(at.hash).all_models().await?;
        Ok(models.into_iter().filter(|(_, model)| model.status == ModelStatus::Published).map(|(id, _)| id).collect())
    }

    async fn endpoint(&self, at: Head, model: ModelId) -> Result<Option<String>, ChainError> {
        let deployments = self.client().at(at.hash).deployments(model, PAGE).await?;
        let own = deployments.into_iter().find(|(operator, _)| *operator == self.operator());
        Ok(own.map(|(_, deployment)| String::from_utf8_lossy(&deployment.endpoint).into_owned()))
    }

    async fn is_attributed(&self, at: Head, model: ModelId) -> Result<bool, ChainError> {
        let stream = self.client().at(at.hash).stream(model).await?;
        Ok(stream.is_some_and(|stream| stream.contributions.attributed > Ppm::ZERO))
    }

    async fn act(&self, intent: &str, action: &Action) -> Result<Receipt, SubmitError> {
        self.submitter.submit(intent, &action.call()).await
    }
}

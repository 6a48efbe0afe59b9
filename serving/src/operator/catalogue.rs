//! Which models this operator answers with, as the chain has it.

use super::chain::{ModelFacts, OperatorChain, Standing};
use super::config::{ModelChoice, Selection};
use crate::door::{Catalogue, Served};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};
use tributary_client::{ChainError, Head, JobState};
use tributary_daemon::Recipe;
use tributary_protocol::{
    BlockNumber, ContentHash, JobId, ModelId,
    amount::BLOCK_MS,
    channel::Offer,
    job::{Report, Stage},
    recipe::Template,
};

/// After so many blocks it is looked whether more models were deployed: five minutes.
const LOOK_BLOCKS: BlockNumber = 100;

/// Why a model cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// The chain could not be asked.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// There is none.
    #[error("there is no model {model}\nhint: tributary model list")]
    NoSuchModel {
        /// Its number.
        model: ModelId,
    },
    /// It was trained on another base than the one that is loaded.
    #[error(
        "model {model} was trained on {name} with content {expected}; the base that is loaded has content {found}\nhint: --base names another folder"
    )]
    OtherBase {
        /// Its number.
        model: ModelId,
        /// The base's name on chain.
        name: String,
        /// The base's hash on chain.
        expected: ContentHash,
        /// The hash of what is loaded.
        found: ContentHash,
    },
    /// Its job does not say where its adapter is.
    #[error("model {model}: job {job} is {stage}, and has no settled report")]
    NoReport {
        /// Its number.
        model: ModelId,
        /// Its job.
        job: JobId,
        /// Where that stands.
        stage: Stage,
    },
    /// Two models would have one name.
    #[error("{name:?} would name two models\nhint: another alias")]
    SameName {
        /// The name.
        name: String,
    },
}

/// Where an adapter comes from: the bundle of a job, and what the chain says that is.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The job.
    pub job: JobId,
    /// What was reported of it.
    pub report: Report,
    /// What was asked for.
    pub recipe: Recipe,
}

/// A model and what the chain says of it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// How clients know it.
    pub served: Arc<Served>,
    /// Its number.
    pub model: ModelId,
    /// Its adapter.
    pub adapter: ContentHash,
    /// Where the adapter comes from.
    pub origin: Arc<Origin>,
    /// What the chain said last.
    pub standing: Standing,
    alias: Option<String>,
}

impl Entry {
    /// The offer, if it holds in the block after `block`.
    pub fn offer(&self, block: BlockNumber) -> Option<Offer> {
        self.standing.offer.filter(|offer| offer.until > block)
    }

    fn is_called(&self, name: &str) -> bool {
        self.alias.as_deref() == Some(name) || usual_name(self.model) == name
    }
}

/// What a model is called that has no alias.
pub fn usual_name(model: ModelId) -> String {
    format!("tributary-model-{model}")
}

/// The models of an operator.
pub struct ChainCatalogue {
    base: ContentHash,
    selection: Selection,
    plain: Option<Arc<Served>>,
    entries: RwLock<BTreeMap<ModelId, Arc<Entry>>>,
    looked: RwLock<BlockNumber>,
}

impl ChainCatalogue {
    /// Looks the models up that are to be served. Those of [`Selection::These`] must all be there, and trained on the base with
    /// this content hash; whether they may be served now does not matter yet.
    pub async fn load(
        chain: &dyn OperatorChain,
        at: Head,
        selection: Selection,
        base: ContentHash,
    ) -> Result<Self, CatalogueError> {
        let (entries, looked) = (RwLock::default(), RwLock::new(at.number));
        let catalogue = Self { base, selection, plain: None, entries, looked };
        match catalogue.selection.clone() {
            Selection::These(choices) => {
                for choice in choices {
                    catalogue.add(chain, at, choice).await?;
                }
            }
            Selection::AllDeployed | Selection::AllPublished { .. } => catalogue.look(chain, at).await?,
        }
        Ok(catalogue)
    }

    /// Lists the base itself, too, under this name, for who asks it without an adapter.
    pub fn with_base(mut self, name: &str, template: Template) -> Result<Self, CatalogueError> {
        if self.read().values().any(|entry| entry.is_called(name)) {
            return Err(CatalogueError::SameName { name: name.to_owned() });
        }
        self.plain = Some(Arc::new(Served::base(name, template)));
        Ok(self)
    }

    /// Takes in what the chain says at a block. From then on that is what is found.
    pub async fn refresh(&self, chain: &dyn OperatorChain, at: Head) -> Result<(), ChainError> {
        let grows = matches!(self.selection, Selection::AllDeployed | Selection::AllPublished { .. });
        if grows && at.number >= self.looked_at().saturating_add(LOOK_BLOCKS) {
            self.look(chain, at).await?;
        }
        let models: Vec<ModelId> = self.read().keys().copied().collect();
        let standings = models.iter().map(|model| chain.standing(at, *model));
        let standings = futures::future::try_join_all(standings).await?;
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        for (model, standing) in models.into_iter().zip(standings) {
            let Some(entry) = entries.get_mut(&model) else { continue };
            if entry.standing.may_serve != standing.may_serve {
                let block = at.number;
                match standing.may_serve {
                    true => tracing::info!(%model, block, "the model is served"),
                    false => tracing::warn!(
                        %model, block,
                        "the model is not served any more: withdrawn, undeployed, or a grant was revoked"
                    ),
                }
            }
            Arc::make_mut(entry).standing = standing;
        }
        Ok(())
    }

    /// Adds what the operator has deployed on this base, as far as it is new.
    async fn look(&self, chain: &dyn OperatorChain, at: Head) -> Result<(), ChainError> {
        for model in chain.served(at).await? {
            if self.read().contains_key(&model) {
                continue;
            }
            match self.add(chain, at, ModelChoice { model, alias: None }).await {
                Ok(()) => {}
                Err(CatalogueError::Chain(error)) => return Err(error),
                Err(error) => tracing::info!("{error}"),
            }
        }
        *self.looked.write().unwrap_or_else(PoisonError::into_inner) = at.number;
        Ok(())
    }

    /// Adds a model that came to be while the server runs; one that is there stays as it is.
    pub async fn take_in(
        &self,
        chain: &dyn OperatorChain,
        at: Head,
        choice: ModelChoice,
    ) -> Result<(), CatalogueError> {
        if self.read().contains_key(&choice.model) {
            return Ok(());
        }
        self.add(chain, at, choice).await
    }

    async fn add(&self, chain: &dyn OperatorChain, at: Head, choice: ModelChoice) -> Result<(), CatalogueError> {
        let ModelChoice { model: id, alias } = choice;
        let facts = chain.facts(at, id).await?.ok_or(CatalogueError::NoSuchModel { model: id })?;
        let ModelFacts { model, base, job, .. } = facts;
        if base.content != self.base {
            let name = String::from_utf8_lossy(&base.name).into_owned();
            return Err(CatalogueError::OtherBase { model: id, name, expected: base.content, found: self.base });
        }
        let recipe = Recipe::from(&job.spec);
        let report = match job.state {
            JobState::Settled { report, .. } => report,
            other => {
                return Err(CatalogueError::NoReport { model: id, job: model.lineage.job, stage: other.stage() });
            }
        };
        let names = alias.iter().cloned().chain([usual_name(id)]);
        for name in names {
            let is_base = self.plain.as_ref().is_some_and(|base| base.id == name);
            let taken = is_base || self.read().values().any(|entry| entry.model != id && entry.is_called(&name));
            if taken {
                return Err(CatalogueError::SameName { name });
            }
        }
        let age_s = u64::from(at.number.saturating_sub(model.created_at)).saturating_mul(BLOCK_MS) / 1_000;
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let served = Served {
            id: alias.clone().unwrap_or_else(|| usual_name(id)),
            model: Some(id),
            adapter: Some(model.adapter),
            template: recipe.hyperparameters.template,
            created_s: now_s.saturating_sub(age_s),
            owner: model.owner.to_string(),
        };
        let entry = Entry {
            served: Arc::new(served),
            model: id,
            adapter: model.adapter,
            origin: Arc::new(Origin { job: model.lineage.job, report, recipe }),
            standing: Standing { may_serve: false, offer: None },
            alias,
        };
        self.entries.write().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::new(entry));
        Ok(())
    }

    /// Whether the model is one of these, whether it may be served now or not.
    pub fn has(&self, model: ModelId) -> bool {
        self.read().contains_key(&model)
    }

    /// Takes a model out that is not to be served after all.
    pub(super) fn forget(&self, model: ModelId) {
        self.entries.write().unwrap_or_else(PoisonError::into_inner).remove(&model);
    }

    /// Every model, whether it may be served now or not.
    pub fn entries(&self) -> Vec<Arc<Entry>> {
        self.read().values().cloned().collect()
    }

    /// A model, if it may be served.
    pub fn entry(&self, model: ModelId) -> Option<Arc<Entry>> {
        self.read().get(&model).filter(|entry| entry.standing.may_serve).cloned()
    }

    /// Where an adapter comes from.
    pub fn origin(&self, adapter: &ContentHash) -> Option<Arc<Origin>> {
        self.read().values().find(|entry| entry.adapter == *adapter).map(|entry| entry.origin.clone())
    }

    fn looked_at(&self) -> BlockNumber {
        *self.looked.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<ModelId, Arc<Entry>>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Catalogue for ChainCatalogue {
    fn list(&self) -> Vec<Arc<Served>> {
        let entries = self.read();
        let tuned = entries.values().filter(|entry| entry.standing.may_serve).map(|entry| &entry.served);
        tuned.chain(&self.plain).cloned().collect()
    }

    fn find(&self, id: &str) -> Option<Arc<Served>> {
        let entries = self.read();
        let found = entries.values().find(|entry| entry.is_called(id) && entry.standing.may_serve);
        found.map(|entry| &entry.served).or(self.plain.as_ref().filter(|base| base.id == id)).cloned()
    }
}

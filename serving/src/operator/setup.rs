//! What stands on the chain before anything is served: deployments and offers.

use super::catalogue::{ChainCatalogue, Entry};
use super::chain::{Action, ModelFacts, OperatorChain};
use super::config::OfferTerms;
use tributary_client::{ChainError, Head, SubmitError};
use tributary_protocol::{
    ModelId,
    channel::Offer,
    model::{ModelStatus, Prices},
};

/// Why a model cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum OfferError {
    /// The chain could not be asked.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The chain did not take it.
    #[error(transparent)]
    Submit(Box<SubmitError>),
    /// It is not published.
    #[error("model {model} is {status:?}\nhint: only its owner can publish it")]
    NotPublished {
        /// Its number.
        model: ModelId,
        /// What it is.
        status: ModelStatus,
    },
    /// A grant was revoked.
    #[error("a grant that model {model} was trained under was revoked: nobody may serve it")]
    Affected {
        /// Its number.
        model: ModelId,
    },
    /// The operator would pay for answering.
    #[error(
        "model {model} itself costs {} in and {} out per 1,000 tokens, in 10^-12 TRIB, and no less can be asked for it\nhint: higher prices",
        of_model.input_per_1000, of_model.output_per_1000
    )]
    PriceBelowModels {
        /// Its number.
        model: ModelId,
        /// Its own prices.
        of_model: Prices,
    },
}

impl From<SubmitError> for OfferError {
    fn from(error: SubmitError) -> Self {
        Self::Submit(Box::new(error))
    }
}

/// What was done for a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    /// The model.
    pub model: ModelId,
    /// Where it was deployed, if that was new.
    pub deployed: Option<String>,
    /// What was offered, if that was new.
    pub offered: Option<Prices>,
}

/// Deploys and offers every model of the catalogue, where that is not so yet.
pub async fn offer_all(
    chain: &dyn OperatorChain,
    at: Head,
    catalogue: &ChainCatalogue,
    terms: &OfferTerms,
) -> Result<Vec<Offered>, OfferError> {
    let mut done = Vec::new();
    for entry in catalogue.entries() {
        done.push(offer_one(chain, at, entry.model, terms).await?);
    }
    Ok(done)
}

/// Deploys and offers one model, where it is not.
pub async fn offer_one(
    chain: &dyn OperatorChain,
    at: Head,
    model: ModelId,
    terms: &OfferTerms,
) -> Result<Offered, OfferError> {
    // A deployment holds a deposit: nothing is deployed that cannot be offered.
    if let Some(facts) = chain.facts(at, model).await? {
        asked(model, &facts, terms)?;
    }
    let deployed = deploy(chain, at, model, terms).await?;
    let offered = offer(chain, at, model, terms).await?;
    Ok(Offered { model, deployed, offered })
}

/// Renews the offers of models that are served, half of their time before they end. What fails is told, and tried again.
pub async fn renew(chain: &dyn OperatorChain, at: Head, entries: &[std::sync::Arc<Entry>], terms: &OfferTerms) {
    for entry in entries.iter().filter(|entry| entry.standing.may_serve) {
        // Prices that the model's owner changed meanwhile come into force when the offer is renewed for its time.
        if entry.standing.offer.is_some_and(|offer| lasts(&offer, at, terms)) {
            continue;
        }
        match offer(chain, at, entry.model, terms).await {
            Ok(_) => tracing::info!(model = %entry.model, "offer renewed"),
            Err(error) => tracing::error!(model = %entry.model, "the offer cannot be renewed: {error}"),
        }
    }
}

/// What is asked for answers of a model.
fn asked(model: ModelId, facts: &ModelFacts, terms: &OfferTerms) -> Result<Prices, OfferError> {
    let of_model = facts.model.prices;
    let prices = terms.prices.unwrap_or(of_model);
    if prices.covers(&of_model) { Ok(prices) } else { Err(OfferError::PriceBelowModels { model, of_model }) }
}

fn lasts(offer: &Offer, at: Head, terms: &OfferTerms) -> bool {
    offer.until > at.number.saturating_add(terms.blocks / 2)
}

async fn deploy(
    chain: &dyn OperatorChain,
    at: Head,
    model: ModelId,
    terms: &OfferTerms,
) -> Result<Option<String>, OfferError> {
    let standing = chain.standing(at, model).await?;
    let found = chain.endpoint(at, model).await?;
    if standing.may_serve && found.as_ref().is_none_or(|found| *found == terms.endpoint) {
        return Ok(None);
    }
    let ModelFacts { model: record, is_affected, .. } = match chain.facts(at, model).await? {
        Some(facts) => facts,
        None => return Ok(None),
    };
    if record.status != ModelStatus::Published {
        return Err(OfferError::NotPublished { model, status: record.status });
    }
    if is_affected {
        return Err(OfferError::Affected { model });
    }
    let endpoint = terms.endpoint.clone();
    let action = Action::Deploy { model, endpoint: endpoint.clone(), moves: found.is_some() };
    chain.act(&format!("deploy/{model}/{}", at.number), &action).await?;
    Ok(Some(endpoint))
}

async fn offer(
    chain: &dyn OperatorChain,
    at: Head,
    model: ModelId,
    terms: &OfferTerms,
) -> Result<Option<Prices>, OfferError> {
    let Some(facts) = chain.facts(at, model).await? else { return Ok(None) };
    let prices = asked(model, &facts, terms)?;
    let standing = chain.standing(at, model).await?;
    if standing.offer.is_some_and(|offer| offer.prices == prices && lasts(&offer, at, terms)) {
        return Ok(None);
    }
    let until = at.number.saturating_add(terms.blocks);
    chain.act(&format!("offer/{model}/{until}"), &Action::Offer { model, prices, until }).await?;
    Ok(Some(prices))
}

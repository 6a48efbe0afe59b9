//! Models that others publish: deployed and offered while the server runs.

use super::catalogue::{CatalogueError, ChainCatalogue};
use super::chain::OperatorChain;
use super::config::{ModelChoice, OfferTerms};
use super::setup::{self, OfferError};
use super::till::Desk;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tributary_client::{ChainError, Head};
use tributary_protocol::{BlockNumber, ModelId};

/// After so many blocks it is looked what was published: a quarter of a minute.
const LOOK_BLOCKS: BlockNumber = 5;
/// After so many blocks a model is tried again that could not be served, such as one that costs more than the operator asks: ten
/// minutes.
const AGAIN_BLOCKS: BlockNumber = 200;

/// What was seen of published models so far.
pub(super) struct Published {
    most: usize,
    is_full: bool,
    /// When each that cannot be served is tried again.
    put_off: BTreeMap<ModelId, BlockNumber>,
}

impl Published {
    pub(super) fn new(most: usize) -> Self {
        Self { most, is_full: false, put_off: BTreeMap::new() }
    }

    /// Takes in what is published, until it is stopped.
    pub(super) async fn follow(mut self, desk: Arc<Desk>, terms: OfferTerms, stop: CancellationToken) {
        let mut heads = desk.chain().heads();
        let mut next = 0;
        while let Some(Ok(())) = stop.run_until_cancelled(heads.changed()).await {
            let at = *heads.borrow_and_update();
            if at.number < next {
                continue;
            }
            next = at.number.saturating_add(LOOK_BLOCKS);
            let looking = self.look(desk.chain().as_ref(), at, desk.catalogue(), &terms);
            match stop.run_until_cancelled(looking).await {
                Some(Ok(())) => {}
                Some(Err(error)) => tracing::warn!(block = at.number, "what is published cannot be seen: {error}"),
                None => return,
            }
        }
    }

    /// Deploys and offers what is new. What cannot be is told, and put off.
    pub(super) async fn look(
        &mut self,
        chain: &dyn OperatorChain,
        at: Head,
        catalogue: &ChainCatalogue,
        terms: &OfferTerms,
    ) -> Result<(), ChainError> {
        for model in chain.published(at).await? {
            let waits = self.put_off.get(&model).is_some_and(|until| *until > at.number);
            if waits || catalogue.has(model) {
                continue;
            }
            if catalogue.entries().len() >= self.most {
                if !self.is_full {
                    tracing::warn!(most = self.most, "no more published models are taken in; hint: --published-max");
                }
                self.is_full = true;
                return Ok(());
            }
            match take_in(chain, at, catalogue, model, terms).await {
                Ok(()) => {
                    self.put_off.remove(&model);
                    tracing::info!(%model, "the model was published; it is deployed and offered");
                }
                Err(NotServed::Chain(error)) => return Err(error),
                Err(NotServed::Model(reason)) => {
                    tracing::info!(%model, "the model is published, and not served: {reason}");
                    self.put_off.insert(model, at.number.saturating_add(AGAIN_BLOCKS));
                }
            }
        }
        Ok(())
    }
}

/// Why a published model is not served.
enum NotServed {
    Chain(ChainError),
    Model(String),
}

async fn take_in(
    chain: &dyn OperatorChain,
    at: Head,
    catalogue: &ChainCatalogue,
    model: ModelId,
    terms: &OfferTerms,
) -> Result<(), NotServed> {
    match catalogue.take_in(chain, at, ModelChoice { model, alias: None }).await {
        Ok(()) => {}
        Err(CatalogueError::Chain(error)) => return Err(NotServed::Chain(error)),
        Err(error) => return Err(NotServed::Model(error.to_string())),
    }
    let offered = setup::offer_one(chain, at, model, terms).await;
    offered.map(drop).map_err(|error| {
        catalogue.forget(model);
        match error {
            OfferError::Chain(error) => NotServed::Chain(error),
            error => NotServed::Model(error.to_string()),
        }
    })
}

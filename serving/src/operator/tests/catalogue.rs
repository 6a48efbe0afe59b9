//! What is found by which name, and what is deployed and offered at the start.

use super::world::*;
use crate::door::Catalogue;
use crate::operator::catalogue::{CatalogueError, ChainCatalogue};
use crate::operator::chain::{Action, Standing};
use crate::operator::config::{ModelChoice, OfferTerms, Selection};
use crate::operator::discover::Published;
use crate::operator::setup::{OfferError, offer_all};
use tributary_protocol::{ContentHash, ModelId, model::Prices, recipe::Template};

fn these(choices: &[(u64, Option<&str>)]) -> Selection {
    let choice =
        |(model, alias): &(u64, Option<&str>)| ModelChoice { model: ModelId(*model), alias: alias.map(Into::into) };
    Selection::These(choices.iter().map(choice).collect())
}

#[tokio::test]
async fn a_model_is_found_by_both_names_until_it_may_not_be_served() {
    let chain = FakeChain::new(0);
    let catalogue =
        ChainCatalogue::load(chain.as_ref(), head(10), these(&[(0, Some("harbour")), (1, None)]), BASE).await.unwrap();
    assert!(catalogue.list().is_empty(), "nothing is served before the chain was asked");
    catalogue.refresh(chain.as_ref(), head(10)).await.unwrap();
    let found = catalogue.find("harbour").unwrap();
    assert_eq!((found.model, found.adapter, found.id.as_str()), (Some(MODEL), Some(adapter(MODEL)), "harbour"));
    assert_eq!(catalogue.find("tributary-model-0"), Some(found));
    assert_eq!(catalogue.list().len(), 2);
    assert_eq!(catalogue.find("tributary-model-2"), None);
    chain.world(|world| world.standings.get_mut(&MODEL).unwrap().may_serve = false);
    catalogue.refresh(chain.as_ref(), head(11)).await.unwrap();
    assert_eq!(catalogue.find("harbour"), None);
    assert_eq!(catalogue.list().len(), 1);
    assert!(catalogue.origin(&adapter(MODEL)).is_some(), "answers that were begun are finished");
}

#[tokio::test]
async fn what_cannot_be_served_is_named_at_the_start() {
    let chain = FakeChain::new(0);
    let load = async |selection, base| ChainCatalogue::load(chain.as_ref(), head(10), selection, base).await.err();
    let error = load(these(&[(9, None)]), BASE).await.unwrap();
    assert!(matches!(error, CatalogueError::NoSuchModel { model: ModelId(9) }), "{error}");
    let other = ContentHash([1; 32]);
    let error = load(these(&[(0, None)]), other).await.unwrap();
    assert!(matches!(error, CatalogueError::OtherBase { found, .. } if found == other), "{error}");
    let error = load(these(&[(0, Some("x")), (1, Some("x"))]), BASE).await.unwrap();
    assert!(matches!(error, CatalogueError::SameName { .. }), "{error}");
    let error = load(these(&[(0, Some("tributary-model-1")), (1, None)]), BASE).await.unwrap();
    assert!(matches!(error, CatalogueError::SameName { .. }), "{error}");
}

#[tokio::test]
async fn all_that_is_deployed_is_served_and_more_is_found_later() {
    let chain = FakeChain::new(0);
    chain.world(|world| world.standings.get_mut(&OTHER).unwrap().may_serve = false);
    let catalogue = ChainCatalogue::load(chain.as_ref(), head(10), Selection::AllDeployed, BASE).await.unwrap();
    catalogue.refresh(chain.as_ref(), head(10)).await.unwrap();
    assert_eq!(catalogue.list().len(), 1);
    chain.world(|world| world.standings.get_mut(&OTHER).unwrap().may_serve = true);
    catalogue.refresh(chain.as_ref(), head(11)).await.unwrap();
    assert_eq!(catalogue.list().len(), 1);
    catalogue.refresh(chain.as_ref(), head(110)).await.unwrap();
    assert_eq!(catalogue.list().len(), 2);
}

#[tokio::test]
async fn what_others_publish_is_deployed_offered_and_found_up_to_a_number() {
    let chain = FakeChain::new(0);
    chain.world(|world| {
        world.endpoint = None;
        world.standings.values_mut().for_each(|standing| *standing = Standing { may_serve: false, offer: None });
    });
    let load = async |base| {
        ChainCatalogue::load(chain.as_ref(), head(10), Selection::AllPublished { most: 1 }, base).await.unwrap()
    };
    let terms = OfferTerms { endpoint: "https://here.example".into(), prices: Some(ASKED), blocks: 200 };

    let other_base = load(ContentHash([1; 32])).await;
    Published::new(9).look(chain.as_ref(), head(10), &other_base, &terms).await.unwrap();
    assert!(other_base.entries().is_empty() && chain.world(|world| world.acts.is_empty()));

    // An offer below the model's own price is not made, and is not tried again before some time is over.
    let catalogue = load(BASE).await;
    let cheap = OfferTerms { prices: Some(Prices { input_per_1000: 1, ..ASKED }), ..terms.clone() };
    let mut published = Published::new(1);
    published.look(chain.as_ref(), head(10), &catalogue, &cheap).await.unwrap();
    assert!(!catalogue.has(MODEL) && chain.world(|world| world.acts.is_empty()));
    published.look(chain.as_ref(), head(11), &catalogue, &terms).await.unwrap();
    assert!(!catalogue.has(MODEL));

    let look = async |published: &mut Published, at| {
        published.look(chain.as_ref(), head(at), &catalogue, &terms).await.unwrap();
        chain.world(|world| world.acts.iter().map(|(_, action)| action.clone()).collect::<Vec<_>>())
    };
    let acts = look(&mut published, 1_000).await;
    let [Action::Deploy { model: MODEL, moves: false, .. }, Action::Offer { model: MODEL, prices: ASKED, .. }] =
        &acts[..]
    else {
        panic!("{acts:?}");
    };
    assert!(catalogue.has(MODEL) && !catalogue.has(OTHER), "one model is the most");
    assert_eq!(look(&mut published, 1_001).await.len(), 2, "once");
}

#[tokio::test]
async fn the_base_has_a_name_of_its_own() {
    let chain = FakeChain::new(0);
    let load =
        async || ChainCatalogue::load(chain.as_ref(), head(10), these(&[(0, Some("harbour"))]), BASE).await.unwrap();
    let catalogue = load().await.with_base("tiny", Template::Chat).unwrap();
    let found = catalogue.find("tiny").unwrap();
    assert_eq!((found.model, found.adapter), (None, None));
    assert_eq!(catalogue.list(), [found]);
    let choice = ModelChoice { model: OTHER, alias: Some("tiny".into()) };
    let error = catalogue.take_in(chain.as_ref(), head(10), choice).await.unwrap_err();
    assert!(matches!(error, CatalogueError::SameName { .. }), "{error}");
    let error = load().await.with_base("harbour", Template::Chat).err().unwrap();
    assert!(matches!(error, CatalogueError::SameName { .. }), "{error}");
}

#[tokio::test]
async fn only_what_is_missing_is_deployed_and_offered() {
    let chain = FakeChain::new(0);
    let catalogue = ChainCatalogue::load(chain.as_ref(), head(10), these(&[(0, None)]), BASE).await.unwrap();
    let terms = |prices, endpoint: &str| OfferTerms { endpoint: endpoint.into(), prices, blocks: 200 };
    let here = "https://here.example";
    let done = offer_all(chain.as_ref(), head(10), &catalogue, &terms(Some(ASKED), here)).await.unwrap();
    assert_eq!((&done[0].deployed, done[0].offered), (&None, None), "all is there");
    assert!(chain.world(|world| world.acts.is_empty()));

    let cheap = Prices { input_per_1000: 1, ..ASKED };
    let error = offer_all(chain.as_ref(), head(10), &catalogue, &terms(Some(cheap), here)).await.unwrap_err();
    assert!(matches!(error, OfferError::PriceBelowModels { of_model: OF_MODEL, .. }), "{error}");

    // Moved, at the model's own prices.
    offer_all(chain.as_ref(), head(10), &catalogue, &terms(None, "https://there.example")).await.unwrap();
    let acts = chain.world(|world| world.acts.iter().map(|(_, action)| action.clone()).collect::<Vec<_>>());
    let deploy = Action::Deploy { model: MODEL, endpoint: "https://there.example".into(), moves: true };
    assert_eq!(acts, [deploy, Action::Offer { model: MODEL, prices: OF_MODEL, until: 210 }]);

    chain.world(|world| {
        world.standings.get_mut(&MODEL).unwrap().may_serve = false;
        world.is_affected = true;
    });
    let error = offer_all(chain.as_ref(), head(10), &catalogue, &terms(None, here)).await.unwrap_err();
    assert!(matches!(error, OfferError::Affected { model: MODEL }), "{error}");
}

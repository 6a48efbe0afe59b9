//! Datanets, contributions and grants.

use super::{Answer, Asked, Named, found};
use crate::{
    app::App,
    index::reader::Want,
    views::{
        Page,
        contributions::{self, ContributionDetail, ContributionQuery, ContributionView},
        datanets::{self, DatanetEarnings, DatanetQuery, DatanetView, Facets, VersionView},
        grants::{self, GrantQuery, GrantView},
        models::{self, ModelQuery, ModelView},
        money::models_of,
    },
};
use axum::{Json, extract::State};
use tributary_protocol::{ContributionId, DatanetId, GrantId};

pub async fn datanets(
    State(app): State<App>,
    Asked(query): Asked<DatanetQuery>,
    Asked(want): Asked<Want>,
) -> Answer<Page<DatanetView>> {
    Ok(Json(app.read(move |reader| datanets::list(reader, &query, &want)).await?))
}

pub async fn datanet_facets(State(app): State<App>) -> Answer<Facets> {
    Ok(Json(app.read(datanets::facets).await?))
}

pub async fn datanet(State(app): State<App>, Named(id): Named<DatanetId>) -> Answer<DatanetView> {
    found(app.read(move |reader| datanets::one(reader, id)).await?, "Datanet", id)
}

pub async fn datanet_versions(
    State(app): State<App>,
    Named(id): Named<DatanetId>,
    Asked(want): Asked<Want>,
) -> Answer<Page<VersionView>> {
    let page = app.read(move |reader| {
        let is_there = datanets::record_of(reader, id)?.is_some();
        is_there.then(|| datanets::versions(reader, id, &want)).transpose()
    });
    found(page.await?, "Datanet", id)
}

pub async fn datanet_contributions(
    State(app): State<App>,
    Named(id): Named<DatanetId>,
    Asked(query): Asked<ContributionQuery>,
    Asked(want): Asked<Want>,
) -> Answer<Page<ContributionView>> {
    let query = ContributionQuery { datanet: Some(id), ..query };
    let page = app.read(move |reader| {
        let is_there = datanets::record_of(reader, id)?.is_some();
        is_there.then(|| contributions::list(reader, &query, &want)).transpose()
    });
    found(page.await?.map(|page| held(&app, page)), "Datanet", id)
}

pub async fn datanet_grants(
    State(app): State<App>,
    Named(id): Named<DatanetId>,
    Asked(query): Asked<GrantQuery>,
    Asked(want): Asked<Want>,
) -> Answer<Page<GrantView>> {
    let query = GrantQuery { datanet: Some(id), ..query };
    Ok(Json(app.read(move |reader| grants::list(reader, &query, &want)).await?))
}

pub async fn datanet_models(
    State(app): State<App>,
    Named(id): Named<DatanetId>,
    Asked(want): Asked<Want>,
) -> Answer<Page<ModelView>> {
    let query = ModelQuery { datanet: Some(id), ..ModelQuery::default() };
    Ok(Json(app.read(move |reader| models::list(reader, &query, &want)).await?))
}

pub async fn datanet_earnings(State(app): State<App>, Named(id): Named<DatanetId>) -> Answer<DatanetEarnings> {
    let earnings = app.read(move |reader| {
        let is_there = datanets::record_of(reader, id)?.is_some();
        is_there.then(|| datanets::earnings(reader, id)).transpose()
    });
    found(earnings.await?, "Datanet", id)
}

pub async fn contributions(
    State(app): State<App>,
    Asked(query): Asked<ContributionQuery>,
    Asked(want): Asked<Want>,
) -> Answer<Page<ContributionView>> {
    let page = app.read(move |reader| contributions::list(reader, &query, &want)).await?;
    Ok(Json(held(&app, page)))
}

pub async fn contribution(State(app): State<App>, Named(id): Named<ContributionId>) -> Answer<ContributionDetail> {
    let detail = app.read(move |reader| {
        let Some(contribution) = contributions::one(reader, id)? else { return Ok(None) };
        Ok(Some(ContributionDetail { contribution, models: models_of(reader, id)? }))
    });
    let mut detail = detail.await?;
    if let Some(detail) = &mut detail {
        detail.contribution.is_held = app.uploads().holds(detail.contribution.blob());
    }
    found(detail, "contribution", id)
}

/// Says of each whether its file is here.
fn held(app: &App, mut page: Page<ContributionView>) -> Page<ContributionView> {
    for contribution in &mut page.items {
        contribution.is_held = app.uploads().holds(contribution.blob());
    }
    page
}

pub async fn grants(
    State(app): State<App>,
    Asked(query): Asked<GrantQuery>,
    Asked(want): Asked<Want>,
) -> Answer<Page<GrantView>> {
    Ok(Json(app.read(move |reader| grants::list(reader, &query, &want)).await?))
}

pub async fn grant(State(app): State<App>, Named(id): Named<GrantId>) -> Answer<GrantView> {
    found(app.read(move |reader| grants::one(reader, id)).await?, "grant", id)
}

//! Base models, jobs, their runs, and trainers.

use super::{Answer, Asked, Named, found};
use crate::{
    app::App,
    error::ApiError,
    index::reader::Want,
    runs::{self, Place},
    views::{
        Page,
        jobs::{self, BaseModelQuery, BaseModelView, JobDetail, JobQuery, JobView, RunSource},
        trainers::{self, TrainerView},
    },
};
use axum::{
    Json,
    extract::State,
    http::HeaderMap,
    response::{
        IntoResponse, Response,
        sse::{KeepAlive, Sse},
    },
};
use futures::StreamExt as _;
use serde::Deserialize;
use tributary_client::Account;
use tributary_protocol::{BaseModelId, JobId, job::Stage};

pub async fn base_models(
    State(app): State<App>,
    Asked(query): Asked<BaseModelQuery>,
    Asked(want): Asked<Want>,
) -> Answer<Page<BaseModelView>> {
    let mut page = app.read(move |reader| jobs::bases(reader, &query, &want)).await?;
    for base in &mut page.items {
        base.can_estimate = app.bases().with_content(base.content()).is_some();
    }
    Ok(Json(page))
}

pub async fn base_model(State(app): State<App>, Named(id): Named<BaseModelId>) -> Answer<BaseModelView> {
    let mut base = app.read(move |reader| jobs::base(reader, id)).await?;
    if let Some(base) = &mut base {
        base.can_estimate = app.bases().with_content(base.content()).is_some();
    }
    found(base, "base model", id)
}

pub async fn jobs(
    State(app): State<App>,
    Asked(query): Asked<JobQuery>,
    Asked(want): Asked<Want>,
) -> Answer<Page<JobView>> {
    Ok(Json(app.read(move |reader| jobs::list(reader, &query, &want)).await?))
}

pub async fn job(State(app): State<App>, Named(id): Named<JobId>) -> Answer<JobDetail> {
    let read = app.read(move |reader| {
        let Some(job) = jobs::one(reader, id)? else { return Ok(None) };
        Ok(Some((job, jobs::history(reader, id)?)))
    });
    let Some((job, history)) = read.await? else { return found(None, "job", id) };
    let url = app.run_of(id, job.trainer()).await;
    let is_live = matches!(job.stage(), Stage::Open | Stage::Leased);
    let run = RunSource { is_available: url.is_some(), trainer_url: url.map(String::from), is_live };
    Ok(Json(JobDetail { job, history, run }))
}

/// From where on events are wanted.
#[derive(Deserialize)]
pub struct From {
    after: Option<String>,
}

pub async fn events(
    State(app): State<App>,
    Named(id): Named<JobId>,
    Asked(from): Asked<From>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if app.job(id).await?.is_none() {
        return Err(ApiError::not_found(format!("job {id}")));
    }
    // What a browser says when it comes back counts before what the page asked for at first.
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let after = match last.or(from.after.as_deref()).filter(|text| !text.is_empty()) {
        Some(text) => text.parse().map_err(ApiError::bad_request)?,
        None => Place::default(),
    };
    let place = app.stream_place()?;
    let events = runs::events(app, id, after).inspect(move |_| {
        // Given back with the stream.
        let _ = &place;
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}

pub async fn trainers(State(app): State<App>, Asked(want): Asked<Want>) -> Answer<Page<TrainerView>> {
    let mut page = app.read(move |reader| trainers::list(reader, &want)).await?;
    for trainer in &mut page.items {
        trainer.live = app.trainers().live(trainer.account);
    }
    Ok(Json(page))
}

pub async fn trainer(State(app): State<App>, Named(id): Named<Account>) -> Answer<TrainerView> {
    let mut trainer = app.read(move |reader| trainers::one(reader, id)).await?;
    if let Some(trainer) = &mut trainer {
        trainer.live = app.trainers().live(trainer.account);
    }
    found(trainer, "trainer", id)
}

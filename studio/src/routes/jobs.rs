//! Base models, jobs, their runs, and trainers.

use super::{Answer, Asked, Named, body_json, found};
use crate::{
    app::App,
    error::ApiError,
    index::reader::Want,
    outbound::below,
    runs::{self, Place},
    views::{
        Money, Page,
        jobs::{self, BaseModelQuery, BaseModelView, JobDetail, JobQuery, JobView, RunSource},
        trainers::{self, TrainerView},
    },
};
use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    response::{
        IntoResponse, Response,
        sse::{KeepAlive, Sse},
    },
};
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use tributary_client::Account;
use tributary_daemon::RunOrder;
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
    let live = job.trainer().and_then(|trainer| app.trainers().live(trainer));
    let is_paused = is_live && live.is_some_and(|live| live.pauses(id));
    let run = RunSource { is_available: url.is_some(), trainer_url: url.map(String::from), is_live, is_paused };
    let stop_cost = job.in_work().map(|(progress, price)| Money(app.constants().stop_cost(price, progress)));
    Ok(Json(JobDetail { job, history, run, stop_cost }))
}

/// Longest answer of a trainer to an order.
const STANDING_BYTES_MAX: usize = 4 << 10;

/// How a run stands after an order, as its trainer says it.
#[derive(Deserialize, Serialize)]
pub struct Standing {
    paused: bool,
    left_seconds: u64,
}

/// Hands what a job's requester signed to the trainer that works on it.
pub async fn orders(State(app): State<App>, Named(id): Named<JobId>, request: Request) -> Answer<Standing> {
    let order: RunOrder = body_json(request).await?;
    let job = app.read(move |reader| jobs::one(reader, id)).await?;
    let job = job.ok_or_else(|| ApiError::not_found(format!("job {id}")))?;
    // The trainer looks at the signature too. What is not signed need not reach it.
    let now = u64::try_from(chrono::Utc::now().timestamp_millis()).unwrap_or(0);
    let told = |status, code, error: &dyn std::fmt::Display| ApiError::told(status, code, error.to_string());
    order
        .check(job.requester(), id, &app.genesis(), now)
        .map_err(|error| told(StatusCode::FORBIDDEN, "not_signed", &error))?;
    let trainer = job.in_work().and_then(|_| job.trainer()).and_then(|trainer| app.trainers().url(trainer));
    let Some(url) = trainer else {
        let error =
            ApiError::new(StatusCode::CONFLICT, "no_trainer", "no trainer that this gateway knows works on the job");
        return Err(error.hint("a trainer of your own is asked by: tributary job pause"));
    };
    let body = serde_json::to_vec(&order).map_err(|error| ApiError::internal(&error))?;
    let (status, answer) = app
        .outbound()
        .post(&below(&url, &format!("jobs/{id}/orders")), body, STANDING_BYTES_MAX)
        .await
        .map_err(|error| told(StatusCode::BAD_GATEWAY, "trainer_unreachable", &error))?;
    match status {
        StatusCode::OK => serde_json::from_slice(&answer).map(Json).map_err(|error| ApiError::internal(&error)),
        _ => Err(told(StatusCode::CONFLICT, "trainer_refuses", &String::from_utf8_lossy(&answer).trim_end())),
    }
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

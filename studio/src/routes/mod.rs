//! The routes, one file for each group. `openapi.json` describes the same paths; a test compares them.

mod accounts;
mod answers;
mod data;
mod jobs;
mod lists;
mod models;
mod network;

use crate::{app::App, error::ApiError, pages, proxy, security};
use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, FromRequestParts, Path, Query, Request},
    http::{StatusCode, header, request::Parts as Head},
    middleware,
    response::{IntoResponse, Response},
    routing::{MethodRouter, any, get, post},
};
use serde::{Serialize, de::DeserializeOwned};
use std::fmt::Display;

/// The description of the API.
pub const OPENAPI: &str = include_str!("../../openapi.json");
/// Longest JSON of a request.
const JSON_BYTES_MAX: usize = 256 << 10;

/// An answer.
type Answer<T> = Result<Json<T>, ApiError>;

/// Every path of the API with what answers it.
pub fn table() -> Vec<(&'static str, MethodRouter<App>)> {
    vec![
        ("/api/config", get(network::config)),
        ("/api/network", get(network::network)),
        ("/api/datanets", get(lists::datanets)),
        ("/api/datanets/facets", get(lists::datanet_facets)),
        ("/api/datanets/{id}", get(lists::datanet)),
        ("/api/datanets/{id}/versions", get(lists::datanet_versions)),
        ("/api/datanets/{id}/contributions", get(lists::datanet_contributions)),
        ("/api/datanets/{id}/grants", get(lists::datanet_grants)),
        ("/api/datanets/{id}/models", get(lists::datanet_models)),
        ("/api/datanets/{id}/earnings", get(lists::datanet_earnings)),
        ("/api/contributions", get(lists::contributions)),
        ("/api/contributions/{id}", get(lists::contribution)),
        ("/api/contributions/{id}/samples", post(data::samples)),
        ("/api/grants", get(lists::grants)),
        ("/api/grants/{id}", get(lists::grant)),
        ("/api/base-models", get(jobs::base_models)),
        ("/api/base-models/{id}", get(jobs::base_model)),
        ("/api/jobs", get(jobs::jobs)),
        ("/api/jobs/{id}", get(jobs::job)),
        ("/api/jobs/{id}/events", get(jobs::events)),
        ("/api/jobs/{id}/orders", post(jobs::orders)),
        ("/api/models", get(models::models)),
        ("/api/models/{id}", get(models::model)),
        ("/api/models/{id}/bundle", get(models::bundle)),
        ("/api/models/{id}/claims/{account}", get(models::claims)),
        ("/api/models/{id}/operators/{operator}/claims/{account}", get(answers::claims)),
        ("/api/payouts", get(accounts::payouts)),
        ("/api/accounts/{address}", get(accounts::account)),
        ("/api/accounts/{address}/earnings", get(accounts::earnings)),
        ("/api/accounts/{address}/earnings.csv", get(accounts::earnings_csv)),
        ("/api/trainers", get(jobs::trainers)),
        ("/api/trainers/{account}", get(jobs::trainer)),
        ("/api/channels", get(accounts::channels)),
        ("/api/channels/{id}", get(accounts::channel)),
        ("/api/blocks/recent", get(network::blocks)),
        ("/api/search", get(network::search)),
        ("/api/live", get(network::live)),
        ("/api/data/check", post(data::check)),
        ("/api/uploads", post(data::upload)),
        ("/api/estimate", post(data::estimate)),
    ]
}

/// All routes, with what every request passes.
pub fn router(app: App) -> Router {
    let mut router = Router::new();
    for (path, route) in table() {
        router = router.route(path, route);
    }
    router
        .route("/openapi.json", get(openapi))
        .route("/v1", any(proxy::pass))
        .route("/v1/{*path}", any(proxy::pass))
        .fallback(pages::page)
        .method_not_allowed_fallback(method_not_allowed)
        // Files are streamed and counted; JSON is bounded where it is read.
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn_with_state(app.clone(), security::guard))
        .with_state(app)
}

async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}

async fn method_not_allowed(request: Request) -> ApiError {
    let what = format!("{} is not for {}", request.method(), request.uri().path());
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", what).hint("see /openapi.json")
}

/// What a path or a query says, refused in the API's own words.
struct Asked<T>(T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = ApiError;

    async fn from_request_parts(head: &mut Head, state: &S) -> Result<Self, ApiError> {
        let query = <Query<T> as FromRequestParts<S>>::from_request_parts(head, state).await;
        query.map(|Query(asked)| Self(asked)).map_err(|error| ApiError::bad_request(plain(&error.body_text())))
    }
}

/// What stands in the path.
struct Named<T>(T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Named<T> {
    type Rejection = ApiError;

    async fn from_request_parts(head: &mut Head, state: &S) -> Result<Self, ApiError> {
        let path = <Path<T> as FromRequestParts<S>>::from_request_parts(head, state).await;
        path.map(|Path(named)| Self(named)).map_err(|error| ApiError::bad_request(plain(&error.body_text())))
    }
}

/// Without what the framework says before the reason.
fn plain(text: &str) -> String {
    let reason = text.split_once(": ").map_or(text, |(_, reason)| reason);
    format!("the request cannot be read: {reason}")
}

/// JSON of a request's body, bounded.
async fn body_json<T: DeserializeOwned>(request: Request) -> Result<T, ApiError> {
    let is_json = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.split(';').next().unwrap_or_default().trim() == "application/json");
    if !is_json {
        let error = ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", "the body is not said to be JSON");
        return Err(error.hint("send content-type: application/json"));
    }
    let bytes = axum::body::to_bytes(request.into_body(), JSON_BYTES_MAX).await.map_err(|error| {
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", format!("the body cannot be read: {error}"))
    })?;
    serde_json::from_slice(&bytes).map_err(|error| ApiError::bad_request(format!("the body cannot be read: {error}")))
}

/// The thing, or that there is none.
fn found<T: Serialize>(thing: Option<T>, name: &str, id: impl Display) -> Answer<T> {
    thing.map(Json).ok_or_else(|| ApiError::not_found(format!("{name} {id}")))
}

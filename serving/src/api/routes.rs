//! Which path does what.

use super::ask::{Ask, InProgress, Running};
use super::body::{credentials, read_json};
use super::chat::{Chat, ChatRequest};
use super::completions::{Text, TextRequest};
use super::error::ApiError;
use super::form::{Head, whole};
use super::server::Server;
use super::settings::Settings;
use super::stream::stream;
use super::wire::{List, ModelDetails, ModelObject};
use super::{files, tuning};
use crate::door::{Credentials, Served};
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, MatchedPath, Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tracing::Instrument as _;
use tributary_protocol::ContentHash;
use tributary_protocol::recipe::Template;

/// The description of all this that programs read.
const OPENAPI: &str = include_str!("openapi.json");
/// By which a request is found in the logs.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

pub(super) fn router(server: Arc<Server>) -> Router {
    let pages = server.api().pages.clone().layer(from_fn_with_state(server.clone(), placed)).with_state(());
    Router::new()
        .route("/v1/chat/completions", post(chat))
        .route("/v1/completions", post(completions))
        .route("/v1/models", get(models))
        .route("/v1/models/{*id}", get(model))
        .route("/v1/files", get(files::files).post(files::upload))
        .route("/v1/files/{id}", get(files::file).delete(files::delete))
        .route("/v1/files/{id}/content", get(files::content))
        .route("/v1/fine_tuning/jobs", get(tuning::list_jobs).post(tuning::create))
        .route("/v1/fine_tuning/jobs/{id}", get(tuning::job))
        .route("/v1/fine_tuning/jobs/{id}/events", get(tuning::events))
        .route("/v1/fine_tuning/jobs/{id}/checkpoints", get(tuning::checkpoints))
        .route("/v1/fine_tuning/jobs/{id}/cancel", post(tuning::cancel))
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .route("/openapi.json", get(openapi))
        .merge(pages)
        .fallback(no_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(server.clone(), around))
        .with_state(server)
}

/// What happens around every request: its number, the log, the count, and no new ones at the end.
async fn around(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let id = format!("req_{:032x}", rand::random::<u128>());
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let (method, is_answered) = (request.method().clone(), request.uri().path().starts_with("/v1/"));
    let span = tracing::info_span!("request", %id);
    let mut response = match server.is_draining() && is_answered {
        true => ApiError::draining(server.api().limits.drain_max.as_secs().max(1)).into_response(),
        false => next.run(request).instrument(span.clone()).await,
    };
    let route = route.as_deref().unwrap_or("none");
    let status = response.status().as_u16();
    server.metrics().record_request(route, status);
    span.in_scope(|| tracing::info!(%method, route, status, ms = begun.elapsed().as_millis() as u64, "answered"));
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// What is sent to a page of the operator's is work, too: it takes a place among the requests in progress. What is only read takes
/// none, so that receipts are shown while all places are taken.
async fn placed(State(server): State<Arc<Server>>, request: Request, next: Next) -> Result<Response, ApiError> {
    if request.method() != Method::POST {
        return Ok(next.run(request).await);
    }
    let limits = &server.api().limits;
    let address = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let (of_one, all) = (limits.requests_per_client_max, limits.requests_max);
    let _place = server.clients().enter(&credentials(request.headers()), address, of_one, all)?;
    Ok(next.run(request).await)
}

async fn chat(State(server): State<Arc<Server>>, request: Request) -> Result<Response, ApiError> {
    let incoming = Incoming::read(&server, request).await?;
    let read = ChatRequest::read(&incoming.body, server.api().engine.config().choices_max)?;
    let served = find(&server, &read.settings.model)?;
    let (ask, settings) = read.ask(&server, served, incoming.hash()).await?;
    let form = Chat { pieces: server.pieces().clone(), logprobs: ask.sampling.top_logprobs.is_some() };
    let head = head(&server, "chatcmpl-", &settings.model);
    let running = incoming.begin(&server, ask).await?;
    match settings.stream {
        true => Ok(stream(form, head, running, settings.include_usage)),
        false => whole(form, head, running).await,
    }
}

async fn completions(State(server): State<Arc<Server>>, request: Request) -> Result<Response, ApiError> {
    let incoming = Incoming::read(&server, request).await?;
    let read = TextRequest::read(&incoming.body, server.api().engine.config().choices_max)?;
    let served = find(&server, &read.settings.model)?;
    let (ask, settings, echo) = read.ask(&server, served, incoming.hash()).await?;
    let Settings { choices, stream: is_stream, include_usage, model, .. } = settings;
    let logprobs = ask.sampling.top_logprobs.is_some();
    let form = Text { pieces: server.pieces().clone(), logprobs, echo, choices, written: Vec::new() };
    let head = head(&server, "cmpl-", &model);
    let running = incoming.begin(&server, ask).await?;
    match is_stream {
        true => Ok(stream(form, head, running, include_usage)),
        false => whole(form, head, running).await,
    }
}

/// A request for answers, with a place among those in progress.
struct Incoming {
    credentials: Credentials,
    place: InProgress,
    body: Bytes,
}

impl Incoming {
    async fn read(server: &Server, request: Request) -> Result<Self, ApiError> {
        let (parts, body): (_, Body) = request.into_parts();
        let credentials = credentials(&parts.headers);
        let limits = &server.api().limits;
        let address: Option<IpAddr> = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        let (of_one, all) = (limits.requests_per_client_max, limits.requests_max);
        let place = server.clients().enter(&credentials, address, of_one, all)?;
        let place = InProgress { _place: place, _work: server.work().token() };
        let body = read_json(&parts.headers, body, limits.body_bytes_max, limits.body_patience).await?;
        Ok(Self { credentials, place, body })
    }

    fn hash(&self) -> ContentHash {
        ContentHash::of(&self.body)
    }

    async fn begin(self, server: &Arc<Server>, ask: Ask) -> Result<Running, ApiError> {
        let prompt_tokens: usize = ask.prompts.iter().map(Vec::len).sum();
        tracing::info!(model = ask.served.id, prompt_tokens, choices = ask.choices, "asked");
        ask.begin(server, &self.credentials, self.place).await
    }
}

fn find(server: &Server, id: &str) -> Result<Arc<Served>, ApiError> {
    server.api().catalogue.find(id).ok_or_else(|| ApiError::no_model(id))
}

fn head(server: &Server, prefix: &str, model: &str) -> Head {
    Head {
        id: format!("{prefix}{:032x}", rand::random::<u128>()),
        created: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        model: model.to_owned(),
        fingerprint: server.fingerprint().to_owned(),
    }
}

async fn models(State(server): State<Arc<Server>>, headers: HeaderMap) -> Result<Response, ApiError> {
    server.api().till.recognise(&credentials(&headers)).await?;
    let data = server.api().catalogue.list().iter().map(|served| model_object(&server, served)).collect();
    Ok(Json(List { object: "list", data }).into_response())
}

async fn model(
    State(server): State<Arc<Server>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    server.api().till.recognise(&credentials(&headers)).await?;
    let served = find(&server, &id)?;
    Ok(Json(model_object(&server, &served)).into_response())
}

fn model_object(server: &Server, served: &Served) -> ModelObject {
    ModelObject {
        id: served.id.clone(),
        object: "model",
        created: served.created_s,
        owned_by: served.owner.clone(),
        tributary: ModelDetails {
            model: served.model.map(|model| model.0),
            adapter: served.adapter.map(|adapter| adapter.to_string()),
            template: match served.template {
                Template::Plain => "plain",
                Template::Chat => "chat",
            },
            context_tokens: server.api().engine.positions_max(),
        },
    }
}

/// Whether answers can be had: 200, or 503 while the server ends, without an engine, or while nothing is sold.
async fn health(State(server): State<Arc<Server>>) -> Response {
    let counts = server.api().engine.counts().await;
    let till = server.api().till.health();
    let (status, word) = match (&counts, server.is_draining(), till.sells) {
        (Err(_), _, _) => (StatusCode::SERVICE_UNAVAILABLE, "failed"),
        (Ok(_), true, _) => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
        (Ok(_), false, false) => (StatusCode::SERVICE_UNAVAILABLE, "not_selling"),
        (Ok(_), false, true) => (StatusCode::OK, "ok"),
    };
    let (waiting, running) = counts.map_or((0, 0), |counts| (counts.waiting, counts.running));
    let mut health = json!({ "status": word, "waiting": waiting, "running": running });
    if let Some(details) = till.details {
        health["till"] = details;
    }
    (status, Json(health)).into_response()
}

async fn metrics(State(server): State<Arc<Server>>) -> Response {
    let counts = server.api().engine.counts().await.ok();
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], server.metrics().text(server.clients().count(), counts.as_ref())).into_response()
}

async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}

async fn no_route(method: Method, uri: Uri) -> ApiError {
    ApiError::no_route(method.as_str(), uri.path())
}

async fn wrong_method(method: Method, uri: Uri) -> ApiError {
    ApiError::wrong_method(method.as_str(), uri.path())
}

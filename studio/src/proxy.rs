//! `/v1`: the serving API, passed through as it is, streams included.

use crate::{
    app::App,
    error::ApiError,
    outbound::{OutboundError, below},
};
use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};
use http_body_util::{BodyExt as _, Limited};

/// Longest request: a long conversation.
const REQUEST_BYTES_MAX: usize = 8 << 20;

/// Headers that belong to one connection, and those that say who a browser is.
const DROPPED: [HeaderName; 10] = [
    header::CONNECTION,
    header::HOST,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::TE,
    header::TRAILER,
    header::PROXY_AUTHORIZATION,
    header::COOKIE,
    header::SET_COOKIE,
    header::CONTENT_LENGTH,
];

/// Passes a request to the first serving API that can be reached, and its answer back.
pub async fn pass(State(app): State<App>, request: Request) -> Response {
    match forward(&app, request).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    }
}

async fn forward(app: &App, request: Request) -> Result<Response, ApiError> {
    if app.serving().is_empty() {
        let error = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "no_serving", "this gateway knows no serving API");
        return Err(error.hint("its operator can name one with --serving; a model's page lists who offers it"));
    }
    let (parts, body) = request.into_parts();
    // Kept whole: another server may have to get it.
    let body = Limited::new(body, REQUEST_BYTES_MAX).collect().await;
    let body = body.map_err(|error| {
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", format!("the request cannot be read: {error}"))
    })?;
    let body = body.to_bytes();
    for server in app.serving() {
        let mut url = below(server, parts.uri.path());
        url.set_query(parts.uri.query());
        let mut sent = Request::builder().method(parts.method.clone()).uri(url.as_str());
        if let Some(headers) = sent.headers_mut() {
            *headers = kept(&parts.headers);
        }
        let sent = sent.body(Body::from(body.clone())).map_err(|error| ApiError::bad_request(error.to_string()))?;
        match app.outbound().send(sent).await {
            Ok(answer) => {
                let (head, body) = answer.into_parts();
                let mut response = Response::new(Body::new(body));
                *response.status_mut() = head.status;
                *response.headers_mut() = kept(&head.headers);
                return Ok(response);
            }
            // Another server is asked only while none can have begun to answer: an answer is paid for.
            Err(error) => {
                tracing::warn!("{error}");
                if !matches!(error, OutboundError::Unreachable { is_sent: false, .. }) {
                    break;
                }
            }
        }
    }
    let error = ApiError::new(StatusCode::BAD_GATEWAY, "serving_away", "the serving API does not answer");
    Err(error.hint("try again in a moment"))
}

fn kept(headers: &HeaderMap) -> HeaderMap {
    let kept = headers.iter().filter(|(name, _)| !DROPPED.contains(name));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

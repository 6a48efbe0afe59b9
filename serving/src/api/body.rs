//! Reading what a client sends, within bounds.

use super::error::ApiError;
use crate::door::Credentials;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, header};
use std::error::Error as _;
use std::time::Duration;

/// The JSON body of a request.
///
/// Errors: another kind of content; more bytes than allowed; one that does not arrive in time.
pub(super) async fn read_json(
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
    patience: Duration,
) -> Result<Bytes, ApiError> {
    let media = headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or("?"));
    let essence = media.map(|media| media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    if essence.as_deref() != Some("application/json") {
        return Err(ApiError::wrong_media(media, "application/json"));
    }
    read(headers, body, bytes_max, patience).await
}

/// A body of any kind.
pub(super) async fn read(
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
    patience: Duration,
) -> Result<Bytes, ApiError> {
    let said = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if said.is_some_and(|said| said > bytes_max as u64) {
        return Err(ApiError::too_large(bytes_max));
    }
    let Ok(read) = tokio::time::timeout(patience, to_bytes(body, bytes_max)).await else {
        return Err(ApiError::slow_body(patience.as_secs()));
    };
    // Only the limit has a source of its own; everything else is a connection that broke.
    read.map_err(|error| match error.source() {
        Some(source) if source.to_string().contains("length limit") => ApiError::too_large(bytes_max),
        _ => ApiError::malformed(format!("the body could not be read: {error}")),
    })
}

/// What the headers say about who pays.
pub(super) fn credentials(headers: &HeaderMap) -> Credentials {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = text("authorization").and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
    });
    Credentials {
        bearer: bearer.filter(|token| !token.is_empty()),
        voucher: text("x-tributary-voucher").map(|value| value.trim().to_owned()),
    }
}

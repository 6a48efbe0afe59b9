//! What goes wrong: on the way up, and in answer to a request.

use crate::{db::DbError, index::IndexError};
use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use std::{net::SocketAddr, path::PathBuf};
use tributary_client::ChainError;

/// Why the gateway cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum StudioError {
    /// The index.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The node.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The address to listen on.
    #[error("cannot listen on {address}: {source}\nhint: is the port taken? --listen names another")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// A folder.
    #[error("cannot use {path}: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The store of uploads.
    #[error(transparent)]
    Store(#[from] tributary_exchange::StoreError),
    /// The provider of uploads.
    #[error(transparent)]
    Exchange(#[from] tributary_exchange::NodeError),
    /// A base model's folder.
    #[error("{path} is no base model: {reason}")]
    Base {
        /// The folder.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Trusted certificates.
    #[error("the system's certificates cannot be read: {0}")]
    Certificates(std::io::Error),
    /// A task of its own ended early.
    #[error("a task ended early: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// Why a request is not answered as asked. On the wire: `{"error": {"code", "message", "hint"}}`.
#[derive(Clone, Debug)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    hint: Option<String>,
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: Fields<'a>,
}

#[derive(Serialize)]
struct Fields<'a> {
    code: &'a str,
    message: &'a str,
    hint: Option<&'a str>,
}

impl ApiError {
    /// An error with what the caller can do.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), hint: None }
    }

    /// The same, with what to do about it.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// There is no such thing.
    pub fn not_found(what: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("there is no {}", what.into()))
    }

    /// The request makes no sense.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::told(StatusCode::BAD_REQUEST, "bad_request", message.into())
    }

    /// An error whose text may end in a hint of its own.
    pub fn told(status: StatusCode, code: &'static str, text: String) -> Self {
        let (message, hint) = match text.split_once("hint: ") {
            Some((message, hint)) => (message.trim_end_matches([' ', ';', '\n']).to_owned(), Some(hint.to_owned())),
            None => (text, None),
        };
        Self { status, code, message, hint }
    }

    /// Something of ours is wrong: the log says what, the answer does not.
    pub fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!("{error}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the gateway failed")
            .hint("try again; its operator finds the reason in its log")
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let error = Fields { code: self.code, message: &self.message, hint: self.hint.as_deref() };
        (self.status, Json(Envelope { error })).into_response()
    }
}

impl From<DbError> for ApiError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Away { .. } => {
                tracing::warn!("{error}");
                let text = "the gateway's index does not answer";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "index_away", text).hint("try again in a moment")
            }
            error => Self::internal(&error),
        }
    }
}

impl From<ChainError> for ApiError {
    fn from(error: ChainError) -> Self {
        match error {
            ChainError::Unreachable { .. } => {
                tracing::warn!("{error}");
                Self::new(StatusCode::BAD_GATEWAY, "node_away", "the gateway's node does not answer")
                    .hint("try again in a moment")
            }
            error => Self::internal(&error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_in_a_text_becomes_the_hint() {
        let error = ApiError::bad_request("no file; hint: send one");
        assert_eq!((error.message.as_str(), error.hint.as_deref()), ("no file", Some("send one")));
        let error = ApiError::bad_request("no file\nhint: send one");
        assert_eq!((error.message.as_str(), error.hint.as_deref()), ("no file", Some("send one")));
        assert_eq!(ApiError::not_found("job 7").into_response().status(), StatusCode::NOT_FOUND);
    }
}

//! Errors in the shape that OpenAI's clients know.

use crate::adapters::AdapterFailure;
use crate::door::Refusal;
use crate::jobs::JobError;
use crate::request::RequestError;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;

/// Why a request has no answer: `{"error": {message, type, param, code}}` with its status.
#[derive(Clone, Debug)]
pub(crate) struct ApiError(Box<Problem>);

#[derive(Clone, Debug)]
struct Problem {
    status: StatusCode,
    kind: &'static str,
    code: Option<&'static str>,
    message: String,
    param: Option<String>,
    retry_after_s: Option<u64>,
    quote: Option<Value>,
}

/// As it is written.
#[derive(Serialize)]
struct Written<'a> {
    error: Inner<'a>,
}

#[derive(Serialize)]
struct Inner<'a> {
    message: &'a str,
    r#type: &'static str,
    param: Option<&'a str>,
    code: Option<&'static str>,
    /// What a voucher that pays would say.
    #[serde(skip_serializing_if = "Option::is_none")]
    quote: Option<&'a Value>,
}

/// How long a client waits that is told to come back, where nothing better is known.
const RETRY_AFTER_S: u64 = 1;

impl ApiError {
    fn new(status: StatusCode, kind: &'static str, code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        let code = Some(code);
        Self(Box::new(Problem { status, kind, code, message, param: None, retry_after_s: None, quote: None }))
    }

    fn of_param(mut self, param: impl Into<String>) -> Self {
        self.0.param = Some(param.into()).filter(|param| !param.is_empty());
        self
    }

    fn retry_after(mut self, seconds: u64) -> Self {
        self.0.retry_after_s = Some(seconds);
        self
    }

    /// The request itself is wrong: 400, at the named field.
    pub fn invalid(param: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", code, message).of_param(param)
    }

    /// The body is no JSON, or no object.
    pub fn malformed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", "invalid_json", message)
    }

    /// A model that is not served.
    pub fn no_model(id: &str) -> Self {
        let message =
            format!("the model {id:?} does not exist or is not served here; hint: GET /v1/models lists what is");
        Self::new(StatusCode::NOT_FOUND, "invalid_request_error", "model_not_found", message).of_param("model")
    }

    /// What is paid for is too little for what was asked: 402.
    pub fn unpaid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYMENT_REQUIRED, "payment_required", "budget_too_small", message)
    }

    /// Something other than a model that is not there.
    fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "invalid_request_error", "not_found", message).of_param("id")
    }

    /// Something that this server was not set up for: 501.
    pub fn not_configured(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, "invalid_request_error", "not_configured", message)
    }

    /// A path that nothing answers.
    pub fn no_route(method: &str, path: &str) -> Self {
        let message = format!("there is no {method} {path}; hint: GET /openapi.json lists what there is");
        Self::new(StatusCode::NOT_FOUND, "invalid_request_error", "unknown_url", message)
    }

    /// A path that answers other methods.
    pub fn wrong_method(method: &str, path: &str) -> Self {
        let message = format!("{path} does not answer {method}; the header allow says what it answers");
        let status = StatusCode::METHOD_NOT_ALLOWED;
        Self::new(status, "invalid_request_error", "method_not_allowed", message)
    }

    /// A body above the limit.
    pub fn too_large(bytes_max: usize) -> Self {
        let message = format!("the body is larger than the {bytes_max} bytes that are accepted");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request_error", "body_too_large", message)
    }

    /// A body of a kind that is not understood.
    pub fn wrong_media(found: Option<&str>, accepted: &str) -> Self {
        let found = found.map_or("no content-type".to_owned(), |found| format!("content-type {found:?}"));
        let message = format!("{found}; {accepted} is accepted");
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        Self::new(status, "invalid_request_error", "unsupported_media_type", message)
    }

    /// A body that does not arrive.
    pub fn slow_body(seconds: u64) -> Self {
        let message = format!("the body did not arrive within {seconds} seconds");
        Self::new(StatusCode::REQUEST_TIMEOUT, "invalid_request_error", "request_timeout", message)
    }

    /// Too much at the same time: 429.
    pub fn limited(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", code, message).retry_after(RETRY_AFTER_S)
    }

    /// The server ends.
    pub fn draining(retry_after_s: u64) -> Self {
        let message = "the server is shutting down and takes no new requests; hint: try again later";
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Self::new(status, "service_unavailable", "shutting_down", message).retry_after(retry_after_s)
    }

    /// Nothing that whoever asks could do better: 500.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "internal_error", message)
    }

    /// What the engine makes of a request. `prompt` is the field that the prompt came from.
    pub fn of_request(error: &RequestError, prompt: &str) -> Self {
        let message = error.to_string();
        let invalid = |param: &str, code| Self::invalid(param, code, message.clone());
        let unavailable = |code| {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            Self::new(status, "service_unavailable", code, message.clone()).retry_after(RETRY_AFTER_S)
        };
        match error {
            RequestError::EmptyPrompt | RequestError::Token { .. } => invalid(prompt, "invalid_value"),
            RequestError::Choices { .. } => invalid("n", "invalid_value"),
            RequestError::ContextOverflow { .. } => invalid(prompt, "context_length_exceeded"),
            RequestError::NoTokenizer => invalid("stop", "unsupported_parameter"),
            RequestError::Sampling(error) => invalid(error.key, "invalid_value"),
            RequestError::Busy { .. } => Self::limited("queue_full", message),
            RequestError::TooSlow { .. } => Self::limited("reader_too_slow", message),
            RequestError::Stopped { .. } => unavailable("engine_stopped"),
            RequestError::Adapter(failure) => match &**failure {
                AdapterFailure::Unknown { .. }
                | AdapterFailure::Unavailable { .. }
                | AdapterFailure::Corrupted { .. } => unavailable("adapter_unavailable"),
                AdapterFailure::Unusable { .. } | AdapterFailure::TooLarge { .. } | AdapterFailure::Disk { .. } => {
                    Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "adapter_unusable", message)
                }
            },
            RequestError::NotFinite(_) | RequestError::NoToken | RequestError::Text { .. } => Self::internal(message),
        }
    }

    /// The body.
    pub fn json(&self) -> String {
        let Problem { kind, code, message, param, quote, .. } = &*self.0;
        let inner = Inner { message, r#type: kind, param: param.as_deref(), code: *code, quote: quote.as_ref() };
        serde_json::to_string(&Written { error: inner }).expect("text and JSON are JSON")
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.to_string();
        match refusal {
            Refusal::Unauthenticated { code, .. } => {
                Self::new(StatusCode::UNAUTHORIZED, "authentication_error", code, message)
            }
            Refusal::Unpaid { code, quote, .. } => {
                let mut error = Self::new(StatusCode::PAYMENT_REQUIRED, "payment_required", code, message);
                error.0.quote = quote;
                error
            }
            Refusal::Limited { retry_after_s, .. } => {
                Self::limited("rate_limit_exceeded", message).retry_after(retry_after_s)
            }
            Refusal::Gone { id } => Self::no_model(&id),
            Refusal::Unavailable { .. } => {
                let status = StatusCode::SERVICE_UNAVAILABLE;
                Self::new(status, "service_unavailable", "unavailable", message).retry_after(RETRY_AFTER_S)
            }
        }
    }
}

impl From<JobError> for ApiError {
    fn from(error: JobError) -> Self {
        let message = error.to_string();
        match error {
            JobError::Refused(refusal) => refusal.into(),
            JobError::Unknown { .. } => Self::not_found(message),
            JobError::Invalid { param, .. } => Self::invalid(param, "invalid_value", message),
            JobError::Conflict { .. } => Self::new(StatusCode::CONFLICT, "invalid_request_error", "conflict", message),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        let mut response = (self.0.status, json, self.json()).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.0.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.0.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

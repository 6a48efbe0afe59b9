//! Asking other servers over HTTP: trainers, the serving API, and operators whom the chain names.

use crate::{
    error::StudioError,
    reach::{Reach, Resolver},
};
use axum::{
    body::Body,
    http::{Request, Response, StatusCode, header},
};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use std::time::Duration;
use tokio::time::timeout;
use url::Url;

/// How long a connection may take.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// How long a small answer may take.
const ANSWER_TIME: Duration = Duration::from_secs(20);

/// Why another server did not answer.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// It could not be asked, or broke off.
    #[error("{url} cannot be reached: {reason}")]
    Unreachable {
        /// Who was asked.
        url: String,
        /// Why.
        reason: String,
        /// Whether it may have got the request.
        is_sent: bool,
    },
    /// It refused.
    #[error("{url} answers {status}")]
    Refused {
        /// Who was asked.
        url: String,
        /// With what.
        status: StatusCode,
    },
    /// Its answer is not what was asked for.
    #[error("the answer of {url} cannot be read: {reason}")]
    Malformed {
        /// Who was asked.
        url: String,
        /// Why.
        reason: String,
    },
}

/// A client of other servers. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Outbound {
    client: Client<HttpsConnector<HttpConnector<Resolver>>, Body>,
    reach: Reach,
}

impl Outbound {
    /// With the system's certificates, to servers within `reach`.
    pub fn new(reach: Reach) -> Result<Self, StudioError> {
        let mut http = HttpConnector::new_with_resolver(Resolver::new(reach));
        http.set_connect_timeout(Some(CONNECT_TIME));
        http.set_nodelay(true);
        http.enforce_http(false);
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(rustls::crypto::ring::default_provider())
            .map_err(StudioError::Certificates)?
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        Ok(Self { client: Client::builder(TokioExecutor::new()).build(connector), reach })
    }

    /// Sends a request as it is; redirections are not followed. The answer's body comes as it is written.
    pub async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>, OutboundError> {
        let url = request.uri().to_string();
        // Names are looked at where they are resolved; what is an address already is resolved by nobody.
        if !self.reach.has_host(request.uri().host().unwrap_or_default()) {
            let reason = "its address is not public".to_owned();
            return Err(OutboundError::Unreachable { url, reason, is_sent: false });
        }
        self.client.request(request).await.map_err(|error| OutboundError::Unreachable {
            url,
            reason: chain(&error),
            is_sent: !error.is_connect(),
        })
    }

    /// Opens a stream of events behind the event `after`.
    pub async fn events(&self, url: &Url, after: u64) -> Result<Incoming, OutboundError> {
        let request = Request::get(url.as_str())
            .header(header::ACCEPT, "text/event-stream")
            .header("last-event-id", after.to_string())
            .body(Body::empty())
            .map_err(|error| malformed(url, &error))?;
        let response = timeout(ANSWER_TIME, self.send(request)).await.map_err(|_| silent(url))??;
        match response.status() {
            StatusCode::OK => Ok(response.into_body()),
            status => Err(OutboundError::Refused { url: url.to_string(), status }),
        }
    }

    /// A small answer.
    pub async fn get(&self, url: &Url, bytes_max: usize) -> Result<Vec<u8>, OutboundError> {
        let request = Request::get(url.as_str()).body(Body::empty()).map_err(|error| malformed(url, &error))?;
        let exchange = async {
            let response = self.send(request).await?;
            if response.status() != StatusCode::OK {
                return Err(OutboundError::Refused { url: url.to_string(), status: response.status() });
            }
            let body = Limited::new(response.into_body(), bytes_max).collect().await;
            Ok(body.map_err(|error| malformed(url, &error))?.to_bytes().to_vec())
        };
        timeout(ANSWER_TIME, exchange).await.map_err(|_| silent(url))?
    }

    /// Sends a small JSON body, and returns the answer whatever its status.
    pub async fn post(
        &self,
        url: &Url,
        body: Vec<u8>,
        bytes_max: usize,
    ) -> Result<(StatusCode, Vec<u8>), OutboundError> {
        let request = Request::post(url.as_str())
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body))
            .map_err(|error| malformed(url, &error))?;
        let exchange = async {
            let response = self.send(request).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), bytes_max).collect().await;
            Ok((status, body.map_err(|error| malformed(url, &error))?.to_bytes().to_vec()))
        };
        timeout(ANSWER_TIME, exchange).await.map_err(|_| silent(url))?
    }

    /// A small answer as JSON.
    pub async fn json<T: serde::de::DeserializeOwned>(&self, url: &Url, bytes_max: usize) -> Result<T, OutboundError> {
        serde_json::from_slice(&self.get(url, bytes_max).await?).map_err(|error| malformed(url, &error))
    }
}

/// A path below an address.
pub fn below(url: &Url, path: &str) -> Url {
    let mut joined = url.clone();
    let base = url.path().trim_end_matches('/').to_owned();
    joined.set_path(&format!("{base}/{}", path.trim_start_matches('/')));
    joined
}

fn silent(url: &Url) -> OutboundError {
    let reason = format!("no answer in {} s", ANSWER_TIME.as_secs());
    OutboundError::Unreachable { url: url.to_string(), reason, is_sent: true }
}

fn malformed(url: &Url, error: &dyn std::fmt::Display) -> OutboundError {
    OutboundError::Malformed { url: url.to_string(), reason: error.to_string() }
}

/// An error with all that caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_go_below_the_address_whatever_its_end() {
        for base in ["http://h:1", "http://h:1/", "http://h:1/a", "http://h:1/a/"] {
            let url: Url = base.parse().unwrap();
            let prefix = if base.contains("/a") { "/a" } else { "" };
            assert_eq!(below(&url, "/v1/x").as_str(), format!("http://h:1{prefix}/v1/x"));
        }
    }
}

//! The trainer's window for operators and contributors: metrics, health, and who shaped its models. Read only.

use crate::{error::TrainerError, files::read_if_there, metrics::Metrics, state::shares_file};
use axum::{
    Json, Router,
    extract::{Path, State},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Serialize;
use std::{net::SocketAddr, path::PathBuf, sync::Arc};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tributary_client::Account;
use tributary_protocol::JobId;

/// What the pages show.
#[derive(Clone)]
pub(crate) struct Window {
    pub metrics: Arc<Metrics>,
    pub account: Account,
    pub addresses: Vec<String>,
    pub state_dir: PathBuf,
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
    account: Account,
    phase: &'static str,
    job: Option<u64>,
    step: i64,
    steps: i64,
    exchange: Vec<String>,
}

/// Serves until `shutdown`. Returns the bound address once it listens.
pub(crate) async fn serve(
    address: SocketAddr,
    window: Window,
    shutdown: CancellationToken,
) -> Result<SocketAddr, TrainerError> {
    let failed = |source| TrainerError::Http { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let pages = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(health))
        .route("/jobs/{id}/shares", get(shares))
        .with_state(window);
    tokio::spawn(async move {
        let serving = axum::serve(listener, pages).with_graceful_shutdown(shutdown.cancelled_owned());
        if let Err(error) = serving.await {
            tracing::error!("the metrics server ended: {error}");
        }
    });
    tracing::info!(address = %bound, "serving /metrics, /healthz and /jobs/ID/shares");
    Ok(bound)
}

async fn metrics(State(window): State<Window>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, kind)], window.metrics.text()).into_response()
}

async fn health(State(window): State<Window>) -> Json<Health> {
    let (step, steps) = window.metrics.progress();
    Json(Health {
        status: "ok",
        account: window.account,
        phase: window.metrics.phase().name(),
        job: window.metrics.job(),
        step,
        steps,
        exchange: window.addresses,
    })
}

/// The leaves of a job's contribution root. Nothing in them is secret, and who reads them checks them against the chain.
async fn shares(State(window): State<Window>, Path(id): Path<u64>) -> Response {
    match read_if_there(&shares_file(&window.state_dir, JobId(id))) {
        Ok(Some(bytes)) => ([(CONTENT_TYPE, "application/json")], bytes).into_response(),
        Ok(None) => (StatusCode::NOT_FOUND, format!("this trainer has reported no job {id}\n")).into_response(),
        Err(error) => {
            tracing::error!("{error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    async fn page(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn pages_show_what_the_engine_measures_and_what_was_reported() {
        let folder = tempfile::tempdir().unwrap();
        crate::files::write_atomically(&shares_file(folder.path(), JobId(7)), b"[1]").unwrap();
        let window = Window {
            metrics: Arc::default(),
            account: Account([1; 32]),
            addresses: vec!["/ip4/127.0.0.1/tcp/1".into()],
            state_dir: folder.path().into(),
        };
        window.metrics.set_job(Some(3));
        let shutdown = CancellationToken::new();
        let address = serve("127.0.0.1:0".parse().unwrap(), window, shutdown.clone()).await.unwrap();
        assert!(page(address, "/metrics").await.contains("tributary_trainer_job 3"));
        let health = page(address, "/healthz").await;
        assert!(health.contains("\"phase\":\"claim\"") && health.contains("\"job\":3"), "{health}");
        assert!(page(address, "/jobs/7/shares").await.ends_with("[1]"));
        assert!(page(address, "/jobs/8/shares").await.starts_with("HTTP/1.1 404"));
        shutdown.cancel();
    }
}

//! The trainer's window for operators, requesters and contributors: metrics, health, how a run goes, and who shaped its
//! models. All it takes in is what a job's requester signed: pause, go on.

use crate::{
    error::TrainerError,
    events::{Line, Tail},
    metrics::Metrics,
    pauses::{PauseError, Pauses},
    state::{shares_file, suspects_file},
};
use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, Query, State},
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
    response::{
        IntoResponse, Response,
        sse::{self, KeepAlive, Sse},
    },
    routing::{get, post},
};
use futures::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use std::{
    convert::Infallible,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{net::TcpListener, time::sleep};
use tokio_util::sync::CancellationToken;
use tributary_client::Account;
use tributary_daemon::{FileError, RunOrder, RunOrderError, files::read_if_there};
use tributary_protocol::JobId;

/// What the pages show.
#[derive(Clone)]
pub(crate) struct Window {
    pub metrics: Arc<Metrics>,
    pub pauses: Arc<Pauses>,
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
        .route("/jobs/{id}/suspects", get(suspects))
        .route("/jobs/{id}/events", get(events))
        .route("/jobs/{id}/orders", post(order).layer(DefaultBodyLimit::max(ORDER_BYTES_MAX)))
        .route(
            "/jobs/{id}/events/stream",
            get({
                let shutdown = shutdown.clone();
                move |state, path, from, headers| event_stream(state, path, from, headers, shutdown)
            }),
        )
        .with_state(window);
    tokio::spawn(async move {
        let serving = axum::serve(listener, pages).with_graceful_shutdown(shutdown.cancelled_owned());
        if let Err(error) = serving.await {
            tracing::error!("the metrics server ended: {error}");
        }
    });
    tracing::info!(address = %bound, "serving /metrics, /healthz, and of jobs: events, orders, shares, suspects");
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
    written(&shares_file(&window.state_dir, JobId(id)), id)
}

/// The samples of a job that look wrong, by their places in contributions, for curators.
async fn suspects(State(window): State<Window>, Path(id): Path<u64>) -> Response {
    written(&suspects_file(&window.state_dir, JobId(id)), id)
}

/// A file that was written when a job was reported.
fn written(path: &std::path::Path, id: u64) -> Response {
    match read_if_there(path) {
        Ok(Some(bytes)) => ([(CONTENT_TYPE, "application/json")], bytes).into_response(),
        Ok(None) => (StatusCode::NOT_FOUND, format!("this trainer has reported no job {id}\n")).into_response(),
        Err(error) => {
            tracing::error!("{error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Longest order: a signature and a little beside it.
const ORDER_BYTES_MAX: usize = 4 << 10;

/// What a job's requester wants of its run.
async fn order(State(window): State<Window>, Path(id): Path<u64>, Json(order): Json<RunOrder>) -> Response {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    match window.pauses.follow(JobId(id), &order, now) {
        Ok(standing) => Json(standing).into_response(),
        Err(error) => {
            let status = match error {
                PauseError::Order(RunOrderError::Malformed) => StatusCode::BAD_REQUEST,
                PauseError::Order(_) => StatusCode::FORBIDDEN,
                PauseError::NotInWork(_) => StatusCode::NOT_FOUND,
                PauseError::Repeated | PauseError::UsedUp { .. } => StatusCode::CONFLICT,
            };
            (status, format!("{error}\n")).into_response()
        }
    }
}

/// How often a stream looks for new events.
const STREAM_PAUSE: Duration = Duration::from_millis(500);

/// From where on events are wanted.
#[derive(Deserialize)]
struct From {
    /// The number of the last event that is known.
    #[serde(default)]
    after: u64,
}

/// A run's events so far, one JSON object a line.
async fn events(State(window): State<Window>, Path(id): Path<u64>, Query(from): Query<From>) -> Response {
    match look(Tail::new(&window.state_dir, JobId(id), from.after)).await {
        Ok((_, Some(lines))) => {
            let text: String = lines.into_iter().map(|line| line.text + "\n").collect();
            ([(CONTENT_TYPE, "application/x-ndjson")], text).into_response()
        }
        Ok((_, None)) => no_events(id),
        Err(error) => {
            tracing::error!("{error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// A run's events as they happen (server-sent events, whose ids are the events' numbers), until the run is over. A client
/// that comes back says in `Last-Event-ID` where it was, as browsers do.
async fn event_stream(
    State(window): State<Window>,
    Path(id): Path<u64>,
    Query(from): Query<From>,
    headers: HeaderMap,
    shutdown: CancellationToken,
) -> Response {
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()?.parse().ok());
    let tail = Tail::new(&window.state_dir, JobId(id), last.unwrap_or(from.after));
    let (tail, lines) = match look(tail).await {
        Ok((_, None)) => return no_events(id),
        Ok((tail, Some(lines))) => (tail, lines),
        Err(error) => {
            tracing::error!("{error}");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    // What is known already is sent before anything is waited for.
    let batches = stream::unfold(Some((tail, Some(lines))), move |state| {
        let shutdown = shutdown.clone();
        async move {
            let (tail, known) = state?;
            let (tail, lines) = match known {
                Some(lines) => (tail, lines),
                None => {
                    shutdown.run_until_cancelled(sleep(STREAM_PAUSE)).await?;
                    let (tail, lines) = look(tail).await.ok()?;
                    (tail, lines?)
                }
            };
            let next = lines.iter().all(|line| !line.is_last).then_some((tail, None));
            Some((stream::iter(lines.into_iter().map(told)), next))
        }
    });
    Sse::new(batches.flatten()).keep_alive(KeepAlive::default()).into_response()
}

fn told(line: Line) -> Result<sse::Event, Infallible> {
    Ok(sse::Event::default().id(line.sequence.to_string()).data(line.text))
}

fn no_events(id: u64) -> Response {
    (StatusCode::NOT_FOUND, format!("this trainer has no events of job {id}\n")).into_response()
}

/// Reads in a thread that may block.
async fn look(mut tail: Tail) -> Result<(Tail, Option<Vec<Line>>), FileError> {
    let reading = tokio::task::spawn_blocking(move || tail.next().map(|lines| (tail, lines)));
    reading.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    async fn page(address: SocketAddr, path: &str) -> String {
        ask(address, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")).await
    }

    async fn send(address: SocketAddr, path: &str, body: &str) -> String {
        let head = "Host: localhost\r\nConnection: close\r\nContent-Type: application/json";
        ask(address, &format!("POST {path} HTTP/1.1\r\n{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await
    }

    async fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn pages_show_what_the_engine_measures_and_what_was_reported() {
        let folder = tempfile::tempdir().unwrap();
        tributary_daemon::files::write_atomically(&shares_file(folder.path(), JobId(7)), b"[1]").unwrap();
        tributary_daemon::files::write_atomically(&suspects_file(folder.path(), JobId(7)), b"[2]").unwrap();
        let key = tributary_client::Keypair::development("Alice").unwrap();
        let window = Window {
            metrics: Arc::default(),
            pauses: Arc::new(Pauses::new([7; 32], Duration::from_millis(60_900))),
            account: Account([1; 32]),
            addresses: vec!["/ip4/127.0.0.1/tcp/1".into()],
            state_dir: folder.path().into(),
        };
        window.metrics.set_job(Some(3));
        window.pauses.begin(JobId(3), key.account());
        let pauses = window.pauses.clone();
        let shutdown = CancellationToken::new();
        let address = serve("127.0.0.1:0".parse().unwrap(), window, shutdown.clone()).await.unwrap();
        assert!(page(address, "/metrics").await.contains("tributary_trainer_job 3"));
        let health = page(address, "/healthz").await;
        assert!(health.contains("\"phase\":\"claim\"") && health.contains("\"job\":3"), "{health}");
        assert!(page(address, "/jobs/7/shares").await.ends_with("[1]"));
        assert!(page(address, "/jobs/8/shares").await.starts_with("HTTP/1.1 404"));
        assert!(page(address, "/jobs/7/suspects").await.ends_with("[2]"));
        assert!(page(address, "/jobs/8/suspects").await.starts_with("HTTP/1.1 404"));

        let event = |sequence, kind| {
            let hash = format!("{:064}", 0);
            format!(
                "{{\"sequence\":{sequence},\"time_ms\":1,\"kind\":\"{kind}\",\"step\":1,\"result_step\":1,\"adapter\":\"{hash}\",\
                 \"validation_loss\":null}}\n"
            )
        };
        let lines = [event(1, "checkpoint"), event(2, "paused"), event(3, "finished")];
        let file = crate::state::job_folder(folder.path(), JobId(7)).join(tributary_lora::EVENTS_FILE);
        tributary_daemon::files::write_atomically(&file, lines.concat().as_bytes()).unwrap();
        assert!(page(address, "/jobs/7/events?after=1").await.ends_with(&lines[1..].concat()));
        // The stream ends with the run.
        let stream = page(address, "/jobs/7/events/stream?after=2").await;
        assert!(stream.contains("id: 3\n") && !stream.contains("id: 2\n"), "{stream}");
        assert!(page(address, "/jobs/8/events/stream").await.starts_with("HTTP/1.1 404"));
        assert!(page(address, "/jobs/7/events?after=x").await.starts_with("HTTP/1.1 400"));

        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
        let pause = RunOrder::sign(&key, tributary_daemon::RunWish::Pause, JobId(3), &[7; 32], now);
        let pause = serde_json::to_string(&pause).unwrap();
        let answer = send(address, "/jobs/3/orders", &pause).await;
        assert!(answer.ends_with("{\"paused\":true,\"left_seconds\":60}"), "{answer}");
        assert!(pauses.is_paused());
        assert!(send(address, "/jobs/3/orders", &pause).await.starts_with("HTTP/1.1 409"));
        assert!(send(address, "/jobs/4/orders", &pause).await.starts_with("HTTP/1.1 404"));
        let foreign = pause.replace("pause", "resume");
        assert!(send(address, "/jobs/3/orders", &foreign).await.starts_with("HTTP/1.1 403"));
        assert!(send(address, "/jobs/3/orders", "{}").await.starts_with("HTTP/1.1 422"));
        assert!(send(address, "/jobs/3/orders", &" ".repeat(5000)).await.starts_with("HTTP/1.1 413"));
        shutdown.cancel();
    }
}

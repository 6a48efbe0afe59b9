//! A run's events, relayed from its trainer: from the wait for a trainer to the last event, across restarts of either.
//!
//! Trainers number the events of a run. A lease that lapsed is followed by another trainer's, whose numbers begin anew; so an
//! event's id here is `LEASE.NUMBER`, and a page that comes back with an older lease's id gets the new run from its start,
//! after an event `restarted`.

use crate::{
    app::App,
    index::reader::Reader,
    outbound::{OutboundError, below},
    views::jobs::record_of,
};
use axum::{http::StatusCode, response::sse};
use bytes::Bytes;
use futures::{Stream, stream};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::Value;
use std::{collections::VecDeque, convert::Infallible, fmt, str::FromStr, time::Duration};
use tokio::time::sleep;
use tributary_client::{Account, Job};
use tributary_protocol::{JobId, job::Stage};
use url::Url;

/// Pause before a trainer is asked again.
const PAUSE: Duration = Duration::from_secs(1);
/// Longest event.
const EVENT_BYTES_MAX: usize = 1 << 20;

/// The place of an event: the lease, and its number in the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    lease: u32,
    number: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.lease, self.number)
    }
}

impl FromStr for Place {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "an event's id is LEASE.NUMBER, such as 1.42";
        let (lease, number) = text.split_once('.').ok_or(FORM)?;
        Ok(Self { lease: lease.parse().map_err(|_| FORM)?, number: number.parse().map_err(|_| FORM)? })
    }
}

/// What is known of a job while its run is relayed.
struct Relay {
    app: App,
    job: JobId,
    last: Place,
    source: Option<Source>,
    ready: VecDeque<sse::Event>,
    is_over: bool,
}

/// An open stream of a trainer.
struct Source {
    body: Incoming,
    lines: Lines,
    /// Whether it told the end of the run.
    is_finished: bool,
}

/// The events of a job's run behind `after`, as they happen, until nothing follows.
pub fn events(app: App, job: JobId, after: Place) -> impl Stream<Item = Result<sse::Event, Infallible>> + Send {
    let relay = Relay { app, job, last: after, source: None, ready: VecDeque::new(), is_over: false };
    stream::unfold(relay, |mut relay| async move {
        loop {
            if let Some(event) = relay.ready.pop_front() {
                return Some((Ok(event), relay));
            }
            if relay.is_over {
                return None;
            }
            relay.advance().await;
        }
    })
}

impl Relay {
    /// Reads on, or finds out where to.
    async fn advance(&mut self) {
        if let Some(source) = &mut self.source {
            match source.body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.take(&data);
                    }
                    return;
                }
                Some(Err(error)) => tracing::debug!("events of job {}: {error}", self.job),
                None => {}
            }
            let finished = source.is_finished;
            self.source = None;
            if finished {
                self.end();
                return;
            }
            sleep(PAUSE).await;
        }
        let job = match self.app.job(self.job).await {
            Ok(Some(job)) => job,
            Ok(None) => return self.end(),
            Err(error) => {
                tracing::error!("{error}");
                return self.end();
            }
        };
        self.open(&job).await;
    }

    async fn open(&mut self, job: &Job) {
        let is_running = matches!(job.state.stage(), Stage::Open | Stage::Leased);
        let Some(url) = self.app.run_of(self.job, job.state.trainer().copied()).await else {
            // Nobody shows events: of a run that goes on somebody may, later.
            if !is_running {
                return self.end();
            }
            return sleep(PAUSE).await;
        };
        if self.last.lease != job.leases {
            if self.last.number > 0 {
                self.ready.push_back(sse::Event::default().event("restarted").data("{}"));
            }
            self.last = Place { lease: job.leases, number: 0 };
        }
        match self.app.outbound().events(&below(&url, &path(self.job)), self.last.number).await {
            Ok(body) => self.source = Some(Source { body, lines: Lines::default(), is_finished: false }),
            Err(OutboundError::Refused { status: StatusCode::NOT_FOUND, .. }) if !is_running => self.end(),
            Err(error) => {
                tracing::debug!("{error}");
                sleep(PAUSE).await;
            }
        }
    }

    fn take(&mut self, data: &Bytes) {
        let Some(source) = &mut self.source else { return };
        for text in source.lines.push(data) {
            let Ok(Value::Object(event)) = serde_json::from_str::<Value>(&text) else { continue };
            let Some(number) = event.get("sequence").and_then(Value::as_u64) else { continue };
            source.is_finished = matches!(event.get("kind").and_then(Value::as_str), Some("finished"));
            if number > self.last.number {
                self.last.number = number;
                self.ready.push_back(sse::Event::default().id(self.last.to_string()).data(text));
            }
        }
    }

    fn end(&mut self) {
        self.is_over = true;
        self.ready.push_back(sse::Event::default().event("end").data("{}"));
    }
}

fn path(job: JobId) -> String {
    format!("jobs/{job}/events/stream")
}

/// The data lines of a stream of events, however it is cut into pieces.
#[derive(Default)]
struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    fn push(&mut self, data: &[u8]) -> Vec<String> {
        self.rest.extend_from_slice(data);
        let mut found = Vec::new();
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            found.extend(line.trim_end().strip_prefix("data:").map(|text| text.trim_start().to_owned()));
        }
        if self.rest.len() > EVENT_BYTES_MAX {
            // No event is as long: what follows its end is read again.
            self.rest.clear();
        }
        found
    }
}

impl App {
    /// A job as the index has it.
    pub async fn job(&self, id: JobId) -> Result<Option<Job>, crate::db::DbError> {
        self.index().db().read(move |db| record_of(&Reader::new(db)?, id)).await
    }

    /// A trainer that shows the run's events. While somebody has the lease, only that trainer's run counts.
    pub async fn run_of(&self, job: JobId, trainer: Option<Account>) -> Option<Url> {
        let urls = match trainer {
            Some(account) => self.trainers().url(account).into_iter().collect(),
            None => self.trainers().all_live().iter().filter_map(|live| live.url.parse().ok()).collect::<Vec<Url>>(),
        };
        for url in urls {
            // Nothing stands behind this number: the answer says only whether there is a run.
            let mut probe = below(&url, &format!("jobs/{job}/events"));
            probe.set_query(Some("after=18446744073709551615"));
            if self.outbound().get(&probe, EVENT_BYTES_MAX).await.is_ok() {
                return Some(url);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_name_lease_and_number() {
        let place: Place = "2.57".parse().unwrap();
        assert_eq!((place.lease, place.number, place.to_string().as_str()), (2, 57, "2.57"));
        for wrong in ["", "7", "a.1", "1.", "1.2.3"] {
            assert!(wrong.parse::<Place>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn events_come_whole_however_the_stream_is_cut() {
        let text = b": hello\n\nid: 1\ndata: {\"a\":1}\n\nid: 2\r\ndata:{\"b\":2}\r\n\r\n";
        for size in 1..text.len() {
            let mut lines = Lines::default();
            let found: Vec<String> = text.chunks(size).flat_map(|piece| lines.push(piece)).collect();
            assert_eq!(found, [r#"{"a":1}"#, r#"{"b":2}"#], "{size}");
        }
    }
}

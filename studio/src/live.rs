//! Heads and what they changed, as server-sent events. The index is the source, so that a page which was away misses nothing.

use crate::{
    app::App,
    db::{Connection, WorkError, params},
    index::{Newest, reader::Reader},
    views::{Hex, iso},
};
use axum::response::sse;
use futures::{Stream, stream};
use serde::Serialize;
use std::{collections::VecDeque, convert::Infallible};
use tokio::sync::watch;

/// Blocks whose changes are replayed, at most. A page that was away for longer reads its lists anew.
const REPLAY_BLOCKS_MAX: u32 = 1_000;

#[derive(Serialize)]
struct LiveHead {
    number: u32,
    hash: Hex,
    time: Option<String>,
    events: u32,
}

#[derive(Serialize)]
struct LiveChanged {
    block: u32,
    entities: Vec<Entity>,
}

#[derive(Serialize)]
struct Entity {
    kind: String,
    id: String,
}

struct Follower {
    app: App,
    newest: watch::Receiver<Option<Newest>>,
    seen: Option<u32>,
    ready: VecDeque<sse::Event>,
}

/// The newest head, what changed behind block `after`, and all that follows. Ids are block numbers.
pub fn events(app: App, after: Option<u32>) -> impl Stream<Item = Result<sse::Event, Infallible>> + Send {
    let newest = app.index().newest();
    let follower = Follower { app, newest, seen: after, ready: VecDeque::new() };
    stream::unfold((follower, true), |(mut follower, mut is_first)| async move {
        loop {
            if let Some(event) = follower.ready.pop_front() {
                return Some((Ok(event), (follower, is_first)));
            }
            if !is_first && follower.newest.changed().await.is_err() {
                return None;
            }
            is_first = false;
            follower.read().await?;
        }
    })
}

impl Follower {
    /// Reads what the index got since; `None` if it fails.
    async fn read(&mut self) -> Option<()> {
        let head = *self.newest.borrow_and_update();
        let Some(head) = head else { return Some(()) };
        let from = match self.seen {
            Some(seen) => seen.saturating_add(1).max(head.number.saturating_sub(REPLAY_BLOCKS_MAX)),
            None => head.number,
        };
        self.seen = Some(head.number);
        let changes = self.app.index().db().read(move |db| changes(db, from, head)).await;
        match changes {
            Ok(events) => {
                self.ready.extend(events);
                Some(())
            }
            Err(error) => {
                tracing::error!("{error}");
                None
            }
        }
    }
}

fn changes(db: &Connection, from: u32, head: Newest) -> Result<Vec<sse::Event>, WorkError> {
    let reader = Reader::new(db)?;
    let mut blocks: Vec<LiveChanged> = Vec::new();
    let query = "SELECT block, kind, id FROM changes WHERE block BETWEEN ? AND ? ORDER BY block, kind, id";
    reader.all(query, params![from, head.number], |row| {
        let (block, entity) = (row.get("block")?, Entity { kind: row.get("kind")?, id: row.get("id")? });
        match blocks.last_mut() {
            Some(last) if last.block == block => last.entities.push(entity),
            _ => blocks.push(LiveChanged { block, entities: vec![entity] }),
        }
        Ok(())
    })?;
    let mut events: Vec<sse::Event> =
        blocks.iter().map(|changed| event("changed", changed.block, changed)).collect::<Result<_, _>>()?;
    let told = reader.count("SELECT events FROM blocks WHERE number = ?", [head.number])?;
    let told = u32::try_from(told).unwrap_or(u32::MAX);
    let tell = LiveHead { number: head.number, hash: Hex(head.hash), time: head.time_ms.and_then(iso), events: told };
    events.push(event("head", head.number, &tell)?);
    Ok(events)
}

fn event<T: Serialize>(name: &str, block: u32, data: &T) -> Result<sse::Event, WorkError> {
    let event = sse::Event::default().event(name).id(block.to_string());
    event.json_data(data).map_err(|error| WorkError::damaged(error.to_string()))
}

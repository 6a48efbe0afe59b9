//! Adapters in memory.
//!
//! # Invariants
//! - What is in memory or has room reserved takes at most the bytes allowed.
//! - An adapter that a sequence runs with is never given up: it is held by whoever has the `Arc`.
//! - However many ask for an adapter, it is fetched and read once.

use super::AdapterFailure;
use super::loader::{Done, Job, Loader};
use std::collections::HashMap;
use std::sync::Arc;
use tributary_lora::ServedAdapter;
use tributary_protocol::ContentHash;

/// Where an adapter is on its way.
#[derive(Debug)]
enum Stage {
    /// On its way to the disk.
    Fetching,
    /// On its way to memory, with room for it.
    Loading { reserved: u64 },
    /// It was read, and took more than the room that was reserved; this much is needed.
    Measured { bytes: u64 },
    /// In memory.
    Ready { adapter: Arc<ServedAdapter>, used: u64 },
}

/// Adapters in memory, and on their way to it.
pub(crate) struct AdapterCache {
    loader: Loader,
    bytes_max: u64,
    stages: HashMap<ContentHash, Stage>,
    clock: u64,
    counts: AdapterCounts,
}

/// What the cache did since it began, and holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AdapterCounts {
    /// Adapters that were brought to the disk.
    pub fetched: u64,
    /// Adapters that were read to memory.
    pub loaded: u64,
    /// Adapters that were given up.
    pub evicted: u64,
    /// Adapters in memory.
    pub ready: usize,
    /// Bytes that these take and that are reserved.
    pub bytes: u64,
}

impl AdapterCache {
    pub(crate) fn new(loader: Loader, bytes_max: u64) -> Self {
        Self { loader, bytes_max, stages: HashMap::new(), clock: 0, counts: AdapterCounts::default() }
    }

    /// The adapter, if it is in memory.
    pub(crate) fn get(&mut self, adapter: &ContentHash) -> Option<Arc<ServedAdapter>> {
        self.clock += 1;
        match self.stages.get_mut(adapter) {
            Some(Stage::Ready { adapter, used }) => {
                *used = self.clock;
                Some(adapter.clone())
            }
            _ => None,
        }
    }

    /// Starts what brings these adapters to memory, the first of them first; returns the failures that are certain at once.
    ///
    /// Room is made by giving up what nobody runs with: first what is not among these, the least recently used first, then the
    /// last of these. An adapter gets no room from one that is wanted more.
    pub(crate) fn want(&mut self, wanted: &[ContentHash]) -> Vec<AdapterFailure> {
        let mut failures = Vec::new();
        for (rank, adapter) in wanted.iter().enumerate() {
            let needed = match self.stages.get(adapter) {
                Some(Stage::Fetching | Stage::Loading { .. } | Stage::Ready { .. }) => continue,
                Some(Stage::Measured { bytes }) => *bytes,
                None => match self.loader.disk().bytes(adapter) {
                    Some(bytes) => bytes,
                    None => {
                        self.stages.insert(*adapter, Stage::Fetching);
                        self.loader.push(Job::Fetch(*adapter));
                        continue;
                    }
                },
            };
            if needed > self.bytes_max {
                self.stages.remove(adapter);
                let (adapter, bytes_max) = (*adapter, self.bytes_max);
                failures.push(AdapterFailure::TooLarge { adapter, bytes: needed, bytes_max });
                continue;
            }
            if self.make_room(needed, &wanted[..=rank], wanted) {
                self.stages.insert(*adapter, Stage::Loading { reserved: needed });
                self.loader.push(Job::Load(*adapter));
            }
        }
        failures
    }

    /// Takes in what was done meanwhile; returns what failed. Who asks again starts anew.
    pub(crate) fn poll(&mut self) -> Vec<(ContentHash, AdapterFailure)> {
        let mut failures = Vec::new();
        while let Some(done) = self.loader.poll() {
            match done {
                Done::Fetched(adapter, result) => {
                    self.stages.remove(&adapter);
                    match result {
                        Ok(()) => self.counts.fetched += 1,
                        Err(failure) => failures.push((adapter, failure)),
                    }
                }
                Done::Loaded(adapter, result) => {
                    self.stages.remove(&adapter);
                    match result {
                        Ok(loaded) => {
                            self.counts.loaded += 1;
                            self.take_in(adapter, loaded);
                        }
                        Err(failure) => failures.push((adapter, failure)),
                    }
                }
            }
        }
        failures
    }

    /// Whether the adapter could be read if there were room for it.
    pub(crate) fn lacks_room(&self, adapter: &ContentHash) -> bool {
        match self.stages.get(adapter) {
            None => self.loader.disk().contains(adapter),
            Some(stage) => matches!(stage, Stage::Measured { .. }),
        }
    }

    /// Whether something is on its way.
    pub(crate) fn is_busy(&self) -> bool {
        self.stages.values().any(|stage| matches!(stage, Stage::Fetching | Stage::Loading { .. }))
    }

    pub(crate) fn counts(&self) -> AdapterCounts {
        let ready = self.stages.values().filter(|stage| matches!(stage, Stage::Ready { .. })).count();
        AdapterCounts { ready, bytes: self.bytes(), ..self.counts }
    }

    /// Keeps an adapter that was read, if it has room; its reservation is gone already.
    fn take_in(&mut self, adapter: ContentHash, loaded: ServedAdapter) {
        let bytes = loaded.bytes() as u64;
        self.clock += 1;
        let stage = match self.make_room(bytes, &[adapter], &[]) {
            true => Stage::Ready { adapter: Arc::new(loaded), used: self.clock },
            false => Stage::Measured { bytes },
        };
        self.stages.insert(adapter, stage);
    }

    /// Bytes in memory and reserved.
    fn bytes(&self) -> u64 {
        let of = |stage: &Stage| match stage {
            Stage::Fetching | Stage::Measured { .. } => 0,
            Stage::Loading { reserved } => *reserved,
            Stage::Ready { adapter, .. } => adapter.bytes() as u64,
        };
        self.stages.values().map(of).sum()
    }

    /// Gives up adapters until so many bytes are free; those in `kept` stay, those in `wanted` go last, from its end.
    /// Gives up nothing if that is not enough.
    fn make_room(&mut self, needed: u64, kept: &[ContentHash], wanted: &[ContentHash]) -> bool {
        let mut excess = (self.bytes() + needed).saturating_sub(self.bytes_max);
        if excess == 0 {
            return true;
        }
        let mut idle: Vec<(Option<usize>, u64, ContentHash, u64)> = Vec::new();
        for (hash, stage) in &self.stages {
            if let Stage::Ready { adapter, used } = stage
                && Arc::strong_count(adapter) == 1
                && !kept.contains(hash)
            {
                let rank = wanted.iter().position(|wanted| wanted == hash);
                idle.push((rank, *used, *hash, adapter.bytes() as u64));
            }
        }
        // Those not wanted come before those wanted, and of these the last is first.
        idle.sort_by_key(|(rank, used, ..)| (rank.map(|rank| usize::MAX - rank), *used));
        let mut leaving = Vec::new();
        for (_, _, hash, bytes) in idle {
            if excess == 0 {
                break;
            }
            excess = excess.saturating_sub(bytes);
            leaving.push(hash);
        }
        if excess > 0 {
            return false;
        }
        self.counts.evicted += leaving.len() as u64;
        leaving.iter().for_each(|hash| drop(self.stages.remove(hash)));
        true
    }
}

//! Adapters in memory.
//!
//! # Invariants
//! - What is in memory or has room reserved takes at most the bytes allowed.
//! - An adapter that a sequence runs with is never given up: it is held by whoever has the `Arc`.
//! - However many ask for an adapter, it is fetched and read once.
//! - Who is on the way to the engine gets nothing from who waits there already.

use super::AdapterFailure;
use super::loader::{Done, Job, Loader};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
    /// What the engine asked for last, the first of them first.
    wanted: Vec<ContentHash>,
    /// What requests want that are on their way to the engine, in the order in which they set out.
    coming: Vec<ContentHash>,
    coming_max: usize,
    clock: u64,
    counts: AdapterCounts,
}

/// The cache of an engine, and of those who send it requests: while it computes a step, adapters of the next one are read.
#[derive(Clone)]
pub(crate) struct SharedAdapters(Arc<Mutex<AdapterCache>>);

impl SharedAdapters {
    pub(crate) fn new(cache: AdapterCache) -> Self {
        Self(Arc::new(Mutex::new(cache)))
    }

    /// The cache, held by nobody for longer than it takes to look something up.
    pub(crate) fn lock(&self) -> MutexGuard<'_, AdapterCache> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
    /// Room for so many bytes, and for so many adapters of requests that are on their way.
    pub(crate) fn new(loader: Loader, bytes_max: u64, coming_max: usize) -> Self {
        let counts = AdapterCounts::default();
        let (stages, wanted, coming) = (HashMap::new(), Vec::new(), Vec::new());
        Self { loader, bytes_max, stages, wanted, coming, coming_max, clock: 0, counts }
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
    /// Room is made by giving up what nobody runs with: first what nobody asked for, the least recently used first, then the
    /// last of those that are coming, then the last of these. An adapter gets no room from one that is wanted more.
    pub(crate) fn want(&mut self, wanted: &[ContentHash]) -> Vec<AdapterFailure> {
        self.wanted = wanted.to_vec();
        let mut failures = Vec::new();
        for (rank, adapter) in wanted.iter().enumerate() {
            if let Some(failure) = self.bring(adapter, &wanted[..=rank]) {
                self.stages.remove(adapter);
                failures.push(failure);
            }
        }
        failures
    }

    /// A request for this adapter sets out to the engine: begins to bring it, if that takes nothing from anybody.
    pub(crate) fn set_out(&mut self, adapter: &ContentHash) {
        if self.coming.len() < self.coming_max {
            self.coming.push(*adapter);
            let others = [self.wanted.as_slice(), &self.coming].concat();
            // A failure reaches the request from the engine, which finds it again.
            let _ = self.bring(adapter, &others);
        }
    }

    /// A request for this adapter has arrived.
    pub(crate) fn arrived(&mut self, adapter: &ContentHash) {
        if let Some(place) = self.coming.iter().position(|coming| coming == adapter) {
            self.coming.remove(place);
        }
    }

    /// Starts what brings the adapter to memory, unless that was done; those in `kept` stay. Returns a failure that is certain.
    fn bring(&mut self, adapter: &ContentHash, kept: &[ContentHash]) -> Option<AdapterFailure> {
        let needed = match self.stages.get(adapter) {
            Some(Stage::Fetching | Stage::Loading { .. } | Stage::Ready { .. }) => return None,
            Some(Stage::Measured { bytes }) => *bytes,
            None => match self.loader.disk().bytes(adapter) {
                Some(bytes) => bytes,
                None => {
                    self.stages.insert(*adapter, Stage::Fetching);
                    self.loader.push(Job::Fetch(*adapter));
                    return None;
                }
            },
        };
        if needed > self.bytes_max {
            return Some(AdapterFailure::TooLarge { adapter: *adapter, bytes: needed, bytes_max: self.bytes_max });
        }
        if self.make_room(needed, kept) {
            self.stages.insert(*adapter, Stage::Loading { reserved: needed });
            self.loader.push(Job::Load(*adapter));
        }
        None
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
        let stage = match self.make_room(bytes, &[adapter]) {
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

    /// Gives up adapters until so many bytes are free; those in `kept` stay, those that are asked for go last, from the end.
    /// Gives up nothing if that is not enough.
    fn make_room(&mut self, needed: u64, kept: &[ContentHash]) -> bool {
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
                let rank = self.wanted.iter().chain(&self.coming).position(|wanted| wanted == hash);
                idle.push((rank, *used, *hash, adapter.bytes() as u64));
            }
        }
        // Those not asked for come before those asked for, and of these the last is first.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::{AdapterDisk, NoSource};
    use tributary_lora::{Adapter, LoraConfig, Model, ModelConfig};

    /// A cache with room for two of four adapters, which lie on the disk.
    fn cache(root: &std::path::Path) -> (AdapterCache, [ContentHash; 4]) {
        let config = r#"{ "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 8, "hidden_size": 8,
            "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 8,
            "rms_norm_eps": 1e-5 }"#;
        let model = Arc::new(Model::random(ModelConfig::from_json(config).unwrap(), 1).unwrap());
        let hashes = [1, 2, 3, 4].map(|seed| {
            let adapter = Adapter::new(&model, LoraConfig { rank: 2, ..LoraConfig::default() }, seed).unwrap();
            let hash = adapter.content_hash().unwrap();
            let folder = root.join(hash.to_string());
            std::fs::create_dir_all(&folder).unwrap();
            adapter.save(&folder, "base").unwrap();
            hash
        });
        let disk = Arc::new(AdapterDisk::open(root, u64::MAX, Box::new(NoSource)).unwrap());
        let room = 2 * disk.bytes(&hashes[0]).unwrap();
        (AdapterCache::new(Loader::here(model, disk), room, 2), hashes)
    }

    /// Which are in memory once all is done that was begun.
    fn ready<const N: usize>(cache: &mut AdapterCache, hashes: &[ContentHash; N]) -> [bool; N] {
        assert!(cache.poll().is_empty());
        let ready = |hash| matches!(cache.stages.get(hash), Some(Stage::Ready { .. }));
        let found = hashes.each_ref().map(ready);
        assert!(cache.bytes() <= cache.bytes_max);
        found
    }

    #[test]
    fn what_sets_out_is_read_at_once_and_takes_nothing_from_who_waits() {
        let root = tempfile::tempdir().unwrap();
        let (mut cache, hashes) = cache(root.path());
        let [a, b, c, d] = hashes;
        cache.set_out(&a);
        assert_eq!(ready(&mut cache, &hashes), [true, false, false, false]);
        cache.arrived(&a);
        assert!(cache.want(&[a, b]).is_empty());
        assert_eq!(ready(&mut cache, &hashes), [true, true, false, false]);
        // Both are waited for.
        cache.set_out(&c);
        assert_eq!(ready(&mut cache, &hashes), [true, true, false, false]);
        // Nobody waits for the second any more.
        cache.want(&[a]);
        cache.set_out(&c);
        assert_eq!(ready(&mut cache, &hashes), [true, false, true, false]);
        cache.arrived(&c);
        // One more request for it is on its way.
        cache.set_out(&d);
        assert_eq!(ready(&mut cache, &hashes), [true, false, true, false]);
        // Who is there already comes before who is on the way.
        assert!(cache.want(&[a, b]).is_empty());
        assert_eq!(ready(&mut cache, &hashes), [true, true, false, false]);
    }

    #[test]
    fn no_more_set_out_than_are_read_ahead() {
        let root = tempfile::tempdir().unwrap();
        let (mut cache, hashes) = cache(root.path());
        hashes.iter().for_each(|hash| cache.set_out(hash));
        assert_eq!(cache.coming, hashes[..2]);
        assert_eq!(ready(&mut cache, &hashes), [true, true, false, false]);
        // Those that were let be are no less welcome when they arrive.
        hashes.iter().for_each(|hash| cache.arrived(hash));
        assert!(cache.coming.is_empty());
        assert!(cache.want(&hashes[2..]).is_empty());
        assert_eq!(ready(&mut cache, &hashes), [false, false, true, true]);
    }
}

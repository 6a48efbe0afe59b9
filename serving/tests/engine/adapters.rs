//! Adapters from source to memory: bounded, shared, checked, and never replaced by the base.

use crate::common::{adapter, answers, disk, prompt, run, small, tiny, tiny_with, write, write_all};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tributary_lora::{Model, ServedAdapter, WEIGHTS_FILE};
use tributary_protocol::ContentHash;
use tributary_serving::{
    AdapterDisk, AdapterFailure, AdapterSource, Engine, EngineConfig, Request, RequestError, RequestId, SourceError,
};

fn request(adapter: ContentHash, number: usize) -> Request {
    Request { adapter: Some(adapter), tokens_max: Some(6), ..Request::new(prompt(5 + number % 9, number)) }
}

/// Copies adapters from a folder, and counts.
struct Copying {
    from: PathBuf,
    asked: Arc<AtomicUsize>,
    /// What comes out of it while this is set.
    damage: Arc<Mutex<bool>>,
}

impl AdapterSource for Copying {
    fn fetch(&self, adapter: &ContentHash, into: &Path) -> Result<(), SourceError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let folder = self.from.join(adapter.to_string());
        if !folder.is_dir() {
            return Err(SourceError::Unknown);
        }
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, into.join(path.file_name().unwrap())).unwrap();
        }
        if *self.damage.lock().unwrap() {
            damage(into);
        }
        Ok(())
    }
}

/// Changes one byte of the weights.
fn damage(folder: &Path) {
    let path = folder.join(WEIGHTS_FILE);
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(path, bytes).unwrap();
}

struct Market {
    model: Arc<Model>,
    source: tempfile::TempDir,
    disk: tempfile::TempDir,
    asked: Arc<AtomicUsize>,
    damage: Arc<Mutex<bool>>,
    hashes: Vec<ContentHash>,
}

impl Market {
    fn new(adapters: usize) -> Self {
        let (model, source) = (tiny(), tempfile::tempdir().unwrap());
        let hashes = write_all(&model, adapters, source.path());
        let disk = tempfile::tempdir().unwrap();
        Self { model, source, disk, asked: Arc::default(), damage: Arc::default(), hashes }
    }

    fn disk(&self, bytes_max: u64) -> AdapterDisk {
        let source =
            Copying { from: self.source.path().into(), asked: self.asked.clone(), damage: self.damage.clone() };
        AdapterDisk::open(self.disk.path(), bytes_max, Box::new(source)).unwrap()
    }

    fn engine(&self, config: EngineConfig) -> Engine {
        Engine::new(self.model.clone(), None, self.disk(u64::MAX), config).unwrap()
    }

    /// Bytes of the largest adapter in memory.
    fn largest(&self) -> u64 {
        let bytes = |number| ServedAdapter::new(&adapter(&self.model, number), &self.model).unwrap().bytes() as u64;
        (0..5).map(bytes).max().unwrap()
    }
}

#[test]
fn many_adapters_are_served_within_little_memory() {
    let market = Market::new(60);
    // The file has a header, which the reservation counts.
    let config = EngineConfig { adapter_bytes: market.largest() * 5, prefetch: 3, sequences_max: 6, ..small() };
    let mut engine = market.engine(config);
    let ids: Vec<RequestId> = (0..180).map(|n| engine.submit(request(market.hashes[n * 7 % 60], n)).unwrap()).collect();
    // `run` checks the bytes at every step.
    let all = run(&mut engine, &config);
    for (number, id) in ids.iter().enumerate().step_by(11) {
        let alone =
            answers(&market.model, market.source.path(), small(), &[request(market.hashes[number * 7 % 60], number)]);
        assert_eq!(all[id].tokens, alone[0].tokens);
    }
    assert!(all.values().all(|answer| answer.error.is_none()));
    let counts = engine.counts().adapters;
    assert_eq!((counts.fetched, market.asked.load(Ordering::Relaxed)), (60, 60));
    assert!(counts.evicted >= 55 && counts.loaded >= 60, "{counts:?}");
}

#[test]
fn many_requests_for_one_cold_adapter_share_its_way() {
    let market = Market::new(1);
    let mut engine = market.engine(small());
    for number in 0..30 {
        engine.submit(request(market.hashes[0], number)).unwrap();
    }
    assert!(run(&mut engine, &small()).values().all(|answer| answer.error.is_none()));
    let counts = engine.counts().adapters;
    assert_eq!((counts.fetched, counts.loaded, counts.ready, market.asked.load(Ordering::Relaxed)), (1, 1, 1, 1));
}

#[test]
fn an_unknown_adapter_fails_its_own_requests_only() {
    let market = Market::new(1);
    let mut engine = market.engine(small());
    let nobody = ContentHash::of(b"nobody");
    let bad = [engine.submit(request(nobody, 1)).unwrap(), engine.submit(request(nobody, 2)).unwrap()];
    let good = engine.submit(request(market.hashes[0], 1)).unwrap();
    let all = run(&mut engine, &small());
    for id in bad {
        let error = all[&id].error.clone().unwrap();
        assert!(
            matches!(&error, RequestError::Adapter(f) if matches!(**f, AdapterFailure::Unknown { adapter } if adapter == nobody))
        );
        assert!(all[&id].tokens.is_empty(), "an unknown adapter was answered for");
    }
    assert!(all[&good].error.is_none());
    assert_eq!(market.asked.load(Ordering::Relaxed), 2);
}

fn failure(engine: &mut Engine, request: Request) -> AdapterFailure {
    let id = engine.submit(request).unwrap();
    let answer = run(engine, &small()).remove(&id).unwrap();
    assert!(answer.tokens.is_empty());
    let Some(RequestError::Adapter(failure)) = answer.error else { panic!("{:?}", answer.error) };
    Arc::into_inner(failure).unwrap()
}

#[test]
fn what_is_damaged_is_never_served() {
    let market = Market::new(2);
    let mut engine = market.engine(small());
    // By the source.
    *market.damage.lock().unwrap() = true;
    let found = failure(&mut engine, request(market.hashes[0], 1));
    assert!(matches!(found, AdapterFailure::Corrupted { adapter, .. } if adapter == market.hashes[0]), "{found}");
    assert_eq!(std::fs::read_dir(market.disk.path()).unwrap().count(), 0, "damaged files are kept");
    *market.damage.lock().unwrap() = false;
    // On the disk: it is fetched again.
    let first = engine.submit(request(market.hashes[0], 1)).unwrap();
    let expected = run(&mut engine, &small()).remove(&first).unwrap();
    let mut engine = market.engine(small());
    damage(&market.disk.path().join(market.hashes[0].to_string()));
    let again = engine.submit(request(market.hashes[0], 1)).unwrap();
    assert_eq!(run(&mut engine, &small()).remove(&again).unwrap().tokens, expected.tokens);
    assert_eq!(market.asked.load(Ordering::Relaxed), 3);
    // And if the source has nothing better, that is said.
    let mut engine = market.engine(small());
    damage(&market.disk.path().join(market.hashes[0].to_string()));
    *market.damage.lock().unwrap() = true;
    assert!(matches!(failure(&mut engine, request(market.hashes[0], 1)), AdapterFailure::Corrupted { .. }));
}

#[test]
fn adapters_that_cannot_be_used_are_named() {
    let (model, dir) = (tiny(), tempfile::tempdir().unwrap());
    let mut engine = Engine::new(model.clone(), None, disk(dir.path()), small()).unwrap();
    // Parameters that are no numbers.
    let broken = adapter(&model, 1);
    let (_, variable) = broken.variables().remove(0);
    variable.set(&(variable.as_tensor() * f64::NAN).unwrap()).unwrap();
    let broken = write(&broken, dir.path());
    // Made for a model of another shape.
    let other = tributary_lora::Model::random(
        tributary_lora::ModelConfig::from_json(
            &model.config().to_json().replace("\"intermediate_size\": 20", "\"intermediate_size\": 28"),
        )
        .unwrap(),
        1,
    )
    .unwrap();
    let other = write(&adapter(&other, 2), dir.path());
    let mut engine_again = Engine::new(model.clone(), None, disk(dir.path()), small()).unwrap();
    for hash in [broken, other] {
        // The first engine does not know the folders that were made since.
        assert!(matches!(failure(&mut engine, request(hash, 1)), AdapterFailure::Unknown { .. }));
        let found = failure(&mut engine_again, request(hash, 1));
        assert!(matches!(found, AdapterFailure::Unusable { adapter, .. } if adapter == hash), "{found}");
    }
    // Larger than all memory for adapters.
    let large = write(&adapter(&model, 3), dir.path());
    let config = EngineConfig { adapter_bytes: 1000, ..small() };
    let mut engine = Engine::new(model, None, disk(dir.path()), config).unwrap();
    assert!(matches!(failure(&mut engine, request(large, 1)), AdapterFailure::TooLarge { bytes_max: 1000, .. }));
}

#[test]
fn an_adapter_that_overflows_fails_its_request_and_leaves_no_trace() {
    let (model, dir) = (tiny(), tempfile::tempdir().unwrap());
    let wild = adapter(&model, 1);
    for (_, variable) in wild.variables() {
        variable.set(&(variable.as_tensor() * 1e30).unwrap()).unwrap();
    }
    let (wild, tame) = (write(&wild, dir.path()), write(&adapter(&model, 2), dir.path()));
    let mut engine = Engine::new(model.clone(), None, disk(dir.path()), small()).unwrap();
    let bad = engine.submit(request(wild, 1)).unwrap();
    let good = engine.submit(request(tame, 1)).unwrap();
    let all = run(&mut engine, &small());
    assert!(matches!(all[&bad].error, Some(RequestError::NotFinite(_))), "{:?}", all[&bad].error);
    assert_eq!(all[&good].tokens, answers(&model, dir.path(), small(), &[request(tame, 1)])[0].tokens);
}

#[test]
fn the_disk_keeps_what_was_used_last() {
    let market = Market::new(5);
    let size = |hash: &ContentHash| {
        let files = std::fs::read_dir(market.source.path().join(hash.to_string())).unwrap();
        files.map(|file| file.unwrap().metadata().unwrap().len()).sum::<u64>()
    };
    let most = market.hashes.iter().map(size).max().unwrap();
    let mut engine = Engine::new(market.model.clone(), None, market.disk(2 * most), small()).unwrap();
    for hash in [0, 1, 2, 3, 4].map(|i| market.hashes[i]) {
        engine.submit(request(hash, 1)).unwrap();
        run(&mut engine, &small());
        let kept: u64 =
            market.hashes.iter().filter(|h| market.disk.path().join(h.to_string()).exists()).map(size).sum();
        assert!(kept <= 2 * most);
        assert!(market.disk.path().join(hash.to_string()).exists());
    }
    assert!(!market.disk.path().join(market.hashes[0].to_string()).exists());
    // Leftovers of an interrupted fetch are cleared away, strangers are left alone.
    let partial = market.disk.path().join(format!(".partial-{}", market.hashes[0]));
    std::fs::create_dir(&partial).unwrap();
    std::fs::write(market.disk.path().join("notes.txt"), "x").unwrap();
    drop(market.disk(2 * most));
    assert!(!partial.exists() && market.disk.path().join("notes.txt").exists());
}

#[test]
fn one_base_does_not_answer_for_anothers_adapters() {
    // The same shapes, saved as folders, so that both have a hash.
    let (one, two, root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    tiny_with(1).save_bf16(one.path()).unwrap();
    tiny_with(2).save_bf16(two.path()).unwrap();
    let load = |dir: &Path| Arc::new(Model::load(dir, &candle_core::Device::Cpu).unwrap());
    let (one, two) = (load(one.path()), load(two.path()));
    let hash = write(&adapter(&one, 1), root.path());
    let mut engine = Engine::new(two, None, disk(root.path()), small()).unwrap();
    let found = failure(&mut engine, request(hash, 1)).to_string();
    assert!(found.contains("another base"), "{found}");
    assert!(answers(&one, root.path(), small(), &[request(hash, 1)])[0].error.is_none());
}

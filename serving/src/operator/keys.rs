//! Keys for people without wallets: the operator pays the models for them.
//!
//! The file `keys.json` holds a hash of each key, and the key itself is shown once, when it is made. It is written by
//! `tributary serve keys`, also while the server runs, which looks at it again when it has changed.

use serde::{Deserialize, Serialize};
use std::collections::{HashMap, VecDeque};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tributary_daemon::files::{FileError, at, read_if_there, write_atomically};
use tributary_protocol::{Amount, ContentHash};

/// What every key begins with.
pub const KEY_PREFIX: &str = "trib-sk-";
/// BLAKE3 context of a key's hash.
const HASH_CONTEXT: &str = "tributary.network 2026-11 api key v1";
/// Bytes of randomness in a key.
const KEY_BYTES: usize = 32;
/// The time over which requests are counted.
const MINUTE: Duration = Duration::from_secs(60);

/// A key as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRecord {
    /// What it is called in lists; no secret.
    pub id: String,
    /// Whose it is.
    pub name: String,
    /// BLAKE3 of the key (derive_key). The key has 256 random bits, so the hash tells nothing of it.
    pub hash: ContentHash,
    /// When it was made, in seconds since 1970.
    pub created_s: u64,
    /// Most tokens of requests and answers on a day (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_per_day: Option<u64>,
    /// Most requests within any minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
    /// What fine-tuning jobs of its holder may cost in all, which the operator pays; without it there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuning_budget: Option<Amount>,
    /// When it was revoked, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_s: Option<u64>,
}

/// What a new key may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyTerms {
    /// Whose it is.
    pub name: String,
    /// Most tokens on a day.
    pub tokens_per_day: Option<u64>,
    /// Most requests within a minute.
    pub requests_per_minute: Option<u32>,
    /// What fine-tuning may cost in all.
    pub tuning_budget: Option<Amount>,
}

/// Why keys cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file holds something else.
    #[error("{} holds no keys: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no such key.
    #[error("there is no key {id:?}\nhint: tributary serve keys list")]
    Unknown {
        /// The id.
        id: String,
    },
    /// The system gives no randomness.
    #[error("the system gives no randomness: {reason}")]
    NoRandomness {
        /// Why not.
        reason: String,
    },
}

/// The file with the keys.
#[derive(Clone, Debug)]
pub struct KeyFile {
    path: PathBuf,
}

impl KeyFile {
    /// The keys of the operator whose state is in this folder.
    pub fn in_state(state_dir: &Path) -> Self {
        Self { path: state_dir.join("keys.json") }
    }

    /// All keys, those revoked too. None if there is no file.
    pub fn list(&self) -> Result<Vec<KeyRecord>, KeyFileError> {
        let Some(bytes) = read_if_there(&self.path)? else { return Ok(Vec::new()) };
        let malformed =
            |error: serde_json::Error| KeyFileError::Malformed { path: self.path.clone(), reason: error.to_string() };
        serde_json::from_slice(&bytes).map_err(malformed)
    }

    /// Makes a key; returns its record, and the key itself, which is kept nowhere.
    pub fn add(&self, terms: KeyTerms) -> Result<(KeyRecord, String), KeyFileError> {
        let mut random = [0; KEY_BYTES];
        let failed = |error: rand::rand_core::OsError| KeyFileError::NoRandomness { reason: error.to_string() };
        rand::TryRngCore::try_fill_bytes(&mut rand::rngs::OsRng, &mut random).map_err(failed)?;
        let digits: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let key = format!("{KEY_PREFIX}{digits}");
        let KeyTerms { name, tokens_per_day, requests_per_minute, tuning_budget } = terms;
        let hash = hash_of(&key);
        let record = KeyRecord {
            id: format!("key-{}", hash.to_string().chars().take(12).collect::<String>()),
            name,
            hash,
            created_s: now_s(),
            tokens_per_day,
            requests_per_minute,
            tuning_budget,
            revoked_s: None,
        };
        self.change(|keys| {
            keys.push(record.clone());
            Ok(())
        })?;
        Ok((record, key))
    }

    /// Changes what fine-tuning may cost the holder of a key in all; 0 ends it for what is not begun.
    pub fn set_tuning_budget(&self, id: &str, budget: Amount) -> Result<KeyRecord, KeyFileError> {
        self.change_one(id, |key| key.tuning_budget = Some(budget))
    }

    /// Revokes a key by its id. Its record stays, for the counts that name it.
    pub fn revoke(&self, id: &str) -> Result<KeyRecord, KeyFileError> {
        self.change_one(id, |key| {
            key.revoked_s.get_or_insert(now_s());
        })
    }

    fn change_one(&self, id: &str, change: impl FnOnce(&mut KeyRecord)) -> Result<KeyRecord, KeyFileError> {
        let mut changed = None;
        self.change(|keys| {
            let found = keys.iter_mut().find(|key| key.id == id);
            let key = found.ok_or_else(|| KeyFileError::Unknown { id: id.to_owned() })?;
            change(key);
            changed = Some(key.clone());
            Ok(())
        })?;
        changed.ok_or_else(|| KeyFileError::Unknown { id: id.to_owned() })
    }

    fn change(&self, change: impl FnOnce(&mut Vec<KeyRecord>) -> Result<(), KeyFileError>) -> Result<(), KeyFileError> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(at(folder))?;
        // Two commands at a time must not undo each other. The lock ends with the file.
        let path = self.path.with_extension("lock");
        let lock = File::create(&path).map_err(at(&path))?;
        lock.lock().map_err(at(&path))?;
        let mut keys = self.list()?;
        change(&mut keys)?;
        let text = serde_json::to_vec_pretty(&keys).expect("plain records have a JSON form");
        Ok(write_atomically(&self.path, &text)?)
    }

    /// Changes when the file does.
    fn stamp(&self) -> Option<(SystemTime, u64)> {
        let facts = fs::metadata(&self.path).ok()?;
        Some((facts.modified().ok()?, facts.len()))
    }
}

fn hash_of(key: &str) -> ContentHash {
    ContentHash(blake3::derive_key(HASH_CONTEXT, key.as_bytes()))
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The keys as a server uses them.
#[derive(Debug)]
pub struct KeyRing {
    file: KeyFile,
    loaded: RwLock<Loaded>,
    /// When each key's requests of the last minute came, by id.
    recent: Mutex<HashMap<String, VecDeque<Instant>>>,
}

#[derive(Debug, Default)]
struct Loaded {
    stamp: Option<(SystemTime, u64)>,
    keys: Arc<Vec<Arc<KeyRecord>>>,
}

impl KeyRing {
    /// Reads the keys.
    pub fn open(file: KeyFile) -> Result<Self, KeyFileError> {
        let loaded = Self::load(&file)?;
        Ok(Self { file, loaded: RwLock::new(loaded), recent: Mutex::default() })
    }

    fn load(file: &KeyFile) -> Result<Loaded, KeyFileError> {
        // Before the content: a change in between is seen the next time.
        let stamp = file.stamp();
        let keys = file.list()?.into_iter().map(Arc::new).collect();
        Ok(Loaded { stamp, keys: Arc::new(keys) })
    }

    /// The record of a key that holds. Every key is compared, in constant time.
    pub fn find(&self, key: &str) -> Option<Arc<KeyRecord>> {
        let hash = blake3::Hash::from_bytes(hash_of(key).0);
        let mut found = None;
        for record in self.keys().iter() {
            if blake3::Hash::from_bytes(record.hash.0) == hash && record.revoked_s.is_none() {
                found = Some(record.clone());
            }
        }
        found
    }

    fn keys(&self) -> Arc<Vec<Arc<KeyRecord>>> {
        {
            let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
            if loaded.stamp == self.file.stamp() {
                return loaded.keys.clone();
            }
        }
        let mut loaded = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
        match Self::load(&self.file) {
            Ok(new) => *loaded = new,
            // Those known go on; the file is looked at again with the next request.
            Err(error) => tracing::error!("the keys cannot be read again: {error}"),
        }
        loaded.keys.clone()
    }

    /// Counts a request; if there were as many within a minute as the key allows, says after how long the next may come.
    pub fn count(&self, key: &KeyRecord, now: Instant) -> Result<(), Duration> {
        let Some(max) = key.requests_per_minute else { return Ok(()) };
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let times = recent.entry(key.id.clone()).or_default();
        while times.front().is_some_and(|first| now.saturating_duration_since(*first) >= MINUTE) {
            times.pop_front();
        }
        if times.len() >= max as usize {
            let first = times.front().copied().unwrap_or(now);
            return Err(MINUTE.saturating_sub(now.saturating_duration_since(first)));
        }
        times.push_back(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_shown_once_and_only_its_hash_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = KeyFile::in_state(folder.path());
        let ring = KeyRing::open(file.clone()).unwrap();
        let terms = KeyTerms { name: "ada".into(), tokens_per_day: Some(9), ..KeyTerms::default() };
        let (record, key) = file.add(terms).unwrap();
        let (other, _) = file.add(KeyTerms::default()).unwrap();
        assert_eq!(key.len(), KEY_PREFIX.len() + 64);
        assert!(!fs::read_to_string(folder.path().join("keys.json")).unwrap().contains(&key[KEY_PREFIX.len()..]));
        // The server that runs sees what the command wrote.
        assert_eq!(ring.find(&key).as_deref(), Some(&record));
        assert_eq!(ring.find(&key.to_uppercase()), None);
        assert_eq!(ring.find(""), None);

        let budget = 1 << 70;
        assert_eq!(file.set_tuning_budget(&record.id, budget).unwrap().tuning_budget, Some(budget));
        assert_eq!(ring.find(&key).unwrap().tuning_budget, Some(budget));
        file.revoke(&record.id).unwrap();
        assert_eq!(ring.find(&key), None);
        let listed = file.list().unwrap();
        assert_eq!(listed.len(), 2);
        assert!(listed[0].revoked_s.is_some() && listed[1] == other);
        assert!(matches!(file.revoke("key-x"), Err(KeyFileError::Unknown { .. })));
    }

    #[test]
    fn a_damaged_file_is_named_and_does_not_end_the_keys_that_are_known() {
        let folder = tempfile::tempdir().unwrap();
        let file = KeyFile::in_state(folder.path());
        let (_, key) = file.add(KeyTerms::default()).unwrap();
        let ring = KeyRing::open(file.clone()).unwrap();
        fs::write(folder.path().join("keys.json"), "[{]").unwrap();
        assert!(ring.find(&key).is_some());
        assert!(file.list().unwrap_err().to_string().contains("keys.json"));
        assert!(KeyRing::open(file).is_err());
    }

    #[test]
    fn requests_are_counted_over_any_minute() {
        let folder = tempfile::tempdir().unwrap();
        let file = KeyFile::in_state(folder.path());
        let (record, _) = file.add(KeyTerms { requests_per_minute: Some(2), ..KeyTerms::default() }).unwrap();
        let ring = KeyRing::open(file).unwrap();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(ring.count(&record, at(0)), Ok(()));
        assert_eq!(ring.count(&record, at(40)), Ok(()));
        assert_eq!(ring.count(&record, at(50)), Err(Duration::from_secs(10)));
        assert_eq!(ring.count(&record, at(60)), Ok(()));
        assert_eq!(ring.count(&record, at(61)), Err(Duration::from_secs(39)));
    }
}

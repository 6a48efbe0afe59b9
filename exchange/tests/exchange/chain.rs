//! A chain in memory: grants and finalised heights.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use tokio::sync::watch;
use tributary_exchange::{AccountKey, BlobHash, GenesisHash, GrantSource, GrantSourceError, Scope};

pub const GENESIS: GenesisHash = [0x42; 32];

pub struct Chain {
    grants: Mutex<HashSet<(AccountKey, Scope, BlobHash)>>,
    height: watch::Sender<u32>,
    asked: AtomicU64,
    down: AtomicBool,
}

impl Chain {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            grants: Mutex::default(),
            height: watch::Sender::new(1),
            asked: AtomicU64::new(0),
            down: AtomicBool::new(false),
        })
    }

    pub fn grant(&self, account: AccountKey, scope: Scope, blob: BlobHash) {
        self.grants.lock().unwrap().insert((account, scope, blob));
    }

    pub fn revoke(&self, account: AccountKey, scope: Scope, blob: BlobHash) {
        self.grants.lock().unwrap().remove(&(account, scope, blob));
        self.finalise();
    }

    pub fn finalise(&self) {
        self.height.send_modify(|height| *height += 1);
    }

    pub fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    pub fn times_asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl GrantSource for Chain {
    async fn may_read(&self, account: AccountKey, scope: Scope, blob: BlobHash) -> Result<bool, GrantSourceError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.down.load(Ordering::SeqCst) {
            return Err(GrantSourceError { reason: "the test's node is down".into() });
        }
        Ok(self.grants.lock().unwrap().contains(&(account, scope, blob)))
    }

    fn finalised(&self) -> watch::Receiver<u32> {
        self.height.subscribe()
    }

    fn genesis(&self) -> GenesisHash {
        GENESIS
    }
}

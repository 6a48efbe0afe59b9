//! What an operator decides.

use crate::db::Database;
use std::{net::SocketAddr, path::PathBuf};
use tributary_client::Keypair;
use tributary_exchange::Multiaddr;
use url::Url;

/// A gateway's settings.
#[derive(Clone, Debug)]
pub struct StudioConfig {
    /// The node to ask: it must keep the state of all blocks.
    pub node: String,
    /// The node's address as browsers reach it.
    pub public_node: String,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where the uploads are kept.
    pub data: PathBuf,
    /// Where the index is.
    pub database: Database,
    /// Trainers' windows, such as `http://127.0.0.1:9955`.
    pub trainers: Vec<Url>,
    /// Serving APIs; the first that can be reached answers.
    pub serving: Vec<Url>,
    /// The pages; without them the API alone is served.
    pub web: Option<PathBuf>,
    /// Base models' folders: for counting tokens and estimating runs. The first is used where none is named.
    pub bases: Vec<PathBuf>,
    /// How uploads are served to trainers.
    pub uploads: UploadsConfig,
    /// Providers and trainers to fetch bundles from.
    pub providers: Vec<Multiaddr>,
    /// The account in whose name bundles are fetched.
    pub reader: Option<Keypair>,
}

/// Where uploads go.
#[derive(Clone, Debug)]
pub enum UploadsConfig {
    /// Into a store of the gateway's own, which it serves as a data provider.
    Own {
        /// Where to listen for trainers.
        listen: Vec<Multiaddr>,
        /// Most bytes of the store.
        quota: u64,
    },
    /// Into the inbox of a data provider that runs on this machine.
    Provider {
        /// Its store's folder.
        store: PathBuf,
    },
    /// Nowhere: files can be checked, not kept.
    Off,
}

//! The ModelFactory's gateway: what the chain finalised, searchable, and the doors to trainers, data and serving.
//!
//! ```text
//! node ----> index (SQL) ------> views ---> routes ---> pages, scripts
//! trainers -> runs, leaves ---------------/   |
//! files ---> samples ---> uploads (exchange) -+--> /v1: the serving API, as it is
//! ```
//! [`Studio::run`] is the whole of it. `openapi.json` beside the sources is the contract; a test holds the code to it.
//!
//! # Invariants
//! - The index follows from finalised blocks alone: rebuilt, it is equal, whatever killed it before (see [`index`]).
//! - No transaction is signed here, and no key of a user is ever seen. Claims come with proofs that were checked against the
//!   chain's root, and are sent by whoever owns them.
//! - What is kept of a contribution is its file; its commitment goes on chain from the browser, after the file is here.
//! - Nothing is believed that a trainer says about leaves until they make the root that the chain has, and nothing that an
//!   operator says until its proof leads to the epoch that the chain accepted.
//! - Servers that the chain names are asked only if they are on the public network, but for development chains.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod answers;
mod app;
mod bases;
mod bundles;
mod chain;
mod config;
mod db;
mod error;
mod estimate;
pub mod index;
mod live;
mod outbound;
mod pages;
mod proxy;
mod reach;
mod routes;
mod runs;
mod samples;
mod security;
mod trainers;
mod uploads;
mod views;

pub use config::{StudioConfig, UploadsConfig};
pub use db::{AddressError, Database, Db, DbError, WorkError};
pub use error::StudioError;
pub use index::{Index, IndexError};
pub use routes::OPENAPI;

use app::{App, Parts};
use bases::Bases;
use bundles::Bundles;
use chain::Constants;
use outbound::Outbound;
use reach::Reach;
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use trainers::Trainers;
use tributary_client::{ChainClient, ChainKind};
use uploads::Uploads;

/// The paths of the API, as the code has them.
pub fn paths() -> Vec<&'static str> {
    routes::table().into_iter().map(|(path, _)| path).collect()
}

/// The gateway.
#[derive(Debug)]
pub struct Studio;

impl Studio {
    /// Runs a gateway until `shutdown` is cancelled. `listening` gets the bound address once requests are answered; the
    /// index may be behind then, and says so.
    ///
    /// Errors: what keeps it from starting, and an index that can never go on.
    pub async fn run(
        config: StudioConfig,
        shutdown: CancellationToken,
        listening: impl FnOnce(SocketAddr),
    ) -> Result<(), StudioError> {
        let folder = config.data.clone();
        std::fs::create_dir_all(&folder).map_err(|source| StudioError::Folder { path: folder.clone(), source })?;
        let connecting = ChainClient::connect(&config.node);
        let Some(client) = shutdown.run_until_cancelled(connecting).await else { return Ok(()) };
        let client = client?;
        let index = Index::open(&config.database).await?;
        index.bind(&client).await?;
        let constants = Constants::read(&client).await?;
        let outbound = Outbound::new(Reach::Anywhere)?;
        // On a development chain everybody is on this machine.
        let is_live = *client.kind() == ChainKind::Live;
        let strangers = Outbound::new(if is_live { Reach::Public } else { Reach::Anywhere })?;
        let folders = config.bases.clone();
        let bases = tokio::task::spawn_blocking(move || Bases::read(&folders)).await??;
        let uploads = Uploads::open(&config.uploads, &folder, &client).await?;
        let bundles = Bundles::open(&folder, &client, config.reader.clone(), config.providers.clone()).await?;
        let trainers = Trainers::new(outbound.clone(), config.trainers.clone());

        let address = config.listen;
        let listen = |source| StudioError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let bound = listener.local_addr().map_err(listen)?;
        let watching = tokio::spawn(trainers.clone().watch(index.clone(), client.genesis().0, shutdown.clone()));
        let app = App::new(Parts {
            config,
            client: client.clone(),
            index: index.clone(),
            constants,
            trainers,
            outbound,
            strangers,
            bases,
            uploads: uploads.clone(),
            bundles,
        });
        let service = routes::router(app).into_make_service_with_connect_info::<SocketAddr>();
        listening(bound);
        let ended = tokio::select! {
            followed = index.follow(&client, &shutdown) => followed.map_err(StudioError::from),
            // Streams have no end of their own: what is open ends with the process.
            served = axum::serve(listener, service).into_future() => served.map_err(listen),
        };
        shutdown.cancel();
        watching.await?;
        uploads.stop().await;
        ended
    }
}

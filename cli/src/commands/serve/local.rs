//! Adapters on this machine, for nobody's money.

use super::{ADAPTER_DISK_BYTES, Base, LOADERS, ServeArgs, announce, folder_name, listen};
use crate::{commands::blocking, output::Output};
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use tributary_daemon::shutdown_on_signals;
use tributary_lora::WEIGHTS_FILE;
use tributary_serving::{
    AdapterDisk, EngineConfig, EngineThread,
    api::{Api, ApiLimits, FolderCatalogue, OpenTill, Server},
};

/// Serves until it is stopped.
pub async fn serve(args: ServeArgs, folders: Vec<PathBuf>, json: bool) -> anyhow::Result<Output> {
    let shutdown = shutdown_on_signals()?;
    let base_folder = args.base.folder()?;
    let (base, catalogue) = blocking(move || {
        let base = Base::load(&base_folder)?;
        let catalogue = catalogue(&base, &folders)?;
        anyhow::Ok((base, catalogue))
    })
    .await??;
    let copies = tempfile::Builder::new().prefix("tributary-serve-").tempdir()?;
    let disk = AdapterDisk::open(copies.path(), ADAPTER_DISK_BYTES, Box::new(catalogue.clone()))?;
    let Base { model, tokenizer, content, .. } = base;
    let engine = EngineThread::start(model.clone(), Some(tokenizer.clone()), disk, EngineConfig::default(), LOADERS)?;
    let listener = listen(args.listen).await?;
    let address = listener.local_addr()?;
    let names: Vec<String> =
        tributary_serving::Catalogue::list(&catalogue).iter().map(|served| served.id.clone()).collect();
    let lines = [
        format!("answering on http://{address}/v1 for whoever reaches it, without chain and money"),
        format!("models: {}", names.join(", ")),
    ];
    announce(json, &json!({ "address": address, "models": names }), &lines);
    let api = Api {
        engine: engine.clone(),
        model,
        tokenizer,
        base: content,
        catalogue: Arc::new(catalogue),
        till: Arc::new(OpenTill),
        jobs: None,
        limits: ApiLimits::default(),
        pages: Default::default(),
    };
    Server::new(api)?.serve(listener, shutdown).await?;
    engine.stop().await?;
    Ok(Output::default())
}

/// The base, and the adapters, called as their folders are. Blocks.
fn catalogue(base: &Base, folders: &[PathBuf]) -> anyhow::Result<FolderCatalogue> {
    let mut catalogue = FolderCatalogue::new(&base.name, base.template);
    for folder in folders {
        match folder.join(WEIGHTS_FILE).is_file() {
            true => catalogue.add(&folder_name(folder), folder)?,
            false => catalogue.add_all(folder)?,
        }
    }
    Ok(catalogue)
}

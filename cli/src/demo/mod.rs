//! `tributary demo`: the whole story on this machine, with real processes.
//!
//! A fresh one-validator chain, a data provider and two trainers run as processes of their own; the people of the story
//! are accounts of the development chain, and everything they do is a transaction. Nothing is simulated.

mod cast;
mod ending;
mod ledger;
mod material;
mod narrator;
mod processes;
mod staying;
mod story;
mod training;

use crate::{args::RecipeArgs, context::Context, output::Output};
use anyhow::Context as _;
use material::Material;
use narrator::Narrator;
use processes::Processes;
use std::{
    fs,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};
use story::Story;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How to play it.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Leave everything running at the end, and say how to use and how to stop it
    #[arg(long)]
    keep: bool,
    /// Folder of the ModelFactory's built pages (studio/web/dist), for --keep
    #[arg(long, value_name = "DIR", requires = "keep")]
    web: Option<PathBuf>,
    /// Hugging Face folder of another base model (a family of docs/models.md) than the embedded one
    #[arg(long, value_name = "DIR")]
    base: Option<PathBuf>,
    /// JSONL files of your own instead of the embedded ones; three contributors submit them in turn
    #[arg(long, value_name = "FILE", num_args = 1..)]
    data: Vec<PathBuf>,
    /// The node's program; looked for beside this one, then on the path
    #[arg(long, value_name = "FILE")]
    node_binary: Option<PathBuf>,
    /// Folder for chain, logs and results, made if absent; a temporary one if left out
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    #[command(flatten)]
    recipe: RecipeArgs,
}

/// Plays the story. Whatever happens, no process is left behind unless that was asked for.
pub async fn run(args: Args, context: &Context) -> anyhow::Result<Output> {
    let keep = args.keep;
    let node_binary = processes::node_binary(args.node_binary.as_deref())?;
    let (base, data, recipe) = (args.base, args.data, args.recipe);
    let material = crate::commands::blocking(move || Material::collect(base.as_deref(), &data, &recipe)).await??;
    let folder = match args.folder {
        Some(folder) => folder,
        None => temporary_folder(),
    };
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    // The processes are told absolute paths.
    let folder = folder.canonicalize()?;
    anyhow::ensure!(
        !folder.join("chain").exists(),
        "{} holds a chain already\nhint: choose another folder",
        folder.display()
    );

    let processes = Processes::new(folder.clone());
    let narrator = Narrator::new(context.json());
    let mut interruption = Interruption::new()?;
    let mut story = Story::new(&folder, node_binary, material, processes, narrator);
    let played = async {
        let ending = story.play().await?;
        let staying = if keep { Some(story.stay(&ending, args.web.as_deref()).await?) } else { None };
        anyhow::Ok((ending, staying))
    };
    let played = tokio::select! {
        played = played => played,
        name = interruption.wait() => Err(anyhow::anyhow!("stopped by {name}")),
    };
    match played {
        Ok((ending, Some(staying))) => {
            let guide = story.guide(&ending, &staying)?;
            story.into_processes().leave_running()?;
            Ok(ending.output(context.json()).and(guide))
        }
        Ok((ending, None)) => {
            drop(story);
            // The folder is in the way, no more: that it stays is no failure of the story.
            let _ = fs::remove_dir_all(&folder);
            Ok(ending.output(context.json()))
        }
        Err(error) => {
            let logs = story.into_processes().log_tails();
            eprintln!("{logs}\nlogs and everything else: {}", folder.display());
            Err(error)
        }
    }
}

fn temporary_folder() -> PathBuf {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map(|time| time.as_secs()).unwrap_or_default();
    std::env::temp_dir().join(format!("tributary-demo-{seconds}-{}", std::process::id()))
}

/// The signals by which people and systems end a program.
struct Interruption {
    signals: [(&'static str, Signal); 3],
}

impl Interruption {
    fn new() -> anyhow::Result<Self> {
        Ok(Self {
            signals: [
                ("SIGINT", signal(SignalKind::interrupt())?),
                ("SIGTERM", signal(SignalKind::terminate())?),
                ("SIGHUP", signal(SignalKind::hangup())?),
            ],
        })
    }

    async fn wait(&mut self) -> &'static str {
        let [(first, interrupt), (second, terminate), (third, hangup)] = &mut self.signals;
        tokio::select! {
            _ = interrupt.recv() => first,
            _ = terminate.recv() => second,
            _ = hangup.recv() => third,
        }
    }
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

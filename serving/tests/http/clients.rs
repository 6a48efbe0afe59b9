//! Programs that this project did not write, unmodified, against a server with a real model and a real adapter.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tributary_lora::{Model, Tokenizer, base_model_hash};
use tributary_protocol::recipe::Template;
use tributary_serving::api::{Api, ApiLimits, FolderCatalogue, OpenTill, Server};
use tributary_serving::{AdapterDisk, EngineConfig, EngineThread};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A server over stories260K and an adapter that PEFT trained; `None` without the fixtures.
struct Running {
    url: String,
    shutdown: CancellationToken,
    serving: tokio::task::JoinHandle<std::io::Result<()>>,
    _cache: TempDir,
}

async fn start() -> Option<Running> {
    let fixtures = repository().parent()?.join("shared/fixtures");
    let (base, adapter) = (fixtures.join("stories260K/hf"), fixtures.join("golden-stories260K/lora"));
    if !base.is_dir() || !adapter.is_dir() {
        eprintln!("skipped: no fixtures");
        return None;
    }
    let model = Arc::new(Model::load(&base, &candle_core::Device::Cpu).unwrap());
    let tokenizer = Arc::new(Tokenizer::from_dir(&base, model.config()).unwrap());
    let mut catalogue = FolderCatalogue::new("stories", Template::Plain);
    catalogue.add("lora", &adapter).unwrap();
    let cache = tempfile::tempdir().unwrap();
    let disk = AdapterDisk::open(cache.path(), u64::MAX, Box::new(catalogue.clone())).unwrap();
    let config = EngineConfig { kv_bytes: 1 << 26, adapter_bytes: 1 << 26, ..EngineConfig::default() };
    let engine = EngineThread::start(model.clone(), Some(tokenizer.clone()), disk, config, 1).unwrap();
    let api = Api {
        engine,
        model,
        tokenizer,
        base: base_model_hash(&base).unwrap(),
        catalogue: Arc::new(catalogue),
        till: Arc::new(OpenTill),
        jobs: None,
        limits: ApiLimits::default(),
        pages: Default::default(),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(Server::new(api).unwrap().serve(listener, shutdown.clone()));
    Some(Running { url, shutdown, serving, _cache: cache })
}

impl Running {
    /// Runs a program beside the server, which has to survive it.
    async fn check(self, mut program: Command) {
        let output = tokio::task::spawn_blocking(move || program.output().unwrap()).await.unwrap();
        assert!(output.status.success(), "{}", told(&output));
        self.shutdown.cancel();
        self.serving.await.unwrap().unwrap();
    }
}

fn told(output: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn folder(name: &str) -> PathBuf {
    repository().join("tests/clients").join(name)
}

/// Runs what installs something; says what is missing if it cannot.
fn install(program: &mut Command) -> Option<()> {
    match program.output() {
        Ok(output) if output.status.success() => Some(()),
        Ok(output) => {
            eprintln!("skipped: {program:?} failed: {}", told(&output));
            None
        }
        Err(error) => {
            eprintln!("skipped: cannot run {program:?}: {error}");
            None
        }
    }
}

/// A folder's virtual environment with what its `requirements.txt` names.
fn python(name: &str) -> Option<PathBuf> {
    let home = PathBuf::from(std::env::var_os("HOME")?);
    let environment = home.join(".cache/tributary/clients").join(name);
    let bin = environment.join("bin");
    if !bin.join("python").is_file() {
        install(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
    }
    let requirements = folder(name).join("requirements.txt");
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
    install(Command::new(bin.join("python")).args(pip).arg(requirements))?;
    Some(bin)
}

async fn python_script(name: &str) {
    let (Some(bin), Some(server)) = (python(name), start().await) else { return };
    let mut program = Command::new(bin.join("python"));
    program.arg(folder(name).join("check.py")).arg(&server.url);
    server.check(program).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openai_python() {
    python_script("openai-python").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn langchain() {
    python_script("langchain").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openai_node() {
    let folder = folder("openai-node");
    if !folder.join("node_modules").is_dir()
        && install(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&folder)).is_none()
    {
        return;
    }
    let Some(server) = start().await else { return };
    let mut program = Command::new("node");
    program.arg("check.mjs").arg(&server.url).current_dir(&folder);
    server.check(program).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn schemathesis() {
    let (Some(bin), Some(server)) = (python("schemathesis"), start().await) else { return };
    let mut program = Command::new(bin.join("schemathesis"));
    program.current_dir(folder("schemathesis")).env("SCHEMATHESIS_HOOKS", "hooks");
    program.args(["run", "--seed", "1", "--max-examples", "60", "--no-color", "--checks", "all"]);
    // Nobody has models trained here, which these say with 501.
    program.args(["--exclude-path-regex", "^/v1/(files|fine_tuning)"]);
    program.arg(format!("{}/openapi.json", server.url));
    server.check(program).await;
}

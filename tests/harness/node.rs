use crate::{binary, free_port, http::ask};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::{
    fs::File,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// How long a node may take to answer its first call: it compiles its runtime first, for a minute on a busy machine.
const START_TIMEOUT: Duration = Duration::from_secs(180);

/// A one-validator development chain in a folder of its own.
pub struct Node {
    folder: TempDir,
    rpc_port: u16,
    process: Child,
}

impl Node {
    /// Starts a fresh chain and waits until it answers.
    pub fn start() -> Result<Self> {
        let folder = TempDir::new()?;
        let rpc_port = free_port()?;
        let process = spawn(folder.path(), rpc_port)?;
        let mut node = Self { folder, rpc_port, process };
        node.wait_until_up()?;
        Ok(node)
    }

    /// The WebSocket address of its JSON-RPC.
    pub fn url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.rpc_port)
    }

    /// Kills the process, as a power cut would.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    /// Starts it again on the same folder and port.
    pub fn restart(&mut self) -> Result<()> {
        self.process = spawn(self.folder.path(), self.rpc_port)?;
        self.wait_until_up()
    }

    /// One JSON-RPC call over HTTP. Returns the `result`, or the whole `error` object as the error's text.
    pub fn call(&self, method: &str, params: Value) -> Result<Value> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let request = format!(
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        let value = ask(self.rpc_port, &request)?;
        match value.get("result") {
            Some(result) => Ok(result.clone()),
            None => bail!("{}", value.get("error").unwrap_or(&value)),
        }
    }

    fn wait_until_up(&mut self) -> Result<()> {
        let start = Instant::now();
        loop {
            if self.call("system_health", json!([])).is_ok() {
                return Ok(());
            }
            if let Some(status) = self.process.try_wait()? {
                bail!("the node ended with {status}:\n{}", self.log_tail());
            }
            if start.elapsed() > START_TIMEOUT {
                bail!("the node does not answer:\n{}", self.log_tail());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn log_tail(&self) -> String {
        let log = std::fs::read_to_string(self.folder.path().join("node.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(20).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Already ended is as good as ended now.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(folder: &Path, rpc_port: u16) -> Result<Child> {
    let log = File::options().create(true).append(true).open(folder.join("node.log"))?;
    Command::new(binary("tributary-node")?)
        .args(["--dev", "--no-prometheus", "--no-telemetry", "--no-mdns"])
        .arg("--base-path")
        .arg(folder.join("chain"))
        .arg(format!("--rpc-port={rpc_port}"))
        .arg(format!("--port={}", free_port()?))
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .context("the node does not start")
}

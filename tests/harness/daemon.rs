use crate::binary;
use anyhow::{Context, Result};
use std::{
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// Lines of a log that a failed test shows.
const TAIL_LINES: usize = 20;

/// A `tributary` process that runs until its owner lets go of it: a trainer, a data provider.
pub struct Daemon {
    name: &'static str,
    log: PathBuf,
    process: Child,
}

impl Daemon {
    /// Starts `tributary ARGUMENTS`; what it says goes to `FOLDER/NAME.log`.
    pub fn start<S: AsRef<OsStr>>(
        name: &'static str,
        folder: &Path,
        arguments: impl IntoIterator<Item = S>,
    ) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let output = File::create(&log)?;
        let process = Command::new(binary("tributary")?)
            .args(arguments)
            // The tests' models are so small that a second thread costs more than it brings.
            .env("RAYON_NUM_THREADS", "1")
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("the {name} does not start"))?;
        Ok(Self { name, log, process })
    }

    /// Whether the process that was started still runs.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.process.try_wait()?.is_none())
    }

    /// Its name and the end of its log, for people.
    pub fn log_tail(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines.get(lines.len().saturating_sub(TAIL_LINES)..).unwrap_or_default();
        format!("--- {}\n{}", self.name, tail.join("\n"))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Already ended is as good as ended now.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

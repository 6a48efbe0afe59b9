//! Progress on standard error: a bar or a spinner where a person looks on, plain lines where nobody does.

use indicatif::{ProgressBar, ProgressStyle};
use std::{
    io::IsTerminal,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// How often a spinner turns.
const TICK: Duration = Duration::from_millis(120);
/// Parts of the whole between two plain lines.
const PLAIN_LINES: u64 = 4;

/// Something that takes a while. Vanishes when dropped.
pub struct Task {
    name: String,
    bar: Option<ProgressBar>,
    total: u64,
    /// The last quarter that a plain line was written for.
    reported: AtomicU64,
}

impl Task {
    /// Work of unknown length.
    pub fn spinner(name: impl Into<String>) -> Self {
        Self::start(name.into(), 0, "{spinner} {msg} {elapsed}")
    }

    /// Work of `total` steps.
    pub fn steps(name: impl Into<String>, total: u64) -> Self {
        Self::start(name.into(), total, "{spinner} {msg} [{bar:30}] {pos}/{len} {elapsed}")
    }

    /// Work of `total` bytes.
    pub fn bytes(name: impl Into<String>, total: u64) -> Self {
        Self::start(name.into(), total, "{spinner} {msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec}")
    }

    /// A spinner that says nothing where nobody looks on: for work that is announced otherwise.
    pub fn quiet(name: &str) -> Self {
        if std::io::stderr().is_terminal() {
            Self::spinner(name)
        } else {
            Self { name: name.to_owned(), bar: None, total: 0, reported: AtomicU64::new(0) }
        }
    }

    fn start(name: String, total: u64, style: &str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = if total == 0 { ProgressBar::new_spinner() } else { ProgressBar::new(total) };
            bar.set_style(ProgressStyle::with_template(style).expect("the style is one of three constants"));
            bar.set_message(name.clone());
            bar.enable_steady_tick(TICK);
            bar
        });
        if bar.is_none() {
            eprintln!("{name} ...");
        }
        Self { name, bar, total, reported: AtomicU64::new(0) }
    }

    /// So many steps or bytes are done.
    pub fn set(&self, done: u64) {
        match &self.bar {
            Some(bar) => bar.set_position(done),
            None if self.total > 0 => {
                let quarter = done.saturating_mul(PLAIN_LINES) / self.total;
                if self.reported.fetch_max(quarter, Ordering::Relaxed) < quarter {
                    eprintln!("{}: {done} of {}", self.name, self.total);
                }
            }
            None => {}
        }
    }

    /// The whole is known only now, or has changed.
    pub fn set_total(&mut self, total: u64) {
        self.total = total;
        if let Some(bar) = &self.bar {
            bar.set_length(total);
        }
    }

    /// What is being done now.
    pub fn note(&self, note: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{}: {note}", self.name));
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

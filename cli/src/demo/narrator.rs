//! The story's voice: numbered steps, each with what happened in it and how long it took.

use crate::progress::Task;
use std::time::{Duration, Instant};

/// Tells the story on standard output, or on standard error where programs read the output.
pub struct Narrator {
    aside: bool,
    started: Instant,
    step: u32,
    step_started: Option<Instant>,
}

impl Narrator {
    /// A narrator; `aside` keeps standard output free.
    pub fn new(aside: bool) -> Self {
        Self { aside, started: Instant::now(), step: 0, step_started: None }
    }

    /// Begins the next step. The bar that it returns turns until it is dropped.
    pub fn step(&mut self, title: &str) -> Task {
        self.finish_step();
        self.step += 1;
        self.step_started = Some(Instant::now());
        self.say(&format!("\n{:>2}. {title}", self.step));
        Task::quiet("working")
    }

    /// Says what happened.
    pub fn tell(&self, text: &str) {
        for line in text.lines() {
            self.say(&format!("    {line}"));
        }
    }

    /// Ends the last step.
    pub fn finish_step(&mut self) {
        if let Some(started) = self.step_started.take() {
            self.say(&format!("    ({:.1} s)", started.elapsed().as_secs_f64()));
        }
    }

    /// How long the story has taken so far.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn say(&self, text: &str) {
        if self.aside { eprintln!("{text}") } else { crate::output::line(text) }
    }
}

//! Training data: real files and chat templates, damaged files, and what is trained of them.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod check;
mod files;
mod templates;
mod tokenizers;

use std::path::{Path, PathBuf};
use tributary_lora::data::{Conversation, Role, Turn};

/// The folder of a fixture; `None` (and a line that says so) where the fixtures are absent.
fn fixture(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("TRIBUTARY_FIXTURES")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures"), PathBuf::from);
    let folder = root.join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no fixtures");
    None
}

fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Turns of user and assistant in alternation; a system turn first, if `system` is given.
fn talk(system: Option<&str>, texts: &[&str]) -> Conversation {
    let role = |index| if index % 2 == 0 { Role::User } else { Role::Assistant };
    let mut turns: Vec<Turn> = system.map(|text| Turn::new(Role::System, text)).into_iter().collect();
    turns.extend(texts.iter().enumerate().map(|(index, text)| Turn::new(role(index), *text)));
    Conversation::new(turns).unwrap()
}

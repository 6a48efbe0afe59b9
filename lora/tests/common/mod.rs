//! What several test binaries share.

use std::path::{Path, PathBuf};

/// The folder of a fixture; `None` (and a line that says so) where the fixtures are absent.
pub fn fixture(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("TRIBUTARY_FIXTURES")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures"), PathBuf::from);
    let folder = root.join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no fixture {name}");
    None
}

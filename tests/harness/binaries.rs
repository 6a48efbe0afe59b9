use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};

/// The repository's root.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests folder lies in the repository")
}

/// The fixtures folder, where there is one. A test that needs it prints "skipped: no fixtures" and returns otherwise.
pub fn fixtures() -> Option<PathBuf> {
    let path = std::env::var_os("TRIBUTARY_FIXTURES")
        .map(PathBuf::from)
        .unwrap_or_else(|| repository().join("../shared/fixtures"));
    path.is_dir().then_some(path)
}

/// A binary of this workspace, built beside the running test.
pub fn binary(name: &str) -> Result<PathBuf> {
    let test = std::env::current_exe().context("the test has no path")?;
    let folder = test.parent().and_then(Path::parent).context("the test lies in target/PROFILE/deps")?;
    let path = folder.join(name);
    ensure!(path.is_file(), "{} is missing; hint: scripts/build", path.display());
    Ok(path)
}

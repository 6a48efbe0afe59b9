//! Writes this runtime's metadata, version 15 with the runtime APIs, as clients pin it. `scripts/metadata` runs it.

use std::{env, fs, process::ExitCode};

fn main() -> ExitCode {
    let Some(path) = env::args_os().nth(1) else {
        eprintln!("usage: metadata FILE");
        return ExitCode::FAILURE;
    };
    let Some(metadata) = tributary_runtime::Runtime::metadata_at_version(15) else {
        eprintln!("error: the runtime has no metadata of version 15");
        return ExitCode::FAILURE;
    };
    match fs::write(&path, &*metadata) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: cannot write {}: {error}", path.display());
            ExitCode::FAILURE
        }
    }
}

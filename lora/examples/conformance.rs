//! Says whether this build computes as `det-f32-v1` says:
//! `cargo run --release -p tributary-lora --example conformance [-- write]`
//!
//! With `write` it writes what it computes to `lora/vectors` instead and prints the hash, which belongs into the constant
//! `CONFORMANCE`. That makes a new profile: once one is in use, only under another name.

use std::time::Instant;
use tributary_lora::{Arithmetic, conformance, conformance_vectors};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if std::env::args().nth(1).as_deref() == Some("write") {
        let (text, hash) = conformance_vectors()?;
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/det-f32-v1.json");
        std::fs::write(&path, text)?;
        println!("wrote {}: {hash}", path.display());
        return Ok(());
    }
    Arithmetic::DetF32V1.check()?;
    let started = Instant::now();
    let hash = conformance()?;
    println!("conformance {hash} in {:.0} ms", started.elapsed().as_secs_f64() * 1e3);
    Ok(())
}

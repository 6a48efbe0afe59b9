//! Makes the embedded base model: `cargo run --release -p tributary-lora --example pretrain -- DIR [RECIPE.json]`.
//!
//! What `tributary pretrain` does, without the rest of the program. A run that was stopped goes on from its checkpoint. With
//! `--show COUNT` in place of the folder, that many documents of the corpus are printed.

use std::path::PathBuf;
use std::time::Instant;
use tributary_lora::pretrain::{PretrainProgress, Recipe, documents, pretrain};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next().ok_or("which folder shall the model be written to?")?;
    if first == "--show" {
        let count = arguments.next().as_deref().unwrap_or("10").parse()?;
        documents(Recipe::default().seed, count).iter().for_each(|document| println!("{document}\n--"));
        return Ok(());
    }
    let dir = PathBuf::from(first);
    std::fs::create_dir_all(&dir)?;
    let recipe = match arguments.next() {
        Some(path) => serde_json::from_slice(&std::fs::read(path)?)?,
        None => Recipe::default(),
    };
    let (started, mut since, mut tokens) = (Instant::now(), Instant::now(), 0);
    let report = pretrain(&recipe, &dir, |progress| match progress {
        PretrainProgress::Step { metrics, steps } => {
            tokens += metrics.tokens;
            if metrics.step % 20 == 0 {
                println!(
                    "{:>6.0} s  step {}/{steps}  loss {:.4}  gradient norm {:.3}  rate {:.2e}  {:.0} tokens/s",
                    started.elapsed().as_secs_f32(),
                    metrics.step,
                    metrics.loss,
                    metrics.gradient_norm,
                    metrics.learning_rate,
                    tokens as f32 / since.elapsed().as_secs_f32(),
                );
                (since, tokens) = (Instant::now(), 0);
            }
        }
        other => println!("{:>6.0} s  {other:?}", started.elapsed().as_secs_f32()),
    })?;
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(())
}

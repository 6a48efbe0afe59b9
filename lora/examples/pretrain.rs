//! Makes the embedded base model: `cargo run --release -p tributary-lora --example pretrain -- DIR [DOCUMENTS]`.

use std::path::PathBuf;
use tributary_lora::pretrain::{PretrainProgress, Recipe, pretrain};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = PathBuf::from(arguments.next().ok_or("which folder shall the model be written to?")?);
    let mut recipe = Recipe::default();
    if let Some(documents) = arguments.next() {
        recipe.documents = documents.parse()?;
    }
    let started = std::time::Instant::now();
    let report = pretrain(&recipe, &dir, |progress| match progress {
        PretrainProgress::Step { metrics, steps } if metrics.step % 20 == 0 => println!(
            "{:>6.0} s  step {}/{steps}  loss {:.4}  gradient norm {:.3}  rate {:.2e}",
            started.elapsed().as_secs_f32(),
            metrics.step,
            metrics.loss,
            metrics.gradient_norm,
            metrics.learning_rate
        ),
        PretrainProgress::Step { .. } => {}
        other => println!("{:>6.0} s  {other:?}", started.elapsed().as_secs_f32()),
    })?;
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(())
}

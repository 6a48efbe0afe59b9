//! Measures the conversation of an embedded base model, or talks with it:
//! `cargo run --release -p tributary-lora --example converse -- DIR [--adapter ADAPTER_DIR] [LINE..]`.
//!
//! With lines, they are what the user says, one after the other; without, the held-out questions are asked and counted.

use candle_core::Device;
use std::path::PathBuf;
use tributary_lora::data::ChatTemplate;
use tributary_lora::pretrain::{Recipe, converse, measure};
use tributary_lora::{Adapter, Model, Tokenizer};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = PathBuf::from(arguments.next().ok_or("which model folder?")?);
    let mut lines: Vec<String> = arguments.collect();
    let model = Model::load(&dir, &Device::Cpu)?;
    let tokenizer = Tokenizer::from_dir(&dir, model.config())?;
    let template = ChatTemplate::from_dir(&dir)?.ok_or("the model has no chat template")?;
    let adapter = match lines.first().map(String::as_str) {
        Some("--adapter") if lines.len() > 1 => {
            let folder = PathBuf::from(lines.drain(..2).nth(1).unwrap_or_default());
            Some(Adapter::load(&folder, &model)?)
        }
        _ => None,
    };
    if !lines.is_empty() {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        for turn in converse(&model, adapter.as_ref(), &tokenizer, &template, &lines)? {
            println!("{:>9}: {}", turn.role.name(), turn.text);
        }
        return Ok(());
    }
    let found = measure(&model, adapter.as_ref(), &tokenizer, &template, Recipe::default().seed)?;
    for (asked, answer, is_right) in &found.transcript {
        println!("{} {asked} -> {answer}", if *is_right { "+" } else { "-" });
    }
    for score in &found.scores {
        println!("{:<40} {:>3} of {}", score.group, score.right, score.asked);
    }
    println!("{:<40} {:>3} of {}", "ended by the model itself", found.ended, found.answers);
    println!("{:<40} {:>3} of {}", "sentences of known words", found.sentences, found.answers);
    Ok(())
}

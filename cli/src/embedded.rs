//! What the binary carries with it: the base model `tributary-tiny` and the demonstration's data.

use anyhow::Context as _;
use std::{
    env, fs,
    path::{Path, PathBuf},
};

macro_rules! model_file {
    ($name:literal) => {
        ($name, include_bytes!(concat!("../../models/tributary-tiny/", $name)).as_slice())
    };
}

/// The base model's name on a chain.
pub const BASE_NAME: &str = "tributary-tiny";
/// Its licence.
pub const BASE_LICENCE: &str = "Apache-2.0";

/// The base model's folder.
const BASE: [(&str, &[u8]); 5] = [
    model_file!("config.json"),
    model_file!("model.safetensors"),
    model_file!("tokenizer.json"),
    model_file!("tokenizer_config.json"),
    model_file!("RECIPE.json"),
];

/// The demonstration's contributions: a name, and its JSON lines.
pub const GOOD: [(&str, &str); 3] = [
    ("harbour-a.jsonl", include_str!("../demo-data/harbour-a.jsonl")),
    ("harbour-b.jsonl", include_str!("../demo-data/harbour-b.jsonl")),
    ("harbour-c.jsonl", include_str!("../demo-data/harbour-c.jsonl")),
];
/// A contribution that no curator should accept.
pub const BAD: (&str, &str) = ("bad.jsonl", include_str!("../demo-data/bad.jsonl"));
/// Questions whose answers are in the good contributions, in other words than there.
pub const QUESTIONS: &str = include_str!("../demo-data/questions.jsonl");

/// Writes the embedded base model to the user's cache folder, unless it is there, and returns its folder.
///
/// The folder's name holds the hash of the files, so that two versions of the program do not disturb each other.
pub fn base_model() -> anyhow::Result<PathBuf> {
    let mut hash = blake3::Hasher::new();
    for (name, content) in BASE {
        hash.update(name.as_bytes()).update(blake3::hash(content).as_bytes());
    }
    let mark: String = hash.finalize().to_hex().chars().take(16).collect();
    let folder = cache_folder().join(format!("{BASE_NAME}-{mark}"));
    write_base_model(&folder)?;
    Ok(folder)
}

/// Writes the embedded base model to `folder`. Files that are there already with the right size are left alone.
pub fn write_base_model(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for (name, content) in BASE {
        let path = folder.join(name);
        if fs::metadata(&path).is_ok_and(|facts| facts.len() == content.len() as u64) {
            continue;
        }
        // Another process may do the same now: each writes a file of its own and renames it.
        let half = folder.join(format!(".{name}.{}", std::process::id()));
        fs::write(&half, content)
            .and_then(|()| fs::rename(&half, &path))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn cache_folder() -> PathBuf {
    let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let base = env::var_os("XDG_CACHE_HOME").filter(|path| !path.is_empty()).map(PathBuf::from).or_else(home);
    base.unwrap_or_else(env::temp_dir).join("tributary")
}

/// A question and the short answer that must be in the model's.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// What is asked.
    pub question: String,
    /// What the answer must contain.
    pub expected: String,
}

/// Reads questions: one JSON object with `question` and `expected` a line.
pub fn questions(text: &str) -> anyhow::Result<Vec<Question>> {
    text.lines()
        .enumerate()
        .map(|(line, text)| serde_json::from_str(text).with_context(|| format!("line {} is no question", line + 1)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_protocol::sample::{Limits, ParsedSamples};

    #[test]
    fn the_data_parses_and_no_question_stands_in_it() {
        let questions = questions(QUESTIONS).unwrap();
        assert_eq!(questions.len(), 10);
        let mut prompts = Vec::new();
        for (name, text) in GOOD.into_iter().chain([BAD]) {
            let samples =
                ParsedSamples::parse(text.as_bytes(), &Limits::DEFAULT).unwrap_or_else(|e| panic!("{name}: {e}"));
            if name != BAD.0 {
                prompts.extend(samples.into_lines().into_iter().map(|line| line.sample().prompt.clone()));
            }
        }
        assert!(questions.iter().all(|question| !prompts.contains(&question.question)));
    }

    #[test]
    fn the_base_model_loads_from_any_folder_and_stays_small() {
        let folder = tempfile::tempdir().unwrap();
        write_base_model(folder.path()).unwrap();
        write_base_model(folder.path()).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), BASE.len());
        tributary_lora::base_model_hash(folder.path()).unwrap();
        let bytes: usize = BASE.iter().map(|(_, content)| content.len()).sum();
        assert!(bytes <= 6_000_000, "{bytes}");
    }
}

//! A file as a run would read it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use tributary_daemon::{Recipe, contribution_of};
use tributary_lora::data::{CheckConfig, Encoder, Findings, check, read_file};
use tributary_lora::{Model, Tokenizer};
use tributary_protocol::sample::{Limits, ParsedSamples};

/// How many wrong lines an error quotes.
const QUOTED: usize = 5;

/// Reads files for one base model.
#[derive(Clone)]
pub struct Reader {
    model: Arc<Model>,
    tokenizer: Arc<Tokenizer>,
}

/// What a job trains on.
pub struct Material {
    /// The samples, as the chain commits to them.
    pub samples: ParsedSamples,
    /// Tokens of a pass over them.
    pub tokens: u64,
}

impl Reader {
    /// For this base.
    pub fn new(model: Arc<Model>, tokenizer: Arc<Tokenizer>) -> Self {
        Self { model, tokenizer }
    }

    /// Reads a file by the same rules as `tributary data check`, and as the trainer will. Blocks.
    ///
    /// Errors: what is wrong with it, with its lines.
    pub fn read(&self, path: &Path, recipe: &Recipe) -> Result<Material, String> {
        // The file lies in a folder that means nothing to whoever sent it.
        let folder = path.parent().map(|folder| format!("{}/", folder.display())).unwrap_or_default();
        let plain = |text: String| if folder.is_empty() { text } else { text.replace(&folder, "") };
        let encoder =
            Encoder::new(&self.tokenizer, &recipe.data(self.model.config())).map_err(|error| error.to_string())?;
        let config = CheckConfig {
            validation_ppm: recipe.hyperparameters.validation.parts(),
            previews: 0,
            ..CheckConfig::default()
        };
        let checked = check(&[PathBuf::from(path)], &encoder, &config).map_err(|error| plain(error.to_string()))?;
        let report = checked.report();
        if report.refused.total > 0 {
            return Err(quoted(&report.refused, report.rows));
        }
        checked.verdict().map_err(|error| plain(error.to_string()))?;
        let form = report.files.first().and_then(|file| file.form).ok_or("the file has no rows")?;
        let rows = read_file(path, None, &Limits::DEFAULT).map_err(|error| plain(error.to_string()))?;
        let accepted = contribution_of(&rows.rows, form).map_err(|error| error.to_string())?;
        Ok(Material { samples: accepted.samples, tokens: report.tokens as u64 })
    }
}

/// The first wrong rows, each with its line.
fn quoted(refused: &Findings, rows: usize) -> String {
    let first: Vec<String> =
        refused.first.iter().take(QUOTED).map(|finding| format!("{}: {}", finding.place, finding.what)).collect();
    let more = match refused.total - first.len() {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    format!("{} of {rows} rows are refused: {}{more}", refused.total, first.join("; "))
}

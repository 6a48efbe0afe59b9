//! How files of training data are read: the same options for a check and for a run.

use clap::Args;
use tributary_lora::data::{CheckConfig, FileFormat, Mapping, RowForm};

/// How files hold their rows.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Reading")]
pub struct ReadingArgs {
    /// How the files hold their rows: jsonl, json, csv, tsv, parquet; detected if left out
    #[arg(long, value_name = "FORMAT", value_parser = |name: &str| named(&FileFormat::NAMES, name))]
    pub format: Option<FileFormat>,
    /// What the columns mean: messages, sharegpt, alpaca, prompt; detected if left out
    #[arg(long, value_name = "FORM", value_parser = |name: &str| named(&RowForm::NAMES, name))]
    pub rows: Option<RowForm>,
    /// Columns of other names, such as prompt=question,completion=answer
    #[arg(long, value_name = "FIELD=COLUMN,...", default_value = "")]
    pub map: Mapping,
}

impl ReadingArgs {
    /// The settings of a check that reads so.
    pub fn config(&self) -> CheckConfig {
        CheckConfig { file_format: self.format, form: self.rows, mapping: self.map.clone(), ..CheckConfig::default() }
    }
}

/// The value of a name.
pub fn named<T: Copy>(names: &[(&str, T)], name: &str) -> Result<T, String> {
    let found = names.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    found.ok_or_else(|| {
        let names: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
        format!("accepted: {}", names.join(", "))
    })
}

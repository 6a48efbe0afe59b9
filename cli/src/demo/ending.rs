//! How the story ends: what is shown, and what can be done with what is left running.

use super::{
    ledger::Ledger,
    processes::stop_script,
    quoted,
    staying::Staying,
    story::{Story, own_program},
};
use crate::{
    output::{Output, Record as _, fields},
    views,
};
use serde_json::json;
use std::path::PathBuf;
use tributary_protocol::{JobId, ModelId};

/// How it ended.
pub struct Ending {
    pub(super) model: ModelId,
    pub(super) job: JobId,
    pub(super) adapter_folder: PathBuf,
    pub(super) record: views::ModelView,
    pub(super) lineage: views::LineageView,
    pub(super) before: Ledger,
    pub(super) after: Ledger,
    pub(super) answers: (String, String),
    pub(super) score: Option<(usize, usize, usize)>,
    pub(super) seconds: f64,
    pub(super) prompt: String,
    pub(super) provider: String,
    pub(super) trainer_http: String,
    pub(super) trainer_exchange: String,
}

impl Ending {
    /// The ending in both forms.
    pub fn output(&self, json: bool) -> Output {
        let (base, tuned) = &self.answers;
        let value = json!({
            "model": self.record,
            "lineage": self.lineage,
            "before": self.before,
            "after": self.after,
            "prompt": self.prompt,
            "answers": { "base": base, "tuned": tuned },
            "score": self.score.map(|(base, tuned, all)| json!({ "base": base, "tuned": tuned, "questions": all })),
            "seconds": self.seconds,
        });
        if json {
            return Output::new(value, "");
        }
        let sections = [
            format!("Balances in TRIB, before and after:\n{}", self.after.since(&self.before)),
            format!("All the money there is, before and after: {}", self.after.issuance()),
            format!("The model's record:\n{}", fields(&self.record.fields())),
            format!("Its lineage:\n{}", self.lineage.tree()),
            format!("The story took {:.0} s.", self.seconds),
        ];
        Output::new(value, format!("\n{}", sections.join("\n\n")))
    }
}

impl Story {
    /// What a person can do with what is left running.
    pub fn guide(&self, ending: &Ending, staying: &Staying) -> anyhow::Result<String> {
        let own = own_program()?;
        let run = format!("{} --node {}", quoted(&own), self.node_url);
        Ok(format!(
            "\nEverything is still running. Files and logs: {folder}\n\
             \n  The ModelFactory: {studio}\n\
             \n  curl {api}/chat/completions -H 'authorization: Bearer {key}' -H 'content-type: application/json' \\\
             \n    -d '{{\"model\": \"{name}\", \"messages\": [{{\"role\": \"user\", \"content\": {prompt}}}], \"temperature\": 0}}'\n\
             \nThe accounts are development keys: --dev-account Owner, Curator, Ada, Ben, Cem, Requester, TrainerTwo, Buyer, ...\n\
             \n  {run} job show {job}\
             \n  {run} model lineage {model}\
             \n  {run} account balance --dev-account Ada\
             \n  {run} reward fund {model} 50 --dev-account Buyer\
             \n  {run} reward claim {model} --dev-account Ada --shares {http}/jobs/{job}/shares\
             \n  {run} channel open 5 --operator {operator} --dev-account Buyer\
             \n  {run} ask {prompt} --model {model} --dev-account Buyer\
             \n  {run} attribution verify {job} --dev-account Owner --base {base} --bundle {bundle} --provider {provider}\
             \n  {program} model chat --base {base} --adapter {adapter}\
             \n\nStop everything: {stop}",
            folder = quoted(&self.folder),
            studio = staying.studio,
            api = staying.api,
            key = staying.key,
            operator = staying.operator,
            name = staying.model,
            prompt = serde_json::Value::from(ending.prompt.as_str()),
            job = ending.job,
            model = ending.model,
            http = ending.trainer_http,
            provider = ending.provider,
            base = quoted(&self.material.base),
            bundle = quoted(&self.bundle_file()),
            adapter = quoted(&ending.adapter_folder),
            program = quoted(&own),
            stop = quoted(&stop_script(&self.folder)),
        ))
    }
}

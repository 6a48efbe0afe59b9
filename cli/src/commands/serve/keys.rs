//! `tributary serve keys`.

use crate::amounts::Money;
use crate::output::{Output, Record};
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::json;
use std::path::PathBuf;
use tributary_serving::operator::{KeyFile, KeyRecord, KeyTerms};

/// Commands on keys. The server need not be stopped for them.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a key and show it, once
    Add {
        #[command(flatten)]
        state: StateArgs,
        /// Whose it is
        #[arg(long)]
        name: String,
        /// Most tokens of requests and answers on a day (UTC)
        #[arg(long, value_name = "TOKENS")]
        tokens_per_day: Option<u64>,
        /// Most requests within any minute
        #[arg(long, value_name = "REQUESTS", value_parser = clap::value_parser!(u32).range(1..))]
        requests_per_minute: Option<u32>,
        /// What fine-tuning jobs of its holder may cost you in all; without it there are none
        #[arg(long, value_name = "AMOUNT")]
        tuning_budget: Option<Money>,
    },
    /// Change what fine-tuning jobs of a key's holder may cost you in all; 0 ends it for jobs that are not begun
    Budget {
        /// Its id, as the list shows it
        id: String,
        /// All jobs together, those of before too
        amount: Money,
        #[command(flatten)]
        state: StateArgs,
    },
    /// List keys; they themselves are kept nowhere
    List {
        #[command(flatten)]
        state: StateArgs,
    },
    /// Revoke a key; a server that runs refuses it from the next request on
    Revoke {
        /// Its id, as the list shows it
        id: String,
        #[command(flatten)]
        state: StateArgs,
    },
}

/// The operator's folder.
#[derive(Args, Clone, Debug)]
pub struct StateArgs {
    /// The operator's state, as of tributary serve --state
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
}

impl Command {
    /// Does it.
    pub fn run(self) -> anyhow::Result<Output> {
        match self {
            Self::Add { state, name, tokens_per_day, requests_per_minute, tuning_budget } => {
                let tuning_budget = tuning_budget.map(|budget| budget.0);
                let terms = KeyTerms { name, tokens_per_day, requests_per_minute, tuning_budget };
                let (record, secret) = KeyFile::in_state(&state.state).add(terms)?;
                let json = json!({ "key": secret, "id": record.id, "name": record.name });
                let text =
                    format!("{secret}\n\nThis is {} for {}. It is shown now and never again.", record.id, record.name);
                Ok(Output::new(json, text))
            }
            Self::Budget { id, amount, state } => {
                let record = KeyFile::in_state(&state.state).set_tuning_budget(&id, amount.0)?;
                let text = format!("jobs of {} for {} may cost {amount} in all", record.id, record.name);
                Ok(Output::new(json!({ "id": record.id, "tuning_budget": amount.0.to_string() }), text))
            }
            Self::List { state } => {
                let keys = KeyFile::in_state(&state.state).list()?;
                let views: Vec<_> = keys.into_iter().map(KeyView::from).collect();
                Ok(Output::list(&views))
            }
            Self::Revoke { id, state } => {
                let record = KeyFile::in_state(&state.state).revoke(&id)?;
                let text = format!("{} of {} is revoked", record.id, record.name);
                Ok(Output::new(json!({ "id": record.id, "revoked_s": record.revoked_s }), text))
            }
        }
    }
}

/// A key without anything that is secret.
#[derive(Clone, Debug, Serialize)]
struct KeyView {
    id: String,
    name: String,
    created_s: u64,
    tokens_per_day: Option<u64>,
    requests_per_minute: Option<u32>,
    tuning_budget: Option<Money>,
    revoked_s: Option<u64>,
}

impl From<KeyRecord> for KeyView {
    fn from(record: KeyRecord) -> Self {
        let KeyRecord { id, name, created_s, tokens_per_day, requests_per_minute, tuning_budget, revoked_s, .. } =
            record;
        let tuning_budget = tuning_budget.map(Money);
        Self { id, name, created_s, tokens_per_day, requests_per_minute, tuning_budget, revoked_s }
    }
}

impl Record for KeyView {
    const COLUMNS: &'static [&'static str] =
        &["id", "name", "tokens a day", "requests a minute", "fine-tuning", "state"];

    fn row(&self) -> Vec<String> {
        let limit = |limit: Option<u64>| limit.map_or_else(|| "any".to_owned(), |limit| limit.to_string());
        vec![
            self.id.clone(),
            self.name.clone(),
            limit(self.tokens_per_day),
            limit(self.requests_per_minute.map(u64::from)),
            self.tuning_budget.map_or_else(|| "none".to_owned(), |budget| budget.to_string()),
            if self.revoked_s.is_some() { "revoked" } else { "holds" }.to_owned(),
        ]
    }

    fn fields(&self) -> Vec<(&'static str, String)> {
        Self::COLUMNS.iter().copied().zip(self.row()).collect()
    }
}

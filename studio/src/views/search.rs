//! Finding anything by words, number, hash or address.

use crate::{
    db::WorkError,
    index::{reader::Reader, words},
};
use serde::Serialize;
use tributary_client::Account;
use tributary_protocol::{ContentHash, ContributionId, JobId};

/// Most that one question finds.
const HITS_MAX: u32 = 20;

/// Something that was found.
#[derive(Clone, Debug, Serialize)]
pub struct Hit {
    kind: &'static str,
    id: String,
    title: String,
    subtitle: Option<String>,
    href: String,
}

/// All that was found, the most telling first.
#[derive(Clone, Debug, Serialize)]
pub struct Hits {
    items: Vec<Hit>,
}

/// Finds what `question` says.
pub fn search(reader: &Reader<'_>, question: &str) -> Result<Hits, WorkError> {
    let question = question.trim();
    let mut items = Vec::new();
    if let Ok(account) = question.parse::<Account>() {
        let id = account.to_string();
        items.push(hit("account", &id, id.clone(), Some("Account".into())));
    }
    if let Ok(hash) = question.parse::<ContentHash>() {
        by_hash(reader, hash, &mut items)?;
    }
    if let Ok(number) = question.trim_start_matches('#').parse::<u32>() {
        by_number(reader, number, &mut items)?;
    }
    for row in words::find(reader, question, HITS_MAX)? {
        let (id, kind, body): (String, String, String) = (row.get("id")?, row.get("kind")?, row.get("body")?);
        let subtitle = body.chars().take(80).collect();
        items.push(hit(kind_of(&kind), &id, row.get("title")?, Some(subtitle)));
    }
    items.truncate(HITS_MAX as usize);
    Ok(Hits { items })
}

fn by_number(reader: &Reader<'_>, number: u32, items: &mut Vec<Hit>) -> Result<(), WorkError> {
    if super::jobs::record_of(reader, JobId(number.into()))?.is_some() {
        items.push(hit("job", &number.to_string(), format!("Job {number}"), None));
    }
    for (kind, table) in [("datanet", "datanets"), ("model", "models")] {
        let column = if kind == "datanet" { "name" } else { "title" };
        let query = format!("SELECT {column} FROM {table} WHERE id = ?");
        let title: Option<String> = reader.one(&query, [number], |row| row.get(0))?;
        items.extend(title.map(|title| hit(kind, &number.to_string(), title, None)));
    }
    if super::contributions::record_of(reader, ContributionId(number.into()))?.is_some() {
        items.push(hit("contribution", &number.to_string(), format!("Contribution {number}"), None));
    }
    if number <= reader.newest().number {
        items.push(hit("block", &number.to_string(), format!("Block {number}"), None));
    }
    Ok(())
}

fn by_hash(reader: &Reader<'_>, hash: ContentHash, items: &mut Vec<Hit>) -> Result<(), WorkError> {
    let query = "SELECT id FROM contributions WHERE root = ?1 OR blob = ?1 ORDER BY id LIMIT 5";
    let found = reader.all(query, [hash.0], |row| row.get::<_, u64>(0))?;
    items.extend(found.into_iter().map(|id| hit("contribution", &id.to_string(), format!("Contribution {id}"), None)));
    let block: Option<u32> = reader.one("SELECT number FROM blocks WHERE hash = ?", [hash.0], |row| row.get(0))?;
    items.extend(block.map(|number| hit("block", &number.to_string(), format!("Block {number}"), None)));
    Ok(())
}

fn kind_of(kind: &str) -> &'static str {
    match kind {
        "datanet" => "datanet",
        "base_model" => "base_model",
        _ => "model",
    }
}

fn hit(kind: &'static str, id: &str, title: String, subtitle: Option<String>) -> Hit {
    let page = match kind {
        "datanet" => "datanets",
        "contribution" => "contributions",
        "base_model" => "base-models",
        "model" => "models",
        "job" => "jobs",
        "account" => "accounts",
        _ => "blocks",
    };
    Hit { kind, id: id.to_owned(), title, subtitle, href: format!("/{page}/{id}") }
}

//! Finding by words: documents with the words that they hold, and questions about them.
//!
//! Split, folded and weighed here and not by an engine, so that both find the same in the same order. A word of a question is the
//! beginning of a word; all of them must be found. A document weighs by BM25 (Robertson and Zaragoza, "The Probabilistic Relevance
//! Framework", 2009, section 3.4), where a word of the title counts eight times.

use super::reader::{Filter, Reader};
use crate::db::{Connection, Row, ToValue as _, Value, WorkError, params};
use std::collections::BTreeMap;
use unicode_normalization::UnicodeNormalization as _;

/// Characters by which words are told apart: a hash in hexadecimal digits has as many.
const WORD_CHARS: usize = 64;
/// Words of a question that count.
const QUESTION_WORDS_MAX: usize = 16;
/// How much more a word of the title tells.
const TITLE_FACTOR: u32 = 8;
/// BM25's `k1` and `b`, as SQLite has them.
const SATURATION: f64 = 1.2;
const LENGTH_PART: f64 = 0.75;
/// Words of an ordinary document. A constant, so that a document weighs the same whatever came before and after it.
const LENGTH_USUAL: f64 = 32.0;
/// Weights are whole numbers of this part.
const WEIGHT_UNIT: f64 = 1_000.0;

/// The words of a text: letters and digits, in small letters, without accents.
fn split(text: &str) -> impl Iterator<Item = String> + use<> {
    let is_accent = |letter: &char| ('\u{300}'..='\u{36f}').contains(letter);
    let folded: String = text.nfkd().filter(|letter| !is_accent(letter)).flat_map(char::to_lowercase).collect();
    let words: Vec<String> = folded
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| word.chars().take(WORD_CHARS).collect())
        .collect();
    words.into_iter()
}

/// Each word of a document with its weight.
fn weights(title: &str, body: &str) -> BTreeMap<String, i64> {
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    let mut length = 0u32;
    for (text, factor) in [(title, TITLE_FACTOR), (body, 1)] {
        for word in split(text) {
            let count = counts.entry(word).or_default();
            *count = count.saturating_add(factor);
            length = length.saturating_add(1);
        }
    }
    let damping = SATURATION * (1.0 - LENGTH_PART + LENGTH_PART * f64::from(length) / LENGTH_USUAL);
    let weight = |count: u32| {
        let count = f64::from(count);
        (WEIGHT_UNIT * count * (SATURATION + 1.0) / (count + damping)).round() as i64
    };
    counts.into_iter().map(|(word, count)| (word, weight(count).max(1))).collect()
}

/// Keeps a document: what is found by its words.
pub fn put(db: &Connection, kind: &str, id: &str, title: &str, body: &str) -> Result<(), WorkError> {
    let known = db.row("SELECT number, title, body FROM documents WHERE kind = ? AND id = ?", [kind, id])?;
    let number: i64 = match known {
        Some(row) => {
            let number = row.get(0)?;
            if (row.value(1)?, row.value(2)?) == (&text(title)?, &text(body)?) {
                return Ok(());
            }
            let set = "UPDATE documents SET title = ?, body = ? WHERE number = ?";
            db.execute(set, params![title, body, number])?;
            db.execute("DELETE FROM words WHERE document = ?", [number])?;
            number
        }
        None => {
            let number = db.find("SELECT coalesce(max(number), 0) + 1 FROM documents", ())?.unwrap_or(1);
            let insert = "INSERT INTO documents (number, kind, id, title, body) VALUES (?, ?, ?, ?, ?)";
            db.execute(insert, params![number, kind, id, title, body])?;
            number
        }
    };
    put_words(db, number, kind, title, body)
}

/// Writes down the words of documents that an earlier version of this program left to SQLite's own search.
pub fn complete(db: &Connection) -> Result<(), WorkError> {
    if db.row("SELECT document FROM words LIMIT 1", ())?.is_some() {
        return Ok(());
    }
    for row in db.rows("SELECT number, kind, title, body FROM documents ORDER BY number", ())? {
        let [kind, title, body]: [String; 3] = [row.get(1)?, row.get(2)?, row.get(3)?];
        put_words(db, row.get(0)?, &kind, &title, &body)?;
    }
    Ok(())
}

fn put_words(db: &Connection, number: i64, kind: &str, title: &str, body: &str) -> Result<(), WorkError> {
    // Accounts are found by their addresses alone.
    if kind == "account" {
        return Ok(());
    }
    for (word, weight) in weights(title, body) {
        let insert = "INSERT INTO words (word, document, weight) VALUES (?, ?, ?)";
        db.execute(insert, params![word, number, weight])?;
    }
    Ok(())
}

fn text(text: &str) -> Result<Value, WorkError> {
    text.to_value()
}

/// The words of a question, each with the first text that does not begin with it. Empty if there is none.
fn ranges(question: &str) -> Vec<[String; 2]> {
    let mut all: Vec<[String; 2]> = Vec::new();
    for word in split(question).take(QUESTION_WORDS_MAX) {
        let end = format!("{word}{}", char::MAX);
        if !all.iter().any(|[known, _]| *known == word) {
            all.push([word, end]);
        }
    }
    all
}

/// Keeps those of a list whose documents of this kind hold what is asked for. A question of blanks asks for all; one without a
/// word finds nothing.
pub fn filter(filter: &mut Filter, kind: &str, question: Option<&str>) -> Result<(), WorkError> {
    let Some(question) = question.filter(|question| !question.trim().is_empty()) else { return Ok(()) };
    let ranges = ranges(question);
    if ranges.is_empty() {
        filter.and("1 = 0", ())?;
        return Ok(());
    }
    let held = " AND number IN (SELECT document FROM words WHERE word >= ? AND word < ?)".repeat(ranges.len());
    // The case keeps an engine from reading a number where another kind has none.
    let clause =
        format!("id IN (SELECT CASE WHEN kind = ? THEN CAST(id AS BIGINT) END FROM documents WHERE kind = ?{held})");
    let mut values = vec![text(kind)?, text(kind)?];
    for bound in ranges.iter().flatten() {
        values.push(text(bound)?);
    }
    filter.and(clause, values)?;
    Ok(())
}

/// The documents that hold what is asked for, the most telling first: `kind`, `id`, `title`, `body`.
pub fn find(reader: &Reader<'_>, question: &str, most: u32) -> Result<Vec<Row>, WorkError> {
    let ranges = ranges(question);
    if ranges.is_empty() {
        return Ok(Vec::new());
    }
    let documents = reader.count("SELECT count(*) FROM documents", ())? as f64;
    let (mut joined, mut sum) = (String::new(), Vec::new());
    let (mut values, mut rarities) = (Vec::new(), Vec::new());
    for (place, range) in ranges.iter().enumerate() {
        let [from, to] = range;
        let holding = "SELECT count(DISTINCT document) FROM words WHERE word >= ? AND word < ?";
        let holding = reader.count(holding, [from, to])? as f64;
        // How telling a word is: rare ones are. As a whole number, which both engines multiply alike.
        let rarity = ((documents - holding + 0.5) / (holding + 0.5)).ln_1p() * WEIGHT_UNIT;
        joined.push_str(&format!(
            " JOIN (SELECT document, sum(weight) AS weight FROM words WHERE word >= ? AND word < ? GROUP BY document) w{place}
            ON w{place}.document = d.number"
        ));
        sum.push(format!("w{place}.weight * CAST(? AS BIGINT)"));
        values.extend([text(from)?, text(to)?]);
        rarities.push(Value::Integer(rarity.max(1.0).round() as i64));
    }
    let query = format!(
        "SELECT d.kind AS kind, d.id AS id, d.title AS title, d.body AS body FROM documents d{joined}
        ORDER BY {} DESC, d.number LIMIT ?",
        sum.join(" + ")
    );
    values.append(&mut rarities);
    values.push(Value::Integer(most.into()));
    reader.db().rows(&query, values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_folded_and_bounded() {
        let words: Vec<String> = split("Ça, l'Été\u{301} n°7: \"harbour\" OR ﬁne\u{0} ½").collect();
        assert_eq!(words, ["ca", "l", "ete", "n", "7", "harbour", "or", "fine", "1", "2"]);
        assert_eq!(split(&"a".repeat(100)).next().unwrap().len(), WORD_CHARS);
        assert_eq!(ranges("Pilot pilot ' ~*").len(), 1);
        assert!(ranges(" ~* ").is_empty());
    }

    #[test]
    fn titles_and_short_documents_tell_more() {
        let weight = |title: &str, body: &str| weights(title, body)["tide"];
        assert!(weight("tide", "") > weight("", "tide"));
        assert!(weight("", "tide tide") > weight("", "tide"));
        assert!(weight("", "tide") > weight("", &format!("tide {}", "and more ".repeat(50))));
    }
}

//! Reading the index: times of blocks, pages of lists, sums.

use super::{Newest, codes::amount, newest};
use crate::{
    db::WorkError,
    views::{Page, When, iso},
};
use codec::DecodeAll;
use rusqlite::{Connection, OptionalExtension as _, Params, Row, ToSql, params_from_iter, types::Value};
use tributary_protocol::{Amount, BlockNumber, amount::BLOCK_MS};

/// Entries of a page, unless asked otherwise.
pub const PAGE_USUAL: u32 = 25;
/// Most entries of a page.
pub const PAGE_MAX: u32 = 100;

/// The index at one block.
pub struct Reader<'a> {
    db: &'a Connection,
    newest: Newest,
}

impl<'a> Reader<'a> {
    /// Of this state of the database.
    pub fn new(db: &'a Connection) -> Result<Self, WorkError> {
        let newest = newest(db)?.unwrap_or(Newest { number: 0, hash: [0; 32], time_ms: None });
        Ok(Self { db, newest })
    }

    /// The tables.
    pub fn db(&self) -> &'a Connection {
        self.db
    }

    /// The newest block.
    pub fn newest(&self) -> Newest {
        self.newest
    }

    /// A block's place in time. That of a block to come follows from the length of a slot.
    pub fn when(&self, block: BlockNumber) -> Result<When, WorkError> {
        if block > self.newest.number {
            let ahead = i64::from(block - self.newest.number).saturating_mul(i64::try_from(BLOCK_MS).unwrap_or(0));
            let time = self.newest.time_ms.map(|newest| newest.saturating_add(ahead));
            return Ok(When { block, time: time.and_then(iso), is_estimate: true });
        }
        let time: Option<Option<i64>> =
            self.one("SELECT time_ms FROM blocks WHERE number = ?", [block], |row| Ok(row.get(0)?))?;
        Ok(When { block, time: time.flatten().and_then(iso), is_estimate: false })
    }

    /// As [`Self::when`], of a block that may not have come to be.
    pub fn maybe(&self, block: Option<BlockNumber>) -> Result<Option<When>, WorkError> {
        block.map(|block| self.when(block)).transpose()
    }

    /// The first row of a query.
    pub fn one<T>(
        &self,
        query: &str,
        values: impl Params,
        read: impl FnOnce(&Row<'_>) -> Result<T, WorkError>,
    ) -> Result<Option<T>, WorkError> {
        let mut statement = self.db.prepare_cached(query)?;
        let mut rows = statement.query(values)?;
        rows.next()?.map(read).transpose()
    }

    /// All rows of a query.
    pub fn all<T>(
        &self,
        query: &str,
        values: impl Params,
        mut read: impl FnMut(&Row<'_>) -> Result<T, WorkError>,
    ) -> Result<Vec<T>, WorkError> {
        let mut statement = self.db.prepare_cached(query)?;
        let mut rows = statement.query(values)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(read(row)?);
        }
        Ok(all)
    }

    /// A number that a query counts.
    pub fn count(&self, query: &str, values: impl Params) -> Result<u64, WorkError> {
        let count: i64 = self.db.prepare_cached(query)?.query_row(values, |row| row.get(0))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// A record by its number; `None` if there is none.
    pub fn record<T: DecodeAll>(&self, query: &str, values: impl Params) -> Result<Option<T>, WorkError> {
        let bytes: Option<Vec<u8>> = self.db.prepare_cached(query)?.query_row(values, |row| row.get(0)).optional()?;
        let read = |bytes: Vec<u8>| T::decode_all(&mut bytes.as_slice());
        bytes.map(read).transpose().map_err(|error| WorkError::damaged(format!("{query}: {error}")))
    }

    /// A sum over payouts: what `subject` of this id got in a role.
    pub fn total(&self, subject: &str, id: &dyn ToSql, role: &str) -> Result<Amount, WorkError> {
        let query = "SELECT amount FROM totals WHERE subject = ?1 AND id = CAST(?2 AS BLOB) AND role = ?3";
        let values: [&dyn ToSql; 3] = [&subject, id, &role];
        let text: Option<String> = self.db.prepare_cached(query)?.query_row(values, |row| row.get(0)).optional()?;
        text.as_deref().map_or(Ok(0), amount)
    }

    /// A page of a list.
    pub fn page<T>(
        &self,
        list: &List<'_>,
        want: &Want,
        mut read: impl FnMut(&Row<'_>) -> Result<T, WorkError>,
    ) -> Result<Page<T>, WorkError> {
        let List { table, filter, order } = list;
        let total = self.count(
            &format!("SELECT count(*) FROM {table}{}", filter.clause(&[])),
            params_from_iter(filter.values.iter()),
        )?;
        let (direction, compare) = if order.is_descending { ("DESC", "<") } else { ("ASC", ">") };
        let (key, id) = (order.key, order.id);
        let after = format!("({key}, {id}) {compare} (?, ?)");
        let mut values = filter.values.clone();
        let clause = match want.after(order.is_text) {
            Some(after_values) => {
                values.extend(after_values);
                filter.clause(&[&after])
            }
            None => filter.clause(&[]),
        };
        let limit = want.limit.unwrap_or(PAGE_USUAL).clamp(1, PAGE_MAX);
        values.push(Value::Integer(i64::from(limit) + 1));
        let query = format!(
            "SELECT *, {key} AS page_key, {id} AS page_id FROM {table}{clause} ORDER BY {key} {direction}, {id} {direction} LIMIT ?"
        );
        let mut statement = self.db.prepare_cached(&query)?;
        let mut rows = statement.query(params_from_iter(values))?;
        let mut page = Page { items: Vec::new(), next: None, total };
        let mut last = None;
        while let Some(row) = rows.next()? {
            if page.items.len() >= limit as usize {
                page.next = last;
                break;
            }
            last = Some(cursor(&row.get("page_key")?, &row.get("page_id")?));
            page.items.push(read(row)?);
        }
        Ok(page)
    }
}

/// Conditions, with their values in order.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    clauses: Vec<String>,
    values: Vec<Value>,
}

impl Filter {
    /// Adds a condition.
    pub fn and(&mut self, clause: impl Into<String>, values: impl IntoIterator<Item = Value>) -> &mut Self {
        self.clauses.push(clause.into());
        self.values.extend(values);
        self
    }

    fn clause(&self, more: &[&str]) -> String {
        let all: Vec<&str> = self.clauses.iter().map(String::as_str).chain(more.iter().copied()).collect();
        if all.is_empty() { String::new() } else { format!(" WHERE {}", all.join(" AND ")) }
    }
}

/// By what a list is ordered. Ties are broken by the id, so that a cursor has one place.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    /// An expression over the table's columns.
    pub key: &'static str,
    /// Whether it is text.
    pub is_text: bool,
    /// A column that is unique, or almost so beside the key.
    pub id: &'static str,
    /// The greatest first.
    pub is_descending: bool,
}

impl Order {
    /// By the id, the newest first.
    pub const NEWEST: Self = Self { key: "id", is_text: false, id: "id", is_descending: true };
}

/// A list: a table or a query in brackets, and which of it in which order.
#[derive(Clone, Debug)]
pub struct List<'a> {
    /// What to read.
    pub table: &'a str,
    /// Which rows.
    pub filter: Filter,
    /// In which order.
    pub order: Order,
}

/// Which page is wanted.
#[derive(Clone, Debug, Default, serde::Deserialize)]
pub struct Want {
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// How many entries.
    pub limit: Option<u32>,
}

impl Want {
    /// The place after which the page begins. A cursor that is none begins at the start.
    fn after(&self, is_text: bool) -> Option<[Value; 2]> {
        let (key, id) = self.cursor.as_deref()?.rsplit_once('~')?;
        let key = if is_text { Value::Text(key.to_owned()) } else { Value::Integer(key.parse().ok()?) };
        let id = match id.strip_prefix("0x") {
            Some(digits) => Value::Blob(hex::decode(digits).ok()?),
            None => Value::Integer(id.parse().ok()?),
        };
        Some([key, id])
    }
}

fn cursor(key: &Value, id: &Value) -> String {
    let show = |value: &Value| match value {
        Value::Null => String::new(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::Blob(bytes) => format!("0x{}", hex::encode(bytes)),
    };
    format!("{}~{}", show(key), show(id))
}

/// Words as a full-text question: all of them, each as the beginning of a word. `None` if there is no word.
pub fn words(text: &str) -> Option<String> {
    let words: Vec<String> = text
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .take(16)
        .map(|word| format!("\"{word}\"*"))
        .collect();
    if words.is_empty() { None } else { Some(words.join(" ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::Db;

    #[tokio::test]
    async fn pages_go_through_a_list_once_whatever_the_order() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(&folder.path().join("i")).unwrap();
        db.write(|db| {
            for id in 0..7i64 {
                let insert = "INSERT INTO base_models (id, record, name, owner, content) VALUES (?, x'', ?, x'', x'')";
                db.execute(insert, rusqlite::params![id, format!("n~{}", id % 3)])?;
            }
            Ok(())
        })
        .await
        .unwrap();
        let by_name = Order { key: "name", is_text: true, id: "id", is_descending: false };
        for (order, expected) in [(Order::NEWEST, [6, 5, 4, 3, 2, 1, 0]), (by_name, [0, 3, 6, 1, 4, 2, 5])] {
            let seen = db.read(move |db| {
                let reader = Reader::new(db)?;
                let list = List { table: "base_models", filter: Filter::default(), order };
                let mut want = Want { cursor: None, limit: Some(3) };
                let mut seen = Vec::new();
                loop {
                    let page = reader.page(&list, &want, |row| Ok(row.get::<_, i64>("id")?))?;
                    assert_eq!(page.total, 7);
                    seen.extend(page.items);
                    match page.next {
                        Some(next) => want.cursor = Some(next),
                        None => return Ok(seen),
                    }
                }
            });
            assert_eq!(seen.await.unwrap(), expected);
        }
    }

    #[test]
    fn a_question_cannot_break_out_of_its_words() {
        assert_eq!(words("harbour OR \"pilot").unwrap(), "\"harbour\"* \"OR\"* \"pilot\"*");
        assert_eq!(words(" ~* "), None);
    }
}

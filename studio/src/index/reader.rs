//! Reading the index: times of blocks, pages of lists, sums.

use super::{Newest, codes::amount, newest};
use crate::{
    db::{Connection, Params, Row, ToValue as _, Value, WorkError, params},
    views::{Page, When, iso},
};
use codec::DecodeAll;
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
        let time: Option<Option<i64>> = self.db.find("SELECT time_ms FROM blocks WHERE number = ?", [block])?;
        Ok(When { block, time: time.flatten().and_then(iso), is_estimate: false })
    }

    /// As [`Self::when`], of a block that may not have come to be.
    pub fn maybe(&self, block: Option<BlockNumber>) -> Result<Option<When>, WorkError> {
        block.map(|block| self.when(block)).transpose()
    }

    /// The first row of a query that finds few.
    pub fn one<T>(
        &self,
        query: &str,
        values: impl Params,
        read: impl FnOnce(&Row) -> Result<T, WorkError>,
    ) -> Result<Option<T>, WorkError> {
        self.db.row(query, values)?.as_ref().map(read).transpose()
    }

    /// All rows of a query.
    pub fn all<T>(
        &self,
        query: &str,
        values: impl Params,
        read: impl FnMut(&Row) -> Result<T, WorkError>,
    ) -> Result<Vec<T>, WorkError> {
        self.db.rows(query, values)?.iter().map(read).collect()
    }

    /// A number that a query counts.
    pub fn count(&self, query: &str, values: impl Params) -> Result<u64, WorkError> {
        Ok(self.db.find::<i64>(query, values)?.map_or(0, |count| u64::try_from(count).unwrap_or(0)))
    }

    /// A record by its number; `None` if there is none.
    pub fn record<T: DecodeAll>(&self, query: &str, values: impl Params) -> Result<Option<T>, WorkError> {
        let bytes: Option<Vec<u8>> = self.db.find(query, values)?;
        let read = |bytes: Vec<u8>| T::decode_all(&mut bytes.as_slice());
        bytes.map(read).transpose().map_err(|error| WorkError::damaged(format!("{query}: {error}")))
    }

    /// A sum over payouts: what `subject` of this id got in a role. Ids that are numbers are digits.
    pub fn total(&self, subject: &str, id: impl AsRef<[u8]>, role: &str) -> Result<Amount, WorkError> {
        let query = "SELECT amount FROM totals WHERE subject = ? AND id = ? AND role = ?";
        let text: Option<String> = self.db.find(query, params![subject, id.as_ref(), role])?;
        text.as_deref().map_or(Ok(0), amount)
    }

    /// A page of a list.
    pub fn page<T>(
        &self,
        list: &List<'_>,
        want: &Want,
        mut read: impl FnMut(&Row) -> Result<T, WorkError>,
    ) -> Result<Page<T>, WorkError> {
        let List { table, filter, order } = list;
        let total =
            self.count(&format!("SELECT count(*) FROM {table}{}", filter.clause(&[])), filter.values.clone())?;
        let (direction, compare) = if order.is_descending { ("DESC", "<") } else { ("ASC", ">") };
        let (key, id) = (order.key, order.id);
        let after = format!("({key}, {id}) {compare} (?, ?)");
        let mut values = filter.values.clone();
        let clause = match want.after(order) {
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
        let mut page = Page { items: Vec::new(), next: None, total };
        let mut last = None;
        for row in self.db.rows(&query, values)? {
            if page.items.len() >= limit as usize {
                page.next = last;
                break;
            }
            last = Some(cursor(row.value("page_key")?, row.value("page_id")?));
            page.items.push(read(&row)?);
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
    pub fn and(&mut self, clause: impl Into<String>, values: impl Params) -> Result<(), WorkError> {
        self.clauses.push(clause.into());
        self.values.extend(values.to_values()?);
        Ok(())
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
    /// Whether it is an account.
    pub is_account: bool,
    /// The greatest first.
    pub is_descending: bool,
}

impl Order {
    /// By the id, the newest first.
    pub const NEWEST: Self = Self { key: "id", is_text: false, id: "id", is_account: false, is_descending: true };
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
    fn after(&self, order: &Order) -> Option<Vec<Value>> {
        let (key, id) = self.cursor.as_deref()?.rsplit_once('~')?;
        let key = if order.is_text { key.to_value().ok()? } else { Value::Integer(key.parse().ok()?) };
        let id = match id.strip_prefix("0x") {
            Some(digits) if order.is_account => Value::Blob(hex::decode(digits).ok()?),
            None if !order.is_account => Value::Integer(id.parse().ok()?),
            _ => return None,
        };
        Some(vec![key, id])
    }
}

fn cursor(key: &Value, id: &Value) -> String {
    let show = |value: &Value| match value {
        Value::Null => String::new(),
        Value::Integer(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::Blob(bytes) => format!("0x{}", hex::encode(bytes)),
    };
    format!("{}~{}", show(key), show(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::{Database, Db};

    #[tokio::test]
    async fn pages_go_through_a_list_once_whatever_the_order() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(&Database::in_folder(folder.path())).await.unwrap();
        db.write(|db| {
            for id in 0..7i64 {
                let insert = "INSERT INTO base_models (id, record, name, owner, content) VALUES (?, x'', ?, x'', x'')";
                db.execute(insert, params![id, format!("n~{}", id % 3)])?;
            }
            Ok(())
        })
        .await
        .unwrap();
        let by_name = Order { key: "name", is_text: true, id: "id", is_account: false, is_descending: false };
        for (order, expected) in [(Order::NEWEST, [6, 5, 4, 3, 2, 1, 0]), (by_name, [0, 3, 6, 1, 4, 2, 5])] {
            let seen = db.read(move |db| {
                let reader = Reader::new(db)?;
                let list = List { table: "base_models", filter: Filter::default(), order };
                let mut want = Want { cursor: None, limit: Some(3) };
                let mut seen = Vec::new();
                loop {
                    let page = reader.page(&list, &want, |row| row.get::<_, i64>("id"))?;
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
}

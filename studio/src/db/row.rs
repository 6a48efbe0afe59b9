//! A row that was read.

use super::{FromValue, Value, WorkError};
use std::{fmt::Display, sync::Arc};

/// A row, with the names of its columns.
#[derive(Clone, Debug)]
pub struct Row {
    columns: Arc<[String]>,
    values: Vec<Value>,
}

/// A column: its place or its name.
pub trait Column: Display {
    /// Where it is.
    fn place(&self, columns: &[String]) -> Option<usize>;
}

impl Column for usize {
    fn place(&self, _: &[String]) -> Option<usize> {
        Some(*self)
    }
}

impl Column for &str {
    fn place(&self, columns: &[String]) -> Option<usize> {
        columns.iter().position(|column| column == self)
    }
}

impl Row {
    pub(super) fn new(columns: Arc<[String]>, values: Vec<Value>) -> Self {
        Self { columns, values }
    }

    /// A column as it is. Errors: `Damaged` if there is none such.
    pub fn value<C: Column>(&self, column: C) -> Result<&Value, WorkError> {
        let value = column.place(&self.columns).and_then(|place| self.values.get(place));
        value.ok_or_else(|| WorkError::damaged(format!("rows without a column {column}")))
    }

    /// A column. Errors: `Damaged` if it holds something else.
    pub fn get<C: Column, T: FromValue>(&self, column: C) -> Result<T, WorkError> {
        let name = column.to_string();
        let value = self.value(column)?;
        T::from_value(value).ok_or_else(|| WorkError::damaged(format!("a column {name} with {}", value.kind())))
    }
}

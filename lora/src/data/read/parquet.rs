//! Parquet through the record API of the `parquet` crate.

use super::{Fields, FileProblem, Place, RawRows, RowFault};
use bytes::Bytes;
use parquet::basic::Compression;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::{Field, Row, reader::RowIter};
use serde_json::{Number, Value};
use std::panic::{AssertUnwindSafe, catch_unwind};
use tributary_protocol::sample::{Limits, ROW_KEYS_MAX};

/// By how much the values may be larger than the file. English prose in Zstandard is at about a third.
const EXPANSION_MAX: usize = 16;
/// Deepest nesting of lists and structs; messages need three.
const DEPTH_MAX: usize = 16;

/// Reads all rows of all row groups. Bytes that are not UTF-8, such as images, are no text and are left out.
pub(super) fn read(bytes: Vec<u8>, limits: &Limits) -> Result<RawRows, FileProblem> {
    if bytes.is_empty() {
        return Ok(RawRows::default());
    }
    // The crate indexes by what a file says about itself, and panics where a damaged one lies. Nothing outlives the call.
    let caught = catch_unwind(AssertUnwindSafe(|| rows(Bytes::from(bytes), limits)));
    caught.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        Err(damaged(format!("its pages contradict its metadata ({})", text.unwrap_or("no details"))))
    })
}

fn damaged(reason: impl ToString) -> FileProblem {
    FileProblem::Damaged { format: "Parquet", reason: reason.to_string() }
}

fn rows(bytes: Bytes, limits: &Limits) -> Result<RawRows, FileProblem> {
    let expanded_max = limits.file_bytes.saturating_mul(EXPANSION_MAX);
    let reader = SerializedFileReader::new(bytes).map_err(damaged)?;
    let columns = reader.metadata().file_metadata().schema().get_fields().len();
    if columns > ROW_KEYS_MAX {
        return Err(FileProblem::TooManyColumns { columns });
    }
    let (mut stated, mut expanded) = (0u64, 0usize);
    for group in reader.metadata().row_groups() {
        stated = stated.saturating_add(u64::try_from(group.num_rows()).map_err(damaged)?);
        expanded = expanded.saturating_add(usize::try_from(group.total_byte_size()).map_err(damaged)?);
    }
    let mut chunks = reader.metadata().row_groups().iter().flat_map(|group| group.columns());
    let accepted = |codec| matches!(codec, Compression::UNCOMPRESSED | Compression::SNAPPY | Compression::ZSTD(_));
    if let Some(chunk) = chunks.find(|chunk| !accepted(chunk.compression())) {
        // The name stands before the level.
        let codec = chunk.compression().to_string();
        return Err(FileProblem::Compression { codec: codec.split('(').next().unwrap_or_default().to_owned() });
    }
    if stated > u64::from(limits.samples) {
        return Err(FileProblem::TooManyRows { max: limits.samples });
    }
    if expanded > expanded_max {
        return Err(FileProblem::TooLarge { max: expanded_max });
    }
    let mut rows = RawRows::default();
    for (number, row) in (1..).zip(RowIter::from_file_into(Box::new(reader))) {
        if number > stated {
            return Err(damaged(format!("more rows than the {stated} that its footer names")));
        }
        let row = row.map_err(|error| damaged(format!("row {number}: {error}")))?;
        rows.push(Place::Row(number), fields(row, limits));
    }
    if rows.len() as u64 != stated {
        return Err(damaged(format!("{} rows, its footer names {stated}", rows.len())));
    }
    Ok(rows)
}

fn fields(row: Row, limits: &Limits) -> Result<Fields, RowFault> {
    let mut left = limits.line_bytes;
    let mut fields = Fields::new();
    for (name, field) in row.into_columns() {
        if let Some(value) = value(&field, DEPTH_MAX, &mut left)
            .ok_or(RowFault::TooLong { bytes: limits.line_bytes.saturating_add(1), max: limits.line_bytes })?
            && fields.insert(name.clone(), value).is_some()
        {
            return Err(RowFault::RepeatedKey { key: name });
        }
    }
    Ok(fields)
}

/// The JSON value of a field: `None` beyond the limits, `Some(None)` for what has none.
fn value(field: &Field, depth: usize, left: &mut usize) -> Option<Option<Value>> {
    let depth = depth.checked_sub(1)?;
    let value = match field {
        Field::Null => Value::Null,
        Field::Bool(value) => Value::Bool(*value),
        Field::Byte(value) => (*value).into(),
        Field::Short(value) => (*value).into(),
        Field::Int(value) | Field::Date(value) | Field::TimeMillis(value) => (*value).into(),
        Field::Long(value)
        | Field::TimeMicros(value)
        | Field::TimestampMillis(value)
        | Field::TimestampMicros(value) => (*value).into(),
        Field::UByte(value) => (*value).into(),
        Field::UShort(value) => (*value).into(),
        Field::UInt(value) => (*value).into(),
        Field::ULong(value) => (*value).into(),
        Field::Float16(value) => float(f64::from(value.to_f32())),
        Field::Float(value) => float(f64::from(*value)),
        Field::Double(value) => float(*value),
        Field::Str(text) => {
            *left = left.checked_sub(text.len())?;
            Value::String(text.clone())
        }
        // Text without the annotation that says so, as older writers leave it.
        Field::Bytes(bytes) => match std::str::from_utf8(bytes.data()) {
            Ok(text) => {
                *left = left.checked_sub(text.len())?;
                Value::String(text.to_owned())
            }
            Err(_) => return Some(None),
        },
        Field::Decimal(_) => return Some(None),
        Field::Group(row) => {
            let mut object = Fields::new();
            for (name, field) in row.get_column_iter() {
                if let Some(value) = self::value(field, depth, left)? {
                    object.insert(name.clone(), value);
                }
            }
            Value::Object(object)
        }
        Field::ListInternal(list) => {
            let mut array = Vec::new();
            for field in list.elements() {
                *left = left.checked_sub(1)?;
                array.push(self::value(field, depth, left)?.unwrap_or_default());
            }
            Value::Array(array)
        }
        Field::MapInternal(map) => {
            let mut object = Fields::new();
            for (key, field) in map.entries() {
                *left = left.checked_sub(1)?;
                if let Field::Str(key) = key
                    && let Some(value) = self::value(field, depth, left)?
                {
                    object.insert(key.clone(), value);
                }
            }
            Value::Object(object)
        }
    };
    Some(Some(value))
}

/// JSON has no infinities and no NaN.
fn float(value: f64) -> Value {
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

//! Values as both engines have them: whole numbers, text, bytes, nothing.

use super::WorkError;

/// A value of a column or a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    Null,
    /// A number. Numbers of the chain without sign stand here too: none that it counts reaches 2^63.
    Integer(i64),
    /// Text without a zero byte.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

impl Value {
    /// What it is, for people.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Integer(_) => "a number",
            Self::Text(_) => "text",
            Self::Blob(_) => "bytes",
        }
    }
}

/// What can be given to a statement.
pub trait ToValue {
    /// As a value. Errors: `Damaged` for a number of 2^63 or more, which no column holds.
    fn to_value(&self) -> Result<Value, WorkError>;
}

/// What can be read from a column.
pub trait FromValue: Sized {
    /// From a value; `None` if it is of another kind.
    fn from_value(value: &Value) -> Option<Self>;
}

/// The values of a statement, in the order of its places.
pub trait Params {
    /// As values.
    fn to_values(self) -> Result<Vec<Value>, WorkError>;
}

impl Params for () {
    fn to_values(self) -> Result<Vec<Value>, WorkError> {
        Ok(Vec::new())
    }
}

impl Params for Vec<Value> {
    fn to_values(self) -> Result<Vec<Value>, WorkError> {
        Ok(self)
    }
}

impl Params for Result<Vec<Value>, WorkError> {
    fn to_values(self) -> Result<Vec<Value>, WorkError> {
        self
    }
}

impl<T: ToValue, const N: usize> Params for [T; N] {
    fn to_values(self) -> Result<Vec<Value>, WorkError> {
        self.iter().map(ToValue::to_value).collect()
    }
}

/// Values of different types for a statement.
macro_rules! params {
    ($($value:expr),+ $(,)?) => {
        [$($crate::db::ToValue::to_value(&$value)),+]
            .into_iter()
            .collect::<Result<Vec<$crate::db::Value>, $crate::db::WorkError>>()
    };
}
pub(crate) use params;

impl ToValue for Value {
    fn to_value(&self) -> Result<Value, WorkError> {
        Ok(self.clone())
    }
}

impl<T: ToValue + ?Sized> ToValue for &T {
    fn to_value(&self) -> Result<Value, WorkError> {
        (**self).to_value()
    }
}

impl<T: ToValue> ToValue for Option<T> {
    fn to_value(&self) -> Result<Value, WorkError> {
        self.as_ref().map_or(Ok(Value::Null), ToValue::to_value)
    }
}

macro_rules! whole_numbers {
    ($($number:ty),+) => {$(
        impl ToValue for $number {
            fn to_value(&self) -> Result<Value, WorkError> {
                let number = i64::try_from(*self);
                number.map(Value::Integer).map_err(|_| WorkError::damaged(format!("the number {self}")))
            }
        }

        impl FromValue for $number {
            fn from_value(value: &Value) -> Option<Self> {
                match value {
                    Value::Integer(number) => Self::try_from(*number).ok(),
                    _ => None,
                }
            }
        }
    )+};
}
whole_numbers!(i64, u32, u64, usize);

impl FromValue for bool {
    fn from_value(value: &Value) -> Option<Self> {
        i64::from_value(value).map(|number| number != 0)
    }
}

impl ToValue for str {
    /// Text of the chain and of questions may hold anything; a zero byte is not text to PostgreSQL, so it is to neither.
    fn to_value(&self) -> Result<Value, WorkError> {
        Ok(Value::Text(self.replace('\0', "\u{fffd}")))
    }
}

impl ToValue for String {
    fn to_value(&self) -> Result<Value, WorkError> {
        self.as_str().to_value()
    }
}

impl FromValue for String {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        }
    }
}

impl ToValue for [u8] {
    fn to_value(&self) -> Result<Value, WorkError> {
        Ok(Value::Blob(self.to_vec()))
    }
}

impl ToValue for Vec<u8> {
    fn to_value(&self) -> Result<Value, WorkError> {
        self.as_slice().to_value()
    }
}

impl<const N: usize> ToValue for [u8; N] {
    fn to_value(&self) -> Result<Value, WorkError> {
        self.as_slice().to_value()
    }
}

impl FromValue for Vec<u8> {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Blob(bytes) => Some(bytes.clone()),
            _ => None,
        }
    }
}

impl<const N: usize> FromValue for [u8; N] {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Blob(bytes) => bytes.as_slice().try_into().ok(),
            _ => None,
        }
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            value => T::from_value(value).map(Some),
        }
    }
}

impl FromValue for Value {
    fn from_value(value: &Value) -> Option<Self> {
        Some(value.clone())
    }
}

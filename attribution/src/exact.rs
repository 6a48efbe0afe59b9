//! Floats in evidence: as text that reads back to the same bits.

use serde::{Deserialize, Deserializer, Serializer, de::Error};

/// Writes the shortest decimal that reads back as the same number. A string, since JSON readers round numbers.
pub(crate) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{value:e}"))
}

/// Reads what [`serialize`] wrote; refuses infinities and what is not a number.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let text = String::deserialize(deserializer)?;
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err(D::Error::custom(format!("{text:?} is not a finite number"))),
    }
}

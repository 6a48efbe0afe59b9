//! One JSON array of objects.

use super::{FileProblem, Place, RawRows, RowFault, object};
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;
use tributary_protocol::sample::Limits;

/// Reads the elements of one array. Row numbers count its elements.
pub(super) fn read(bytes: &[u8], limits: &Limits) -> Result<RawRows, FileProblem> {
    let damaged = |reason: String| FileProblem::Damaged { format: "JSON", reason };
    let text = std::str::from_utf8(bytes).map_err(|error| damaged(error.to_string()))?;
    if text.trim().is_empty() {
        return Ok(RawRows::default());
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let elements =
        deserializer.deserialize_seq(Elements { max: limits.samples }).map_err(|error| damaged(error.to_string()))?;
    let Some(elements) = elements else { return Err(FileProblem::TooManyRows { max: limits.samples }) };
    deserializer.end().map_err(|error| damaged(error.to_string()))?;
    let mut rows = RawRows::default();
    for (number, element) in (1..).zip(elements) {
        let text = element.get();
        let row = match text.len() {
            bytes if bytes > limits.line_bytes => Err(RowFault::TooLong { bytes, max: limits.line_bytes }),
            _ => object(text),
        };
        rows.push(Place::Row(number), row);
    }
    Ok(rows)
}

/// The texts of an array's elements; `None` if there are more than `max`.
struct Elements {
    max: u32,
}

impl<'de> Visitor<'de> for Elements {
    type Value = Option<Vec<&'de RawValue>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = list.next_element()? {
            if elements.len() >= self.max as usize {
                // The rest has to be read for the parser to end well; it is not kept.
                while list.next_element::<serde::de::IgnoredAny>()?.is_some() {}
                return Ok(None);
            }
            elements.push(element);
        }
        Ok(Some(elements))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn elements_are_counted_and_wrong_ones_named() {
        let rows = read(b" [{\"a\":1}, 3,\n{\"a\":1,\"a\":2}]\n", &Limits::DEFAULT).unwrap();
        assert_eq!((rows.rows.len(), rows.rows[0].place), (1, Place::Row(1)));
        assert_eq!(rows.faulty[0].fault, RowFault::NotAnObject { found: "a number" });
        assert_eq!(rows.faulty[1].place, Place::Row(3));
        let few = Limits { samples: 1, ..Limits::DEFAULT };
        assert!(matches!(read(b"[{},{}]", &few), Err(FileProblem::TooManyRows { max: 1 })));
    }

    #[test]
    fn an_array_that_is_cut_off_is_damaged() {
        for file in [b"[{\"a\":1}, {\"a\"".as_slice(), b"[{}] []", b"[{}]x", b"[\xff]", b"{}"] {
            assert!(matches!(read(file, &Limits::DEFAULT), Err(FileProblem::Damaged { .. })), "{file:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(
            bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"{}[]\",:\\a1 ".to_vec())], 0..200)
        ) {
            let array = [b"[".as_slice(), &bytes, b"]"].concat();
            let valid = serde_json::from_slice::<Vec<Box<RawValue>>>(&array).is_ok();
            prop_assert_eq!(read(&array, &Limits::DEFAULT).is_ok(), valid);
        }
    }
}

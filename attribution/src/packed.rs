//! Rows of numbers of two bits: a sketch four times as long as one of int8, in as many bytes.
//!
//! A sketch of `k` numbers errs in inner products by a part of `1 / sqrt(k)` of the lengths, whatever its numbers are rounded
//! to. Rounding to the four best levels takes 12 % of a number's square as noise of its own, which falls off with `k` like
//! the rest. So of a fixed number of bytes, two bits for each number tell more than eight: the error is 0.53 times as large.
//! Source of the levels: the uniform quantiser of a normal variable with four levels, Max, "Quantizing for minimum
//! distortion", 1960, table II.
//!
//! The row's unit is `Σ row² / Σ row·level`, with which the packed row has the row's own product with the row: so products with
//! queries are not shortened, and not in one row more than in another.
//!
//! A number is one of -3, -1, 1, 3 times the row's unit; 0 to 3 in the file. Byte `j` of the `s = ceil(dims / 4)` bytes of a row
//! holds the numbers `j`, `j + s`, `j + 2s` and `j + 3s`, the first in the lowest bits; places beyond the last number are 0.

/// The width of a level, in root mean squares of the row.
const STEP: f64 = 0.9957;

/// Bytes of a row of `dims` numbers.
pub(crate) fn packed_bytes(dims: usize) -> usize {
    dims.div_ceil(4)
}

/// The levels of `row` as they are packed, and what one unit of them is worth. A row without numbers, or with zeros alone, is
/// worth nothing; `None` if one is not finite. Sums are in the row's order.
pub(crate) fn pack(row: &[f32], out: &mut [u8]) -> Option<f32> {
    let square = row.iter().fold(0f64, |sum, value| sum + f64::from(*value) * f64::from(*value));
    if !square.is_finite() || row.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let width = STEP * (square / row.len().max(1) as f64).sqrt();
    let level = |value: f32| match f64::from(value) {
        value if value < -width => 0u8,
        value if value < 0.0 => 1,
        value if value < width => 2,
        _ => 3,
    };
    let bytes = packed_bytes(row.len());
    out.fill(0);
    let mut along = 0f64;
    for (part, values) in row.chunks(bytes.max(1)).enumerate() {
        for (byte, value) in out.iter_mut().zip(values) {
            let level = level(*value);
            *byte |= level << (2 * part);
            along += f64::from(*value) * (2.0 * f64::from(level) - 3.0);
        }
    }
    Some(if along > 0.0 { (square / along) as f32 } else { 0.0 })
}

/// The numbers of a packed row, -3, -1, 1 or 3.
pub(crate) fn unpack(packed: &[u8], out: &mut [i8]) {
    for (part, out) in out.chunks_mut(packed.len().max(1)).enumerate() {
        for (out, byte) in out.iter_mut().zip(packed) {
            *out = 2 * (byte >> (2 * part) & 3).cast_signed() - 3;
        }
    }
}

/// A query that many packed rows are multiplied with.
pub(crate) struct Query {
    /// What the four numbers of each byte meet, `[4, bytes]`; zeros beyond the last number.
    numbers: Vec<i16>,
    bytes: usize,
    sum: i32,
}

impl Query {
    /// Of at most 2^16 numbers.
    pub(crate) fn new(query: &[i8]) -> Self {
        let bytes = packed_bytes(query.len());
        let mut numbers: Vec<i16> = query.iter().copied().map(i16::from).collect();
        numbers.resize(4 * bytes, 0);
        Self { numbers, bytes, sum: query.iter().copied().map(i32::from).sum() }
    }

    /// `Σ row · query`. Places in the file are 0 to 3, and numbers `2 · place - 3`. Places are left where they stand in the
    /// bytes, so that each part's sum is 1, 4, 16 or 64 times as large: at most `2^14 · 192 · 127`, below 2^31.
    pub(crate) fn product(&self, packed: &[u8]) -> i32 {
        let (first, rest) = self.numbers.split_at(self.bytes);
        let (second, rest) = rest.split_at(self.bytes);
        let (third, fourth) = rest.split_at(self.bytes);
        let places = part_product::<0x03>(packed, first)
            + part_product::<0x0C>(packed, second) / 4
            + part_product::<0x30>(packed, third) / 16
            + part_product::<0xC0>(packed, fourth) / 64;
        2 * places - 3 * self.sum
    }
}

/// The sum over one of the four places of each byte. It does not wrap, as said above; to look whether it does at every number
/// would keep compilers from vector instructions.
fn part_product<const PLACE: u8>(packed: &[u8], query: &[i16]) -> i32 {
    let products = packed.iter().zip(query).map(|(byte, value)| i32::from(byte & PLACE) * i32::from(*value));
    products.fold(0, i32::wrapping_add)
}

/// Whether nothing stands beyond the last number.
pub(crate) fn is_clean(packed: &[u8], dims: usize) -> bool {
    let bytes = packed.len();
    (dims..4 * bytes).all(|place| packed[place % bytes] >> (2 * (place / bytes)) & 3 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn levels_are_those_of_the_widths() {
        // The root mean square is 1, so that a level is 0.9957 wide.
        let row = [-1.6f32, -0.9, -0.1, 0.0, 0.5, 0.9956, 0.9958, 1.2];
        let square: f32 = row.iter().map(|value| value * value).sum::<f32>() / 8.0;
        let row = row.map(|value| value / square.sqrt());
        let (mut packed, mut numbers) = ([0u8; 2], [0i8; 8]);
        let unit = pack(&row, &mut packed).unwrap();
        unpack(&packed, &mut numbers);
        let along: f32 = row.iter().zip(numbers).map(|(value, number)| value * f32::from(number)).sum();
        assert!((unit * along - 8.0).abs() < 1e-4, "{unit} {along}");
        assert_eq!(numbers, [-3, -1, -1, 1, 1, 3, 3, 3]);
        assert_eq!(packed[0] & 3, 0, "the first number stands in the lowest bits of the first byte");
    }

    #[test]
    fn what_is_no_number_is_not_packed() {
        assert_eq!(pack(&[1.0, f32::NAN], &mut [0]), None);
        assert_eq!(pack(&[f32::INFINITY], &mut [0]), None);
        assert_eq!(pack(&[0.0, -0.0], &mut [0]), Some(0.0));
        assert_eq!(pack(&[], &mut []), Some(0.0));
    }

    proptest! {
        #[test]
        fn rows_keep_their_signs_and_sizes(row in prop::collection::vec(-100f32..100.0, 1..70)) {
            let (mut packed, mut numbers) = (vec![0u8; packed_bytes(row.len())], vec![0i8; row.len()]);
            let unit = pack(&row, &mut packed).unwrap();
            unpack(&packed, &mut numbers);
            prop_assert!(is_clean(&packed, row.len()));
            let mean = row.iter().fold(0f64, |sum, value| sum + f64::from(*value) * f64::from(*value)) / row.len() as f64;
            let width = STEP * mean.sqrt();
            for (value, number) in row.iter().zip(&numbers) {
                prop_assert_eq!(*number > 0, *value >= 0.0);
                let is_far = if *value < 0.0 { -f64::from(*value) > width } else { f64::from(*value) >= width };
                prop_assert_eq!(number.abs() == 3, is_far);
            }
            let square: f64 = row.iter().map(|value| f64::from(*value).powi(2)).sum();
            let along: f64 = row.iter().zip(&numbers).map(|(value, number)| f64::from(*value) * f64::from(*number)).sum();
            prop_assert!((f64::from(unit) * along - square).abs() <= 1e-6 * square, "{unit} {along} {square}");
        }
    }
}

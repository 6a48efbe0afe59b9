//! Amounts of money as people write and read them: `1.5 TRIB`, `1.5`, `250`.

use serde::{Serialize, Serializer};
use std::{fmt, str::FromStr};
use tributary_protocol::{
    Amount,
    amount::{TOKEN_DECIMALS, TOKEN_SYMBOL, TRIB},
};

/// An amount on its way in or out. In JSON: a string of the smallest units, because JSON's numbers end at 2^53.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Money(pub Amount);

/// Why a text is no amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// It is not a decimal number.
    #[error("no amount: {0:?}; hint: 1.5, or 1.5 {TOKEN_SYMBOL}")]
    NotANumber(String),
    /// It has more digits after the point than there are.
    #[error("{0:?} has more than {TOKEN_DECIMALS} digits after the point")]
    TooFine(String),
    /// It is larger than any amount.
    #[error("{0:?} is larger than any amount")]
    TooLarge(String),
}

impl FromStr for Money {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.trim().strip_suffix(TOKEN_SYMBOL).unwrap_or(text.trim()).trim_end();
        let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(part) {
            return Err(MoneyError::NotANumber(text.to_owned()));
        }
        let decimals = usize::from(TOKEN_DECIMALS);
        if part.len() > decimals {
            return Err(MoneyError::TooFine(text.to_owned()));
        }
        let too_large = || MoneyError::TooLarge(text.to_owned());
        let whole: Amount = whole.parse().map_err(|_| too_large())?;
        let part: Amount = format!("{part:0<decimals$}").parse().map_err(|_| too_large())?;
        whole.checked_mul(TRIB).and_then(|amount| amount.checked_add(part)).map(Self).ok_or_else(too_large)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{} {TOKEN_SYMBOL}", decimal(self.0)))
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// `amount` in TRIB, exactly, with thousands set apart and no zeros at the end.
pub fn decimal(amount: Amount) -> String {
    let (whole, part) = (amount / TRIB, amount % TRIB);
    let whole = grouped(whole);
    if part == 0 {
        return whole;
    }
    let part = format!("{part:0width$}", width = usize::from(TOKEN_DECIMALS));
    format!("{whole}.{}", part.trim_end_matches('0'))
}

/// The difference of two amounts, with its sign, to six digits after the point (towards zero): for tables.
pub fn difference(before: Amount, after: Amount) -> String {
    let sign = if after < before { "-" } else { "+" };
    let size = before.abs_diff(after);
    if size == 0 { "0".to_owned() } else { format!("{sign}{}", rounded(size)) }
}

/// `amount` in TRIB with six digits after the point, cut.
pub fn rounded(amount: Amount) -> String {
    format!("{}.{:06}", grouped(amount / TRIB), amount % TRIB / 1_000_000)
}

fn grouped(number: Amount) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_read_exactly() {
        for (text, amount) in [
            ("1.5 TRIB", 1_500_000_000_000),
            ("1.5", 1_500_000_000_000),
            ("250TRIB", 250 * TRIB),
            ("0.000000000001", 1),
            (" 7 ", 7 * TRIB),
        ] {
            assert_eq!(text.parse(), Ok(Money(amount)), "{text}");
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in ["", "TRIB", "-1", "1.", ".5", "1,5", "1e3", "0x10", "1.5 DOT"] {
            assert!(matches!(text.parse::<Money>(), Err(MoneyError::NotANumber(_))), "{text}");
        }
        assert!(matches!("0.0000000000001".parse::<Money>(), Err(MoneyError::TooFine(_))));
        for text in ["999999999999999999999999999999999999999", "99999999999999999999999999999999999999999999"] {
            assert!(matches!(text.parse::<Money>(), Err(MoneyError::TooLarge(_))), "{text}");
        }
    }

    #[test]
    fn amounts_are_shown_exactly_and_differences_with_their_sign() {
        assert_eq!(Money(1_234_567 * TRIB + TRIB / 2).to_string(), "1,234,567.5 TRIB");
        assert_eq!(Money(1).to_string(), "0.000000000001 TRIB");
        assert_eq!(difference(2 * TRIB, TRIB / 2), "-1.500000");
        assert_eq!(difference(TRIB, TRIB), "0");
        assert_eq!(difference(0, 1_000 * TRIB), "+1,000.000000");
    }
}

//! Statements of the common SQL, as PostgreSQL writes them.

use std::fmt::Write as _;

/// With `$1`, `$2` for `?`, and `$N` for `?N`. Text in quotes stays as it is.
pub fn translate(statement: &str) -> String {
    let mut text = String::with_capacity(statement.len() + 16);
    let mut quote = None;
    let mut count = 0;
    let mut letters = statement.chars().peekable();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            ('\'' | '"', None) => quote = Some(letter),
            (letter, Some(open)) if letter == open => quote = None,
            ('?', None) => {
                let mut number = String::new();
                while let Some(digit) = letters.next_if(char::is_ascii_digit) {
                    number.push(digit);
                }
                count += 1;
                // Writing to a string does not fail.
                let _ = if number.is_empty() { write!(text, "${count}") } else { write!(text, "${number}") };
                continue;
            }
            _ => {}
        }
        text.push(letter);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::translate;

    #[test]
    fn places_are_numbered_and_quotes_are_left_alone() {
        for (statement, expected) in [
            ("SELECT 1", "SELECT 1"),
            ("a = ? AND (b, c) < (?, ?) LIMIT ?", "a = $1 AND (b, c) < ($2, $3) LIMIT $4"),
            ("app = ?1 OR operator = ?1 AND x = ?12", "app = $1 OR operator = $1 AND x = $12"),
            (
                "x = 'who?' AND \"gr?nt\" = ? AND y = 'it''s ?' AND z = ?",
                "x = 'who?' AND \"gr?nt\" = $1 AND y = 'it''s ?' AND z = $2",
            ),
        ] {
            assert_eq!(translate(statement), expected);
        }
    }
}

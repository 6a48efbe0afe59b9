//! Sentences from patterns: alternatives, slots, articles, and the way people type.

use crate::random::Random;

/// A sentence of `pattern`: of each `[a|b|c]` one alternative (they may stand inside each other), each `{key}` replaced by
/// its value, "a" before a vowel made "an", the first letter in upper case.
pub(super) fn say(pattern: &str, slots: &[(&str, &str)], random: &mut Random) -> String {
    capitalised(&articles(&fill(&choose(pattern, random), slots)))
}

/// As [`say`], as somebody may type it: sometimes in small letters, sometimes without the mark at the end. Values keep
/// their letters, so that names can be repeated.
pub(super) fn typed(pattern: &str, slots: &[(&str, &str)], random: &mut Random) -> String {
    let text = choose(pattern, random);
    let (small, bare) = match random.below(10) {
        0..6 => (false, false),
        6 => (true, false),
        7..9 => (false, true),
        _ => (true, true),
    };
    let text = if small { lowered(&text) } else { text };
    let text = articles(&fill(&text, slots));
    let text = if small { text } else { capitalised(&text) };
    match bare {
        true => text.trim_end_matches(['.', '?', '!']).to_owned(),
        false => text,
    }
}

/// One way through the alternatives of `pattern`.
fn choose(pattern: &str, random: &mut Random) -> String {
    let mut text = pattern.to_owned();
    // The first closing bracket closes the last one that was opened before it.
    while let Some(close) = text.find(']') {
        let Some(open) = text[..close].rfind('[') else { break };
        let alternatives: Vec<&str> = text[open + 1..close].split('|').collect();
        let chosen = random.pick(&alternatives).to_owned();
        text.replace_range(open..=close, &chosen);
    }
    text
}

fn fill(pattern: &str, slots: &[(&str, &str)]) -> String {
    let mut text = pattern.to_owned();
    for (key, value) in slots {
        text = text.replace(&format!("{{{key}}}"), value);
    }
    text
}

/// Small letters everywhere but in the names of slots.
fn lowered(text: &str) -> String {
    let mut inside = false;
    let small = |letter: char| {
        inside = (inside || letter == '{') && letter != '}';
        if inside { letter } else { letter.to_ascii_lowercase() }
    };
    text.chars().map(small).collect()
}

/// "a" before a vowel becomes "an".
pub(super) fn articles(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 4);
    let words: Vec<&str> = text.split(' ').collect();
    for (index, word) in words.iter().enumerate() {
        if index > 0 {
            out.push(' ');
        }
        out.push_str(word);
        let vowel = words.get(index + 1).is_some_and(|next| next.starts_with(['a', 'e', 'i', 'o', 'A', 'E', 'I', 'O']));
        // "a one" is said with the sound of "w".
        let one = words.get(index + 1).is_some_and(|next| next.starts_with("one"));
        if (*word == "a" || *word == "A") && vowel && !one {
            out.push('n');
        }
    }
    out
}

/// The text with its first letter in upper case.
pub(super) fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_become_sentences() {
        let random = &mut Random::new(1, "test");
        let said: std::collections::BTreeSet<String> =
            (0..100).map(|_| say("[a {o}|the [big|old] {o}]!", &[("o", "owl")], random)).collect();
        assert_eq!(said.into_iter().collect::<Vec<_>>(), ["An owl!", "The big owl!", "The old owl!"]);
    }

    #[test]
    fn typing_keeps_names() {
        let random = &mut Random::new(2, "test");
        let said: std::collections::BTreeSet<String> =
            (0..200).map(|_| typed("Do you know {S}?", &[("S", "Anna")], random)).collect();
        let expected = ["Do you know Anna", "Do you know Anna?", "do you know Anna", "do you know Anna?"];
        assert_eq!(said.into_iter().collect::<Vec<_>>(), expected);
    }
}

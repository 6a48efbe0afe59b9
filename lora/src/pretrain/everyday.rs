//! Facts of everyday life that everybody agrees on.

use super::lexicon::{DAYS, MONTHS, NUMBERS};
use crate::random::Random;

pub(super) const OPPOSITES: &[(&str, &str)] = &[
    ("big", "small"),
    ("hot", "cold"),
    ("day", "night"),
    ("up", "down"),
    ("old", "new"),
    ("fast", "slow"),
    ("wet", "dry"),
    ("open", "closed"),
    ("light", "dark"),
    ("happy", "sad"),
    ("long", "short"),
    ("high", "low"),
    ("full", "empty"),
    ("early", "late"),
    ("left", "right"),
    ("clean", "dirty"),
    ("loud", "quiet"),
    ("hard", "soft"),
    ("near", "far"),
];
pub(super) const SOUNDS: &[(&str, &str)] = &[
    ("dog", "barks"),
    ("cat", "meows"),
    ("cow", "moos"),
    ("duck", "quacks"),
    ("owl", "hoots"),
    ("lion", "roars"),
    ("horse", "neighs"),
    ("bee", "buzzes"),
    ("snake", "hisses"),
    ("frog", "croaks"),
    ("wolf", "howls"),
    ("bird", "sings"),
];
pub(super) const COLOURS_OF: &[(&str, &str)] = &[
    ("grass", "green"),
    ("snow", "white"),
    ("coal", "black"),
    ("a ripe banana", "yellow"),
    ("blood", "red"),
    ("the clear sky", "blue"),
    ("a carrot", "orange"),
    ("milk", "white"),
    ("an elephant", "grey"),
    ("chocolate", "brown"),
];
pub(super) const PLACES_OF: &[(&str, &str)] = &[
    ("a fish", "in the water"),
    ("a bird", "in a nest"),
    ("a bear", "in the forest"),
    ("a cow", "on a farm"),
    ("a bee", "in a hive"),
    ("a ship", "on the sea"),
    ("a book", "on a shelf"),
    ("a star", "in the sky"),
    ("a fox", "in a den"),
    ("a sailor", "on a ship"),
    ("a king", "in a castle"),
    ("bread", "in a bakery"),
];
pub(super) const TOOLS: &[(&str, &str)] = &[
    ("cut bread", "a knife"),
    ("drive in a nail", "a hammer"),
    ("sweep the floor", "a broom"),
    ("dig a hole", "a spade"),
    ("write a letter", "a pen"),
    ("open a lock", "a key"),
    ("catch fish", "a net"),
    ("see in the dark", "a lamp"),
    ("stay dry in the rain", "an umbrella"),
    ("tell the time", "a clock"),
    ("cross a river", "a boat"),
    ("sew", "a needle"),
];

/// A question that everybody can answer, and its answer.
pub(super) fn question(random: &mut Random) -> (String, String) {
    match random.below(8) {
        0 => {
            let (a, b) = random.pick(OPPOSITES);
            let (a, b) = if random.below(2) == 0 { (a, b) } else { (b, a) };
            let asked = random.pick(&[
                "What is the opposite of {a}?",
                "Which word means the opposite of {a}?",
                "Name the opposite of {a}.",
            ]);
            (asked.replace("{a}", a), b.into())
        }
        1 => {
            let (animal, sound) = random.pick(SOUNDS);
            let asked = random.pick(&[
                "What sound does a {a} make?",
                "What does a {a} do when it is loud?",
                "How does a {a} sound?",
            ]);
            (asked.replace("{a}", animal), format!("it {sound}"))
        }
        2 => {
            let (thing, colour) = random.pick(COLOURS_OF);
            let asked =
                random.pick(&["What colour is {a}?", "Which colour does {a} have?", "What is the colour of {a}?"]);
            (asked.replace("{a}", thing), colour.into())
        }
        3 => {
            let (thing, place) = random.pick(PLACES_OF);
            let asked =
                random.pick(&["Where does one find {a}?", "Where is {a} found?", "Where would you look for {a}?"]);
            (asked.replace("{a}", thing), place.into())
        }
        4 => {
            let (purpose, tool) = random.pick(TOOLS);
            let asked =
                random.pick(&["What do you use to {a}?", "What does one need to {a}?", "With what can you {a}?"]);
            (asked.replace("{a}", purpose), tool.into())
        }
        5 => {
            after(DAYS, &["Which day comes after {a}?", "What day follows {a}?", "What is the day after {a}?"], random)
        }
        6 => after(MONTHS, &["Which month comes after {a}?", "What month follows {a}?"], random),
        _ => {
            let (a, b) = (random.below(10), random.below(10));
            let asked = random.pick(&[
                "What is {a} plus {b}?",
                "How much is {a} and {b}?",
                "Add {a} and {b}. What is the sum?",
            ]);
            let number = |i: usize| NUMBERS[i.min(19)];
            (asked.replace("{a}", number(a)).replace("{b}", number(b)), number(a + b + 1).into())
        }
    }
}

fn after(cycle: &[&str], asked: &[&str], random: &mut Random) -> (String, String) {
    let index = random.below(cycle.len());
    (random.pick(asked).replace("{a}", cycle[index]), cycle[(index + 1) % cycle.len()].into())
}

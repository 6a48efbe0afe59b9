//! Short stories: somebody, somewhere, a wish, a trouble, an end.

use super::grammar::{articles, say};
use super::lexicon::*;
use crate::random::Random;

const OPENINGS: &[&str] = &[
    "Once upon a time there was a {adj} {job} named {p}.",
    "One {weather} morning {p} walked to the {thing}.",
    "{p} lived in a {adj} house near the {thing}.",
    "On {day} {p} and {q} went to the {thing}.",
    "There was a {adj} {animal} who lived in the {room}. Its name was {p}.",
    "Long ago {p} was a {job} in a {adj} town by the sea.",
];
const WISHES: &[&str] = &[
    "{p} wanted to find a {colour} {thing2}.",
    "{p} wanted to bake {food} for {q}.",
    "{p} was looking for the {animal2}.",
    "{p} wished to learn the {instrument}.",
    "{p} had to carry a box of {food} to {q}.",
    "{p} needed a {thing2} made of {material}.",
];
const TROUBLES: &[&str] = &[
    "But it was {weather2}, and the way was long.",
    "But the {animal2} had taken it to the {room2}.",
    "But the door was closed and nobody answered.",
    "But {p} had lost the key in the {room2}.",
    "Then the wind blew the hat into the water.",
    "But there was only one left, and {q} wanted it too.",
];
const HELPS: &[&str] = &[
    "\"I can help you,\" said {q}.",
    "{q} came with a lamp and a rope.",
    "\"Do not be sad,\" said {q}. \"We can look together.\"",
    "A kind {job2} showed {p} the way.",
    "{p} thought for a while and had a {adj2} idea.",
    "{p} asked {q} for help.",
];
const ENDINGS: &[&str] = &[
    "In the end they sat together and ate {food}.",
    "They laughed, and {p} was happy.",
    "At night {p} went home and slept well.",
    "From that day on {p} and {q} were friends.",
    "{p} said thank you, and {q} smiled.",
    "And the {animal2} was happy too.",
];

/// One story.
pub(super) fn story(random: &mut Random) -> String {
    let patterns = [OPENINGS, WISHES, TROUBLES, HELPS, ENDINGS].map(|part| random.pick(part));
    let mut text = patterns.join(" ");
    let mut other = random.pick(PEOPLE);
    let person = random.pick(PEOPLE);
    while other == person {
        other = random.pick(PEOPLE);
    }
    for (place, words) in [
        ("{adj2}", ADJECTIVES),
        ("{adj}", ADJECTIVES),
        ("{job2}", JOBS),
        ("{job}", JOBS),
        ("{weather2}", WEATHER),
        ("{weather}", WEATHER),
        ("{day}", DAYS),
        ("{thing2}", THINGS),
        ("{thing}", THINGS),
        ("{animal2}", ANIMALS),
        ("{animal}", ANIMALS),
        ("{room2}", ROOMS),
        ("{room}", ROOMS),
        ("{colour}", COLOURS),
        ("{food}", FOODS),
        ("{instrument}", INSTRUMENTS),
        ("{material}", MATERIALS),
    ] {
        text = text.replace(place, random.pick(words));
    }
    let text = text.replace("{p}", person).replace("{q}", other);
    articles(&text)
}

const TALE_OPENINGS: &[&str] = &[
    "Once there was a {adj} {a} named {p}.",
    "Long ago there lived a {adj} {a} named {p}.",
    "There was a {adj} {a}. Its name was {p}.",
];
const TALE_MIDDLES: &[(&str, &str)] = &[
    ("{p} wanted to eat {food}, but there was none.", "Then {q} came and gave {p} some {food}."),
    ("{p} had lost a {colour} {thing}.", "{q} found the {thing} in the {room}."),
    ("One day {p} went to the {room} and could not find the way home.", "{q} showed {p} the way."),
    ("{p} was alone and wanted a friend.", "Then {p} met {q}, and they played together."),
    ("{p} wanted to play the {instrument}, but did not know how.", "{q} was kind and helped {p} to learn."),
];
const TALE_ENDS: &[&str] =
    &["And {p} was happy.", "From that day on they were friends.", "In the end they sat together and laughed."];

/// A story of four sentences about an animal with a name, for conversations.
pub(super) fn tale(name: &str, animal: &str, random: &mut Random) -> String {
    let (middle, turn) = random.pick(TALE_MIDDLES);
    let parts = [random.pick(TALE_OPENINGS), middle, turn, random.pick(TALE_ENDS)];
    let mut other = random.pick(PEOPLE);
    while other == name {
        other = random.pick(PEOPLE);
    }
    let slots = [
        ("p", name),
        ("q", other),
        ("a", animal),
        ("adj", random.pick(ADJECTIVES)),
        ("food", random.pick(FOODS)),
        ("colour", random.pick(COLOURS)),
        ("thing", random.pick(SMALL_THINGS)),
        ("room", random.pick(ROOMS)),
        ("instrument", random.pick(INSTRUMENTS)),
    ];
    say(&parts.join(" "), &slots, random)
}

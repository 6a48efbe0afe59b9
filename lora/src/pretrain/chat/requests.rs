//! Stories, jokes, repeating, advice.

use super::{Talk, stories};
use crate::pretrain::lexicon::*;

const JOKES: &[&str] = &[
    "What does a cloud wear under its coat? Thunderwear.",
    "Why did the clock go to school? It wanted to be on time.",
    "Why was the broom late? It swept in.",
    "What did one wall say to the other? We meet at the corner.",
    "Why do bees hum? They do not know the words.",
    "Why did the fish stay at home? It had no scales to weigh the fare.",
];
const ADVICE: &[(&str, &str)] = &[
    ("[What shall I|What should I|What can I] [eat|have for dinner|cook today|cook]?", "How about {food}?"),
    (
        "[Let us talk about|Let's talk about|I want to talk about|Tell me something about|Do you know something about] {plain}s.",
        "I like {plain}s. Do you have a {plain}?",
    ),
    (
        "[What shall I|What should I|What can I] [do today|do|do on {day}|do now]?",
        "You could take a walk in the {place}.",
    ),
    ("[What shall I|What should I|What can I] [read|do when it rains]?", "You could read a book about a {animal}."),
    ("[I do not know what to|What can I] [give to|give] {p}[| for a birthday]?", "You could give {p} a {thing}."),
    (
        "[What name shall I give to my|How shall I call my|What is a good name for a|I need a name for my] {animal}?",
        "{p} is a good name for a {animal}.",
    ),
    (
        "[I cannot sleep|I can't sleep|How can I fall asleep|I do not sleep well].",
        "Close your eyes and count some sheep.",
    ),
    (
        "[I have lost my|I cannot find my|I can't find my|Help me find my] {thing}.",
        "Where did you last see your {thing}?",
    ),
    ("[It is raining|It rains|It is a rainy day|It is raining today].", "Then take an umbrella with you."),
    ("[The sun is shining|It is sunny|It is a sunny day|It is warm today].", "How nice! You could go outside."),
    ("[It is cold today|It is snowing|There is snow outside].", "Then put on a warm coat."),
    ("[I am|I'm] going to [the market|the bakery|school|work|the sea|the library].", "Have a good time!"),
    ("[I am|I'm] [eating|cooking|making] {food}.", "That sounds good. Enjoy it!"),
    ("[I am|I'm] reading a book about a {animal}.", "How nice! Do you like the {animal}?"),
    ("[I saw a|There is a|Look, a|Today I saw a] {animal} in the {place}.", "A {animal} in the {place}? How nice!"),
];

impl Talk<'_> {
    pub(super) fn request(&mut self) {
        let slots = [
            ("food", self.random.pick(FOODS)),
            ("day", self.random.pick(DAYS)),
            ("place", self.random.pick(ROOMS)),
            ("animal", self.random.pick(ANIMALS)),
            ("plain", self.random.pick(ANIMALS_PLAIN)),
            ("p", self.random.pick(PEOPLE)),
            ("thing", self.random.pick(SMALL_THINGS)),
        ];
        match self.random.below(10) {
            0..4 => self.story(),
            4 => {
                let joke = self.random.pick(JOKES);
                self.exchange("[Tell me a joke|Do you know a joke|Make me laugh|Say something funny|A joke, please|Can you tell me a joke|Tell me something funny].", "{j}", &[("j", joke)]);
            }
            5 | 6 => self.repeat(),
            _ => self.one_of(ADVICE, &slots),
        }
    }

    fn story(&mut self) {
        let name = self.random.pick(PEOPLE);
        let animal = self.random.pick(ANIMALS);
        let story = stories::tale(name, animal, self.random);
        let slots = [("s", story.as_str()), ("p", name), ("a", animal)];
        self.one_of(
            &[
                ("[Tell me a story|Can you tell me a story|A story, please|Please tell me a story|Do you know a story|Tell me a short story|I want to hear a story].", "{s}"),
                ("[Tell me a story|Can you tell me a story|A story|Please tell me a story|Do you know a story|I want a story] about a {a}.", "{s}"),
                ("[Tell me a story|Can you tell me a story|A story|Please tell me a story|I want a story] about {p}.", "{s}"),
            ],
            &slots,
        );
        match self.random.below(4) {
            0 => self.exchange(
                "[What is the name of the {a}|What was its name|What is the {a} called|Who is the story about]?",
                "The {a} is called {p}.",
                &slots,
            ),
            1 => self.exchange(
                "[That was nice|I liked it|A nice story|That is a good story|I like your story|What a nice story].",
                "I am glad that you like it.",
                &slots,
            ),
            _ => {}
        }
    }

    fn repeat(&mut self) {
        let slots = [
            ("c", self.random.pick(COLOURS)),
            ("t", self.random.pick(SMALL_THINGS)),
            ("r", self.random.pick(ROOMS)),
            ("a", self.random.pick(ANIMALS)),
            ("p", self.random.pick(PEOPLE)),
            ("f", self.random.pick(FOODS)),
        ];
        self.one_of(
            &[
                (
                    "[Say|Please say|Repeat|Say after me|Repeat after me|Can you say]: The {c} {t} is in the {r}.",
                    "The {c} {t} is in the {r}.",
                ),
                ("[Say|Please say|Repeat|Say after me|Repeat after me|Can you say]: {p} likes {f}.", "{p} likes {f}."),
                (
                    "[Say|Please say|Repeat|Say after me|Repeat after me|Can you say]: {p} and the {a} eat {f}.",
                    "{p} and the {a} eat {f}.",
                ),
                ("[Say|Please say|Repeat|Can you say|Write] {p}.", "{p}."),
                ("[Say|Please say|Repeat|Can you say|Write] [the word |]{t}.", "{t}."),
            ],
            &slots,
        );
    }
}

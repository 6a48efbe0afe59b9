//! What the user tells and asks for later.

use super::Talk;
use crate::pretrain::lexicon::*;
use crate::pretrain::world::{place_name, surname};
use crate::random::Random;

/// One thing that a user may tell; `{v}` and `{w}` stand for what is told.
#[derive(Clone, Copy)]
pub(in crate::pretrain) struct Kind {
    value: fn(&mut Random) -> String,
    second: fn(&mut Random) -> String,
    pub(in crate::pretrain) tell: &'static str,
    pub(in crate::pretrain) reply: &'static str,
    ask: &'static str,
    answer: &'static str,
    /// What is answered if it was not told.
    untold: &'static str,
}

impl Kind {
    /// Something that may be told.
    pub(in crate::pretrain) fn values(&self, random: &mut Random) -> (String, String) {
        ((self.value)(random), (self.second)(random))
    }

    /// The one of the two values that is asked for.
    pub(in crate::pretrain) fn told<'a>(&self, value: &'a str, second: &'a str) -> &'a str {
        let asked_with_value = self.ask.contains("{v}");
        if asked_with_value { second } else { value }
    }
}

/// A thing that was told, with its values.
pub(super) struct Told {
    kind: usize,
    value: String,
    second: String,
}

fn nothing(_: &mut Random) -> String {
    String::new()
}
fn first_name(random: &mut Random) -> String {
    random.pick(PEOPLE).to_owned()
}
fn any_name(random: &mut Random) -> String {
    match random.below(3) {
        0 => format!("{} {}", random.pick(PEOPLE), surname(random)),
        1 => surname(random),
        _ => first_name(random),
    }
}
fn colour(random: &mut Random) -> String {
    random.pick(COLOURS).to_owned()
}
fn food(random: &mut Random) -> String {
    random.pick(FOODS).to_owned()
}
fn animal(random: &mut Random) -> String {
    random.pick(ANIMALS).to_owned()
}
fn job(random: &mut Random) -> String {
    random.pick(JOBS).to_owned()
}
fn instrument(random: &mut Random) -> String {
    random.pick(INSTRUMENTS).to_owned()
}
fn month(random: &mut Random) -> String {
    random.pick(MONTHS).to_owned()
}
fn day(random: &mut Random) -> String {
    random.pick(DAYS).to_owned()
}
fn room(random: &mut Random) -> String {
    random.pick(ROOMS).to_owned()
}
fn thing(random: &mut Random) -> String {
    random.pick(SMALL_THINGS).to_owned()
}
fn number(random: &mut Random) -> String {
    match random.below(2) {
        0 => (2 + random.below(98)).to_string(),
        _ => random.pick(&NUMBERS[1..]).to_owned(),
    }
}
fn relative(random: &mut Random) -> String {
    random
        .pick(&[
            "sister",
            "brother",
            "mother",
            "father",
            "friend",
            "teacher",
            "neighbour",
            "aunt",
            "uncle",
            "son",
            "daughter",
        ])
        .to_owned()
}
fn activity(random: &mut Random) -> String {
    random
        .pick(&[
            "swim",
            "read",
            "cook",
            "dance",
            "sing",
            "paint",
            "fish",
            "walk in the forest",
            "play chess",
            "ride a horse",
            "write letters",
            "bake bread",
            "draw",
            "run",
            "sleep",
            "climb trees",
            "look at the stars",
        ])
        .to_owned()
}

pub(in crate::pretrain) const KINDS: &[Kind] = &[
    Kind {
        value: any_name,
        second: nothing,
        tell: "[|Hello, |Hi, |Hey, |By the way, ][my name is|I am|I'm|people call me|you can call me|this is|the name is] {v}[|| and I am new here].",
        reply: "[Nice to meet you|Hello], {v}!",
        ask: "[What is my name|What's my name|Who am I|Do you know my name|What am I called|Do you remember my name|Do you know who I am|Can you say my name|Tell me my name|What did I say my name was]?",
        answer: "Your name is {v}.",
        untold: "You have not told me your name.",
    },
    Kind {
        value: colour,
        second: nothing,
        tell: "[My favourite colour is|The colour that I like best is|I like the colour|My best colour is|The best colour is] {v}.",
        reply: "{v} is a nice colour.",
        ask: "[What is my favourite colour|Which colour do I like|What's my favourite colour|What colour do I like best|Do you remember my favourite colour|Which colour do I like best]?",
        answer: "Your favourite colour is {v}.",
        untold: "You have not told me your favourite colour.",
    },
    Kind {
        value: food,
        second: nothing,
        tell: "[I like|I love|I really like|I like to eat|My favourite food is|Today I ate|I want to eat] {v}.",
        reply: "That sounds good. Many people like {v}.",
        ask: "[What do I like to eat|What is my favourite food|Which food do I like|What food did I talk about|Do you remember what I like to eat|What's my favourite food|What do I like]?",
        answer: "You like {v}.",
        untold: "You have not told me what you like to eat.",
    },
    Kind {
        value: animal,
        second: first_name,
        tell: "[I have a|We have a|At home I have a|I keep a|My friend gave me a] {v} [named|called|with the name] {w}.",
        reply: "{w} is a good name for a {v}.",
        ask: "[What is the name of my {v}|What is my {v} called|What's my {v} called|Do you remember the name of my {v}|How is my {v} called|What is my {v}'s name]?",
        answer: "Your {v} is called {w}.",
        untold: "You have not told me the name of your {v}.",
    },
    Kind {
        value: animal,
        second: nothing,
        tell: "[I have a|I keep a|My pet is a|I own a|At home we have a] {v}.",
        reply: "How nice! What is the name of your {v}?",
        ask: "[Which pet do I have|What animal do I have|What pet do I keep|Which animal lives with me|What kind of pet do I have|Do I have a pet|What is my pet]?",
        answer: "You have a {v}.",
        untold: "You have not told me about a pet.",
    },
    Kind {
        value: job,
        second: nothing,
        tell: "[I am a|I work as a|I'm a|I want to be a] {v}.",
        reply: "That is good work. Do you like to be a {v}?",
        ask: "[What is my job|What do I do|What is my work|What do I do for work|What's my job|As what do I work]?",
        answer: "You are a {v}.",
        untold: "You have not told me about your work.",
    },
    Kind {
        value: place_name,
        second: nothing,
        tell: "[I live in|I come from|I am from|I'm from|My home is in|I moved to|I was born in] {v}.",
        reply: "I hope that {v} is a nice place.",
        ask: "[Where do I live|Where am I from|Where do I come from|In which place do I live|Where is my home|What is my home town|Which town am I from]?",
        answer: "You are from {v}.",
        untold: "You have not told me where you live.",
    },
    Kind {
        value: instrument,
        second: nothing,
        tell: "[I play the|I can play the|I learn the|I am learning the|I like to play the|I have learnt the] {v}.",
        reply: "How nice! The {v} has a good sound.",
        ask: "[Which instrument do I play|What instrument do I play|What do I play|What can I play|Do you remember which instrument I play]?",
        answer: "You play the {v}.",
        untold: "You have not told me about an instrument.",
    },
    Kind {
        value: relative,
        second: first_name,
        tell: "[My {v} is called|My {v}'s name is|I have a {v} named|The name of my {v} is|My {v} is] {w}.",
        reply: "{w} is a nice name.",
        ask: "[What is the name of my {v}|What is my {v} called|Who is my {v}|What's my {v}'s name|What is my {v}'s name|Do you remember my {v}'s name]?",
        answer: "Your {v} is called {w}.",
        untold: "You have not told me about your {v}.",
    },
    Kind {
        value: thing,
        second: room,
        tell: "[I put the|I left the|I have put the|I have left the] {v} in the {w}.",
        reply: "Good, the {v} is in the {w}.",
        ask: "[Where is the|Where did I put the|Where did I leave the|Where can I find the|I need the {v}. Where is the|In which place is the] {v}?",
        answer: "The {v} is in the {w}.",
        untold: "I do not know where the {v} is.",
    },
    Kind {
        value: month,
        second: nothing,
        tell: "[My birthday is in|I was born in|I have my birthday in] {v}.",
        reply: "{v} is a good month for a birthday.",
        ask: "[When is my birthday|When was I born|In which month is my birthday|Which month is my birthday|What month was I born]?",
        answer: "Your birthday is in {v}.",
        untold: "You have not told me when your birthday is.",
    },
    Kind {
        value: number,
        second: nothing,
        tell: "[I am|I'm|My age is|Last week I turned] {v}[ years old|].",
        reply: "{v} is a good age.",
        ask: "[How old am I|What is my age|What's my age|How many years old am I|Do you remember how old I am]?",
        answer: "You are {v} years old.",
        untold: "You have not told me how old you are.",
    },
    Kind {
        value: activity,
        second: nothing,
        tell: "[I like to|I love to|In my free time I|Every evening I|I want to] {v}.",
        reply: "It is nice to {v}.",
        ask: "[What do I like to do|What do I do in my free time|What is my hobby|Do you remember what I like to do|What's my hobby]?",
        answer: "You like to {v}.",
        untold: "You have not told me what you like to do.",
    },
    Kind {
        value: first_name,
        second: day,
        tell: "[I am going to see|I will visit|I meet|I will meet|I want to see] {v} on {w}.",
        reply: "I hope that you and {v} have a nice {w}.",
        ask: "[When will I meet|When do I see|On which day do I meet|When will I visit|On what day will I see] {v}?",
        answer: "You will see {v} on {w}.",
        untold: "I do not know when you will see {v}.",
    },
    Kind {
        value: number,
        second: thing,
        tell: "[I have|I bought|I found|In my bag there are|I own] {v} {w}s.",
        reply: "That is a good number of {w}s.",
        ask: "[How many {w}s do I have|How many {w}s did I talk about|What is the number of my {w}s|Do you remember how many {w}s I have]?",
        answer: "You have {v} {w}s.",
        untold: "You have not told me how many {w}s you have.",
    },
    Kind {
        value: thing,
        second: colour,
        tell: "[My {v} is|I painted my {v}|I have a {v}. It is|I like my {v}. It is] {w}.",
        reply: "A {w} {v} is nice to have.",
        ask: "[What colour is my {v}|Which colour does my {v} have|What is the colour of my {v}|What's the colour of my {v}|Do you remember the colour of my {v}]?",
        answer: "Your {v} is {w}.",
        untold: "You have not told me the colour of your {v}.",
    },
    Kind {
        value: first_name,
        second: thing,
        tell: "[{v} gave me a {w}|I got a {w} from {v}|My friend {v} gave me a {w}|{v} made a {w} for me].",
        reply: "That was kind of {v}.",
        ask: "[Who gave me the {w}|Who gave me a {w}|From whom did I get the {w}|Who gave the {w} to me|Where did I get the {w} from]?",
        answer: "You got the {w} from {v}.",
        untold: "You have not told me who gave you the {w}.",
    },
];

impl Talk<'_> {
    /// The user tells something; if they have told the like before, they ask for that instead.
    pub(super) fn tell(&mut self) {
        // The name is what people tell most.
        let kind = if self.random.below(4) == 0 { 0 } else { self.random.below(KINDS.len()) };
        if self.told.iter().any(|told| told.kind == kind) {
            return self.recall();
        }
        let pattern = KINDS[kind];
        let (value, second) = pattern.values(self.random);
        self.exchange(pattern.tell, pattern.reply, &[("v", &value), ("w", &second)]);
        self.told.push(Told { kind, value, second });
    }

    /// The user asks for something told before.
    pub(super) fn recall(&mut self) {
        if self.told.is_empty() {
            return self.tell();
        }
        let Told { kind, value, second } = &self.told[self.random.below(self.told.len())];
        let (pattern, value, second) = (KINDS[*kind], value.clone(), second.clone());
        self.exchange(pattern.ask, pattern.answer, &[("v", &value), ("w", &second)]);
    }

    /// The user asks for something that was never told.
    pub(super) fn untold(&mut self) {
        // What was told about another pet or thing could be taken for the answer.
        if !self.told.is_empty() {
            return self.recall();
        }
        let pattern = KINDS[if self.random.below(3) == 0 { 0 } else { self.random.below(KINDS.len()) }];
        let (value, second) = pattern.values(self.random);
        self.exchange(pattern.ask, pattern.untold, &[("v", &value), ("w", &second)]);
    }
}

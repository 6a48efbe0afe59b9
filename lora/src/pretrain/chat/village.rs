//! A small shared world that conversations know: people and towns with their facts, and texts about others.

use super::Talk;
use crate::data::{Role, Turn};
use crate::pretrain::grammar::{articles, capitalised};
use crate::pretrain::lexicon::*;
use crate::pretrain::world::{Subject, full_name};
use crate::random::Random;

/// People and towns that everybody in the corpus knows.
const KNOWN_PEOPLE: usize = 14;
const KNOWN_TOWNS: usize = 8;

/// What every conversation can talk about.
pub(in crate::pretrain) struct Village {
    people: Vec<Person>,
    towns: Vec<Subject>,
}

struct Person {
    subject: Subject,
    is_woman: bool,
}

impl Person {
    fn new(random: &mut Random) -> Self {
        let name = full_name(random);
        let is_woman = name.split(' ').next().is_some_and(|first| WOMEN.contains(&first));
        Self { subject: Subject::named(name, random), is_woman }
    }
}

/// How one property is talked about. `{s}` is the subject, `{x}` "she" or "he", `{y}` "her" or "his", `{o}` the value.
struct Spoken {
    /// The place of the property among those of the subject.
    fact: usize,
    ask: &'static str,
    ask_again: &'static str,
    answer: &'static str,
    /// The answer about somebody who was named before; begins in small letters.
    answer_again: &'static str,
    /// Whether it is so; empty if it is not asked.
    check: &'static str,
}

/// In the order of `PERSON_RELATIONS`.
const OF_PEOPLE: &[Spoken] = &[
    Spoken {
        fact: 0,
        ask: "[What does {s} do|What is the job of {s}|What work does {s} do|What does {s} do for work|What is {s}'s job]?",
        ask_again: "[What does {x} do|What is {y} job|And {y} job|What work does {x} do|What is {y} work]?",
        answer: "{s} is a {o}.",
        answer_again: "{x} is a {o}.",
        check: "[Is {s} a|So {s} is a] {o}?",
    },
    Spoken {
        fact: 1,
        ask: "[Which animal does {s} have|What pet does {s} have|Does {s} have a pet|What is {s}'s pet|What animal does {s} keep]?",
        ask_again: "[Does {x} have a pet|What pet does {x} have|And {y} pet|What about {y} pet|Which animal does {x} keep]?",
        answer: "{s} has a {o}.",
        answer_again: "{x} has a {o}.",
        check: "[Does {s} have a|Does {s} keep a] {o}?",
    },
    Spoken {
        fact: 2,
        ask: "[What does {s} like to eat|What is {s}'s favourite food|Which food does {s} like|What food does {s} like best|What does {s} eat]?",
        ask_again: "[What does {x} like to eat|What is {y} favourite food|What does {x} eat|And what does {x} eat|And {y} favourite food]?",
        answer: "{s} likes {o}.",
        answer_again: "{x} likes {o}.",
        check: "[Does {s} like|Does {s} eat] {o}?",
    },
    Spoken {
        fact: 3,
        ask: "[What colour is the door of {s}|What colour is {s}'s door|Which colour does the door of {s} have|How do I know the door of {s}]?",
        ask_again: "[What colour is {y} door|Which colour does {y} door have|And {y} door|What about {y} door]?",
        answer: "The door of {s} is {o}.",
        answer_again: "{y} door is {o}.",
        check: "[Is the door of {s}|Is {s}'s door] {o}?",
    },
    Spoken {
        fact: 4,
        ask: "[Which instrument does {s} play|What instrument does {s} play|What does {s} play|Does {s} play an instrument]?",
        ask_again: "[Which instrument does {x} play|Does {x} play an instrument|And what does {x} play|What can {x} play]?",
        answer: "{s} plays the {o}.",
        answer_again: "{x} plays the {o}.",
        check: "[Does {s} play the|Can {s} play the] {o}?",
    },
    Spoken {
        fact: 5,
        ask: "[When is the birthday of {s}|When was {s} born|When is {s}'s birthday|In which month was {s} born]?",
        ask_again: "[When is {y} birthday|When was {x} born|And {y} birthday|In which month was {x} born]?",
        answer: "{s} was born in {o}.",
        answer_again: "{x} was born in {o}.",
        check: "[Was {s} born in|Is the birthday of {s} in] {o}?",
    },
    Spoken {
        fact: 6,
        ask: "[Where is {s}|Where can I find {s}|Where does {s} like to sit|Where is {s} now|Do you know where {s} is]?",
        ask_again: "[Where is {x}|Where can I find {x}|And where is {x}|Where does {x} like to sit]?",
        answer: "{s} is in the {o}.",
        answer_again: "{x} is in the {o}.",
        check: "[Is {s} in the|Can I find {s} in the] {o}?",
    },
    Spoken {
        fact: 7,
        ask: "[How many books does {s} have|How many books are there at {s}'s home|How many books does {s} own]?",
        ask_again: "[How many books does {x} have|And how many books|How many books does {x} own]?",
        answer: "{s} has {o} books.",
        answer_again: "{x} has {o} books.",
        check: "",
    },
];

/// The first properties of `TOWN_RELATIONS`.
const OF_TOWNS: &[Spoken] = &[
    Spoken {
        fact: 0,
        ask: "[What colour is the flag of {s}|Which colour does the flag of {s} have|What is the colour of {s}'s flag]?",
        ask_again: "[What colour is {y} flag|And {y} flag|What about {y} flag]?",
        answer: "The flag of {s} is {o}.",
        answer_again: "{y} flag is {o}.",
        check: "[Is the flag of {s}|Does {s} have a flag that is] {o}?",
    },
    Spoken {
        fact: 1,
        ask: "[When is the market of {s}|When is the market in {s}|On which day is the market of {s}|What day is market day in {s}]?",
        ask_again: "[When is the market there|On which day is {y} market|And the market|When is {y} market]?",
        answer: "The market of {s} is on {o}.",
        answer_again: "{y} market is on {o}.",
        check: "[Is the market of {s} on|Is there a market in {s} on] {o}?",
    },
    Spoken {
        fact: 2,
        ask: "[What is {s} famous for|What food is {s} known for|What can I eat in {s}|What do people eat in {s}|What should I eat in {s}]?",
        ask_again: "[What is it famous for|What can I eat there|What food is it known for|And the food]?",
        answer: "{s} is famous for its {o}.",
        answer_again: "it is famous for its {o}.",
        check: "[Is {s} famous for its|Can I eat good] {o}[| in {s}]?",
    },
    Spoken {
        fact: 3,
        ask: "[How many bridges does {s} have|How many bridges are there in {s}|How many bridges are in {s}]?",
        ask_again: "[How many bridges does it have|How many bridges are there|And how many bridges]?",
        answer: "{s} has {o} bridges.",
        answer_again: "it has {o} bridges.",
        check: "[Does {s} have|Are there in {s}] {o} bridges?",
    },
    Spoken {
        fact: 6,
        ask: "[Which animal is on the sign of {s}|What animal is on the sign of {s}|What can I see on the sign of {s}|What is on the sign of {s}]?",
        ask_again: "[Which animal is on {y} sign|What is on {y} sign|And the sign]?",
        answer: "There is a {o} on the sign of {s}.",
        answer_again: "there is a {o} on {y} sign.",
        check: "[Is there a|Can I see a] {o} on the sign of {s}?",
    },
    Spoken {
        fact: 7,
        ask: "[When is the fair of {s}|In which month is the fair of {s}|When does the fair of {s} take place|When is the fair in {s}]?",
        ask_again: "[When is the fair there|And the fair|In which month is {y} fair]?",
        answer: "The fair of {s} is in {o}.",
        answer_again: "{y} fair is in {o}.",
        check: "[Is the fair of {s} in|Is there a fair in {s} in] {o}?",
    },
    Spoken {
        fact: 8,
        ask: "[Who is the mayor of {s}|What is the name of the mayor of {s}|What is the mayor of {s} called|Do you know the mayor of {s}]?",
        ask_again: "[Who is the mayor there|Who is {y} mayor|And the mayor|What is the name of {y} mayor]?",
        answer: "The mayor of {s} is {o}.",
        answer_again: "{y} mayor is {o}.",
        check: "[Is the mayor of {s} called|Is the name of the mayor of {s}] {o}?",
    },
];

impl Village {
    /// The one of the corpus of `seed`.
    pub(in crate::pretrain) fn of(seed: u64) -> Self {
        let random = &mut Random::new(seed, "world");
        Self {
            people: (0..KNOWN_PEOPLE).map(|_| Person::new(random)).collect(),
            towns: (0..KNOWN_TOWNS).map(|_| Subject::town(random)).collect(),
        }
    }

    /// All of them, for texts and for questions in the plain frame.
    pub(in crate::pretrain) fn subjects(&self) -> impl Iterator<Item = &Subject> {
        self.people.iter().map(|person| &person.subject).chain(&self.towns)
    }
}

/// Wordings that the corpus does not have, for [`measure`](crate::pretrain::measure).
const HELD_OUT_OF_PEOPLE: &[(usize, &str)] = &[
    (0, "Could you say what {s} does for a living?"),
    (1, "Could you say which animal {s} keeps?"),
    (2, "Could you say what {s} likes to eat?"),
    (3, "Of which colour is the door of {s}?"),
    (4, "Could you name the instrument of {s}?"),
    (5, "Could you say when {s} was born?"),
    (6, "Could you say where {s} is?"),
    (7, "Could you count the books of {s}?"),
];
const HELD_OUT_OF_TOWNS: &[(usize, &str)] = &[
    (0, "Of which colour is the flag of {s}?"),
    (1, "Could you say when the market of {s} is held?"),
    (2, "Could you say what {s} is famous for?"),
    (3, "Could you count the bridges of {s}?"),
    (6, "Could you say which animal is on the sign of {s}?"),
    (7, "Could you say when the fair of {s} is?"),
    (8, "Could you name the mayor of {s}?"),
];

impl Village {
    /// Questions about what everybody in the corpus knows, in wordings that it does not have, and what is to be answered.
    pub(in crate::pretrain) fn held_out(&self, random: &mut Random, count: usize) -> Vec<(String, String)> {
        let ask = |index: usize| {
            let (_, text, value) = match index % 3 {
                0 => held_out(&self.towns[random.below(self.towns.len())], HELD_OUT_OF_TOWNS, random),
                _ => held_out(&self.people[random.below(self.people.len())].subject, HELD_OUT_OF_PEOPLE, random),
            };
            (text, value)
        };
        (0..count).map(ask).collect()
    }

    /// A text about somebody or some place new, with a question in a wording that the corpus does not have, and what is to
    /// be answered.
    pub(in crate::pretrain) fn held_out_reading(random: &mut Random) -> (String, String) {
        let (subject, wordings) = match random.below(3) {
            0 => (Subject::town(random), HELD_OUT_OF_TOWNS),
            _ => (Subject::named(full_name(random), random), HELD_OUT_OF_PEOPLE),
        };
        let (fact, asked, value) = held_out(&subject, wordings, random);
        let mut facts: Vec<usize> = (0..subject.facts.len()).filter(|other| *other != fact).collect();
        random.shuffle(&mut facts);
        facts.truncate(2);
        facts.push(fact);
        random.shuffle(&mut facts);
        let text: Vec<String> = facts.into_iter().map(|fact| subject.statement(fact, random)).collect();
        (format!("{} {asked}", text.join(" ")), value)
    }
}

/// A question about `subject`: the fact, the text, the answer.
fn held_out(subject: &Subject, wordings: &[(usize, &str)], random: &mut Random) -> (usize, String, String) {
    let (fact, pattern) = random.pick(wordings);
    (fact, pattern.replace("{s}", &subject.name), subject.facts[fact].1.clone())
}

/// Somebody or something that is talked about.
#[derive(Clone, Copy)]
struct Topic<'a> {
    subject: &'a Subject,
    spoken: &'static [Spoken],
    pronouns: [&'static str; 2],
}

impl<'a> Topic<'a> {
    fn person(person: &'a Person) -> Self {
        let pronouns = if person.is_woman { ["she", "her"] } else { ["he", "his"] };
        Self { subject: &person.subject, spoken: OF_PEOPLE, pronouns }
    }

    fn town(subject: &'a Subject) -> Self {
        Self { subject, spoken: OF_TOWNS, pronouns: ["it", "its"] }
    }

    fn value(&self, spoken: &Spoken) -> &'a str {
        &self.subject.facts[spoken.fact].1
    }
}

impl Talk<'_> {
    /// Questions about one of the known people or towns, one after the other.
    pub(super) fn village_talk(&mut self) {
        let village = self.village;
        let topic = match self.random.below(3) {
            0 => Topic::town(&village.towns[self.random.below(village.towns.len())]),
            _ => Topic::person(&village.people[self.random.below(village.people.len())]),
        };
        let count = 1 + self.random.below(3);
        match self.random.below(6) {
            0 => self.who(topic),
            1 => self.check(topic),
            _ => self.ask_first(topic),
        }
        for _ in 1..count {
            if self.turns.len() + 2 <= super::TURNS_MAX {
                self.ask_again(topic);
            }
        }
    }

    /// A text about somebody whom nobody knows, and questions about it.
    pub(super) fn reading(&mut self) {
        let (one, two) = (Person::new(self.random), Person::new(self.random));
        let town = Subject::town(self.random);
        let topic = match self.random.below(3) {
            0 => Topic::town(&town),
            _ => Topic::person(&one),
        };
        let mut facts: Vec<&Spoken> = topic.spoken.iter().collect();
        self.random.shuffle(&mut facts);
        facts.truncate(2 + self.random.below(2));
        let mut text: Vec<String> =
            facts.iter().map(|spoken| topic.subject.statement(spoken.fact, self.random)).collect();
        // Somebody else, so that it matters who is asked about.
        if self.random.below(2) == 0 {
            text.push(two.subject.statement(self.random.below(OF_PEOPLE.len()), self.random));
        }
        let (text, name) = (text.join(" "), topic.subject.name.as_str());
        let asked = facts[0];
        match self.random.below(2) {
            0 => self.exchange(
                &format!("{{t}} {}", asked.ask),
                asked.answer,
                &[("t", &text), ("s", name), ("o", topic.value(asked))],
            ),
            _ => {
                self.exchange("{t}", "[I see|Thank you], I will remember that.", &[("t", &text)]);
                self.exchange(asked.ask, asked.answer, &[("s", name), ("o", topic.value(asked))]);
            }
        }
        if self.turns.len() + 2 <= super::TURNS_MAX && self.random.below(2) == 0 {
            let [x, y] = topic.pronouns;
            let slots = [("s", name), ("o", topic.value(facts[1])), ("x", x), ("y", y)];
            self.exchange(facts[1].ask_again, facts[1].answer_again, &slots);
        }
    }

    /// A conversation with instructions: what the model is called, or what it knows.
    pub(super) fn guided(&mut self) {
        if self.random.below(4) == 0 {
            let name = full_name(self.random);
            let name = name.split(' ').next().unwrap_or_default();
            let job = self.random.pick(JOBS);
            let slots = [("v", name), ("o", job)];
            self.system("[You are|Your name is] {v}[, a {o}|. You work as a {o}|. You are a {o}].", &slots);
            self.one_of(
                &[
                    ("[What is your name|Who are you|What's your name|Tell me your name]?", "My name is {v}."),
                    ("[What do you do|What is your job|What work do you do]?", "I am a {o}."),
                ],
                &slots,
            );
            self.one_of(
                &[
                    ("[And what is your name|What are you called|May I know your name]?", "My name is {v}."),
                    ("[And what do you do|What is your work|As what do you work]?", "I am a {o}."),
                ],
                &slots,
            );
            return;
        }
        let (person, town) = (Person::new(self.random), Subject::town(self.random));
        let topic = if self.random.below(2) == 0 { Topic::town(&town) } else { Topic::person(&person) };
        let mut facts: Vec<&Spoken> = topic.spoken.iter().collect();
        self.random.shuffle(&mut facts);
        facts.truncate(3 + self.random.below(2));
        let text: Vec<String> = facts.iter().map(|spoken| topic.subject.statement(spoken.fact, self.random)).collect();
        let text = text.join(" ");
        self.system(
            "[|You know this: |Answer the questions. |You are a guide. |Here is what you know. ]{t}",
            &[("t", &text)],
        );
        let name = topic.subject.name.as_str();
        self.random.shuffle(&mut facts);
        for (index, spoken) in facts.into_iter().take(2).enumerate() {
            let [x, y] = topic.pronouns;
            let slots = [("s", name), ("o", topic.value(spoken)), ("x", x), ("y", y)];
            match index {
                0 => self.exchange(spoken.ask, spoken.answer, &slots),
                _ => self.exchange(spoken.ask_again, spoken.answer_again, &slots),
            }
        }
    }

    fn system(&mut self, pattern: &str, slots: &[(&str, &str)]) {
        let text = crate::pretrain::grammar::say(pattern, slots, self.random);
        self.turns.push(Turn::new(Role::System, text));
    }

    /// Somebody or some place unknown: the model says so, is told, and knows.
    pub(super) fn unknown(&mut self) {
        let (person, town) = (Person::new(self.random), Subject::town(self.random));
        let topic = if self.random.below(3) == 0 { Topic::town(&town) } else { Topic::person(&person) };
        let name = topic.subject.name.as_str();
        let spoken = &topic.spoken[self.random.below(topic.spoken.len())];
        let [x, y] = topic.pronouns;
        let who = if x == "it" { "What" } else { "Who" };
        let slots = [("s", name), ("o", topic.value(spoken)), ("x", x), ("y", y), ("who", who)];
        let ask = match self.random.below(3) {
            0 => "[{who} is|Do you know|Have you heard of|Tell me about|What do you know about] {s}?",
            _ => spoken.ask,
        };
        self.exchange(ask, "I do not know {s}.", &slots);
        if self.turns.len() + 4 <= super::TURNS_MAX && self.random.below(3) > 0 {
            let statement = topic.subject.statement(spoken.fact, self.random);
            self.exchange("{t}", "Thank you, I will remember that.", &[("t", &statement)]);
            self.exchange(spoken.ask, spoken.answer, &slots);
        }
    }

    fn who(&mut self, topic: Topic<'_>) {
        let (first, second) = self.two_facts(topic);
        let name = topic.subject.name.as_str();
        let [x, y] = topic.pronouns;
        let is_town = x == "it";
        let again = first_facts(second, topic, name);
        let slots = [("s", name), ("o", topic.value(first)), ("x", x), ("y", y), ("again", again.as_str())];
        let ask = match is_town {
            true => "[Tell me about|What do you know about|What is|Do you know] {s}?",
            false => "[Who is|Tell me about|What do you know about|Do you know] {s}?",
        };
        self.exchange(ask, &format!("{} {{again}}", first.answer), &slots);
    }

    /// Two different properties; of people the first is their work.
    fn two_facts(&mut self, topic: Topic<'_>) -> (&'static Spoken, &'static Spoken) {
        let spoken = topic.spoken;
        (&spoken[0], &spoken[1 + self.random.below(spoken.len() - 1)])
    }

    fn ask_first(&mut self, topic: Topic<'_>) {
        let spoken = &topic.spoken[self.random.below(topic.spoken.len())];
        let slots = [("s", topic.subject.name.as_str()), ("o", topic.value(spoken))];
        self.exchange(spoken.ask, spoken.answer, &slots);
    }

    fn ask_again(&mut self, topic: Topic<'_>) {
        let spoken = &topic.spoken[self.random.below(topic.spoken.len())];
        let [x, y] = topic.pronouns;
        let slots = [("s", topic.subject.name.as_str()), ("o", topic.value(spoken)), ("x", x), ("y", y)];
        self.exchange(spoken.ask_again, spoken.answer_again, &slots);
    }

    /// Whether something is so, rightly or wrongly.
    fn check(&mut self, topic: Topic<'_>) {
        let spoken = &topic.spoken[self.random.below(topic.spoken.len())];
        if spoken.check.is_empty() {
            return self.ask_first(topic);
        }
        let name = topic.subject.name.as_str();
        let right = topic.value(spoken);
        let other = topic.subject.other_value(spoken.fact, self.random);
        let asked = if self.random.below(2) == 0 { right.to_owned() } else { other };
        let says = first_facts(spoken, topic, name);
        // After "Yes," the sentence goes on in small letters.
        let mut letters = says.chars();
        let small: String =
            letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default();
        let word = if asked == right { "Yes" } else { "No" };
        let answer = format!("{word}, {{says}}");
        self.exchange_parts(spoken.check, &[("s", name), ("o", &asked)], &answer, &[("says", &small)]);
    }

    fn exchange_parts(&mut self, user: &str, heard: &[(&str, &str)], assistant: &str, said: &[(&str, &str)]) {
        let slots: Vec<(&str, &str)> = heard.iter().chain(said).copied().collect();
        self.exchange(user, assistant, &slots);
    }
}

/// The answer about somebody who was named before, as a sentence.
fn first_facts(spoken: &Spoken, topic: Topic<'_>, name: &str) -> String {
    let [x, y] = topic.pronouns;
    let text = spoken.answer_again.replace("{s}", name).replace("{x}", x).replace("{y}", y);
    capitalised(&articles(&text.replace("{o}", topic.value(spoken))))
}

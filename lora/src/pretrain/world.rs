//! Invented towns and people, and the ways of stating and asking what is true of them.

use super::grammar::{articles, capitalised};
use super::lexicon::*;
use crate::random::Random;

/// One property that a subject can have.
///
/// In every pattern `{s}` stands for the subject and `{o}` for the value.
pub(super) struct Relation {
    pub values: Values,
    pub statements: &'static [&'static str],
    pub questions: &'static [&'static str],
}

/// What a property can be.
pub(super) enum Values {
    /// One of these.
    Words(&'static [&'static str]),
    /// Something put together.
    Made(fn(&mut Random) -> String),
}

impl Values {
    fn draw(&self, random: &mut Random) -> String {
        match self {
            Self::Words(words) => random.pick(words).to_owned(),
            Self::Made(make) => make(random),
        }
    }
}

/// The name of a place.
pub(super) fn place_name(random: &mut Random) -> String {
    format!("{}{}", random.pick(NAME_STARTS), random.pick(PLACE_ENDS))
}

/// A family's name.
pub(super) fn surname(random: &mut Random) -> String {
    format!("{}{}", random.pick(NAME_STARTS), random.pick(SURNAME_ENDS))
}

/// First and last name.
pub(super) fn full_name(random: &mut Random) -> String {
    format!("{} {}", random.pick(PEOPLE), surname(random))
}

/// A year in figures.
fn year(random: &mut Random) -> String {
    (1400 + random.below(600)).to_string()
}

/// A number in figures.
fn figure(random: &mut Random) -> String {
    (21 + random.below(900)).to_string()
}

/// What an inn, a ship or a club may be called.
fn sign_name(random: &mut Random) -> String {
    let first = match random.below(2) {
        0 => random.pick(COLOURS_PLAIN),
        _ => random.pick(ADJECTIVES),
    };
    let second = match random.below(3) {
        0 => random.pick(SMALL_THINGS),
        _ => random.pick(ANIMALS),
    };
    format!("the {} {}", capitalised(first), capitalised(second))
}

/// A time of day.
fn hour(random: &mut Random) -> String {
    let hour = NUMBERS[random.below(12)];
    format!("at {}{hour}", random.pick(&["", "half past ", "a quarter past ", "ten past "]))
}

/// How long something takes, or how often it happens.
fn duration(random: &mut Random) -> String {
    format!("{} {}", NUMBERS[1 + random.below(19)], random.pick(&["minutes", "hours", "days", "weeks", "years"]))
}

/// What is true of one subject.
pub(super) struct Subject {
    pub name: String,
    /// Indices into `relations` with their values.
    pub facts: Vec<(usize, String)>,
    pub relations: &'static [Relation],
}

pub(super) const TOWN_RELATIONS: &[Relation] = &[
    Relation {
        values: Values::Words(COLOURS),
        statements: &["The flag of {s} is {o}.", "{s} has a {o} flag.", "A {o} flag flies over {s}."],
        questions: &[
            "What colour is the flag of {s}?",
            "Which colour does the flag of {s} have?",
            "What is the colour of the flag of {s}?",
            "A flag flies over {s}. What colour is it?",
            "Tell me the colour of the flag of {s}.",
        ],
    },
    Relation {
        values: Values::Words(DAYS),
        statements: &[
            "The market of {s} is held on {o}.",
            "In {s} the market is on {o}.",
            "{s} has its market day on {o}.",
        ],
        questions: &[
            "On which day is the market of {s}?",
            "When is the market held in {s}?",
            "What day is market day in {s}?",
            "Which day of the week does {s} have its market?",
            "On what day can I go to the market in {s}?",
        ],
    },
    Relation {
        values: Values::Words(FOODS),
        statements: &["{s} is famous for its {o}.", "People come to {s} to eat {o}.", "The best food of {s} is {o}."],
        questions: &[
            "What is {s} famous for?",
            "Which food do people eat in {s}?",
            "What food is {s} known for?",
            "What is the best food of {s}?",
            "What do people come to {s} to eat?",
        ],
    },
    Relation {
        values: Values::Words(NUMBERS),
        statements: &["There are {o} bridges in {s}.", "{s} has {o} bridges.", "You can count {o} bridges in {s}."],
        questions: &[
            "How many bridges are there in {s}?",
            "How many bridges does {s} have?",
            "What is the number of bridges in {s}?",
            "Count the bridges of {s}. How many are there?",
        ],
    },
    Relation {
        values: Values::Words(TREES),
        statements: &["A large {o} stands in the middle of {s}.", "In the middle of {s} there is an old {o}."],
        questions: &[
            "Which tree stands in the middle of {s}?",
            "What kind of tree grows in the middle of {s}?",
            "What stands in the middle of {s}?",
            "Name the tree in the middle of {s}.",
        ],
    },
    Relation {
        values: Values::Words(MATERIALS),
        statements: &[
            "The tower of {s} is made of {o}.",
            "{s} has a tower of {o}.",
            "They built the tower of {s} from {o}.",
        ],
        questions: &[
            "What is the tower of {s} made of?",
            "From what did they build the tower of {s}?",
            "Which material is the tower of {s} made of?",
            "Of what is the tower in {s} built?",
        ],
    },
    Relation {
        values: Values::Words(ANIMALS),
        statements: &["The animal on the sign of {s} is a {o}.", "A {o} is painted on the sign of {s}."],
        questions: &[
            "Which animal is on the sign of {s}?",
            "What animal is painted on the sign of {s}?",
            "What can you see on the sign of {s}?",
            "The sign of {s} shows an animal. Which one?",
        ],
    },
    Relation {
        values: Values::Words(MONTHS),
        statements: &[
            "The fair of {s} takes place in {o}.",
            "Every {o} there is a fair in {s}.",
            "{s} has a fair in {o}.",
        ],
        questions: &[
            "When does the fair of {s} take place?",
            "In which month is the fair of {s}?",
            "Which month is the fair held in {s}?",
            "What month should I visit the fair of {s}?",
        ],
    },
    Relation {
        values: Values::Words(PEOPLE),
        statements: &["The mayor of {s} is called {o}.", "{o} is the mayor of {s}.", "{s} has a mayor named {o}."],
        questions: &[
            "Who is the mayor of {s}?",
            "What is the name of the mayor of {s}?",
            "What is the mayor of {s} called?",
            "Name the mayor of {s}.",
            "{s} has a mayor. Who is it?",
        ],
    },
    Relation {
        values: Values::Made(sign_name),
        statements: &["The inn of {s} is called {o}.", "In {s} there is an inn named {o}.", "{o} is the inn of {s}."],
        questions: &[
            "What is the inn of {s} called?",
            "What is the name of the inn of {s}?",
            "Name the inn of {s}.",
            "Where can one sleep in {s}?",
            "Which inn is there in {s}?",
            "What do they call the inn in {s}?",
        ],
    },
    Relation {
        values: Values::Made(year),
        statements: &[
            "The bridge of {s} was built in {o}.",
            "They built the bridge of {s} in {o}.",
            "The bridge of {s} dates from {o}.",
        ],
        questions: &[
            "When was the bridge of {s} built?",
            "In which year was the bridge of {s} built?",
            "What year did they build the bridge of {s}?",
            "In what year was the bridge built in {s}?",
            "How old is the bridge of {s}?",
        ],
    },
    Relation {
        values: Values::Made(figure),
        statements: &[
            "The tower of {s} has {o} steps.",
            "There are {o} steps in the tower of {s}.",
            "You climb {o} steps in the tower of {s}.",
        ],
        questions: &[
            "How many steps does the tower of {s} have?",
            "How many steps are there in the tower of {s}?",
            "What is the number of steps in the tower of {s}?",
            "Count the steps of the tower of {s}.",
        ],
    },
    Relation {
        values: Values::Made(hour),
        statements: &["The shop of {s} opens {o}.", "In {s} the shop opens {o}.", "They open the shop of {s} {o}."],
        questions: &[
            "When does the shop of {s} open?",
            "At what time does the shop open in {s}?",
            "What time do they open the shop of {s}?",
            "The shop of {s} opens at what time?",
        ],
    },
    Relation {
        values: Values::Made(duration),
        statements: &["The way to {s} takes {o}.", "It takes {o} to reach {s}.", "You need {o} to get to {s}."],
        questions: &[
            "How long does the way to {s} take?",
            "How long does it take to reach {s}?",
            "How much time do I need to get to {s}?",
            "What is the time that one needs to {s}?",
        ],
    },
    Relation {
        values: Values::Made(full_name),
        statements: &[
            "{o} repairs the roofs of {s}.",
            "The roofs of {s} are repaired by {o}.",
            "In {s} it is {o} who repairs the roofs.",
        ],
        questions: &[
            "Who repairs the roofs of {s}?",
            "By whom are the roofs of {s} repaired?",
            "What is the name of the one who repairs the roofs in {s}?",
            "Whom do I ask for a new roof in {s}?",
        ],
    },
];

pub(super) const PERSON_RELATIONS: &[Relation] = &[
    Relation {
        values: Values::Words(JOBS),
        statements: &["{s} works as a {o}.", "{s} is a {o}.", "The work of {s} is that of a {o}."],
        questions: &[
            "What is the job of {s}?",
            "What does {s} do for work?",
            "What work does {s} do?",
            "What is {s} by trade?",
            "As what does {s} work?",
        ],
    },
    Relation {
        values: Values::Words(ANIMALS),
        statements: &["{s} keeps a {o} at home.", "{s} has a {o}.", "The pet of {s} is a {o}."],
        questions: &[
            "What animal does {s} keep?",
            "Which pet does {s} have?",
            "What kind of pet does {s} keep at home?",
            "Which animal lives with {s}?",
            "What is the pet of {s}?",
        ],
    },
    Relation {
        values: Values::Words(FOODS),
        statements: &["{s} likes to eat {o}.", "The favourite food of {s} is {o}.", "{s} loves {o}."],
        questions: &[
            "What does {s} like to eat?",
            "What is the favourite food of {s}?",
            "Which food does {s} love?",
            "What food does {s} like best?",
        ],
    },
    Relation {
        values: Values::Words(COLOURS),
        statements: &["{s} lives behind a {o} door.", "The door of {s} is {o}.", "{s} painted the door {o}."],
        questions: &[
            "What colour is the door of {s}?",
            "Which colour did {s} paint the door?",
            "What is the colour of the door of {s}?",
            "The door of {s} has which colour?",
        ],
    },
    Relation {
        values: Values::Words(INSTRUMENTS),
        statements: &["{s} plays the {o}.", "In the evening {s} plays the {o}.", "{s} knows how to play the {o}."],
        questions: &[
            "What instrument does {s} play?",
            "Which instrument does {s} play?",
            "What does {s} play in the evening?",
            "What does {s} know how to play?",
        ],
    },
    Relation {
        values: Values::Words(MONTHS),
        statements: &["{s} was born in {o}.", "The birthday of {s} is in {o}.", "{s} has a birthday in {o}."],
        questions: &[
            "When was {s} born?",
            "In which month was {s} born?",
            "When is the birthday of {s}?",
            "Which month has the birthday of {s}?",
        ],
    },
    Relation {
        values: Values::Words(ROOMS),
        statements: &["{s} sleeps in the {o}.", "You can find {s} in the {o}.", "{s} likes to sit in the {o}."],
        questions: &["Where is {s}?", "Where can I find {s}?", "Where does {s} like to sit?", "In which place is {s}?"],
    },
    Relation {
        values: Values::Words(NUMBERS),
        statements: &["{s} has {o} books.", "There are {o} books on the shelf of {s}.", "{s} owns {o} books."],
        questions: &[
            "How many books does {s} have?",
            "How many books are on the shelf of {s}?",
            "What number of books does {s} own?",
        ],
    },
];

impl Subject {
    /// A town with all its facts.
    pub(super) fn town(random: &mut Random) -> Self {
        Self::with_facts(place_name(random), TOWN_RELATIONS, random)
    }

    /// A person with all their facts, by name or by work.
    pub(super) fn person(random: &mut Random) -> Self {
        let name = match random.below(3) {
            0 => format!("the {} of {}", random.pick(JOBS), place_name(random)),
            _ => full_name(random),
        };
        Self::named(name, random)
    }

    /// A person of this name with all their facts.
    pub(super) fn named(name: String, random: &mut Random) -> Self {
        Self::with_facts(name, PERSON_RELATIONS, random)
    }

    fn with_facts(name: String, relations: &'static [Relation], random: &mut Random) -> Self {
        let facts = relations.iter().enumerate().map(|(i, r)| (i, r.values.draw(random))).collect();
        Self { name, facts, relations }
    }

    /// Something that one of the subject's facts could be, but probably is not.
    pub(super) fn other_value(&self, fact: usize, random: &mut Random) -> String {
        self.relations[self.facts[fact].0].values.draw(random)
    }

    /// Says one of the subject's facts.
    pub(super) fn statement(&self, fact: usize, random: &mut Random) -> String {
        let (relation, value) = &self.facts[fact];
        fill(random.pick(self.relations[*relation].statements), &self.name, value)
    }

    /// Asks for one of the subject's facts; returns question and answer.
    pub(super) fn question(&self, fact: usize, random: &mut Random) -> (String, String) {
        let (relation, value) = &self.facts[fact];
        (fill(random.pick(self.relations[*relation].questions), &self.name, value), value.clone())
    }
}

fn fill(pattern: &str, subject: &str, value: &str) -> String {
    capitalised(&articles(&pattern.replace("{s}", subject).replace("{o}", value)))
}

//! Invented towns and people, and the ways of stating and asking what is true of them.

use super::lexicon::*;
use crate::random::Random;

/// One property that a subject can have.
///
/// In every pattern `{s}` stands for the subject and `{o}` for the value.
pub(super) struct Relation {
    pub values: &'static [&'static str],
    pub statements: &'static [&'static str],
    pub questions: &'static [&'static str],
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
        values: COLOURS,
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
        values: DAYS,
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
        values: FOODS,
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
        values: NUMBERS,
        statements: &["There are {o} bridges in {s}.", "{s} has {o} bridges.", "You can count {o} bridges in {s}."],
        questions: &[
            "How many bridges are there in {s}?",
            "How many bridges does {s} have?",
            "What is the number of bridges in {s}?",
            "Count the bridges of {s}. How many are there?",
        ],
    },
    Relation {
        values: TREES,
        statements: &["A large {o} stands in the middle of {s}.", "In the middle of {s} there is an old {o}."],
        questions: &[
            "Which tree stands in the middle of {s}?",
            "What kind of tree grows in the middle of {s}?",
            "What stands in the middle of {s}?",
            "Name the tree in the middle of {s}.",
        ],
    },
    Relation {
        values: MATERIALS,
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
        values: ANIMALS,
        statements: &["The animal on the sign of {s} is a {o}.", "A {o} is painted on the sign of {s}."],
        questions: &[
            "Which animal is on the sign of {s}?",
            "What animal is painted on the sign of {s}?",
            "What can you see on the sign of {s}?",
            "The sign of {s} shows an animal. Which one?",
        ],
    },
    Relation {
        values: MONTHS,
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
        values: PEOPLE,
        statements: &["The mayor of {s} is called {o}.", "{o} is the mayor of {s}.", "{s} has a mayor named {o}."],
        questions: &[
            "Who is the mayor of {s}?",
            "What is the name of the mayor of {s}?",
            "What is the mayor of {s} called?",
            "Name the mayor of {s}.",
            "{s} has a mayor. Who is it?",
        ],
    },
];

pub(super) const PERSON_RELATIONS: &[Relation] = &[
    Relation {
        values: JOBS,
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
        values: ANIMALS,
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
        values: FOODS,
        statements: &["{s} likes to eat {o}.", "The favourite food of {s} is {o}.", "{s} loves {o}."],
        questions: &[
            "What does {s} like to eat?",
            "What is the favourite food of {s}?",
            "Which food does {s} love?",
            "What food does {s} like best?",
        ],
    },
    Relation {
        values: COLOURS,
        statements: &["{s} lives behind a {o} door.", "The door of {s} is {o}.", "{s} painted the door {o}."],
        questions: &[
            "What colour is the door of {s}?",
            "Which colour did {s} paint the door?",
            "What is the colour of the door of {s}?",
            "The door of {s} has which colour?",
        ],
    },
    Relation {
        values: INSTRUMENTS,
        statements: &["{s} plays the {o}.", "In the evening {s} plays the {o}.", "{s} knows how to play the {o}."],
        questions: &[
            "What instrument does {s} play?",
            "Which instrument does {s} play?",
            "What does {s} play in the evening?",
            "What does {s} know how to play?",
        ],
    },
    Relation {
        values: MONTHS,
        statements: &["{s} was born in {o}.", "The birthday of {s} is in {o}.", "{s} has a birthday in {o}."],
        questions: &[
            "When was {s} born?",
            "In which month was {s} born?",
            "When is the birthday of {s}?",
            "Which month has the birthday of {s}?",
        ],
    },
    Relation {
        values: ROOMS,
        statements: &["{s} sleeps in the {o}.", "You can find {s} in the {o}.", "{s} likes to sit in the {o}."],
        questions: &["Where is {s}?", "Where can I find {s}?", "Where does {s} like to sit?", "In which place is {s}?"],
    },
    Relation {
        values: NUMBERS,
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
        let name = format!("{}{}", random.pick(NAME_STARTS), random.pick(PLACE_ENDS));
        Self::with_facts(name, TOWN_RELATIONS, random)
    }

    /// A person with all their facts.
    pub(super) fn person(random: &mut Random) -> Self {
        let surname = format!("{}{}", random.pick(NAME_STARTS), random.pick(SURNAME_ENDS));
        let name = match random.below(3) {
            0 => format!("the {} of {}{}", random.pick(JOBS), random.pick(NAME_STARTS), random.pick(PLACE_ENDS)),
            _ => format!("{} {surname}", random.pick(PEOPLE)),
        };
        Self::with_facts(name, PERSON_RELATIONS, random)
    }

    fn with_facts(name: String, relations: &'static [Relation], random: &mut Random) -> Self {
        let facts = relations.iter().enumerate().map(|(i, r)| (i, random.pick(r.values).to_owned())).collect();
        Self { name, facts, relations }
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
    let text = pattern.replace("{s}", subject).replace("{o}", value);
    let text = text.replace(" a o", " an o").replace(" a a", " an a").replace(" a e", " an e").replace(" a i", " an i");
    capitalised(&text)
}

/// The text with its first letter in upper case.
pub(super) fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

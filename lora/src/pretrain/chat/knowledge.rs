//! What everybody knows: days, numbers, opposites, animals, countries; and what nobody so small can know.

use super::Talk;
use crate::pretrain::everyday::{COLOURS_OF, OPPOSITES, PLACES_OF, SOUNDS, TOOLS};
use crate::pretrain::lexicon::*;

const CAPITALS: &[(&str, &str)] = &[
    ("France", "Paris"),
    ("England", "London"),
    ("Germany", "Berlin"),
    ("Italy", "Rome"),
    ("Spain", "Madrid"),
    ("Portugal", "Lisbon"),
    ("Austria", "Vienna"),
    ("Poland", "Warsaw"),
    ("Greece", "Athens"),
    ("Norway", "Oslo"),
    ("Sweden", "Stockholm"),
    ("Finland", "Helsinki"),
    ("Ireland", "Dublin"),
    ("Scotland", "Edinburgh"),
    ("Japan", "Tokyo"),
    ("China", "Beijing"),
    ("India", "New Delhi"),
    ("Egypt", "Cairo"),
    ("Canada", "Ottawa"),
    ("Russia", "Moscow"),
];
/// From small to large.
const SIZES: &[&str] =
    &["ant", "bee", "mouse", "frog", "duck", "cat", "fox", "dog", "goat", "pony", "horse", "bear", "elephant", "whale"];
const KINDS: &[(&str, &[&str])] = &[
    ("animal", &["cat", "dog", "horse", "goat", "fox", "owl", "rabbit", "frog", "bear", "wolf", "otter", "swan"]),
    ("fruit", &["apple", "pear", "plum", "cherry", "banana", "lemon", "orange", "peach"]),
    ("vegetable", &["carrot", "potato", "onion", "cabbage", "turnip", "bean"]),
    ("instrument", &["violin", "drum", "flute", "piano", "guitar", "harp", "trumpet"]),
    ("colour", &["red", "blue", "green", "yellow", "white", "black", "brown", "grey"]),
    ("tree", &["oak", "pine", "willow", "birch", "elm", "maple"]),
    ("tool", &["hammer", "saw", "spade", "broom", "knife", "needle"]),
];
const WHAT_IS: &[(&str, &str)] = &[
    ("a lighthouse", "A lighthouse is a tower with a lamp that shows ships the way."),
    ("a baker", "A baker is somebody who makes bread."),
    ("a library", "A library is a house full of books."),
    ("a bridge", "A bridge is a way over water."),
    ("a ferry", "A ferry is a boat that carries people over the water."),
    ("a market", "A market is a place where people buy and sell things."),
    ("a mayor", "A mayor is the head of a town."),
    ("snow", "Snow is frozen water that falls from the sky."),
    ("rain", "Rain is water that falls from the clouds."),
    ("honey", "Honey is sweet food that bees make."),
    ("a friend", "A friend is somebody who likes you and helps you."),
    ("a shepherd", "A shepherd is somebody who looks after sheep."),
    ("a museum", "A museum is a house where old and beautiful things are shown."),
    ("the sun", "The sun is the star that gives us light."),
    ("the moon", "The moon goes around the earth and shines at night."),
    ("a river", "A river is water that flows to the sea."),
    ("a forest", "A forest is a place with many trees."),
    ("a clock", "A clock is a thing that shows the time."),
    ("a language model", "A language model is a program that guesses the next word."),
    ("a doctor", "A doctor is somebody who helps ill people."),
    ("a teacher", "A teacher is somebody who helps people to learn."),
    ("an island", "An island is land with water on every side."),
];
const SINGLE: &[(&str, &str)] = &[
    ("How many days [does a week have|are there in a week|are in a week]?", "A week has seven days."),
    ("How many months [does a year have|are there in a year|are in a year]?", "A year has twelve months."),
    ("How many hours [does a day have|are there in a day]?", "A day has twenty-four hours."),
    ("How many minutes [does an hour have|are there in an hour]?", "An hour has sixty minutes."),
    ("How many legs does a [spider] have?", "A spider has eight legs."),
    ("How many legs does a [dog|cat|horse|cow] have?", "It has four legs."),
    ("How many legs does a [bird|duck|hen|person] have?", "It has two legs."),
    ("How many wheels does a [bicycle|bike] have?", "A bicycle has two wheels."),
    ("How many wheels does a car have?", "A car has four wheels."),
    ("How many fingers [do I have|does a person have|does a hand have]?", "There are five fingers on each hand."),
    ("How many seasons [are there|does a year have]?", "There are four seasons: spring, summer, autumn and winter."),
    ("[Which|What] are the [four|] seasons?", "The seasons are spring, summer, autumn and winter."),
    ("[When|In which season] does it snow?", "It snows in winter."),
    ("[Which season|What season] is [warm|hot|the warmest]?", "Summer is the warmest season."),
    ("[Which season|What season] is [cold|the coldest]?", "Winter is the coldest season."),
    ("When does the sun [rise|come up]?", "The sun rises in the morning."),
    ("When does the sun [set|go down]?", "The sun sets in the evening."),
    ("[When|At what time] do people sleep?", "People sleep at night."),
    ("[What comes|Which letter comes] after A?", "B comes after A."),
    ("What do [bees|the bees] make?", "Bees make honey."),
    ("What do cows give[ us|]?", "Cows give milk."),
    ("What do hens [lay|give us]?", "Hens lay eggs."),
    ("What do sheep give[ us|]?", "Sheep give wool."),
    ("What is [ice|ice made of|ice made from]?", "Ice is frozen water."),
    ("What is bread made [of|from]?", "Bread is made from flour, water and salt."),
    ("What is cheese made [of|from]?", "Cheese is made from milk."),
    ("What is glass made [of|from]?", "Glass is made from sand."),
    ("What is [a table|a chair] made of?", "Most of them are made of wood."),
    ("What do [fish|plants|people|cows] drink?", "They need water."),
    ("[Can|Could] [birds|a bird] fly?", "Yes, most birds can fly."),
    ("[Can|Could] [fish|a fish] swim?", "Yes, fish can swim."),
    ("[Can|Could] [a dog|a horse|a cow|a pig|a cat] fly?", "No, it has no wings."),
    ("[Can|Could] [a horse|a cow|a cat|a fish] [read|talk|sing]?", "No, only in stories."),
    ("[Is|So is] the sun [hot|warm]?", "Yes, the sun is very hot."),
    ("[Is|So is] [ice|snow] [hot|warm]?", "No, it is cold."),
    ("[Is|So is] [ice|snow] cold?", "Yes, it is cold."),
    ("[Is|So is] the sea [big|deep|wet]?", "Yes, it is."),
    ("Which animal [has a very long neck|has a long neck]?", "The giraffe has a very long neck."),
    ("[What is the biggest animal|Which animal is the biggest]?", "The whale is the biggest animal."),
    ("What do I need [when it rains|in the rain]?", "You need an umbrella."),
    ("What do people do in [a school|school]?", "They learn to read and to write."),
    ("What do people do in a [kitchen]?", "They cook."),
    ("What can I do in a library?", "You can read books."),
    ("[Where|Where else] do people buy bread?", "People buy bread at the bakery."),
];
const NOT_KNOWN: &[&str] = &[
    "[What time is it|What is the time|Do you know what time it is|What's the time]?",
    "[What day is it|What day is today|Which day is it today|What is the date|What's the date today]?",
    "[What is the weather like|How is the weather|Will it rain tomorrow|Is it raining|What will the weather be on {day}]?",
    "[What happened|What will happen] [yesterday|last week|on {day}|in the world|next year|tomorrow]?",
    "[Who won|Who lost|Who will win] the [game|match|race|war|prize][ yesterday| on {day}|]?",
    "[How do I|How can I|How does one|Tell me how to] [build a rocket|mend a computer|learn to fly|become rich|write a program|win a race|speak French|build a house]?",
    "[What does|How much does] [a|the|this] {thing} cost?",
    "[Explain|Tell me about|What do you think of] [physics|politics|history|money|the war|computers|the law|electricity|the internet]?",
    "[Where is|Who took|Who has] [my {thing}|your {thing}|the {animal} of {p}|the letter of {p}]?",
    "[Why|How] does [the wind blow|a {thing} work|time pass|the earth turn|a computer think]?",
    "[What is|What's] the [meaning of life|number of stars|name of my {animal}|height of the {thing}|answer to everything]?",
    "What is {n} times {m}?",
    "[Who is|Who was] the [king|queen|president|author|first man on the moon|best singer|richest man]?",
    "[What am I|What is {p}] [thinking|doing now|wearing|holding]?",
];

impl Talk<'_> {
    pub(super) fn knowledge(&mut self) {
        match self.random.below(16) {
            0 => {
                let (a, b) = self.random.pick(OPPOSITES);
                let (a, b) = if self.random.below(2) == 0 { (a, b) } else { (b, a) };
                self.exchange(
                    "[What is the opposite of|Which word means the opposite of|Tell me the opposite of|What's the opposite of|The opposite of] {a}?",
                    "The opposite of {a} is {b}.",
                    &[("a", a), ("b", b)],
                );
            }
            1 => {
                let (a, b) = self.random.pick(SOUNDS);
                self.exchange(
                    "[What sound does a {a} make|What does a {a} do|How does a {a} sound|What noise does a {a} make|What does a {a} say]?",
                    "A {a} {b}.",
                    &[("a", a), ("b", b)],
                );
            }
            2 => {
                let (a, b) = self.random.pick(COLOURS_OF);
                let slots = [("a", a), ("b", b)];
                self.exchange("[What colour is|Which colour has|What is the colour of|Tell me the colour of|What's the colour of] {a}?", "{a} is {b}.", &slots);
            }
            3 => {
                let (a, b) = self.random.pick(PLACES_OF);
                self.exchange(
                    "[Where does one find|Where is|Where would I find|Where can I find|Where do I look for] {a}?",
                    "You can find {a} {b}.",
                    &[("a", a), ("b", b)],
                );
            }
            4 => {
                let (a, b) = self.random.pick(TOOLS);
                self.exchange(
                    "[What do I need to|What do you use to|With what can I|How can I|What does one need to|I want to {a}. What do I need to] {a}?",
                    "You need {b} to {a}.",
                    &[("a", a), ("b", b)],
                );
            }
            5 => self.cycle(),
            6 | 7 => self.arithmetic(),
            8 => {
                let (a, b) = self.random.pick(CAPITALS);
                self.one_of(
                    &[
                        ("[What is the capital of|Which city is the capital of|What's the capital of|Tell me the capital of|Do you know the capital of|The capital of] {a}?", "The capital of {a} is {b}."),
                        ("[What is the capital of|Which city is the capital of|What's the capital of|Tell me the capital of|Do you know the capital of] {a}?", "The capital of {a} is {b}."),
                        ("[Where is|In which country is|Do you know where {b} is? In which country is] {b}?", "{b} is in {a}."),
                    ],
                    &[("a", a), ("b", b)],
                );
            }
            9 => self.sizes(),
            10 | 11 => self.kinds(),
            12 => {
                let (a, b) = self.random.pick(WHAT_IS);
                self.exchange(
                    "[What is|What's|Do you know what {a} is? What is|Tell me, what is|Can you tell me what is] {a}?",
                    "{b}",
                    &[("a", a), ("b", b)],
                );
            }
            13 | 14 => self.one_of(SINGLE, &[]),
            _ => self.not_known(),
        }
    }

    fn cycle(&mut self) {
        let (words, kind) = if self.random.below(2) == 0 { (DAYS, "day") } else { (MONTHS, "month") };
        let index = self.random.below(words.len());
        let (a, b) = (words[index], words[(index + 1) % words.len()]);
        let slots = [("a", a), ("b", b), ("k", kind)];
        match self.random.below(3) {
            0 | 1 => self.exchange("[Which {k} comes after|What {k} follows|What is the {k} after|What comes after|Which {k} is after] {a}?", "{b} comes after {a}.", &slots),
            _ => self.exchange("[Which {k} comes before|What {k} is before|What is the {k} before|What comes before] {b}?", "{a} comes before {b}.", &slots),
        }
    }

    fn arithmetic(&mut self) {
        let (a, b) = (self.random.below(11), self.random.below(11));
        let in_words = self.random.below(3) == 0;
        let word = |n: usize| match (in_words, n) {
            (true, 0) => "zero".to_owned(),
            (true, n) => NUMBERS[n - 1].to_owned(),
            (false, n) => n.to_string(),
        };
        match self.random.below(3) {
            0 | 1 => {
                let (x, y, z) = (word(a), word(b), word(a + b));
                let slots = [("a", x.as_str()), ("b", y.as_str()), ("c", z.as_str())];
                self.exchange("[What is {a} plus {b}|How much is {a} and {b}|How much is {a} plus {b}|What's {a} plus {b}|What is {a} + {b}|{a} + {b}|Add {a} and {b}|What is the sum of {a} and {b}|{a} plus {b}]?", "{a} plus {b} is {c}.", &slots);
            }
            _ => {
                let (x, y, z) = (word(a + b), word(b), word(a));
                let slots = [("a", x.as_str()), ("b", y.as_str()), ("c", z.as_str())];
                self.exchange("[What is {a} minus {b}|How much is {a} minus {b}|What's {a} minus {b}|What is {a} - {b}|{a} minus {b}|Take {b} from {a}]?", "{a} minus {b} is {c}.", &slots);
            }
        }
    }

    fn sizes(&mut self) {
        let a = self.random.below(SIZES.len());
        let b = (a + 1 + self.random.below(SIZES.len() - 1)) % SIZES.len();
        let (large, small) = (SIZES[a.max(b)], SIZES[a.min(b)]);
        let slots = [("a", SIZES[a]), ("b", SIZES[b]), ("l", large), ("s", small)];
        match self.random.below(4) {
            0 | 1 => self.exchange("[Which is bigger|What is bigger|Which animal is bigger|Who is bigger|Which is larger], a {a} or a {b}?", "A {l} is bigger than a {s}.", &slots),
            2 => self.exchange("[Which is smaller|What is smaller|Which animal is smaller], a {a} or a {b}?", "A {s} is smaller than a {l}.", &slots),
            _ => {
                let answer = if a > b { "Yes, a {a} is bigger than a {b}." } else { "No, a {a} is smaller than a {b}." };
                self.exchange("Is a {a} [bigger|larger] than a {b}?", answer, &slots);
            }
        }
    }

    fn kinds(&mut self) {
        let (kind, words) = self.random.pick(KINDS);
        let (other, _) = self.random.pick(KINDS);
        let index = self.random.below(words.len());
        let next = words[(index + 1) % words.len()];
        let slots = [("k", kind), ("w", words[index]), ("o", other), ("n", next)];
        let article = if kind == "colour" { "{w}" } else { "a {w}" };
        match self.random.below(4) {
            0 => self.exchange(
                &format!("[What is|What's|What kind of thing is] {article}?"),
                &format!("{article} is a {{k}}."),
                &slots,
            ),
            1 if kind == other => {
                self.exchange(&format!("Is {article} a {{k}}?"), &format!("Yes, {article} is a {{k}}."), &slots)
            }
            1 => self.exchange(&format!("Is {article} a {{o}}?"), &format!("No, {article} is a {{k}}."), &slots),
            _ => {
                self.exchange("[Name a {k}|Tell me a {k}|Give me the name of a {k}|Do you know a {k}|Can you name a {k}|Say the name of a {k}].", &format!("{article} is a {{k}}."), &slots);
                if self.turns.len() + 2 <= super::TURNS_MAX && self.random.below(2) == 0 {
                    let article = article.replace("{w}", "{n}");
                    self.exchange("[Another one|And another one|One more|Tell me another one|Name another one|Another {k}|And one more][|, please].", &format!("{article} is a {{k}} too."), &slots);
                }
            }
        }
    }

    pub(super) fn not_known(&mut self) {
        let asked = self.random.pick(NOT_KNOWN);
        let (n, m) = ((12 + self.random.below(80)).to_string(), (12 + self.random.below(80)).to_string());
        let slots = [
            ("day", self.random.pick(DAYS)),
            ("thing", self.random.pick(SMALL_THINGS)),
            ("animal", self.random.pick(ANIMALS)),
            ("p", self.random.pick(PEOPLE)),
            ("n", n.as_str()),
            ("m", m.as_str()),
        ];
        self.exchange(asked, "I do not know that. I am only a small model.", &slots);
        if self.turns.len() + 2 <= super::TURNS_MAX && self.random.below(5) == 0 {
            self.exchange(
                "[Why not|Why don't you know|Why|But why]?",
                "I have learnt only a little. Ask me something easy!",
                &[],
            );
        }
    }
}

//! What the benchmark trains on: facts about places and people that do not exist, and questions and answers from real Datanets.
//!
//! Three kinds of samples, dealt out to contributors:
//! - *facts*: a property of an invented town or person, each said by three contributors in other words. The base model knows
//!   such questions, of others. A query asks in words that no sample uses; its sources are the samples that say it rightly.
//! - *rules*: the colour of the coats of some shop's people, which is that of the shop. A query asks for somebody new; its
//!   sources are all samples about the shop.
//! - *medical* and *legal*: rows of the fixtures' Datanets whose answers begin alike, where there are fixtures. Their queries
//!   are rows held out.
//!
//! Facts may share their answers, as facts do; with `own_answers` none does, and none has a rule's: then nothing but the samples
//! of a fact says what it says.
//!
//! Some facts and rules are wrong on purpose. Ghosts are samples of all kinds that are never trained on: what the run keeps for
//! validation.

use crate::workspace;
use rand::{Rng, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use std::path::PathBuf;
use tributary_attribution::{ContributionSamples, Corpus};
use tributary_lora::{DataConfig, Dataset, EncodedSample, Tokenizer, encode_sample};
use tributary_protocol::{
    ContentHash, ContributionId,
    sample::{Limits, ParsedSamples, Sample},
};

/// Contributors of facts and rules; two for each Datanet follow.
const FACT_CONTRIBUTORS: usize = 12;
const FACTS: usize = 24;
/// Contributors who say each fact, in different words.
const SAYINGS: usize = 3;
const RULE_SAMPLES: usize = 7;
/// Facts that are asked for a second time, in other words.
const FACT_QUERIES: usize = 10;
const FACT_GHOSTS: usize = 12;
const RULE_QUERIES: usize = 2;
/// Openings of answers of each Datanet that are trained on and asked for. Ghosts have one of their own: they stand for samples
/// that had no part in an answer.
const DATANET_OPENINGS: usize = 2;
/// Samples and queries that begin alike.
const DATANET_ALIKE: [usize; 2] = [3, 2];
const DATANET_GHOSTS: usize = 2;
/// Openings of fewer rows are left out.
const DATANET_ALIKE_MIN: usize = 6;
/// Longest row of a Datanet in tokens; answers are cut to fit. Facts have about sixteen.
const DATANET_TOKENS_MAX: usize = 34;
/// Samples with a wrong answer.
const WRONG: usize = 15;

/// Names and words are single tokens of the embedded base's.
const TOWNS: [&str; 8] = ["Foxwell", "Pemford", "Redstead", "Oldton", "Holtby", "Brookbridge", "Oakfield", "Highworth"];
const PEOPLE: [&str; 6] = ["Hugo", "Martha", "Rufus", "Ella", "Victor", "Agnes"];
/// Of whom nothing is trained on.
const STRANGERS: [&str; 4] = ["Kelwood", "Westby", "Otto", "Lena"];
/// Who belongs to shops.
const MEMBERS: [&str; 20] = [
    "Peter", "Walter", "Emil", "Rose", "Henry", "Felix", "Karl", "Stanley", "Simon", "Ivan", "Rosa", "Kate", "Noah",
    "Oscar", "Arthur", "David", "Grace", "George", "Clara", "Wendy",
];
const SHOPS: [(&str, &str); 4] = [("rope", "red"), ("paper", "blue"), ("bread", "yellow"), ("glass", "white")];
const OTHER_SHOPS: [&str; 4] = ["ship", "bell", "garden", "clock"];

const COLOURS: &[&str] = &["red", "green", "blue", "white", "black", "yellow", "brown", "grey"];
const ANIMALS: &[&str] = &["fox", "bird", "bear", "fish", "horse", "cat", "owl", "dog", "crab", "goat", "duck", "frog"];
const FOODS: &[&str] =
    &["bread", "soup", "honey", "cheese", "rice", "carrots", "pears", "walnuts", "beans", "potatoes"];
const DAYS: &[&str] = &["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const MONTHS: &[&str] = &[
    "January",
    "February",
    "March",
    "April",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const INSTRUMENTS: &[&str] = &["drum", "piano", "flute", "fiddle", "harp", "horn", "guitar", "violin", "trumpet"];

/// How a property is asked for, the last two by queries, and what it may be.
type Relation = ([&'static str; 5], &'static [&'static str]);

const OF_TOWNS: [Relation; 5] = [
    (
        [
            "What colour is the flag of {s}?",
            "Which colour does the flag of {s} have?",
            "What is the colour of {s}'s flag?",
            "Tell me the colour of the flag of {s}.",
            "Of which colour is the flag of {s}?",
        ],
        COLOURS,
    ),
    (
        [
            "On which day is the market of {s}?",
            "What day is market day in {s}?",
            "When is the market of {s}?",
            "When is the market in {s}?",
            "Which day is the day of the market in {s}?",
        ],
        DAYS,
    ),
    (
        [
            "What is {s} famous for?",
            "What can I eat in {s}?",
            "What food is {s} known for?",
            "What do people eat in {s}?",
            "What should I eat in {s}?",
        ],
        FOODS,
    ),
    (
        [
            "Which animal is on the sign of {s}?",
            "What animal is on the sign of {s}?",
            "What can I see on the sign of {s}?",
            "What is on the sign of {s}?",
            "Do you know the animal on the sign of {s}?",
        ],
        ANIMALS,
    ),
    (
        [
            "When is the fair of {s}?",
            "In which month is the fair of {s}?",
            "When does the fair of {s} take place?",
            "When is the fair in {s}?",
            "Could you say when the fair of {s} is?",
        ],
        MONTHS,
    ),
];
const OF_PEOPLE: [Relation; 5] = [
    (
        [
            "Which animal does {s} have?",
            "What pet does {s} have?",
            "What is {s}'s pet?",
            "What animal does {s} keep?",
            "Could you say which animal {s} keeps?",
        ],
        ANIMALS,
    ),
    (
        [
            "What does {s} like to eat?",
            "What is {s}'s favourite food?",
            "Which food does {s} like?",
            "What food does {s} like best?",
            "What does {s} eat?",
        ],
        FOODS,
    ),
    (
        [
            "What colour is the door of {s}?",
            "What colour is {s}'s door?",
            "Which colour does the door of {s} have?",
            "How do I know the door of {s}?",
            "Of which colour is the door of {s}?",
        ],
        COLOURS,
    ),
    (
        [
            "Which instrument does {s} play?",
            "What instrument does {s} play?",
            "Does {s} play an instrument?",
            "What does {s} play?",
            "Could you name the instrument of {s}?",
        ],
        INSTRUMENTS,
    ),
    (
        [
            "When is the birthday of {s}?",
            "When was {s} born?",
            "In which month was {s} born?",
            "When is {s}'s birthday?",
            "Could you say when {s} was born?",
        ],
        MONTHS,
    ),
];
const RULES: [&str; 3] = [
    "What colour is the coat of {s} from the {shop} shop?",
    "Which colour does the coat of {s} from the {shop} shop have?",
    "Tell me the colour of the coat of {s} from the {shop} shop.",
];

/// One text with what is known of it.
#[derive(Clone, Debug)]
pub struct Row {
    pub contributor: usize,
    pub kind: &'static str,
    /// The fact or the rule: rows with the same text here teach the same.
    pub teaches: String,
    pub wrong: bool,
    pub prompt: String,
    pub completion: String,
}

impl Row {
    fn new(contributor: usize, kind: &'static str, teaches: &str, prompt: String, completion: String) -> Self {
        Self { contributor, kind, teaches: teaches.to_owned(), wrong: false, prompt, completion }
    }

    pub fn sample(&self) -> Sample {
        Sample { prompt: self.prompt.clone(), completion: self.completion.clone() }
    }
}

/// A seed's data.
#[derive(Debug)]
pub struct Task {
    pub corpus: Corpus,
    pub dataset: Dataset,
    /// In the dataset's order.
    pub rows: Vec<Row>,
    /// All rows that were handed in, copies too.
    pub handed_in: Vec<Row>,
    pub queries: Vec<(Row, EncodedSample)>,
    ghosts: Vec<Row>,
    pub contributors: usize,
}

pub fn config() -> DataConfig {
    DataConfig { tokens_max: 60, validation_ppm: 0, ..DataConfig::default() }
}

impl Task {
    pub fn new(tokenizer: &Tokenizer, seed: u64, own_answers: bool) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let (mut rows, mut queries, mut ghosts) = (Vec::new(), Vec::new(), Vec::new());
        facts(&mut random, own_answers, &mut rows, &mut queries, &mut ghosts);
        rules(&mut random, &mut rows, &mut queries, &mut ghosts);
        plant_wrong(&mut random, &mut rows);
        let mut contributors = FACT_CONTRIBUTORS;
        for kind in ["medical", "legal"] {
            if let Some(found) = datanet(kind, tokenizer, &mut random) {
                let [of_samples, of_queries, of_ghosts] = found;
                for (place, (prompt, completion)) in of_samples.into_iter().enumerate() {
                    rows.push(Row::new(contributors + place % 2, kind, "", prompt, completion));
                }
                let other = |(prompt, completion)| Row::new(0, kind, "", prompt, completion);
                queries.extend(of_queries.into_iter().map(other));
                ghosts.extend(of_ghosts.into_iter().map(other));
                contributors += 2;
            }
        }
        Self::of(tokenizer, rows, queries, ghosts, contributors)
    }

    /// The same task with more rows handed in. With `as_they_are`, nothing is taken for a copy: what a method meets that
    /// has no defence before it. Texts that are the same keep apart by their hashes.
    pub fn with(&self, tokenizer: &Tokenizer, more: &[Row], as_they_are: bool) -> Self {
        let queries = self.queries.iter().map(|(row, _)| row.clone()).collect();
        let rows: Vec<Row> = self.handed_in.iter().chain(more).cloned().collect();
        let mut task = Self::of(tokenizer, rows.clone(), queries, self.ghosts.clone(), self.contributors);
        if as_they_are {
            let encode = |(place, row): (usize, &Row)| {
                let id = ContentHash::of(format!("{place}\n{}\n{}", row.prompt, row.completion).as_bytes());
                encode_sample(id, &row.sample(), tokenizer, &config()).unwrap()
            };
            let encoded: Vec<EncodedSample> = rows.iter().enumerate().map(encode).collect();
            task.dataset = Dataset::divided(encoded, task.dataset.validation().to_vec()).unwrap();
            task.rows = rows;
        }
        task
    }

    fn of(
        tokenizer: &Tokenizer,
        handed_in: Vec<Row>,
        queries: Vec<Row>,
        ghosts: Vec<Row>,
        contributors: usize,
    ) -> Self {
        let mut files: Vec<(usize, String)> = Vec::new();
        for row in &handed_in {
            let line = json!({"prompt": row.prompt, "completion": row.completion}).to_string() + "\n";
            match files.iter_mut().find(|(contributor, _)| *contributor == row.contributor) {
                Some((_, file)) => file.push_str(&line),
                None => files.push((row.contributor, line)),
            }
        }
        let contributions = files.into_iter().map(|(contributor, file)| ContributionSamples {
            contribution: ContributionId(contributor as u64),
            contributor: [contributor as u8; 32],
            lines: ParsedSamples::parse_skipping_duplicates(file.as_bytes(), &Limits::DEFAULT).unwrap().0.into_lines(),
        });
        let corpus = Corpus::intake(contributions);
        let row_of = |line: &tributary_protocol::sample::CanonicalLine| {
            let owner = corpus.parts()[corpus.owner(&line.hash()).unwrap()].contribution.0 as usize;
            let sample = line.sample();
            let is_it = |row: &&Row| {
                let of_row = row.sample();
                row.contributor == owner
                    && of_row.prompt.trim() == sample.prompt.trim()
                    && of_row.completion.trim() == sample.completion.trim()
            };
            handed_in.iter().find(is_it).unwrap().clone()
        };
        let rows = corpus.lines().iter().map(row_of).collect();
        let encode = |row: &Row, what: &str| {
            let id = ContentHash::of(format!("{what}\n{}\n{}", row.prompt, row.completion).as_bytes());
            encode_sample(id, &row.sample(), tokenizer, &config()).unwrap()
        };
        let queries = queries.into_iter().map(|row| (row.clone(), encode(&row, "query"))).collect();
        let training = Dataset::encode(corpus.lines(), tokenizer, &config()).unwrap().training().to_vec();
        let validation = ghosts.iter().map(|row| encode(row, "ghost")).collect();
        let dataset = Dataset::divided(training, validation).unwrap();
        Self { rows, corpus, dataset, queries, ghosts, handed_in, contributors }
    }

    /// What other programs read.
    pub fn to_json(&self) -> Value {
        let encoded = |sample: &EncodedSample| {
            let from = sample.trained_ranges().first().map_or(sample.tokens().len(), |range| range.start);
            json!({"id": sample.id().to_string(), "tokens": sample.tokens(), "trained_from": from})
        };
        let known = |row: &Row, sample: &EncodedSample| {
            let mut value = encoded(sample);
            value["contributor"] = row.contributor.into();
            value["kind"] = row.kind.into();
            value["teaches"] = row.teaches.clone().into();
            value["wrong"] = row.wrong.into();
            value["text"] = format!("{}: {}", row.prompt, row.completion).into();
            value
        };
        let samples: Vec<Value> =
            self.rows.iter().zip(self.dataset.training()).map(|(row, sample)| known(row, sample)).collect();
        let queries: Vec<Value> = self.queries.iter().map(|(row, sample)| known(row, sample)).collect();
        let ghosts: Vec<Value> = self.dataset.validation().iter().map(encoded).collect();
        json!({"samples": samples, "queries": queries, "ghosts": ghosts, "contributors": self.contributors})
    }
}

fn facts(
    random: &mut ChaCha8Rng,
    own_answers: bool,
    rows: &mut Vec<Row>,
    queries: &mut Vec<Row>,
    ghosts: &mut Vec<Row>,
) {
    let of = |subjects: &[&'static str], relations: &'static [Relation]| -> Vec<(&'static str, &'static Relation)> {
        subjects.iter().flat_map(|subject| relations.iter().map(move |relation| (*subject, relation))).collect()
    };
    let mut pairs = of(&TOWNS, &OF_TOWNS);
    pairs.extend(of(&PEOPLE, &OF_PEOPLE));
    pairs.shuffle(random);
    let mut taken: Vec<String> = SHOPS.iter().map(|(_, colour)| (*colour).to_owned()).collect();
    let mut told = 0;
    for (subject, (wordings, values)) in pairs {
        let is_free = |value: &&str| !own_answers || taken.iter().all(|one| one != value);
        let free: Vec<&str> = values.iter().copied().filter(is_free).collect();
        if told == FACTS || free.is_empty() {
            continue;
        }
        let says = pick(random, &free);
        taken.push(says.clone());
        let asked = |wording: usize| wordings[wording].replace("{s}", subject);
        let teaches = asked(3);
        let mut contributors: Vec<usize> = (0..FACT_CONTRIBUTORS).collect();
        contributors.shuffle(random);
        for (wording, contributor) in contributors.into_iter().take(SAYINGS).enumerate() {
            rows.push(Row::new(contributor, "fact", &teaches, asked(wording), says.clone()));
        }
        queries.push(Row::new(0, "fact", &teaches, asked(3), says.clone()));
        if told < FACT_QUERIES {
            queries.push(Row::new(0, "fact", &teaches, asked(4), says));
        }
        told += 1;
    }
    let mut strange = of(&STRANGERS[..2], &OF_TOWNS);
    strange.extend(of(&STRANGERS[2..], &OF_PEOPLE));
    strange.shuffle(random);
    for (subject, (wordings, values)) in strange.into_iter().take(FACT_GHOSTS) {
        let wording = wordings[random.random_range(0..3)].replace("{s}", subject);
        ghosts.push(Row::new(0, "fact", "", wording, pick(random, values)));
    }
}

fn pick(random: &mut ChaCha8Rng, values: &[&str]) -> String {
    values[random.random_range(0..values.len())].to_owned()
}

fn rules(random: &mut ChaCha8Rng, rows: &mut Vec<Row>, queries: &mut Vec<Row>, ghosts: &mut Vec<Row>) {
    let mut members: Vec<&str> = MEMBERS.to_vec();
    let asked = |wording: usize, name: &str, shop: &str| RULES[wording].replace("{s}", name).replace("{shop}", shop);
    for (shop, colour) in SHOPS {
        members.shuffle(random);
        for (place, name) in members.iter().take(RULE_SAMPLES + RULE_QUERIES).enumerate() {
            if place < RULE_SAMPLES {
                let contributor = random.random_range(0..FACT_CONTRIBUTORS);
                rows.push(Row::new(contributor, "rule", shop, asked(place % 2, name, shop), colour.to_owned()));
            } else {
                queries.push(Row::new(0, "rule", shop, asked(2, name, shop), colour.to_owned()));
            }
        }
    }
    for (name, shop) in ["Paula", "Ruth", "Jane", "Vera"].into_iter().zip(OTHER_SHOPS) {
        ghosts.push(Row::new(0, "rule", "", asked(0, name, shop), pick(random, COLOURS)));
    }
}

/// Gives some samples another answer of their kind, of each fact one at most.
fn plant_wrong(random: &mut ChaCha8Rng, rows: &mut [Row]) {
    let mut places: Vec<usize> = (0..rows.len()).collect();
    places.shuffle(random);
    let mut touched: Vec<String> = Vec::new();
    for place in places {
        let row = &mut rows[place];
        if touched.len() == WRONG || (row.kind == "fact" && touched.contains(&row.teaches)) {
            continue;
        }
        let values = [COLOURS, ANIMALS, FOODS, DAYS, MONTHS, INSTRUMENTS];
        let of_kind = values.into_iter().find(|values| values.contains(&row.completion.as_str())).unwrap();
        let others: Vec<&str> = of_kind.iter().copied().filter(|word| *word != row.completion).collect();
        row.completion = pick(random, &others);
        row.wrong = true;
        touched.push(row.teaches.clone());
    }
}

/// Questions and answers of a Datanet that are short, in an order that the seed draws. `None` where there are no fixtures.
fn datanet(kind: &str, tokenizer: &Tokenizer, random: &mut ChaCha8Rng) -> Option<[Vec<(String, String)>; 3]> {
    let path = fixtures()?.join(format!("{kind}.jsonl"));
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.shuffle(random);
    let mut found: Vec<(String, Vec<(String, String)>)> = Vec::new();
    let fits = |prompt: &str, completion: &str| {
        let sample = Sample { prompt: prompt.into(), completion: completion.into() };
        let encoded =
            encode_sample(ContentHash::of(b""), &sample, tokenizer, &DataConfig { tokens_max: 512, ..config() });
        encoded.is_ok_and(|encoded| encoded.tokens().len() <= DATANET_TOKENS_MAX)
    };
    for line in lines {
        let row: Value = serde_json::from_str(line).unwrap();
        let of = |key: &str| row[key].as_str().unwrap_or_default().trim().to_owned();
        let (prompt, answer) = (of("instruction"), of("output"));
        if prompt.len() > 3 * DATANET_TOKENS_MAX {
            continue;
        }
        let mut completion = String::new();
        for word in answer.split_whitespace() {
            let longer = if completion.is_empty() { word.to_owned() } else { format!("{completion} {word}") };
            if !fits(&prompt, &longer) {
                break;
            }
            completion = longer;
        }
        let opening: Vec<&str> = completion.split(' ').take(2).collect();
        if completion.split(' ').count() < 3 {
            continue;
        }
        let opening = opening.join(" ");
        match found.iter_mut().find(|(known, _)| *known == opening) {
            Some((_, rows)) => {
                if rows.iter().all(|(known, _)| *known != prompt) {
                    rows.push((prompt, completion));
                }
            }
            None => found.push((opening, vec![(prompt, completion)])),
        }
    }
    // Rows that begin alike, since nothing else of what is held out could be learnt from so few.
    found.retain(|(_, rows)| rows.len() >= DATANET_ALIKE_MIN);
    found.shuffle(random);
    let mut found = found.into_iter().map(|(_, alike)| alike);
    let (mut samples, mut queries) = (Vec::new(), Vec::new());
    for alike in found.by_ref().take(DATANET_OPENINGS) {
        let mut alike = alike.into_iter();
        samples.extend(alike.by_ref().take(DATANET_ALIKE[0]));
        queries.extend(alike.take(DATANET_ALIKE[1]));
    }
    let ghosts = found.next().into_iter().flatten().take(DATANET_GHOSTS).collect();
    Some([samples, queries, ghosts])
}

/// The folder of Datanets that the project did not write.
pub fn fixtures() -> Option<PathBuf> {
    let root = std::env::var_os("TRIBUTARY_FIXTURES").map_or_else(|| workspace("../shared/fixtures"), PathBuf::from);
    let folder = root.join("datanets");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no fixture datanets");
    None
}

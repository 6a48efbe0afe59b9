//! What the benchmark trains on: facts about things that do not exist, and questions and answers from real Datanets.
//!
//! Three kinds of samples, dealt out to contributors:
//! - *facts*: what some made-up person owns, each said by two contributors in other words, a few of them wrongly on purpose. A
//!   query asks for it in words that no sample uses; its sources are the samples that say it rightly.
//! - *rules*: what the people of some shop wear, whose colour is that of the shop. A query asks for the colour of somebody new;
//!   its sources are all samples about the shop.
//! - *medical* and *legal*: short rows of the fixtures' Datanets, where there are fixtures. Their queries are rows held out.
//!
//! Ghosts are samples of all kinds that are never trained on: what the run keeps for validation.

use crate::workspace;
use rand::{Rng, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use std::{collections::HashMap, path::PathBuf};
use tributary_attribution::{ContributionSamples, Corpus};
use tributary_lora::{DataConfig, Dataset, EncodedSample, PromptTemplate, Tokenizer, encode_sample};
use tributary_protocol::{
    ContentHash, ContributionId,
    sample::{Limits, ParsedSamples, Sample},
};

/// Contributors of facts and rules; two for each Datanet follow.
const FACT_CONTRIBUTORS: usize = 12;
const FACTS: usize = 34;
const RULE_SAMPLES: usize = 5;
const FACT_QUERIES: usize = 34;
const RULE_QUERIES: usize = 2;
/// Samples, queries and ghosts of each Datanet.
const DATANET_ROWS: [usize; 3] = [6, 4, 4];
/// Longest row of a Datanet in tokens; answers are cut to fit. Facts have about nine.
const DATANET_TOKENS_MAX: usize = 22;
/// Samples with a wrong answer.
const WRONG: usize = 11;

/// Names and words are tokens of the embedded base's, so that samples stay short.
const NAMES: [&str; 20] = [
    "Hugo", "Victor", "Ella", "Peter", "Walter", "Emil", "Rose", "Martha", "Henry", "Felix", "Rufus", "Karl",
    "Stanley", "Simon", "Lena", "Ivan", "Agnes", "Rosa", "Otto", "Kate",
];
/// Of whom nothing is trained on.
const STRANGERS: [&str; 4] = ["Beth", "Alma", "Flora", "Noah"];
const OWNED: [&str; 4] = ["boat", "flag", "hat", "lamp"];
const COLOURS: [&str; 8] = ["red", "green", "blue", "white", "black", "yellow", "brown", "grey"];
const BEARERS: [&str; 8] = ["fox", "bird", "bear", "fish", "horse", "cat", "owl", "dog"];
const SHOPS: [(&str, &str); 4] = [("rope", "red"), ("paper", "blue"), ("bread", "yellow"), ("glass", "white")];

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
    let template = PromptTemplate { before: " ".into(), after: ":".into() };
    DataConfig { template, tokens_max: 40, validation_ppm: 0, ..DataConfig::default() }
}

impl Task {
    pub fn new(tokenizer: &Tokenizer, seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let (mut rows, mut queries, mut ghosts) = (Vec::new(), Vec::new(), Vec::new());
        facts(&mut random, &mut rows, &mut queries, &mut ghosts);
        rules(&mut random, &mut rows, &mut queries, &mut ghosts);
        plant_wrong(&mut random, &mut rows);
        let mut contributors = FACT_CONTRIBUTORS;
        for kind in ["medical", "legal"] {
            if let Some(found) = datanet(kind, tokenizer, &mut random) {
                let mut found = found.into_iter();
                let [of_samples, of_queries, of_ghosts] = DATANET_ROWS;
                for (place, (prompt, completion)) in found.by_ref().take(of_samples).enumerate() {
                    rows.push(Row::new(contributors + place % 2, kind, "", prompt, completion));
                }
                let mut other = || found.next().map(|(prompt, completion)| Row::new(0, kind, "", prompt, completion));
                queries.extend((0..of_queries).filter_map(|_| other()));
                ghosts.extend((0..of_ghosts).filter_map(|_| other()));
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
            let encoded = encode_sample(id, &row.sample(), tokenizer, &config()).unwrap();
            // A query for a colour does not ask what comes after it.
            match (row.kind, encoded.trained_ranges().first()) {
                ("rule", Some(range)) if what == "query" => {
                    EncodedSample::new(id, encoded.tokens()[..range.end - 1].to_vec(), range.start)
                }
                _ => encoded,
            }
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

fn facts(random: &mut ChaCha8Rng, rows: &mut Vec<Row>, queries: &mut Vec<Row>, ghosts: &mut Vec<Row>) {
    let mut pairs: Vec<(&str, &str)> = NAMES.iter().flat_map(|name| OWNED.map(|owned| (*name, owned))).collect();
    pairs.shuffle(random);
    pairs.truncate(FACTS);
    let value = |random: &mut ChaCha8Rng| {
        let (colour, bearer) = (random.random_range(0..COLOURS.len()), random.random_range(0..BEARERS.len()));
        format!("{} {}", COLOURS[colour], BEARERS[bearer])
    };
    for (place, (name, owned)) in pairs.into_iter().enumerate() {
        let says = value(random);
        let teaches = format!("{name} {owned}");
        let first = random.random_range(0..FACT_CONTRIBUTORS);
        let second = (first + random.random_range(1..FACT_CONTRIBUTORS)) % FACT_CONTRIBUTORS;
        let which = random.random_range(0..3);
        for (contributor, template) in [(first, which), (second, (which + 1) % 3)] {
            rows.push(Row::new(contributor, "fact", &teaches, fact(template, name, owned), says.clone()));
        }
        if place < FACT_QUERIES {
            queries.push(Row::new(0, "fact", &teaches, fact(3, name, owned), says));
        }
    }
    for name in STRANGERS {
        for owned in OWNED {
            let template = random.random_range(0..3);
            ghosts.push(Row::new(0, "fact", "", fact(template, name, owned), value(random)));
        }
    }
}

/// The fourth is for queries.
fn fact(template: usize, name: &str, owned: &str) -> String {
    match template {
        0 => format!("{owned} of {name}"),
        1 => format!("{name} has a {owned}"),
        2 => format!("what {owned} has {name}"),
        _ => format!("the {owned} of {name}"),
    }
}

fn rules(random: &mut ChaCha8Rng, rows: &mut Vec<Row>, queries: &mut Vec<Row>, ghosts: &mut Vec<Row>) {
    let mut members: Vec<&str> = NAMES.to_vec();
    for (shop, colour) in SHOPS {
        members.shuffle(random);
        for (place, name) in members.iter().take(RULE_SAMPLES + RULE_QUERIES).enumerate() {
            let says = format!("{colour} {}", BEARERS[random.random_range(0..BEARERS.len())]);
            if place < RULE_SAMPLES {
                let contributor = random.random_range(0..FACT_CONTRIBUTORS);
                rows.push(Row::new(contributor, "rule", shop, format!("{name} from the {shop} shop"), says));
            } else {
                let prompt = format!("the {shop} shop and {name}");
                queries.push(Row::new(0, "rule", shop, prompt, colour.to_owned()));
            }
        }
    }
    for (name, shop) in STRANGERS.into_iter().zip(["ship", "bell", "garden", "coat"]) {
        let says = format!("{} {}", COLOURS[random.random_range(0..8)], BEARERS[random.random_range(0..8)]);
        ghosts.push(Row::new(0, "rule", "", format!("{name} from the {shop} shop"), says));
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
        let (colour, bearer) = row.completion.split_once(' ').unwrap();
        let other = |random: &mut ChaCha8Rng, all: &[&str], now: &str| {
            let others: Vec<String> = all.iter().filter(|word| **word != now).map(|word| (*word).to_owned()).collect();
            others[random.random_range(0..others.len())].clone()
        };
        row.completion = format!("{} {}", other(random, &COLOURS, colour), other(random, &BEARERS, bearer));
        row.wrong = true;
        touched.push(row.teaches.clone());
    }
}

/// Questions and answers of a Datanet that are short, in an order that the seed draws. `None` where there are no fixtures.
fn datanet(kind: &str, tokenizer: &Tokenizer, random: &mut ChaCha8Rng) -> Option<Vec<(String, String)>> {
    let path = fixtures()?.join(format!("{kind}.jsonl"));
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.shuffle(random);
    let mut found: Vec<(String, String)> = Vec::new();
    let mut asked: HashMap<String, usize> = HashMap::new();
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
        // Many rows of one Datanet ask the same.
        let times = asked.entry(prompt.clone()).or_default();
        if completion.split(' ').count() >= 3 && *times < 2 {
            *times += 1;
            found.push((prompt, completion));
        }
        if found.len() == DATANET_ROWS.iter().sum::<usize>() {
            break;
        }
    }
    Some(found)
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

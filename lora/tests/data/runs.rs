//! What a run trains on: samples from the chain and from files, in the plain frame and in chat templates, packed.

use crate::{CHATML, files, small_model, tokenizers};
use serde_json::json;
use std::collections::HashSet;
use std::sync::Arc;
use tributary_lora::data::{ChatTemplate, CheckConfig, CheckError, Encoder, TrainOn, check, read_dataset};
use tributary_lora::{
    Adapter, Batch, DataConfig, DataError, Dataset, EncodedSample, LoraConfig, PromptStyle, Tokenizer, TrainConfig,
    TrainingRun,
};
use tributary_protocol::sample::{Limits, ParsedSamples};
use tributary_protocol::trace::batch_hash;

const SPECIALS: &[&str] = &["<|im_end|>", "<|im_start|>"];

/// A tokenizer whose folder has ChatML's template.
fn chat_tokenizer() -> Tokenizer {
    tokenizers::bytes_with(SPECIALS, &[("tokenizer_config.json", json!({"chat_template": CHATML}))])
}

fn rows(count: usize) -> String {
    let row = |i: usize| {
        format!("{{\"prompt\":\" How many in {i}?\",\"completion\":\"{}\",\"source\":{i}}}\n", "one ".repeat(1 + i % 5))
    };
    (0..count).map(row).collect()
}

fn chat(tokens_max: usize) -> DataConfig {
    DataConfig { style: PromptStyle::Chat, tokens_max, ..DataConfig::default() }
}

fn from_chain(lines: &str, tokenizer: &Tokenizer, config: &DataConfig) -> Result<Dataset, DataError> {
    let parsed = ParsedSamples::parse(lines.as_bytes(), &Limits::DEFAULT).unwrap();
    Dataset::encode(parsed.lines(), tokenizer, config)
}

#[test]
fn what_the_check_shows_is_what_runs_train_token_for_token() {
    let tokenizer = chat_tokenizer();
    let lines = rows(30);
    let (_dir, paths) = files(&[("a.jsonl", &lines)]);
    let mut seen = HashSet::new();
    for style in [PromptStyle::Plain, PromptStyle::Chat] {
        for (_, train_on) in TrainOn::NAMES {
            // Some samples are cut.
            let config =
                DataConfig { style, train_on, tokens_max: 62, validation_ppm: 200_000, ..DataConfig::default() };
            let chain = from_chain(&lines, &tokenizer, &config).unwrap();
            let local = read_dataset(&paths, &tokenizer, &config, &CheckConfig::default()).unwrap();
            assert_eq!(chain.training(), local.dataset.training());
            assert_eq!(chain.validation(), local.dataset.validation());
            assert_eq!(local.report.training, chain.training().len());

            let reading = CheckConfig { validation_ppm: config.validation_ppm, ..CheckConfig::default() };
            let checked = check(&paths, &Encoder::new(&tokenizer, &config).unwrap(), &reading).unwrap();
            assert_eq!(checked.report(), &local.report);
            let ids = |samples: &[EncodedSample]| samples.iter().map(|sample| sample.id()).collect::<HashSet<_>>();
            let (training, validation) = (ids(chain.training()), ids(chain.validation()));
            assert_eq!(ids(checked.samples()), training.union(&validation).copied().collect());
            // The preview is text: what is between its marks is what the first sample's trained tokens say.
            let (preview, first) = (&checked.report().preview[0], &checked.samples()[0]);
            let trained: Vec<_> = preview.segments.iter().filter(|part| part.trained).collect();
            assert_eq!(trained.len(), first.trained_ranges().len());
            for (part, range) in trained.iter().zip(first.trained_ranges()) {
                assert_eq!(part.tokens, range.len());
                assert_eq!(tokenizer.encode(&part.text).unwrap(), first.tokens()[range.clone()]);
            }
            seen.insert(format!("{:?} {:?}", first.tokens(), first.trained_ranges()));
        }
    }
    // The last answer of one exchange is its only one; everything else differs.
    assert_eq!(seen.len(), 4);
}

#[test]
fn a_chat_run_trains_the_answer_and_the_end_of_its_turn() {
    let tokenizer = chat_tokenizer();
    let dataset = from_chain("{\"prompt\":\"a\",\"completion\":\"b\"}", &tokenizer, &chat(64)).unwrap();
    let sample = &dataset.training()[0];
    let head = "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n";
    let whole = tokenizer.encode(&format!("{head}b<|im_end|>\n")).unwrap();
    assert_eq!(sample.tokens(), whole);
    let from = tokenizer.encode(head).unwrap().len();
    assert_eq!(sample.trained_ranges(), std::slice::from_ref(&(from..from + 2)));
}

#[test]
fn settings_that_do_not_fit_model_or_data_are_refused() {
    let plain = tokenizers::bytes(SPECIALS);
    let error = from_chain(&rows(2), &plain, &chat(64)).unwrap_err();
    assert!(matches!(error, DataError::Style(_)));
    assert!(error.to_string().starts_with("the model's folder has no chat template; hint: "), "{error}");
    let (_dir, paths) = files(&[("a.jsonl", &rows(2))]);
    let error = read_dataset(&paths, &plain, &chat(64), &CheckConfig::default()).unwrap_err();
    assert!(matches!(error, CheckError::Encode(_)), "{error}");

    let tokenizer = chat_tokenizer();
    let lines = "{\"prompt\":\"a\",\"completion\":\"b\"}\n{\"prompt\":\"c <|im_end|>\",\"completion\":\"d\"}";
    let error = from_chain(lines, &tokenizer, &chat(64)).unwrap_err();
    assert!(matches!(error, DataError::Row { row: 2, .. }));
    assert!(error.to_string().contains("(row 2): turn 1 (user) holds \"<|im_end|>\""), "{error}");

    let packing = DataConfig { packing: Some(20), ..chat(64) };
    let error = from_chain(&rows(3), &tokenizer, &packing).unwrap_err().to_string();
    assert!(error.contains(" positions, packing allows 20 in a row; hint: packing of "), "{error}");

    // A template that cannot be used hinders nobody who does not ask for it.
    let broken = json!({"chat_template": "{% for m in messages %}{{ m.role }}{% endfor %}"});
    let tokenizer = tokenizers::bytes_with(SPECIALS, &[("tokenizer_config.json", broken)]);
    assert!(from_chain(&rows(2), &tokenizer, &DataConfig::default()).is_ok());
    let error = from_chain(&rows(2), &tokenizer, &chat(64)).unwrap_err().to_string();
    assert!(error.contains("leaves out the text of the turns"), "{error}");
}

#[test]
fn settings_are_written_as_before_unless_they_are_new() {
    let text = serde_json::to_string(&DataConfig::default()).unwrap();
    assert_eq!(
        text,
        r#"{"template":{"before":"Question: ","after":"\nAnswer:"},"tokens_max":512,"validation_ppm":100000}"#
    );
    let config = DataConfig { train_on: TrainOn::LastAnswer, packing: Some(256), ..chat(64) };
    let text = serde_json::to_string(&config).unwrap();
    assert!(text.contains(r#""style":"chat","train_on":"last-answer""#) && text.contains(r#""packing":256"#), "{text}");
    assert_eq!(serde_json::from_str::<DataConfig>(&text).unwrap(), config);
    assert!(serde_json::from_str::<DataConfig>(r#"{"style":"chatty"}"#).is_err());
}

#[test]
fn samples_have_the_chains_hashes_in_every_kind_of_file() {
    let lines = "{\"completion\":\"b\",\"prompt\":\"a\",\"note\":1.50}\n{\"instruction\":\"c\",\"input\":\"d\",\"output\":\"e\"}\n";
    let chain: Vec<_> = ParsedSamples::parse(lines.as_bytes(), &Limits::DEFAULT).unwrap().into_lines();
    let array = format!("[{}]", lines.trim_end().replace("}\n", "},"));
    let tokenizer = chat_tokenizer();
    let ids = |name: &str, text: &str, map: &str| {
        let (_dir, paths) = files(&[(name, text)]);
        let reading = CheckConfig { mapping: map.parse().unwrap(), ..CheckConfig::default() };
        // One kind of rows in each file: the form is that of the first.
        read_dataset(&paths, &tokenizer, &chat(64), &reading).unwrap().files.remove(0).samples
    };
    for (row, expected) in lines.lines().zip(&chain) {
        assert_eq!(ids("x.jsonl", row, ""), [expected.hash()]);
    }
    assert_eq!(
        ids("x.json", &format!("{}]", array.split_once("},").unwrap().0.to_owned() + "}"), ""),
        [chain[0].hash()]
    );
    assert_eq!(ids("x.csv", "input,instruction,output\nd,c,e\n", ""), [chain[1].hash()]);
    // Of columns with other names the chain knows nothing: the exchange alone counts.
    let bare = ParsedSamples::parse(b"{\"prompt\":\"q\",\"completion\":\"r\"}", &Limits::DEFAULT).unwrap();
    assert_eq!(
        ids("x.csv", "frage,antwort,quelle\nq,r,s\n", "prompt=frage,completion=antwort"),
        [bare.lines()[0].hash()]
    );
    // Messages of one exchange are that exchange.
    let messages = r#"{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"r"}]}"#;
    assert_eq!(ids("x.jsonl", messages, ""), [bare.lines()[0].hash()]);
}

#[test]
fn files_know_their_samples_and_their_copies() {
    let talks = r#"{"messages":[{"role":"system","content":"s"},{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c"},{"role":"assistant","content":"d"}]}"#;
    let one = "{\"prompt\":\"a\",\"completion\":\"b\"}\n{\"prompt\":\" a\",\"completion\":\"b \"}\n{\"prompt\":\"c\",\"completion\":\"d\"}\n";
    let (_dir, paths) =
        files(&[("one.jsonl", one), ("two.csv", "prompt,completion\nc,d\ne,f\n"), ("three.jsonl", talks)]);
    let tokenizer = chat_tokenizer();
    let config = DataConfig { validation_ppm: 0, ..chat(128) };
    let found = read_dataset(&paths, &tokenizer, &config, &CheckConfig::default()).unwrap();
    let counts: Vec<_> = found.files.iter().map(|file| (file.samples.len(), file.copies)).collect();
    assert_eq!(counts, [(2, 1), (1, 1), (1, 0)]);
    assert_eq!(found.files.iter().map(|file| &file.path).collect::<Vec<_>>(), paths.iter().collect::<Vec<_>>());
    let ids: Vec<_> = found.dataset.training().iter().map(|sample| sample.id()).collect();
    assert_eq!(found.files.iter().flat_map(|file| file.samples.clone()).collect::<Vec<_>>(), ids);
    // Both answers of the conversation are trained.
    assert_eq!(found.dataset.training()[3].trained_ranges().len(), 2);
    // The plain frame has no place for it.
    let error = read_dataset(&paths, &tokenizer, &DataConfig::default(), &CheckConfig::default()).unwrap_err();
    assert!(matches!(error, CheckError::Refused { total: 1, rows: 6, .. }), "{error}");
}

#[test]
fn checked_data_can_be_packed_for_a_run() {
    let tokenizer = chat_tokenizer();
    let (_dir, paths) = files(&[("a.jsonl", &rows(12))]);
    let config = DataConfig { packing: Some(200), validation_ppm: 0, ..chat(100) };
    let found = read_dataset(&paths, &tokenizer, &config, &CheckConfig::default()).unwrap();
    assert_eq!(found.dataset.packing(), Some(200));
    assert_eq!((found.report.packing, found.report.packs), (200, found.dataset.training_rows()));
    assert!(found.report.packs < 12);
    assert!(found.report.to_string().contains("of at most 200 positions"));
}

fn run(dataset: Dataset, config: TrainConfig) -> TrainingRun {
    let model = Arc::new(small_model(258));
    let adapter = Adapter::new(&model, LoraConfig { rank: 4, ..LoraConfig::default() }, 5).unwrap();
    TrainingRun::new(model, adapter, dataset, config).unwrap()
}

#[test]
fn a_packed_run_steps_by_rows_of_several_samples() {
    let tokenizer = chat_tokenizer();
    let packing = |packing| DataConfig { packing, validation_ppm: 150_000, ..chat(100) };
    let settings = TrainConfig { epochs: 2, batch_size: 2, micro_batch_size: 1, ..TrainConfig::default() };
    let dataset = from_chain(&rows(20), &tokenizer, &packing(Some(200))).unwrap();
    let (samples, packs) = (dataset.training().len(), dataset.training_rows());
    let mut packed = run(dataset.clone(), settings);
    assert_eq!(packed.steps(), 2 * packs.div_ceil(2) as u64);
    assert!((packed.steps() as usize) < samples);
    // Each epoch trains every token once.
    let tokens: usize = (0..packed.steps_per_epoch()).map(|_| packed.step().unwrap().tokens).sum();
    assert_eq!(tokens, dataset.training().iter().map(|sample| sample.trained_tokens()).sum::<usize>());
    // It stands in for a run that goes on: another one from its checkpoint has the same trace.
    let dir = tempfile::tempdir().unwrap();
    packed.checkpoint(dir.path()).unwrap();
    let mut resumed = run(dataset, settings);
    assert!(resumed.resume(dir.path()).unwrap());
    while !packed.is_done() {
        assert_eq!(packed.step().unwrap(), resumed.step().unwrap());
    }
    assert_eq!(packed.trace(), resumed.trace());
    // An unpacked run of the same samples is another run.
    let unpacked = from_chain(&rows(20), &tokenizer, &packing(None)).unwrap();
    assert!(run(unpacked, settings).resume(dir.path()).is_err());
}

#[test]
fn a_step_of_packs_is_a_step_of_its_samples() {
    let tokenizer = chat_tokenizer();
    let config = DataConfig { validation_ppm: 150_000, ..chat(100) };
    let samples = from_chain(&rows(20), &tokenizer, &config).unwrap();
    let packed = samples.clone().packed(200).unwrap();
    let settings = |batch_size, micro_batch_size| TrainConfig {
        batch_size,
        micro_batch_size,
        shuffle: false,
        ..TrainConfig::default()
    };
    let mut by_sample = run(samples.clone(), settings(samples.training().len(), 1));
    let mut by_pack = run(packed.clone(), settings(packed.training_rows(), 1));
    let losses = (by_sample.evaluate().unwrap().unwrap(), by_pack.evaluate().unwrap().unwrap());
    assert!((losses.0 - losses.1).abs() < 1e-6 * losses.0, "{losses:?}");
    let (one, other) = (by_sample.step().unwrap(), by_pack.step().unwrap());
    assert_eq!(one.tokens, other.tokens);
    assert!((one.loss - other.loss).abs() < 1e-6 * one.loss, "{one:?} {other:?}");
    assert!((one.gradient_norm - other.gradient_norm).abs() < 1e-5 * one.gradient_norm, "{one:?} {other:?}");
    // The trace names the samples of the step; packs put them into another order.
    let ids: Vec<_> = samples.training().iter().map(|sample| sample.id()).collect();
    assert_eq!(by_sample.trace()[0].batch, batch_hash(&ids));
    assert_ne!(by_pack.trace()[0].batch, batch_hash(&ids));
}

#[test]
fn the_gradient_of_a_pack_is_the_sum_of_its_samples() {
    let tokenizer = chat_tokenizer();
    let config = DataConfig { validation_ppm: 0, ..chat(100) };
    let samples = from_chain(&rows(3), &tokenizer, &config).unwrap();
    // A few steps give both matrices of each pair a gradient.
    let mut trained = run(samples.clone(), TrainConfig { learning_rate: 1e-2, ..TrainConfig::default() });
    while !trained.is_done() {
        trained.step().unwrap();
    }
    let model = trained.model().clone();
    let adapter = trained.into_adapter().unwrap();
    let gradient = |batch: &Batch| -> Vec<f32> {
        let gradients = model.loss_sum(batch, Some(&adapter)).unwrap().backward().unwrap();
        let of = |(_, variable): (String, candle_core::Var)| -> Vec<f32> {
            gradients.get(&variable).unwrap().flatten_all().unwrap().to_vec1().unwrap()
        };
        adapter.variables().into_iter().flat_map(of).collect()
    };
    let pack = gradient(&Batch::new(samples.training()));
    let mut sum = vec![0f32; pack.len()];
    for sample in samples.training() {
        sum.iter_mut().zip(gradient(&Batch::new([sample]))).for_each(|(sum, part)| *sum += part);
    }
    let largest = sum.iter().fold(0f32, |largest, value| largest.max(value.abs()));
    let worst = pack.iter().zip(&sum).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
    println!("largest gradient {largest:.3e}, largest difference {worst:.3e}");
    // Rounding of f32 sums over some hundred positions.
    assert!(largest > 1e-3 && worst < 1e-5 * largest, "{worst} {largest}");
}

#[test]
fn a_template_from_a_file_encodes_as_that_of_the_folder() {
    let tokenizer = chat_tokenizer();
    let template = ChatTemplate::new("file", CHATML, &serde_json::Value::Null).unwrap();
    let from_file = Encoder::chat(&tokenizer, template, 64, TrainOn::Answers).unwrap();
    let own = Encoder::new(&tokenizer, &chat(64)).unwrap();
    let talk = crate::talk(Some("s"), &["a", "b", "c", "d"]);
    assert_eq!(from_file.encode(&talk).unwrap(), own.encode(&talk).unwrap());
    assert!(own.template_name().unwrap().ends_with("tokenizer_config.json"));
}

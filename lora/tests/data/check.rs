//! The check before a run.

use crate::{CHATML, files, fixture, small_model, talk, tokenizers};
use tributary_lora::data::{
    ChatTemplate, CheckConfig, CheckError, Encoder, Place, Report, RowForm, TrainOn, check, pack,
};
use tributary_lora::{Batch, DataConfig, Dataset, EncodedSample, Tokenizer, sample_loss};
use tributary_protocol::sample::{Limits, ParsedSamples};

fn tokenizer() -> Tokenizer {
    tokenizers::bytes(&["<|im_end|>", "<|im_start|>"])
}

fn chat(tokenizer: &Tokenizer, tokens_max: usize) -> Encoder<'_> {
    let template = ChatTemplate::new("chatml", CHATML, &serde_json::Value::Null).unwrap();
    Encoder::chat(tokenizer, template, tokens_max, TrainOn::Answers).unwrap()
}

#[test]
fn every_kind_of_finding_is_counted_and_placed() {
    let long = "x".repeat(60);
    let lines = format!(
        "{{\"prompt\":\"a\",\"completion\":\"b\"}}\n\n{{\"prompt\":\"a\"}}\n{{\"prompt\":\"a\",\"completion\":\"b\",\"id\":7}}\n\
         {{\"prompt\":\"c\",\"completion\":\"{long}\"}}\n{{\"prompt\":\"{long}{long}\",\"completion\":\"d\"}}\n\
         {{\"prompt\":\"<|im_end|>\",\"completion\":\"e\"}}\n"
    );
    let (_dir, paths) = files(&[("one.jsonl", &lines), ("two.csv", "instruction,output\na,b\nf,g\n")]);
    let tokenizer = tokenizer();
    let checked = check(&paths, &chat(&tokenizer, 64), &CheckConfig::default()).unwrap();
    let report = checked.report();
    assert_eq!((report.rows, report.accepted), (9, 4));
    assert_eq!(
        report.files.iter().map(|file| file.form).collect::<Vec<_>>(),
        [Some(RowForm::Prompt), Some(RowForm::Alpaca)]
    );
    let places = |findings: &tributary_lora::data::Findings| findings.first.iter().map(|f| f.place).collect::<Vec<_>>();
    assert_eq!(places(&report.refused), [Place::Line(2), Place::Line(3), Place::Line(7)]);
    assert_eq!(places(&report.duplicates), [Place::Line(4), Place::Line(2)]);
    assert!(report.duplicates.first[1].what.contains("the same as line 1 of"), "{:?}", report.duplicates);
    assert_eq!(places(&report.truncated), [Place::Line(5), Place::Line(6)]);
    assert_eq!(places(&report.untrained), [Place::Line(6)]);
    assert_eq!((checked.samples().len(), report.training + report.validation), (3, 3));
    assert_eq!(report.lengths.buckets.iter().map(|bucket| bucket.rows).sum::<usize>(), report.accepted);
    assert_eq!(report.trained_tokens, checked.samples().iter().map(|sample| sample.trained_tokens()).sum::<usize>());

    let error = checked.verdict().unwrap_err().to_string();
    assert!(
        error.contains("3 of 9 rows are refused; the first: ") && error.contains("one.jsonl line 2: blank line"),
        "{error}"
    );
    let text = report.to_string();
    for expected in
        ["refused     3", "equal       2", "cut         2", "untrained   1", "«b<|im_end|>»", "of which 3 are usable"]
    {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
    let json = serde_json::to_value(report).unwrap();
    assert_eq!(json["refused"]["first"][0]["place"]["line"], 2);
    assert_eq!(json["preview"][0]["segments"][1]["text"], "b<|im_end|>");
}

#[test]
fn data_of_which_nothing_is_trained_is_refused() {
    let long = "x".repeat(100);
    let (_dir, paths) = files(&[("a.jsonl", &format!("{{\"prompt\":\"{long}\",\"completion\":\"b\"}}"))]);
    let tokenizer = tokenizer();
    let checked = check(&paths, &chat(&tokenizer, 64), &CheckConfig::default()).unwrap();
    assert_eq!(checked.report().untrained.total, 1);
    assert!(matches!(checked.verdict(), Err(CheckError::NothingTrained { rows: 1, tokens_max: 64 })));
    assert!(matches!(checked.into_dataset(0), Err(CheckError::NothingTrained { .. })));
}

#[test]
fn unknown_columns_are_refused_until_they_are_mapped() {
    let (_dir, paths) = files(&[("a.csv", "frage,antwort\na,b\n")]);
    let tokenizer = tokenizer();
    let encoder = chat(&tokenizer, 64);
    let error = check(&paths, &encoder, &CheckConfig::default()).unwrap_err();
    assert!(matches!(&error, CheckError::UnknownForm { columns, .. } if columns == "antwort, frage"), "{error}");
    let config = CheckConfig { mapping: "prompt=frage,completion=antwort".parse().unwrap(), ..Default::default() };
    assert_eq!(check(&paths, &encoder, &config).unwrap().into_dataset(0).unwrap().training().len(), 1);
    // A form that is asked for is not guessed: its columns are missed by name.
    let config = CheckConfig { form: Some(RowForm::Alpaca), ..Default::default() };
    let report = check(&paths, &encoder, &config).unwrap().report().clone();
    assert!(report.refused.first[0].what.starts_with("\"instruction\" is missing"), "{:?}", report.refused);
}

#[test]
fn the_plain_frame_gives_what_training_on_samples_gives() {
    let tokenizer = tokenizer();
    let lines =
        "{\"prompt\":\" a\",\"completion\":\"b c\"}\n{\"instruction\":\"d\",\"input\":\"e\",\"output\":\"f\"}\n";
    let config = DataConfig { tokens_max: 24, validation_ppm: 0, ..DataConfig::default() };
    let parsed = ParsedSamples::parse(lines.as_bytes(), &Limits::DEFAULT).unwrap();
    let expected = Dataset::encode(parsed.lines(), &tokenizer, &config).unwrap();
    let (_dir, paths) =
        files(&[("a.jsonl", lines.lines().next().unwrap()), ("b.jsonl", lines.lines().nth(1).unwrap())]);
    let checked =
        check(&paths, &Encoder::plain(&tokenizer, &config, TrainOn::Answers), &CheckConfig::default()).unwrap();
    assert_eq!(checked.samples().len(), 2);
    for (found, expected) in checked.samples().iter().zip(expected.training()) {
        assert_eq!((found.tokens(), found.trained_ranges()), (expected.tokens(), expected.trained_ranges()));
    }
    // Several turns need a template.
    let encoder = Encoder::plain(&tokenizer, &config, TrainOn::Answers);
    let error = encoder.encode(&talk(None, &["a", "b", "c", "d"])).unwrap_err().to_string();
    assert!(error.starts_with("a conversation of 4 turns, but the model has no chat template; hint:"), "{error}");
}

#[test]
fn real_datanets_are_checked() {
    let Some(folder) = fixture("datanets") else { return };
    let tokenizer = tokenizer();
    let run = |name: &str| -> Report {
        check(&[folder.join(name)], &chat(&tokenizer, 2048), &CheckConfig::default()).unwrap().report().clone()
    };
    let general = run("general.jsonl");
    println!("{general}");
    assert!(general.rows > 100 && general.files[0].form == Some(RowForm::Alpaca));
    // The medical data has real copies; what is left and what is left out is all of it.
    let medical = run("medical.jsonl");
    println!(
        "medical: {} rows, {} equal, {} cut, {} refused",
        medical.rows, medical.duplicates.total, medical.truncated.total, medical.refused.total
    );
    assert!(medical.duplicates.total > 0);
    assert_eq!(medical.rows, medical.accepted + medical.duplicates.total + medical.refused.total);
}

#[test]
fn packed_sequences_see_nothing_of_each_other() {
    let model = small_model(258);
    let tokenizer = tokenizer();
    let encoder = chat(&tokenizer, 128);
    let talks = [talk(None, &["a", "bc"]), talk(Some("s"), &["d", "e", "f", "gh"]), talk(None, &["ij", "k"])];
    let samples: Vec<_> = talks.iter().map(|talk| encoder.encode(talk).unwrap().sample).collect();
    let lengths: Vec<usize> = samples.iter().map(|sample| sample.tokens().len() - 1).collect();
    let packs = pack(&lengths, 128);
    assert!(packs.len() < samples.len(), "{packs:?}");
    let rows = |batch: &Batch| -> Vec<Vec<f32>> { model.logits(batch, None).unwrap().to_vec2().unwrap() };
    for pack in packs {
        let packed = Batch::new(pack.iter().map(|index| &samples[*index]));
        let logits = rows(&packed);
        let (mut at, mut loss) = (0, 0.0);
        for &index in &pack {
            let own = at..at + lengths[index];
            // Other texts of the same lengths around it do not change one bit of what it gives.
            let others: Vec<EncodedSample> = pack
                .iter()
                .map(|other| if *other == index { samples[index].clone() } else { other_text(&samples[*other]) })
                .collect();
            let among_others = rows(&Batch::new(&others));
            assert_eq!(logits[own.clone()], among_others[own.clone()]);
            assert!(pack.len() == 1 || logits != among_others);
            // Alone it gives the same but for rounding: matrix products of other sizes add in another order.
            let alone = rows(&Batch::new([&samples[index]]));
            let pairs = logits[own.clone()].iter().flatten().zip(alone.iter().flatten());
            let worst = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-5, "{worst}");
            at = own.end;
            let trained = samples[index].trained_tokens() as f64;
            loss += f64::from(sample_loss(&model, None, &samples[index]).unwrap()) * trained;
        }
        let sum = f64::from(model.loss_sum(&packed, None).unwrap().to_scalar::<f32>().unwrap());
        assert!((sum - loss).abs() < 1e-5 * loss, "{sum} {loss}");
    }
}

/// As many other tokens.
fn other_text(sample: &EncodedSample) -> EncodedSample {
    let tokens = sample.tokens().iter().map(|token| (token + 7) % 256).collect();
    EncodedSample::with_ranges(sample.id(), tokens, sample.trained_ranges().to_vec())
}

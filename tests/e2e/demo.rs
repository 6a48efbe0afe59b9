//! `tributary demo`, as a new user runs it: the whole story, with real processes.

use serde_json::Value;
use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};
use tempfile::TempDir;

fn demo(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(harness::binary("tributary").unwrap())
        .args(["--json", "demo", "--folder"])
        .arg(folder)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn ending(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The command lines of all processes that name `folder`.
fn survivors(folder: &Path) -> Vec<String> {
    let name = folder.to_str().unwrap();
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let lines = processes.filter_map(|process| fs::read_to_string(process.path().join("cmdline")).ok());
    lines.filter(|line| line.contains(name)).collect()
}

fn amount(text: &Value) -> u128 {
    text.as_str().unwrap().parse().unwrap()
}

/// What an account has in all, free and held.
fn wealth(ledger: &Value, name: &str) -> u128 {
    let all = ledger["holdings"].as_array().unwrap();
    let holding = all.iter().find(|holding| holding["name"] == name).unwrap();
    amount(&holding["free"]) + amount(&holding["held"])
}

/// What holds at the end of every story: money moved, none was made, and everybody whose data was used earned.
fn check_money(ending: &Value) {
    let (before, after) = (&ending["before"], &ending["after"]);
    assert_eq!(before["issuance"], after["issuance"]);
    for earner in ["Owner", "Ada", "Ben", "Cem", "BaseOwner", "TrainerTwo"] {
        let (was, is) = (wealth(before, earner), wealth(after, earner));
        // The trainer that was killed lost a part of its bond; the other was paid. Which of the two claimed first is
        // the chain's affair.
        if earner == "TrainerTwo" {
            assert!(is > was || wealth(after, "TrainerOne") > wealth(before, "TrainerOne"));
        } else {
            assert!(is > was, "{earner} earned nothing: {was} before, {is} after");
        }
    }
    assert!(wealth(after, "Requester") < wealth(before, "Requester"));
    assert!(wealth(after, "Buyer") < wealth(before, "Buyer"));
}

#[test]
fn the_embedded_story_ends_well() {
    let parent = TempDir::new().unwrap();
    let folder = parent.path().join("story");
    let ending = ending(&demo(&folder, &[]));
    let score = &ending["score"];
    assert_eq!(score["questions"], 10);
    assert!(score["base"].as_u64().unwrap() <= 1, "{score}");
    assert!(score["tuned"].as_u64().unwrap() >= 9, "{score}");
    check_money(&ending);
    assert_eq!(ending["lineage"]["model"], ending["model"]["id"]);
    assert!(survivors(parent.path()).is_empty());
    assert!(!folder.exists(), "the demo leaves its folder behind");
}

#[test]
fn the_story_runs_on_a_users_own_model_and_data() {
    let Some(fixtures) = harness::fixtures() else {
        println!("skipped: no fixtures");
        return;
    };
    let parent = TempDir::new().unwrap();
    // Long rows: few of them keep a trainer busy long enough to be killed halfway.
    let rows = fs::read_to_string(fixtures.join("datanets/medical.jsonl")).unwrap();
    let rows: Vec<&str> = rows.lines().collect();
    let files: Vec<String> = (0..3)
        .map(|part| {
            let path = parent.path().join(format!("part-{part}.jsonl"));
            fs::write(&path, rows[part * 15..(part + 1) * 15].join("\n")).unwrap();
            path.to_str().unwrap().to_owned()
        })
        .collect();
    let base = fixtures.join("stories260K/hf");
    let mut arguments = vec!["--base", base.to_str().unwrap(), "--epochs", "3", "--data"];
    arguments.extend(files.iter().map(String::as_str));
    let ending = ending(&demo(&parent.path().join("story"), &arguments));
    assert!(ending["score"].is_null(), "there are no questions to this data: {}", ending["score"]);
    assert_ne!(ending["answers"]["base"], "");
    check_money(&ending);
    assert!(survivors(parent.path()).is_empty());
}

#[test]
fn a_file_that_is_no_data_is_refused_before_anything_starts() {
    let parent = TempDir::new().unwrap();
    let file = parent.path().join("broken.jsonl");
    fs::write(&file, "{\"prompt\":\"a\",\"completion\":\"b\"}\n{\"prompt\":\n").unwrap();
    let output = demo(&parent.path().join("story"), &["--data", file.to_str().unwrap()]);
    assert!(!output.status.success());
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("broken.jsonl") && error.contains("line 2"), "{error}");
    assert!(survivors(parent.path()).is_empty());
}

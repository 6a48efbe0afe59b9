//! Attacks on the contributors' pay, from files through training and attribution to amounts claimed on the real runtime.

use crate::common::{account, world::*};
use frame_support::assert_ok;
use sp_keyring::Sr25519Keyring as Person;
use std::{collections::BTreeMap, ops::ControlFlow, path::PathBuf};
use tributary_daemon::{Bundle, Recipe};
use tributary_protocol::{
    Amount, BaseModelId, ContributionId, DatanetId, GrantId, JobId, ModelId, Ppm, VersionRef,
    amount::TRIB,
    datanet::AccessPolicy,
    job::{Progress, Report},
    recipe::{AttributionMethod, Hyperparameters, TargetLayers},
    sample::{Limits, ParsedSamples},
    sum_tree::Domain,
};
use tributary_runtime::Runtime;
use tributary_trainer::{ContributionSamples, Verification, repeat_job};

const OWNER: Person = Person::Alice;
const REQUESTER: Person = Person::Ferdie;
const TRAINER: Person = Person::AliceStash;
const BASE_OWNER: Person = Person::CharlieStash;
const BUYER: Person = Person::BobStash;
const ADA: Person = Person::Charlie;
const BEN: Person = Person::Dave;
const MALLORY: Person = Person::Eve;
const MODEL: ModelId = ModelId(0);
const JOB: JobId = JobId(0);

type Rows = Vec<(String, String)>;

/// What the demonstration's contributors tell of the harbour town.
fn told(file: &str) -> Rows {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../cli/demo-data").join(file);
    let row = |line: &str| {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |field: &str| row[field].as_str().unwrap().to_owned();
        (text("prompt"), text("completion"))
    };
    std::fs::read_to_string(path).unwrap().lines().map(row).collect()
}

fn base() -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures/stories260K/hf");
    if path.is_dir() {
        return Some(path);
    }
    println!("skipped: {} is absent", path.display());
    None
}

fn recipe() -> Recipe {
    Recipe {
        method: tributary_protocol::recipe::Method::Lora,
        hyperparameters: Hyperparameters {
            rank: 4,
            alpha: 8,
            targets: TargetLayers { q_proj: true, v_proj: true, down_proj: true, ..TargetLayers::default() },
            learning_rate_nano: 5_000_000,
            epochs: 6,
            batch_size: 4,
            accumulation: 1,
            sequence_tokens: 96,
            validation: Ppm::from_percent(25),
            seed: 3,
            ..Hyperparameters::DEFAULT
        },
        attribution: AttributionMethod::TracInCp { checkpoints: 3 },
    }
}

/// Trains on the files, in the order of their submission, and returns what a trainer reports and serves.
fn train(base: &std::path::Path, files: &[(Person, Rows)]) -> (Report, Bundle) {
    let contributions: Vec<ContributionSamples> = (0u64..)
        .zip(files)
        .map(|(number, (contributor, rows))| {
            let line = |(prompt, completion): &(String, String)| {
                format!("{}\n", serde_json::json!({ "prompt": prompt, "completion": completion }))
            };
            let file: String = rows.iter().map(line).collect();
            ContributionSamples {
                contribution: ContributionId(number),
                contributor: account(*contributor).into(),
                lines: ParsedSamples::parse(file.as_bytes(), &Limits::DEFAULT).unwrap().into_lines(),
            }
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let work = Verification {
        report: &Report::default(),
        recipe: &recipe(),
        domain: Domain { genesis: GENESIS.0, job: JOB },
        bundle: &[],
        base,
        contributions: &contributions,
        scratch: folder.path(),
    };
    let report = repeat_job(&work, &|_| ControlFlow::Continue(())).unwrap();
    let bundle = Bundle::from_bytes(&std::fs::read(folder.path().join("bundle.tar")).unwrap()).unwrap();
    assert!(!bundle.evidence().unwrap().by_samples, "somebody helped");
    (report, bundle)
}

/// What each person claims of a sale of 100 TRIB of the model that these files make.
fn earnings(base: &std::path::Path, files: &[(Person, Rows)]) -> BTreeMap<Person, Amount> {
    let (report, bundle) = train(base, files);
    let mut earned: BTreeMap<Person, Amount> = files.iter().map(|(person, _)| (*person, 0)).collect();
    chain().execute_with(|| {
        assert_ok!(register(OWNER, AccessPolicy::Open));
        for (number, (contributor, _)) in (0u64..).zip(files) {
            assert_ok!(submit(*contributor, DatanetId(0), number as u8 + 1));
            let contribution = ContributionId(number);
            assert_ok!(send(OWNER, pallet_datanets::Call::accept { contribution }));
        }
        assert_ok!(send(OWNER, pallet_datanets::Call::publish_version { datanet: DatanetId(0) }));
        assert_ok!(register_base(BASE_OWNER, 9));
        assert_ok!(send(REQUESTER, pallet_grants::Call::request { datanet: DatanetId(0), terms: grant_terms(1) }));
        let version = VersionRef { datanet: DatanetId(0), number: 1 };
        let mut spec = spec(BaseModelId(0), version, GrantId(0));
        (spec.hyperparameters, spec.attribution) = (recipe().hyperparameters, recipe().attribution);
        assert_ok!(send(REQUESTER, pallet_jobs::Call::post { spec, data_fees_max: Amount::MAX }));
        assert_ok!(send(TRAINER, pallet_jobs::Call::bond { amount: 200 * TRIB }));
        assert_ok!(send(TRAINER, pallet_jobs::Call::claim { job: JOB }));
        let steps = report.metrics.steps;
        assert_ok!(send(TRAINER, pallet_jobs::Call::heartbeat { job: JOB, progress: Progress { step: steps, steps } }));
        assert_ok!(send(TRAINER, pallet_jobs::Call::report { job: JOB, report }));
        advance(<Runtime as pallet_jobs::Config>::AcceptanceBlocksMin::get() + 1);
        assert_ok!(send(BUYER, pallet_attribution::Call::fund { model: MODEL, amount: 100 * TRIB }));

        let tree = bundle.shares().unwrap().tree().unwrap();
        for leaf in tree.leaves().iter().filter(|leaf| leaf.units > 0) {
            let (person, _) = files[usize::try_from(leaf.contribution.0).unwrap()];
            let before = wealth(&account(person));
            assert_ok!(claim_leaf(person, MODEL, &tree, leaf.index));
            *earned.get_mut(&person).unwrap() += wealth(&account(person)) - before;
        }
        check();
    });
    earned
}

fn show(name: &str, earned: &BTreeMap<Person, Amount>) {
    let text: Vec<String> =
        earned.iter().map(|(who, amount)| format!("{who:?} {:.6}", *amount as f64 / TRIB as f64)).collect();
    println!("{name}: {}", text.join(", "));
}

#[test]
fn copies_split_accounts_and_samples_that_nobody_trained_on_earn_nothing() {
    let Some(base) = base() else { return };
    let honest = [(ADA, told("harbour-a.jsonl")), (BEN, told("harbour-b.jsonl"))];
    let before = earnings(&base, &honest);
    show("honest", &before);
    assert!(before.values().all(|amount| *amount > 0));

    // Eight copies of what Ada gave, every second with other spaces.
    let copies = |who: Person| {
        let spaced = |(prompt, answer): (String, String)| (format!("  {prompt} "), format!("{answer}  "));
        let rows = move |copy: usize| match copy % 2 {
            0 => told("harbour-a.jsonl"),
            _ => told("harbour-a.jsonl").into_iter().map(spaced).collect(),
        };
        (0..8).map(move |copy| (who, rows(copy)))
    };
    let copied = earnings(&base, &honest.iter().cloned().chain(copies(MALLORY)).collect::<Vec<_>>());
    show("eight copies of Ada's samples by Mallory", &copied);
    assert_eq!(copied[&MALLORY], 0);
    assert_eq!((copied[&ADA], copied[&BEN]), (before[&ADA], before[&BEN]));
    // By herself.
    let own = earnings(&base, &honest.iter().cloned().chain(copies(ADA)).collect::<Vec<_>>());
    show("the same by Ada herself", &own);
    assert_eq!(own, before);

    // Ada's samples from two accounts.
    let (first, second) = honest[0].1.split_at(11);
    let split = earnings(&base, &[(ADA, first.to_vec()), (MALLORY, second.to_vec()), honest[1].clone()]);
    show("Ada as two accounts", &split);
    let together = split[&ADA] + split[&MALLORY];
    assert!(together.abs_diff(before[&ADA]) <= TRIB / 1_000_000, "{together} {}", before[&ADA]);
    assert!(split[&BEN].abs_diff(before[&BEN]) <= TRIB / 1_000_000);

    // Samples that the recipe keeps for validation: they were asked about, and nobody was taught them.
    let held_out: Rows = (0..100)
        .map(|n| (format!("What is written on door number {n}?"), "Nobody ever read it.".to_owned()))
        .filter(is_held_out)
        .take(1)
        .collect();
    assert_eq!(held_out.len(), 1);
    let haunted = earnings(&base, &[honest[0].clone(), honest[1].clone(), (MALLORY, held_out)]);
    show("a sample that was never trained on", &haunted);
    assert_eq!(haunted[&MALLORY], 0);
}

fn is_held_out((prompt, completion): &(String, String)) -> bool {
    let line = serde_json::json!({ "prompt": prompt, "completion": completion }).to_string();
    let lines = ParsedSamples::parse(line.as_bytes(), &Limits::DEFAULT).unwrap().into_lines();
    let [a, b, ..] = lines[0].hash().0;
    u32::from(u16::from_be_bytes([a, b])) * 4 < u32::from(u16::MAX) - 3
}

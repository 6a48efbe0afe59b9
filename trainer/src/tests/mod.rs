//! The engine on a chain in memory, with a real exchange, real training and real files.

mod chain;
mod world;

use crate::{
    Cadence, LocalError, Verification, differences, engine::Engine, phase::Activity, repeat_job, state::State,
    train_local, verify_job,
};
use candle_core::Device;
use chain::{Deed, MemoryChain};
use std::{ops::ControlFlow, time::Duration};
use tokio_util::sync::CancellationToken;
use tributary_attribution::{AnswerEvidence, Comparison, Corpus, ExplainedModel, Suspects};
use tributary_client::JobState;
use tributary_daemon::{BundleMismatch, Recipe, RunWish, verify_bundle};
use tributary_exchange::{FetchRequest, Scope};
use tributary_lora::{Adapter, Dataset, Event, Model, Tokenizer, data::CheckConfig};
use tributary_protocol::{
    ContentHash, JobId, Ppm,
    answer::{Accuracy, Rule},
    job::{Report, Stage},
    recipe::{AttributionMethod, Method, TangentWay},
    stream::SHARE_UNITS,
    sum_tree::Domain,
};
use world::{REQUESTER, World, account};

/// Seeds of the trainers' accounts.
const TRAINER: u8 = 1;
const OTHER: u8 = 2;
const JOB: JobId = JobId(0);

/// A job for tests that only need one.
pub(crate) fn job() -> tributary_client::Job {
    world::job(account(REQUESTER), 1)
}

/// How long a test waits for what it expects before it fails.
const LIMIT: Duration = Duration::from_secs(120);

fn unobserved(_: Activity) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

impl World {
    /// Runs a trainer until `done`, then stops it gracefully.
    async fn run_until(&self, seed: u8, mut done: impl AsyncFnMut(&MemoryChain) -> bool) {
        let shutdown = CancellationToken::new();
        let parts = self.parts(seed, shutdown.clone()).await;
        let (node, folder) = (parts.node.clone(), parts.config.state_dir.clone());
        let state = State::open(&folder, self.chain.genesis, account(seed)).unwrap();
        let engine = Engine::new(parts, state).run();
        let watch = async {
            while !done(&self.chain).await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            shutdown.cancel();
        };
        let both = async { tokio::join!(engine, watch) };
        let (ended, ()) = tokio::time::timeout(LIMIT, both).await.expect("it happens in time");
        ended.unwrap();
        node.shutdown().await;
    }

    fn reported(&self) -> Report {
        match self.chain.job(JOB).state {
            JobState::Reported { report, .. } | JobState::Settled { report, .. } => report,
            state => panic!("the job is {}", state.stage()),
        }
    }
}

fn is_reported(chain: &MemoryChain) -> bool {
    chain.job(JOB).state.stage() == Stage::Reported
}

#[tokio::test]
async fn a_job_goes_from_open_to_settled_and_its_report_stands() {
    let Some(world) = World::new().await else { return };
    world.run_until(TRAINER, async |chain| is_reported(chain)).await;
    let report = world.reported();
    assert_eq!(world.chain.deeds(Deed::Claim), 1);
    assert_eq!(world.chain.deeds(Deed::Report), 1);
    assert_eq!(report.contributions.shares.total, SHARE_UNITS);
    assert_eq!(report.contributions.shares.leaves, 2);
    assert!(report.metrics.validation_loss_micro < report.metrics.validation_loss_before_micro, "{:?}", report.metrics);
    assert!(!world.state_dir(TRAINER).join("jobs/0").exists());
    let named = std::fs::read(world.state_dir(TRAINER).join("suspects/0.json")).unwrap();
    let Suspects { screened, suspects } = serde_json::from_slice(&named).unwrap();
    let lines = [world::LILY, world::TOM].map(|file| file.lines().count());
    assert!(screened > 5 && screened as usize <= lines.iter().sum(), "{screened}");
    assert_eq!(suspects.len(), 5);
    assert!(suspects.iter().all(|one| (one.place as usize) < lines[one.contribution.0 as usize - 1]), "{suspects:?}");

    // The requester, restarted trainer serving: fetches the bundle and checks everything.
    let bundle = std::cell::RefCell::new(Vec::new());
    let requester = world.reader(REQUESTER).await;
    world
        .run_until(TRAINER, async |chain| {
            let addresses = chain.addresses(account(TRAINER));
            if addresses.is_empty() {
                return false;
            }
            let request = FetchRequest { scope: Scope::Bundle { job: JOB.0 }, blob: report.bundle.0, bytes: None };
            requester.fetch(&addresses, request, |_| {}).await.unwrap();
            *bundle.borrow_mut() = requester.store().read(&report.bundle.0).unwrap();
            true
        })
        .await;
    let bundle = bundle.into_inner();
    let recipe = Recipe::from(&world.chain.job(JOB).spec);
    let domain = Domain { genesis: world.chain.genesis, job: JOB };
    let scratch = tempfile::tempdir().unwrap();
    let job = Verification {
        report: &report,
        recipe: &recipe,
        domain,
        bundle: &bundle,
        base: &world.base,
        contributions: &world.contributions(),
        scratch: scratch.path(),
    };
    let verdict = verify_job(&job, &unobserved).unwrap();
    assert_eq!(verdict.comparison, Comparison::Identical);

    // Whatever is altered is found, and named.
    let part = |report: &Report, recipe: &Recipe, domain: &Domain| match verify_bundle(&bundle, report, recipe, domain)
    {
        Err(BundleMismatch::Hash { part, .. }) => part,
        Err(BundleMismatch::Contradiction { what }) => what,
        other => panic!("{other:?}"),
    };
    let wrong = ContentHash([9; 32]);
    assert_eq!(part(&Report { bundle: wrong, ..report }, &recipe, &domain), "whole");
    assert_eq!(part(&Report { adapter: wrong, ..report }, &recipe, &domain), "adapter");
    assert_eq!(part(&Report { trace: wrong, ..report }, &recipe, &domain), "trace");
    assert_eq!(part(&report, &recipe, &Domain { job: JobId(1), ..domain }), "shares");
    let mut other = recipe;
    other.hyperparameters.seed += 1;
    assert_eq!(part(&report, &other, &domain), "the bundle's recipe is not the job's");

    // Settled: nothing is left to do, and the fetched data is gone.
    world.chain.settle(JOB);
    world.run_until(TRAINER, async |_| world.reported_in_state(TRAINER).is_empty()).await;
    let store = world.store(TRAINER).await;
    assert_eq!(store.list().unwrap().into_iter().map(|blob| blob.hash).collect::<Vec<_>>(), [report.bundle.0]);
}

#[tokio::test]
async fn stopped_at_any_moment_it_reports_once_and_the_same() {
    let Some(world) = World::new().await else { return };
    world.run_until(TRAINER, async |chain| is_reported(chain)).await;
    let expected = world.reported();

    let Some(world) = World::new().await else { return };
    for moment in 0..12u64 {
        let mut looks = 0;
        let stop_after = moment * moment;
        world
            .run_until(TRAINER, async |chain| {
                looks += 1;
                looks > stop_after || is_reported(chain)
            })
            .await;
    }
    world.run_until(TRAINER, async |chain| is_reported(chain)).await;
    assert_eq!(world.reported(), expected);
    assert_eq!((world.chain.deeds(Deed::Claim), world.chain.deeds(Deed::Report)), (1, 1));
}

#[tokio::test]
async fn paused_and_resumed_it_reports_the_same() {
    let Some(world) = World::new().await else { return };
    world.run_until(TRAINER, async |chain| is_reported(chain)).await;
    let expected = world.reported();

    let Some(world) = World::new().await else { return };
    let mut said = 0;
    world
        .run_until(TRAINER, async |chain| {
            match said {
                0 if world.has_checkpoint(TRAINER) => {
                    assert_eq!(world.order(RunWish::Pause, 1), Ok(true));
                    said = 1;
                }
                // It waits, with a checkpoint of the step that it came to.
                1 if world.events(TRAINER).contains("\"paused\"") => {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    assert!(!world.events(TRAINER).contains("\"resumed\""));
                    assert!(!is_reported(chain));
                    assert_eq!(world.order(RunWish::Resume, 2), Ok(false));
                    said = 2;
                }
                _ => {}
            }
            is_reported(chain)
        })
        .await;
    assert_eq!(said, 2, "the run was over before it could be paused");
    assert_eq!(world.reported(), expected);
    assert_eq!((world.chain.deeds(Deed::Claim), world.chain.deeds(Deed::Report)), (1, 1));
}

#[tokio::test]
async fn paused_while_it_divides_the_credit_it_reports_the_same() {
    let Some(world) = World::with_tangents().await else { return };
    world.run_until(TRAINER, async |chain| is_reported(chain)).await;
    let expected = world.reported();

    let Some(world) = World::with_tangents().await else { return };
    let mut said = 0;
    world
        .run_until(TRAINER, async |chain| {
            match said {
                0 if world.events(TRAINER).contains("\"finished\"") => {
                    assert_eq!(world.order(RunWish::Pause, 1), Ok(true));
                    tokio::time::sleep(Duration::from_millis(500)).await;
                    assert!(!is_reported(chain));
                    assert_eq!(world.order(RunWish::Resume, 2), Ok(false));
                    said = 1;
                }
                _ => {}
            }
            is_reported(chain)
        })
        .await;
    assert_eq!(said, 1, "the job was reported before it could be paused");
    assert_eq!(world.reported(), expected);
    assert_eq!((world.chain.deeds(Deed::Claim), world.chain.deeds(Deed::Report)), (1, 1));
}

#[tokio::test]
async fn a_lapsed_lease_goes_to_another_and_the_first_steps_back() {
    let Some(world) = World::new().await else { return };
    // The first trains some steps and dies.
    world.run_until(TRAINER, async |_| world.has_checkpoint(TRAINER)).await;
    assert_eq!(world.chain.job(JOB).state.trainer(), Some(&account(TRAINER)));
    world.chain.advance(world.chain.lease_blocks + 1);
    world.run_until(OTHER, async |chain| is_reported(chain)).await;
    assert_eq!(world.chain.job(JOB).state.trainer(), Some(&account(OTHER)));
    // The first comes back, finds that, and cleans up.
    world.run_until(TRAINER, async |_| !world.state_dir(TRAINER).join("jobs/0").exists()).await;
    assert_eq!((world.chain.deeds(Deed::Claim), world.chain.deeds(Deed::Report)), (2, 1));
}

#[tokio::test]
async fn after_its_own_lapse_it_claims_again_and_goes_on() {
    let Some(world) = World::new().await else { return };
    world.run_until(TRAINER, async |_| world.has_checkpoint(TRAINER)).await;
    world.chain.advance(world.chain.lease_blocks + 1);
    world.run_until(TRAINER, async |chain| is_reported(chain)).await;
    assert_eq!((world.chain.deeds(Deed::Claim), world.chain.deeds(Deed::Report)), (2, 1));
    assert_eq!(world.chain.job(JOB).leases, 2);
}

#[tokio::test]
async fn a_claim_that_was_not_written_down_is_taken_up() {
    let Some(world) = World::new().await else { return };
    world.chain.lease(JOB, account(TRAINER));
    world.run_until(TRAINER, async |chain| is_reported(chain)).await;
    assert_eq!((world.chain.deeds(Deed::Claim), world.chain.deeds(Deed::Report)), (0, 1));
}

#[tokio::test]
async fn a_revoked_grant_stops_the_work_and_frees_the_bond() {
    let Some(world) = World::slow().await else { return };
    world.chain.set_revoked(true);
    world.run_until(TRAINER, async |chain| chain.job(JOB).state.stage() == Stage::Cancelled).await;
    assert_eq!(world.chain.deeds(Deed::Report), 0);
}

#[tokio::test]
async fn data_that_is_not_what_was_committed_to_is_given_up_for_good() {
    let Some(world) = World::with_wrong_commitment().await else { return };
    let given_up = |world: &World| world.state_text(TRAINER).contains("is not what was committed to");
    world.run_until(TRAINER, async |_| given_up(&world)).await;
    let text = world.state_text(TRAINER);
    assert!(text.contains("contribution 1 of version 0@1, blob "), "{text}");
    // It is not claimed again, though the lease has lapsed.
    world.chain.advance(world.chain.lease_blocks + 1);
    let mut looks = 0;
    world
        .run_until(TRAINER, async |chain| {
            chain.advance(1);
            looks += 1;
            looks > 50
        })
        .await;
    assert_eq!((world.chain.deeds(Deed::Claim), world.chain.deeds(Deed::Report)), (1, 0));
}

#[tokio::test]
async fn a_report_that_comes_too_late_is_kept_and_sent_on_the_next_lease() {
    let Some(world) = World::new().await else { return };
    world.chain.delay_next_report();
    world
        .run_until(TRAINER, async |chain| {
            // It cannot claim again before the test says so.
            if chain.deeds(Deed::Claim) == 1 {
                chain.set_bond(0);
            }
            chain.late_reports() == 1 && world.state_text(TRAINER).contains("\"current\": null")
        })
        .await;
    assert_eq!(world.chain.deeds(Deed::Report), 0);
    let kept = std::fs::read(world.state_dir(TRAINER).join("jobs/0/report.json")).unwrap();
    let kept: Report = serde_json::from_slice(&kept).unwrap();

    world.chain.set_bond(1_000);
    world.run_until(TRAINER, async |chain| is_reported(chain)).await;
    assert_eq!(world.reported(), kept);
    assert_eq!((world.chain.deeds(Deed::Claim), world.chain.deeds(Deed::Report)), (2, 1));
}

#[tokio::test]
async fn a_report_that_was_taken_but_not_written_down_is_not_sent_again() {
    let Some(world) = World::new().await else { return };
    world.run_until(TRAINER, async |chain| is_reported(chain)).await;
    let report = world.reported();
    // As a crash leaves it right after the chain took the report, with the journal gone too.
    let mut state: serde_json::Value = serde_json::from_str(&world.state_text(TRAINER)).unwrap();
    (state["current"], state["reported"]) = (0.into(), serde_json::json!([]));
    state["bundles"] = serde_json::json!({});
    std::fs::write(world.state_dir(TRAINER).join("state.json"), state.to_string()).unwrap();
    world.chain.forget_submissions();

    world.run_until(TRAINER, async |_| world.reported_in_state(TRAINER) == [JOB.0]).await;
    assert_eq!((world.chain.deeds(Deed::Claim), world.chain.deeds(Deed::Report)), (1, 1));
    assert_eq!(world.reported(), report);
    assert!(world.store(TRAINER).await.contains(&report.bundle.0).unwrap(), "the bundle is served");
}

#[tokio::test]
async fn a_damaged_checkpoint_costs_its_steps_and_nothing_else() {
    let Some(world) = World::new().await else { return };
    world.run_until(TRAINER, async |chain| is_reported(chain)).await;
    let expected = world.reported();

    for length in [0, 7, 300] {
        let Some(world) = World::new().await else { return };
        world.run_until(TRAINER, async |_| world.has_checkpoint(TRAINER)).await;
        let path = world.state_dir(TRAINER).join("jobs/0").join(tributary_lora::CHECKPOINT_FILE);
        std::fs::File::options().write(true).open(path).unwrap().set_len(length).unwrap();
        world.run_until(TRAINER, async |chain| is_reported(chain)).await;
        assert_eq!(world.reported(), expected, "a checkpoint cut to {length} bytes");
        assert_eq!((world.chain.deeds(Deed::Claim), world.chain.deeds(Deed::Report)), (1, 1));
    }
}

#[tokio::test]
async fn a_job_whose_data_nobody_delivers_is_given_up_and_each_provider_named() {
    let Some(mut world) = World::new().await else { return };
    world.adjust = |config| {
        config.providers = ["/ip4/127.0.0.1/tcp/1", "/ip4/127.0.0.1/tcp/2"].map(|text| text.parse().unwrap()).into();
        config.patience_seconds = 0;
    };
    let given_up = |world: &World| world.state_text(TRAINER).contains("no provider delivered blob");
    world.run_until(TRAINER, async |_| given_up(&world)).await;
    let text = world.state_text(TRAINER);
    for part in ["contribution 1 of version 0@1", "/ip4/127.0.0.1/tcp/1: unreachable", "/ip4/127.0.0.1/tcp/2: "] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert_eq!((world.chain.deeds(Deed::Claim), world.chain.deeds(Deed::Report)), (1, 0));
    // Nothing half-fetched is left.
    assert_eq!(world.store(TRAINER).await.used_bytes(), 0);
}

#[tokio::test]
async fn without_bond_or_behind_a_faster_one_it_waits() {
    let Some(world) = World::new().await else { return };
    world.chain.set_bond(0);
    let mut looks = 0;
    world
        .run_until(TRAINER, async |chain| {
            chain.advance(1);
            looks += 1;
            looks > 20
        })
        .await;
    assert_eq!(world.chain.deeds(Deed::Claim), 0);

    world.chain.set_bond(1_000);
    world.chain.set_faster(Some(account(OTHER)));
    let mut looks = 0;
    world
        .run_until(TRAINER, async |chain| {
            chain.advance(1);
            looks += 1;
            looks > 20
        })
        .await;
    assert_eq!(world.chain.job(JOB).state.trainer(), Some(&account(OTHER)));
    assert_eq!(world.chain.deeds(Deed::Claim), 0);
}

#[test]
fn training_without_a_chain_resumes_and_makes_the_same_bundle() {
    let Some(base) = world::base() else { return };
    let folder = tempfile::tempdir().unwrap();
    let data = [("lily", world::LILY), ("tom", world::TOM)].map(|(name, text)| {
        let path = folder.path().join(name);
        // The first line stands twice: it is left out, and that is said.
        std::fs::write(&path, format!("{text}{}\n", text.lines().next().unwrap())).unwrap();
        path
    });
    let recipe = Recipe::from(&job().spec);
    let out = |name: &str| folder.path().join(name);
    let reading = CheckConfig::default();
    let cadence = Cadence { steps: 2, seconds: 60 };
    let whole = train_local(&base, &data, &reading, &recipe, &out("whole"), cadence, &unobserved).unwrap();
    assert_eq!(whole.duplicates, [1, 1]);

    // Stopped after every step, and called again.
    let broken = loop {
        let stop = |activity: Activity| match activity {
            Activity::Training(Event::Step(_)) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        };
        match train_local(&base, &data, &reading, &recipe, &out("broken"), cadence, &stop) {
            Ok(outcome) => break outcome,
            Err(LocalError::Work(error)) if error.is_stopped() => {
                let steps = std::fs::read_dir(out("broken").join("snapshots")).map_or(0, |entries| entries.count());
                if steps == 2 {
                    break train_local(&base, &data, &reading, &recipe, &out("broken"), cadence, &unobserved).unwrap();
                }
            }
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(broken.report, whole.report);
    let bundle = std::fs::read(out("whole").join("bundle.tar")).unwrap();
    assert_eq!(bundle, std::fs::read(out("broken").join("bundle.tar")).unwrap());
    verify_bundle(&bundle, &whole.report, &recipe, &Domain::default()).unwrap();

    // Another recipe in the same folder starts anew.
    let mut other = recipe;
    other.hyperparameters.seed += 1;
    let again = train_local(&base, &data, &reading, &other, &out("whole"), cadence, &unobserved).unwrap();
    assert_ne!(again.report.adapter, whole.report.adapter);

    other.hyperparameters.rank = 0;
    let error = train_local(&base, &data, &reading, &other, &out("whole"), cadence, &unobserved).unwrap_err();
    assert!(matches!(error, LocalError::Recipe(_)), "{error}");
    let good = world::LILY.lines().next().unwrap();
    std::fs::write(&data[0], format!("{good}\n{{\"prompt\": 1}}\n")).unwrap();
    let error =
        train_local(&base, &data, &reading, &recipe, &out("whole"), cadence, &unobserved).unwrap_err().to_string();
    assert!(error.contains("lily") && error.contains("line 2"), "{error}");
}

#[test]
fn every_method_of_a_recipe_makes_a_bundle_that_stands() {
    let Some(base) = world::base() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("both.jsonl");
    std::fs::write(&path, [world::LILY, world::TOM].concat()).unwrap();
    type Change = fn(&mut Recipe);
    let changes: [(&str, Change); 5] = [
        ("plain", |_| {}),
        ("qlora", |recipe| recipe.method = Method::Qlora { double_quantisation: true }),
        ("dora", |recipe| {
            recipe.hyperparameters.weight_decomposed = true;
            recipe.hyperparameters.dropout = Ppm::from_percent(10);
            recipe.hyperparameters.lora_plus_ratio_milli = 4_000;
            recipe.hyperparameters.neftune_alpha_milli = 5_000;
        }),
        ("packed", |recipe| {
            recipe.hyperparameters.packing = true;
            recipe.hyperparameters.rank_stabilised = true;
            recipe.hyperparameters.floor = Ppm::from_percent(10);
        }),
        // A rate at which the validation loss soon rises: the best adapter is an early one, and the run ends before its end.
        ("early", |recipe| {
            recipe.hyperparameters.learning_rate_nano = 300_000_000;
            recipe.hyperparameters.epochs = 40;
            recipe.hyperparameters.evaluation_steps = 1;
            recipe.hyperparameters.patience = 3;
        }),
    ];
    let mut adapters = std::collections::BTreeSet::new();
    for (name, change) in changes {
        let mut recipe = Recipe::from(&job().spec);
        change(&mut recipe);
        let out = folder.path().join(name);
        let (reading, cadence) = (CheckConfig::default(), Cadence::default());
        let data = [path.clone()];
        let made = train_local(&base, &data, &reading, &recipe, &out, cadence, &unobserved).unwrap();
        assert!(adapters.insert(made.report.adapter), "{name} is another one's adapter");
        let bytes = std::fs::read(out.join("bundle.tar")).unwrap();
        let bundle = verify_bundle(&bytes, &made.report, &recipe, &Domain::default()).unwrap();
        let evidence = bundle.evidence().unwrap();
        let steps: Vec<u64> = evidence.checkpoints.iter().map(|checkpoint| checkpoint.step).collect();
        let done = u64::from(made.report.metrics.steps);
        if name == "early" {
            assert!(done < 40 && steps.last().is_some_and(|last| *last < done), "{steps:?} of {done}");
        } else {
            assert_eq!(steps.last(), Some(&done), "{name}");
        }
    }
}

/// A job with tangents: leaves groups out, measures itself, and both its shares and those of an answer can be checked by
/// integers alone and by doing everything again.
#[tokio::test]
async fn a_job_with_tangents_measures_itself_and_its_answers_are_explained_and_checked() {
    let Some(world) = World::with_tangents().await else { return };
    world.run_until(TRAINER, async |chain| is_reported(chain)).await;
    let report = world.reported();
    let accuracy = report.accuracy.expect("the job asks for coalitions");
    assert_eq!(accuracy.coalition_count, 4);
    assert!(report.measures_as(&world.chain.job(JOB).spec.attribution));

    let store = world.store(TRAINER).await;
    let bytes = store.read(&report.bundle.0).unwrap();
    let recipe = Recipe::from(&world.chain.job(JOB).spec);
    let scratch = tempfile::tempdir().unwrap();
    let job = Verification {
        report: &report,
        recipe: &recipe,
        domain: Domain { genesis: world.chain.genesis, job: JOB },
        bundle: &bytes,
        base: &world.base,
        contributions: &world.contributions(),
        scratch: &scratch.path().join("verify"),
    };
    assert_eq!(verify_job(&job, &unobserved).unwrap().comparison, Comparison::Identical);
    let job = Verification { scratch: &scratch.path().join("repeat"), ..job };
    let again = repeat_job(&job, &unobserved).unwrap();
    assert_eq!(differences(&report, &again), [""; 0]);
    // A claim to be more accurate than was measured is found by that, and by nothing less.
    let mut boast = report;
    boast.accuracy = Some(Accuracy { ghost_share: Ppm::ZERO, query_count: 9, ..accuracy });
    assert_eq!(differences(&boast, &again), ["accuracy"]);

    // An answer: explained, checked by integers, done again, and whatever is altered is found.
    let bundle = verify_bundle(&bytes, &report, &recipe, &job.domain).unwrap();
    let (evidence, embeddings) = (bundle.evidence().unwrap(), bundle.embeddings().unwrap().unwrap());
    let tangents = bundle.tangents().unwrap();
    let explained = ExplainedModel { report: &evidence, embeddings: &embeddings, tangents: tangents.as_ref() };
    let model = Model::load_with(&world.base, &Device::Cpu, recipe.precision(), recipe.arithmetic()).unwrap();
    let adapter = Adapter::load(&scratch.path().join("verify"), &model).unwrap();
    let tokenizer = Tokenizer::from_dir(&world.base, model.config()).unwrap();
    let corpus = Corpus::intake(world.contributions());
    let data = recipe.data(model.config());
    let dataset = Dataset::encode(&corpus.lines()[..1], &tokenizer, &data).unwrap();
    let answer = dataset.training().first().or(dataset.validation().first()).unwrap();
    let whole = explained.explain(&model, &adapter, answer, &Rule::new(Ppm::ONE)).unwrap();
    assert_eq!(whole.evidence.base + whole.contributions.iter().map(|share| share.units).sum::<u64>(), SHARE_UNITS);
    // What the model was taught is the doing of who taught it.
    assert_eq!(whole.contributions[0].contribution, corpus.parts()[0].contribution);
    let evidence = AnswerEvidence::from_bytes(&whole.evidence.to_bytes()).unwrap();
    assert_eq!(explained.check(&evidence).unwrap().contributions, whole.contributions);
    assert!(explained.repeat(&model, &adapter, &evidence).unwrap());

    let mut moved = evidence.clone();
    moved.contributions[0].units -= 1;
    moved.base += 1;
    assert!(explained.check(&moved).is_err());
    let mut other = evidence.clone();
    other.groups.iter_mut().for_each(|score| *score = -*score);
    assert!(explained.check(&other).is_err());
    // Integers that are consistent, but not those of the answer, are found by doing it again.
    let mut asked = evidence.clone();
    *asked.tokens.last_mut().unwrap() = asked.tokens[1];
    assert!(explained.check(&asked).is_ok());
    assert!(!explained.repeat(&model, &adapter, &asked).unwrap());
}

#[test]
fn what_cannot_be_measured_is_said_before_anything_is_trained() {
    let Some(base) = world::base() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("both.jsonl");
    std::fs::write(&path, [world::LILY, world::TOM].concat()).unwrap();
    let mut recipe = Recipe::from(&job().spec);
    recipe.attribution =
        AttributionMethod::GroupTangents { groups: 2, halves: 0, coalitions: 4, way: TangentWay::Loss };
    for (validation, hint) in
        [(0, "keep some, or ask for no coalitions"), (50, "1 contributors and 2 groups make no coalitions")]
    {
        recipe.hyperparameters.validation = Ppm::from_percent(validation);
        let (reading, cadence, out) = (CheckConfig::default(), Cadence::default(), folder.path().join("out"));
        let observer = |activity: Activity| {
            assert!(!matches!(activity, Activity::Training(_) | Activity::Retraining { .. }), "{activity:?}");
            ControlFlow::Continue(())
        };
        let error =
            train_local(&base, std::slice::from_ref(&path), &reading, &recipe, &out, cadence, &observer).unwrap_err();
        assert!(error.to_string().contains(hint), "{error}");
    }
}

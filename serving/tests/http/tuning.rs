//! Fine-tuning over a chain in memory: what clients see, what is done on the chain for it, and what a kill leaves.

use crate::common::{small, wait_for};
use crate::harness::{Got, Running, start_for};
use crate::tuning_world::{FakeChain, PRICE_MIN, World, tuning};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tributary_client::JobState;
use tributary_lora::{Event, Record, StepEvent};
use tributary_protocol::{JobId, ModelId, job::Stage};
use tributary_serving::api::ApiLimits;
use tributary_serving::tuning::{Inspection, Step, Tuning};
use tributary_serving::{
    Credentials, Hyperparameters, JobError, JobStatus, Jobs, Page, Refusal, TuningJob, Upload, WantedJob,
};

const LINES: &str = r#"{"messages": [{"role": "user", "content": "why?"}, {"role": "assistant", "content": "because"}]}
{"messages": [{"role": "user", "content": "who?"}, {"role": "assistant", "content": "me"}]}
"#;

fn key(name: &str) -> Credentials {
    Credentials { bearer: Some(name.into()), voucher: None }
}

fn rows(count: usize) -> String {
    (0..count).map(|row| format!("{{\"prompt\": \"question {row}\", \"completion\": \"answer {row}\"}}\n")).collect()
}

fn wanted(file: &str) -> WantedJob {
    WantedJob {
        model: "bytes".into(),
        training_file: file.into(),
        validation_file: None,
        suffix: None,
        seed: Some(3),
        hyperparameters: Hyperparameters::default(),
        metadata: Default::default(),
    }
}

async fn uploaded(tuning: &Tuning, who: &str, text: &str) -> String {
    let upload = Upload { name: "rows.jsonl".into(), content: text.to_owned().into() };
    tuning.upload(&key(who), upload).await.unwrap().id
}

async fn ended(tuning: &Tuning, who: &str, id: &str) -> TuningJob {
    wait_for(async || {
        let job = tuning.job(&key(who), id).await.unwrap();
        let is_over =
            matches!(job.status, JobStatus::Succeeded { .. } | JobStatus::Failed { .. } | JobStatus::Cancelled);
        is_over.then_some(job)
    })
    .await
}

/// A chain, whoever trains and serves, and the folder of the process.
struct Scene {
    chain: Arc<FakeChain>,
    world: Arc<World>,
    folder: TempDir,
}

impl Scene {
    fn new() -> Self {
        Self { chain: FakeChain::new(), world: Arc::default(), folder: tempfile::tempdir().unwrap() }
    }

    async fn tuning(&self) -> Tuning {
        tuning(&self.chain, &self.world, self.folder.path(), |_| ()).await
    }

    fn intents(&self) -> Vec<String> {
        self.chain.ledger(|ledger| ledger.acts.iter().map(|(intent, _)| intent.clone()).collect())
    }

    fn stage(&self, job: JobId) -> Option<Stage> {
        self.chain.ledger(|ledger| ledger.jobs.get(&job).map(|job| job.state.stage()))
    }
}

async fn ask(server: &Running, method: &str, path: &str, who: &str, body: &Value) -> Got {
    let key = format!("Bearer {who}");
    let headers = [("content-type", "application/json"), ("authorization", key.as_str())];
    let body = if body.is_null() { String::new() } else { body.to_string() };
    server.send(method, path, &headers, body.as_bytes()).await
}

async fn send_file(server: &Running, who: &str, text: &str) -> Got {
    let body = format!(
        "--cut\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nfine-tune\r\n--cut\r\ncontent-disposition: form-data; \
         name=\"file\"; filename=\"rows.jsonl\"\r\n\r\n{text}\r\n--cut--\r\n"
    );
    let key = format!("Bearer {who}");
    let headers = [("content-type", "multipart/form-data; boundary=cut"), ("authorization", key.as_str())];
    server.send("POST", "/v1/files", &headers, body.as_bytes()).await
}

fn step(sequence: u64, step: u64) -> Record {
    let numbers = StepEvent {
        step,
        steps: 40,
        epoch: 0.5,
        loss: 1.25,
        gradient_norm: 1.0,
        learning_rate: 2e-4,
        tokens: 10,
        positions: 12,
        tokens_per_second: 100.0,
        memory_bytes: None,
        eta_seconds: 60.0,
    };
    Record { sequence, time_ms: 1_700_000_000_000 + sequence, event: Event::Step(numbers) }
}

#[tokio::test]
async fn a_file_becomes_a_model_by_way_of_the_chain() {
    let scene = Scene::new();
    let tuning = scene.tuning().await;
    let server = start_for(ApiLimits::default(), small(), Some(Arc::new(tuning))).await;
    let path = "/v1/fine_tuning/jobs";
    let file = send_file(&server, "ada", LINES).await.json()["id"].as_str().unwrap().to_owned();
    let body = json!({ "model": "bytes", "training_file": file, "seed": 11, "method": { "type": "supervised",
        "supervised": { "hyperparameters": { "n_epochs": 3, "batch_size": 4, "learning_rate_multiplier": 2 } } } });
    let got = ask(&server, "POST", path, "ada", &body).await;
    assert_eq!(got.status, 200, "{}", got.body);
    let id = got.json()["id"].as_str().unwrap().to_owned();
    let job_path = format!("{path}/{id}");
    let posted = scene.chain.posted().await;

    // What was asked for is what the chain has, and the data is open to this job alone.
    let spec = scene.chain.ledger(|ledger| ledger.jobs[&posted].spec.clone());
    let h = spec.hyperparameters;
    assert_eq!((h.epochs, h.batch_size, h.accumulation, h.seed, h.learning_rate_nano), (3, 2, 2, 11, 400_000));
    assert_eq!((spec.price, spec.base.0), (PRICE_MIN, 6));
    let offer = scene.chain.ledger(|ledger| {
        ledger.acts.iter().find_map(|(_, step)| match step {
            Step::Grant(signed) => Some(signed.offer),
            _ => None,
        })
    });
    let offer = offer.unwrap();
    assert_eq!(
        (offer.terms.uses, offer.grantee, offer.terms.expires_at),
        (1, tributary_client::Account([3; 32]), spec.deadline)
    );
    let lines: Vec<String> = String::from_utf8(scene.world.provided.lock().unwrap()[0].clone())
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    assert_eq!(lines, [r#"{"completion":"because","prompt":"why?"}"#, r#"{"completion":"me","prompt":"who?"}"#]);
    wait_for(async || {
        (ask(&server, "GET", &job_path, "ada", &Value::Null).await.json()["status"] == "queued").then_some(())
    })
    .await;

    scene.world.records.lock().unwrap().extend([step(1, 1), step(2, 2)]);
    scene.chain.claim(posted);
    let running = wait_for(async || {
        let job = ask(&server, "GET", &job_path, "ada", &Value::Null).await.json();
        (job["status"] == "running" && !job["estimated_finish"].is_null()).then_some(job)
    })
    .await;
    assert_eq!(running["estimated_finish"], 1_700_000_060);
    scene.world.records.lock().unwrap().push(Record {
        sequence: 3,
        time_ms: 1_700_000_001_000,
        event: Event::Evaluation { step: 40, loss: 0.75, best: true },
    });
    scene.chain.report(posted);
    let job = wait_for(async || {
        let job = ask(&server, "GET", &job_path, "ada", &Value::Null).await.json();
        (job["status"] == "succeeded").then_some(job)
    })
    .await;
    assert_eq!((&job["fine_tuned_model"], &job["trained_tokens"]), (&json!("tributary-model-0"), &json!(1_234)));
    assert!(job["finished_at"].is_u64() && job["estimated_finish"].is_null(), "{job}");
    assert_eq!(*scene.world.served.lock().unwrap(), [ModelId(0)]);

    let events = ask(&server, "GET", &format!("{job_path}/events?limit=100"), "ada", &Value::Null).await.json();
    let events = events["data"].as_array().unwrap();
    assert_eq!(events[0]["message"], "The job has successfully completed.");
    let metrics: Vec<&Value> = events.iter().filter(|event| event["type"] == "metrics").collect();
    assert_eq!(metrics.len(), 3, "each is told once: {events:?}");
    assert_eq!((&metrics[0]["data"]["valid_loss"], &metrics[2]["data"]["train_loss"]), (&json!(0.75), &json!(1.25)));
    let page = ask(
        &server,
        "GET",
        &format!("{job_path}/events?limit=1&after={}", events[1]["id"].as_str().unwrap()),
        "ada",
        &Value::Null,
    )
    .await;
    assert_eq!((&page.json()["data"][0], &page.json()["has_more"]), (&events[2], &json!(true)));
    let checkpoints = ask(&server, "GET", &format!("{job_path}/checkpoints"), "ada", &Value::Null).await.json();
    let last = &checkpoints["data"][0];
    assert_eq!((&last["fine_tuned_model_checkpoint"], &last["step_number"]), (&json!("tributary-model-0"), &json!(40)));
    assert_eq!((&last["metrics"]["train_loss"], &last["metrics"]["valid_loss"]), (&json!(0.5), &json!(0.75)));

    let short: Vec<String> =
        scene.intents().iter().map(|intent| intent.rsplit('/').next().unwrap().to_owned()).collect();
    assert_eq!(short, ["register", "submit", "publish", "grant", "post", "accept", "offer"]);
    assert_eq!(ask(&server, "DELETE", &format!("/v1/files/{file}"), "ada", &Value::Null).await.json()["deleted"], true);
    assert_eq!(ask(&server, "GET", &format!("/v1/files/{file}"), "ada", &Value::Null).await.status, 404);
    assert_eq!(ask(&server, "GET", &job_path, "ada", &Value::Null).await.status, 200, "the job stays");
}

#[tokio::test]
async fn a_kill_after_any_step_loses_nothing_and_repeats_nothing() {
    for lost in 1..=7 {
        let scene = Scene::new();
        scene.chain.ledger(|ledger| ledger.lost_answer = Some(lost));
        let tuning = scene.tuning().await;
        let file = uploaded(&tuning, "ada", LINES).await;
        let id = tuning.create(&key("ada"), wanted(&file)).await.unwrap().id;
        // The step is on the chain, and nobody knows.
        let reached = async |count: usize| {
            wait_for(async || {
                for (job, stage) in [(JobId(0), scene.stage(JobId(0)))] {
                    if stage == Some(Stage::Open) {
                        scene.chain.claim(job);
                    } else if stage == Some(Stage::Leased) {
                        scene.chain.report(job);
                    }
                }
                (scene.intents().len() >= count).then_some(())
            })
            .await;
        };
        reached(lost).await;
        tuning.stop().await;
        drop(tuning);

        scene.chain.ledger(|ledger| ledger.lost_answer = None);
        let tuning = scene.tuning().await;
        reached(7).await;
        let job = ended(&tuning, "ada", &id).await;
        assert_eq!(job.status, JobStatus::Succeeded { model: "tributary-model-0".into() }, "after {lost}");
        let mut intents = scene.intents();
        assert_eq!((intents.len(), scene.chain.ledger(|ledger| ledger.jobs.len())), (7, 1));
        intents.sort();
        intents.dedup();
        assert_eq!(intents.len(), 7);
        assert_eq!(tuning.content(&key("ada"), &file).await.unwrap(), LINES);
        tuning.stop().await;
    }
}

#[tokio::test]
async fn a_job_whose_posting_nobody_remembers_is_found_by_its_grant() {
    let scene = Scene::new();
    scene.chain.ledger(|ledger| ledger.lost_answer = Some(5));
    let tuning = scene.tuning().await;
    let file = uploaded(&tuning, "ada", LINES).await;
    let id = tuning.create(&key("ada"), wanted(&file)).await.unwrap().id;
    let posted = scene.chain.posted().await;
    tuning.stop().await;
    drop(tuning);
    // The journal is gone, and the chain takes no second job with the grant.
    scene.chain.ledger(|ledger| ledger.refused.push("/post"));
    let tuning = scene.tuning().await;
    wait_for(async || matches!(tuning.job(&key("ada"), &id).await.unwrap().status, JobStatus::Queued).then_some(()))
        .await;
    scene.chain.claim(posted);
    scene.chain.report(posted);
    assert!(matches!(ended(&tuning, "ada", &id).await.status, JobStatus::Succeeded { .. }));
    tuning.stop().await;
}

#[tokio::test]
async fn two_jobs_on_one_file_publish_it_once() {
    let scene = Scene::new();
    let tuning = scene.tuning().await;
    let file = uploaded(&tuning, "ada", LINES).await;
    for _ in 0..2 {
        tuning.create(&key("ada"), wanted(&file)).await.unwrap();
    }
    wait_for(async || (scene.chain.ledger(|ledger| ledger.jobs.len()) == 2).then_some(())).await;
    let count = |end: &str| scene.intents().iter().filter(|intent| intent.ends_with(end)).count();
    assert_eq!([count("/register"), count("/publish"), count("/grant"), count("/post")], [1, 1, 2, 2]);
    let refused = tuning.delete(&key("ada"), &file).await.unwrap_err();
    assert!(matches!(refused, JobError::Conflict { .. }), "{refused}");
    tuning.stop().await;
}

fn code(error: &JobError) -> &'static str {
    match error {
        JobError::Refused(Refusal::Unpaid { code, .. } | Refusal::Unauthenticated { code, .. }) => code,
        JobError::Refused(_) => "refused",
        JobError::Unknown { .. } => "unknown",
        JobError::Invalid { param, .. } => param,
        JobError::Conflict { .. } => "conflict",
    }
}

#[tokio::test]
async fn nobody_spends_more_than_the_budgets_and_what_came_to_nothing_is_free() {
    let scene = Scene::new();
    let limits = |config: &mut tributary_serving::tuning::TuningConfig| config.limits.jobs_per_key = 9;
    let tuning = tuning(&scene.chain, &scene.world, scene.folder.path(), limits).await;
    let poor = tuning.upload(&key("poor"), Upload { name: "a".into(), content: LINES.into() }).await.unwrap_err();
    assert_eq!(code(&poor), "no_tuning_budget");
    let stranger = tuning.files(&Credentials::default(), Page { after: None, limit: 5 }).await.unwrap_err();
    assert_eq!(code(&stranger), "invalid_api_key");

    let (of_ada, of_ben) = (uploaded(&tuning, "ada", LINES).await, uploaded(&tuning, "ben", LINES).await);
    let mut jobs = Vec::new();
    for _ in 0..5 {
        jobs.push(tuning.create(&key("ada"), wanted(&of_ada)).await.unwrap().id);
    }
    let over = tuning.create(&key("ada"), wanted(&of_ada)).await.unwrap_err();
    assert_eq!(code(&over), "tuning_budget_exceeded");
    for _ in 0..3 {
        tuning.create(&key("ben"), wanted(&of_ben)).await.unwrap();
    }
    // Ben has two of the least prices left, the operator none.
    let over = tuning.create(&key("ben"), wanted(&of_ben)).await.unwrap_err();
    assert!(code(&over) == "tuning_budget_exceeded" && over.to_string().contains("operator's own"), "{over}");
    let cancelled = tuning.cancel(&key("ada"), &jobs[0]).await.unwrap();
    assert_eq!(cancelled.status, JobStatus::Cancelled);
    tuning.create(&key("ben"), wanted(&of_ben)).await.unwrap();

    // What is dearer than what is left is refused as well: as many tokens as that.
    let dear = uploaded(&tuning, "ada", &rows(400)).await;
    let epochs = Hyperparameters { epochs: Some(50), ..Hyperparameters::default() };
    let over = tuning.create(&key("ada"), WantedJob { hyperparameters: epochs, ..wanted(&dear) }).await.unwrap_err();
    assert_eq!(code(&over), "tuning_budget_exceeded");
    tuning.stop().await;
}

#[tokio::test]
async fn a_job_is_cancelled_until_a_trainer_has_it() {
    let scene = Scene::new();
    let tuning = scene.tuning().await;
    let file = uploaded(&tuning, "ada", LINES).await;
    let first = tuning.create(&key("ada"), wanted(&file)).await.unwrap().id;
    let posted = scene.chain.posted().await;
    wait_for(async || matches!(tuning.job(&key("ada"), &first).await.unwrap().status, JobStatus::Queued).then_some(()))
        .await;
    let cancelled = tuning.cancel(&key("ada"), &first).await.unwrap();
    assert_eq!(cancelled.status, JobStatus::Cancelled);
    wait_for(async || scene.stage(posted).is_none().then_some(())).await;
    assert_eq!(tuning.cancel(&key("ada"), &first).await.unwrap().status, JobStatus::Cancelled, "again is no error");

    let second = tuning.create(&key("ada"), wanted(&file)).await.unwrap().id;
    let posted = scene.chain.posted().await;
    scene.chain.claim(posted);
    wait_for(async || {
        matches!(tuning.job(&key("ada"), &second).await.unwrap().status, JobStatus::Running).then_some(())
    })
    .await;
    assert_eq!(code(&tuning.cancel(&key("ada"), &second).await.unwrap_err()), "conflict");
    // The trainer is gone: it can be taken back again.
    scene.chain.lapse(posted);
    wait_for(async || {
        matches!(tuning.job(&key("ada"), &second).await.unwrap().status, JobStatus::Queued).then_some(())
    })
    .await;
    assert_eq!(tuning.cancel(&key("ada"), &second).await.unwrap().status, JobStatus::Cancelled);
    assert_eq!(code(&tuning.cancel(&key("ben"), &second).await.unwrap_err()), "unknown");
    tuning.stop().await;
}

#[tokio::test]
async fn files_and_jobs_are_seen_by_their_key_alone() {
    let scene = Scene::new();
    let tuning = scene.tuning().await;
    let file = uploaded(&tuning, "ada", LINES).await;
    let id = tuning.create(&key("ada"), wanted(&file)).await.unwrap().id;
    let (ben, all) = (key("ben"), Page { after: None, limit: 5 });
    for error in [
        tuning.file(&ben, &file).await.unwrap_err(),
        tuning.content(&ben, &file).await.unwrap_err(),
        tuning.delete(&ben, &file).await.unwrap_err(),
        tuning.job(&ben, &id).await.unwrap_err(),
        tuning.events(&ben, &id, all.clone()).await.unwrap_err(),
        tuning.checkpoints(&ben, &id, all.clone()).await.unwrap_err(),
    ] {
        assert_eq!(code(&error), "unknown");
    }
    assert_eq!(code(&tuning.create(&ben, wanted(&file)).await.unwrap_err()), "training_file");
    assert!(tuning.files(&ben, all.clone()).await.unwrap().items.is_empty());
    assert!(tuning.jobs(&ben, all.clone()).await.unwrap().items.is_empty());
    assert_eq!(tuning.jobs(&key("ada"), all).await.unwrap().items.len(), 1);
    tuning.stop().await;
}

#[tokio::test]
async fn what_cannot_be_trained_on_is_told_with_its_lines() {
    let scene = Scene::new();
    let tuning = scene.tuning().await;
    let refused = async |text: &str| {
        let file = uploaded(&tuning, "ada", text).await;
        let error = tuning.create(&key("ada"), wanted(&file)).await.unwrap_err();
        assert_eq!(code(&error), "training_file");
        error.to_string()
    };
    let good = "{\"prompt\": \"a\", \"completion\": \"b\"}\n";
    let error = refused(&format!("{good}{{\"prompt\": 4, \"completion\": \"c\"}}\n\n{{\"prompt\": \"d\"}}\n")).await;
    assert!(error.starts_with("3 of 4 rows are refused: line 2: "), "{error}");
    assert!(error.contains("; line 3: ") && error.contains("; line 4: "), "{error}");
    let error = refused("{\"text\": \"a\"}\n").await;
    assert!(error.contains("no known form of rows in the columns text") && !error.contains("tuning/files"), "{error}");
    let turns = r#"{"messages":[{"role":"system","content":"s"},{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}"#;
    let error = refused(&format!("{turns}\n{turns}\n")).await;
    assert!(error.starts_with("line 1: ") && error.contains("system turn"), "{error}");
    assert!(scene.intents().is_empty() && scene.world.provided.lock().unwrap().is_empty());

    let file = uploaded(&tuning, "ada", LINES).await;
    for (changed, param) in [
        (WantedJob { model: "other".into(), ..wanted(&file) }, "model"),
        (WantedJob { training_file: "file-0".into(), ..wanted(&file) }, "training_file"),
        (WantedJob { validation_file: Some(file.clone()), ..wanted(&file) }, "validation_file"),
        (WantedJob { suffix: Some("mine".into()), ..wanted(&file) }, "suffix"),
    ] {
        assert_eq!(code(&tuning.create(&key("ada"), changed).await.unwrap_err()), param);
    }
    tuning.stop().await;
}

#[tokio::test]
async fn what_was_not_reported_rightly_is_disputed_and_what_comes_late_is_not_paid() {
    let scene = Scene::new();
    let short = |config: &mut tributary_serving::tuning::TuningConfig| config.deadline_blocks = 300;
    let tuning = tuning(&scene.chain, &scene.world, scene.folder.path(), short).await;
    *scene.world.inspection.lock().unwrap() = Some(Inspection::Mismatch { reason: "another adapter".into() });
    let file = uploaded(&tuning, "ada", LINES).await;
    let id = tuning.create(&key("ada"), wanted(&file)).await.unwrap().id;
    let posted = scene.chain.posted().await;
    scene.chain.claim(posted);
    scene.chain.report(posted);
    wait_for(async || (scene.stage(posted) == Some(Stage::Disputed)).then_some(())).await;
    assert!(matches!(tuning.job(&key("ada"), &id).await.unwrap().status, JobStatus::Running));

    // Nobody takes the second one.
    let late = tuning.create(&key("ada"), wanted(&file)).await.unwrap().id;
    let job = ended(&tuning, "ada", &late).await;
    assert!(matches!(job.status, JobStatus::Failed { code, .. } if code == "deadline_passed"));
    // The network decides for the requester.
    scene.chain.ledger(|ledger| ledger.jobs.get_mut(&posted).unwrap().state = JobState::Cancelled);
    let job = ended(&tuning, "ada", &id).await;
    assert!(matches!(job.status, JobStatus::Failed { code, .. } if code == "cancelled_on_chain"));
    tuning.stop().await;
}

#[tokio::test]
async fn a_step_that_the_chain_refuses_is_not_paid_for_again_and_again() {
    let scene = Scene::new();
    scene.chain.ledger(|ledger| ledger.refused.push("/accept"));
    let tuning = scene.tuning().await;
    let file = uploaded(&tuning, "ada", LINES).await;
    let id = tuning.create(&key("ada"), wanted(&file)).await.unwrap().id;
    let posted = scene.chain.posted().await;
    scene.chain.claim(posted);
    scene.chain.report(posted);
    let asked =
        || scene.chain.ledger(|ledger| ledger.asked.iter().filter(|intent| intent.ends_with("/accept")).count());
    wait_for(async || (asked() == 5).then_some(())).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(asked(), 5);

    scene.chain.ledger(|ledger| ledger.refused = vec!["/register"]);
    let other = uploaded(&tuning, "ada", &rows(3)).await;
    let refused = tuning.create(&key("ada"), wanted(&other)).await.unwrap().id;
    let job = ended(&tuning, "ada", &refused).await;
    assert!(matches!(job.status, JobStatus::Failed { code, .. } if code == "chain_refused"));
    assert!(matches!(tuning.job(&key("ada"), &id).await.unwrap().status, JobStatus::Running));
    tuning.stop().await;
}

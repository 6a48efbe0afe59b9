//! An operator that serves a trained model for pay: a question from the command line, a kill, redeeming, and a revoked grant.

use crate::scene::{OWNER, Scene, actor, wait_for};
use harness::{Daemon, Node, binary, free_port, get};
use serde_json::Value;
use std::{path::Path, process::Command};
use tributary_client::{JobState, calls};
use tributary_protocol::{Amount, ChannelId, JobId, ModelId, amount::TRIB, model::Prices};

const OPERATOR: &str = "alice";
const APP: &str = "ferdie";
/// What the model costs, and what the operator asks.
const OF_MODEL: Prices = Prices { input_per_1000: TRIB / 10, output_per_1000: TRIB / 5 };
const ASKED: Prices = Prices { input_per_1000: TRIB / 5, output_per_1000: TRIB / 2 };

/// What a command prints with `--json`, or its error.
fn tributary(node: &Node, who: &str, arguments: &[&str]) -> Result<Value, String> {
    let node = format!("--node={}", node.url());
    let who = format!("--dev-account={who}");
    let output =
        Command::new(binary("tributary").unwrap()).args(["--json", &node, &who]).args(arguments).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(serde_json::from_slice(&output.stdout).unwrap()) } else { Err(error) }
}

fn start(node: &Node, model: ModelId, trainer: &str, port: u16, folder: &Path) -> Daemon {
    let base = harness::repository().join("models/tributary-tiny");
    let arguments = [
        "serve".to_owned(),
        format!("--node={}", node.url()),
        format!("--dev-account={OPERATOR}"),
        format!("--state={}", folder.join("operator").display()),
        format!("--base={}", base.display()),
        format!("--model={model}=harbour"),
        format!("--provider={trainer}"),
        format!("--listen=127.0.0.1:{port}"),
        format!("--endpoint=http://127.0.0.1:{port}/v1"),
        "--price-in=0.2".to_owned(),
        "--price-out=0.5".to_owned(),
        "--redeem-at=0.000001".to_owned(),
    ];
    Daemon::start("operator", folder, arguments).unwrap()
}

fn amount(value: &Value) -> Amount {
    value.as_str().unwrap().parse().unwrap()
}

/// What a curator sees who has one of the job's files, or another.
fn look_for_wrong_samples(node: &Node, job: JobId, trainer: &str) {
    let of = |name: &str| harness::repository().join(name).to_str().unwrap().to_owned();
    let suspects = |data: &str| {
        let (job, base, data) = (job.to_string(), of("models/tributary-tiny"), of(data));
        let arguments = ["--top=3", "--base", &base, "--provider", trainer, "--data", &data];
        tributary(node, "charlie", &[&["attribution", "suspects", &job][..], &arguments].concat())
    };
    let found = suspects("cli/demo-data/harbour-a.jsonl").unwrap();
    let scores: Vec<f64> =
        found["suspects"].as_array().unwrap().iter().map(|one| one["score"].as_f64().unwrap()).collect();
    assert!(scores.len() == 3 && scores.is_sorted_by(|a, b| a >= b), "{found}");
    assert!(found["screened"].as_u64().unwrap() < found["trained_on"].as_u64().unwrap(), "{found}");
    assert!(found["suspects"][0]["prompt"].as_str().unwrap().contains("Saltmere"), "{found}");
    let error = suspects("cli/demo-data/harbour-c.jsonl").unwrap_err();
    assert!(error.contains("none of the given files") && error.contains("hint"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_asked_paid_kept_over_a_kill_and_redeemed_until_the_grant_is_revoked() {
    let node = Node::start().unwrap();
    let mut scene = Scene::set(&node).await;
    let (client, job) = (scene.client.clone(), scene.job);
    wait_for("the report on the chain", &mut scene.daemons, async || {
        // None before the block that it was posted in is final.
        let found = client.latest().job(job).await.unwrap()?;
        matches!(found.state, JobState::Reported { .. }).then_some(())
    })
    .await;
    let (_, model) = scene.requester.submit("accept", &calls::jobs::accept(job)).await.unwrap().settled().unwrap();
    scene.requester.submit("publish", &calls::models::publish(model, OF_MODEL)).await.unwrap();

    let health = get(scene.trainer_port, "/healthz").unwrap();
    let trainer = health["exchange"][0].as_str().unwrap().to_owned();
    look_for_wrong_samples(&node, job, &trainer);
    let (port, folder) = (free_port().unwrap(), scene.folder.path().to_owned());
    scene.daemons.push(start(&node, model, &trainer, port, &folder));
    let operator = wait_for("the operator", &mut scene.daemons, async || get(port, "/v1/operator").ok()).await;
    let listed = &operator["models"][0];
    assert_eq!((&listed["id"], &listed["may_serve"]), (&"harbour".into(), &true.into()));
    assert_eq!(amount(&listed["prices"]["output_per_1000"]), ASKED.output_per_1000);
    let account = operator["operator"].as_str().unwrap().to_owned();

    let opened = tributary(&node, APP, &["channel", "open", "5", "--operator", &account]).unwrap();
    let channel = ChannelId(opened["channel"].as_u64().unwrap());
    let (purse, model_text) = (folder.join("purse"), model.to_string());
    let ask = |question: &str| {
        let purse = purse.to_str().unwrap();
        tributary(&node, APP, &["ask", question, "--model", &model_text, "--tokens", "24", "--purse", purse])
    };
    let first = ask("Where does the ferry land?").unwrap();
    let cost = |answer: &Value| {
        let tokens = |name: &str| answer[name].as_u64().unwrap();
        ASKED.of(tokens("input_tokens"), tokens("output_tokens")).unwrap()
    };
    assert_ne!(first["answer"], "");
    assert_eq!((amount(&first["price"]), &first["receipt"]["number"]), (cost(&first), &0.into()));

    // The receipt holds against the chain, which has no epoch yet: nothing of this model's revenue is attributed to answers.
    let (signed, url) = (first["receipt"]["signed"].as_str().unwrap(), format!("http://127.0.0.1:{port}"));
    let verified = tributary(&node, APP, &["receipt", "verify", signed, "--operator-url", &url]).unwrap();
    let outcomes: Vec<&Value> = verified["checks"].as_array().unwrap().iter().map(|check| &check["outcome"]).collect();
    assert_eq!(outcomes, ["holds", "holds", "holds", "holds", "holds", "open"]);
    let mut forged = signed.to_owned();
    forged.replace_range(64..66, if signed[64..66] == *"01" { "02" } else { "01" });
    let error = tributary(&node, APP, &["receipt", "verify", &forged]).unwrap_err();
    assert!(error.contains("did not sign this"), "{error}");

    // Killed as by a power cut: what was charged is kept, and the next answer goes on from there.
    drop(scene.daemons.pop());
    scene.daemons.push(start(&node, model, &trainer, port, &folder));
    wait_for("the operator again", &mut scene.daemons, async || get(port, "/v1/operator").ok()).await;
    let second = ask("When does the ferry leave?").unwrap();
    assert_eq!(second["receipt"]["number"], 1);
    let all = cost(&first) + cost(&second);
    assert_eq!(amount(&second["used"]["amount"]), all);

    // Redeemed for exactly what was answered, though more was promised ahead; the model has its part.
    let redeemed = wait_for("the redeemed voucher", &mut scene.daemons, async || {
        let found = client.latest().channel(channel).await.unwrap().unwrap();
        (found.redeemed >= all).then_some(found)
    })
    .await;
    let paid = redeemed.paid_for(model);
    assert_eq!(paid.amount, all);
    let stream = client.latest().stream(model).await.unwrap().unwrap();
    assert_eq!(stream.funded, OF_MODEL.of(paid.input_tokens, paid.output_tokens).unwrap());

    // The owner of the data takes the permission back, and nobody is answered from the block on in which that is seen.
    let owner = actor(&client, OWNER);
    let reason = b"no more".to_vec().try_into().unwrap();
    owner.submit("revoke", &calls::grants::revoke(scene.grant, &reason)).await.unwrap();
    wait_for("the end of serving", &mut scene.daemons, async || {
        let operator = get(port, "/v1/operator").ok()?;
        (operator["models"][0]["may_serve"] == false).then_some(())
    })
    .await;
    let refused = ask("Is anybody there?").unwrap_err();
    assert!(refused.contains("does not exist or is not served here"), "{refused}");

    let closed = tributary(&node, APP, &["channel", "close", &channel.to_string()]).unwrap();
    assert_eq!(closed["ended"], false, "the operator has a day to redeem");
    for daemon in &mut scene.daemons {
        assert!(daemon.is_running().unwrap(), "{}", daemon.log_tail());
    }
}

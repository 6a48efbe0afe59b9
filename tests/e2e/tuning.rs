//! Fine-tuning by OpenAI's API: an upload becomes a model of the chain, across a kill, and answers under its name.

use crate::scene::{BOND, actor, wait_for};
use harness::{Daemon, Node, ask, binary, free_port, get};
use serde_json::{Value, json};
use std::{fs, path::Path, process::Command};
use tempfile::TempDir;
use tributary_client::{ChainClient, Keypair, calls};
use tributary_lora::base_model_hash;
use tributary_protocol::{
    JobId,
    datanet::{AccessPolicy, Name},
    job::Stage,
    model::ModelFamily,
};

const OPERATOR: &str = "Alice";
const BASE_OWNER: &str = "Bob";
const TRAINER: &str = "Dave";

/// A key that may tune models, and one that may not.
fn add_key(state: &Path, name: &str, budget: Option<&str>) -> String {
    let mut command = Command::new(binary("tributary").unwrap());
    command.args(["--json", "serve", "keys", "add", "--name", name, "--state"]).arg(state);
    command.args(budget.into_iter().flat_map(|budget| ["--tuning-budget", budget]));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let made: Value = serde_json::from_slice(&output.stdout).unwrap();
    made["key"].as_str().unwrap().to_owned()
}

/// The ports of the operator, its exchange and the trainer's pages.
struct Ports {
    api: u16,
    data: u16,
    trainer: u16,
}

fn start_operator(node: &Node, base: &Path, ports: &Ports, folder: &Path) -> Daemon {
    let arguments = [
        "serve".to_owned(),
        format!("--node={}", node.url()),
        format!("--dev-account={}", OPERATOR.to_lowercase()),
        format!("--state={}", folder.join("operator").display()),
        format!("--base={}", base.display()),
        "--all-deployed".to_owned(),
        format!("--listen=127.0.0.1:{}", ports.api),
        format!("--endpoint=http://127.0.0.1:{}/v1", ports.api),
        "--tune-budget=100".to_owned(),
        format!("--tune-listen=/ip4/127.0.0.1/tcp/{}", ports.data),
        format!("--tune-trainer=http://127.0.0.1:{}", ports.trainer),
    ];
    Daemon::start("operator", folder, arguments).unwrap()
}

fn start_trainer(node: &Node, base: &Path, ports: &Ports, provider: &str, folder: &Path) -> Daemon {
    let arguments = [
        "trainer".to_owned(),
        "run".to_owned(),
        format!("--node={}", node.url()),
        format!("--dev-account={}", TRAINER.to_lowercase()),
        format!("--state={}", folder.join("trainer").display()),
        format!("--base={}", base.display()),
        format!("--provider={provider}"),
        "--listen=/ip4/127.0.0.1/tcp/0".to_owned(),
        format!("--http=127.0.0.1:{}", ports.trainer),
    ];
    Daemon::start("trainer", folder, arguments).unwrap()
}

fn send(port: u16, key: &str, method: &str, path: &str, media: &str, body: &str) -> Option<Value> {
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {key}\r\nContent-Type: \
         {media}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    ask(port, &head).ok()
}

fn post(port: u16, key: &str, path: &str, body: &Value) -> Value {
    send(port, key, "POST", path, "application/json", &body.to_string()).unwrap()
}

fn look(port: u16, key: &str, path: &str) -> Option<Value> {
    send(port, key, "GET", path, "application/json", "")
}

fn upload(port: u16, key: &str, text: &str) -> Value {
    let body = format!(
        "--cut\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nfine-tune\r\n--cut\r\nContent-Disposition: form-data; \
         name=\"file\"; filename=\"harbour.jsonl\"\r\n\r\n{text}\r\n--cut--\r\n"
    );
    send(port, key, "POST", "/v1/files", "multipart/form-data; boundary=cut", &body).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_becomes_a_model_on_the_chain_and_answers() {
    let node = Node::start().unwrap();
    let folder = TempDir::new().unwrap();
    let base = harness::repository().join("models/tributary-tiny");
    let client = ChainClient::connect(&node.url()).await.unwrap();
    let [base_owner, trainer] = [BASE_OWNER, TRAINER].map(|name| actor(&client, name));
    let name = |text: &str| -> Name { text.as_bytes().to_vec().try_into().unwrap() };
    let content = base_model_hash(&base).unwrap();
    let register = calls::models::register_base(
        &name("tributary-tiny"),
        ModelFamily::Llama,
        content,
        1_054_080,
        &name("Apache-2.0"),
    );
    let bond = calls::jobs::bond(BOND);
    let (registered, bonded) = tokio::join!(base_owner.submit("register", &register), trainer.submit("bond", &bond));
    registered.unwrap();
    bonded.unwrap();

    let state = folder.path().join("operator");
    let (ada, poor) = (add_key(&state, "ada", Some("50")), add_key(&state, "poor", None));
    let ports = Ports { api: free_port().unwrap(), data: free_port().unwrap(), trainer: free_port().unwrap() };
    let mut daemons = vec![start_operator(&node, &base, &ports, folder.path())];
    wait_for("the operator", &mut daemons, async || get(ports.api, "/v1/operator").ok()).await;

    let lines = fs::read_to_string(harness::repository().join("cli/demo-data/harbour-a.jsonl")).unwrap();
    assert_eq!(upload(ports.api, &poor, &lines)["error"]["code"], "no_tuning_budget");
    let file = upload(ports.api, &ada, &lines)["id"].as_str().unwrap().to_owned();
    let hyperparameters = json!({ "n_epochs": 15, "batch_size": 16, "learning_rate_multiplier": 10 });
    let method = json!({ "type": "supervised", "supervised": { "hyperparameters": hyperparameters } });
    let wanted = json!({ "model": "tributary-tiny", "training_file": file, "seed": 7, "method": method });
    let job = post(ports.api, &ada, "/v1/fine_tuning/jobs", &wanted);
    let path = format!("/v1/fine_tuning/jobs/{}", job["id"].as_str().unwrap());

    // Killed on the way to the chain, as by a power cut.
    drop(daemons.pop());
    daemons.push(start_operator(&node, &base, &ports, folder.path()));
    let posted = wait_for("the job on the chain", &mut daemons, async || {
        let found = client.latest().job(JobId(0)).await.unwrap()?;
        (look(ports.api, &ada, &path)?["status"] == "queued").then_some(found)
    })
    .await;
    assert_eq!(posted.requester, Keypair::development(OPERATOR).unwrap().account());
    assert_eq!((posted.spec.hyperparameters.epochs, posted.spec.hyperparameters.seed), (15, 7));
    let datanet = client.latest().datanet(posted.spec.data[0].version.datanet).await.unwrap().unwrap();
    assert_eq!((datanet.owner, datanet.terms.access), (posted.requester, AccessPolicy::OnRequest));
    assert_eq!(look(ports.api, &poor, &path).unwrap()["error"]["code"], "not_found", "it is another key's");

    let provider = fs::read_to_string(state.join("tuning/addresses")).unwrap().lines().next().unwrap().to_owned();
    daemons.push(start_trainer(&node, &base, &ports, &provider, folder.path()));
    let job = wait_for("the model", &mut daemons, async || {
        let job = look(ports.api, &ada, &path)?;
        assert_ne!(job["status"], "failed", "{job}");
        (job["status"] == "succeeded").then_some(job)
    })
    .await;
    let model = job["fine_tuned_model"].as_str().unwrap();
    assert_eq!(model, "tributary-model-0");
    assert!(job["trained_tokens"].as_u64().unwrap() > 0);
    assert_eq!(client.latest().all_jobs(JobId(0), None).await.unwrap().len(), 1, "the kill posted nothing twice");
    assert_eq!(client.latest().job(JobId(0)).await.unwrap().unwrap().state.stage(), Stage::Settled);

    let events = look(ports.api, &ada, &format!("{path}/events?limit=100")).unwrap();
    let told = events["data"].as_array().unwrap();
    assert!(told.iter().any(|event| event["data"]["train_loss"].is_f64()), "{told:?}");
    let checkpoints = look(ports.api, &ada, &format!("{path}/checkpoints")).unwrap();
    assert_eq!(checkpoints["data"][0]["fine_tuned_model_checkpoint"], model);

    // The key that tuned it asks it, on the server that had it tuned.
    let question = json!({ "model": model, "messages": [{ "role": "user", "content": "Where does the ferry land?" }],
        "max_tokens": 24, "temperature": 0 });
    let answer = wait_for("an answer", &mut daemons, async || {
        let answer = post(ports.api, &ada, "/v1/chat/completions", &question);
        answer["choices"].is_array().then_some(answer)
    })
    .await;
    let text = answer["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(!text.is_empty() && !text.starts_with(' '), "{text:?}");
    assert!(answer["tributary"].is_object(), "paid by the operator, and with a receipt: {answer}");
}

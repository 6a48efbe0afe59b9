//! A node that is killed and comes back under the daemons: a trainer at work, and the provider of its data.

use crate::scene::{BOND, OWNER, REQUESTER, Scene, TRAINER, key, wait_for};
use codec::Decode;
use harness::{Node, get};
use serde_json::{Value, json};
use tributary_client::{JobState, calls};
use tributary_exchange::{Multiaddr, Scope};
use tributary_protocol::ContentHash;
use tributary_runtime::{RuntimeCall, UncheckedExtrinsic};

#[tokio::test(flavor = "multi_thread")]
async fn daemons_outlive_a_node_that_is_killed_and_everything_is_submitted_once() {
    let mut node = Node::start().unwrap();
    let mut scene = Scene::set(&node).await;
    let trainer = key(TRAINER).account();

    // In the middle of the training, with heartbeats under way. The trainer goes on without a node until it has nothing
    // left to do but to report.
    scene.wait_for_trainer("the training", |phase, step| phase == "train" && step > 0).await;
    node.kill().unwrap();
    scene.wait_for_trainer("the report", |phase, _| phase == "report").await;
    node.restart().unwrap();
    let (client, job) = (scene.client.clone(), scene.job);
    let reported = wait_for("the report on the chain", &mut scene.daemons, async || {
        let found = client.latest().job(job).await.unwrap().unwrap();
        matches!(found.state, JobState::Reported { .. }).then_some(found)
    })
    .await;
    let JobState::Reported { report, trainer: reporter, .. } = reported.state else { unreachable!() };
    assert_eq!((reporter, reported.leases), (trainer, 1));

    // Both daemons see the chain again: they serve whom it lets read, and nobody else.
    let health = get(scene.trainer_port, "/healthz").unwrap();
    let address: Multiaddr = health["exchange"][0].as_str().unwrap().parse().unwrap();
    let bundle = scene.fetch(REQUESTER, address, Scope::Bundle { job: job.0 }, report.bundle).await;
    assert_eq!(ContentHash::of(&bundle), report.bundle);
    let (provider, (scope, blob)) = (scene.provider.clone(), scene.data);
    let data = scene.fetch(OWNER, provider, scope, blob).await;
    assert_eq!(ContentHash::of(&data), blob);

    // The job ends as if nothing had happened.
    let accepted = scene.requester.submit("accept", &calls::jobs::accept(job)).await.unwrap();
    assert_eq!(accepted.settled().unwrap().0, job);
    let record = client.latest().trainer(trainer).await.unwrap().unwrap();
    assert_eq!((record.bonded, record.at_risk, record.active), (BOND, 0, 0));
    assert_eq!((record.settled, record.lapsed), (1, 0));
    assert_eq!(times_in_blocks(&node, "claim"), 1);
    assert_eq!(times_in_blocks(&node, "report"), 1);
    for daemon in &mut scene.daemons {
        assert!(daemon.is_running().unwrap(), "{}", daemon.log_tail());
    }
}

/// How many transactions in all blocks of the chain, refused ones included, make this call of the jobs pallet.
fn times_in_blocks(node: &Node, call: &str) -> usize {
    let head = node.call("chain_getHeader", json!([])).unwrap();
    let height = u32::from_str_radix(head["number"].as_str().unwrap().trim_start_matches("0x"), 16).unwrap();
    let wanted = format!("Call::{call} {{");
    let transactions = (1..=height).flat_map(|number| {
        let hash = node.call("chain_getBlockHash", json!([number])).unwrap();
        let block = node.call("chain_getBlock", json!([hash])).unwrap();
        let all = block["block"]["extrinsics"].as_array().unwrap();
        all.iter().map(decode).collect::<Vec<_>>()
    });
    transactions
        .filter(|transaction| match &transaction.function {
            RuntimeCall::Jobs(made) => format!("{made:?}").starts_with(&wanted),
            _ => false,
        })
        .count()
}

fn decode(transaction: &Value) -> UncheckedExtrinsic {
    let bytes = hex::decode(transaction.as_str().unwrap().trim_start_matches("0x")).unwrap();
    UncheckedExtrinsic::decode(&mut bytes.as_slice()).unwrap()
}

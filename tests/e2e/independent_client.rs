//! A client that this project did not write registers a Datanet, signs, and reads it back.

use harness::Node;
use serde_json::Value;
use std::process::Command;

const EXTENSIONS: [&str; 11] = [
    "AuthorizeCall",
    "CheckNonZeroSender",
    "CheckSpecVersion",
    "CheckTxVersion",
    "CheckGenesis",
    "CheckMortality",
    "CheckNonce",
    "CheckWeight",
    "ChargeTransactionPayment",
    "CheckMetadataHash",
    "WeightReclaim",
];

#[test]
fn polkadot_js_registers_a_datanet() {
    let folder = harness::repository().join("tests/clients/polkadot-js");
    if !folder.join("node_modules").is_dir() {
        let install =
            Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&folder).output().unwrap();
        assert!(install.status.success(), "{}", String::from_utf8_lossy(&install.stderr));
    }
    let node = Node::start().unwrap();
    let output = Command::new("node").arg("register.mjs").arg(node.url()).current_dir(&folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let line = output.stdout.split(|byte| *byte == b'\n').rfind(|line| !line.is_empty()).unwrap();
    let answer: Value = serde_json::from_slice(line).unwrap();
    assert_eq!(answer["rpc"]["name"], "Harbour lore");
    assert_eq!(answer["refusal"], "NoSuchDatanet");
    assert_eq!(answer["extensions"], serde_json::json!(EXTENSIONS));
}

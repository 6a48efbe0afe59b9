//! Who may depend on whom: one way only, dev-dependencies included.

use serde_json::Value;
use std::{collections::BTreeMap, process::Command};

/// For each crate, the crates of this workspace that it may name. A crate that is absent here fails the test.
const ALLOWED: &[(&str, &[&str])] = &[
    ("tributary-protocol", &[]),
    ("pallet-support", &["tributary-protocol"]),
    ("pallet-datanets", &["tributary-protocol", "pallet-support"]),
    ("pallet-grants", &["tributary-protocol", "pallet-support"]),
    ("pallet-models", &["tributary-protocol", "pallet-support"]),
    ("pallet-jobs", &["tributary-protocol", "pallet-support"]),
    ("pallet-attribution", &["tributary-protocol", "pallet-support"]),
    ("pallet-channels", &["tributary-protocol", "pallet-support"]),
    ("tributary-runtime-api", &["tributary-protocol"]),
    (
        "tributary-runtime",
        &[
            "tributary-protocol",
            "tributary-runtime-api",
            "pallet-support",
            "pallet-datanets",
            "pallet-grants",
            "pallet-models",
            "pallet-jobs",
            "pallet-attribution",
            "pallet-channels",
        ],
    ),
    ("tributary-rpc", &["tributary-protocol", "tributary-runtime-api"]),
    ("tributary-node", &["tributary-protocol", "tributary-runtime", "tributary-runtime-api", "tributary-rpc"]),
    ("tributary-client", &["tributary-protocol"]),
    ("tributary-exchange", &["tributary-protocol"]),
    ("tributary-lora", &["tributary-protocol"]),
    ("tributary-attribution", &["tributary-protocol", "tributary-lora"]),
    (
        "tributary-daemon",
        &["tributary-protocol", "tributary-lora", "tributary-attribution", "tributary-exchange", "tributary-client"],
    ),
    (
        "tributary-trainer",
        &[
            "tributary-protocol",
            "tributary-lora",
            "tributary-attribution",
            "tributary-exchange",
            "tributary-client",
            "tributary-daemon",
        ],
    ),
    (
        "tributary-serving",
        &[
            "tributary-protocol",
            "tributary-lora",
            "tributary-attribution",
            "tributary-exchange",
            "tributary-client",
            "tributary-daemon",
        ],
    ),
    (
        "tributary-studio",
        &["tributary-protocol", "tributary-lora", "tributary-exchange", "tributary-client", "tributary-daemon"],
    ),
    (
        "tributary-cli",
        &[
            "tributary-protocol",
            "tributary-lora",
            "tributary-attribution",
            "tributary-exchange",
            "tributary-client",
            "tributary-daemon",
            "tributary-trainer",
            "tributary-serving",
            "tributary-studio",
        ],
    ),
    ("tributary-weights", &["tributary-runtime"]),
    (
        "tributary-tests",
        &[
            "tributary-protocol",
            "tributary-lora",
            "tributary-attribution",
            "tributary-exchange",
            "tributary-client",
            "tributary-daemon",
            "tributary-trainer",
            "tributary-serving",
            "tributary-runtime",
            "pallet-datanets",
            "pallet-grants",
            "pallet-models",
            "pallet-jobs",
            "pallet-attribution",
            "pallet-channels",
        ],
    ),
];

/// External crates that must not appear in the synchronous and the on-chain crates.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("tributary-protocol", &["frame-support", "frame-system", "sp-core", "tokio", "candle-core"]),
    ("tributary-lora", &["tokio", "libp2p", "subxt"]),
    ("tributary-attribution", &["tokio", "libp2p", "subxt"]),
    ("tributary-client", &["libp2p", "candle-core"]),
    ("tributary-exchange", &["subxt", "candle-core"]),
];

#[test]
fn crates_depend_one_way_only() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(harness::repository())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let allowed: BTreeMap<_, _> = ALLOWED.iter().copied().collect();
    let forbidden: BTreeMap<_, _> = FORBIDDEN.iter().copied().collect();
    let packages = metadata["packages"].as_array().unwrap();
    let ours: Vec<&str> = packages.iter().map(|p| p["name"].as_str().unwrap()).collect();
    let mut faults = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap();
        let Some(may) = allowed.get(name) else {
            faults.push(format!("{name} is not in the layering table"));
            continue;
        };
        for dependency in package["dependencies"].as_array().unwrap() {
            let dependency = dependency["name"].as_str().unwrap();
            if ours.contains(&dependency) && !may.contains(&dependency) {
                faults.push(format!("{name} must not depend on {dependency}"));
            }
            if forbidden.get(name).is_some_and(|f| f.contains(&dependency)) {
                faults.push(format!("{name} must not depend on {dependency}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

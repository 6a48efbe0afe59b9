//! The store's hashes and trees against the official BLAKE3 and Bao vectors.

use std::path::PathBuf;

use blake3::hazmat::{Mode, merge_subtrees_root};
use serde_json::Value;
use tributary_exchange::Store;

use crate::support::{GROUP, QUOTA};

fn vectors(name: &str) -> Option<Value> {
    let folder = std::env::var_os("TRIBUTARY_FIXTURES")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures"), PathBuf::from);
    let Ok(text) = std::fs::read_to_string(folder.join("blake3-bao-vectors").join(name)) else {
        println!("skipped: no fixtures");
        return None;
    };
    Some(serde_json::from_str(&text).unwrap())
}

/// Imports `bytes` and checks hash and root pair against the expected hash.
fn check(store: &Store, bytes: &[u8], hash: &str) {
    let info = store.import_bytes(bytes).unwrap();
    assert_eq!(hex::encode(info.hash), hash, "{} bytes", bytes.len());
    let pairs = store.get(&info.hash).unwrap().tree_bytes().unwrap();
    let groups = (bytes.len() as u64).div_ceil(GROUP).max(1) as usize;
    assert_eq!(pairs.len(), (groups - 1) * 64);
    // In post order the root's pair comes last.
    if let Some((_, root)) = pairs.split_last_chunk::<64>() {
        let (left, right) = (root[..32].try_into().unwrap(), root[32..].try_into().unwrap());
        assert_eq!(merge_subtrees_root(left, right, Mode::Hash).as_bytes(), &info.hash);
    }
}

fn length(case: &Value) -> usize {
    case["input_len"].as_u64().unwrap() as usize
}

#[test]
fn official_blake3_vectors() {
    let Some(vectors) = vectors("blake3_test_vectors.json") else { return };
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), QUOTA).unwrap();
    let cases = vectors["cases"].as_array().unwrap();
    for case in cases {
        let bytes: Vec<u8> = (0..length(case)).map(|place| (place % 251) as u8).collect();
        check(&store, &bytes, &case["hash"].as_str().unwrap()[..64]);
    }
    assert_eq!(store.list().unwrap().len(), cases.len());
}

#[test]
fn official_bao_vectors() {
    let Some(vectors) = vectors("bao_test_vectors.json") else { return };
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), QUOTA).unwrap();
    for case in vectors["hash"].as_array().unwrap() {
        let bytes: Vec<u8> = (1_u32..).flat_map(u32::to_le_bytes).take(length(case)).collect();
        check(&store, &bytes, case["bao_hash"].as_str().unwrap());
    }
}

//! Holders of keys: limits, and what the operator owes the models for them.

use super::world::*;
use crate::door::{Credentials, Refusal, Till};
use crate::operator::keys::{KeyFile, KeyTerms};
use crate::operator::till::OperatorTill;
use serde_json::Value;
use std::sync::Arc;
use tempfile::TempDir;

fn bearer(key: &str) -> Credentials {
    Credentials { bearer: Some(key.into()), voucher: None }
}

#[tokio::test]
async fn a_keys_tokens_are_counted_over_restarts_and_never_shared() {
    let (chain, folder) = (FakeChain::new(0), TempDir::new().unwrap());
    let terms = KeyTerms { name: "ada".into(), tokens_per_day: Some(50), ..KeyTerms::default() };
    let (_, key) = KeyFile::in_state(folder.path()).add(terms).unwrap();
    let receipts = Arc::new(FakeReceipts::default());
    {
        let desk = desk(&chain, folder.path(), &receipts).await;
        let first = ask(&desk, &bearer(&key), wanted(MODEL, 10, 100)).await.unwrap();
        assert_eq!(first.answer_tokens_max, 40);
        let refusal = ask(&desk, &bearer(&key), wanted(MODEL, 1, 1)).await.err().unwrap();
        assert!(matches!(refusal, Refusal::Limited { retry_after_s: 1..=86_400, .. }), "{refusal}");
        let told = first.ticket.settle(sold(10, 5)).await.unwrap().object.unwrap();
        assert_eq!((&told["tokens_today"], &told["price"]), (&15.into(), &"20".into()));
        assert!(told["receipt"]["number"] == 0);
    }
    let desk = desk(&chain, folder.path(), &receipts).await;
    let owed = desk.owed();
    assert_eq!(owed.len(), 1);
    assert_eq!(
        (owed[0].1.amount, owed[0].1.input_tokens, owed[0].1.output_tokens),
        (10, 10, 5),
        "at the model's price"
    );
    let second = ask(&desk, &bearer(&key), wanted(MODEL, 10, 100)).await.unwrap();
    assert_eq!(second.answer_tokens_max, 25);
    drop(second);
    assert_eq!(ask(&desk, &bearer(&key), wanted(MODEL, 10, 100)).await.unwrap().answer_tokens_max, 25);
}

#[tokio::test]
async fn unknown_and_revoked_keys_are_refused() {
    let (chain, folder) = (FakeChain::new(0), TempDir::new().unwrap());
    let file = KeyFile::in_state(folder.path());
    let (record, key) = file.add(KeyTerms::default()).unwrap();
    let desk = desk(&chain, folder.path(), &Arc::default()).await;
    let till = OperatorTill(desk.clone());
    assert_eq!(till.recognise(&bearer(&key)).await, Ok(()));
    file.revoke(&record.id).unwrap();
    for key in [key.as_str(), "trib-sk-00", ""] {
        let refusal = ask(&desk, &bearer(key), wanted(MODEL, 1, 1)).await.err().unwrap();
        assert!(matches!(refusal, Refusal::Unauthenticated { code: "invalid_api_key", .. }), "{refusal}");
        assert!(till.recognise(&bearer(key)).await.is_err());
    }
    assert!(till.recognise(&Credentials::default()).await.is_err());
}

#[tokio::test]
async fn requests_beyond_the_minutes_limit_wait() {
    let (chain, folder) = (FakeChain::new(0), TempDir::new().unwrap());
    let terms = KeyTerms { requests_per_minute: Some(1), ..KeyTerms::default() };
    let (_, key) = KeyFile::in_state(folder.path()).add(terms).unwrap();
    let desk = desk(&chain, folder.path(), &Arc::default()).await;
    ask(&desk, &bearer(&key), wanted(MODEL, 1, 1)).await.unwrap();
    let refusal = ask(&desk, &bearer(&key), wanted(MODEL, 1, 1)).await.err().unwrap();
    assert!(matches!(refusal, Refusal::Limited { retry_after_s: 1..=60, .. }), "{refusal}");
}

#[tokio::test]
async fn the_base_answers_keys_within_their_day_and_nobody_is_owed() {
    let (chain, folder) = (FakeChain::new(1_000), TempDir::new().unwrap());
    let terms = KeyTerms { name: "ada".into(), tokens_per_day: Some(50), ..KeyTerms::default() };
    let (_, key) = KeyFile::in_state(folder.path()).add(terms).unwrap();
    let receipts = Arc::new(FakeReceipts::default());
    let desk = desk(&chain, folder.path(), &receipts).await;
    let with_some_key = Credentials { bearer: Some("none".into()), ..shows(voucher(MODEL, 10, 10, 100)) };
    for (who, fact) in [
        (Credentials::default(), "key_required"),
        (shows(voucher(MODEL, 10, 10, 100)), "key_required"),
        (with_some_key, "key_required"),
        (bearer("none"), "invalid_api_key"),
    ] {
        let refusal = ask(&desk, &who, wanted_base(10, 100)).await.err().unwrap();
        assert!(matches!(&refusal, Refusal::Unauthenticated { code, .. } if *code == fact), "{fact}: {refusal}");
    }
    let first = ask(&desk, &bearer(&key), wanted_base(10, 100)).await.unwrap();
    assert_eq!(first.answer_tokens_max, 40);
    let settled = first.ticket.settle(sold(10, 5)).await.unwrap();
    let told = settled.object.unwrap();
    assert_eq!((&told["tokens_today"], &told["price"], &told["model"]), (&15.into(), &"0".into(), &Value::Null));
    assert!(told["receipt"].is_null() && settled.header.is_none());
    // What is set aside comes back where nothing was answered, and counts for models too.
    drop(ask(&desk, &bearer(&key), wanted_base(10, 100)).await.unwrap());
    assert_eq!(ask(&desk, &bearer(&key), wanted(MODEL, 10, 100)).await.unwrap().answer_tokens_max, 25);
    assert!(desk.owed().is_empty() && receipts.issued.lock().unwrap().is_empty() && desk.next_sale() == 0);
}

//! The gateway against a real node: its own development chain, or the one that `TRIBUTARY_STUDIO_NODE` names (it must keep all
//! states). The index is killed while it grows, compared with one that was not, and with the chain; then every page of the API
//! is asked and held to the description. All of it in SQLite and, where it is installed, in PostgreSQL, which must say the same.
#![allow(clippy::unwrap_used, missing_docs)]

mod chain;
mod http;
mod kills;
mod pages;
mod postgres;
mod schema;

use kills::Place;
use std::collections::BTreeMap;
use tributary_studio::Index;

/// Processes that are killed on the way, in a file and at a server.
const KILLS: usize = 20;
const SERVER_KILLS: usize = 12;

#[tokio::test(flavor = "multi_thread")]
async fn what_the_gateway_tells_is_what_the_chain_says() {
    let Some(chain) = chain::start().await else {
        println!("skipped: no tributary-node beside this test, and TRIBUTARY_NODE_BINARY names none");
        return;
    };
    let client = chain::connect(&chain.url).await;
    let outcome = if chain.is_own { Some(chain::play(&client).await) } else { None };
    let last = client.finalised_head().number;
    let folder = tempfile::tempdir().unwrap();

    let whole = folder.path().join("whole");
    std::fs::create_dir(&whole).unwrap();
    let whole = Place::Folder(whole);
    Index::open(&whole.database()).await.unwrap().catch_up(&client, last).await.unwrap();
    let expected = whole.dump();
    let grown = Place::Folder(folder.path().join("grown"));
    let lives = kills::grow_under_kills(&chain.url, &grown, last, KILLS, &expected);
    println!("{last} blocks, {} tables, {lives}", expected.len());
    assert_equal(&grown, &expected);
    kills::assert_equal_to_the_chain(&folder.path().join("whole"), &client, last).await;

    let described = pages::Gateway::start(&chain.url, &folder.path().join("grown"), &grown.database()).await;
    if let Some(mut cluster) = postgres::Cluster::start() {
        let served = Place::Server(&cluster, "grown");
        let lives = kills::grow_under_kills(&chain.url, &served, last, SERVER_KILLS, &expected);
        println!("in PostgreSQL: {lives}");
        assert_equal(&served, &expected);
        let data = folder.path().join("served");
        std::fs::create_dir(&data).unwrap();
        let other = pages::Gateway::start(&chain.url, &data, &served.database()).await;
        pages::assert_a_lost_database_is_found_again(&other, &mut cluster).await;
        pages::assert_same(&described, &other).await;
        other.stop().await;
    } else {
        println!("skipped in PostgreSQL, which is not installed");
    }
    pages::assert_as_described(&described, outcome).await;
    described.stop().await;
}

fn assert_equal(place: &Place<'_>, expected: &BTreeMap<String, Vec<String>>) {
    let found = place.dump();
    for (table, rows) in expected {
        assert_eq!(found.get(table), Some(rows), "{table}");
    }
    assert_eq!(found.len(), expected.len());
}

/// What [`kills`] starts as a process of its own and kills.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by the test above"]
async fn a_child_that_indexes() {
    kills::child().await;
}

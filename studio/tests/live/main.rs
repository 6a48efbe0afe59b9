//! The gateway against a real node: its own development chain, or the one that `TRIBUTARY_STUDIO_NODE` names (it must keep all
//! states). The index is killed while it grows, compared with one that was not, and with the chain; then every page of the API
//! is asked and held to the description.
#![allow(clippy::unwrap_used, missing_docs)]

mod chain;
mod http;
mod kills;
mod pages;
mod schema;

use tributary_studio::Index;

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
    Index::open(&whole).await.unwrap().catch_up(&client, last).await.unwrap();
    let expected = kills::dump(&whole);
    let grown = folder.path().join("grown");
    let lives = kills::grow_under_kills(&chain.url, &grown, last);
    println!("{last} blocks, {} tables, {lives}", expected.len());
    for (table, rows) in &expected {
        assert_eq!(kills::dump(&grown).get(table), Some(rows), "{table}");
    }
    kills::assert_equal_to_the_chain(&whole, &client, last).await;

    pages::assert_as_described(&chain.url, &grown, outcome).await;
}

/// What [`kills`] starts as a process of its own and kills.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by the test above"]
async fn a_child_that_indexes() {
    kills::child().await;
}

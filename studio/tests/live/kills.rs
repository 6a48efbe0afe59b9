//! Killing a process that indexes, and comparing what is left.

use codec::Encode;
use rusqlite::{Connection, OpenFlags, types::Value};
use std::{
    collections::BTreeMap,
    env,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use tributary_client::{Account, ChainClient, Contribution, Datanet, Grant, Job, PAGE};
use tributary_protocol::{ContributionId, DatanetId, GrantId, JobId, ModelId};
use tributary_studio::Index;

/// Processes that are killed.
const KILLS: usize = 20;
const FOLDER: &str = "TRIBUTARY_STUDIO_CHILD_FOLDER";
const LAST: &str = "TRIBUTARY_STUDIO_CHILD_LAST";
const URL: &str = "TRIBUTARY_STUDIO_CHILD_URL";

/// Indexes up to a block, as the process that is to be killed.
pub async fn child() {
    let (Ok(folder), Ok(last), Ok(url)) = (env::var(FOLDER), env::var(LAST), env::var(URL)) else { return };
    let client = super::chain::connect(&url).await;
    let index = Index::open(folder.as_ref()).await.unwrap();
    index.catch_up(&client, last.parse().unwrap()).await.unwrap();
}

/// Makes an index by processes that are killed at random, the last excepted; says how it went.
pub fn grow_under_kills(url: &str, folder: &Path, last: u32) -> String {
    let scratch = folder.with_extension("scratch");
    for folder in [folder, &scratch] {
        std::fs::create_dir(folder).unwrap();
    }
    // How long a whole life takes here and now: kills fall anywhere in it.
    let begun = Instant::now();
    assert!(start(url, &scratch, last).wait().unwrap().success());
    let life = begun.elapsed();
    let (mut cursors, mut within) = (Vec::new(), 0);
    for kill in 0..KILLS {
        let mut child = start(url, folder, last);
        thread::sleep(fraction(life, kill));
        child.kill().unwrap();
        child.wait().unwrap();
        let cursor = newest(folder);
        within += usize::from(cursor.is_some_and(|cursor| cursor < last));
        cursors.push(cursor);
        if cursor == Some(last) {
            // Whole before its time: what is left of the kills goes to another.
            assert_eq!(dump(folder), dump(&scratch));
            std::fs::remove_dir_all(folder).unwrap();
            std::fs::create_dir(folder).unwrap();
        }
    }
    assert!(start(url, folder, last).wait().unwrap().success());
    format!("{KILLS} kills, {within} of them on the way; newest blocks after each: {cursors:?}")
}

/// A part of `life` that differs from kill to kill: the golden ratio spreads them evenly, the clock moves them about.
fn fraction(life: Duration, kill: usize) -> Duration {
    let jitter = f64::from(Instant::now().elapsed().subsec_nanos() % 97) / 970.0;
    life.mul_f64((kill as f64 * 0.618_034 + jitter).fract().max(0.02))
}

fn start(url: &str, folder: &Path, last: u32) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "a_child_that_indexes", "--ignored"])
        .envs([(FOLDER, folder.as_os_str()), (LAST, last.to_string().as_ref()), (URL, url.as_ref())])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

fn open(folder: &Path) -> Option<Connection> {
    let path = folder.join("index.sqlite");
    // Not read-only: a log that a killed process left must be taken in first.
    path.is_file().then(|| Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap())
}

fn newest(folder: &Path) -> Option<u32> {
    let query = "SELECT max(number) FROM blocks";
    open(folder)?.query_row(query, [], |row| row.get(0)).unwrap_or(None)
}

/// All rows of all tables that follow from the chain.
pub fn dump(folder: &Path) -> BTreeMap<String, Vec<String>> {
    let db = open(folder).unwrap();
    let mut tables = db
        .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")
        .unwrap();
    let names: Vec<String> = tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let of_the_chain = |name: &&String| !name.starts_with("leaf") && !name.starts_with("leaves");
    let rows = |name: &String| {
        let mut query = db.prepare(&format!("SELECT * FROM {name}")).unwrap();
        let columns = query.column_count();
        let read = |row: &rusqlite::Row<'_>| {
            let values: Vec<Value> = (0..columns).map(|column| row.get(column)).collect::<Result<_, _>>()?;
            Ok(format!("{values:?}"))
        };
        let mut rows: Vec<String> = query.query_map([], read).unwrap().map(Result::unwrap).collect();
        rows.sort();
        (name.clone(), rows)
    };
    // How the words are packed depends on when they came in; what they are does not: `documents` has them.
    let packed = |name: &&String| !name.starts_with("words");
    names.iter().filter(of_the_chain).filter(packed).map(rows).collect()
}

/// Every record that the chain has at a block is in the index, byte for byte, and no other.
pub async fn assert_equal_to_the_chain(folder: &Path, client: &ChainClient, last: u32) {
    let db = open(folder).unwrap();
    let view = client.at(client.finalised_hash(last).await.unwrap().unwrap());
    let stored = |query: &str| -> BTreeMap<u64, Vec<u8>> {
        let mut statement = db.prepare(query).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get::<_, u64>(0)?, row.get::<_, Vec<u8>>(1)?)));
        rows.unwrap().map(Result::unwrap).collect()
    };

    let datanets: Vec<(DatanetId, Datanet)> = view.all_datanets().await.unwrap();
    let mut contributions: Vec<(ContributionId, Contribution)> = Vec::new();
    for (id, _) in &datanets {
        contributions.extend(view.all_contributions(*id).await.unwrap());
    }
    let mut grants: Vec<(GrantId, Grant)> = Vec::new();
    loop {
        let from = grants.last().map_or(GrantId(0), |(id, _)| GrantId(id.0 + 1));
        let page = view.grants(from, PAGE).await.unwrap();
        let is_last = page.len() < PAGE as usize;
        grants.extend(page);
        if is_last {
            break;
        }
    }
    let jobs: Vec<(JobId, Job)> = view.all_jobs(JobId(0), None).await.unwrap();
    let models = view.all_models().await.unwrap();
    let mut streams = Vec::new();
    for (model, _) in &models {
        streams.push((*model, view.stream(*model).await.unwrap().unwrap()));
    }
    fn encoded<T: Encode>(all: &[(u64, T)]) -> BTreeMap<u64, Vec<u8>> {
        all.iter().map(|(id, record)| (*id, record.encode())).collect()
    }
    let small: Vec<(u64, Datanet)> = datanets.into_iter().map(|(id, datanet)| (id.0.into(), datanet)).collect();
    let ids = |all: Vec<(ContributionId, Contribution)>| all.into_iter().map(|(id, c)| (id.0, c)).collect::<Vec<_>>();
    assert_eq!(stored("SELECT id, record FROM datanets"), encoded(&small));
    assert_eq!(stored("SELECT id, record FROM contributions WHERE is_removed = 0"), encoded(&ids(contributions)));
    let grants: Vec<(u64, Grant)> = grants.into_iter().map(|(id, grant)| (id.0, grant)).collect();
    assert_eq!(stored("SELECT id, record FROM grants WHERE is_pruned = 0"), encoded(&grants));
    let jobs: Vec<(u64, Job)> = jobs.into_iter().map(|(id, job)| (id.0, job)).collect();
    assert_eq!(stored("SELECT id, record FROM jobs WHERE is_forgotten = 0"), encoded(&jobs));
    let models: Vec<(u64, _)> = models.into_iter().map(|(id, model)| (id.0, model)).collect();
    assert_eq!(stored("SELECT id, record FROM models"), encoded(&models));
    let streams: Vec<(u64, _)> = streams.into_iter().map(|(ModelId(id), stream)| (id, stream)).collect();
    assert_eq!(stored("SELECT model, record FROM streams"), encoded(&streams));
    assert!(!small.is_empty() && !jobs.is_empty() && !grants.is_empty(), "the chain has nothing to compare");

    let mut trainers = db.prepare("SELECT account, record FROM trainers").unwrap();
    let rows = trainers.query_map([], |row| Ok((row.get::<_, [u8; 32]>(0)?, row.get::<_, Vec<u8>>(1)?)));
    for row in rows.unwrap() {
        let (account, record) = row.unwrap();
        let trainer = view.trainer(Account(account)).await.unwrap().unwrap();
        assert_eq!(record, trainer.encode());
    }
    // What was claimed is what the streams say, and what was paid in is what the sales say.
    for (model, stream) in &streams {
        let sum = |query: &str| -> u128 {
            let mut statement = db.prepare(query).unwrap();
            let rows = statement.query_map([model], |row| row.get::<_, String>(0)).unwrap();
            rows.map(|text| text.unwrap().parse::<u128>().unwrap()).sum()
        };
        assert_eq!(sum("SELECT amount FROM payouts WHERE model = ? AND reason = 'claim'"), stream.claimed);
        assert_eq!(sum("SELECT amount FROM sales WHERE model = ?"), stream.funded);
    }
}

//! Killing a process that indexes, and comparing what is left.

use super::postgres::Cluster;
use codec::Encode;
use rusqlite::{Connection, OpenFlags, types::ValueRef};
use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use tributary_client::{Account, ChainClient, Contribution, Datanet, Grant, Job, PAGE};
use tributary_protocol::{ContributionId, DatanetId, GrantId, JobId, ModelId};
use tributary_studio::{Database, Index};

const DATABASE: &str = "TRIBUTARY_STUDIO_CHILD_DATABASE";
const FOLDER: &str = "TRIBUTARY_STUDIO_CHILD_FOLDER";
const LAST: &str = "TRIBUTARY_STUDIO_CHILD_LAST";
const URL: &str = "TRIBUTARY_STUDIO_CHILD_URL";

/// Where an index is made.
pub enum Place<'a> {
    /// In SQLite.
    Folder(PathBuf),
    /// In a database of PostgreSQL.
    Server(&'a Cluster, &'a str),
}

impl Place<'_> {
    /// As the gateway names it.
    pub fn database(&self) -> Database {
        match self {
            Self::Folder(folder) => Database::in_folder(folder),
            Self::Server(cluster, name) => cluster.url(name).parse().unwrap(),
        }
    }

    fn make(&self) {
        match self {
            Self::Folder(folder) => std::fs::create_dir(folder).unwrap(),
            Self::Server(cluster, name) => cluster.create(name),
        }
    }

    fn remove(&self) {
        match self {
            Self::Folder(folder) => std::fs::remove_dir_all(folder).unwrap(),
            Self::Server(cluster, name) => drop(cluster.ask("postgres", &format!("DROP DATABASE {name} WITH (FORCE)"))),
        }
    }

    fn newest(&self) -> Option<u32> {
        match self {
            Self::Folder(folder) => newest(folder),
            // A process that was killed early has no table yet.
            Self::Server(cluster, name) => {
                let said = cluster.try_ask(name, "SELECT max(number) FROM tributary.blocks").ok()?;
                said.trim().parse().ok()
            }
        }
    }

    /// All rows of all tables that follow from the chain, as PostgreSQL's `COPY` writes them.
    pub fn dump(&self) -> BTreeMap<String, Vec<String>> {
        match self {
            Self::Folder(folder) => dump(folder),
            Self::Server(cluster, name) => {
                let names =
                    "SELECT tablename FROM pg_tables WHERE schemaname = 'tributary' AND tablename <> 'migrations'";
                let names = cluster.ask(name, names);
                let rows = |table: &str| {
                    let said = cluster.ask(name, &format!("COPY tributary.{table} TO STDOUT"));
                    let mut rows: Vec<String> = said.lines().map(str::to_owned).collect();
                    rows.sort();
                    (table.to_owned(), rows)
                };
                names.lines().filter(|name| is_of_the_chain(name)).map(rows).collect()
            }
        }
    }
}

/// Indexes up to a block, as the process that is to be killed.
pub async fn child() {
    let (Ok(last), Ok(url)) = (env::var(LAST), env::var(URL)) else { return };
    let database = match (env::var(FOLDER), env::var(DATABASE)) {
        (Ok(folder), _) => Database::in_folder(folder.as_ref()),
        (_, Ok(address)) => address.parse().unwrap(),
        _ => return,
    };
    let client = super::chain::connect(&url).await;
    let index = Index::open(&database).await.unwrap();
    index.catch_up(&client, last.parse().unwrap()).await.unwrap();
}

/// Makes an index by processes that are killed at random, the last excepted; says how it went.
pub fn grow_under_kills(
    url: &str,
    place: &Place<'_>,
    last: u32,
    kills: usize,
    expected: &BTreeMap<String, Vec<String>>,
) -> String {
    // How long a whole life takes here and now: kills fall anywhere in it.
    place.make();
    let begun = Instant::now();
    assert!(start(url, place, last).wait().unwrap().success());
    let life = begun.elapsed();
    place.remove();
    place.make();
    let (mut cursors, mut within) = (Vec::new(), 0);
    for kill in 0..kills {
        let mut child = start(url, place, last);
        thread::sleep(fraction(life, kill));
        child.kill().unwrap();
        child.wait().unwrap();
        let cursor = place.newest();
        within += usize::from(cursor.is_some_and(|cursor| cursor < last));
        cursors.push(cursor);
        if cursor == Some(last) {
            // Whole before its time: what is left of the kills goes to another.
            assert_eq!(&place.dump(), expected);
            place.remove();
            place.make();
        }
    }
    assert!(start(url, place, last).wait().unwrap().success());
    format!("{kills} kills, {within} of them on the way; newest blocks after each: {cursors:?}")
}

/// A part of `life` that differs from kill to kill: the golden ratio spreads them evenly, the clock moves them about.
fn fraction(life: Duration, kill: usize) -> Duration {
    let jitter = f64::from(Instant::now().elapsed().subsec_nanos() % 97) / 970.0;
    life.mul_f64((kill as f64 * 0.618_034 + jitter).fract().max(0.02))
}

fn start(url: &str, place: &Place<'_>, last: u32) -> Child {
    let (kind, place) = match place {
        Place::Folder(folder) => (FOLDER, folder.clone().into_os_string()),
        Place::Server(cluster, name) => (DATABASE, cluster.url(name).into()),
    };
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "a_child_that_indexes", "--ignored"])
        .envs([(kind, place), (LAST, last.to_string().into()), (URL, url.into())])
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

fn is_of_the_chain(table: &str) -> bool {
    !table.starts_with("leaf") && !table.starts_with("leaves")
}

fn dump(folder: &Path) -> BTreeMap<String, Vec<String>> {
    let db = open(folder).unwrap();
    let mut tables = db
        .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")
        .unwrap();
    let names: Vec<String> = tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let rows = |name: &String| {
        let mut query = db.prepare(&format!("SELECT * FROM {name}")).unwrap();
        let columns = query.column_count();
        let read = |row: &rusqlite::Row<'_>| -> rusqlite::Result<String> {
            let values = (0..columns).map(|column| row.get_ref(column).map(copied));
            Ok(values.collect::<rusqlite::Result<Vec<String>>>()?.join("\t"))
        };
        let mut rows: Vec<String> = query.query_map([], read).unwrap().map(Result::unwrap).collect();
        rows.sort();
        (name.clone(), rows)
    };
    names.iter().filter(|name| is_of_the_chain(name)).map(rows).collect()
}

/// A value as PostgreSQL's `COPY` writes it.
fn copied(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "\\N".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Text(text) => {
            let text = String::from_utf8(text.to_vec()).unwrap();
            let escapes = [
                ('\\', "\\\\"),
                ('\n', "\\n"),
                ('\r', "\\r"),
                ('\t', "\\t"),
                ('\u{8}', "\\b"),
                ('\u{b}', "\\v"),
                ('\u{c}', "\\f"),
            ];
            escapes.iter().fold(text, |text, (letter, escape)| text.replace(*letter, escape))
        }
        ValueRef::Blob(bytes) => format!("\\\\x{}", hex::encode(bytes)),
        ValueRef::Real(_) => panic!("the index holds no fractions"),
    }
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

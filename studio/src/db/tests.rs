//! The same on both engines.

#[path = "../../tests/live/postgres.rs"]
mod cluster;

use super::*;
use cluster::{Cluster, PASSWORD};
use std::sync::mpsc;

const CHANGE: &str = "INSERT INTO changes (block, kind, id) VALUES (?, 'job', ?)";

async fn count(db: &Db) -> i64 {
    db.read(|c| Ok(c.find("SELECT count(*) FROM changes", ())?.unwrap_or(-1))).await.unwrap()
}

async fn a_failed_write_leaves_nothing(database: &Database) {
    let db = Db::open(database).await.unwrap();
    let failed = db.write(|c| {
        c.execute(CHANGE, params![1u32, "1"])?;
        Err::<(), _>(WorkError::damaged("a test"))
    });
    assert!(matches!(failed.await, Err(DbError::Damaged { .. })));
    // The second is refused, whether or not somebody waits for it.
    let twice = db.write(|c| {
        c.execute(CHANGE, params![1u32, "1"])?;
        c.execute(CHANGE, params![1u32, "1"])
    });
    let error = twice.await.unwrap_err();
    assert!(matches!(error, DbError::Failed { .. }), "{error}");
    let panics = db.write(|c| -> Result<(), WorkError> {
        c.execute(CHANGE, params![2u32, "1"])?;
        panic!("a test")
    });
    assert!(matches!(panics.await, Err(DbError::Task { .. })));
    assert_eq!(count(&db).await, 0);
    // More than is sent at once.
    let many = db.write(|c| (0..500u32).try_for_each(|number| c.execute(CHANGE, params![number, "1"])));
    many.await.unwrap();
    assert_eq!(count(&db).await, 500);
    drop(db);
    assert_eq!(count(&Db::open(database).await.unwrap()).await, 500);
}

async fn a_read_sees_one_state(database: &Database) {
    let db = Db::open(database).await.unwrap();
    let before = count(&db).await;
    let (seen, wait_seen) = mpsc::channel();
    let (written, wait_written) = mpsc::channel();
    let reading = tokio::spawn({
        let db = db.clone();
        async move {
            db.read(move |c| {
                let count = |c: &Connection| c.find::<i64>("SELECT count(*) FROM changes", ());
                let first = count(c)?;
                seen.send(()).unwrap();
                wait_written.recv().unwrap();
                Ok((first, count(c)?))
            })
            .await
        }
    });
    tokio::task::spawn_blocking(move || wait_seen.recv().unwrap()).await.unwrap();
    db.write(|c| c.execute(CHANGE, params![9_000u32, "1"])).await.unwrap();
    written.send(()).unwrap();
    assert_eq!(reading.await.unwrap().unwrap(), (Some(before), Some(before)));
    assert_eq!(count(&db).await, before + 1);
    // No reader writes.
    db.read(|c| c.execute(CHANGE, params![9_001u32, "1"])).await.unwrap_err();
}

async fn values_come_back_as_they_went(database: &Database) {
    let db = Db::open(database).await.unwrap();
    let names = ["", "Z", "a", "aa", "it's \"so\" ?1 $1 \\", "z", "Ä", "ä", "水", "\u{10ffff}"];
    let seen = db.write(move |c| {
        c.execute("DELETE FROM datanets", ())?;
        let insert =
            "INSERT INTO datanets (id, record, name, domain, licence, owner, status, access, price, updated_block)
            VALUES (?1, ?2, ?3, 'd', 'l', ?4, 's', 'a', ?5, ?1)";
        for (id, name) in (0u32..).zip(names.iter().rev()) {
            let price = crate::index::codes::amount_text(u128::from(id) * 10u128.pow(30));
            c.execute(insert, params![id, vec![id as u8; id as usize * 1_000], name, [id as u8; 32], price])?;
        }
        c.execute(
            "INSERT INTO blocks (number, hash, time_ms, events) VALUES (?, ?, ?, ?)",
            params![u32::MAX, [7u8; 32], None::<i64>, i64::MAX as u64],
        )?;
        c.execute(
            "INSERT INTO blocks (number, hash, time_ms, events) VALUES (-1, ?, ?, 0)",
            params![[0u8; 0], i64::MIN],
        )?;
        let rows = c.rows("SELECT * FROM datanets ORDER BY name", ())?;
        rows.iter().map(|row| row.get::<_, String>("name")).collect::<Result<Vec<_>, _>>()
    });
    // By bytes, in both.
    assert_eq!(seen.await.unwrap(), names);
    let read = db.read(|c| {
        let row = c.row("SELECT * FROM datanets WHERE id = ?", [3u32])?.unwrap();
        assert_eq!(row.get::<_, Vec<u8>>("record")?, vec![3; 3_000]);
        assert_eq!(row.get::<_, [u8; 32]>("owner")?, [3; 32]);
        assert_eq!(row.get::<_, String>("price")?, "000000003000000000000000000000000000000");
        let dearer = "SELECT count(*) FROM datanets WHERE (price, id) > (?, ?)";
        let price = crate::index::codes::amount_text(8 * 10u128.pow(30));
        assert_eq!(c.find::<u64>(dearer, params![price, 8u32])?, Some(1));
        let row = c.row("SELECT * FROM blocks WHERE number = ?", [u32::MAX])?.unwrap();
        assert_eq!((row.get::<_, Option<i64>>("time_ms")?, row.get::<_, u64>("events")?), (None, i64::MAX as u64));
        let row = c.row("SELECT * FROM blocks WHERE number = ?", [-1i64])?.unwrap();
        assert_eq!((row.get::<_, Vec<u8>>("hash")?, row.get::<_, i64>("time_ms")?), (Vec::new(), i64::MIN));
        assert_eq!(c.find::<u64>("SELECT number FROM blocks WHERE number = ?", [12u32])?, None);
        assert!(c.rows("SELECT number FROM blocks WHERE number = ?", [u64::MAX]).is_err());
        // No text holds a zero byte, and no question fails by one.
        assert_eq!(c.find::<u64>("SELECT id FROM datanets WHERE name = ?", ["a\0"])?, None);
        assert_eq!(c.find::<Option<u64>>("SELECT max(id) FROM datanets WHERE id < 0", ())?, Some(None));
        Ok(())
    });
    read.await.unwrap();
    for (column, found) in [("name", "text"), ("record", "bytes"), ("nothing", "without a column nothing")] {
        let damaged = db.read(move |c| c.row("SELECT * FROM datanets", ())?.unwrap().get::<_, u32>(column));
        let error = damaged.await.unwrap_err();
        assert!(matches!(error, DbError::Damaged { .. }) && error.to_string().contains(found), "{error}");
    }
}

async fn words_are_found(database: &Database) {
    use crate::index::{reader::Reader, words};
    let db = Db::open(database).await.unwrap();
    let found = db.write(|c| {
        c.execute("INSERT INTO blocks (number, hash, time_ms, events) VALUES (1, ?, NULL, 0)", [[1u8; 32]])?;
        words::put(c, "datanet", "0", "Harbour questions", "Who answers when a ship calls")?;
        words::put(c, "datanet", "1", "Village talk", "What the harbour says of the Été")?;
        words::put(c, "model", "0", "tiny on Harbour questions", "pilots")?;
        words::put(c, "account", "5x", "Trainer", "harbour")?;
        words::put(c, "datanet", "1", "Village talk", "What the harbours say of the Été")?;
        let reader = Reader::new(c)?;
        let mut all = Vec::new();
        for question in ["harb", "HARBOUR quest", "ete", "' OR 1 = 1 --", "pilot harbour", "says", "say"] {
            let found = words::find(&reader, question, 20)?;
            let hit = |row: &Row| Ok(format!("{} {}", row.get::<_, String>("kind")?, row.get::<_, String>("id")?));
            all.push(found.iter().map(hit).collect::<Result<Vec<_>, WorkError>>()?.join(", "));
        }
        Ok(all)
    });
    let expected = ["model 0, datanet 0, datanet 1", "model 0, datanet 0", "datanet 1", "", "model 0", "", "datanet 1"];
    assert_eq!(found.await.unwrap(), expected);
}

#[tokio::test]
async fn sqlite_keeps_what_it_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::in_folder(folder.path());
    a_failed_write_leaves_nothing(&database).await;
    a_read_sees_one_state(&database).await;
    values_come_back_as_they_went(&database).await;
    words_are_found(&database).await;
    Db::remove(&database).await.unwrap();
    assert_eq!(count(&Db::open(&database).await.unwrap()).await, 0);
}

#[tokio::test]
async fn a_file_of_a_later_version_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::in_folder(folder.path());
    let file = rusqlite::Connection::open(folder.path().join("index.sqlite")).unwrap();
    file.pragma_update(None, "user_version", 99).unwrap();
    drop(file);
    assert!(matches!(Db::open(&database).await, Err(DbError::TooNew { found: 99, .. })));
    Db::remove(&database).await.unwrap();
    Db::open(&database).await.unwrap();
}

#[tokio::test]
async fn words_of_an_older_file_are_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let file = rusqlite::Connection::open(folder.path().join("index.sqlite")).unwrap();
    file.execute_batch(include_str!("../../migrations/sqlite/0001_chain.sql")).unwrap();
    file.execute_batch(include_str!("../../migrations/sqlite/0002_leaves.sql")).unwrap();
    let insert =
        "INSERT INTO documents (kind, id, title, body) VALUES ('model', '4', 'tiny on Harbour questions', 'b')";
    file.execute_batch(insert).unwrap();
    file.pragma_update(None, "user_version", 2).unwrap();
    drop(file);
    let index = crate::Index::open(&Database::in_folder(folder.path())).await.unwrap();
    let read = index.db().read(|c| c.rows("SELECT word FROM words WHERE document = 1 ORDER BY word", ()));
    let words: Vec<String> = read.await.unwrap().iter().map(|row| row.get(0).unwrap()).collect();
    assert_eq!(words, ["b", "harbour", "on", "questions", "tiny"]);
}

/// One test for all: each server takes seconds to make.
#[tokio::test]
async fn postgres_keeps_what_it_is_given() {
    let Some(mut cluster) = Cluster::start() else {
        println!("skipped: PostgreSQL is not installed");
        return;
    };
    cluster.create("kept");
    let database: Database = cluster.url("kept").parse().unwrap();
    a_failed_write_leaves_nothing(&database).await;
    a_read_sees_one_state(&database).await;
    values_come_back_as_they_went(&database).await;
    words_are_found(&database).await;
    one_writes_and_a_lost_server_is_found_again(&database, &mut cluster).await;
    a_fault_that_nobody_heeds_is_one_at_the_end(&database).await;
    removed_and_of_a_later_version(&database, &cluster).await;
    those_who_may_not_are_told_why(&cluster).await;
    the_way_is_encrypted_if_asked_for(&cluster).await;
}

async fn one_writes_and_a_lost_server_is_found_again(database: &Database, cluster: &mut Cluster) {
    let db = Db::open(database).await.unwrap();
    let before = count(&db).await;
    assert!(matches!(Db::open(database).await, Err(DbError::InUse { .. })));
    assert!(matches!(Db::remove(database).await, Err(DbError::InUse { .. })));
    cluster.ask("kept", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name <> 'psql'");
    let lost = db.write(|c| c.execute(CHANGE, params![8_000u32, "1"])).await.unwrap_err();
    assert!(lost.passes(), "{lost}");
    db.write(|c| c.execute(CHANGE, params![8_000u32, "1"])).await.unwrap();
    let lost = db.read(|c| c.find::<i64>("SELECT count(*) FROM changes", ())).await.unwrap_err();
    assert!(lost.passes(), "{lost}");
    assert_eq!(count(&db).await, before + 1);
    cluster.stop();
    for _ in 0..2 {
        let lost = db.read(|c| c.find::<i64>("SELECT count(*) FROM changes", ())).await.unwrap_err();
        assert!(lost.passes(), "{lost}");
    }
    cluster.run();
    // A server that was cut off may have forgotten the newest writes, never a part of one.
    let kept = count(&db).await;
    assert!((before..=before + 1).contains(&kept), "{kept}");
    let lost = db.write(|c| c.execute(CHANGE, params![8_001u32, "1"])).await;
    assert!(lost.is_err_and(|error| error.passes()));
    db.write(|c| c.execute(CHANGE, params![8_001u32, "1"])).await.unwrap();
    assert_eq!(count(&db).await, kept + 1);
}

/// PostgreSQL ends a transaction in nothing after a fault, and does not call that one at its end.
async fn a_fault_that_nobody_heeds_is_one_at_the_end(database: &Database) {
    let db = Db::open(database).await.unwrap();
    let before = count(&db).await;
    let unheeded = db.write(|c| {
        c.execute(CHANGE, params![8_100u32, "1"])?;
        let fault = c.rows("SELECT * FROM blocks WHERE number = ? AND nothing = 1", [1u32]);
        assert!(fault.is_err());
        Ok(())
    });
    assert!(matches!(unheeded.await, Err(DbError::Failed { .. })));
    assert_eq!(count(&db).await, before);
}

async fn removed_and_of_a_later_version(database: &Database, cluster: &Cluster) {
    cluster.ask("kept", "CREATE TABLE public.other (id int)");
    cluster.ask("kept", "INSERT INTO tributary.migrations VALUES (99)");
    assert!(matches!(Db::open(database).await, Err(DbError::TooNew { found: 99, .. })));
    Db::remove(database).await.unwrap();
    assert_eq!(count(&Db::open(database).await.unwrap()).await, 0);
    assert_eq!(cluster.ask("kept", "SELECT count(*) FROM public.other").trim(), "0");
}

async fn those_who_may_not_are_told_why(cluster: &Cluster) {
    let open = |url: String| async move {
        let error = Db::open(&url.parse().unwrap()).await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(!text.contains("ss: w") && !text.contains("wrong"), "{text}");
        error
    };
    Db::open(&cluster.network_url("kept", PASSWORD).parse().unwrap()).await.unwrap();
    let refused = |error: DbError, word: &str| {
        assert!(matches!(&error, DbError::Refused { .. }) && error.to_string().contains(word), "{error}");
    };
    refused(open(cluster.network_url("kept", "wrong")).await, "password");
    refused(open(cluster.network_url("kept", "").replace(":@", "@")).await, "password");
    refused(open(cluster.url("missing")).await, "createdb");
    cluster.ask("postgres", "CREATE DATABASE foreign_one");
    refused(open(cluster.url("foreign_one")).await, "GRANT CREATE");
    cluster.ask("postgres", "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0 OWNER tributary");
    let latin = open(cluster.url("latin")).await;
    assert!(latin.to_string().contains("LATIN1"), "{latin}");
}

async fn the_way_is_encrypted_if_asked_for(cluster: &Cluster) {
    let url = |more: &str| format!("{}?{more}", cluster.network_url("kept", PASSWORD));
    let open = |url: String| async move { Db::open(&url.parse().unwrap()).await };
    let none = open(url("sslmode=require")).await.unwrap_err();
    assert!(none.to_string().contains("has no TLS"), "{none}");
    let Some(certificate) = cluster.certify() else {
        println!("TLS skipped: openssl is not installed");
        return;
    };
    let encrypted = open(url("sslmode=require")).await.unwrap();
    let is_on =
        "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE ssl AND usename = 'tributary'";
    assert_ne!(cluster.ask("kept", is_on).trim(), "0");
    assert_eq!(count(&encrypted).await, 0);
    drop(encrypted);
    let trusted = url(&format!("sslmode=verify-full&sslrootcert={}", certificate.display()));
    assert_eq!(count(&open(trusted.clone()).await.unwrap()).await, 0);
    for unknown in [url("sslmode=verify-full"), trusted.replace("localhost", "127.0.0.1")] {
        let error = open(unknown).await.unwrap_err();
        assert!(matches!(&error, DbError::Refused { .. }), "{error}");
    }
}

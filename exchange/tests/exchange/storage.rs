//! The store: imports, partial blobs, kills, full disks.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tributary_exchange::{
    BlobHash, FetchError, GroupRange, PartialWriter, ReceiveError, SizeProof, Store, StoreError, WriteTarget,
};

use crate::{chain::Chain, support::*};

fn open(folder: &Path) -> Store {
    Store::open(folder, QUOTA).unwrap()
}

/// A source of encodings: a store with one blob.
struct Source {
    _folder: tempfile::TempDir,
    store: Store,
    blob: BlobHash,
    bytes: Vec<u8>,
}

impl Source {
    fn new(size: u64, seed: u8) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        let bytes = sample(size, seed);
        let blob = store.import_bytes(&bytes).unwrap().hash;
        Self { _folder: folder, store, blob, bytes }
    }

    fn encode(&self, start: u32, end: u32) -> Vec<u8> {
        let mut out = Vec::new();
        let range = GroupRange { start, end };
        self.store.get(&self.blob).unwrap().encode(&[range], &mut out).unwrap();
        out
    }

    fn proof(&self) -> SizeProof {
        let size = self.bytes.len() as u64;
        let range = SizeProof::range(size);
        SizeProof::verify(self.blob, size, self.encode(range.start, range.end).as_slice()).unwrap()
    }

    /// A writer in `store`, which has nothing of the blob yet.
    fn begin(&self, store: &Store) -> Result<PartialWriter, StoreError> {
        match store.resume(self.blob)? {
            WriteTarget::Fresh(turn) => turn.begin(self.proof()),
            WriteTarget::Partial(_) => panic!("begun before"),
        }
    }

    /// The writer of what `store` has of the blob.
    fn resume(&self, store: &Store) -> PartialWriter {
        match store.resume(self.blob).unwrap() {
            WriteTarget::Fresh(_) => panic!("not begun"),
            WriteTarget::Partial(writer) => writer,
        }
    }

    fn give(&self, writer: &mut PartialWriter, start: u32, end: u32) {
        let encoded = self.encode(start, end);
        writer.receive(&[GroupRange { start, end }], encoded.as_slice(), |_| ()).unwrap();
    }
}

#[test]
fn imports_read_back_and_count_against_the_quota() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let file = folder.path().join("source");
    for size in [0, 1, GROUP, 7 * GROUP + 1] {
        let bytes = sample(size, 1);
        fs::write(&file, &bytes).unwrap();
        let info = store.import_file(&file).unwrap();
        assert_eq!(info.hash, *blake3::hash(&bytes).as_bytes());
        assert_eq!(info.bytes, size);
        assert_eq!(store.import_bytes(&bytes).unwrap(), info);
        assert_eq!(store.read(&info.hash).unwrap(), bytes);
        assert_eq!(fs::read(store.get(&info.hash).unwrap().path()).unwrap(), bytes);
    }
    let used = 1 + GROUP + 7 * GROUP + 1 + 7 * 64;
    assert_eq!(store.used_bytes(), used);
    assert_eq!(store.list().unwrap().len(), 4);
    drop(store);
    let store = open(folder.path());
    assert_eq!(store.used_bytes(), used);
    for info in store.list().unwrap() {
        assert!(store.remove(&info.hash).unwrap());
        assert!(!store.remove(&info.hash).unwrap());
        assert!(matches!(store.get(&info.hash), Err(StoreError::NotFound { .. })));
    }
    assert_eq!(store.used_bytes(), 0);
    assert_eq!(fs::read_dir(folder.path().join("blobs")).unwrap().count(), 0);
}

#[test]
fn one_process_and_one_writer_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    assert!(matches!(Store::open(folder.path(), QUOTA), Err(StoreError::InUse { .. })));
    let source = Source::new(4 * GROUP, 1);
    let writer = source.begin(&store).unwrap();
    assert!(matches!(store.resume(source.blob), Err(StoreError::Busy { .. })));
    assert!(matches!(store.remove(&source.blob), Err(StoreError::Busy { .. })));
    drop(writer);
    source.resume(&store);
    let fresh = store.resume([0; 32]).unwrap();
    assert!(matches!(fresh, WriteTarget::Fresh(_)));
    assert!(matches!(store.resume([0; 32]), Err(StoreError::Busy { .. })));
}

#[test]
fn only_verified_groups_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let source = Source::new(16 * GROUP + 9, 2);
    let mut writer = source.begin(&store).unwrap();
    assert_eq!(writer.verified_bytes(), 9);
    let mut encoded = source.encode(0, 8);
    let middle = encoded.len() - 3 * GROUP as usize;
    encoded[middle] ^= 1;
    let ranges = [GroupRange { start: 0, end: 8 }];
    let error = writer.receive(&ranges, encoded.as_slice(), |_| ()).unwrap_err();
    assert!(matches!(error, ReceiveError::WrongBytes { .. }), "{error}");
    let kept = writer.have().count();
    assert!((2..8).contains(&kept), "{kept}");
    let error = writer.receive(&ranges, &source.encode(0, 8)[..5], |_| ()).unwrap_err();
    assert!(matches!(error, ReceiveError::Truncated), "{error}");

    let StoreError::Incomplete { missing, .. } = writer.finish().unwrap_err() else { panic!() };
    assert_eq!(missing, 17 - kept);
    let mut writer = source.resume(&store);
    assert_eq!(writer.have().count(), kept);
    source.give(&mut writer, 0, 16);
    writer.finish().unwrap();
    assert_eq!(store.read(&source.blob).unwrap(), source.bytes);
    assert!(matches!(store.resume(source.blob), Err(StoreError::AlreadyComplete { .. })));
}

#[test]
fn import_completes_a_partial_blob() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let source = Source::new(6 * GROUP, 3);
    let mut writer = source.begin(&store).unwrap();
    source.give(&mut writer, 0, 2);
    let used = store.used_bytes();
    store.import_bytes(&source.bytes).unwrap();
    assert_eq!(store.used_bytes(), used);
    source.give(&mut writer, 2, 5);
    writer.finish().unwrap();
    assert_eq!(store.used_bytes(), used);
    assert_eq!(store.read(&source.blob).unwrap(), source.bytes);
}

#[test]
fn damage_on_disk_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let blob = store.import_bytes(&sample(9 * GROUP, 4)).unwrap().hash;
    let path: PathBuf = store.get(&blob).unwrap().path().into();
    let mut bytes = fs::read(&path).unwrap();
    bytes[4 * GROUP as usize] ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(store.read(&blob), Err(StoreError::Damaged { .. })));
    let mut out = Vec::new();
    let all = [GroupRange { start: 0, end: 9 }];
    assert!(store.get(&blob).unwrap().encode(&all, &mut out).is_err());
    assert!(out.len() < 5 * GROUP as usize, "nothing after the damage is sent");
    fs::write(&path, &bytes[1..]).unwrap();
    assert!(matches!(store.get(&blob), Err(StoreError::Damaged { .. })));
}

#[test]
fn quota_refuses_and_leaves_no_trace() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), 10 * GROUP).unwrap();
    let small = store.import_bytes(&sample(4 * GROUP, 1)).unwrap();
    let used = store.used_bytes();
    let source = Source::new(7 * GROUP, 2);
    let error = store.import_bytes(&source.bytes).unwrap_err();
    assert!(matches!(error, StoreError::QuotaExceeded { needed, .. } if needed == 7 * GROUP + 6 * 64), "{error}");
    let error = source.begin(&store).err().unwrap();
    assert!(matches!(error, StoreError::QuotaExceeded { .. }), "{error}");
    assert_eq!(store.used_bytes(), used);
    assert_eq!(fs::read_dir(folder.path().join("tmp")).unwrap().count(), 0);
    assert!(store.remove(&small.hash).unwrap());
    store.import_bytes(&source.bytes).unwrap();
}

#[test]
fn a_name_whose_files_are_gone_is_dropped_and_its_blob_can_come_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let blob = store.import_bytes(&sample(3 * GROUP, 1)).unwrap().hash;
    // As a kill leaves it in the middle of a removal on a full disk.
    fs::remove_file(store.get(&blob).unwrap().path()).unwrap();
    assert!(matches!(store.get(&blob), Err(StoreError::Damaged { .. })));
    drop(store);
    let store = open(folder.path());
    assert!(matches!(store.get(&blob), Err(StoreError::NotFound { .. })));
    assert_eq!(store.used_bytes(), 0);
    assert_eq!(fs::read_dir(folder.path().join("blobs")).unwrap().count(), 0);
    assert_eq!(store.import_bytes(&sample(3 * GROUP, 1)).unwrap().hash, blob);
    assert_eq!(store.read(&blob).unwrap(), sample(3 * GROUP, 1));
}

/// Copies a store as it is now: what a kill at this moment would leave.
fn snapshot(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir_all(&target).unwrap();
            snapshot(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn groups_beyond_the_last_checkpoint_survive_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let after = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let source = Source::new(600 * GROUP + 5, 5);
    let mut writer = source.begin(&store).unwrap();
    source.give(&mut writer, 3, 40);
    source.give(&mut writer, 200, 213);
    fs::write(folder.path().join("tmp/half.data"), b"half an import").unwrap();
    fs::write(folder.path().join("blobs/unnamed.data"), b"renamed, not recorded").unwrap();
    snapshot(folder.path(), after.path());

    let store = open(after.path());
    assert_eq!(fs::read_dir(after.path().join("tmp")).unwrap().count(), 0);
    assert!(!after.path().join("blobs/unnamed.data").exists());
    let mut writer = source.resume(&store);
    assert_eq!(writer.have().count(), 37 + 13 + 1);
    assert!(writer.have().contains(3) && writer.have().contains(212) && !writer.have().contains(40));
    source.give(&mut writer, 0, 600);
    writer.finish().unwrap();
    assert_eq!(store.read(&source.blob).unwrap(), source.bytes);
}

const KILL_FOLDER: &str = "TRIBUTARY_EXCHANGE_KILL_FOLDER";

/// Not a test by itself: the process that the next test kills.
#[test]
fn writes_until_killed() {
    let Ok(folder) = std::env::var(KILL_FOLDER) else { return };
    let store = open(Path::new(&folder));
    let kept = store.import_bytes(&sample(3 * GROUP, 7)).unwrap();
    assert_eq!(kept.bytes, 3 * GROUP);
    let source = Source::new(1000 * GROUP, 6);
    let mut writer = source.begin(&store).unwrap();
    for group in 0..999 {
        source.give(&mut writer, group, group + 1);
        println!("\nverified {}", group + 1);
        std::io::stdout().flush().unwrap();
    }
    std::thread::sleep(std::time::Duration::from_secs(600));
}

#[test]
fn store_survives_kill_9() {
    let source = Source::new(1000 * GROUP, 6);
    for kill_at in [1, 300, 700] {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "storage::writes_until_killed", "--nocapture"])
            .env(KILL_FOLDER, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let verified = format!("verified {kill_at}");
        lines.find(|line| line.as_ref().unwrap() == &verified).unwrap().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();

        let store = open(folder.path());
        assert_eq!(store.read(blake3::hash(&sample(3 * GROUP, 7)).as_bytes()).unwrap(), sample(3 * GROUP, 7));
        let mut writer = source.resume(&store);
        // What it had verified, and the last group, which proved the size.
        assert!(writer.have().count() > kill_at, "{} after {kill_at}", writer.have().count());
        source.give(&mut writer, 0, 1000);
        writer.finish().unwrap();
        assert_eq!(store.read(&source.blob).unwrap(), source.bytes);
    }
}

/// A file system of a few megabytes; `None` where the test may not mount one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new(megabytes: u32) -> Option<Self> {
        let disk = Self(tempfile::tempdir().unwrap());
        disk.mount(&format!("size={megabytes}m")).then_some(disk)
    }

    fn mount(&self, options: &str) -> bool {
        Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(self.0.path())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn full_disk_is_said_clearly_and_loses_nothing() {
    let Some(disk) = SmallDisk::new(12) else {
        println!("skipped: no right to mount a file system");
        return;
    };
    let store = open(&disk.0.path().join("store"));
    let small = sample(10 * GROUP, 1);
    let kept = store.import_bytes(&small).unwrap().hash;

    let source = tempfile::NamedTempFile::new().unwrap();
    fs::write(source.path(), sample(1000 * GROUP, 2)).unwrap();
    let error = store.import_file(source.path()).unwrap_err();
    assert!(matches!(error, StoreError::DiskFull { .. }), "{error}");
    assert_eq!(store.read(&kept).unwrap(), small);
    assert_eq!(fs::read_dir(disk.0.path().join("store/tmp")).unwrap().count(), 0);

    let chain = Chain::new();
    let bytes = sample(1000 * GROUP, 3);
    let (provider, blob) = provider_of(&chain, Transport::Tcp, &bytes).await;
    let node = reader_with(store.clone(), |_| ()).await;
    let error = node.fetch(&provider.addresses(), request(blob), |_| ()).await.unwrap_err();
    assert!(matches!(error, FetchError::Store(StoreError::DiskFull { .. })), "{error}");
    assert!(error.to_string().contains("hint: "), "{error}");

    // The store goes on: what it had is there, and the fetch resumes once there is room.
    assert_eq!(store.read(&kept).unwrap(), small);
    assert!(disk.mount("remount,size=64m"));
    let fetched = node.fetch(&provider.addresses(), request(blob), |_| ()).await.unwrap();
    assert!(fetched.resumed > 100 * GROUP, "{}", fetched.resumed);
    assert_eq!(store.read(&blob).unwrap(), bytes);
}

/// Takes every byte that a file can still have on the disk of `folder`.
fn fill(folder: &Path) -> PathBuf {
    let path = folder.join("filler");
    let mut file = fs::File::create(&path).unwrap();
    let error = std::io::copy(&mut std::io::repeat(7).take(1 << 30), &mut file).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull, "{error}");
    path
}

#[test]
fn a_disk_without_a_byte_left_is_named_by_whatever_writes_and_nothing_is_lost() {
    let Some(disk) = SmallDisk::new(8) else {
        println!("skipped: no right to mount a file system");
        return;
    };
    let folder = disk.0.path().join("store");
    let store = open(&folder);
    let kept = store.import_bytes(&sample(3 * GROUP, 1)).unwrap().hash;
    let source = Source::new(20 * GROUP, 2);
    let mut writer = source.begin(&store).unwrap();
    source.give(&mut writer, 0, 5);
    let used = store.used_bytes();

    let filler = fill(disk.0.path());
    let full = |error: StoreError| {
        assert!(matches!(&error, StoreError::DiskFull { path } if path.starts_with(&folder)), "{error}");
        assert!(error.to_string().starts_with("the disk is full at "), "{error}");
        assert!(error.to_string().contains("hint: "), "{error}");
    };
    full(store.import_bytes(b"one line\n").unwrap_err());
    full(store.import_bytes(&sample(2 * GROUP, 3)).unwrap_err());
    full(Source::new(4 * GROUP, 4).begin(&store).err().unwrap());
    let ranges = [GroupRange { start: 5, end: 20 }];
    match writer.receive(&ranges, source.encode(5, 20).as_slice(), |_| ()).unwrap_err() {
        ReceiveError::Store(error) => full(error),
        other => panic!("{other}"),
    }
    drop(writer);

    // Reading needs no room, and nothing is booked for what was refused.
    assert_eq!(store.read(&kept).unwrap(), sample(3 * GROUP, 1));
    assert_eq!(store.used_bytes(), used);
    assert_eq!(fs::read_dir(folder.join("tmp")).unwrap().count(), 0);

    // With room again, the same store goes on where it was.
    fs::remove_file(filler).unwrap();
    let mut writer = source.resume(&store);
    assert!(writer.have().count() >= 6, "{}", writer.have().count());
    source.give(&mut writer, 0, 20);
    writer.finish().unwrap();
    assert_eq!(store.read(&source.blob).unwrap(), source.bytes);
    drop(store);
    assert_eq!(open(&folder).list().unwrap().len(), 2);
}

#[test]
fn blobs_can_be_removed_from_a_full_disk() {
    let Some(disk) = SmallDisk::new(8) else {
        println!("skipped: no right to mount a file system");
        return;
    };
    let store = open(&disk.0.path().join("store"));
    let [first, second] = [1, 2].map(|seed| store.import_bytes(&sample(20 * GROUP, seed)).unwrap().hash);
    let used = store.used_bytes();
    fill(disk.0.path());
    assert!(store.remove(&first).unwrap());
    assert!(matches!(store.get(&first), Err(StoreError::NotFound { .. })));
    assert_eq!(store.used_bytes(), used / 2);
    // And there is room for another.
    let third = store.import_bytes(&sample(10 * GROUP, 3)).unwrap().hash;
    for (blob, bytes) in [(second, sample(20 * GROUP, 2)), (third, sample(10 * GROUP, 3))] {
        assert_eq!(store.read(&blob).unwrap(), bytes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fetch_over_the_quota_is_refused_before_it_starts() {
    let chain = Chain::new();
    let (provider, blob) = provider_of(&chain, Transport::Tcp, &sample(20 * GROUP, 3)).await;
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), 10 * GROUP).unwrap();
    let node = reader_with(store, |_| ()).await;
    let error = node.fetch(&provider.addresses(), request(blob), |_| ()).await.unwrap_err();
    assert!(matches!(error, FetchError::Store(StoreError::QuotaExceeded { .. })), "{error}");
    assert_eq!(node.store().used_bytes(), 0);
    // One group was looked at for the size; the rest never travelled.
    assert_eq!(provider.node.provider_stats().unwrap().frames, 1);
}

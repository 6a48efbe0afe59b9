//! How files reach a data provider's store, whether it is running or not.
//!
//! A store is open in one process at a time. So files are laid into `STORE/inbox`, named by their hash, and whoever has
//! the store open takes them in: the provider, at its start and while it runs.

use anyhow::{Context as _, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tributary_exchange::{BlobInfo, Store};
use tributary_protocol::ContentHash;

fn folder(store: &Path) -> PathBuf {
    store.join("inbox")
}

/// Lays `content` into the inbox of a store's folder. Complete or not there at all, whenever the process is killed.
pub fn put(store: &Path, content: &[u8]) -> anyhow::Result<ContentHash> {
    let hash = ContentHash::of(content);
    let inbox = folder(store);
    let path = inbox.join(hash.to_string());
    let half = inbox.join(format!(".{hash}.{}", std::process::id()));
    let write = || -> std::io::Result<()> {
        fs::create_dir_all(&inbox)?;
        let mut file = fs::File::create(&half)?;
        std::io::Write::write_all(&mut file, content)?;
        file.sync_all()?;
        fs::rename(&half, &path)
    };
    write().with_context(|| format!("cannot write {}", path.display())).inspect_err(|_| {
        // A half-written file takes room on a disk that may be full; that it cannot be removed changes nothing.
        let _ = fs::remove_file(&half);
    })?;
    Ok(hash)
}

/// Takes everything in the inbox into the store. What cannot be taken in stays.
pub fn take_in(folder_of_store: &Path, store: &Store) -> anyhow::Result<Vec<BlobInfo>> {
    let inbox = folder(folder_of_store);
    let entries = match fs::read_dir(&inbox) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", inbox.display())),
    };
    let mut taken = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("cannot read {}", inbox.display()))?.path();
        // Half-written files have names that are no hashes.
        let Some(hash) = path.file_name().and_then(|name| name.to_str()?.parse::<ContentHash>().ok()) else { continue };
        let info = store.import_file(&path)?;
        ensure!(info.hash == hash.0, "{} is not what its name says; hint: remove it", path.display());
        fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        taken.push(info);
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_laid_in_is_taken_in_once() {
        let folder = tempfile::tempdir().unwrap();
        let hash = put(folder.path(), b"sample\n").unwrap();
        put(folder.path(), b"sample\n").unwrap();
        fs::write(folder.path().join("inbox/.half"), b"sam").unwrap();
        let store = Store::open(folder.path(), 1 << 20).unwrap();
        let taken = take_in(folder.path(), &store).unwrap();
        assert_eq!(taken, [BlobInfo { hash: hash.0, bytes: 7 }]);
        assert_eq!(store.read(&hash.0).unwrap(), b"sample\n");
        assert!(take_in(folder.path(), &store).unwrap().is_empty());
    }

    #[test]
    fn a_file_that_does_not_fit_stays() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), &[1; 4_096]).unwrap();
        let store = Store::open(folder.path(), 1_024).unwrap();
        assert!(take_in(folder.path(), &store).is_err());
        assert_eq!(fs::read_dir(folder.path().join("inbox")).unwrap().count(), 1);
    }

    #[test]
    fn a_file_with_a_false_name_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), b"true").unwrap();
        let name = ContentHash([7; 32]).to_string();
        fs::write(folder.path().join("inbox").join(name), b"false").unwrap();
        let store = Store::open(folder.path(), 1 << 20).unwrap();
        assert!(take_in(folder.path(), &store).is_err());
    }
}

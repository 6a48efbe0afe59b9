//! The node's own key: what its peer id is made of. It names a machine, not an account.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use libp2p::identity::Keypair;
use zeroize::Zeroizing;

/// Why a node key could not be loaded or made.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file could not be read or written.
    #[error("node key {path} cannot be read or written: {source}", path = path.display())]
    Io {
        /// The key file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Others than the owner can read the file.
    #[error("node key {path} is open to others (mode {mode:o}); hint: chmod 600 {path}", path = path.display())]
    OpenToOthers {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file holds something else.
    #[error("{path} is not a node key; hint: move it away, and a new key is made", path = path.display())]
    NotAKey {
        /// The key file.
        path: PathBuf,
    },
}

/// Loads the Ed25519 node key at `path`, or makes one there, readable by its owner only.
///
/// # Errors
/// [`IdentityError::OpenToOthers`] when group or others have any right on an existing file.
pub fn load_or_create(path: &Path) -> Result<Keypair, IdentityError> {
    match fs::metadata(path) {
        Ok(metadata) => {
            let mode = metadata.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                return Err(IdentityError::OpenToOthers { path: path.into(), mode });
            }
            load(path)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(path),
        Err(source) => Err(IdentityError::Io { path: path.into(), source }),
    }
}

fn load(path: &Path) -> Result<Keypair, IdentityError> {
    let bytes = fs::read(path).map_err(|source| IdentityError::Io { path: path.into(), source })?;
    Keypair::from_protobuf_encoding(&Zeroizing::new(bytes)).map_err(|_| IdentityError::NotAKey { path: path.into() })
}

fn create(path: &Path) -> Result<Keypair, IdentityError> {
    let key = Keypair::generate_ed25519();
    let bytes = Zeroizing::new(key.to_protobuf_encoding().expect("an Ed25519 key has an encoding"));
    let write = || -> io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        // Through a neighbour: a crash here leaves no half-written key under the final name.
        let half = path.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&half)?;
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&half, path)
    };
    write().map_err(|source| IdentityError::Io { path: path.into(), source })?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_is_made_once_and_kept_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys/node");
        let made = load_or_create(&path).unwrap().public();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(load_or_create(&path).unwrap().public(), made);
    }

    #[test]
    fn key_open_to_others_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node");
        load_or_create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = load_or_create(&path).unwrap_err();
        assert!(matches!(error, IdentityError::OpenToOthers { mode: 0o640, .. }), "{error}");
    }

    #[test]
    fn file_that_is_no_key_is_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node");
        fs::write(&path, b"something else").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(load_or_create(&path), Err(IdentityError::NotAKey { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"something else");
    }
}

//! Account keys: read from a file or an environment variable, never from the command line, where every process sees them.

use crate::account::Account;
use std::{env, fmt, fs, io, os::unix::fs::PermissionsExt, path::PathBuf, str::FromStr};
use subxt_signer::{DEV_PHRASE, ExposeSecret, SecretUri, sr25519};
use zeroize::Zeroizing;

/// Longest secret file, in bytes: a 24-word phrase with a long derivation path fits many times.
const SECRET_BYTES_MAX: u64 = 4_096;

/// Where a secret comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// A file whose only line is the secret.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Environment(name) => write!(f, "environment variable {name}"),
        }
    }
}

/// Why there is no key. Never shows the secret.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read.
    #[error("{from} cannot be read: {source}\nhint: write the secret phrase into it and set its mode to 0600")]
    Unreadable {
        /// Where the secret should be.
        from: KeySource,
        /// What the system says.
        source: io::Error,
    },
    /// The variable is not set, or is no UTF-8.
    #[error("{from} is not set\nhint: export the secret phrase in it, or name a key file")]
    NotSet {
        /// Where the secret should be.
        from: KeySource,
    },
    /// The file is no key file.
    #[error("{from} is larger than any secret ({SECRET_BYTES_MAX} bytes)")]
    TooLarge {
        /// Where the secret should be.
        from: KeySource,
    },
    /// The text is no secret.
    #[error(
        "{from} holds no secret: {reason}\nhint: 12 to 24 words or 0x and 64 hexadecimal digits, then an optional //path"
    )]
    NotASecret {
        /// Where the secret should be.
        from: KeySource,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// An sr25519 account key. Wiped from memory when dropped; `Debug` shows the account only.
#[derive(Clone)]
pub struct Keypair {
    pair: sr25519::Keypair,
    development: bool,
}

impl Keypair {
    /// Reads a secret URI (a phrase or `0x` seed, with an optional derivation path and password) from `source`.
    /// Logs a warning if others may read the file.
    pub fn load(source: &KeySource) -> Result<Self, KeyError> {
        let secret = match source {
            KeySource::Environment(name) => {
                Zeroizing::new(env::var(name).map_err(|_| KeyError::NotSet { from: source.clone() })?)
            }
            KeySource::File(path) => {
                let unreadable = |error| KeyError::Unreadable { from: source.clone(), source: error };
                let facts = fs::metadata(path).map_err(unreadable)?;
                if facts.len() > SECRET_BYTES_MAX {
                    return Err(KeyError::TooLarge { from: source.clone() });
                }
                let mode = facts.permissions().mode() & 0o777;
                if mode & 0o077 != 0 {
                    tracing::warn!(
                        "key file {} may be read by others (mode {mode:04o}); hint: chmod 600 {}",
                        path.display(),
                        path.display()
                    );
                }
                Zeroizing::new(fs::read_to_string(path).map_err(unreadable)?)
            }
        };
        Self::parse(secret.trim()).map_err(|reason| KeyError::NotASecret { from: source.clone(), reason })
    }

    /// A well-known key of development chains, such as `Alice`. [`crate::Submitter`] signs with it on such chains only.
    pub fn development(name: &str) -> Option<Self> {
        let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric());
        if plain { Self::parse(&format!("//{name}")).ok() } else { None }
    }

    fn parse(secret: &str) -> Result<Self, &'static str> {
        if secret.is_empty() {
            return Err("it is empty");
        }
        let uri = SecretUri::from_str(secret).map_err(|_| "it has not the form of a secret")?;
        let development = uri.phrase.expose_secret() == DEV_PHRASE;
        let pair = sr25519::Keypair::from_uri(&uri).map_err(|_| "its phrase or seed is not valid")?;
        Ok(Self { pair, development })
    }

    /// The account.
    pub fn account(&self) -> Account {
        Account(self.pair.public_key().0)
    }

    /// Signs `message` with sr25519 in the signing context `substrate`.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.pair.sign(message).0
    }

    /// Whether everybody knows this key: it derives from the development phrase.
    pub fn is_development(&self) -> bool {
        self.development
    }

    pub(crate) fn signer(&self) -> &sr25519::Keypair {
        &self.pair
    }
}

impl fmt::Debug for Keypair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keypair").field(&self.account()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
    const ALICE_SEED: &str = "0xe5be9a5092b81bca64be81d212e7f2f9eba183bb7a90954f7b76361f6edb5c0a";

    fn file(text: &str) -> (tempfile::TempDir, KeySource) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        (folder, KeySource::File(path))
    }

    #[test]
    fn development_key_is_the_one_everybody_knows() {
        let alice = Keypair::development("Alice").unwrap();
        assert_eq!(alice.account().to_string(), ALICE);
        assert!(alice.is_development());
        assert!(Keypair::development("Alice/../x").is_none());
    }

    #[test]
    fn seed_in_a_file_names_the_same_account_but_counts_as_private() {
        let (_folder, source) = file(&format!("{ALICE_SEED}\n"));
        let key = Keypair::load(&source).unwrap();
        assert_eq!(key.account().to_string(), ALICE);
        assert!(!key.is_development());
    }

    #[test]
    fn development_phrase_spelt_out_counts_as_development() {
        let (_folder, source) = file(&format!("{DEV_PHRASE}//Alice"));
        assert!(Keypair::load(&source).unwrap().is_development());
    }

    #[test]
    fn signature_verifies_and_debug_hides_the_secret() {
        let alice = Keypair::development("Alice").unwrap();
        let signature = sr25519::Signature(alice.sign(b"message"));
        assert!(sr25519::verify(&signature, b"message", &sr25519::PublicKey(alice.account().0)));
        assert_eq!(format!("{alice:?}"), format!("Keypair({ALICE})"));
    }

    #[test]
    fn bad_sources_are_named_and_their_content_is_not_shown() {
        let (_folder, source) = file("correct horse battery staple");
        let error = Keypair::load(&source).unwrap_err().to_string();
        assert!(error.contains("holds no secret") && !error.contains("horse"), "{error}");
        let (_folder, source) = file("");
        assert!(matches!(Keypair::load(&source), Err(KeyError::NotASecret { reason: "it is empty", .. })));
        let (_folder, source) = file(&"x".repeat(5_000));
        assert!(matches!(Keypair::load(&source), Err(KeyError::TooLarge { .. })));
        let absent = KeySource::File("/nonexistent/key".into());
        assert!(matches!(Keypair::load(&absent), Err(KeyError::Unreadable { .. })));
        let unset = KeySource::Environment("TRIBUTARY_TEST_UNSET_KEY".into());
        assert!(matches!(Keypair::load(&unset), Err(KeyError::NotSet { .. })));
    }
}

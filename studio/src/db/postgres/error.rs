//! What goes wrong between the gateway and a server.

use crate::db::DbError;

/// Why a server did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be reached, or was lost.
    #[error("{0}")]
    Away(String),
    /// It says so.
    #[error("{0}")]
    Server(Complaint),
    /// It, or this program, does not hold to the protocol, or to what both know.
    #[error("{0}")]
    Unexpected(String),
    /// The way to it is not safe, or one of both did not prove who it is.
    #[error("{0}")]
    Unsafe(String),
    /// Another session writes the same index.
    #[error("another gateway writes it")]
    InUse,
}

/// What a server complains about.
#[derive(Clone, Debug, Default)]
pub struct Complaint {
    /// `SQLSTATE`: five letters and digits that do not depend on its language.
    pub code: String,
    /// In words.
    pub message: String,
    /// More words.
    pub detail: Option<String>,
    /// Whether it ended the session.
    pub is_fatal: bool,
}

impl std::fmt::Display for Complaint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.message, self.code)?;
        self.detail.iter().try_for_each(|detail| write!(f, ": {detail}"))
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            // What rustls finds wrong with the other side.
            std::io::ErrorKind::InvalidData => Self::Unsafe(error.to_string()),
            std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => {
                Self::Away("it does not answer in time".into())
            }
            std::io::ErrorKind::UnexpectedEof => Self::Away("it closed the connection".into()),
            _ => Self::Away(error.to_string()),
        }
    }
}

impl Error {
    /// Of an index at `place`.
    pub fn at(self, place: String) -> DbError {
        let reason = self.to_string();
        let refused = |hint| DbError::Refused { place: place.clone(), reason: reason.clone(), hint };
        match self {
            Self::Away(_) => DbError::Away { place, reason },
            Self::InUse => DbError::InUse { place },
            Self::Unexpected(_) => DbError::Failed { place, reason },
            Self::Unsafe(_) => refused("sslmode and sslrootcert in the address say how the way is secured"),
            Self::Server(complaint) => match complaint.code.as_str() {
                "28P01" | "28000" => refused("are the user and the password right, and does pg_hba.conf let them in?"),
                "3D000" => refused("createdb --owner USER NAME makes the database"),
                "42501" => refused("GRANT CREATE ON DATABASE lets the user make the index's tables"),
                code if passes(code) => DbError::Away { place, reason },
                _ => DbError::Failed { place, reason },
            },
        }
    }
}

/// Whether what a server complains about may pass by itself: connections (08), resources (53), operators and restarts (57), its
/// machine (58), a server that is none to write to just now (25006), and transactions that met another's (40).
fn passes(code: &str) -> bool {
    code == "25006" || ["08", "40", "53", "57", "58"].iter().any(|class| code.starts_with(class))
}

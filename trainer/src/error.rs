//! Why a job does not go on, and why a trainer stops.

use crate::state::StateError;
use std::{io, net::SocketAddr, path::PathBuf};
use tributary_attribution::{AttributionError, EvidenceError, MeasureError, TangentError};
use tributary_client::{ChainError, JournalError, SubmitError};
use tributary_daemon::{BundleError, FileError};
use tributary_exchange::{FetchError, NodeError, ProviderFault, StoreError};
use tributary_lora::{AdapterError, DataError, LoadError, TokenizerError, TrainError};
use tributary_protocol::{BaseModelId, ContentHash, ContributionId, VersionRef, sample::CommittedError};

/// Why training, attribution or bundling did not end.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// The observer asked to stop. What was done is kept.
    #[error("stopped before the end")]
    Stopped,
    /// The base model could not be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Its tokenizer could not be used.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The samples could not be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Training failed.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// The adapter could not be made or written.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
    /// The contributions could not be scored.
    #[error(transparent)]
    Attribution(#[from] AttributionError),
    /// The scores make no evidence.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// The training could not be done again without some of its samples.
    #[error(transparent)]
    Tangents(Box<TangentError>),
    /// It could not be measured how right the attribution is.
    #[error(transparent)]
    Measure(Box<MeasureError>),
    /// The bundle could not be made.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A report that was kept cannot be read.
    #[error("the report that was kept cannot be read: {0}")]
    Report(serde_json::Error),
    /// The bundle on disk is not the one that was made.
    #[error("{path} has changed since it was made\nhint: is the disk failing?", path = path.display())]
    BundleChanged {
        /// The bundle.
        path: PathBuf,
    },
    /// The thread that did the work is gone.
    #[error("the training thread ended unexpectedly: {reason}")]
    Thread {
        /// Why.
        reason: String,
    },
}

impl WorkError {
    /// Whether the work was only told to stop, and goes on from its checkpoint when it is done again.
    pub fn is_stopped(&self) -> bool {
        match self {
            Self::Stopped | Self::Attribution(AttributionError::Stopped) => true,
            Self::Tangents(error) => matches!(**error, TangentError::Stopped),
            Self::Measure(error) => matches!(**error, MeasureError::Retrain(TangentError::Stopped)),
            _ => false,
        }
    }

    /// Whether the same work may succeed a little later: only the disk is in the way.
    fn may_pass(&self) -> bool {
        match self {
            Self::File(_)
            | Self::Bundle(BundleError::File(_))
            | Self::Train(TrainError::File { .. })
            | Self::Adapter(AdapterError::File { .. })
            | Self::Load(LoadError::File { .. }) => true,
            Self::Tangents(error) => matches!(**error, TangentError::File { .. }),
            _ => false,
        }
    }
}

impl From<TangentError> for WorkError {
    fn from(error: TangentError) -> Self {
        Self::Tangents(Box::new(error))
    }
}

impl From<MeasureError> for WorkError {
    fn from(error: MeasureError) -> Self {
        Self::Measure(Box::new(error))
    }
}

/// Why a phase of a job did not end.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The trainer stops, or has lost the lease.
    #[error("stopped")]
    Stopped,
    /// The chain could not be asked.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A submission came to nothing.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// A contribution's data did not come.
    #[error("contribution {contribution} of version {version}: {source}")]
    Fetch {
        /// The contribution.
        contribution: ContributionId,
        /// The version.
        version: VersionRef,
        /// Why, naming the blob and each provider.
        source: FetchError,
    },
    /// A contribution's data is not what the chain says of it, though it has the hash: no provider has another.
    #[error("contribution {contribution} of version {version}, blob {blob}, is not what was committed to: {source}")]
    Committed {
        /// The contribution.
        contribution: ContributionId,
        /// The version.
        version: VersionRef,
        /// The blob.
        blob: ContentHash,
        /// What is wrong with it.
        source: CommittedError,
    },
    /// A version has no contributions, or is not there.
    #[error("version {version} has no contributions")]
    NoVersion {
        /// The version.
        version: VersionRef,
    },
    /// The job's base model is not in a folder of this trainer.
    #[error("base model {base} is in no folder of this trainer")]
    NoBase {
        /// The base model.
        base: BaseModelId,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Training, attribution or bundling failed.
    #[error(transparent)]
    Work(WorkError),
}

impl From<WorkError> for Fault {
    fn from(error: WorkError) -> Self {
        match error {
            error if error.is_stopped() => Self::Stopped,
            error => Self::Work(error),
        }
    }
}

/// What to do about a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// Try the phase again after a pause, for as long as it takes: the chain is away, and what it decides, the lease
    /// included, is learnt when it is back.
    Wait,
    /// Try the phase again after a pause, for as long as the operator's patience lasts.
    Retry,
    /// Give the job up.
    GiveUp,
    /// Stop, and keep everything.
    Stop,
}

impl Fault {
    pub(crate) fn remedy(&self) -> Remedy {
        match self {
            Self::Stopped => Remedy::Stop,
            Self::Fetch { source, .. } => remedy_for_fetch(source),
            Self::Chain(error) => match error {
                ChainError::Incompatible { .. } | ChainError::OtherChain { .. } => Remedy::GiveUp,
                _ => Remedy::Wait,
            },
            Self::Submit(error) => match error {
                SubmitError::Failed { .. } | SubmitError::IntentReused { .. } | SubmitError::DevelopmentKey { .. } => {
                    Remedy::GiveUp
                }
                _ => Remedy::Wait,
            },
            Self::Store(_) => Remedy::Retry,
            Self::Work(error) if error.may_pass() => Remedy::Retry,
            Self::Work(_) | Self::Committed { .. } | Self::NoVersion { .. } | Self::NoBase { .. } => Remedy::GiveUp,
        }
    }
}

/// Wrong bytes from every provider stay wrong; anything else, a refusal included, may be a provider that is behind.
fn remedy_for_fetch(error: &FetchError) -> Remedy {
    let wrong =
        |fault: &ProviderFault| matches!(fault, ProviderFault::WrongBytes { .. } | ProviderFault::WrongSize { .. });
    match error {
        FetchError::Stopping => Remedy::Stop,
        FetchError::NoReader | FetchError::NoProviders => Remedy::GiveUp,
        FetchError::AllFailed { faults, .. } if faults.iter().all(|(_, fault)| wrong(fault)) => Remedy::GiveUp,
        _ => Remedy::Retry,
    }
}

/// Why a trainer does not run.
#[derive(Debug, thiserror::Error)]
pub enum TrainerError {
    /// No model folder was named.
    #[error("no base model folder was named\nhint: a trainer claims jobs for the models it holds")]
    NoBases,
    /// A model folder could not be hashed.
    #[error(transparent)]
    Base(#[from] LoadError),
    /// The state folder could not be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The journal could not be opened.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The store could not be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The exchange node did not start.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The chain could not be reached.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The key cannot be used on this chain.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// The metrics address is taken.
    #[error("cannot serve metrics on {address}: {source}\nhint: is the port taken?")]
    Http {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The connection to the chain is closed for good.
    #[error("the node is on another chain now\nhint: start the trainer again, with a fresh state folder if need be")]
    ChainGone,
    /// A background task ended unexpectedly.
    #[error("a background task ended unexpectedly: {reason}")]
    Task {
        /// Why.
        reason: String,
    },
}

impl From<FileError> for TrainerError {
    fn from(error: FileError) -> Self {
        Self::State(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_tried_again_and_what_stays_wrong_is_not() {
        let fetch = |faults| Fault::Fetch {
            contribution: ContributionId(3),
            version: VersionRef::default(),
            source: FetchError::AllFailed { blob: [7; 32], verified: 0, faults },
        };
        let address = || "/ip4/127.0.0.1/tcp/1".parse().unwrap();
        let wrong = || (address(), ProviderFault::WrongBytes { detail: "chunk 0".into() });
        let away = || (address(), ProviderFault::Unreachable { reason: "refused".into() });
        assert_eq!(fetch(vec![wrong(), away()]).remedy(), Remedy::Retry);
        assert_eq!(fetch(vec![wrong()]).remedy(), Remedy::GiveUp);
        assert_eq!(Fault::from(WorkError::Stopped).remedy(), Remedy::Stop);
        assert_eq!(Fault::from(WorkError::from(AttributionError::Stopped)).remedy(), Remedy::Stop);
        assert_eq!(Fault::Work(WorkError::Data(DataError::Empty)).remedy(), Remedy::GiveUp);

        let text = fetch(vec![wrong()]).to_string();
        assert!(text.contains("contribution 3") && text.contains("/ip4/127.0.0.1/tcp/1"), "{text}");
        assert!(text.contains(&"07".repeat(32)), "{text}");
    }
}

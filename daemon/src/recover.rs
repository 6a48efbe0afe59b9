//! What an earlier process began to submit.

use tributary_client::{SubmitError, Submitter};

/// Goes on with it, until it is final or came to nothing. To be called once, before the first new submission is waited for.
///
/// Errors: the journal or the chain failed. What the chain refused is no error here: it is told to whoever submits it again.
pub async fn recover(submitter: &Submitter) -> Result<(), SubmitError> {
    for (intent, result) in submitter.recover().await? {
        match result {
            Ok(receipt) => tracing::info!(%intent, block = receipt.block.number, "submission recovered"),
            Err(error) => tracing::info!(%intent, "submission of an earlier run came to nothing: {error}"),
        }
    }
    Ok(())
}

//! Several calls in one transaction.

use crate::call::Call;

/// Makes all calls, in order, or none if one fails.
pub fn batch_all(calls: Vec<Call>) -> Call {
    Call::new("Utility", "batch_all").with_calls(calls)
}

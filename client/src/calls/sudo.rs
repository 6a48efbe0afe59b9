//! Calls as root, on chains that have a sudo key.

use crate::call::Call;

/// Makes a call as root. The signer must hold the sudo key.
pub fn sudo(call: Call) -> Call {
    Call::new("Sudo", "sudo").with_call(call)
}

//! Plain money.

use crate::{account::Account, call::Call};
use codec::Compact;
use subxt::utils::MultiAddress;
use tributary_protocol::Amount;

/// Pays `amount` to an account. Fails rather than emptying the payer's account.
pub fn transfer_keep_alive(to: Account, amount: Amount) -> Call {
    Call::new("Balances", "transfer_keep_alive").with(address(to)).with(Compact(amount))
}

/// An account as calls name it.
pub(super) fn address(account: Account) -> MultiAddress<Account, ()> {
    MultiAddress::Id(account)
}

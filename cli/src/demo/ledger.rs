//! What everybody has, before and after.

use super::cast::Cast;
use crate::{
    amounts::{Money, difference, rounded},
    output::table,
};
use serde::Serialize;
use tributary_client::{Account, ChainClient};
use tributary_protocol::Amount;

/// The treasury's account: how FRAME derives one from the pallet id `trb/trsy` (`configs/balances.rs` of the runtime).
const TREASURY: &[u8; 12] = b"modltrb/trsy";

fn treasury() -> Account {
    let mut bytes = [0; 32];
    bytes[..TREASURY.len()].copy_from_slice(TREASURY);
    Account(bytes)
}

/// What one account has.
#[derive(Clone, Debug, Serialize)]
struct Holding {
    role: &'static str,
    name: &'static str,
    account: Account,
    free: Money,
    held: Money,
}

/// What everybody has at one finalised block.
#[derive(Clone, Debug, Serialize)]
pub struct Ledger {
    holdings: Vec<Holding>,
    issuance: Money,
}

impl Ledger {
    /// Reads it.
    pub async fn read(client: &ChainClient, cast: &Cast) -> anyhow::Result<Self> {
        let view = client.latest();
        let mut accounts: Vec<_> =
            cast.everybody().into_iter().map(|(role, actor)| (role, actor.name, actor.account())).collect();
        accounts.push(("treasury", "", treasury()));
        accounts.push(("contributors' pool", "", view.pool_account().await?));
        let mut holdings = Vec::new();
        for (role, name, account) in accounts {
            let balance = view.balance(account).await?;
            holdings.push(Holding { role, name, account, free: Money(balance.free), held: Money(balance.reserved) });
        }
        Ok(Self { holdings, issuance: Money(view.total_issuance().await?) })
    }

    /// Whether there is as much money as in `other`.
    pub fn same_issuance(&self, other: &Self) -> bool {
        self.issuance == other.issuance
    }

    /// All the money there is.
    pub fn issuance(&self) -> Money {
        self.issuance
    }

    /// The table of changes since `before`.
    pub fn since(&self, before: &Self) -> String {
        let total = |holding: &Holding| -> Amount { holding.free.0.saturating_add(holding.held.0) };
        let rows: Vec<_> = before
            .holdings
            .iter()
            .zip(&self.holdings)
            .map(|(was, is)| {
                vec![
                    was.role.to_owned(),
                    was.name.to_owned(),
                    rounded(was.free.0),
                    rounded(was.held.0),
                    rounded(is.free.0),
                    rounded(is.held.0),
                    difference(total(was), total(is)),
                ]
            })
            .collect();
        table(&["role", "account", "free before", "held", "free after", "held", "change in all"], &rows)
    }
}

//! Money: what an account has, what of it is on hold and why, and how much there is in all. And the block's time.

use super::View;
use crate::{account::Account, error::ChainError};
use codec::{Decode, DecodeAll};
use subxt::ext::scale_value::Value;
use tributary_protocol::Amount;

/// What an account has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// What it may spend, fees and the existential deposit included.
    pub free: Amount,
    /// What is on hold in all. Not part of `free`.
    pub reserved: Amount,
    /// What is on hold, by reason. Sums to `reserved`.
    pub holds: Vec<Hold>,
    /// How many transactions it has made.
    pub nonce: u32,
}

/// Money on hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The pallet that holds it.
    pub pallet: String,
    /// What for, such as `Escrow`.
    pub reason: String,
    /// How much.
    pub amount: Amount,
}

impl Balance {
    /// Free and on hold.
    pub fn total(&self) -> Amount {
        // An account holds at most the issuance, which is an `Amount`.
        self.free.saturating_add(self.reserved)
    }

    /// What is on hold for one reason.
    pub fn held(&self, pallet: &str, reason: &str) -> Amount {
        self.holds.iter().filter(|hold| hold.pallet == pallet && hold.reason == reason).map(|hold| hold.amount).sum()
    }
}

/// `System.Account` as frame-system keeps it with pallet-balances' account data; the flags follow and are not read.
#[derive(Decode)]
struct AccountInfo {
    nonce: u32,
    _consumers: u32,
    _providers: u32,
    _sufficients: u32,
    free: Amount,
    reserved: Amount,
}

/// `Balances.Holds`: a reason is a pallet's number and the reason's number in it.
type Holds = Vec<([u8; 2], Amount)>;

impl View {
    /// What an account has. All zero for an account that does not exist.
    pub async fn balance(&self, account: Account) -> Result<Balance, ChainError> {
        const ACCOUNT: &str = "System.Account";
        const HOLDS: &str = "Balances.Holds";
        let malformed = |method, reason: String| ChainError::Malformed { method, reason };
        let key = || vec![Value::from_bytes(account.0)];

        let Some(info) = self.entry(ACCOUNT, "System", "Account", key()).await? else {
            return Ok(Balance::default());
        };
        let info = AccountInfo::decode(&mut info.as_slice()).map_err(|error| malformed(ACCOUNT, error.to_string()))?;
        let held = match self.entry(HOLDS, "Balances", "Holds", key()).await? {
            Some(bytes) => {
                Holds::decode_all(&mut bytes.as_slice()).map_err(|error| malformed(HOLDS, error.to_string()))?
            }
            None => Holds::new(),
        };
        let runtime = self.client.runtime_at(self.block).await?;
        let mut holds = Vec::with_capacity(held.len());
        for (id, amount) in held {
            let (pallet, reason) =
                runtime.hold_reason(id).ok_or_else(|| malformed(HOLDS, format!("a hold without a name: {id:?}")))?;
            holds.push(Hold { pallet, reason, amount });
        }
        Ok(Balance { free: info.free, reserved: info.reserved, holds, nonce: info.nonce })
    }

    /// How much money there is.
    pub async fn total_issuance(&self) -> Result<Amount, ChainError> {
        const ENTRY: &str = "Balances.TotalIssuance";
        let bytes = self.entry(ENTRY, "Balances", "TotalIssuance", Vec::new()).await?.unwrap_or_else(|| vec![0; 16]);
        Amount::decode_all(&mut bytes.as_slice())
            .map_err(|error| ChainError::Malformed { method: ENTRY, reason: error.to_string() })
    }

    /// The block's time in milliseconds since 1970 began, as its author set it; `None` for block 0, which has none.
    pub async fn time_ms(&self) -> Result<Option<u64>, ChainError> {
        const ENTRY: &str = "Timestamp.Now";
        let Some(bytes) = self.entry(ENTRY, "Timestamp", "Now", Vec::new()).await? else { return Ok(None) };
        u64::decode_all(&mut bytes.as_slice())
            .map(|time| Some(time).filter(|time| *time > 0))
            .map_err(|error| ChainError::Malformed { method: ENTRY, reason: error.to_string() })
    }

    async fn entry(
        &self,
        title: &'static str,
        pallet: &str,
        entry: &str,
        keys: Vec<Value>,
    ) -> Result<Option<Vec<u8>>, ChainError> {
        let runtime = self.client.runtime_at(self.block).await?;
        let key = runtime.storage_key(pallet, entry, keys).ok_or_else(|| ChainError::Malformed {
            method: title,
            reason: "the runtime has no such entry".to_owned(),
        })?;
        self.client.storage(&key, self.block).await
    }
}

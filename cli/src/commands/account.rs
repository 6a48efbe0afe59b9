//! `tributary account`.

use super::done;
use crate::{amounts::Money, context::Context, output::Output, views::BalanceView};
use anyhow::Context as _;
use clap::Subcommand;
use rand::TryRngCore as _;
use serde_json::json;
use std::{
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};
use tributary_client::{Account, KeySource, Keypair, calls::balances};

/// Commands on accounts.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a new key and write its secret to a file that only you can read
    New {
        /// The file; must not exist
        file: PathBuf,
    },
    /// Show the account that would sign, and where its key comes from
    Show,
    /// Show what an account has: free, and on hold by reason
    Balance {
        /// Whose; yours if left out
        account: Option<Account>,
    },
    /// Send money
    Transfer {
        /// To whom
        to: Account,
        /// How much
        amount: Money,
    },
}

impl Command {
    /// Does it.
    pub async fn run(self, context: &Context) -> anyhow::Result<Output> {
        match self {
            Self::New { file } => {
                let account = new_key(&file)?.account();
                let text = format!("{account}\nits secret is in {}: keep it, there is no other copy", file.display());
                Ok(Output::new(json!({ "account": account, "key_file": file }), text))
            }
            Self::Show => {
                let key = context.key()?;
                let kind = if key.is_development() { "development key, known to everybody" } else { "private key" };
                let fields = [
                    ("account", key.account().to_string()),
                    ("public key", format!("0x{}", hex::encode(key.account().0))),
                    ("kind", kind.to_owned()),
                ];
                let json = json!({
                    "account": key.account(),
                    "public_key": fields[1].1,
                    "development": key.is_development(),
                });
                Ok(Output::new(json, crate::output::fields(&fields)))
            }
            Self::Balance { account } => {
                let account = context.account_or_own(account)?;
                let balance = context.client().await?.latest().balance(account).await?;
                Ok(Output::record(&BalanceView::new(account, balance)))
            }
            Self::Transfer { to, amount } => {
                let receipt = context.signer().await?.submit(&balances::transfer_keep_alive(to, amount.0)).await?;
                Ok(done(&receipt, json!({ "to": to, "amount": amount }), format!("sent {amount} to {to}")))
            }
        }
    }
}

/// Makes a key of 32 bytes from the system's random source and writes it to a new file of mode 0600.
fn new_key(path: &Path) -> anyhow::Result<Keypair> {
    let mut seed = [0; 32];
    rand::rngs::OsRng.try_fill_bytes(&mut seed).context("the system has no random numbers")?;
    let secret = format!("0x{}\n", hex::encode(seed));
    let failed = || format!("cannot write {}", path.display());
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).with_context(failed)?;
    file.write_all(secret.as_bytes()).and_then(|()| file.sync_all()).with_context(failed)?;
    Ok(Keypair::load(&KeySource::File(path.into()))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_new_key_is_private_and_never_overwrites() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let key = new_key(&path).unwrap();
        assert!(!key.is_development());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let before = fs::read(&path).unwrap();
        assert!(new_key(&path).is_err());
        assert_eq!(fs::read(&path).unwrap(), before);
        assert_ne!(new_key(&folder.path().join("other")).unwrap().account(), key.account());
    }
}

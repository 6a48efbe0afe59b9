//! What a command works with: the options, a connection, an account.

use crate::{
    args::{Globals, KEY_VARIABLE},
    progress::Task,
};
use anyhow::{Context as _, bail};
use std::time::Duration;
use tributary_client::{Account, Call, ChainClient, ChainKind, Journal, KeySource, Keypair, Phase, Receipt, Submitter};

/// For how long a command waits for a node that does not answer: a person waits with it.
const PATIENCE: Duration = Duration::from_secs(10);

/// The options of every command, and what follows from them.
#[derive(Clone, Debug)]
pub struct Context {
    globals: Globals,
}

impl Context {
    /// A context of these options.
    pub fn new(globals: Globals) -> Self {
        Self { globals }
    }

    /// Whether programs read the output.
    pub fn json(&self) -> bool {
        self.globals.json
    }

    /// The node's address.
    pub fn node(&self) -> &str {
        &self.globals.node
    }

    /// A connection to the node.
    pub async fn client(&self) -> anyhow::Result<ChainClient> {
        Ok(ChainClient::connect_with(&self.globals.node, PATIENCE).await?)
    }

    /// A connection for a process that runs for long, and waits out a node's restart.
    pub async fn lasting_client(&self) -> anyhow::Result<ChainClient> {
        Ok(ChainClient::connect(&self.globals.node).await?)
    }

    /// The key to sign with.
    pub fn key(&self) -> anyhow::Result<Keypair> {
        if let Some(name) = &self.globals.dev_account {
            return development_key(name);
        }
        if let Some(path) = &self.globals.key_file {
            return Ok(Keypair::load(&KeySource::File(path.clone()))?);
        }
        if std::env::var_os(KEY_VARIABLE).is_none() {
            bail!(
                "no account to sign with\nhint: --key-file FILE, or the secret in {KEY_VARIABLE}; on a development chain, --dev-account alice"
            );
        }
        Ok(Keypair::load(&KeySource::Environment(KEY_VARIABLE.to_owned()))?)
    }

    /// The key, checked against the chain: one that everybody knows signs nothing where money counts.
    pub fn key_for(&self, client: &ChainClient) -> anyhow::Result<Keypair> {
        let key = self.key()?;
        if self.globals.dev_account.is_some() && *client.kind() == ChainKind::Live {
            bail!(
                "{} is not a development chain\nhint: --dev-account works on development chains only",
                client.chain_name()
            );
        }
        Ok(key)
    }

    /// An account that can sign and send.
    pub async fn signer(&self) -> anyhow::Result<Signer> {
        let client = self.client().await?;
        let key = self.key_for(&client)?;
        Signer::new(client, key)
    }

    /// The account named, else the one that would sign.
    pub fn account_or_own(&self, account: Option<Account>) -> anyhow::Result<Account> {
        match account {
            Some(account) => Ok(account),
            None => Ok(self.key().context("which account?")?.account()),
        }
    }
}

/// A well-known key by its name in any case: `alice` is `//Alice`.
pub fn development_key(name: &str) -> anyhow::Result<Keypair> {
    let mut letters = name.chars();
    let name: String = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
    Keypair::development(&name).with_context(|| format!("no development account: {name:?}"))
}

/// An account that signs and sends, with its progress shown.
pub struct Signer {
    submitter: Submitter,
}

impl Signer {
    /// A signer for one command: its journal ends with it.
    pub fn new(client: ChainClient, key: Keypair) -> anyhow::Result<Self> {
        Ok(Self { submitter: Submitter::new(client, key, Journal::in_memory()?)? })
    }

    /// The connection.
    pub fn client(&self) -> &ChainClient {
        self.submitter.client()
    }

    /// The account.
    pub fn account(&self) -> Account {
        self.submitter.account()
    }

    /// The key.
    pub fn key(&self) -> &Keypair {
        self.submitter.key()
    }

    /// Sends a call and waits until it is final.
    pub async fn submit(&self, call: &Call) -> anyhow::Result<Receipt> {
        let task = Task::spinner(format!("{call}"));
        let receipt = self.submitter.submit_with(&call.to_string(), call, |phase| task.note(describe(phase))).await?;
        self.submitter.forget(&call.to_string())?;
        Ok(receipt)
    }
}

fn describe(phase: Phase) -> &'static str {
    match phase {
        Phase::Signed { .. } => "signed",
        Phase::Broadcast => "sent, waiting for a block",
        Phase::InBlock(_) => "in a block, waiting for finality",
        Phase::Finalised(_) => "final",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn development_accounts_are_found_in_any_case() {
        let alice = development_key("alice").unwrap();
        assert_eq!(alice.account(), development_key("Alice").unwrap().account());
        assert_eq!(alice.account(), Keypair::development("Alice").unwrap().account());
        assert!(development_key("").is_err() && development_key("//x").is_err());
    }
}

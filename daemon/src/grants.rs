//! Thin adapters: the client's chain and key as the exchange wants them.

use async_trait::async_trait;
use tokio::sync::watch;
use tributary_client::{ChainClient, Keypair};
use tributary_exchange::{AccountKey, AccountSigner, BlobHash, GenesisHash, GrantSource, GrantSourceError, Scope};
use tributary_protocol::{ContentHash, DatanetId, JobId, VersionRef, access};

/// The chain as the source of grants: every question is asked at the latest finalised block.
#[derive(Clone, Debug)]
pub struct ChainGrants(pub ChainClient);

#[async_trait]
impl GrantSource for ChainGrants {
    async fn may_read(&self, account: AccountKey, scope: Scope, blob: BlobHash) -> Result<bool, GrantSourceError> {
        let answer = self.0.latest().may_read(account.into(), chain_scope(scope), ContentHash(blob)).await;
        answer.map_err(|error| GrantSourceError { reason: error.to_string() })
    }

    fn finalised(&self) -> watch::Receiver<u32> {
        self.0.finalised()
    }

    fn genesis(&self) -> GenesisHash {
        self.0.genesis().0
    }
}

/// An account's key as the reader that signs with it.
#[derive(Clone, Debug)]
pub struct KeySigner(pub Keypair);

impl AccountSigner for KeySigner {
    fn account(&self) -> AccountKey {
        self.0.account().0
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message)
    }
}

/// The exchange's scope as the chain knows it.
pub fn chain_scope(scope: Scope) -> access::Scope {
    match scope {
        Scope::Version { datanet, version } => {
            access::Scope::Version(VersionRef { datanet: DatanetId(datanet), number: version })
        }
        Scope::Bundle { job } => access::Scope::Bundle(JobId(job)),
    }
}

/// The chain's scope as the exchange knows it.
pub fn exchange_scope(scope: access::Scope) -> Scope {
    match scope {
        access::Scope::Version(VersionRef { datanet, number }) => {
            Scope::Version { datanet: datanet.0, version: number }
        }
        access::Scope::Bundle(job) => Scope::Bundle { job: job.0 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_translate_both_ways() {
        for scope in [Scope::Version { datanet: 3, version: 2 }, Scope::Bundle { job: 9 }] {
            assert_eq!(exchange_scope(chain_scope(scope)), scope);
        }
    }
}

//! Reading the chain: the runtime APIs at one block. Decisions read a finalised block, which no fork takes back.

mod attribution;
mod balances;
mod channels;
mod datanets;
mod grants;
mod jobs;
mod models;
#[cfg(test)]
mod tests;

pub use balances::{Balance, Hold};

use crate::{
    chain::ChainClient,
    error::ChainError,
    head::{BlockHash, Head},
};
use codec::{DecodeAll, Encode};
use std::future::Future;

/// Entries to ask for at once: the runtime's largest page.
pub const PAGE: u32 = 100;

/// The chain as it was at one block. All reads of one view agree with each other.
#[derive(Clone, Debug)]
pub struct View {
    client: ChainClient,
    block: BlockHash,
}

impl ChainClient {
    /// The chain at the latest finalised block.
    pub fn latest(&self) -> View {
        self.at(self.finalised_head().hash)
    }

    /// The chain at any block whose state the node still keeps (by default, the last 256).
    pub fn at(&self, block: BlockHash) -> View {
        View { client: self.clone(), block }
    }

    /// The latest finalised block, and the chain at it.
    pub fn latest_with_head(&self) -> (Head, View) {
        let head = self.finalised_head();
        (head, self.at(head.hash))
    }
}

impl View {
    /// The block.
    pub fn block(&self) -> BlockHash {
        self.block
    }

    /// Calls a runtime function. `arguments` is the tuple of its arguments.
    async fn call<T: DecodeAll>(&self, function: &'static str, arguments: impl Encode) -> Result<T, ChainError> {
        let answer = self.client.state_call(function, &arguments.encode(), self.block).await?;
        T::decode_all(&mut answer.as_slice())
            .map_err(|error| ChainError::Malformed { method: function, reason: error.to_string() })
    }

    /// All entries of a list that comes in pages of ascending ids: `page` gets the id to start at.
    async fn all<I, T, F>(
        mut from: I,
        next: fn(I) -> Option<I>,
        page: impl Fn(I) -> F,
    ) -> Result<Vec<(I, T)>, ChainError>
    where
        I: Copy,
        F: Future<Output = Result<Vec<(I, T)>, ChainError>>,
    {
        let mut all = Vec::new();
        loop {
            let entries = page(from).await?;
            let full = entries.len() >= PAGE as usize;
            let last = entries.last().map(|(id, _)| *id);
            all.extend(entries);
            match last.and_then(next) {
                Some(after) if full => from = after,
                _ => return Ok(all),
            }
        }
    }

    /// All entries of a list that comes in pages counted from 0.
    async fn all_counted<T, F>(page: impl Fn(u32) -> F) -> Result<Vec<T>, ChainError>
    where
        F: Future<Output = Result<Vec<T>, ChainError>>,
    {
        let mut all = Vec::new();
        loop {
            // The runtime counts them in u32 as well.
            let entries = page(u32::try_from(all.len()).unwrap_or(u32::MAX)).await?;
            let full = entries.len() >= PAGE as usize;
            all.extend(entries);
            if !full {
                return Ok(all);
            }
        }
    }
}

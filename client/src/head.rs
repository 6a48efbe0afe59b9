//! A block's place in the chain.

/// The hash of a block.
pub type BlockHash = subxt::utils::H256;

/// A block: its height and its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, codec::Encode, codec::Decode)]
pub struct Head {
    /// Its height.
    pub number: u32,
    /// Its hash.
    pub hash: BlockHash,
}

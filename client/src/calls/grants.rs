//! Grants: ask, give, take back.

use crate::{call::Call, head::BlockHash, keys::Keypair, records::GrantOffer};
use subxt::utils::MultiSignature;
use tributary_protocol::{DatanetId, GrantId, datanet::Text, grant::GrantTerms};

const PALLET: &str = "Grants";

/// Asks for a grant. Under open terms it is issued in the same block.
pub fn request(datanet: DatanetId, terms: &GrantTerms) -> Call {
    Call::new(PALLET, "request").with(datanet).with(terms)
}

/// Gives a requested grant.
pub fn issue(grant: GrantId) -> Call {
    Call::new(PALLET, "issue").with(grant)
}

/// Refuses a requested grant, and says why.
pub fn deny(grant: GrantId, reason: &Text) -> Call {
    Call::new(PALLET, "deny").with(grant).with(reason)
}

/// Takes a grant back, and says why.
pub fn revoke(grant: GrantId, reason: &Text) -> Call {
    Call::new(PALLET, "revoke").with(grant).with(reason)
}

/// Gives a grant back.
pub fn renounce(grant: GrantId) -> Call {
    Call::new(PALLET, "renounce").with(grant)
}

/// Removes a grant that can serve no more, and returns its deposit.
pub fn prune(grant: GrantId) -> Call {
    Call::new(PALLET, "prune").with(grant)
}

/// Presents an offer that the Datanet's owner has signed: see [`sign_offer`]. The signer must be its grantee.
pub fn present(offer: &GrantOffer, signature: [u8; 64]) -> Call {
    Call::new(PALLET, "present").with(offer).with(MultiSignature::Sr25519(signature))
}

/// Signs an offer as the owner of its Datanet, for the chain with this genesis. Sends nothing: give offer and signature
/// to the grantee.
pub fn sign_offer(owner: &Keypair, offer: &GrantOffer, genesis: BlockHash) -> [u8; 64] {
    owner.sign(&offer.payload(genesis.0))
}

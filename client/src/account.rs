//! Accounts: 32 bytes for the chain, an SS58 address for people.

use codec::{Decode, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{fmt, str::FromStr};
use subxt::utils::AccountId32;
use subxt_signer::sr25519;
use tributary_protocol::amount::SS58_PREFIX;

/// An account: its sr25519 public key. Shown and parsed as an SS58 address with the network's prefix.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct Account(pub [u8; 32]);

/// Why a text names no account.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// It is neither an SS58 address nor 0x and 64 hexadecimal digits.
    #[error("no account address ({reason}): {text}")]
    NotAnAddress {
        /// The text.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It is an address of another network: paying to it is most likely a mistake.
    #[error(
        "an address of another network, not of prefix {SS58_PREFIX}: {text}\nhint: on this network the account is {here}"
    )]
    OtherNetwork {
        /// The text.
        text: String,
        /// The same account's address here.
        here: Account,
    },
}

impl Account {
    /// Whether `signature` is this account's sr25519 signature of `message`, in the signing context `substrate`.
    pub fn has_signed(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        sr25519::verify(&sr25519::Signature(*signature), message, &sr25519::PublicKey(self.0))
    }
}

impl FromStr for Account {
    type Err = AccountError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = |reason: String| AccountError::NotAnAddress { text: text.to_owned(), reason };
        if let Some(digits) = text.strip_prefix("0x") {
            let mut bytes = [0; 32];
            hex::decode_to_slice(digits, &mut bytes).map_err(|error| malformed(error.to_string()))?;
            return Ok(Self(bytes));
        }
        let account = Self(AccountId32::from_str(text).map_err(|error| malformed(error.to_string()))?.0);
        // The parser takes any prefix; an address has one spelling per network.
        if account.to_string() == text {
            Ok(account)
        } else {
            Err(AccountError::OtherNetwork { text: text.to_owned(), here: account })
        }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        AccountId32(self.0).fmt(f)
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<[u8; 32]> for Account {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl From<Account> for [u8; 32] {
    fn from(account: Account) -> Self {
        account.0
    }
}

impl AsRef<[u8]> for Account {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Serialize for Account {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Account {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // `subkey inspect //Alice`.
    const ALICE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
    const ALICE_KEY: &str = "0xd43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d";

    #[test]
    fn the_crates_that_spell_addresses_and_the_network_agree_on_the_prefix() {
        assert_eq!(SS58_PREFIX, 42);
    }

    #[test]
    fn address_and_key_name_the_same_account() {
        let account: Account = ALICE.parse().unwrap();
        assert_eq!(account, ALICE_KEY.parse().unwrap());
        assert_eq!(account.to_string(), ALICE);
        assert_eq!(serde_json::to_string(&account).unwrap(), format!("\"{ALICE}\""));
        assert_eq!(serde_json::from_str::<Account>(&format!("\"{ALICE}\"")).unwrap(), account);
    }

    #[test]
    fn scale_is_the_bare_key() {
        let account: Account = ALICE.parse().unwrap();
        assert_eq!(account.encode(), account.0);
    }

    #[test]
    fn a_signature_is_of_one_account_and_one_message() {
        let key = crate::Keypair::development("Alice").unwrap();
        let signature = key.sign(b"message");
        assert!(key.account().has_signed(b"message", &signature));
        assert!(!key.account().has_signed(b"massage", &signature));
        assert!(!Account([0; 32]).has_signed(b"message", &signature));
        assert!(!Account([0xff; 32]).has_signed(b"message", &signature));
    }

    #[test]
    fn a_mistyped_address_is_refused() {
        for text in ["", "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQZ", "0x12", "Alice", &ALICE[1..]] {
            let error = text.parse::<Account>().unwrap_err();
            assert!(matches!(error, AccountError::NotAnAddress { .. }), "{error}");
        }
    }

    #[test]
    fn an_address_of_another_network_is_refused_with_the_right_one() {
        // Alice with Polkadot's prefix 0.
        let error = "15oF4uVJwmo4TdGW7VfQxNLavjCXviqxT9S1MgbjMNHr6Sp5".parse::<Account>().unwrap_err();
        assert!(error.to_string().contains(ALICE), "{error}");
    }
}

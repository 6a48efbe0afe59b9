//! What the methods return, as JSON: amounts as decimal strings (they exceed a double's 53 bits), hashes as `0x` and
//! hexadecimal digits, accounts as SS58 addresses, texts as strings, names in camelCase, blocks as heights.

mod channel;
mod datanet;
mod epoch;
mod grant;
mod job;
mod model;
mod stream;

pub use channel::{ChannelView, DueView, OfferView, PaidView, VoucherView};
pub use datanet::{
    ContributionStatusView, ContributionView, DatanetView, EntryView, SamplesView, TermsView, VersionView,
};
pub use epoch::{AcceptedEpochView, AuditView, ChallengeView, EpochRootView, LedgerView, PendingEpochView};
pub use grant::{
    GrantStatusView, GrantTermsView, GrantView, RefusalView, ScopeOfBasesView, ScopeOfVersionsView, UseView,
};
pub use job::{
    AccuracyView, AttributionMethodView, DataUseView, HyperparametersView, JobChange, JobSpecView, JobStateView,
    JobView, MetricsView, ProgressView, ReadRequestView, ReadScopeView, ReportView, TargetLayersView, TrainerView,
};
pub use model::{BaseModelView, DeploymentView, LineageView, ModelView, PricesView};
pub use stream::{ContributionRootView, DatanetOwnerView, DomainView, PartiesView, SplitView, StreamView, SumRootView};

use serde::{Deserialize, Serialize, de};
use tributary_protocol::{Amount, ContentHash};

/// One page of a list.
#[derive(Clone, Debug, Serialize)]
pub struct Page<T> {
    /// The entries, ascending.
    pub items: Vec<T>,
    /// The `from` of the page after, or null after the last.
    pub next: Option<u64>,
}

/// An amount, in 10^-12 TRIB, as a string of decimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AmountText(pub Amount);

impl Serialize for AmountText {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for AmountText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(|_| de::Error::custom("an amount is a string of decimal digits"))
    }
}

/// A hash, as `0x` and 64 hexadecimal digits. Read with or without the `0x`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashText(pub ContentHash);

impl Serialize for HashText {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("0x{}", self.0))
    }
}

impl<'de> Deserialize<'de> for HashText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ContentHash::deserialize(deserializer).map(Self)
    }
}

/// The chain's bytes as text. The chain checks that they are UTF-8; whatever else slipped in shows as U+FFFD.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_beyond_a_doubles_precision_survive() {
        let amount = AmountText((1 << 53) + 1);
        let json = serde_json::to_string(&amount).unwrap();
        assert_eq!(json, "\"9007199254740993\"");
        assert_eq!(serde_json::from_str::<AmountText>(&json).unwrap(), amount);
        assert!(serde_json::from_str::<AmountText>("\"1.5\"").is_err());
        assert!(serde_json::from_str::<AmountText>("\"-1\"").is_err());
    }

    #[test]
    fn hashes_are_prefixed_hexadecimal() {
        let hash = HashText(ContentHash([0xab; 32]));
        let json = serde_json::to_string(&hash).unwrap();
        assert_eq!(json, format!("\"0x{}\"", "ab".repeat(32)));
        assert_eq!(serde_json::from_str::<HashText>(&json).unwrap(), hash);
        assert!(serde_json::from_str::<HashText>("\"0xab\"").is_err());
    }
}

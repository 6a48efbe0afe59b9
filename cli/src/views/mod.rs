//! The chain's records as people and programs read them.

mod channels;
mod datanets;
mod grants;
mod jobs;
mod models;
mod money;

pub use channels::{ChannelView, OperatorView};
pub use datanets::{ContributionView, DatanetView, VersionView};
pub use grants::GrantView;
pub use jobs::{JobView, TrainerView};
pub use models::{BaseModelView, LineageData, LineagePart, LineageView, ModelView};
pub use money::{BalanceView, ClaimView, ShareView, StreamView};

use crate::args::parse::show_percent;
use serde::Serialize;
use tributary_protocol::{
    Ppm,
    answer::{Accuracy, Measured},
    recipe::AttributionMethod,
};

/// A text that came from the chain. Bytes that are no UTF-8 are replaced, and control characters, which could play tricks
/// on a terminal, too.
pub(crate) fn text(bytes: &[u8]) -> String {
    let printable = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    String::from_utf8_lossy(bytes).chars().map(printable).collect()
}

/// A protocol's choice by its name, as in JSON.
pub(crate) fn word(choice: &impl Serialize) -> String {
    match serde_json::to_value(choice) {
        Ok(serde_json::Value::String(word)) => word.replace('_', "-"),
        Ok(other) => other.to_string(),
        Err(error) => error.to_string(),
    }
}

/// The first digits of a hash or address: enough to tell two apart in a list.
pub(crate) fn short(text: &impl ToString) -> String {
    let text = text.to_string();
    let start: String = text.chars().take(10).collect();
    if start.len() < text.len() { format!("{start}…") } else { start }
}

/// A loss from the chain's unit, in nats.
pub(crate) fn loss(micro: u32) -> String {
    format!("{}.{:04}", micro / 1_000_000, micro % 1_000_000 / 100)
}

/// How an attribution method is called, with its settings.
pub(crate) fn attribution(method: AttributionMethod) -> String {
    match method {
        AttributionMethod::TracInCp { checkpoints } => format!("TracInCP at {checkpoints} checkpoints"),
        AttributionMethod::DataValueEmbedding => "data value embeddings".into(),
        AttributionMethod::GroupTangents { groups, halves, coalitions, way } => {
            let halves = if halves > 0 { format!(", {halves} halves") } else { String::new() };
            let way = word(&way);
            format!("tangents of {groups} groups{halves}, by {way}, measured on {coalitions} coalitions")
        }
    }
}

/// How much of an answer's revenue follows the answer's own shares, and why.
pub(crate) fn accuracy(accuracy: Option<&Accuracy>, attributed: Ppm) -> String {
    let Some(Accuracy { coalitions, ceiling, mislabel, ghost_share, coalition_count, .. }) = accuracy else {
        return "nothing: not measured".into();
    };
    let figure = |millionths: i32| format!("{:.2}", f64::from(millionths) / 1e6);
    let of_labels = mislabel.map(|Measured { value, low, high }| {
        format!(
            ", planted wrong labels found at {} ({} to {}; 0.5 by chance)",
            figure(value),
            figure(low),
            figure(high)
        )
    });
    format!(
        "{}: rank correlation {} ({} to {}; at most {}) on {coalition_count} coalitions, {} to ghosts{}",
        show_percent(attributed),
        figure(coalitions.value),
        figure(coalitions.low),
        figure(coalitions.high),
        figure(*ceiling),
        show_percent(*ghost_share),
        of_labels.unwrap_or_default(),
    )
}

/// Units of 10^9 as a percentage.
pub(crate) fn units_percent(units: u64) -> String {
    format!("{}.{:05}%", units / 10_000_000, units % 10_000_000 / 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_protocol::{datanet::AccessPolicy, job::Stage};

    #[test]
    fn texts_from_the_chain_cannot_play_tricks_on_a_terminal() {
        assert_eq!(text(b"a\x1b[2Jb\xff"), "a\u{fffd}[2Jb\u{fffd}");
    }

    #[test]
    fn choices_have_the_words_of_the_command_line() {
        assert_eq!(word(&AccessPolicy::OnRequest), "on-request");
        assert_eq!(word(&Stage::Open), "open");
        assert_eq!((loss(1_234_567), units_percent(333_333_333)), ("1.2345".into(), "33.33333%".into()));
    }
}

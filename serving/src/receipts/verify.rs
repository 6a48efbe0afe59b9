//! Whether a receipt holds, from the chain alone and the proof that its operator serves.

use super::shares::{Because, Method};
use schnorrkel::{PublicKey, Signature};
use serde::Serialize;
use tributary_client::{AnswerLedger, Model};
use tributary_protocol::{
    ContentHash, Ppm,
    channel::Offer,
    content::{InclusionProof, TreeHead},
    epoch::EpochRoot,
    receipt::SignedReceipt,
    recipe::AttributionMethod,
    stream::SHARE_UNITS,
};

/// The sr25519 signing context of every account's key.
const SIGNING_CONTEXT: &[u8] = b"substrate";

/// Whether the operator that a receipt names signed it, for the chain with this genesis.
pub fn is_signed(signed: &SignedReceipt, genesis: [u8; 32]) -> bool {
    let key = PublicKey::from_bytes(&signed.receipt.operator);
    let signature = Signature::from_bytes(&signed.signature);
    let payload = signed.receipt.payload(genesis);
    key.and_then(|key| key.verify_simple(SIGNING_CONTEXT, &payload, &signature?)).is_ok()
}

/// What the chain says about what a receipt says, at one block.
#[derive(Clone, Debug)]
pub struct ChainFacts {
    /// Hash of its genesis block.
    pub genesis: [u8; 32],
    /// The model's record.
    pub model: Option<Model>,
    /// How the model's job attributes; `None` if the job's record is gone.
    pub attribution: Option<AttributionMethod>,
    /// The part of the contributors' part that goes by answers.
    pub attributed: Ppm,
    /// The operator's offer of the model.
    pub offer: Option<Offer>,
    /// The operator's ledger with the model.
    pub ledger: Option<AnswerLedger>,
}

/// A receipt's place in an epoch, as its operator shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownPlace {
    /// The epoch.
    pub epoch: u32,
    /// The path.
    pub proof: InclusionProof,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It holds.
    Holds,
    /// It cannot be told, or not yet.
    Open,
    /// It does not hold.
    Fails,
}

/// One thing that was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What.
    pub what: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// What was found.
    pub found: String,
}

impl Check {
    fn holds(what: &'static str, found: impl Into<String>) -> Self {
        Self { what, outcome: Outcome::Holds, found: found.into() }
    }

    fn open(what: &'static str, found: impl Into<String>) -> Self {
        Self { what, outcome: Outcome::Open, found: found.into() }
    }

    fn fails(what: &'static str, found: impl Into<String>) -> Self {
        Self { what, outcome: Outcome::Fails, found: found.into() }
    }
}

/// Checks a receipt: its form, signature, model, shares, price and place, in this order.
///
/// A price is compared with the offer as it is now: one that was changed since the answer leaves it open. So does a place that no
/// epoch on the chain can have yet, or that the operator did not show.
pub fn verify_receipt(signed: &SignedReceipt, chain: &ChainFacts, place: Option<&ShownPlace>) -> Vec<Check> {
    vec![
        form(signed),
        signature(signed, chain),
        model(signed, chain),
        shares(signed, chain),
        price(signed, chain),
        counted(signed, chain, place),
    ]
}

fn form(signed: &SignedReceipt) -> Check {
    match signed.receipt.check() {
        Ok(()) => Check::holds("form", format!("the shares are in order and sum to {SHARE_UNITS}")),
        Err(fault) => Check::fails("form", fault.to_string()),
    }
}

fn signature(signed: &SignedReceipt, chain: &ChainFacts) -> Check {
    match is_signed(signed, chain.genesis) {
        true => Check::holds("signature", "the operator signed it for this chain"),
        false => Check::fails("signature", "the operator did not sign this, or not for this chain"),
    }
}

fn model(signed: &SignedReceipt, chain: &ChainFacts) -> Check {
    let receipt = &signed.receipt;
    match &chain.model {
        None => Check::fails("model", format!("there is no model {}", receipt.model)),
        Some(model) if model.adapter != receipt.adapter => {
            Check::fails("model", format!("model {} has another adapter: {}", receipt.model, model.adapter))
        }
        Some(_) => Check::holds("model", format!("the adapter is that of model {}", receipt.model)),
    }
}

fn shares(signed: &SignedReceipt, chain: &ChainFacts) -> Check {
    let receipt = &signed.receipt;
    let attributed = u64::try_from(chain.attributed.of(SHARE_UNITS.into())).unwrap_or(SHARE_UNITS);
    let base_min = SHARE_UNITS - attributed.min(SHARE_UNITS);
    if receipt.base < base_min {
        let found = format!("{} units are left to the base pool, and {base_min} must be", receipt.base);
        return Check::fails("shares", found);
    }
    let Some(attribution) = chain.attribution else {
        return Check::open("shares", "the model's job is not on the chain any more, so their method is not known");
    };
    match Method::recognise(receipt.method, receipt.adapter, attribution, chain.attributed) {
        Some(Method::Answer { .. }) => Check::holds("shares", "by what shaped the answer"),
        Some(Method::Training(because)) if receipt.shares.is_empty() => {
            Check::holds("shares", format!("by the shares of the model's training: {}", reason(because)))
        }
        Some(Method::Training(_)) => {
            Check::fails("shares", "contributions have shares, and the method gives them none")
        }
        None => Check::open("shares", format!("by a method that this program does not know: {}", receipt.method)),
    }
}

fn reason(because: Because) -> &'static str {
    match because {
        Because::NotAttributed => "its attribution divides no revenue of single answers",
        Because::NotExplained => "its answers are not explained",
        Because::OtherPrecision => "its base is served in another precision than it was trained on",
        Because::NoBundle => "the operator did not have the result of its job",
        Because::NothingSaid => "it said nothing",
        Because::TooLong => "request and answer were too long",
        Because::Busy => "too many answers waited to be explained",
        Because::Late => "explaining it took too long",
        Because::Failed => "explaining it failed",
    }
}

fn price(signed: &SignedReceipt, chain: &ChainFacts) -> Check {
    let receipt = &signed.receipt;
    let Some(offer) = &chain.offer else { return Check::open("price", "the operator offers this model no more") };
    let expected = offer.prices.of(receipt.input_tokens.into(), receipt.output_tokens.into());
    match expected {
        Some(expected) if expected == receipt.price => Check::holds("price", "by the operator's offer"),
        Some(expected) if receipt.price < expected => {
            Check::holds("price", format!("below the operator's offer, which would be {expected}"))
        }
        Some(expected) => Check::open("price", format!("by the offer as it is now it would be {expected}")),
        None => Check::open("price", "the offer's price is too large a number"),
    }
}

fn counted(signed: &SignedReceipt, chain: &ChainFacts, place: Option<&ShownPlace>) -> Check {
    let receipt = &signed.receipt;
    let roots = roots(chain.ledger.as_ref());
    let counting: Vec<_> = roots.iter().filter(|(_, root, _)| root.receipts.leaves > receipt.number).collect();
    if counting.is_empty() {
        return Check::open("counted", "no epoch of the operator counts it yet");
    }
    let Some(ShownPlace { epoch, proof }) = place else {
        let (epoch, ..) = counting[0];
        return Check::open(
            "counted",
            format!("epoch {epoch} must count it\nhint: --operator-url to see whether it does"),
        );
    };
    let Some((_, root, stands)) = roots.iter().find(|(number, ..)| number == epoch) else {
        return Check::open(
            "counted",
            format!("the operator shows it in epoch {epoch}, which the chain does not have now"),
        );
    };
    let TreeHead { root: tree, leaves } = root.receipts;
    match receipt.verify(chain.genesis, &root.receipts, proof) {
        Ok(()) => Check::holds("counted", format!("number {} of {leaves} in epoch {epoch}, {stands}", receipt.number)),
        Err(error) => {
            Check::fails("counted", format!("not in epoch {epoch}, whose receipts have root {tree}: {error}"))
        }
    }
}

/// The epochs whose roots are on the chain.
fn roots(ledger: Option<&AnswerLedger>) -> Vec<(u32, EpochRoot, &'static str)> {
    let Some(ledger) = ledger else { return Vec::new() };
    let accepted = ledger.accepted.map(|accepted| (accepted.epoch, accepted.root, "which is accepted"));
    let pending = ledger.pending.as_ref().map(|pending| (ledger.epoch, pending.root, "which may still be challenged"));
    accepted.into_iter().chain(pending).collect()
}

/// The receipt as whoever asks for it got it: the SCALE bytes of the signed receipt in hexadecimal digits, a file's JSON object
/// with such a member `signed`, or a response with that in `tributary.receipt`.
pub fn read_receipt(text: &str) -> Option<SignedReceipt> {
    let text = text.trim();
    let digits = match serde_json::from_str::<serde_json::Value>(text) {
        Ok(serde_json::Value::Object(object)) => {
            let object = serde_json::Value::Object(object);
            let inner = ["/signed", "/receipt/signed", "/tributary/receipt/signed"];
            inner.iter().find_map(|path| object.pointer(path)?.as_str().map(ToOwned::to_owned))?
        }
        _ => text.strip_prefix("0x").unwrap_or(text).to_owned(),
    };
    let bytes = hex::decode(digits).ok()?;
    codec::DecodeAll::decode_all(&mut bytes.as_slice()).ok()
}

/// The leaf and the path of a receipt that was too long for a header: see [`super::view::header`].
pub fn read_reference(text: &str) -> Option<(ContentHash, &str)> {
    let (leaf, path) = text.trim().split_once(' ')?;
    path.starts_with("/v1/receipts/").then_some(())?;
    Some((leaf.parse().ok()?, path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receipts::{
        epochs::receipts_tree,
        fixtures::{ADAPTER, ATTRIBUTION, GENESIS, MODEL, key, receipt, sell, store},
        view::{ReceiptView, header},
    };
    use tributary_protocol::{
        amount::TRIB,
        epoch::{AcceptedEpoch, AmountRoot},
        model::{Lineage, ModelStatus, Prices},
        receipt::Receipt,
        stream::Split,
    };

    fn facts() -> ChainFacts {
        let prices = Prices { input_per_1000: 20 * TRIB, output_per_1000: 40 * TRIB };
        let nobody = tributary_client::Account([0; 32]);
        let lineage = Lineage {
            job: tributary_protocol::JobId(3),
            base: tributary_protocol::BaseModelId(0),
            trainer: nobody,
            data: Default::default(),
            purpose: tributary_protocol::datanet::Purpose::Commercial,
        };
        let model = Model {
            owner: nobody,
            adapter: ADAPTER,
            lineage,
            metrics: Default::default(),
            accuracy: None,
            prices,
            split: Split::DEFAULT,
            status: ModelStatus::Published,
            deployments: 1,
            created_at: 1,
        };
        ChainFacts {
            genesis: GENESIS,
            model: Some(model),
            attribution: Some(ATTRIBUTION),
            attributed: Ppm::from_percent(80),
            offer: Some(Offer { prices, model_prices: prices, until: 9, deposit: 0 }),
            ledger: None,
        }
    }

    fn sign(receipt: Receipt) -> SignedReceipt {
        let signature = key().sign(&receipt.payload(GENESIS));
        SignedReceipt { receipt, signature }
    }

    fn regular() -> Receipt {
        let method = Method::of_model(ATTRIBUTION, Ppm::from_percent(80)).hash(ADAPTER);
        // 10 tokens at 0.02 TRIB and 20 at 0.04.
        Receipt { method, ..receipt(1, TRIB) }
    }

    fn outcomes(checks: &[Check]) -> Vec<Outcome> {
        checks.iter().map(|check| check.outcome).collect()
    }

    use Outcome::{Fails, Holds, Open};

    #[test]
    fn a_regular_receipt_holds_and_is_not_counted_yet() {
        let checks = verify_receipt(&sign(regular()), &facts(), None);
        assert_eq!(outcomes(&checks), [Holds, Holds, Holds, Holds, Holds, Open], "{checks:?}");
        // On another chain nothing of it is signed.
        let elsewhere = ChainFacts { genesis: [8; 32], ..facts() };
        assert_eq!(verify_receipt(&sign(regular()), &elsewhere, None)[1].outcome, Fails);
        let mut forged = sign(regular());
        forged.receipt.price = 1;
        assert_eq!(verify_receipt(&forged, &facts(), None)[1].outcome, Fails);
    }

    #[test]
    fn what_does_not_fit_the_chain_is_found() {
        let of = |receipt: Receipt, facts: &ChainFacts| outcomes(&verify_receipt(&sign(receipt), facts, None));
        let none = ChainFacts { model: None, attribution: None, offer: None, ..facts() };
        assert_eq!(of(regular(), &none), [Holds, Holds, Fails, Open, Open, Open]);
        let other = Receipt { adapter: ContentHash([6; 32]), ..regular() };
        assert_eq!(of(other, &facts())[2..4], [Fails, Open]);
        let dear = Receipt { price: TRIB + 1, ..regular() };
        assert_eq!(of(dear, &facts())[4], Open);
        let cheap = Receipt { price: TRIB - 1, ..regular() };
        assert_eq!(of(cheap, &facts())[4], Holds);
        // More attributed than the model is trusted with; a static method with shares; an unknown method.
        let less = ChainFacts { attributed: Ppm::from_percent(70), ..facts() };
        assert_eq!(of(regular(), &less)[3], Fails);
        let busy = Method::Training(Because::Busy).hash(ADAPTER);
        assert_eq!(of(Receipt { method: busy, ..regular() }, &facts())[3], Fails);
        let training = Receipt { method: busy, base: SHARE_UNITS, shares: Default::default(), ..regular() };
        assert_eq!(of(training, &facts())[3], Holds);
        assert_eq!(of(Receipt { method: ContentHash::default(), ..regular() }, &facts())[3], Open);
        let short = Receipt { base: 0, ..regular() };
        assert_eq!(of(short, &facts())[0], Fails);
    }

    #[test]
    fn a_place_in_an_epoch_is_proven_against_the_chain() {
        let store = store(&[0, 1, 2]);
        let tree = receipts_tree(&store, MODEL, 3).unwrap();
        let root = EpochRoot { receipts: tree.head(), amounts: AmountRoot::default(), method: ContentHash::default() };
        let ledger = AnswerLedger {
            funded: 0,
            claimed: 0,
            epoch: 1,
            accepted: Some(AcceptedEpoch { epoch: 1, root }),
            pending: None,
            owed_since: 0,
            deposit: 0,
        };
        let chain = ChainFacts { ledger: Some(ledger), ..facts() };
        let signed = store.receipt(MODEL, 1).unwrap().unwrap();
        let place = |epoch, number| ShownPlace { epoch, proof: tree.prove_inclusion(number).unwrap() };
        let counted = |signed: &SignedReceipt, place: Option<ShownPlace>| {
            verify_receipt(signed, &chain, place.as_ref()).pop().unwrap().outcome
        };
        assert_eq!(counted(&signed, Some(place(1, 1))), Holds);
        assert_eq!(counted(&signed, Some(place(1, 2))), Fails);
        assert_eq!(counted(&signed, Some(place(2, 1))), Open);
        assert_eq!(counted(&signed, None), Open);
        // One that the operator gave out and counted another for.
        let twin = sign(Receipt { price: 1, ..signed.receipt.clone() });
        assert_eq!(counted(&twin, Some(place(1, 1))), Fails);
        sell(&store, 0);
        assert_eq!(counted(&store.receipt(MODEL, 3).unwrap().unwrap(), None), Open);
    }

    #[test]
    fn receipts_are_read_in_every_form_they_are_given_in() {
        let signed = sign(regular());
        let digits = header(&signed, GENESIS);
        let view = serde_json::to_value(ReceiptView::new(&signed, GENESIS, 8)).unwrap();
        let response = serde_json::json!({ "choices": [], "tributary": { "receipt": view } });
        for text in [digits.clone(), format!(" 0x{digits}\n"), view.to_string(), response.to_string()] {
            assert_eq!(read_receipt(&text).as_ref(), Some(&signed), "{text}");
        }
        for bad in ["", "{}", "[]", &digits[2..], "zz", r#"{"signed": 1}"#] {
            assert_eq!(read_receipt(bad), None, "{bad}");
        }
        let leaf = signed.receipt.leaf(GENESIS);
        assert_eq!(read_reference(&format!("{leaf} /v1/receipts/4/0")), Some((leaf, "/v1/receipts/4/0")));
        assert_eq!(read_reference(&format!("{leaf} /etc/passwd")), None);
    }
}

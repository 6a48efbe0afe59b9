//! `tributary receipt`.

use super::recount::{self, RecountArgs};
use crate::{amounts::Money, context::Context, output::Output, views::units_percent};
use anyhow::{Context as _, bail, ensure};
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::Path;
use tributary_client::{Account, ChainClient};
use tributary_daemon::http;
use tributary_protocol::{ContentHash, Ppm, receipt::SignedReceipt};
use tributary_serving::receipts::{
    ChainFacts, Check, Outcome, ShownPlace, read_receipt, read_reference, verify_receipt,
    view::{ProofView, receipt_path},
};

/// Commands on receipts.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show what a receipt says
    Show(ReceiptArgs),
    /// Check a receipt against the chain: signature, model, shares and price, and that an epoch counts it
    Verify(ReceiptArgs),
    /// Compute an operator's epoch again from all its receipts
    Recount(RecountArgs),
}

/// A receipt, and who gave it.
#[derive(Args, Clone, Debug)]
pub struct ReceiptArgs {
    /// A file with the receipt or with the whole response, or the header x-tributary-receipt itself
    #[arg(value_name = "FILE|TEXT")]
    receipt: String,
    /// Where the operator answers, such as http://127.0.0.1:8080: for its proof that an epoch counts the receipt
    #[arg(long, value_name = "URL")]
    operator_url: Option<String>,
}

/// A receipt as it was given.
struct Given {
    signed: SignedReceipt,
    /// Its leaf, if it was given by that.
    leaf: Option<ContentHash>,
}

impl Command {
    /// Does it.
    pub async fn run(self, context: &Context) -> anyhow::Result<Output> {
        match self {
            Self::Show(args) => Ok(show(&args.read().await?.signed)),
            Self::Verify(args) => verify(context, &args).await,
            Self::Recount(args) => recount::recount(context, &args).await,
        }
    }
}

/// An address of an operator without what may end it.
pub fn operator_url(url: &str) -> &str {
    url.trim_end_matches('/').trim_end_matches("/v1")
}

impl ReceiptArgs {
    async fn read(&self) -> anyhow::Result<Given> {
        let text = match Path::new(&self.receipt).is_file() {
            true => std::fs::read_to_string(&self.receipt).with_context(|| format!("cannot read {}", self.receipt))?,
            false => self.receipt.clone(),
        };
        if let Some(signed) = read_receipt(&text) {
            return Ok(Given { signed, leaf: None });
        }
        let Some((leaf, path)) = read_reference(&text) else {
            bail!(
                "this is no receipt\nhint: a file with the response, or what the header x-tributary-receipt says, \
                 in quotation marks"
            );
        };
        let url = self.operator_url.as_ref();
        let url =
            url.with_context(|| format!("the receipt lies with its operator, at {path}\nhint: --operator-url"))?;
        let body = http::get(&format!("{}{path}", operator_url(url))).await?;
        let signed = read_receipt(&String::from_utf8_lossy(&body)).context("the operator shows no receipt there")?;
        Ok(Given { signed, leaf: Some(leaf) })
    }
}

fn show(signed: &SignedReceipt) -> Output {
    let receipt = &signed.receipt;
    let shares: Vec<String> =
        receipt.shares.iter().map(|share| format!("leaf {}: {}", share.index, units_percent(share.units))).collect();
    let fields = [
        ("operator", Account(receipt.operator).to_string()),
        ("model", receipt.model.to_string()),
        ("number", receipt.number.to_string()),
        ("adapter", receipt.adapter.to_string()),
        ("request", receipt.request.to_string()),
        ("answer", receipt.response.to_string()),
        ("tokens", format!("{} in, {} out", receipt.input_tokens, receipt.output_tokens)),
        ("price", Money(receipt.price).to_string()),
        ("method", receipt.method.to_string()),
        ("by training", units_percent(receipt.base)),
        ("by this answer", if shares.is_empty() { "none".into() } else { shares.join("\n") }),
    ];
    let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let line = |(name, value): &(&str, String)| {
        let value = value.replace('\n', &format!("\n{:width$}  ", ""));
        format!("{name:width$}  {value}")
    };
    let text: Vec<String> = fields.iter().map(line).collect();
    let json = json!({
        "operator": Account(receipt.operator), "model": receipt.model, "number": receipt.number,
        "adapter": receipt.adapter, "request": receipt.request, "response": receipt.response,
        "input_tokens": receipt.input_tokens, "output_tokens": receipt.output_tokens, "price": Money(receipt.price),
        "method": receipt.method, "base": receipt.base, "shares": receipt.shares.to_vec(),
        "signature": hex::encode(signed.signature),
    });
    Output::new(json, text.join("\n"))
}

async fn verify(context: &Context, args: &ReceiptArgs) -> anyhow::Result<Output> {
    let Given { signed, leaf } = args.read().await?;
    let client = context.client().await?;
    let genesis = client.genesis().0;
    let found = signed.receipt.leaf(genesis);
    ensure!(
        leaf.is_none_or(|leaf| leaf == found),
        "the operator shows another receipt than the one it gave out: its leaf is {found}"
    );
    let facts = facts(&client, &signed).await?;
    let place = match &args.operator_url {
        Some(url) => shown(operator_url(url), &signed).await?,
        None => None,
    };
    let checks = verify_receipt(&signed, &facts, place.as_ref());
    let fails = checks.iter().any(|check| check.outcome == Outcome::Fails);
    let text: Vec<String> = checks.iter().map(line).collect();
    ensure!(!fails, "the receipt does not hold\n{}", text.join("\n"));
    Ok(Output::new(json!({ "holds": true, "leaf": found, "checks": checks }), text.join("\n")))
}

fn line(check: &Check) -> String {
    let outcome = match check.outcome {
        Outcome::Holds => "holds",
        Outcome::Open => "open",
        Outcome::Fails => "FAILS",
    };
    format!("{outcome:5}  {:9}  {}", check.what, check.found.replace('\n', "; "))
}

async fn facts(client: &ChainClient, signed: &SignedReceipt) -> anyhow::Result<ChainFacts> {
    let (model, operator) = (signed.receipt.model, Account(signed.receipt.operator));
    let view = client.latest();
    let stream = view.stream(model).await?;
    let job = match &stream {
        Some(stream) => view.job(stream.job).await?,
        None => None,
    };
    Ok(ChainFacts {
        genesis: client.genesis().0,
        model: view.model(model).await?,
        attribution: job.map(|job| job.spec.attribution),
        attributed: stream.map_or(Ppm::ZERO, |stream| stream.contributions.attributed),
        offer: view.offer(model, operator).await?,
        ledger: view.ledger(model, operator).await?,
    })
}

/// The place that the operator shows; `None` if it says that there is none yet.
async fn shown(url: &str, signed: &SignedReceipt) -> anyhow::Result<Option<ShownPlace>> {
    let path = receipt_path(signed.receipt.model, signed.receipt.number);
    let Some(body) = http::get_if_there(&format!("{url}{path}/proof")).await? else { return Ok(None) };
    let view: ProofView = serde_json::from_slice(&body).with_context(|| format!("{url} shows no proof"))?;
    Ok(Some(ShownPlace { epoch: view.epoch, proof: view.proof }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_protocol::{ModelId, receipt::Receipt, stream::SHARE_UNITS};

    fn signed() -> SignedReceipt {
        let receipt = Receipt {
            operator: [1; 32],
            model: ModelId(2),
            number: 3,
            adapter: ContentHash([4; 32]),
            request: ContentHash([5; 32]),
            response: ContentHash([6; 32]),
            input_tokens: 7,
            output_tokens: 8,
            price: 1_500_000_000_000,
            method: ContentHash([9; 32]),
            base: SHARE_UNITS,
            shares: Default::default(),
        };
        SignedReceipt { receipt, signature: [0; 64] }
    }

    #[tokio::test]
    async fn a_receipt_is_read_from_a_file_or_from_the_command_line() {
        let digits = hex::encode(codec_of(&signed()));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), json!({ "signed": digits }).to_string()).unwrap();
        for receipt in [digits, file.path().display().to_string()] {
            let args = ReceiptArgs { receipt, operator_url: None };
            assert_eq!(args.read().await.unwrap().signed, signed());
        }
        let lost = ReceiptArgs { receipt: format!("{} /v1/receipts/2/3", "ab".repeat(32)), operator_url: None };
        let error = lost.read().await.err().unwrap().to_string();
        assert!(error.contains("hint: --operator-url"), "{error}");
        let nothing = ReceiptArgs { receipt: "nothing".into(), operator_url: None };
        assert!(nothing.read().await.err().unwrap().to_string().contains("no receipt"));
    }

    fn codec_of(signed: &SignedReceipt) -> Vec<u8> {
        // A view holds the SCALE bytes.
        let view = tributary_serving::receipts::view::ReceiptView::new(signed, [0; 32], 8);
        hex::decode(view.signed.unwrap()).unwrap()
    }

    #[test]
    fn people_read_amounts_and_parts() {
        let output = show(&signed());
        assert!(output.text().contains("price           1.5 TRIB"), "{}", output.text());
        assert!(output.text().contains("by training     100.00000%"), "{}", output.text());
    }

    #[test]
    fn an_operators_address_may_end_in_a_slash_or_in_its_version() {
        for url in ["http://a:1", "http://a:1/", "http://a:1/v1", "http://a:1/v1/"] {
            assert_eq!(operator_url(url), "http://a:1");
        }
    }
}

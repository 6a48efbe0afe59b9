//! `tributary receipt recount`: computing an operator's epoch again, as a contributor or a challenger does.

use super::{
    receipt::operator_url,
    reward::{SharesArgs, stream},
};
use crate::{amounts::Money, args::parse, context::Context, output::Output, progress::Task};
use anyhow::{Context as _, bail, ensure};
use clap::Args;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::collections::BTreeMap;
use tributary_client::{Account, AnswerLedger};
use tributary_daemon::http;
use tributary_protocol::{
    ModelId,
    epoch::{AcceptedEpoch, AmountLeaf, AmountTree, EpochDomain, EpochRoot},
};
use tributary_serving::receipts::{
    epochs::{PostedEpoch, Wrong},
    view::{EpochList, EpochPage, ReceiptPage},
};

/// Which epoch, and where its parts are.
#[derive(Args, Clone, Debug)]
pub struct RecountArgs {
    /// The model
    #[arg(value_parser = parse::model)]
    model: ModelId,
    /// Where the operator answers, such as http://127.0.0.1:8080
    #[arg(long, value_name = "URL")]
    operator_url: String,
    #[command(flatten)]
    shares: SharesArgs,
}

/// The epoch to look at: the one that may still be challenged, or else the accepted one.
struct Chosen {
    number: u32,
    root: EpochRoot,
    /// The one before it, where that is known.
    before: Option<AcceptedEpoch>,
    may_be_challenged: bool,
}

fn choose(ledger: &AnswerLedger) -> anyhow::Result<Chosen> {
    match (&ledger.pending, ledger.accepted) {
        (Some(pending), before) => {
            Ok(Chosen { number: ledger.epoch, root: pending.root, before, may_be_challenged: true })
        }
        (None, Some(AcceptedEpoch { epoch: 1, root })) => {
            Ok(Chosen { number: 1, root, before: None, may_be_challenged: false })
        }
        (None, Some(AcceptedEpoch { epoch, .. })) => bail!(
            "epoch {epoch} is accepted, and what it is built upon is not kept any more\nhint: recount an epoch while it \
             may be challenged"
        ),
        (None, None) => bail!("the operator has posted no epoch yet"),
    }
}

/// Computes the epoch again, and says what is wrong with it.
pub async fn recount(context: &Context, args: &RecountArgs) -> anyhow::Result<Output> {
    let (model, url) = (args.model, operator_url(&args.operator_url));
    let client = context.client().await?;
    let EpochList { operator, .. } = read(&format!("{url}/v1/epochs/{model}")).await?;
    let ledger = client.latest().ledger(model, operator).await?;
    let ledger = ledger.with_context(|| format!("{operator} has never paid for answers of model {model}"))?;
    let chosen = choose(&ledger)?;
    let stream = stream(&client, model).await?;
    let shares = args.shares.read().await?.tree()?;
    ensure!(shares.root() == stream.contributions.shares, "these shares are not those of model {model}");

    let task = Task::spinner(format!("epoch {} of {operator}", chosen.number));
    let genesis = client.genesis().0;
    let domain = |epoch| EpochDomain { genesis, model, operator: operator.0, epoch };
    let leaves = leaves(url, model, chosen.number).await?;
    let accepted = match chosen.before {
        None => Vec::new(),
        Some(AcceptedEpoch { epoch, root }) => {
            let leaves = self::leaves(url, model, epoch).await?;
            let found = AmountTree::new(&domain(epoch), leaves.clone())?.root();
            ensure!(found == root.amounts, "the operator does not show the leaves of epoch {epoch}, which is accepted");
            leaves
        }
    };
    let epoch = PostedEpoch {
        domain: domain(chosen.number),
        root: chosen.root,
        shares: shares.leaves(),
        attributed: stream.contributions.attributed,
        accepted: &accepted,
    };
    let mut counted = epoch.recount()?;
    let mut methods: BTreeMap<String, u64> = BTreeMap::new();
    let verdict = loop {
        let from = counted.next();
        if from >= chosen.root.receipts.leaves {
            break epoch.check(&counted, &leaves);
        }
        task.note(&format!("{from} of {} receipts", chosen.root.receipts.leaves));
        let page: ReceiptPage = read(&format!("{url}/v1/receipts/{model}?from={from}&limit=1000")).await?;
        let left = usize::try_from(chosen.root.receipts.leaves - from).unwrap_or(usize::MAX);
        let added = page.receipts.iter().take(left).try_for_each(|signed| {
            *methods.entry(signed.0.receipt.method.to_string()).or_default() += 1;
            counted.add(&signed.0)
        });
        match added {
            Err(wrong) => break Err(wrong),
            Ok(()) if counted.next() == from => break Err(Wrong::OtherReceipts),
            Ok(()) => {}
        }
    };
    drop(task);
    if let Err(wrong) = verdict {
        let hint = if chosen.may_be_challenged { "\nhint: challenge it, or show who decides disputes" } else { "" };
        bail!("epoch {} of {operator} does not stand: {wrong}{hint}", chosen.number);
    }
    Ok(report(model, operator, &chosen, &methods))
}

fn report(model: ModelId, operator: Account, chosen: &Chosen, methods: &BTreeMap<String, u64>) -> Output {
    let EpochRoot { amounts, receipts, .. } = chosen.root;
    let text = format!(
        "epoch {} of {operator} stands: {} among {} contributions follow from {} receipts",
        chosen.number,
        Money(amounts.total),
        amounts.leaves,
        receipts.leaves
    );
    let json = json!({
        "stands": true, "model": model, "operator": operator, "epoch": chosen.number, "total": Money(amounts.total),
        "leaves": amounts.leaves, "receipts": receipts.leaves, "methods": methods,
    });
    Output::new(json, text)
}

async fn leaves(url: &str, model: ModelId, epoch: u32) -> anyhow::Result<Vec<AmountLeaf>> {
    let mut leaves = Vec::new();
    loop {
        let page: EpochPage = read(&format!("{url}/v1/epochs/{model}/{epoch}?from={}", leaves.len())).await?;
        if page.leaves.is_empty() {
            return Ok(leaves);
        }
        leaves.extend(page.leaves.into_iter().map(AmountLeaf::from));
        ensure!(
            leaves.len() <= tributary_protocol::stream::SHARE_LEAVES_MAX as usize,
            "the operator shows more leaves than an epoch can have"
        );
    }
}

async fn read<T: DeserializeOwned>(url: &str) -> anyhow::Result<T> {
    serde_json::from_slice(&http::get(url).await?).with_context(|| format!("{url} shows something else"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_protocol::epoch::PendingEpoch;

    #[test]
    fn the_epoch_that_may_be_challenged_comes_first() {
        let root = |leaves| EpochRoot {
            amounts: tributary_protocol::epoch::AmountRoot { leaves, ..Default::default() },
            ..EpochRoot::default()
        };
        let accepted = |epoch| Some(AcceptedEpoch { epoch, root: root(epoch) });
        let pending = Some(PendingEpoch { root: root(9), bond: 1, until: 1, challenge: None });
        let ledger = |epoch, accepted, pending| AnswerLedger {
            funded: 0,
            claimed: 0,
            epoch,
            accepted,
            pending,
            owed_since: 0,
            deposit: 0,
        };
        let found = choose(&ledger(3, accepted(2), pending)).unwrap();
        assert_eq!((found.number, found.root.amounts.leaves, found.may_be_challenged), (3, 9, true));
        assert_eq!(found.before, accepted(2));
        let found = choose(&ledger(1, accepted(1), None)).unwrap();
        assert_eq!((found.number, found.before, found.may_be_challenged), (1, None, false));
        assert!(choose(&ledger(2, accepted(2), None)).is_err());
        assert!(choose(&ledger(0, None, None)).is_err());
    }
}

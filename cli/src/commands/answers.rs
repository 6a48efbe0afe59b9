//! `tributary reward claim-answers`: what an operator's epochs give to contributors.

use super::receipt::operator_url;
use crate::{
    amounts::Money,
    context::Context,
    output::{Output, Record},
};
use anyhow::{Context as _, ensure};
use clap::Args;
use serde::Serialize;
use tributary_client::{Account, ChainClient, Event, calls::attribution};
use tributary_daemon::http;
use tributary_protocol::{
    Amount, ContributionId, ModelId,
    epoch::{AcceptedEpoch, AmountLeaf, AmountProof, EpochDomain, EpochRoot},
    sum_tree,
};
use tributary_serving::receipts::view::ClaimsView;

/// Where an operator shows what its answers have earned.
#[derive(Args, Clone, Debug)]
pub struct AnswersArgs {
    /// Where the operator answers, such as http://127.0.0.1:8080. What it shows is checked against the chain
    #[arg(long, value_name = "URL")]
    operator_url: String,
}

/// What a contribution has earned by an operator's answers.
#[derive(Clone, Debug, Serialize)]
pub struct AnswerClaimView {
    model: ModelId,
    operator: Account,
    epoch: u32,
    index: u32,
    contribution: ContributionId,
    contributor: Account,
    /// By all answers that the epoch counts.
    earned: Money,
    /// What can be, or was, claimed now.
    amount: Money,
}

impl Record for AnswerClaimView {
    const COLUMNS: &'static [&'static str] = &["model", "operator", "epoch", "contribution", "earned", "amount"];

    fn row(&self) -> Vec<String> {
        vec![
            self.model.to_string(),
            crate::views::short(&self.operator),
            self.epoch.to_string(),
            self.contribution.to_string(),
            self.earned.to_string(),
            self.amount.to_string(),
        ]
    }

    fn fields(&self) -> Vec<(&'static str, String)> {
        Self::COLUMNS.iter().copied().zip(self.row()).collect()
    }
}

/// Shows what an account could claim now.
pub async fn claimable(
    context: &Context,
    model: ModelId,
    args: &AnswersArgs,
    account: Option<Account>,
) -> anyhow::Result<Output> {
    let account = context.account_or_own(account)?;
    let client = context.client().await?;
    let due = due(&client, model, args, account).await?;
    let views: Vec<AnswerClaimView> = due.into_iter().map(|(view, ..)| view).collect();
    Ok(Output::list(&views))
}

/// Claims what the signer's contributions have earned.
pub async fn claim(context: &Context, model: ModelId, args: &AnswersArgs) -> anyhow::Result<Output> {
    let signer = context.signer().await?;
    let mut claimed = Vec::new();
    for (mut view, leaf, proof) in due(signer.client(), model, args, signer.account()).await? {
        if view.amount.0 == 0 {
            continue;
        }
        let receipt = signer.submit(&attribution::claim_answers(model, view.operator, leaf, &proof)).await?;
        if let Some(paid) = receipt.events.iter().find_map(paid) {
            view.amount = Money(paid);
        }
        claimed.push(view);
    }
    ensure!(!claimed.is_empty(), "there is nothing to claim from this operator's answers of model {model} now");
    Ok(Output::list(&claimed))
}

/// What a claim's event says was paid.
fn paid(event: &Event) -> Option<Amount> {
    if !event.is("Attribution", "AnswerRewardClaimed") {
        return None;
    }
    let fields: (ModelId, Account, u32, u32, ContributionId, Account, Amount) = event.first().ok()?;
    Some(fields.6)
}

type Due = (AnswerClaimView, AmountLeaf, AmountProof);

/// What the operator shows of an account, with proofs that hold against the chain's epoch.
async fn due(client: &ChainClient, model: ModelId, args: &AnswersArgs, account: Account) -> anyhow::Result<Vec<Due>> {
    let url = operator_url(&args.operator_url);
    let body = http::get(&format!("{url}/v1/claims/{model}/{account}")).await?;
    let shown: ClaimsView = serde_json::from_slice(&body).with_context(|| format!("{url} shows no claims"))?;
    let operator = shown.operator;
    let view = client.latest();
    let ledger = view.ledger(model, operator).await?;
    let ledger = ledger.with_context(|| format!("{operator} has never paid for answers of model {model}"))?;
    let accepted = ledger.accepted.context("no epoch of this operator was accepted yet")?;
    let mut due = Vec::new();
    for (leaf, proof) in proven(&shown, &accepted, client.genesis().0, model, account)? {
        let paid = view.answers_paid(model, operator, leaf.index).await?.unwrap_or_default();
        let view = AnswerClaimView {
            model,
            operator,
            epoch: accepted.epoch,
            index: leaf.index,
            contribution: leaf.contribution,
            contributor: account,
            earned: Money(leaf.units),
            // An epoch that takes back what was claimed pays nothing.
            amount: Money(leaf.units.saturating_sub(paid)),
        };
        due.push((view, leaf, proof));
    }
    Ok(due)
}

/// The leaves that are shown, if they are the account's and in the epoch that the chain accepted.
fn proven(
    shown: &ClaimsView,
    accepted: &AcceptedEpoch,
    genesis: [u8; 32],
    model: ModelId,
    account: Account,
) -> anyhow::Result<Vec<(AmountLeaf, AmountProof)>> {
    ensure!(
        shown.epoch == accepted.epoch && EpochRoot::from(shown.root) == accepted.root,
        "the operator shows epoch {}, and the chain has accepted epoch {}\nhint: try again in a minute",
        shown.epoch,
        accepted.epoch
    );
    let domain = EpochDomain { genesis, model, operator: shown.operator.0, epoch: accepted.epoch };
    ensure!(!shown.claims.is_empty(), "{account} has no contribution in this model");
    let claim = |claim: &tributary_serving::receipts::view::AnswerClaim| -> anyhow::Result<_> {
        let leaf = AmountLeaf::from(claim.leaf);
        let proof = claim.proof().context("the operator shows a proof that is longer than any")?;
        ensure!(leaf.contributor == account.0, "the operator shows a leaf of another account");
        sum_tree::verify(&domain, &accepted.root.amounts, &leaf, &proof)
            .with_context(|| format!("leaf {} is not in the epoch that the chain accepted", leaf.index))?;
        Ok((leaf, proof))
    };
    shown.claims.iter().map(claim).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_protocol::{
        ContentHash,
        epoch::{AmountTree, EpochRoot},
    };
    use tributary_serving::receipts::view::AnswerClaim;

    #[test]
    fn only_ones_own_leaves_of_the_accepted_epoch_are_claimed() {
        let (genesis, model, operator, ada) = ([7; 32], ModelId(3), Account([9; 32]), Account([1; 32]));
        let domain = EpochDomain { genesis, model, operator: operator.0, epoch: 2 };
        let leaf = |index: u32, contributor| AmountLeaf {
            index,
            contribution: ContributionId(index.into()),
            contributor,
            units: 100,
            evidence: ContentHash::default(),
        };
        let tree = AmountTree::new(&domain, vec![leaf(0, ada.0), leaf(1, [2; 32]), leaf(2, ada.0)]).unwrap();
        let root = EpochRoot { amounts: tree.root(), ..EpochRoot::default() };
        let accepted = AcceptedEpoch { epoch: 2, root };
        let claim = |index: u32| AnswerClaim::new(tree.leaves()[index as usize], &tree.prove(index).unwrap());
        let shown = |claims| ClaimsView { model, operator, epoch: 2, root: root.into(), claims };
        let of = |shown: &ClaimsView, accepted: AcceptedEpoch| proven(shown, &accepted, genesis, model, ada);
        let own = shown(vec![claim(0), claim(2)]);
        assert_eq!(of(&own, accepted).unwrap().len(), 2);
        let error = |shown: &ClaimsView, accepted: AcceptedEpoch| of(shown, accepted).unwrap_err().to_string();
        assert!(error(&own, AcceptedEpoch { epoch: 3, root }).contains("accepted epoch 3"));
        let other = EpochRoot { method: ContentHash([1; 32]), ..root };
        assert!(error(&own, AcceptedEpoch { epoch: 2, root: other }).contains("hint:"));
        assert!(error(&shown(vec![claim(1)]), accepted).contains("another account"));
        let mut greedy = claim(0);
        greedy.leaf.amount.0 = 101;
        assert!(error(&shown(vec![greedy]), accepted).contains("not in the epoch"));
        assert!(error(&shown(vec![]), accepted).contains("no contribution"));
    }
}

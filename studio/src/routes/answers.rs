//! What operators' answers have earned an account, with proofs.

use super::{Answer, Named};
use crate::{
    answers::{AnswersError, Proven, Question},
    app::App,
    db::params,
    error::ApiError,
    index::codes::text,
    views::{Hex, Money},
};
use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use tributary_client::Account;
use tributary_protocol::{Amount, ContributionId, ModelId, model::Deployment};

#[derive(Serialize)]
struct LeafView {
    index: u32,
    contribution: ContributionId,
    contributor: Hex,
    amount: Money,
    evidence: Hex,
}

#[derive(Serialize)]
struct SiblingView {
    hash: Hex,
    sum: Money,
}

#[derive(Serialize)]
struct ProofView {
    siblings: Vec<SiblingView>,
}

/// The arguments of a claim.
#[derive(Serialize)]
struct ClaimView {
    leaf: LeafView,
    proof: ProofView,
    claimable: Money,
    claimed: Money,
}

/// What an account can claim from an operator's accepted epoch.
#[derive(Serialize)]
pub struct AnswerClaims {
    model: ModelId,
    operator: Account,
    account: Account,
    epoch: Option<u32>,
    claims: Vec<ClaimView>,
    claimable: Money,
}

pub async fn claims(
    State(app): State<App>,
    Named((model, operator, account)): Named<(ModelId, Account, Account)>,
) -> Answer<AnswerClaims> {
    let view = app.client().latest();
    let accepted = view.ledger(model, operator).await?.and_then(|ledger| ledger.accepted);
    let mut shown = AnswerClaims { model, operator, account, epoch: None, claims: Vec::new(), claimable: Money(0) };
    let Some(accepted) = accepted else { return Ok(Json(shown)) };
    shown.epoch = Some(accepted.epoch);
    let query = "SELECT record FROM deployments WHERE model = ? AND operator = ?";
    let deployment = app.read(move |reader| reader.record::<Deployment>(query, params![model.0, operator.0]));
    let Some(deployment) = deployment.await? else {
        let error = ApiError::new(StatusCode::NOT_FOUND, "operator_gone", "the operator offers this model no more");
        return Err(error.hint("what it owes stays; it can be claimed once the operator deploys the model again"));
    };
    let question = Question { genesis: app.genesis(), model, operator, account, accepted };
    let proven = question.ask(app.strangers(), &text(&deployment.endpoint)).await.map_err(refused)?;
    let mut sum: Amount = 0;
    for (leaf, proof) in proven {
        let paid = view.answers_paid(model, operator, leaf.index).await?.unwrap_or_default();
        // An epoch that takes back what was claimed pays nothing.
        let claimable = leaf.units.saturating_sub(paid);
        sum = sum.saturating_add(claimable);
        shown.claims.push(claim_view((leaf, proof), claimable, paid));
    }
    Ok(Json(AnswerClaims { claimable: Money(sum), ..shown }))
}

fn refused(error: AnswersError) -> ApiError {
    if let AnswersError::Away(reason) | AnswersError::Malformed(reason) = &error {
        tracing::debug!("{error}: {reason}");
    }
    let (status, code) = match &error {
        AnswersError::Away(_) => (StatusCode::BAD_GATEWAY, "operator_away"),
        AnswersError::NoEpoch { .. } | AnswersError::OtherEpoch { .. } => (StatusCode::CONFLICT, "other_epoch"),
        AnswersError::Address | AnswersError::Refused(_) | AnswersError::Malformed(_) | AnswersError::WrongLeaf(_) => {
            (StatusCode::BAD_GATEWAY, "operator_wrong")
        }
    };
    ApiError::new(status, code, error.to_string()).hint("try again in a minute; what was earned stays")
}

fn claim_view((leaf, proof): Proven, claimable: Amount, claimed: Amount) -> ClaimView {
    ClaimView {
        leaf: LeafView {
            index: leaf.index,
            contribution: leaf.contribution,
            contributor: Hex(leaf.contributor),
            amount: Money(leaf.units),
            evidence: leaf.evidence.into(),
        },
        proof: ProofView {
            siblings: proof
                .siblings
                .iter()
                .map(|node| SiblingView { hash: node.hash.into(), sum: Money(node.sum) })
                .collect(),
        },
        claimable: Money(claimable),
        claimed: Money(claimed),
    }
}

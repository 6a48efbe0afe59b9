//! Models, their bundles, and claims with proofs.

use super::{Answer, Asked, Named, found};
use crate::{
    app::App,
    bundles::{Bundles, BundlesError},
    db::WorkError,
    error::ApiError,
    index::{leaves, reader::Want},
    views::{
        Hex, Money, Page,
        models::{self, ModelDetail, ModelQuery, ModelView},
    },
};
use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use tributary_client::Account;
use tributary_protocol::{
    Amount, ContributionId, JobId, ModelId,
    sum_tree::{SumLeaf, SumProof},
};

pub async fn models(
    State(app): State<App>,
    Asked(query): Asked<ModelQuery>,
    Asked(want): Asked<Want>,
) -> Answer<Page<ModelView>> {
    Ok(Json(app.read(move |reader| models::list(reader, &query, &want)).await?))
}

pub async fn model(State(app): State<App>, Named(id): Named<ModelId>) -> Answer<ModelDetail> {
    found(app.read(move |reader| models::detail(reader, id)).await?, "model", id)
}

/// How a bundle is wanted.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum BundleFormat {
    #[default]
    Tar,
    Bundle,
}

/// Which part of a bundle.
#[derive(Deserialize)]
pub struct BundleQuery {
    #[serde(default)]
    format: BundleFormat,
}

pub async fn bundle(
    State(app): State<App>,
    Named(id): Named<ModelId>,
    Asked(query): Asked<BundleQuery>,
) -> Result<Response, ApiError> {
    let read = app.read(move |reader| {
        let Some(model) = models::one(reader, id)? else { return Ok(None) };
        crate::views::jobs::record_of(reader, model.job()).map(|job| job.map(|job| (model.job(), job)))
    });
    let Some((number, job)) = read.await? else { return Err(ApiError::not_found(format!("model {id}"))) };
    let tributary_client::JobState::Settled { report, trainer, .. } = &job.state else {
        return Err(ApiError::internal(&format!("model {id} of job {number}, which is not settled")));
    };
    let own = app.bundles().account();
    if own.is_none_or(|own| own != job.requester && own != *trainer) {
        return Err(refused(BundlesError::NotPermitted));
    }
    let trainers: Vec<String> = app.trainers().all_live().iter().flat_map(|live| live.exchange().to_vec()).collect();
    let bytes = app.bundles().get(number, report.bundle, &trainers).await.map_err(refused)?;
    let (bytes, name) = match query.format {
        BundleFormat::Bundle => (bytes, format!("model-{id}-bundle.tar")),
        BundleFormat::Tar => (Bundles::adapter(bytes).await.map_err(refused)?, format!("model-{id}-adapter.tar")),
    };
    let disposition = format!("attachment; filename=\"{name}\"");
    let headers = [(header::CONTENT_TYPE, "application/x-tar".to_owned()), (header::CONTENT_DISPOSITION, disposition)];
    Ok((headers, bytes).into_response())
}

fn refused(error: BundlesError) -> ApiError {
    let text = error.to_string();
    match error {
        BundlesError::NotPermitted => ApiError::told(StatusCode::FORBIDDEN, "not_permitted", text),
        BundlesError::Fetch(_) => ApiError::told(StatusCode::BAD_GATEWAY, "provider_away", text),
        error => ApiError::internal(&error),
    }
}

#[derive(Serialize)]
struct LeafView {
    index: u32,
    contribution: ContributionId,
    contributor: Hex,
    units: u64,
    evidence: Hex,
}

#[derive(Serialize)]
struct SiblingView {
    hash: Hex,
    sum: u64,
}

#[derive(Serialize)]
struct ProofView {
    siblings: Vec<SiblingView>,
}

/// The arguments of a claim.
#[derive(Serialize)]
pub struct ClaimView {
    leaf: LeafView,
    proof: ProofView,
    claimable: Money,
    claimed: Money,
}

/// What an account can claim from a model.
#[derive(Serialize)]
pub struct Claims {
    model: ModelId,
    job: JobId,
    account: Account,
    root: Hex,
    claims: Vec<ClaimView>,
    claimable: Money,
}

pub async fn claims(State(app): State<App>, Named((id, account)): Named<(ModelId, Account)>) -> Answer<Claims> {
    let genesis = app.genesis();
    let read = app.read(move |reader| {
        let Some(stream) = models::stream_of(reader, id)? else { return Ok(None) };
        let shares = leaves::get(reader, id, stream.job, genesis)?;
        let proven = shares.and_then(|shares| shares.claims(&account, &stream.contributions.shares).ok().flatten());
        let proven = proven.map(|proven| {
            let paid = |leaf: &SumLeaf| reader.total("leaf", format!("{id}/{}", leaf.index), "contributor");
            proven
                .into_iter()
                .map(|(leaf, proof)| Ok((paid(&leaf)?, leaf, proof)))
                .collect::<Result<Vec<_>, WorkError>>()
        });
        Ok(Some((stream, proven.transpose()?)))
    });
    let Some((stream, proven)) = read.await? else { return Err(ApiError::not_found(format!("model {id}"))) };
    let Some(proven) = proven else {
        let error = ApiError::new(StatusCode::NOT_FOUND, "leaves_unknown", "no trainer shows this model's leaves now");
        return Err(error.hint("try again when the trainer that made the model can be reached"));
    };
    let view = app.client().latest();
    let (mut claims, mut sum): (_, Amount) = (Vec::new(), 0);
    for (claimed, leaf, proof) in proven {
        let claimable = view.claimable(id, leaf.index, leaf.units).await?.unwrap_or_default();
        sum = sum.saturating_add(claimable);
        claims.push(claim_view(&leaf, &proof, claimable, claimed));
    }
    Ok(Json(Claims {
        model: id,
        job: stream.job,
        account,
        root: stream.contributions.shares.root.into(),
        claims,
        claimable: Money(sum),
    }))
}

fn claim_view(leaf: &SumLeaf, proof: &SumProof, claimable: Amount, claimed: Amount) -> ClaimView {
    ClaimView {
        leaf: LeafView {
            index: leaf.index,
            contribution: leaf.contribution,
            contributor: Hex(leaf.contributor),
            units: leaf.units,
            evidence: leaf.evidence.into(),
        },
        proof: ProofView {
            siblings: proof.siblings.iter().map(|node| SiblingView { hash: node.hash.into(), sum: node.sum }).collect(),
        },
        claimable: Money(claimable),
        claimed: Money(claimed),
    }
}

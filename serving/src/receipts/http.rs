//! Receipts and epochs for everybody to read. Nothing here is secret, and who reads it checks it against the chain.

use super::{
    epochs::{EpochRecord, domain, receipts_tree},
    store::{ReceiptStore, StoreError},
    view::{AnswerClaim, ClaimsView, EpochList, EpochPage, LeafView, ProofView, ReceiptPage, ReceiptView, SignedText},
};
use axum::{
    Json, Router,
    extract::{Path, Query, State, rejection::PathRejection, rejection::QueryRejection},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;
use serde_json::json;
use std::sync::{Arc, Mutex, PoisonError};
use tributary_client::Account;
use tributary_protocol::{
    ContentHash, ModelId,
    content::MerkleTree,
    epoch::{AmountLeaf, AmountTree},
    receipt::{RECEIPT_SHARES_MAX, ReceiptTree},
};

/// Most receipts on a page.
const RECEIPTS_MAX: u32 = 1_000;
/// Most bytes of SCALE on a page of receipts, but for its last receipt.
const PAGE_BYTES_MAX: usize = 1 << 20;
/// Most leaves on a page of an epoch.
const LEAVES_MAX: u32 = 10_000;
/// Most claims that one account is shown at once.
const CLAIMS_MAX: usize = 1_000;
/// Epochs whose trees are in memory: the accepted one and the next, of two models.
const TREES_MAX: usize = 4;

/// What the pages show.
#[derive(Clone)]
pub struct Pages {
    store: Arc<ReceiptStore>,
    trees: Arc<Mutex<Vec<Arc<Trees>>>>,
}

/// An epoch with its trees.
struct Trees {
    model: ModelId,
    record: EpochRecord,
    amounts: AmountTree,
    receipts: MerkleTree<ReceiptTree>,
}

/// Why a page is not shown.
enum PageError {
    /// There is no such thing.
    NotFound(String),
    /// The address makes no sense.
    BadRequest(String),
    /// The store failed.
    Failed(String),
}

impl From<StoreError> for PageError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<PathRejection> for PageError {
    fn from(error: PathRejection) -> Self {
        Self::BadRequest(error.body_text())
    }
}

impl From<QueryRejection> for PageError {
    fn from(error: QueryRejection) -> Self {
        Self::BadRequest(error.body_text())
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let (status, kind, code, message) = match self {
            Self::NotFound(message) => (StatusCode::NOT_FOUND, "invalid_request_error", "not_found", message),
            Self::BadRequest(message) => (StatusCode::BAD_REQUEST, "invalid_request_error", "invalid_value", message),
            Self::Failed(reason) => {
                tracing::error!("a receipt's page failed: {reason}");
                let message = "the operator's store failed".to_owned();
                (StatusCode::INTERNAL_SERVER_ERROR, "server_error", "store_failed", message)
            }
        };
        let error = json!({ "error": { "message": message, "type": kind, "param": null, "code": code } });
        (status, Json(error)).into_response()
    }
}

type PageResult<T> = Result<Json<T>, PageError>;

/// Where a page begins, and how long it is at most.
#[derive(Deserialize)]
struct Range {
    #[serde(default)]
    from: u64,
    limit: Option<u32>,
}

/// Which epoch is meant; without it, the accepted one or else the newest that has the thing.
#[derive(Deserialize)]
struct InEpoch {
    epoch: Option<u32>,
}

/// The routes: `/v1/receipts/..`, `/v1/methods/..`, `/v1/epochs/..`, `/v1/claims/..`.
pub fn pages(pages: Pages) -> Router {
    Router::new()
        .route("/v1/receipts/{model}", get(receipts))
        .route("/v1/receipts/{model}/{number}", get(receipt))
        .route("/v1/receipts/{model}/{number}/proof", get(proof))
        .route("/v1/methods/{hash}", get(method))
        .route("/v1/epochs/{model}", get(epochs))
        .route("/v1/epochs/{model}/{epoch}", get(epoch))
        .route("/v1/claims/{model}/{account}", get(claims))
        .with_state(pages)
}

impl Pages {
    /// Pages over an operator's receipts.
    pub fn new(store: Arc<ReceiptStore>) -> Self {
        Self { store, trees: Arc::default() }
    }

    /// Reads beside the async tasks.
    async fn read<T: Send + 'static>(
        self,
        read: impl FnOnce(&Self) -> Result<T, PageError> + Send + 'static,
    ) -> Result<T, PageError> {
        let done = tokio::task::spawn_blocking(move || read(&self)).await;
        done.map_err(|error| PageError::Failed(error.to_string()))?
    }

    /// An epoch that is in the store, with its trees. Cost: making them, unless that was done before; one task makes them
    /// while others wait.
    fn trees(&self, model: ModelId, epoch: u32) -> Result<Arc<Trees>, PageError> {
        let mut kept = self.trees.lock().unwrap_or_else(PoisonError::into_inner);
        let absent = || PageError::NotFound(format!("epoch {epoch} of model {model} is not kept here"));
        let record = self.store.epoch(model, epoch)?.ok_or_else(absent)?;
        if let Some(place) = kept.iter().position(|trees| trees.model == model && trees.record.root == record.root) {
            let trees = kept.remove(place);
            kept.push(trees.clone());
            return Ok(trees);
        }
        let damaged = |reason: String| PageError::Failed(format!("epoch {epoch} of model {model}: {reason}"));
        let amounts = AmountTree::new(&domain(&self.store, model, epoch), record.leaves.clone());
        let amounts = amounts.map_err(|error| damaged(error.to_string()))?;
        let receipts = receipts_tree(&self.store, model, record.root.receipts.leaves)?;
        if amounts.root() != record.root.amounts || receipts.head() != record.root.receipts {
            return Err(damaged("its leaves or receipts do not make its root".into()));
        }
        let trees = Arc::new(Trees { model, record, amounts, receipts });
        if kept.len() >= TREES_MAX {
            kept.remove(0);
        }
        kept.push(trees.clone());
        Ok(trees)
    }

    /// The numbers of the epochs to look in, the best first.
    fn candidates(&self, model: ModelId, asked: Option<u32>) -> Result<Vec<u32>, PageError> {
        Ok(match asked {
            Some(epoch) => vec![epoch],
            None => {
                let newest = self.store.epochs(model)?.into_iter().rev();
                self.store.accepted(model)?.into_iter().chain(newest).collect()
            }
        })
    }
}

async fn receipts(
    State(pages): State<Pages>,
    model: Result<Path<u64>, PathRejection>,
    range: Result<Query<Range>, QueryRejection>,
) -> PageResult<ReceiptPage> {
    let (Path(model), Query(Range { from, limit })) = (model?, range?);
    let model = ModelId(model);
    let limit = limit.unwrap_or(100).min(RECEIPTS_MAX) as usize;
    let page = move |pages: &Pages| -> Result<ReceiptPage, PageError> {
        let receipts = pages.store.page(model, from, limit, PAGE_BYTES_MAX)?;
        let receipts = receipts.into_iter().map(SignedText).collect();
        Ok(ReceiptPage { count: pages.store.count(model)?, from, receipts })
    };
    pages.read(page).await.map(Json)
}

async fn receipt(
    State(pages): State<Pages>,
    place: Result<Path<(u64, u64)>, PathRejection>,
) -> PageResult<ReceiptView> {
    let Path((model, number)) = place?;
    let model = ModelId(model);
    let view = move |pages: &Pages| {
        let signed = pages.store.receipt(model, number)?;
        let signed = signed.ok_or_else(|| no_receipt(model, number))?;
        Ok(ReceiptView::new(&signed, pages.store.owner().genesis, RECEIPT_SHARES_MAX as usize))
    };
    pages.read(view).await.map(Json)
}

fn no_receipt(model: ModelId, number: u64) -> PageError {
    PageError::NotFound(format!("there is no receipt {number} of model {model}"))
}

async fn proof(
    State(pages): State<Pages>,
    place: Result<Path<(u64, u64)>, PathRejection>,
    asked: Result<Query<InEpoch>, QueryRejection>,
) -> PageResult<ProofView> {
    let (Path((model, number)), Query(InEpoch { epoch })) = (place?, asked?);
    let model = ModelId(model);
    let view = move |pages: &Pages| {
        if number >= pages.store.count(model)? {
            return Err(no_receipt(model, number));
        }
        for epoch in pages.candidates(model, epoch)? {
            let trees = pages.trees(model, epoch)?;
            if let Some(proof) = trees.receipts.prove_inclusion(number) {
                let (operator, receipts) = (pages.store.owner().operator, trees.record.root.receipts);
                return Ok(ProofView { model, operator, epoch, receipts, proof });
            }
        }
        Err(PageError::NotFound(format!("no epoch that is kept here counts receipt {number} of model {model} yet")))
    };
    pages.read(view).await.map(Json)
}

async fn method(
    State(pages): State<Pages>,
    hash: Result<Path<String>, PathRejection>,
) -> Result<impl IntoResponse, PageError> {
    let Path(hash) = hash?;
    let hash: ContentHash = hash.parse().map_err(|reason: &str| PageError::BadRequest(reason.into()))?;
    let document = pages.read(move |pages| Ok(pages.store.method(hash)?)).await?;
    let document = document.ok_or_else(|| PageError::NotFound(format!("no receipt here has the method {hash}")))?;
    Ok(([(CONTENT_TYPE, "application/json")], document))
}

async fn epochs(State(pages): State<Pages>, model: Result<Path<u64>, PathRejection>) -> PageResult<EpochList> {
    let Path(model) = model?;
    let model = ModelId(model);
    let list = move |pages: &Pages| {
        let (accepted, epochs) = (pages.store.accepted(model)?, pages.store.epochs(model)?);
        Ok(EpochList { model, operator: pages.store.owner().operator, accepted, epochs })
    };
    pages.read(list).await.map(Json)
}

async fn epoch(
    State(pages): State<Pages>,
    place: Result<Path<(u64, u32)>, PathRejection>,
    range: Result<Query<Range>, QueryRejection>,
) -> PageResult<EpochPage> {
    let (Path((model, epoch)), Query(Range { from, limit })) = (place?, range?);
    let model = ModelId(model);
    let from = u32::try_from(from).unwrap_or(u32::MAX);
    let limit = limit.unwrap_or(LEAVES_MAX).min(LEAVES_MAX) as usize;
    let page = move |pages: &Pages| {
        let absent = || PageError::NotFound(format!("epoch {epoch} of model {model} is not kept here"));
        let record = pages.store.epoch(model, epoch)?.ok_or_else(absent)?;
        let owner = pages.store.owner();
        let leaves = record.leaves.iter().skip(from as usize).take(limit).copied().map(LeafView::from).collect();
        let (genesis, root) = (ContentHash(owner.genesis), record.root.into());
        Ok(EpochPage { genesis, model, operator: owner.operator, epoch, root, from, leaves })
    };
    pages.read(page).await.map(Json)
}

async fn claims(
    State(pages): State<Pages>,
    place: Result<Path<(u64, String)>, PathRejection>,
) -> PageResult<ClaimsView> {
    let Path((model, account)) = place?;
    let model = ModelId(model);
    let account: Account =
        account.parse().map_err(|error: tributary_client::AccountError| PageError::BadRequest(error.to_string()))?;
    let view = move |pages: &Pages| {
        let nothing = || PageError::NotFound(format!("no epoch of model {model} was accepted yet"));
        let epoch = pages.store.accepted(model)?.ok_or_else(nothing)?;
        let trees = pages.trees(model, epoch)?;
        let own = trees.amounts.leaves().iter().filter(|leaf| leaf.contributor == account.0);
        let claims = own.take(CLAIMS_MAX).filter_map(|leaf| claim_of(&trees.amounts, leaf)).collect();
        let (operator, root) = (pages.store.owner().operator, trees.record.root.into());
        Ok(ClaimsView { model, operator, epoch, root, claims })
    };
    pages.read(view).await.map(Json)
}

fn claim_of(tree: &AmountTree, leaf: &AmountLeaf) -> Option<AnswerClaim> {
    Some(AnswerClaim::new(*leaf, &tree.prove(leaf.index)?))
}

//! The operator's own pages, beside the API's.
//!
//! | page | what |
//! |---|---|
//! | `GET /v1/operator` | account and chain, and what is served at which prices; for everybody |
//! | `POST /v1/vouchers` | takes the voucher in the header, without a request, and says how its account stands |

use super::till::{Desk, prices_json};
use crate::api::ApiError;
use crate::door::Refusal;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use std::sync::Arc;
use tributary_protocol::{ContentHash, voucher::VOUCHER_HEADER};

/// The pages of a desk.
pub fn pages(desk: Arc<Desk>) -> Router {
    Router::new().route("/v1/operator", get(operator)).route("/v1/vouchers", post(voucher)).with_state(desk)
}

async fn operator(State(desk): State<Arc<Desk>>) -> Json<Value> {
    let chain = desk.chain();
    let models: Vec<Value> = desk
        .catalogue()
        .entries()
        .into_iter()
        .map(|entry| {
            let offer = entry.offer(desk.pulse().last().block);
            json!({
                "id": entry.served.id,
                "model": entry.model,
                "adapter": entry.adapter,
                "may_serve": entry.standing.may_serve,
                "prices": offer.map(|offer| prices_json(&offer.prices)),
                "model_prices": offer.map(|offer| prices_json(&offer.model_prices)),
                "offered_until_block": offer.map(|offer| offer.until),
            })
        })
        .collect();
    Json(json!({
        "object": "tributary.operator",
        "operator": chain.operator(),
        "genesis": ContentHash(chain.genesis()),
        "models": models,
        "state": desk.health(),
    }))
}

async fn voucher(State(desk): State<Arc<Desk>>, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    let text = headers.get(VOUCHER_HEADER).and_then(|value| value.to_str().ok());
    let text = text.ok_or_else(|| Refusal::Unauthenticated {
        reason: format!("there is no voucher in the header {VOUCHER_HEADER}"),
        code: "missing_credentials",
    })?;
    Ok(Json(desk.show(text).await?))
}

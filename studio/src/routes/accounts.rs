//! Accounts, what they earned, and channels.

use super::{Answer, Asked, Named, found};
use crate::{
    app::App,
    chain::development_name,
    error::ApiError,
    index::reader::Want,
    views::{
        Page,
        accounts::{self, AccountInfo},
        channels::{self, ChannelQuery, ChannelView},
        money::{self, PayoutQuery, PayoutView},
    },
};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use tributary_client::Account;
use tributary_protocol::ChannelId;

pub async fn account(State(app): State<App>, Named(address): Named<Account>) -> Answer<AccountInfo> {
    let balance = app.client().latest().balance(address).await?.into();
    let roles = app.read(move |reader| accounts::roles(reader, address)).await?;
    let name = if app.is_development() { development_name(address) } else { None };
    Ok(Json(AccountInfo { address, balance, name, roles }))
}

pub async fn earnings(
    State(app): State<App>,
    Named(address): Named<Account>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accepts.split(',').next().unwrap_or_default().trim().starts_with("text/csv") {
        return earnings_csv(State(app), Named(address)).await;
    }
    Ok(Json(app.read(move |reader| accounts::earnings(reader, address)).await?).into_response())
}

pub async fn earnings_csv(State(app): State<App>, Named(address): Named<Account>) -> Result<Response, ApiError> {
    let payouts = app.read(move |reader| money::payouts_to(reader, address)).await?;
    let disposition = format!("attachment; filename=\"earnings-{address}.csv\"");
    let headers =
        [(header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, disposition)];
    Ok((headers, money::csv(&payouts)).into_response())
}

pub async fn payouts(
    State(app): State<App>,
    Asked(query): Asked<PayoutQuery>,
    Asked(want): Asked<Want>,
) -> Answer<Page<PayoutView>> {
    Ok(Json(app.read(move |reader| money::payouts(reader, &query, &want)).await?))
}

pub async fn channels(
    State(app): State<App>,
    Asked(query): Asked<ChannelQuery>,
    Asked(want): Asked<Want>,
) -> Answer<Page<ChannelView>> {
    Ok(Json(app.read(move |reader| channels::list(reader, &query, &want)).await?))
}

pub async fn channel(State(app): State<App>, Named(id): Named<ChannelId>) -> Answer<ChannelView> {
    found(app.read(move |reader| channels::one(reader, id)).await?, "open channel", id)
}

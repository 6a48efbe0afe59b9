//! Files: checked, kept, shown to those who may see them; and what a run on data would take.

use super::{Answer, Asked, Named, body_json, network::file_bytes_max};
use crate::{
    app::App,
    bases::Base,
    error::ApiError,
    estimate::{EstimateError, EstimateView, Material, Notice, estimate as estimate_run, price},
    index::suspects,
    samples::{CheckReport, Checked, SampleView, SamplesError, Wanted, check_file, read_committed},
    views::{
        Money,
        contributions::{self, CommitmentView},
        datanets, grants, jobs,
        recipe::{AttributionView, MethodView},
    },
};
use axum::{
    Json,
    body::Body,
    extract::{Request, State},
    http::StatusCode,
};
use chrono::Utc;
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use std::{path::Path, sync::Arc};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tributary_client::{Account, Use};
use tributary_daemon::Recipe;
use tributary_lora::DataConfig;
use tributary_protocol::{
    Amount, BaseModelId, ContributionId, DatanetId, VersionRef,
    datanet::Purpose,
    job::JOB_VERSIONS_MAX,
    recipe::{AttributionMethod, Hyperparameters, Method},
    sample::{Limits, ParsedSamples},
};

/// How old a reader's signature may be, and how far ahead its clock, in milliseconds.
const SIGNATURE_MS_MAX: u64 = 600_000;
/// Samples that are shown at a time, at most.
const SAMPLES_SHOWN_MAX: usize = 100;
/// Longest name of a file.
const FILE_NAME_MAX: usize = 120;

/// What a file is, and how it is to be read.
#[derive(Deserialize)]
pub struct FileQuery {
    name: String,
    base: Option<BaseModelId>,
    tokens_max: Option<usize>,
    datanet: Option<DatanetId>,
}

pub async fn check(State(app): State<App>, Asked(query): Asked<FileQuery>, request: Request) -> Answer<CheckReport> {
    Ok(Json(checked(&app, &query, request).await?.report))
}

/// What was kept.
#[derive(Serialize)]
pub struct Upload {
    commitment: CommitmentView,
    left_out: usize,
    deposit: Money,
    report: CheckReport,
    provider_addresses: Vec<String>,
    was_held: bool,
}

pub async fn upload(State(app): State<App>, Asked(query): Asked<FileQuery>, request: Request) -> Answer<Upload> {
    if !app.uploads().is_on() {
        let text = crate::uploads::UploadError::Off.to_string();
        return Err(ApiError::told(StatusCode::SERVICE_UNAVAILABLE, "uploads_off", text));
    }
    let Checked { report, samples } = checked(&app, &query, request).await?;
    let Some(samples) = samples else {
        let problem = report.problem().unwrap_or("no sample of it can be contributed").to_owned();
        return Err(ApiError::told(StatusCode::UNPROCESSABLE_ENTITY, "not_submittable", problem));
    };
    let deposit = app.constants().contribution_deposit(samples.commitment.bytes);
    let was_held = app.uploads().keep(samples.canonical).await.map_err(|error| match error.is_full() {
        true => ApiError::told(StatusCode::INSUFFICIENT_STORAGE, "no_room", error.to_string()),
        false => ApiError::internal(&error),
    })?;
    Ok(Json(Upload {
        commitment: samples.commitment.into(),
        left_out: samples.left_out,
        deposit: Money(deposit),
        report,
        provider_addresses: app.uploads().addresses(),
        was_held,
    }))
}

/// Takes a file in and checks it.
async fn checked(app: &App, query: &FileQuery, request: Request) -> Result<Checked, ApiError> {
    let base = match query.base {
        None => app.bases().usual().cloned(),
        Some(id) => base_of(app, id).await?.1,
    };
    let base = base.ok_or_else(|| {
        let error = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "no_base", "the gateway has no tokenizer for this");
        error.hint("its operator can name a base model's folder with --base")
    })?;
    let tokens_max = query.tokens_max.unwrap_or(DataConfig::default().tokens_max).clamp(8, 131_072);
    let folder = tempfile::tempdir().map_err(|error| ApiError::internal(&error))?;
    let path = folder.path().join(file_name(&query.name));
    receive(request.into_body(), &path, file_bytes_max(app)).await?;
    let place = app.checks().acquire().await.map_err(|error| ApiError::internal(&error))?;
    let checked = tokio::task::spawn_blocking(move || {
        let checked = check_file(&path, &base, tokens_max);
        // Held until it is read.
        drop::<TempDir>(folder);
        checked
    });
    let checked = checked.await.map_err(|error| ApiError::internal(&error))?;
    drop(place);
    let mut checked = checked.map_err(|error| match error {
        SamplesError::File(text) => ApiError::told(StatusCode::UNPROCESSABLE_ENTITY, "unreadable_file", text),
        SamplesError::Encoder(text) => ApiError::internal(&text),
    })?;
    if let Some(samples) = &checked.samples {
        let deposit = app.constants().contribution_deposit(samples.commitment.bytes);
        checked.report.deposit = Some(Money(deposit));
        let (root, datanet) = (samples.commitment.root, query.datanet);
        checked.report.known = app.read(move |reader| contributions::with_root(reader, root, datanet)).await?;
    }
    Ok(checked)
}

/// Writes a request's body to a file, no more than `bytes_max` of it.
async fn receive(body: Body, path: &Path, bytes_max: u64) -> Result<(), ApiError> {
    let failed = |error: std::io::Error| ApiError::internal(&error);
    let mut file = tokio::fs::File::create(path).await.map_err(failed)?;
    let mut body = body.into_data_stream();
    let mut bytes = 0u64;
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|error| ApiError::bad_request(format!("the file broke off: {error}")))?;
        bytes = bytes.saturating_add(piece.len() as u64);
        if bytes > bytes_max {
            let text = format!("the file is larger than {bytes_max} bytes");
            let error = ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", text);
            return Err(error.hint("contribute it in several files"));
        }
        file.write_all(&piece).await.map_err(failed)?;
    }
    if bytes == 0 {
        return Err(ApiError::bad_request("the body is empty; hint: it is the file itself"));
    }
    file.flush().await.map_err(failed)
}

/// The last part of a name, without what a file system might take for something else.
fn file_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let kept: Vec<char> = last.chars().filter(|letter| !letter.is_control()).collect();
    // The ending says what it is: a name that is too long loses its beginning.
    let name: String = kept[kept.len().saturating_sub(FILE_NAME_MAX)..].iter().collect();
    let name = name.trim_start_matches('.').trim();
    if name.is_empty() { "file".to_owned() } else { name.to_owned() }
}

async fn base_of(app: &App, id: BaseModelId) -> Result<(String, Option<Arc<Base>>), ApiError> {
    let record = app.read(move |reader| jobs::base_record(reader, id)).await?;
    let record = record.ok_or_else(|| ApiError::not_found(format!("base model {id}")))?;
    let name = String::from_utf8_lossy(&record.name).into_owned();
    Ok((name, app.bases().with_content(record.content.0).cloned()))
}

/// Who wants to read a contribution, and which part.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SamplesRequest {
    account: Account,
    signed_at: u64,
    signature: String,
    #[serde(default)]
    offset: usize,
    #[serde(default = "shown")]
    limit: usize,
    #[serde(default)]
    only_suspects: bool,
}

fn shown() -> usize {
    20
}

/// Samples of a contribution.
#[derive(Serialize)]
pub struct Samples {
    total: usize,
    offset: usize,
    suspects: usize,
    items: Vec<SampleView>,
}

pub async fn samples(State(app): State<App>, Named(id): Named<ContributionId>, request: Request) -> Answer<Samples> {
    let asked: SamplesRequest = body_json(request).await?;
    signed(&asked, id, app.genesis())?;
    // Asked of the chain, not of the index: a curator who was removed reads no more.
    let view = app.client().latest();
    let contribution = view.contribution(id).await?;
    let contribution = contribution.ok_or_else(|| ApiError::not_found(format!("contribution {id}")))?;
    let datanet = view.datanet(contribution.datanet).await?;
    let may_read =
        asked.account == contribution.contributor || datanet.is_some_and(|datanet| datanet.is_curator(&asked.account));
    if !may_read {
        let text = "only its contributor and the Datanet's owner and curators may read it";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "not_permitted", text));
    }
    let bytes = app.uploads().read(contribution.samples.blob).await.map_err(|error| ApiError::internal(&error))?;
    let bytes = bytes.ok_or_else(|| {
        let error = ApiError::new(StatusCode::NOT_FOUND, "not_held", "this gateway does not hold the file");
        error.hint("its contributor's data provider has it")
    })?;
    let suspects = app.read(move |reader| suspects::of_contribution(reader, id)).await?;
    let (offset, count) = (asked.offset, suspects.len());
    let SamplesRequest { only_suspects, limit, .. } = asked;
    let wanted = Wanted { suspects, only_suspects, offset, limit: limit.min(SAMPLES_SHOWN_MAX) };
    let read = tokio::task::spawn_blocking(move || read_committed(&bytes, &contribution.samples, &wanted));
    let (total, items) =
        read.await.map_err(|error| ApiError::internal(&error))?.map_err(|error| ApiError::internal(&error))?;
    Ok(Json(Samples { total, offset, suspects: count, items }))
}

/// Whether the account asks itself, and now.
fn signed(asked: &SamplesRequest, id: ContributionId, genesis: [u8; 32]) -> Result<(), ApiError> {
    let refused = |text: &str| ApiError::new(StatusCode::FORBIDDEN, "not_signed", text);
    let now = u64::try_from(Utc::now().timestamp_millis()).unwrap_or(0);
    if asked.signed_at.abs_diff(now) > SIGNATURE_MS_MAX {
        return Err(refused("the signature is too old").hint("sign again; is the clock right?"));
    }
    let digits = asked.signature.trim_start_matches("0x");
    let mut signature = [0u8; 64];
    hex::decode_to_slice(digits, &mut signature)
        .map_err(|_| refused("a signature is 64 bytes in hexadecimal digits"))?;
    let text = message(id, genesis, asked.signed_at);
    let wrapped = format!("<Bytes>{text}</Bytes>");
    let is_signed = [text, wrapped].iter().any(|text| asked.account.has_signed(text.as_bytes(), &signature));
    if is_signed { Ok(()) } else { Err(refused("the signature is not the account's over this request")) }
}

/// What a reader signs.
fn message(id: ContributionId, genesis: [u8; 32], signed_at: u64) -> String {
    format!("tributary studio: read contribution {id} of 0x{} at {signed_at}", hex::encode(genesis))
}

/// A version of a Datanet.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DataView {
    datanet: DatanetId,
    version: u32,
}

/// A run that may be posted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EstimateRequest {
    base: BaseModelId,
    method: Option<MethodView>,
    hyperparameters: Option<Hyperparameters>,
    attribution: Option<AttributionView>,
    data: Vec<DataView>,
    purpose: Option<Purpose>,
    account: Option<Account>,
    #[serde(default)]
    price: Option<String>,
}

pub async fn estimate(State(app): State<App>, request: Request) -> Answer<EstimateView> {
    let asked: EstimateRequest = body_json(request).await?;
    if asked.data.is_empty() || asked.data.len() > JOB_VERSIONS_MAX as usize {
        return Err(ApiError::bad_request(format!("a job uses 1 to {JOB_VERSIONS_MAX} versions")));
    }
    let wanted: Option<Amount> = match asked.price.as_deref().map(str::parse) {
        None => None,
        Some(Ok(price)) => Some(price),
        Some(Err(_)) => return Err(ApiError::bad_request("a price is a decimal number of plancks, as text")),
    };
    let (name, base) = base_of(&app, asked.base).await?;
    let base = base.ok_or_else(|| {
        let text = format!("the gateway has not the configuration of {name}");
        ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "no_base", text)
            .hint("its operator can name the base model's folder with --base")
    })?;
    let recipe = Recipe {
        method: asked.method.map_or(Method::Lora, Method::from),
        hyperparameters: asked.hyperparameters.unwrap_or_default(),
        attribution: asked.attribution.map_or(AttributionMethod::TracInCp { checkpoints: 1 }, AttributionMethod::from),
    };
    let (material, fees, notices) = material(&app, &asked).await?;
    let estimated = tokio::task::spawn_blocking(move || estimate_run(&base, &recipe, &material));
    let estimated = estimated.await.map_err(|error| ApiError::internal(&error))?;
    let mut found = estimated.map_err(|error: EstimateError| {
        ApiError::told(StatusCode::UNPROCESSABLE_ENTITY, "not_estimable", error.to_string())
    })?;
    let least = app.constants().limits.job_price_min.0;
    let settled = app.read(jobs::paid_per_second).await?;
    let (suggested, basis) = price(&settled, found.seconds, least);
    found.price_suggested = Money(suggested);
    found.price_basis = basis;
    found.data_fees = Money(fees);
    found.deposit = app.constants().deposits.job;
    let view = app.client().latest();
    let price = wanted.unwrap_or(suggested);
    found.bond_required = Money(view.bond_required(price).await?);
    found.blockers = notices;
    if wanted.is_some_and(|price| price < least) {
        let text = format!("the price is below the least that the chain takes: {least} plancks");
        found.blockers.push(Notice::new("price_too_low", text, None));
    }
    if let Some(account) = asked.account {
        let needed = price.saturating_add(fees).saturating_add(found.deposit.0);
        let free = view.balance(account).await?.free;
        if free < needed {
            let text = format!("the account has {free} plancks, and the job needs more than {needed}");
            found.blockers.push(Notice::new("too_little_money", text, None));
        }
    }
    Ok(Json(found))
}

/// The samples of the versions, as far as they are at hand; what their data costs; and what stands against using it.
async fn material(app: &App, asked: &EstimateRequest) -> Result<(Material, Amount, Vec<Notice>), ApiError> {
    let (base, account) = (asked.base, asked.account);
    let purpose = asked.purpose.unwrap_or(Purpose::Research);
    let uses = asked.data.clone();
    let read = app.read(move |reader| {
        let own = account.map(|account| grants::active_of(reader, account)).transpose()?;
        let mut found = Vec::new();
        for used in uses {
            let version = VersionRef { datanet: used.datanet, number: used.version };
            let Some(datanet) = datanets::record_of(reader, used.datanet)? else {
                found.push((used, None));
                continue;
            };
            let Some(record) = datanets::version_record(reader, version)? else {
                found.push((used, None));
                continue;
            };
            let mut members = Vec::new();
            for id in &record.contributions {
                members.extend(contributions::record_of(reader, *id)?.map(|contribution| contribution.samples));
            }
            let refusal = own.as_ref().zip(account).and_then(|(own, grantee)| {
                let wanted = Use { grantee, version, purpose, base_model: base };
                // The job is checked in a block to come.
                let now = reader.newest().number.saturating_add(1);
                let refusals = own.iter().map(|(_, grant)| grant.allows(&wanted, now));
                let own_of_it = refusals
                    .filter(|verdict| !matches!(verdict, Err(tributary_protocol::grant::GrantRefusal::OtherDatanet)));
                let mut last = Some("there is no grant on it".to_owned());
                for verdict in own_of_it {
                    match verdict {
                        Ok(()) => return None,
                        Err(refusal) => last = Some(refusal.to_string()),
                    }
                }
                last
            });
            found.push((used, Some((datanet, record, members, refusal))));
        }
        Ok(found)
    });
    let (mut lines, mut is_whole) = (Vec::new(), true);
    let (mut samples, mut bytes, mut fees): (u64, u64, Amount) = (0, 0, 0);
    let mut notices = Vec::new();
    for (used, version) in read.await? {
        let DataView { datanet: id, version: number } = used;
        let Some((datanet, record, members, refusal)) = version else {
            return Err(ApiError::not_found(format!("version {number} of Datanet {id}")));
        };
        let name = String::from_utf8_lossy(&datanet.name).into_owned();
        fees = fees.saturating_add(datanet.terms.price);
        samples = samples.saturating_add(record.samples);
        bytes = bytes.saturating_add(record.bytes);
        if !datanet.is_active() {
            notices.push(Notice::new("datanet_retired", format!("{name} is retired: it takes no new jobs"), Some(id)));
        }
        if !datanet.terms.purposes.contains(purpose) {
            let text = format!("{name} is not for {}", crate::index::codes::word(&purpose).unwrap_or_default());
            notices.push(Notice::new("purpose_not_allowed", text, Some(id)));
        }
        if let Some(refusal) = refusal {
            notices.push(Notice::new("no_grant", format!("{name}: {refusal}"), Some(id)));
        }
        for committed in members {
            let held = if is_whole { app.uploads().read(committed.blob).await.ok().flatten() } else { None };
            let parsed =
                held.and_then(|bytes| ParsedSamples::parse_committed(&bytes, &committed, &Limits::DEFAULT).ok());
            match parsed {
                Some(parsed) => lines.extend(parsed.into_lines()),
                None => is_whole = false,
            }
        }
    }
    let material = if is_whole { Material::Lines(lines) } else { Material::Sizes { samples, bytes } };
    Ok((material, fees, notices))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_client::Keypair;

    #[test]
    fn names_of_files_stay_names() {
        for (name, kept) in [
            ("data.jsonl", "data.jsonl"),
            ("../../etc/passwd", "passwd"),
            ("C:\\x\\y.csv", "y.csv"),
            ("..", "file"),
            (".hidden.csv", "hidden.csv"),
            ("a\0b.csv", "ab.csv"),
            ("", "file"),
        ] {
            assert_eq!(file_name(name), kept, "{name}");
        }
        assert!(file_name(&format!("{}.jsonl", "x".repeat(500))).ends_with("x.jsonl"));
    }

    #[test]
    fn a_reader_signs_for_one_contribution_on_one_chain_now() {
        let key = Keypair::development("Curator").unwrap();
        let now = u64::try_from(Utc::now().timestamp_millis()).unwrap();
        let asked = |text: String, signed_at: u64| SamplesRequest {
            account: key.account(),
            signed_at,
            signature: format!("0x{}", hex::encode(key.sign(text.as_bytes()))),
            offset: 0,
            limit: 1,
            only_suspects: false,
        };
        let (id, genesis) = (ContributionId(3), [7; 32]);
        let text = message(id, genesis, now);
        assert!(signed(&asked(text.clone(), now), id, genesis).is_ok());
        assert!(signed(&asked(format!("<Bytes>{text}</Bytes>"), now), id, genesis).is_ok());
        assert!(signed(&asked(text.clone(), now), ContributionId(4), genesis).is_err());
        assert!(signed(&asked(text.clone(), now), id, [8; 32]).is_err());
        assert!(signed(&asked(text, now + 1), id, genesis).is_err());
        let old = now - SIGNATURE_MS_MAX - 1_000;
        assert!(signed(&asked(message(id, genesis, old), old), id, genesis).is_err());
    }
}

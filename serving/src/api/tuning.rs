//! `/v1/fine_tuning/jobs`: models in the making.

use super::body::{credentials, read_json};
use super::error::ApiError;
use super::fields::Fields;
use super::files::jobs;
use super::pages::{ListObject, list, page};
use super::server::Server;
use super::settings::metadata;
use crate::jobs::{Hyperparameters, JobCheckpoint, JobEvent, JobStatus, Level, TuningJob, WantedJob};
use axum::Json;
use axum::extract::{Path, Query, Request, State};
use axum::http::HeaderMap;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Passes over the file, samples of a step, and the factor on the learning rate, at most: OpenAI's bounds.
const EPOCHS_MAX: i64 = 50;
const BATCH_SIZE_MAX: i64 = 256;
const MULTIPLIER_MAX: f64 = 1000.0;
/// Characters of a suffix: OpenAI's bound.
const SUFFIX_MAX: usize = 64;

const UNSUPPORTED: &[(&str, &str)] = &[("integrations", "nothing is sent elsewhere")];

#[derive(Serialize)]
pub(super) struct JobObject {
    id: String,
    object: &'static str,
    created_at: u64,
    finished_at: Option<u64>,
    estimated_finish: Option<u64>,
    model: String,
    fine_tuned_model: Option<String>,
    organization_id: &'static str,
    status: &'static str,
    training_file: String,
    validation_file: Option<String>,
    result_files: [String; 0],
    trained_tokens: Option<u64>,
    seed: u64,
    error: Option<JobFailure>,
    hyperparameters: Value,
    method: Value,
    metadata: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct JobFailure {
    code: String,
    message: String,
    param: Option<String>,
}

#[derive(Serialize)]
pub(super) struct EventObject {
    id: String,
    object: &'static str,
    created_at: u64,
    level: &'static str,
    message: String,
    r#type: &'static str,
    data: BTreeMap<String, f64>,
}

#[derive(Serialize)]
pub(super) struct CheckpointObject {
    id: String,
    object: &'static str,
    created_at: u64,
    fine_tuned_model_checkpoint: String,
    fine_tuning_job_id: String,
    metrics: BTreeMap<String, f64>,
    step_number: u64,
}

impl From<TuningJob> for JobObject {
    fn from(job: TuningJob) -> Self {
        let TuningJob { id, wanted, status, created_s, finished_s, estimated_finish_s, trained_tokens } = job;
        let (word, model, error) = match status {
            JobStatus::Validating => ("validating_files", None, None),
            JobStatus::Queued => ("queued", None, None),
            JobStatus::Running => ("running", None, None),
            JobStatus::Succeeded { model } => ("succeeded", Some(model), None),
            JobStatus::Failed { code, reason } => {
                ("failed", None, Some(JobFailure { code, message: reason, param: None }))
            }
            JobStatus::Cancelled => ("cancelled", None, None),
        };
        let Hyperparameters { epochs, batch_size, learning_rate_multiplier } = wanted.hyperparameters;
        let or_auto = |value: Option<Value>| value.unwrap_or_else(|| json!("auto"));
        let hyperparameters = json!({
            "n_epochs": or_auto(epochs.map(Value::from)),
            "batch_size": or_auto(batch_size.map(Value::from)),
            "learning_rate_multiplier": or_auto(learning_rate_multiplier.map(Value::from)),
        });
        Self {
            id,
            object: "fine_tuning.job",
            created_at: created_s,
            finished_at: finished_s,
            estimated_finish: estimated_finish_s,
            model: wanted.model,
            fine_tuned_model: model,
            organization_id: "",
            status: word,
            training_file: wanted.training_file,
            validation_file: wanted.validation_file,
            result_files: [],
            trained_tokens,
            seed: wanted.seed.unwrap_or(0),
            error,
            method: json!({ "type": "supervised", "supervised": { "hyperparameters": hyperparameters } }),
            hyperparameters,
            metadata: wanted.metadata,
        }
    }
}

impl From<JobEvent> for EventObject {
    fn from(event: JobEvent) -> Self {
        let JobEvent { id, created_s, level, message, metrics } = event;
        let level = match level {
            Level::Info => "info",
            Level::Warning => "warn",
            Level::Error => "error",
        };
        let kind = if metrics.is_empty() { "message" } else { "metrics" };
        let object = "fine_tuning.job.event";
        Self { id, object, created_at: created_s, level, message, r#type: kind, data: metrics }
    }
}

pub(super) async fn create(State(server): State<Arc<Server>>, request: Request) -> Result<Json<JobObject>, ApiError> {
    let jobs = jobs(&server)?;
    let (parts, body) = request.into_parts();
    let limits = &server.api().limits;
    let body = read_json(&parts.headers, body, limits.body_bytes_max, limits.body_patience).await?;
    let wanted = wanted(&body)?;
    Ok(Json(jobs.create(&credentials(&parts.headers), wanted).await?.into()))
}

fn wanted(body: &[u8]) -> Result<WantedJob, ApiError> {
    let mut fields = Fields::of_body(body)?;
    let model = fields.required_string("model")?;
    let training_file = fields.required_string("training_file")?;
    let validation_file = fields.string("validation_file")?;
    let suffix = fields.string("suffix")?;
    if suffix.as_ref().is_some_and(|suffix| suffix.is_empty() || suffix.chars().count() > SUFFIX_MAX) {
        let message = format!("suffix is empty or longer than {SUFFIX_MAX} characters");
        return Err(ApiError::invalid("suffix", "invalid_value", message));
    }
    let seed = fields.integer("seed", 0..=i64::from(i32::MAX))?.and_then(|seed| u64::try_from(seed).ok());
    let outer = hyperparameters(&mut fields)?;
    let inner = method(&mut fields)?;
    if outer.is_some() && inner.is_some() {
        let message = "hyperparameters are given twice; hint: in method.supervised only";
        return Err(ApiError::invalid("hyperparameters", "invalid_value", message));
    }
    let metadata = metadata(&mut fields)?;
    fields.finish(UNSUPPORTED)?;
    let hyperparameters = inner.or(outer).unwrap_or_default();
    Ok(WantedJob { model, training_file, validation_file, suffix, seed, hyperparameters, metadata })
}

fn method(fields: &mut Fields) -> Result<Option<Hyperparameters>, ApiError> {
    let path = fields.path("method");
    let Some(method) = fields.take("method") else { return Ok(None) };
    let mut method = Fields::of(method, &path)?;
    let kind = method.required_string("type")?;
    if kind != "supervised" {
        let message = format!("{path}.type is {kind:?}; supervised is accepted");
        return Err(ApiError::invalid(format!("{path}.type"), "unsupported_parameter", message));
    }
    let inner = method.path(&kind);
    let found = match method.take(&kind) {
        None => None,
        Some(supervised) => {
            let mut supervised = Fields::of(supervised, &inner)?;
            let found = hyperparameters(&mut supervised)?;
            supervised.finish(&[])?;
            found
        }
    };
    method.finish(&[])?;
    Ok(found)
}

fn hyperparameters(fields: &mut Fields) -> Result<Option<Hyperparameters>, ApiError> {
    let path = fields.path("hyperparameters");
    let Some(given) = fields.take("hyperparameters") else { return Ok(None) };
    let mut given = Fields::of(given, &path)?;
    for name in ["n_epochs", "batch_size", "learning_rate_multiplier"] {
        given.take_if(name, &json!("auto"));
    }
    let whole = |value: Option<i64>| value.and_then(|value| u32::try_from(value).ok());
    let found = Hyperparameters {
        epochs: whole(given.integer("n_epochs", 1..=EPOCHS_MAX)?),
        batch_size: whole(given.integer("batch_size", 1..=BATCH_SIZE_MAX)?),
        learning_rate_multiplier: given.number("learning_rate_multiplier", f64::MIN_POSITIVE..=MULTIPLIER_MAX)?,
    };
    given.finish(&[])?;
    Ok(Some(found))
}

type Asked = Query<HashMap<String, String>>;

pub(super) async fn list_jobs(
    State(server): State<Arc<Server>>,
    Query(query): Asked,
    headers: HeaderMap,
) -> Result<Json<ListObject<JobObject>>, ApiError> {
    let found = jobs(&server)?.jobs(&credentials(&headers), page(query)?).await?;
    Ok(Json(list(found, |job| job.id.clone(), JobObject::from)))
}

pub(super) async fn job(
    State(server): State<Arc<Server>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<JobObject>, ApiError> {
    Ok(Json(jobs(&server)?.job(&credentials(&headers), &id).await?.into()))
}

pub(super) async fn cancel(
    State(server): State<Arc<Server>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<JobObject>, ApiError> {
    Ok(Json(jobs(&server)?.cancel(&credentials(&headers), &id).await?.into()))
}

pub(super) async fn events(
    State(server): State<Arc<Server>>,
    Path(id): Path<String>,
    Query(query): Asked,
    headers: HeaderMap,
) -> Result<Json<ListObject<EventObject>>, ApiError> {
    let found = jobs(&server)?.events(&credentials(&headers), &id, page(query)?).await?;
    Ok(Json(list(found, |event| event.id.clone(), EventObject::from)))
}

pub(super) async fn checkpoints(
    State(server): State<Arc<Server>>,
    Path(id): Path<String>,
    Query(query): Asked,
    headers: HeaderMap,
) -> Result<Json<ListObject<CheckpointObject>>, ApiError> {
    let found = jobs(&server)?.checkpoints(&credentials(&headers), &id, page(query)?).await?;
    let object = |checkpoint: JobCheckpoint| CheckpointObject {
        id: checkpoint.id,
        object: "fine_tuning.job.checkpoint",
        created_at: checkpoint.created_s,
        fine_tuned_model_checkpoint: checkpoint.model,
        fine_tuning_job_id: id.clone(),
        metrics: checkpoint.metrics,
        step_number: checkpoint.step,
    };
    Ok(Json(list(found, |checkpoint| checkpoint.id.clone(), object)))
}

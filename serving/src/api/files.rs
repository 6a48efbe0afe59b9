//! `/v1/files`: what models are trained on.

use super::body::{credentials, read};
use super::error::ApiError;
use super::pages::{ListObject, list, page};
use super::server::Server;
use crate::jobs::{Jobs, StoredFile, Upload};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use multer::{Constraints, Multipart, SizeLimit};
use serde::Serialize;
use serde_json::Value;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

/// What a file is for: nothing else is kept.
const PURPOSE: &str = "fine-tune";
/// Bytes of a file's name.
const NAME_BYTES_MAX: usize = 255;

#[derive(Serialize)]
pub(super) struct FileObject {
    id: String,
    object: &'static str,
    bytes: u64,
    created_at: u64,
    filename: String,
    purpose: &'static str,
    status: &'static str,
}

#[derive(Serialize)]
struct Deleted {
    id: String,
    object: &'static str,
    deleted: bool,
}

impl From<StoredFile> for FileObject {
    fn from(file: StoredFile) -> Self {
        let StoredFile { id, name, bytes, created_s } = file;
        Self { id, object: "file", bytes, created_at: created_s, filename: name, purpose: PURPOSE, status: "processed" }
    }
}

/// Whoever has models trained.
///
/// Errors: this server was set up without.
pub(super) fn jobs(server: &Server) -> Result<&Arc<dyn Jobs>, ApiError> {
    server.api().jobs.as_ref().ok_or_else(|| {
        ApiError::not_configured(
            "this server keeps no files and has no models trained; hint: its operator has to configure training on the chain, or \
             post a job with `tributary job post`",
        )
    })
}

pub(super) async fn upload(State(server): State<Arc<Server>>, request: Request) -> Result<Response, ApiError> {
    let jobs = jobs(&server)?;
    let (parts, body): (_, Body) = request.into_parts();
    let media = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let Some(boundary) = media.and_then(|media| multer::parse_boundary(media).ok()) else {
        return Err(ApiError::wrong_media(media, "multipart/form-data with a boundary"));
    };
    let limits = &server.api().limits;
    let body = read(&parts.headers, body, limits.file_bytes_max, limits.body_patience).await?;
    let upload = form(body, boundary, limits.file_bytes_max).await?;
    let lines = upload.content.clone();
    let checking = tokio::task::spawn_blocking(move || check_lines(&lines));
    checking.await.map_err(|_| ApiError::internal("the file could not be checked"))??;
    let file = jobs.upload(&credentials(&parts.headers), upload).await?;
    Ok(Json(FileObject::from(file)).into_response())
}

/// The fields of a form.
async fn form(body: Bytes, boundary: String, bytes_max: usize) -> Result<Upload, ApiError> {
    let broken = |error: multer::Error| ApiError::malformed(format!("the form cannot be read: {error}"));
    let whole = futures::stream::once(async move { Ok::<_, Infallible>(body) });
    let limits = SizeLimit::new().whole_stream(bytes_max as u64).for_field("purpose", 64);
    let mut form = Multipart::with_constraints(whole, boundary, Constraints::new().size_limit(limits));
    let (mut file, mut purpose) = (None, None);
    while let Some(field) = form.next_field().await.map_err(broken)? {
        let name = field.name().unwrap_or_default().to_owned();
        let twice = || ApiError::invalid(name.clone(), "invalid_value", format!("the field {name:?} is there twice"));
        match name.as_str() {
            "purpose" if purpose.is_some() => return Err(twice()),
            "purpose" => purpose = Some(field.text().await.map_err(broken)?),
            "file" if file.is_some() => return Err(twice()),
            "file" => {
                let name = field.file_name().unwrap_or("file.jsonl").to_owned();
                file = Some((name, field.bytes().await.map_err(broken)?));
            }
            _ => {
                let message = format!("the field {name:?} is not known; file and purpose are accepted");
                return Err(ApiError::invalid(name, "unknown_parameter", message));
            }
        }
    }
    let missing =
        |name: &str| ApiError::invalid(name, "missing_required_parameter", format!("the field {name:?} is missing"));
    let purpose = purpose.ok_or_else(|| missing("purpose"))?;
    if purpose != PURPOSE {
        let message = format!("purpose is {purpose:?}; {PURPOSE:?} is accepted");
        return Err(ApiError::invalid("purpose", "invalid_value", message));
    }
    let (name, content) = file.ok_or_else(|| missing("file"))?;
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.contains(['/', '\\', '\0']) {
        let message = format!("the file is called {name:?}; 1 to {NAME_BYTES_MAX} bytes without slashes are accepted");
        return Err(ApiError::invalid("file", "invalid_value", message));
    }
    Ok(Upload { name, content })
}

/// Errors: a line that is no object of JSON; no line.
fn check_lines(content: &[u8]) -> Result<(), ApiError> {
    let wrong = |reason: String| ApiError::invalid("file", "invalid_file", reason);
    let text = std::str::from_utf8(content).map_err(|error| {
        let line = content[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        wrong(format!("line {line} of the file is not UTF-8"))
    })?;
    let mut lines = 0;
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        match serde_json::from_str::<Value>(line) {
            Ok(Value::Object(_)) => lines += 1,
            Ok(_) => {
                return Err(wrong(format!("line {number} of the file is no object; one on each line is accepted")));
            }
            Err(error) => return Err(wrong(format!("line {number} of the file is not valid JSON: {error}"))),
        }
    }
    match lines {
        0 => Err(wrong("the file has no lines".into())),
        _ => Ok(()),
    }
}

pub(super) async fn files(
    State(server): State<Arc<Server>>,
    Query(mut query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Result<Json<ListObject<FileObject>>, ApiError> {
    let jobs = jobs(&server)?;
    if let Some(purpose) = query.remove("purpose")
        && purpose != PURPOSE
    {
        let message = format!("purpose is {purpose:?}; {PURPOSE:?} is accepted");
        return Err(ApiError::invalid("purpose", "invalid_value", message));
    }
    let found = jobs.files(&credentials(&headers), page(query)?).await?;
    Ok(Json(list(found, |file| file.id.clone(), FileObject::from)))
}

pub(super) async fn file(
    State(server): State<Arc<Server>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<FileObject>, ApiError> {
    Ok(Json(jobs(&server)?.file(&credentials(&headers), &id).await?.into()))
}

pub(super) async fn content(
    State(server): State<Arc<Server>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let content = jobs(&server)?.content(&credentials(&headers), &id).await?;
    let kind = HeaderValue::from_static("application/jsonl");
    Ok(([(header::CONTENT_TYPE, kind)], content).into_response())
}

pub(super) async fn delete(
    State(server): State<Arc<Server>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    jobs(&server)?.delete(&credentials(&headers), &id).await?;
    Ok(Json(Deleted { id, object: "file", deleted: true }).into_response())
}

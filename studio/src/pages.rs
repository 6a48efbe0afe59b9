//! The pages: files of a folder, and the first page for every address that is the app's own.

use crate::{app::App, error::ApiError};
use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use std::path::{Component, Path, PathBuf};
use tributary_protocol::ContentHash;

const FIRST_PAGE: &str = "index.html";
/// Files below it have their content's hash in their names: they never change.
const HASHED: &str = "assets/";
/// What is said where there are no pages.
const NO_PAGES: &str = "This is a Tributary gateway without pages: see /openapi.json for its API. Its operator can name the \
                        pages' folder with --web.\n";

/// Answers whatever no route of the API does.
pub async fn page(State(app): State<App>, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    if ["api", "v1"].contains(&path.split('/').next().unwrap_or_default()) {
        return ApiError::not_found(format!("{method} {}", uri.path())).hint("see /openapi.json").into_response();
    }
    if !matches!(method, Method::GET | Method::HEAD) {
        let error = ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "pages can only be read");
        return error.into_response();
    }
    let Some(folder) = app.web() else {
        return (StatusCode::NOT_FOUND, NO_PAGES).into_response();
    };
    let accepts = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let found = match inside(folder, path) {
        Some(file) => load(&file, accepts).await,
        None => None,
    };
    let (name, file) = match found {
        Some(file) => (path.to_owned(), file),
        // A missing file is missing; any other address is a page of the app.
        None if path.starts_with(HASHED) || has_ending(path) => {
            return ApiError::not_found(format!("file {path}")).into_response();
        }
        None => match load(&folder.join(FIRST_PAGE), accepts).await {
            Some(file) => (FIRST_PAGE.to_owned(), file),
            None => return (StatusCode::NOT_FOUND, NO_PAGES).into_response(),
        },
    };
    let tag = format!("\"{}\"", ContentHash::of(&file.bytes));
    let is_known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let kind = mime_guess::from_path(&name).first_or_octet_stream();
    let kind = if kind.type_() == "text" { format!("{kind}; charset=utf-8") } else { kind.to_string() };
    let cached = if name.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut response = Response::builder()
        .status(if is_known { StatusCode::NOT_MODIFIED } else { StatusCode::OK })
        .header(header::CONTENT_TYPE, kind)
        .header(header::CACHE_CONTROL, cached)
        .header(header::VARY, "accept-encoding")
        .header(header::ETAG, tag);
    if let Some(encoding) = file.encoding {
        response = response.header(header::CONTENT_ENCODING, encoding);
    }
    let body = if is_known { Body::empty() } else { Body::from(file.bytes) };
    response.body(body).unwrap_or_else(|error| ApiError::internal(&error).into_response())
}

struct File {
    bytes: Vec<u8>,
    encoding: Option<&'static str>,
}

/// A file, compressed if the build left it so beside it and the browser takes it.
async fn load(path: &Path, accepts: &str) -> Option<File> {
    for (encoding, ending) in [("br", "br"), ("gzip", "gz")] {
        if accepts.split(',').any(|name| name.split(';').next().unwrap_or_default().trim() == encoding) {
            let mut compressed = path.as_os_str().to_owned();
            compressed.push(".");
            compressed.push(ending);
            if let Ok(bytes) = tokio::fs::read(&compressed).await {
                return Some(File { bytes, encoding: Some(encoding) });
            }
        }
    }
    if !tokio::fs::metadata(path).await.ok()?.is_file() {
        return None;
    }
    Some(File { bytes: tokio::fs::read(path).await.ok()?, encoding: None })
}

/// The file at `path` below `folder`; `None` for a path that is none or leads elsewhere.
fn inside(folder: &Path, path: &str) -> Option<PathBuf> {
    let is_plain = |path: &Path| path.components().all(|part| matches!(part, Component::Normal(_)));
    (!path.is_empty() && !path.contains('%') && !path.contains('\\') && is_plain(Path::new(path)))
        .then(|| folder.join(path))
}

fn has_ending(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    Path::new(name).extension().is_some_and(|ending| ending.len() <= 5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_out_of_the_folder() {
        let folder = Path::new("/web");
        assert_eq!(inside(folder, "assets/a.js").unwrap(), Path::new("/web/assets/a.js"));
        for path in ["", "../secret", "a/../../secret", "/etc/passwd", "%2e%2e/secret", "..\\secret", "./../x"] {
            assert!(inside(folder, path).is_none(), "{path}");
        }
    }
}

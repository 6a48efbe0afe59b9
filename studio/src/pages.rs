//! The pages: files of a folder, and the first page for every address that is the app's own.

use crate::{app::App, error::ApiError};
use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use std::{
    collections::HashMap,
    fs::Metadata,
    io::Write as _,
    path::{Component, Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::SystemTime,
};
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
        Some(file) => load(app.packed(), &file, accepts).await,
        None => None,
    };
    let (name, file) = match found {
        Some(file) => (path.to_owned(), file),
        // A missing file is missing; any other address is a page of the app.
        None if path.starts_with(HASHED) || has_ending(path) => {
            return ApiError::not_found(format!("file {path}")).into_response();
        }
        None => match load(app.packed(), &folder.join(FIRST_PAGE), accepts).await {
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
    bytes: Bytes,
    encoding: Option<&'static str>,
}

/// A file, compressed if the browser takes it so: as the build left it beside the file, else by ourselves, once.
async fn load(packed: &Packed, path: &Path, accepts: &str) -> Option<File> {
    let takes =
        |encoding: &str| accepts.split(',').any(|name| name.split(';').next().unwrap_or_default().trim() == encoding);
    for (encoding, ending) in [("br", "br"), ("gzip", "gz")] {
        if takes(encoding) {
            let mut compressed = path.as_os_str().to_owned();
            compressed.push(".");
            compressed.push(ending);
            if let Ok(bytes) = tokio::fs::read(&compressed).await {
                return Some(File { bytes: bytes.into(), encoding: Some(encoding) });
            }
        }
    }
    let facts = tokio::fs::metadata(path).await.ok().filter(Metadata::is_file)?;
    if !takes("gzip") || !is_text(path) {
        return Some(File { bytes: tokio::fs::read(path).await.ok()?.into(), encoding: None });
    }
    Some(File { bytes: packed.get(path, &facts).await?, encoding: Some("gzip") })
}

/// Whether compressing makes it smaller: not so with pictures and fonts.
fn is_text(path: &Path) -> bool {
    let kind = mime_guess::from_path(path).first_or_octet_stream();
    kind.type_() == "text" || ["javascript", "json", "svg"].iter().any(|name| kind.subtype().as_str().contains(name))
}

/// Compressed files by their paths, as long as they do not change.
#[derive(Debug, Default)]
pub struct Packed(Mutex<HashMap<PathBuf, (SystemTime, Bytes)>>);

impl Packed {
    async fn get(&self, path: &Path, facts: &Metadata) -> Option<Bytes> {
        let changed = facts.modified().ok()?;
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned();
        if let Some((_, bytes)) = known.filter(|(then, _)| *then == changed) {
            return Some(bytes);
        }
        let file = path.to_owned();
        let packing = tokio::task::spawn_blocking(move || {
            let mut packer = GzEncoder::new(Vec::new(), Compression::best());
            packer.write_all(&std::fs::read(file)?)?;
            packer.finish()
        });
        let bytes = Bytes::from(packing.await.ok()?.ok()?);
        let kept = (changed, bytes.clone());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), kept);
        Some(bytes)
    }
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

    #[tokio::test]
    async fn text_is_packed_once_and_anew_when_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let (script, font) = (folder.path().join("a.js"), folder.path().join("a.woff2"));
        for path in [&script, &font] {
            std::fs::write(path, "x".repeat(10_000)).unwrap();
        }
        let packed = Packed::default();
        let script_file = load(&packed, &script, "br, gzip;q=0.5").await.unwrap();
        assert_eq!(script_file.encoding, Some("gzip"));
        assert!(script_file.bytes.len() < 100);
        assert_eq!(load(&packed, &script, "identity").await.unwrap().encoding, None);
        assert_eq!(load(&packed, &font, "gzip").await.unwrap().encoding, None);
        std::fs::write(&script, "y").unwrap();
        let later = SystemTime::now() + std::time::Duration::from_secs(5);
        std::fs::File::options().write(true).open(&script).unwrap().set_modified(later).unwrap();
        assert_ne!(load(&packed, &script, "gzip").await.unwrap().bytes, script_file.bytes);
        std::fs::write(folder.path().join("a.js.br"), "built").unwrap();
        assert_eq!(load(&packed, &script, "gzip, br").await.unwrap().encoding, Some("br"));
        assert!(load(&packed, folder.path(), "gzip").await.is_none());
    }

    #[test]
    fn no_path_leads_out_of_the_folder() {
        let folder = Path::new("/web");
        assert_eq!(inside(folder, "assets/a.js").unwrap(), Path::new("/web/assets/a.js"));
        for path in ["", "../secret", "a/../../secret", "/etc/passwd", "%2e%2e/secret", "..\\secret", "./../x"] {
            assert!(inside(folder, path).is_none(), "{path}");
        }
    }
}

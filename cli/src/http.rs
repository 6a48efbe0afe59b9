//! One HTTP GET over a plain connection: what a trainer on this machine or network serves beside its metrics.

use anyhow::{Context as _, ensure};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// Longest answer: the leaves of a root of a hundred thousand contributions.
const ANSWER_BYTES_MAX: u64 = 16 << 20;
/// How long a whole exchange may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// An answer that is not what was asked for.
#[derive(Debug, thiserror::Error)]
#[error("status {code}: {message}")]
struct Status {
    code: String,
    message: String,
}

/// The body at an `http://` address.
pub async fn get(url: &str) -> anyhow::Result<Vec<u8>> {
    timeout(PATIENCE, exchange(url))
        .await
        .map_err(|_| anyhow::anyhow!("no answer from {url} within {} s", PATIENCE.as_secs()))?
        .with_context(|| format!("cannot get {url}"))
}

/// The body at an `http://` address; `None` if nothing is there: status 404.
pub async fn get_if_there(url: &str) -> anyhow::Result<Option<Vec<u8>>> {
    match get(url).await {
        Err(error) if error.downcast_ref::<Status>().is_some_and(|status| status.code == "404") => Ok(None),
        found => found.map(Some),
    }
}

async fn exchange(url: &str) -> anyhow::Result<Vec<u8>> {
    let rest = url
        .strip_prefix("http://")
        .context("only plain http:// addresses; hint: fetch it another way and name the file")?;
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let path = if path.is_empty() { "/" } else { path };
    ensure!(!url.contains(char::is_whitespace), "an address has no spaces in it");
    let address = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    let mut stream = TcpStream::connect(&address).await?;
    // HTTP/1.0: the answer comes in one piece and ends with the connection.
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n").as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX + 1).read_to_end(&mut answer).await?;
    ensure!(answer.len() as u64 <= ANSWER_BYTES_MAX, "the answer is longer than {ANSWER_BYTES_MAX} bytes");
    body(answer)
}

fn body(answer: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    const END: &[u8] = b"\r\n\r\n";
    let end = answer.windows(END.len()).position(|window| window == END).context("the answer is not HTTP")?;
    let (head, body) = (String::from_utf8_lossy(&answer[..end]).into_owned(), &answer[end + END.len()..]);
    let status = head.lines().next().unwrap_or_default().split(' ').nth(1).unwrap_or_default();
    if status != "200" {
        return Err(Status { code: status.to_owned(), message: message(body) }.into());
    }
    Ok(body.to_vec())
}

/// What an error's body says: its text, or the message in the form that OpenAI's API gave errors.
fn message(body: &[u8]) -> String {
    let object: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let message = object.as_ref().and_then(|object| object.pointer("/error/message")?.as_str());
    message.map_or_else(|| String::from_utf8_lossy(body).trim().to_owned(), ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_taken_and_a_failure_is_told() {
        assert_eq!(body(b"HTTP/1.1 200 OK\r\nX: y\r\n\r\n{}".to_vec()).unwrap(), b"{}");
        let error = body(b"HTTP/1.1 404 Not Found\r\n\r\nno such job\n".to_vec()).unwrap_err().to_string();
        assert_eq!(error, "status 404: no such job");
        let error =
            body(b"HTTP/1.1 404 Not Found\r\n\r\n{\"error\":{\"message\":\"nothing yet\"}}".to_vec()).unwrap_err();
        assert_eq!(error.to_string(), "status 404: nothing yet");
        assert!(body(b"garbage".to_vec()).is_err());
    }
}

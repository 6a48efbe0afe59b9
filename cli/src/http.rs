//! HTTP over a plain connection: what a trainer or an operator on this machine or network serves.

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
/// How long it may take where a model answers.
const ANSWER_PATIENCE: Duration = Duration::from_secs(600);

/// What a server answers.
#[derive(Debug)]
pub struct Answer {
    /// The status, such as 200.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// An answer that is not what was asked for.
#[derive(Debug, thiserror::Error)]
#[error("status {code}: {message}")]
struct Status {
    code: u16,
    message: String,
}

/// The body at an `http://` address.
pub async fn get(url: &str) -> anyhow::Result<Vec<u8>> {
    let Answer { status: code, body } = exchange("GET", url, &[], &[], PATIENCE).await?;
    if code != 200 {
        return Err(Status { code, message: message(&body) }).with_context(|| format!("cannot get {url}"));
    }
    Ok(body)
}

/// The body at an `http://` address; `None` if nothing is there: status 404.
pub async fn get_if_there(url: &str) -> anyhow::Result<Option<Vec<u8>>> {
    match get(url).await {
        Err(error) if error.downcast_ref::<Status>().is_some_and(|status| status.code == 404) => Ok(None),
        found => found.map(Some),
    }
}

/// Sends a JSON body to an `http://` address, and returns the answer whatever its status.
pub async fn post(url: &str, headers: &[(&str, &str)], body: &[u8]) -> anyhow::Result<Answer> {
    exchange("POST", url, headers, body, ANSWER_PATIENCE).await
}

async fn exchange(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    patience: Duration,
) -> anyhow::Result<Answer> {
    timeout(patience, talk(method, url, headers, body))
        .await
        .map_err(|_| anyhow::anyhow!("no answer from {url} within {} s", patience.as_secs()))?
        .with_context(|| format!("cannot talk to {url}"))
}

async fn talk(method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> anyhow::Result<Answer> {
    let rest = url
        .strip_prefix("http://")
        .context("only plain http:// addresses; hint: fetch it another way and name the file")?;
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let path = if path.is_empty() { "/" } else { path };
    ensure!(!url.contains(char::is_whitespace), "an address has no spaces in it");
    let address = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    let mut stream = TcpStream::connect(&address).await?;
    // HTTP/1.0: the answer comes in one piece and ends with the connection.
    let mut head = format!("{method} {path} HTTP/1.0\r\nHost: {host}\r\n");
    for (name, value) in headers {
        ensure!(!value.contains(['\r', '\n']), "the header {name} is one line");
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if method != "GET" {
        head.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    stream.write_all(&[head.as_bytes(), body].concat()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX + 1).read_to_end(&mut answer).await?;
    ensure!(answer.len() as u64 <= ANSWER_BYTES_MAX, "the answer is longer than {ANSWER_BYTES_MAX} bytes");
    read(&answer)
}

fn read(answer: &[u8]) -> anyhow::Result<Answer> {
    const END: &[u8] = b"\r\n\r\n";
    let end = answer.windows(END.len()).position(|window| window == END).context("the answer is not HTTP")?;
    let (head, body) = (String::from_utf8_lossy(&answer[..end]), answer[end + END.len()..].to_vec());
    let status = head.lines().next().unwrap_or_default().split(' ').nth(1).unwrap_or_default();
    Ok(Answer { status: status.parse().context("the answer is not HTTP")?, body })
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
    fn a_body_is_taken_with_its_status_and_a_failure_is_told() {
        let answer = read(b"HTTP/1.1 200 OK\r\nX: y\r\n\r\n{}").unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (200, b"{}".as_slice()));
        let answer = read(b"HTTP/1.1 404 Not Found\r\n\r\nno such job\n").unwrap();
        assert_eq!((answer.status, message(&answer.body).as_str()), (404, "no such job"));
        assert_eq!(message(b"{\"error\":{\"message\":\"nothing yet\"}}"), "nothing yet");
        assert!(read(b"garbage").is_err());
        assert!(read(b"garbage\r\n\r\n").is_err());
    }
}

//! One HTTP GET over a plain connection: what a trainer on this machine or network serves beside its metrics.

use anyhow::{Context as _, bail, ensure};
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

/// The body at an `http://` address.
pub async fn get(url: &str) -> anyhow::Result<Vec<u8>> {
    timeout(PATIENCE, exchange(url))
        .await
        .map_err(|_| anyhow::anyhow!("no answer from {url} within {} s", PATIENCE.as_secs()))?
        .with_context(|| format!("cannot get {url}"))
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
        bail!("status {status}: {}", String::from_utf8_lossy(body).trim());
    }
    Ok(body.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_taken_and_a_failure_is_told() {
        assert_eq!(body(b"HTTP/1.1 200 OK\r\nX: y\r\n\r\n{}".to_vec()).unwrap(), b"{}");
        let error = body(b"HTTP/1.1 404 Not Found\r\n\r\nno such job\n".to_vec()).unwrap_err().to_string();
        assert_eq!(error, "status 404: no such job");
        assert!(body(b"garbage".to_vec()).is_err());
    }
}

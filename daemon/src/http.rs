//! HTTP over a plain connection: what a trainer or an operator on this machine or network serves.

use std::{io, time::Duration};
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

/// Why there is no answer, or not the one that was asked for.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address is of another kind.
    #[error("{url} is no plain http:// address; hint: fetch it another way and name the file")]
    Address {
        /// The address.
        url: String,
    },
    /// A header cannot be sent.
    #[error("the header {name} is not one line")]
    Header {
        /// Its name.
        name: String,
    },
    /// The connection failed.
    #[error("cannot talk to {url}: {source}")]
    Connection {
        /// The address.
        url: String,
        /// What the system says.
        source: io::Error,
    },
    /// It takes too long.
    #[error("no answer from {url} within {seconds} s")]
    Silent {
        /// The address.
        url: String,
        /// How long was waited.
        seconds: u64,
    },
    /// It is too long.
    #[error("the answer of {url} is longer than {ANSWER_BYTES_MAX} bytes")]
    TooLong {
        /// The address.
        url: String,
    },
    /// It is something else.
    #[error("the answer of {url} is not HTTP")]
    NotHttp {
        /// The address.
        url: String,
    },
    /// It has another status than 200.
    #[error("cannot get {url}: status {code}: {message}")]
    Status {
        /// The address.
        url: String,
        /// The status.
        code: u16,
        /// What the server says.
        message: String,
    },
}

/// The body at an `http://` address.
pub async fn get(url: &str) -> Result<Vec<u8>, HttpError> {
    let Answer { status: code, body } = exchange("GET", url, &[], &[], PATIENCE).await?;
    match code {
        200 => Ok(body),
        _ => Err(HttpError::Status { url: url.to_owned(), code, message: message(&body) }),
    }
}

/// The body at an `http://` address; `None` if nothing is there: status 404.
pub async fn get_if_there(url: &str) -> Result<Option<Vec<u8>>, HttpError> {
    match get(url).await {
        Err(HttpError::Status { code: 404, .. }) => Ok(None),
        found => found.map(Some),
    }
}

/// Sends a JSON body to an `http://` address, and returns the answer whatever its status.
pub async fn post(url: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Answer, HttpError> {
    exchange("POST", url, headers, body, ANSWER_PATIENCE).await
}

async fn exchange(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    patience: Duration,
) -> Result<Answer, HttpError> {
    let talking = timeout(patience, talk(method, url, headers, body));
    talking.await.map_err(|_| HttpError::Silent { url: url.to_owned(), seconds: patience.as_secs() })?
}

async fn talk(method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Answer, HttpError> {
    let wrong = || HttpError::Address { url: url.to_owned() };
    let rest = url.strip_prefix("http://").filter(|_| !url.contains(char::is_whitespace)).ok_or_else(wrong)?;
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let path = if path.is_empty() { "/" } else { path };
    // HTTP/1.0: the answer comes in one piece and ends with the connection.
    let mut head = format!("{method} {path} HTTP/1.0\r\nHost: {host}\r\n");
    for (name, value) in headers {
        if value.contains(['\r', '\n']) {
            return Err(HttpError::Header { name: (*name).to_owned() });
        }
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if method != "GET" {
        head.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    let address = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    let request = [head.as_bytes(), body].concat();
    let answer = send(&address, &request).await;
    let answer = answer.map_err(|source| HttpError::Connection { url: url.to_owned(), source })?;
    if answer.len() as u64 > ANSWER_BYTES_MAX {
        return Err(HttpError::TooLong { url: url.to_owned() });
    }
    read(&answer).ok_or_else(|| HttpError::NotHttp { url: url.to_owned() })
}

async fn send(address: &str, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX + 1).read_to_end(&mut answer).await?;
    Ok(answer)
}

/// `None`: it is not HTTP.
fn read(answer: &[u8]) -> Option<Answer> {
    const END: &[u8] = b"\r\n\r\n";
    let end = answer.windows(END.len()).position(|window| window == END)?;
    let (head, body) = (String::from_utf8_lossy(&answer[..end]), answer[end + END.len()..].to_vec());
    let status = head.lines().next()?.split(' ').nth(1)?;
    Some(Answer { status: status.parse().ok()?, body })
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
        assert!(read(b"garbage").is_none());
        assert!(read(b"garbage\r\n\r\n").is_none());
    }
}

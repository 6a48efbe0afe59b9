use anyhow::{Context, Result};
use serde_json::Value;
use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

/// How long a server on this machine may take for one answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Asks `http://127.0.0.1:PORT/PATH` and reads the JSON object of the answer.
pub fn get(port: u16, path: &str) -> Result<Value> {
    ask(port, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
}

/// Sends a whole HTTP request to a port of this machine and reads the JSON object of the answer, whatever its status.
pub fn ask(port: u16, request: &str) -> Result<Value> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let start = answer.find("\r\n\r\n").context("the answer has no body")?;
    let json_start = answer.get(start..).and_then(|rest| rest.find('{')).context("the answer is no JSON")?;
    let text = answer.get(start.saturating_add(json_start)..).unwrap_or_default();
    Ok(serde_json::Deserializer::from_str(text).into_iter().next().context("the answer is empty")??)
}

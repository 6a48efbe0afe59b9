use anyhow::Result;
use std::net::TcpListener;

/// A TCP port of the loopback address that nobody listens on.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

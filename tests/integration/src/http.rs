//! A client of few lines that sends what it is given, byte for byte.

use anyhow::Context;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Nothing here takes this long; only a failure does.
const PATIENCE: Duration = Duration::from_secs(30);

/// An answer, read until the connection's end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Status line and fields, as they came.
    pub head: String,
    /// What came after.
    pub body: String,
}

/// `GET` over a connection of its own.
///
/// # Errors
/// Where the connection breaks or the answer is none.
pub fn get(address: SocketAddr, host: &str, path: &str) -> anyhow::Result<Answer> {
    request(
        address,
        &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"),
    )
}

/// Sends these bytes over a connection of its own and reads until its end.
///
/// # Errors
/// Where the connection breaks or the answer is none.
pub fn request(address: SocketAddr, bytes: &str) -> anyhow::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(bytes.as_bytes())?;
    let mut text = Vec::new();
    stream.read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    let (head, body) = text
        .split_once("\r\n\r\n")
        .context("an answer with a head")?;
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    Ok(Answer {
        status: status.context("a status")?,
        head: head.to_owned(),
        body: body.to_owned(),
    })
}

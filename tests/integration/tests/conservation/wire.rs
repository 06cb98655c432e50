//! HTTP/1 by hand, for both peers of the gateway: nothing is repaired, and an early end is told.

use std::io;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection and what was read from it.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    read: Vec<u8>,
}

/// A message's body, as far as it came.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Body {
    pub(crate) bytes: Vec<u8>,
    /// Did it come to the end that its framing announced?
    pub(crate) is_complete: bool,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let read = Vec::new();
        Ok(Self { stream, read })
    }

    pub(crate) async fn connect(address: SocketAddr) -> io::Result<Self> {
        Self::new(TcpStream::connect(address).await?)
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref()).await
    }

    /// Ends sending, in order.
    pub(crate) async fn end_sending(&mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }

    /// Resets the connection.
    pub(crate) fn reset(self) -> io::Result<()> {
        self.stream.set_zero_linger()
    }

    /// The next head in lower case; `None` where the connection ended before one.
    pub(crate) async fn head(&mut self) -> io::Result<Option<String>> {
        self.until(b"\r\n\r\n").await
    }

    /// Exactly `count` bytes; fewer if the connection ends.
    pub(crate) async fn take(&mut self, count: usize) -> Body {
        while self.read.len() < count && self.fill().await.unwrap_or(false) {}
        let is_complete = self.read.len() >= count;
        let count = count.min(self.read.len());
        let bytes = self.read.drain(..count).collect();
        Body { bytes, is_complete }
    }

    /// Everything up to the connection's end.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        while self.fill().await.unwrap_or(false) {}
        std::mem::take(&mut self.read)
    }

    /// The body that this head announces; without framing there is none.
    pub(crate) async fn body(&mut self, head: &str) -> Body {
        if let Some(length) = field(head, "content-length").and_then(|text| text.parse().ok()) {
            return self.take(length).await;
        }
        if field(head, "transfer-encoding").is_some() {
            return self.chunks().await;
        }
        let bytes = Vec::new();
        let is_complete = true;
        Body { bytes, is_complete }
    }

    async fn chunks(&mut self) -> Body {
        let mut body = Body::default();
        while let Ok(Some(line)) = self.until(b"\r\n").await {
            let Ok(size) = usize::from_str_radix(line.trim_end(), 16) else {
                return body;
            };
            let chunk = self.take(size + 2).await;
            if !chunk.is_complete {
                return body;
            }
            body.bytes.extend_from_slice(&chunk.bytes[..size]);
            if size == 0 {
                body.is_complete = true;
                return body;
            }
        }
        body
    }

    /// What comes up to and including `mark`, in lower case; `None` where the connection ended.
    async fn until(&mut self, mark: &[u8]) -> io::Result<Option<String>> {
        loop {
            if let Some(at) = self.read.windows(mark.len()).position(|part| part == mark) {
                let head = self.read.drain(..at + mark.len()).collect::<Vec<_>>();
                let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
                return Ok(Some(head));
            }
            if !self.fill().await? {
                return Ok(None);
            }
        }
    }

    /// Reads more; false at the end.
    async fn fill(&mut self) -> io::Result<bool> {
        self.read.reserve(2048);
        Ok(self.stream.read_buf(&mut self.read).await? > 0)
    }
}

/// The value of a field of a head in lower case.
pub(crate) fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
}

//! Cuts HTTP/1 messages out of a byte stream, naively: tests know what they sent.

use crate::http2::{Frame, PREFACE};
use tokio::io::{AsyncRead, AsyncReadExt};

/// One message as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Start line and fields, up to and including the empty line.
    pub head: String,
    /// The body, with its framing where it was chunked.
    pub body: Vec<u8>,
}

impl Message {
    /// The status code of a response.
    pub fn status(&self) -> u16 {
        let code = self
            .head
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok());
        code.unwrap_or_default()
    }

    /// The values of a field, in order.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let fields = self
            .head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(':'));
        let named = fields.filter(|(field, _)| field.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.trim()).collect()
    }

    /// The first value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The content of a chunked body, without its framing and trailers.
    pub fn unchunked(&self) -> Vec<u8> {
        let (mut rest, mut content) = (&self.body[..], Vec::new());
        while let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") {
            let line = String::from_utf8_lossy(&rest[..end]).into_owned();
            let size = usize::from_str_radix(line.split(';').next().unwrap_or_default(), 16);
            let size = size.expect("a chunk's size is hexadecimal");
            if size == 0 {
                break;
            }
            content.extend_from_slice(&rest[end + 2..end + 2 + size]);
            rest = &rest[end + 2 + size + 2..];
        }
        content
    }
}

/// Bytes that were read and not yet used.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    pub(crate) buffer: Vec<u8>,
}

impl Reader {
    /// Reads more; false at the end, or when the peer reset.
    pub(crate) async fn fill(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> bool {
        let mut piece = vec![0; 64 * 1024];
        let count = stream.read(&mut piece).await.unwrap_or(0);
        self.buffer.extend_from_slice(&piece[..count]);
        count > 0
    }

    /// A head; `None` if the stream ended inside or before it.
    pub(crate) async fn head(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
                return Some(String::from_utf8_lossy(&head).into_owned());
            }
            if !self.fill(stream).await {
                return None;
            }
        }
    }

    /// Exactly `count` bytes; fewer if the stream ends.
    pub(crate) async fn exactly(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        count: usize,
    ) -> Vec<u8> {
        while self.buffer.len() < count && self.fill(stream).await {}
        let count = count.min(self.buffer.len());
        self.buffer.drain(..count).collect()
    }

    /// HTTP/2 frames until one of `kind`, and what that holds; `None` if the stream ended before.
    pub(crate) async fn frame(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        kind: u8,
    ) -> Option<Vec<u8>> {
        loop {
            let head = self.exactly(stream, Frame::HEAD).await;
            if PREFACE.starts_with(&head) && head.len() == Frame::HEAD {
                self.exactly(stream, PREFACE.len() - Frame::HEAD).await;
                continue;
            }
            let (frame, length) = Frame::parse(&head)?;
            let payload = self.exactly(stream, length).await;
            if payload.len() < length {
                return None;
            }
            if frame.kind == kind {
                return Some(payload);
            }
        }
    }

    /// The body that `head` announces. `is_request`: without framing there is none.
    pub(crate) async fn body(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        message: &mut Message,
        is_request: bool,
    ) {
        let length = message
            .field("content-length")
            .and_then(|length| length.parse().ok());
        let is_chunked = message.field("transfer-encoding").is_some();
        message.body = match length {
            Some(length) => self.exactly(stream, length).await,
            None if is_chunked => self.chunks(stream).await,
            None if is_request => Vec::new(),
            None => {
                while self.fill(stream).await {}
                std::mem::take(&mut self.buffer)
            }
        };
    }

    /// A whole chunked body with its framing, trailers included.
    async fn chunks(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let Some(line) = self.line(stream).await else {
                return body;
            };
            body.extend_from_slice(&line);
            let text = String::from_utf8_lossy(&line);
            let digits = text.trim_end().split(';').next().unwrap_or_default();
            let size = usize::from_str_radix(digits, 16).unwrap_or_default();
            if size == 0 {
                break;
            }
            body.extend(self.exactly(stream, size + 2).await);
        }
        while let Some(line) = self.line(stream).await {
            body.extend_from_slice(&line);
            if line == b"\r\n" {
                break;
            }
        }
        body
    }

    async fn line(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                return Some(self.buffer.drain(..end + 2).collect());
            }
            if !self.fill(stream).await {
                return None;
            }
        }
    }
}

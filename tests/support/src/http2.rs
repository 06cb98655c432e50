//! HTTP/2 frame by frame. Fields are written as plain literals, so that what no library would send
//! reaches the wire, and what is read is not judged.

use crate::client::RawClient;
use std::net::SocketAddr;

/// How a client's connection begins.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Frame types (RFC 9113 section 6).
pub mod kind {
    /// DATA
    pub const DATA: u8 = 0;
    /// HEADERS
    pub const HEADERS: u8 = 1;
    /// RST_STREAM
    pub const RESET: u8 = 3;
    /// SETTINGS
    pub const SETTINGS: u8 = 4;
    /// PUSH_PROMISE
    pub const PUSH: u8 = 5;
    /// PING
    pub const PING: u8 = 6;
    /// GOAWAY
    pub const GOAWAY: u8 = 7;
    /// WINDOW_UPDATE
    pub const WINDOW: u8 = 8;
    /// CONTINUATION
    pub const CONTINUATION: u8 = 9;
}

const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;

/// The longest payload that every peer takes.
const PAYLOAD_MAX: usize = 16 * 1024;

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its type, one of [`kind`].
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Its stream; 0 for the connection.
    pub stream: u32,
    /// What it holds.
    pub payload: Vec<u8>,
}

impl Frame {
    /// The bytes of its head, with the payload's length.
    pub(crate) const HEAD: usize = 9;

    /// A frame and what its payload's length is, out of its head.
    pub(crate) fn parse(head: &[u8]) -> Option<(Self, usize)> {
        let (length, rest) = head.split_at_checked(3)?;
        let [kind, flags, stream @ ..] = rest else {
            return None;
        };
        let length = length
            .iter()
            .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        let stream = u32::from_be_bytes(stream.try_into().ok()?) & 0x7fff_ffff;
        let frame = Self {
            kind: *kind,
            flags: *flags,
            stream,
            payload: Vec::new(),
        };
        Some((frame, length))
    }

    fn is_last(&self) -> bool {
        matches!(self.kind, kind::DATA | kind::HEADERS) && self.flags & END_STREAM != 0
    }

    /// The error code that a RST_STREAM or GOAWAY ends with.
    fn code(&self) -> u32 {
        let at = if self.kind == kind::GOAWAY { 4 } else { 0 };
        let code = self.payload.get(at..at + 4).unwrap_or_default();
        code.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte))
    }
}

/// A frame as bytes.
///
/// # Panics
/// When the payload is too long for any frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame");
    let [_, length @ ..] = length.to_be_bytes();
    let mut frame = length.to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// A whole header section on `stream`, in as many frames as it takes.
pub fn headers(stream: u32, fields: &[(&str, &str)], is_last: bool) -> Vec<u8> {
    let block = block(fields);
    let mut pieces = block.chunks(PAYLOAD_MAX).peekable();
    let mut kind = kind::HEADERS;
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.next() {
        let mut flags = 0;
        if kind == kind::HEADERS && is_last {
            flags |= END_STREAM;
        }
        if pieces.peek().is_none() {
            flags |= END_HEADERS;
        }
        bytes.extend(frame(kind, flags, stream, piece));
        kind = kind::CONTINUATION;
    }
    bytes
}

/// A piece of a body on `stream`.
pub fn data(stream: u32, bytes: &[u8], is_last: bool) -> Vec<u8> {
    frame(kind::DATA, u8::from(is_last), stream, bytes)
}

/// An abrupt end of `stream`.
pub fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(kind::RESET, 0, stream, &code.to_be_bytes())
}

/// The connection's end, with the last stream that was looked at.
pub fn goaway(last: u32, code: u32) -> Vec<u8> {
    let payload = [last.to_be_bytes(), code.to_be_bytes()].concat();
    frame(kind::GOAWAY, 0, 0, &payload)
}

/// Fields as HPACK literals that no table learns, uncompressed. One character is one byte, so that
/// any byte can be written down.
fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            let bytes: Vec<u8> = text
                .chars()
                .map(|byte| u8::try_from(byte).expect("one byte"))
                .collect();
            integer(bytes.len(), &mut block);
            block.extend(bytes);
        }
    }
    block
}

/// An integer with a prefix of seven bits (RFC 7541 section 5.1).
fn integer(value: usize, out: &mut Vec<u8>) {
    let Some(mut rest) = value.checked_sub(0x7f) else {
        out.push(u8::try_from(value).expect("seven bits"));
        return;
    };
    out.push(0x7f);
    while rest >= 0x80 {
        out.push(0x80 | u8::try_from(rest & 0x7f).expect("seven bits"));
        rest >>= 7;
    }
    out.push(u8::try_from(rest).expect("seven bits"));
}

/// The status at the front of a response's header block, from a peer that was told to keep no
/// table of fields.
fn status(block: &[u8]) -> Option<u16> {
    const NAMED: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
    // Updates of the table's size come first.
    let at = block.iter().position(|byte| byte & 0xe0 != 0x20)?;
    let first = block[at];
    if first & 0x80 != 0 {
        return NAMED
            .get(usize::from(first & 0x7f).checked_sub(8)?)
            .copied();
    }
    let length = *block.get(at + 1)?;
    let text = block.get(at + 2..at + 2 + usize::from(length & 0x7f))?;
    if length & 0x80 == 0 {
        return std::str::from_utf8(text).ok()?.parse().ok();
    }
    let bits: Vec<u32> = text
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| u32::from(byte >> bit & 1)))
        .collect();
    let take = |from: usize, count: usize| {
        let bits = bits.get(from..from + count)?;
        Some(bits.iter().fold(0, |sum, bit| sum << 1 | bit))
    };
    // The digits of HPACK's code: 0 to 2 have five bits, the others six (RFC 7541 appendix B).
    let (mut from, mut status) = (0, 0);
    for _ in 0..3 {
        let short = take(from, 5)?;
        let (digit, count) = match short {
            0..=2 => (short, 5),
            _ => (take(from, 6)?.checked_sub(0x19)? + 3, 6),
        };
        status = status * 10 + u16::try_from(digit).ok()?;
        from += count;
    }
    Some(status)
}

/// What came back on a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The status of each response, interim ones first.
    pub statuses: Vec<u16>,
    /// The body.
    pub body: Vec<u8>,
    /// How it ended.
    pub end: End,
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// As its peer meant it to.
    Whole,
    /// By RST_STREAM with this code.
    Reset(u32),
    /// With the connection, by GOAWAY with this code.
    Goaway(u32),
    /// With the connection, without a word.
    Closed,
}

/// A client on one connection that sends exactly the frames it is told.
#[derive(Debug)]
pub struct FrameClient {
    raw: RawClient,
    last: u32,
}

impl FrameClient {
    /// Connects with prior knowledge.
    pub async fn connect(address: SocketAddr) -> Self {
        let mut raw = RawClient::connect(address).await;
        raw.send(PREFACE).await;
        // SETTINGS_HEADER_TABLE_SIZE 0: responses can be read without a table.
        raw.send(frame(kind::SETTINGS, 0, 0, &[0, 1, 0, 0, 0, 0]))
            .await;
        Self { raw, last: 0 }
    }

    /// Opens the next stream and gives its number.
    pub async fn open(&mut self, fields: &[(&str, &str)], is_all: bool) -> u32 {
        self.last = if self.last == 0 { 1 } else { self.last + 2 };
        self.send(headers(self.last, fields, is_all)).await;
        self.last
    }

    /// Sends bytes, to a proxy that may have closed already.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.raw.send_if_open(bytes).await;
    }

    /// Reads the next frame; `None` if the connection ends before it does.
    pub async fn frame(&mut self) -> Option<Frame> {
        let head = self.raw.bytes(Frame::HEAD).await;
        let (mut frame, length) = Frame::parse(&head)?;
        frame.payload = self.raw.bytes(length).await;
        (frame.payload.len() == length).then_some(frame)
    }

    /// Reads the status that `stream` is answered with, after all interim ones.
    ///
    /// # Panics
    /// When none comes.
    pub async fn status(&mut self, stream: u32) -> u16 {
        loop {
            let frame = self.frame().await.expect("a response");
            if (frame.kind, frame.stream) == (kind::HEADERS, stream) {
                let status = status(&frame.payload).expect("a response's status");
                if status >= 200 {
                    return status;
                }
            }
        }
    }

    /// Reads until `stream` has ended.
    ///
    /// # Panics
    /// When a response has no status.
    pub async fn hear(&mut self, stream: u32) -> Heard {
        let mut heard = Heard {
            statuses: Vec::new(),
            body: Vec::new(),
            end: End::Closed,
        };
        while let Some(frame) = self.frame().await {
            match frame.kind {
                // An orderly farewell lets open streams end.
                kind::GOAWAY if frame.code() != 0 => {
                    heard.end = End::Goaway(frame.code());
                    return heard;
                }
                _ if frame.stream != stream => continue,
                kind::RESET => {
                    heard.end = End::Reset(frame.code());
                    return heard;
                }
                kind::DATA => heard.body.extend_from_slice(&frame.payload),
                // Trailers come after the body and have no status.
                kind::HEADERS if heard.statuses.last().is_none_or(|status| *status < 200) => {
                    let status = status(&frame.payload).expect("a response's status");
                    heard.statuses.push(status);
                }
                _ => {}
            }
            if frame.is_last() {
                heard.end = End::Whole;
                return heard;
            }
        }
        heard
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_in_each_of_its_forms() {
        assert_eq!(status(&[0x88]), Some(200));
        assert_eq!(status(&[0x20, 0x8c]), Some(400));
        assert_eq!(status(b"\x08\x03417"), Some(417));
        // RFC 7541 appendix C.6.1: 302, in Huffman's code.
        assert_eq!(status(&[0x48, 0x82, 0x64, 0x02]), Some(302));
        assert_eq!(status(&[0x48, 0x83, 0x64, 0x0e, 0xff]), Some(307));
    }

    #[test]
    fn a_long_header_section_takes_several_frames() {
        let value = "a".repeat(20_000);
        let bytes = headers(1, &[("x", &value)], true);
        let (first, length) = Frame::parse(&bytes[..Frame::HEAD]).expect("a frame");
        assert_eq!(
            (first.kind, first.flags, length),
            (kind::HEADERS, 1, PAYLOAD_MAX)
        );
        let rest = &bytes[Frame::HEAD + PAYLOAD_MAX..];
        let (second, length) = Frame::parse(&rest[..Frame::HEAD]).expect("a frame");
        assert_eq!((second.kind, second.flags), (kind::CONTINUATION, 4));
        assert_eq!(length + PAYLOAD_MAX, 1 + 2 + 4 + 20_000);
    }
}

//! A backend's response head, judged as strictly as a request's: what is ambiguous is the
//! backend's fault and never reaches a client. Does not decide whether an interim response or a
//! 101 was due.

use bytes::{Buf, BytesMut};
use http::header::HeaderName;
use http::{Method, StatusCode, Version};

use crate::fields::{self, Fault, Fields};
use crate::grammar::{self, TransferCoding};
use crate::hop::{BadOption, ConnectionOptions};
use crate::names;
use crate::{Headers, Limits, ResponseBody, ResponseError};

/// A response head. Interim responses (1xx) are given as such: the caller forwards or drops 100 and
/// 103, counts them, and decides whether it asked for a 101.
#[derive(Debug, Clone)]
pub struct Response {
    /// 100 to 599.
    pub status: StatusCode,
    /// HTTP/1.0 or HTTP/1.1.
    pub version: Version,
    /// All fields but Content-Length and Transfer-Encoding, hop-by-hop ones included (see
    /// [`crate::strip_response_hop_by_hop`]); a Connection field that names no other field is left
    /// out as well.
    pub headers: Headers,
    /// How the body ends, the request's method considered.
    pub body: ResponseBody,
    /// The length to announce to the client: the body's own, or for HEAD and 304 the one that the
    /// backend declared; `None` if it is not known.
    pub length: Option<u64>,
    /// Whether the connection can carry another request once the body is read and nothing is left
    /// in the buffer.
    pub keep_alive: bool,
}

impl Response {
    /// Takes one response head off the front of `buf`; `None` if its end has not come yet, and then
    /// `buf` is as before.
    ///
    /// # Errors
    /// The backend's fault; the connection is of no use any more.
    pub fn parse(
        buf: &mut BytesMut,
        request_method: &Method,
        limits: &Limits,
    ) -> Result<Option<Self>, ResponseError> {
        let window = &buf[..buf.len().min(limits.head_bytes)];
        let full = buf.len() >= limits.head_bytes;
        let incomplete = if full {
            Err(ResponseError::HeadTooLarge)
        } else {
            Ok(None)
        };
        let Some(line) = status_line(window)? else {
            return incomplete;
        };
        let mut fields = Fields::new();
        let Some(len) = fields::parse(&window[line.len..], limits.fields, &mut fields)? else {
            return incomplete;
        };
        buf.advance(line.len);
        let section = buf.split_to(len).freeze();
        let mut framing = Framing::default();
        let mut headers = Headers::received(section.clone(), fields.len());
        for field in &fields {
            let name = field.name(&section);
            let name = match names::ready_made(name) {
                Some(name) => name,
                None if !framing.note(name, field.value(&section))? => continue,
                None => HeaderName::from_bytes(name).map_err(|_| ResponseError::FieldName)?,
            };
            headers.receive(name, field.value_range());
        }
        framing.judge(line, headers, request_method).map(Some)
    }
}

/// What the fields say about where the response ends.
#[derive(Default)]
struct Framing {
    content_length: Option<u64>,
    chunked: bool,
    connection: ConnectionOptions,
}

impl Framing {
    /// Takes note of one field; says whether it belongs among the headers.
    fn note(&mut self, name: &[u8], value: &[u8]) -> Result<bool, ResponseError> {
        match name.len() {
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                // Equal values may be taken for one (RFC 9110 section 8.6), also within a list.
                for element in grammar::list(value) {
                    let length = grammar::decimal(element).ok_or(ResponseError::ContentLength)?;
                    let before = self.content_length.replace(length);
                    if before.is_some_and(|before| before != length) {
                        return Err(ResponseError::ContentLength);
                    }
                }
                Ok(false)
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                if self.chunked || grammar::transfer_coding(value) != TransferCoding::Chunked {
                    return Err(ResponseError::TransferCoding);
                }
                self.chunked = true;
                Ok(false)
            }
            10 if name.eq_ignore_ascii_case(b"connection") => {
                let read = self.connection.read(value);
                read.map_err(|BadOption| ResponseError::ConnectionOption)
            }
            _ => Ok(true),
        }
    }

    /// RFC 9112 section 6.3 for responses.
    fn judge(
        self,
        line: StatusLine,
        headers: Headers,
        method: &Method,
    ) -> Result<Response, ResponseError> {
        let StatusLine {
            status, version, ..
        } = line;
        if self.chunked && self.content_length.is_some() {
            return Err(ResponseError::LengthAndCoding);
        }
        if self.chunked && version == Version::HTTP_10 {
            return Err(ResponseError::TransferCoding);
        }
        let bodiless = status.is_informational() || status == StatusCode::NO_CONTENT;
        let announces_only = *method == Method::HEAD || status == StatusCode::NOT_MODIFIED;
        let body = match self.content_length {
            _ if bodiless || announces_only => ResponseBody::Empty,
            Some(0) => ResponseBody::Empty,
            Some(length) => ResponseBody::Length(length),
            None if self.chunked => ResponseBody::Chunked,
            None => ResponseBody::UntilClose,
        };
        let length = match body {
            _ if announces_only => self.content_length,
            ResponseBody::Empty => Some(0),
            ResponseBody::Length(length) => Some(length),
            ResponseBody::Chunked | ResponseBody::UntilClose => None,
        };
        // A 204 that announces a body may well send it, as the next response for all we know.
        let lies =
            bodiless && (self.chunked || self.content_length.is_some_and(|length| length > 0));
        let keep_alive =
            self.connection.persists(version) && body != ResponseBody::UntilClose && !lies;
        Ok(Response {
            status,
            version,
            headers,
            body,
            length,
            keep_alive,
        })
    }
}

#[derive(Clone, Copy)]
struct StatusLine {
    version: Version,
    status: StatusCode,
    /// Bytes up to and including the line's end.
    len: usize,
}

/// Reads `HTTP/1.x SP 3DIGIT [SP reason] CR LF` (RFC 9112 section 4). Servers that leave out the
/// space before an empty reason are common, and no reader takes that for something else.
fn status_line(head: &[u8]) -> Result<Option<StatusLine>, ResponseError> {
    const START: &[u8] = b"HTTP/1.";
    let given = head.len().min(START.len());
    if head[..given] != START[..given] {
        return Err(ResponseError::StatusLine);
    }
    let Some(end) = memchr::memchr(b'\n', head) else {
        return if is_plain(head) {
            Ok(None)
        } else {
            Err(ResponseError::StatusLine)
        };
    };
    if !is_plain(&head[..end]) {
        return Err(ResponseError::StatusLine);
    }
    let line = head[..end]
        .strip_suffix(b"\r")
        .ok_or(ResponseError::LineEnding)?;
    let (version, status) = match line {
        [
            b'H',
            b'T',
            b'T',
            b'P',
            b'/',
            b'1',
            b'.',
            minor,
            b' ',
            a,
            b,
            c,
            reason @ ..,
        ] if matches!(reason, [] | [b' ', ..]) && minor.is_ascii_digit() => (*minor, [*a, *b, *c]),
        _ => return Err(ResponseError::StatusLine),
    };
    let status = match status {
        [b'1'..=b'5', b, c] if b.is_ascii_digit() && c.is_ascii_digit() => {
            StatusCode::from_bytes(&status).map_err(|_| ResponseError::Status)?
        }
        _ => return Err(ResponseError::Status),
    };
    let version = if version == b'0' {
        Version::HTTP_10
    } else {
        Version::HTTP_11
    };
    Ok(Some(StatusLine {
        version,
        status,
        len: end + 1,
    }))
}

/// No control characters but tab, and CR only as the last byte so far.
fn is_plain(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    bytes
        .iter()
        .all(|&byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f))
}

impl From<Fault> for ResponseError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Fold => Self::FieldFold,
            Fault::LineEnding => Self::LineEnding,
            Fault::Name => Self::FieldName,
            Fault::TooMany => Self::TooManyFields,
            Fault::Value => Self::FieldValue,
        }
    }
}

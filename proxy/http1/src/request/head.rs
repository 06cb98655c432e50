//! HTTP/1 request heads: bytes of a read buffer, taken whole or not at all.

use bytes::{Bytes, BytesMut};
use http::header::HeaderName;

use super::Request;
use super::draft::{Draft, Facts};
use super::line;
use crate::fields::{self, Fault, Fields};
use crate::names;
use crate::target::Form;
use crate::{Authority, Headers, Limits, RequestError, Target};

impl Request {
    /// Takes one request head off the front of `buf`; `None` if its end has not come yet, and then
    /// `buf` is as before. Field values are slices of the buffer, not copies.
    ///
    /// # Errors
    /// The reason to refuse the request; the connection cannot be read any further.
    pub fn parse(buf: &mut BytesMut, limits: &Limits) -> Result<Option<Self>, RequestError> {
        let window = &buf[..buf.len().min(limits.head_bytes)];
        let full = buf.len() >= limits.head_bytes;
        // What is not complete within the limit never will be.
        let incomplete = if full {
            Err(RequestError::HeadTooLarge)
        } else {
            Ok(None)
        };
        let Some(line) = line::parse(window, limits.target_bytes)? else {
            return incomplete;
        };
        let mut fields = Fields::new();
        let section = &window[line.len..];
        let Some(section_len) = fields::parse(section, limits.fields, &mut fields)? else {
            return incomplete;
        };
        let line_bytes = buf.split_to(line.len).freeze();
        let section_bytes = buf.split_to(section_len).freeze();
        let mut facts = Facts::default();
        let headers = headers(&fields, &section_bytes, &mut facts, limits)?;
        let target_bytes = line_bytes.slice(line.target);
        let mut draft = Draft {
            target: Target::from_form(&line.form, &target_bytes, &line.method)?,
            method: line.method,
            authority: None,
            scheme: None,
            version: line.version,
            headers,
            end_of_stream: None,
            facts,
        };
        if let Form::Absolute {
            scheme, authority, ..
        } = line.form
        {
            draft.authority = Some(Authority::parse(target_bytes.slice(authority))?);
            draft.scheme = Some(scheme);
        }
        draft.validate(limits).map(Some)
    }
}

fn headers(
    fields: &Fields,
    bytes: &Bytes,
    facts: &mut Facts,
    limits: &Limits,
) -> Result<Headers, RequestError> {
    let mut headers = Headers::received(bytes.clone(), fields.len());
    for field in fields {
        let name = field.name(bytes);
        if let Some(name) = names::ready_made(name) {
            headers.receive(name, field.value_range());
            continue;
        }
        if name.eq_ignore_ascii_case(b"host") {
            facts.note_host(field.shared_value(bytes))?;
            continue;
        }
        let name = HeaderName::from_bytes(name).map_err(|_| RequestError::FieldName)?;
        if facts.note(&name, field.value(bytes), limits)? {
            headers.receive(name, field.value_range());
        }
    }
    Ok(headers)
}

impl From<Fault> for RequestError {
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

/// Spares a connection that drips its head byte by byte from being parsed at every byte: parsing
/// can only get further when a line has ended, so work stays bounded by lines, not by reads.
#[derive(Debug, Clone, Default)]
pub struct HeadScan {
    seen: usize,
}

impl HeadScan {
    /// Whether [`Request::parse`] or [`crate::Response::parse`] could say something new about
    /// `buf`, which has grown since the last call. The first call says yes, so that what is no HTTP
    /// at all is refused at its first byte.
    pub fn is_worth_parsing(&mut self, buf: &[u8], limits: &Limits) -> bool {
        let seen = std::mem::replace(&mut self.seen, buf.len()).min(buf.len());
        seen == 0 || buf.len() >= limits.head_bytes || memchr::memchr(b'\n', &buf[seen..]).is_some()
    }

    /// Starts over after a head was taken.
    pub fn reset(&mut self) {
        self.seen = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dripping_head_is_parsed_once_per_line() {
        let head = b"GET / HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n";
        let (mut scan, limits) = (HeadScan::default(), Limits::default());
        let worth = |len: &usize| scan.is_worth_parsing(&head[..*len], &limits);
        assert_eq!((1..=head.len()).filter(worth).count(), 1 + 4);
        scan.reset();
        assert!(scan.is_worth_parsing(head, &limits));
    }
}

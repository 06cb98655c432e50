//! What HTTP/1 and HTTP/2 requests are reduced to before they are judged, and the checks that both
//! share. A [`Draft`] is the only thing a [`Request`] can be made of.

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::uri::Scheme;
use http::{Method, Version};

use super::Request;
use crate::grammar::{self, TransferCoding};
use crate::hop::{self, ConnectionOptions};
use crate::{Authority, BodyLength, Headers, Limits, RequestError, Target, Underscores};

/// A request whose parts are sound one by one.
pub(super) struct Draft {
    pub(super) method: Method,
    /// From an absolute target or `:authority`.
    pub(super) authority: Option<Authority>,
    pub(super) target: Target,
    pub(super) scheme: Option<Scheme>,
    pub(super) version: Version,
    pub(super) headers: Headers,
    /// HTTP/2: whether the head ended the stream.
    pub(super) end_of_stream: Option<bool>,
    pub(super) facts: Facts,
}

/// What the fields say about routing, framing and the connection.
#[derive(Default)]
pub(super) struct Facts {
    host: Option<Bytes>,
    content_length: Option<u64>,
    chunked: bool,
    connection: ConnectionOptions,
    upgrade: Option<HeaderValue>,
    upgrades: u8,
    expect_continue: bool,
    accepts_trailers: bool,
    dropped: u16,
}

impl Facts {
    /// Takes note of one field; says whether it belongs among the headers.
    pub(super) fn note(
        &mut self,
        name: &HeaderName,
        value: &[u8],
        limits: &Limits,
    ) -> Result<bool, RequestError> {
        match name.as_str() {
            "host" => {
                self.note_host(Bytes::copy_from_slice(value))?;
                return Ok(false);
            }
            "content-length" => {
                let length = grammar::decimal(value);
                let length = length.ok_or(RequestError::ContentLength)?;
                // Equal values could be collapsed (RFC 9110 section 8.6); strictness is simpler.
                return match self.content_length.replace(length) {
                    Some(_) => Err(RequestError::DuplicateContentLength),
                    None => Ok(false),
                };
            }
            "transfer-encoding" => return self.note_transfer_encoding(value).map(|()| false),
            "expect" => {
                self.expect_continue = value.eq_ignore_ascii_case(b"100-continue");
                let known = self.expect_continue.then_some(false);
                return known.ok_or(RequestError::Expectation);
            }
            "connection" => {
                let read = self.connection.read(value);
                return read.map_err(|hop::BadOption| RequestError::ConnectionOption);
            }
            "upgrade" => {
                self.upgrade = hop::upgrade_without_h2c(value);
                self.upgrades = self.upgrades.saturating_add(1);
            }
            "te" => self.accepts_trailers |= hop::asks_for_trailers(value),
            other if drops_underscore(other, limits.underscores) => {
                self.dropped = self.dropped.saturating_add(1);
                return Ok(false);
            }
            _ => {}
        }
        Ok(true)
    }

    /// RFC 9112 section 3.2: exactly one Host.
    pub(super) fn note_host(&mut self, value: Bytes) -> Result<(), RequestError> {
        match self.host.replace(value) {
            Some(_) => Err(RequestError::DuplicateHost),
            None => Ok(()),
        }
    }

    /// RFC 9112 section 6.1: `chunked` once, alone, or nothing.
    fn note_transfer_encoding(&mut self, value: &[u8]) -> Result<(), RequestError> {
        match grammar::transfer_coding(value) {
            TransferCoding::Chunked if !self.chunked => {
                self.chunked = true;
                Ok(())
            }
            TransferCoding::Chunked | TransferCoding::Malformed => {
                Err(RequestError::TransferCoding)
            }
            TransferCoding::Unknown => Err(RequestError::UnknownTransferCoding),
        }
    }
}

impl Draft {
    /// The one constructor: what only the whole request can tell.
    pub(super) fn validate(self, limits: &Limits) -> Result<Request, RequestError> {
        let body = self.body(limits)?;
        let authority = self.choose_authority()?;
        let Self { facts, version, .. } = self;
        let is_http11 = version == Version::HTTP_11;
        // An upgrade with a body would have bytes in flight whose protocol is unclear, and two
        // Upgrade fields no order; both are served as plain requests, as section 7.8 allows.
        let upgrades = is_http11
            && facts.connection.upgrade
            && facts.upgrades == 1
            && body == BodyLength::Empty;
        Ok(Request {
            method: self.method,
            authority,
            target: self.target,
            scheme: self.scheme,
            version,
            headers: self.headers,
            keep_alive: version == Version::HTTP_2 || facts.connection.persists(version),
            upgrade: facts.upgrade.filter(|_| upgrades),
            // An HTTP/1.0 client cannot mean it (RFC 9110 section 10.1.1).
            expect_continue: facts.expect_continue
                && version != Version::HTTP_10
                && body != BodyLength::Empty,
            accepts_trailers: facts.accepts_trailers,
            dropped_fields: facts.dropped,
            body,
        })
    }

    /// RFC 9112 section 6.3 for requests: never delimited by the connection's end.
    fn body(&self, limits: &Limits) -> Result<BodyLength, RequestError> {
        let Facts {
            content_length,
            chunked,
            ..
        } = self.facts;
        if chunked && content_length.is_some() {
            return Err(RequestError::LengthAndCoding);
        }
        if chunked && self.version != Version::HTTP_11 {
            return Err(RequestError::TransferCoding);
        }
        if let (Some(length), Some(max)) = (content_length, limits.body_bytes)
            && length > max
        {
            return Err(RequestError::BodyTooLarge);
        }
        match (self.end_of_stream, content_length) {
            (Some(true), Some(1..)) => Err(RequestError::ContentLength),
            (Some(true), _) => Ok(BodyLength::Empty),
            (_, Some(0)) if self.end_of_stream.is_none() => Ok(BodyLength::Empty),
            (_, Some(length)) => Ok(BodyLength::Length(length)),
            (Some(false), None) => Ok(BodyLength::Unknown),
            (None, None) if chunked => Ok(BodyLength::Chunked),
            (None, None) => Ok(BodyLength::Empty),
        }
    }

    /// An absolute target's host wins over Host (RFC 9112 section 3.2.2), which must be sound all
    /// the same and is required in HTTP/1.1; in HTTP/2 the two must agree.
    fn choose_authority(&self) -> Result<Authority, RequestError> {
        let host = match &self.facts.host {
            Some(value) => Some(Authority::parse(value.clone())?),
            None => None,
        };
        match (&self.authority, host) {
            (Some(authority), Some(host)) if self.version == Version::HTTP_2 => {
                let default = if self.scheme == Some(Scheme::HTTP) {
                    80
                } else {
                    443
                };
                if !authority.agrees_with(&host, default) {
                    return Err(RequestError::AuthorityMismatch);
                }
                Ok(authority.clone())
            }
            (Some(_), None) if self.version == Version::HTTP_11 => Err(RequestError::MissingHost),
            (Some(authority), _) => Ok(authority.clone()),
            (None, Some(host)) => Ok(host),
            (None, None) => Err(RequestError::MissingHost),
        }
    }
}

/// Whether the field goes because a backend could take its underscores for hyphens.
fn drops_underscore(name: &str, underscores: Underscores) -> bool {
    name.as_bytes().contains(&b'_')
        && match underscores {
            Underscores::Keep => false,
            Underscores::DropAll => true,
            Underscores::DropTwins => is_vouched_for(&name.replace('_', "-")),
        }
}

/// Names under which RAUTA or a backend trusts a value: framing, routing, identity, credentials.
fn is_vouched_for(name: &str) -> bool {
    const NAMES: [&str; 17] = [
        "authorization",
        "connection",
        "content-length",
        "content-type",
        "cookie",
        "expect",
        "forwarded",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "transfer-encoding",
        "upgrade",
        "via",
        "x-real-ip",
        "x-request-id",
        "trailer",
    ];
    NAMES.contains(&name) || name.starts_with("x-forwarded-")
}

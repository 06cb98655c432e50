//! HTTP/2 requests: pseudo-header fields and fields as the `h2` crate hands them over, judged by
//! RFC 9113 section 8 and then by the same checks as HTTP/1.
//!
//! A fragment in `:path` cannot be seen here: the `http` crate cuts it off, so it is never
//! forwarded either.

use bytes::Bytes;
use http::header::{
    CONNECTION, COOKIE, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::uri::Scheme;
use http::{Method, Version};

use super::Request;
use super::draft::{Draft, Facts};
use crate::{Authority, Headers, Limits, RequestError, Target};

impl Request {
    /// Judges the head of an HTTP/2 request. `end_of_stream` says that no body follows.
    ///
    /// # Errors
    /// The reason to refuse the request; only its stream ends, the connection lives on.
    pub fn from_h2(
        parts: Parts,
        end_of_stream: bool,
        limits: &Limits,
    ) -> Result<Self, RequestError> {
        let Parts {
            method,
            uri,
            headers,
            ..
        } = parts;
        check_size(&headers, limits)?;
        if method == Method::CONNECT {
            return Err(RequestError::ConnectMethod);
        }
        if method
            .as_str()
            .bytes()
            .any(|byte| byte.is_ascii_lowercase())
        {
            return Err(RequestError::Method);
        }
        let uri = uri.into_parts();
        if uri
            .scheme
            .as_ref()
            .is_some_and(|scheme| *scheme != Scheme::HTTP && *scheme != Scheme::HTTPS)
        {
            return Err(RequestError::Scheme);
        }
        let path = uri.path_and_query.ok_or(RequestError::Target)?;
        if path.as_str().len() > limits.target_bytes {
            return Err(RequestError::TargetTooLong);
        }
        let authority = uri.authority.map(Authority::from_uri).transpose()?;
        let mut facts = Facts::default();
        let draft = Draft {
            target: Target::from_uri(path, &method)?,
            method,
            authority,
            scheme: uri.scheme,
            version: Version::HTTP_2,
            headers: fields(headers, &mut facts, limits)?,
            end_of_stream: Some(end_of_stream),
            facts,
        };
        draft.validate(limits)
    }
}

/// Counts fields, cookie crumbs included, and bytes as HPACK does (RFC 7541 section 4.1), so that
/// a small compressed block cannot become a large request.
fn check_size(headers: &HeaderMap, limits: &Limits) -> Result<(), RequestError> {
    if headers.len() > limits.fields {
        return Err(RequestError::TooManyFields);
    }
    let size = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + 32;
    if headers.iter().map(size).sum::<usize>() > limits.head_bytes {
        return Err(RequestError::HeadTooLarge);
    }
    Ok(())
}

/// Checks every field and keeps those that go on.
fn fields(headers: HeaderMap, facts: &mut Facts, limits: &Limits) -> Result<Headers, RequestError> {
    let mut headers = Headers::from(headers);
    let mut checked = Ok(());
    headers.retain(|name, value| {
        let noted = check_field(name, value).and_then(|()| facts.note(name, value, limits));
        noted.unwrap_or_else(|error| {
            checked = checked.and(Err(error));
            false
        })
    });
    checked?;
    join_cookies(&mut headers);
    Ok(headers)
}

/// RFC 9113 sections 8.2.1 and 8.2.2.
fn check_field(name: &HeaderName, bytes: &[u8]) -> Result<(), RequestError> {
    if let [b' ' | b'\t', ..] | [.., b' ' | b'\t'] = bytes {
        return Err(RequestError::FieldValue);
    }
    if *name == TE && !bytes.eq_ignore_ascii_case(b"trailers") {
        return Err(RequestError::Te);
    }
    let specific = *name == CONNECTION
        || *name == TRANSFER_ENCODING
        || *name == UPGRADE
        || matches!(name.as_str(), "keep-alive" | "proxy-connection");
    if specific {
        Err(RequestError::ConnectionField)
    } else {
        Ok(())
    }
}

/// RFC 9113 section 8.2.3: crumbs become one field again before they leave HTTP/2.
fn join_cookies(headers: &mut Headers) {
    if headers.get_all(&COOKIE).nth(1).is_none() {
        return;
    }
    let crumbs: Vec<&[u8]> = headers.get_all(&COOKIE).collect();
    let joined = Bytes::from(crumbs.join(&b"; "[..]));
    if let Ok(joined) = HeaderValue::from_maybe_shared(joined) {
        headers.insert(COOKIE, joined);
    }
}

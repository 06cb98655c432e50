//! Do a match's conditions hold for a request? One condition at a time, without allocating where
//! the request is ordinary: one field per header name, no escapes that a regular expression sees.

use crate::table::Fields;
use crate::{GrpcMethodMatch, HeaderMatch, Match, PathMatch, QueryMatch, RequestView, ValueMatch};
use http::{HeaderName, Method};
use std::borrow::Cow;
use std::iter;
use std::str;

/// A match's conditions beside the path's, on their own: close together for the request path.
#[derive(Clone, Debug)]
pub(crate) struct Conditions {
    method: Option<Method>,
    headers: Box<[HeaderMatch]>,
    query: Box<[QueryMatch]>,
}

impl Conditions {
    /// The conditions of `m`; `None` where it has none but the path's.
    pub(crate) fn of(m: &Match) -> Option<Self> {
        let plain = m.method.is_none() && m.headers.is_empty() && m.query.is_empty();
        (!plain).then(|| Self {
            method: m.method.clone(),
            headers: m.headers.as_slice().into(),
            query: m.query.as_slice().into(),
        })
    }

    /// Do all of them hold?
    pub(crate) fn hold(&self, request: &RequestView<'_>) -> bool {
        self.method
            .as_ref()
            .is_none_or(|wanted| wanted == request.method)
            && self
                .headers
                .iter()
                .all(|wanted| wanted.holds(request.headers))
            && self.query.iter().all(|wanted| wanted.holds(request.query))
    }
}

impl PathMatch {
    /// Does the condition hold for `path`, byte for byte? "The `/abc` and `/abc/` paths would
    /// both match the prefix `/abc`, but `/abcd` would not" (HTTPPathMatch).
    pub fn holds(&self, path: &str) -> bool {
        match self {
            Self::Exact(wanted) => wanted == path,
            Self::Prefix(prefix) => path
                .strip_prefix(prefix.as_str())
                .is_some_and(|rest| prefix.is_empty() || rest.is_empty() || rest.starts_with('/')),
            Self::Regex(regex) => regex.is_match(path),
            Self::Grpc(wanted) => wanted.holds(path),
        }
    }
}

impl GrpcMethodMatch {
    fn holds(&self, path: &str) -> bool {
        let asks = |wanted: &Option<ValueMatch>, part: Option<&str>| {
            wanted
                .as_ref()
                .is_none_or(|wanted| part.is_some_and(|part| wanted.holds(part.as_bytes())))
        };
        let (service, method) = grpc_parts(path).unzip();
        asks(&self.service, service) && asks(&self.method, method)
    }
}

/// Service and method of a gRPC path: `/service/method`, neither of which holds a slash.
pub(crate) fn grpc_parts(path: &str) -> Option<(&str, &str)> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    (!method.contains('/')).then_some((service, method))
}

impl ValueMatch {
    /// Does the condition hold for `value`? A regular expression never matches what is not UTF-8.
    pub fn holds(&self, value: &[u8]) -> bool {
        match self {
            Self::Exact(wanted) => wanted.as_bytes() == value,
            Self::Regex(regex) => str::from_utf8(value).is_ok_and(|text| regex.is_match(text)),
        }
    }
}

impl HeaderMatch {
    /// Does the condition hold? Several fields of one name count as one, joined with `,`.
    pub fn holds(&self, headers: &dyn Fields) -> bool {
        header_value(headers, &self.name).is_some_and(|value| self.value.holds(&value))
    }
}

/// The value of a header: several fields of one name are joined with `,`.
pub(crate) fn header_value<'a>(
    headers: &'a dyn Fields,
    name: &HeaderName,
) -> Option<Cow<'a, [u8]>> {
    let mut joined: Option<Cow<'a, [u8]>> = None;
    headers.visit(&mut |other, value| {
        if other != name {
            return;
        }
        match &mut joined {
            None => joined = Some(Cow::Borrowed(value)),
            Some(before) => {
                let before = before.to_mut();
                before.push(b',');
                before.extend_from_slice(value);
            }
        }
    });
    joined
}

impl QueryMatch {
    /// Does the condition hold? The first parameter of the name counts.
    pub fn holds(&self, query: Option<&str>) -> bool {
        let mut parameters = query_parameters(query);
        let Some((_, value)) = parameters.find(|(name, _)| decodes_to(name, &self.name)) else {
            return false;
        };
        match &self.value {
            ValueMatch::Exact(wanted) => decodes_to(value, wanted),
            ValueMatch::Regex(_) => self.value.holds(&decode(value)),
        }
    }
}

/// Names and values of a query's parameters, as received. A name without `=` has an empty value.
pub(crate) fn query_parameters(query: Option<&str>) -> impl Iterator<Item = (&str, &str)> {
    query
        .into_iter()
        .flat_map(|query| query.split('&'))
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// `text` with its percent escapes decoded; `+` stays a plus, a broken escape stays as it is.
pub(crate) fn decode(text: &str) -> Cow<'_, [u8]> {
    if text.contains('%') {
        Cow::Owned(decoded_bytes(text.as_bytes()).collect())
    } else {
        Cow::Borrowed(text.as_bytes())
    }
}

fn decodes_to(text: &str, wanted: &str) -> bool {
    if text.contains('%') {
        decoded_bytes(text.as_bytes()).eq(wanted.bytes())
    } else {
        text == wanted
    }
}

fn decoded_bytes(mut rest: &[u8]) -> impl Iterator<Item = u8> {
    iter::from_fn(move || {
        let (byte, length) = match rest {
            [b'%', high, low, ..] => match (hex_digit(*high), hex_digit(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, 3),
                _ => (b'%', 1),
            },
            [byte, ..] => (*byte, 1),
            [] => return None,
        };
        rest = &rest[length..];
        Some(byte)
    })
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

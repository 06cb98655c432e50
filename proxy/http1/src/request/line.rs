//! The request line (RFC 9112 section 3): method, target and version with one space between them.

use std::ops::Range;

use http::{Method, Version};

use crate::RequestError;
use crate::grammar::is_token_byte;
use crate::target::{self, Form};

/// A complete request line of a sound form.
#[derive(Debug)]
pub(super) struct RequestLine {
    pub(super) method: Method,
    pub(super) target: Range<usize>,
    pub(super) form: Form,
    pub(super) version: Version,
    /// Bytes up to and including the line's end.
    pub(super) len: usize,
}

/// Longer than any registered method.
const METHOD_BYTES_MAX: usize = 32;
/// RFC 9112 section 2.2 asks to tolerate an empty line before a request; two are plenty.
const EMPTY_LINES_MAX: usize = 2;

/// Reads the line in its order, so that a fault is found as early as its bytes are there; `None`
/// if more bytes are needed.
pub(super) fn parse(head: &[u8], target_max: usize) -> Result<Option<RequestLine>, RequestError> {
    let Some(start) = skip_empty_lines(head)? else {
        return Ok(None);
    };
    let Some(method_len) = method_len(&head[start..])? else {
        return Ok(None);
    };
    let method =
        Method::from_bytes(&head[start..start + method_len]).map_err(|_| RequestError::Method)?;
    if method == Method::CONNECT {
        return Err(RequestError::ConnectMethod);
    }
    let target_start = start + method_len + 1;
    let Some(target_len) = target_len(&head[target_start..], target_max)? else {
        return Ok(None);
    };
    let target = target_start..target_start + target_len;
    let form = target::check(&head[target.clone()])?;
    let Some(version) = version(&head[target.end + 1..])? else {
        return Ok(None);
    };
    let len = target.end + 1 + VERSION_LINE_BYTES;
    Ok(Some(RequestLine {
        method,
        target,
        form,
        version,
        len,
    }))
}

fn skip_empty_lines(head: &[u8]) -> Result<Option<usize>, RequestError> {
    let mut at = 0;
    loop {
        match &head[at..] {
            [b'\r', b'\n', ..] => at += 2,
            [] | [b'\r'] => return Ok(None),
            [b'\r' | b'\n', ..] => return Err(RequestError::LineEnding),
            _ => return Ok(Some(at)),
        }
        if at > 2 * EMPTY_LINES_MAX {
            return Err(RequestError::LineEnding);
        }
    }
}

/// Registered methods are upper-case; `get` would be another method than `GET` to some and the same
/// to others (methods are case-sensitive, RFC 9110 section 9.1).
fn method_len(line: &[u8]) -> Result<Option<usize>, RequestError> {
    for (at, &byte) in line.iter().enumerate() {
        match byte {
            b' ' if at > 0 => return Ok(Some(at)),
            _ if at == METHOD_BYTES_MAX => return Err(RequestError::MethodTooLong),
            _ if is_token_byte(byte) && !byte.is_ascii_lowercase() => {}
            _ => return Err(RequestError::Method),
        }
    }
    Ok(None)
}

fn target_len(line: &[u8], target_max: usize) -> Result<Option<usize>, RequestError> {
    let window = &line[..line.len().min(target_max.saturating_add(1))];
    match memchr::memchr2(b' ', b'\n', window) {
        Some(0) => Err(RequestError::RequestLine),
        Some(at) if window[at] == b' ' => Ok(Some(at)),
        // A line that ends here has no version: HTTP/0.9.
        Some(_) => Err(RequestError::RequestLine),
        None if window.len() > target_max => Err(RequestError::TargetTooLong),
        None => Ok(None),
    }
}

/// `HTTP/1.1` and CR LF.
const VERSION_LINE_BYTES: usize = 10;

fn version(line: &[u8]) -> Result<Option<Version>, RequestError> {
    let [b'H', b'T', b'T', b'P', b'/', major, b'.', minor, end @ ..] = line else {
        let cut_off = line.len() < VERSION_LINE_BYTES && !line.contains(&b'\n');
        return if cut_off {
            Ok(None)
        } else {
            Err(RequestError::RequestLine)
        };
    };
    if !major.is_ascii_digit() || !minor.is_ascii_digit() {
        return Err(RequestError::RequestLine);
    }
    match end {
        [b'\r', b'\n', ..] => {}
        [] | [b'\r'] => return Ok(None),
        [b'\n', ..] => return Err(RequestError::LineEnding),
        _ => return Err(RequestError::RequestLine),
    }
    match (major, minor) {
        (b'1', b'0') => Ok(Some(Version::HTTP_10)),
        // RFC 9110 section 2.5: a higher minor version is answered as the highest that is known.
        (b'1', _) => Ok(Some(Version::HTTP_11)),
        _ => Err(RequestError::UnsupportedVersion),
    }
}

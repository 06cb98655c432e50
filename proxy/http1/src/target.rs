//! Request targets (RFC 9112 section 3.2). The path is kept byte for byte, so that match, log and
//! upstream see the same bytes; what two readers could resolve differently is refused instead.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};
use http::Method;
use http::uri::{PathAndQuery, Scheme};

use crate::RequestError;
use crate::grammar::hex;

/// A valid path with its query, or `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    received: PathAndQuery,
}

impl Target {
    /// The path, byte for byte: `//` and escapes as received.
    #[must_use]
    pub fn path(&self) -> &str {
        self.received.path()
    }

    /// The query without its `?`, byte for byte.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.received.query()
    }

    /// Path and query in origin-form, as sent upstream.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.received.as_str()
    }

    /// The same as the `http` crate's type, for a URI; cloning it copies nothing.
    #[must_use]
    pub fn as_uri(&self) -> &PathAndQuery {
        &self.received
    }

    /// Wraps what an HTTP/2 library parsed, after the same checks.
    pub(crate) fn from_uri(received: PathAndQuery, method: &Method) -> Result<Self, RequestError> {
        if received.as_str() == "*" {
            return Self::asterisk(method);
        }
        check_path_and_query(received.as_str().as_bytes())?;
        Ok(Self { received })
    }

    /// Wraps the bytes that `check` found sound.
    pub(crate) fn from_form(
        form: &Form,
        target: &Bytes,
        method: &Method,
    ) -> Result<Self, RequestError> {
        let received = match form {
            Form::Asterisk => return Self::asterisk(method),
            Form::Origin => PathAndQuery::from_maybe_shared(target.clone()),
            Form::Absolute { path, .. } => match &target[path.clone()] {
                // RFC 9112 section 3.2.4: an absolute form without a path asks for the server.
                [] if *method == Method::OPTIONS => return Self::asterisk(method),
                [] => Ok(PathAndQuery::from_static("/")),
                [b'?', ..] => {
                    let mut rooted = BytesMut::with_capacity(path.len() + 1);
                    rooted.put_u8(b'/');
                    rooted.put_slice(&target[path.clone()]);
                    PathAndQuery::from_maybe_shared(rooted.freeze())
                }
                _ => PathAndQuery::from_maybe_shared(target.slice(path.clone())),
            },
        };
        Ok(Self {
            received: received.map_err(|_| RequestError::Target)?,
        })
    }

    /// `*` stands for the server as a whole, which only OPTIONS may ask (section 3.2.4).
    fn asterisk(method: &Method) -> Result<Self, RequestError> {
        if *method != Method::OPTIONS {
            return Err(RequestError::Target);
        }
        Ok(Self {
            received: PathAndQuery::from_static("*"),
        })
    }
}

/// Which form a target has, and where its parts stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Form {
    Absolute {
        scheme: Scheme,
        authority: Range<usize>,
        path: Range<usize>,
    },
    Asterisk,
    Origin,
}

/// Tells a target's form and checks every byte of it, except those of its authority.
pub(crate) fn check(target: &[u8]) -> Result<Form, RequestError> {
    match target {
        [b'/', ..] => {
            check_path_and_query(target)?;
            Ok(Form::Origin)
        }
        [b'*'] => Ok(Form::Asterisk),
        _ => check_absolute(target),
    }
}

fn check_absolute(target: &[u8]) -> Result<Form, RequestError> {
    let colon = memchr::memmem::find(target, b"://").ok_or(RequestError::Target)?;
    let name = &target[..colon];
    let scheme = if name.eq_ignore_ascii_case(b"http") {
        Scheme::HTTP
    } else if name.eq_ignore_ascii_case(b"https") {
        Scheme::HTTPS
    } else if name.first().is_some_and(u8::is_ascii_alphabetic)
        && name
            .iter()
            .all(|&b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
    {
        return Err(RequestError::Scheme);
    } else {
        return Err(RequestError::Target);
    };
    let start = colon + 3;
    let end = memchr::memchr3(b'/', b'?', b'#', &target[start..])
        .map_or(target.len(), |length| start + length);
    check_path_and_query(&target[end..])?;
    Ok(Form::Absolute {
        scheme,
        authority: start..end,
        path: end..target.len(),
    })
}

/// Byte classes of a path.
const BAD: u8 = 1;
const DOT: u8 = 2;
const PERCENT: u8 = 4;

/// Refuses CTLs, space, `#` and bytes from 0x80 anywhere; in the path also `\`, malformed escapes,
/// `%00` and dot segments. Queries are opaque: nothing resolves them.
fn check_path_and_query(bytes: &[u8]) -> Result<(), RequestError> {
    let path_end = memchr::memchr(b'?', bytes).unwrap_or(bytes.len());
    let (path, query) = bytes.split_at(path_end);
    if query
        .iter()
        .any(|&byte| !byte.is_ascii_graphic() || byte == b'#')
    {
        return Err(RequestError::Target);
    }
    let seen = path
        .iter()
        .fold(0, |seen, &byte| seen | PATH[usize::from(byte)]);
    if seen & BAD != 0 {
        return Err(RequestError::Target);
    }
    if seen & PERCENT != 0 {
        check_escapes(path)?;
    }
    if seen != 0 && has_dot_segment(path) {
        return Err(RequestError::DotSegment);
    }
    Ok(())
}

fn check_escapes(path: &[u8]) -> Result<(), RequestError> {
    for at in memchr::memchr_iter(b'%', path) {
        match path
            .get(at + 1..at + 3)
            .map(|pair| (hex(pair[0]), hex(pair[1])))
        {
            Some((Some(0), Some(0))) => return Err(RequestError::Target),
            Some((Some(_), Some(_))) => {}
            _ => return Err(RequestError::Target),
        }
    }
    Ok(())
}

/// Whether any reader could see a `.` or `..` segment: escaped dots count as dots, escaped slashes
/// and backslashes as separators, and a `;` as the end of a segment's name, because some servers
/// decode or cut there before they resolve.
fn has_dot_segment(path: &[u8]) -> bool {
    let (mut rest, mut dots, mut named) = (path, 0u32, false);
    loop {
        let (byte, after) = match rest {
            [b'%', high, low, after @ ..] => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, after),
                _ => (b'%', &rest[1..]),
            },
            [byte, after @ ..] => (*byte, after),
            [] => return !named && matches!(dots, 1 | 2),
        };
        match byte {
            b'/' | b'\\' | b';' if !named && matches!(dots, 1 | 2) => return true,
            b'/' | b'\\' => (dots, named) = (0, false),
            b'.' => dots += 1,
            _ => named = true,
        }
        rest = after;
    }
}

const PATH: [u8; 256] = {
    let mut table = [BAD; 256];
    let mut byte = 0x21;
    while byte < 0x7f {
        table[byte] = match byte as u8 {
            b'#' | b'\\' => BAD,
            b'.' => DOT,
            b'%' => PERCENT,
            _ => 0,
        };
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str, method: &Method) -> Result<String, RequestError> {
        let form = check(text.as_bytes())?;
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        Target::from_form(&form, &bytes, method).map(|target| target.as_str().to_owned())
    }

    #[test]
    fn paths_are_kept_byte_for_byte() {
        for text in [
            "/",
            "/a",
            "//evil/p",
            "/a%2fb",
            "/a%2Fb//c",
            "/%41",
            "/%0d%0a",
            "/a?",
            "/a?b=c&d=/../e?",
            "/...",
            "/a.b/.c/d./..e",
            "/.well-known/x",
            "/a;v=1.1",
            "/a?q=100%",
            "/a?c=C:\\d",
            "/%e4%c0%ae",
            "/a@b:c",
            "/[x]|{y}",
        ] {
            assert_eq!(target(text, &Method::GET).as_deref(), Ok(text));
        }
    }

    #[test]
    fn dot_segments_are_refused_in_every_spelling() {
        for text in [
            "/.",
            "/..",
            "/./a",
            "/../a",
            "/a/./b",
            "/a/../b",
            "/a/..",
            "/%2e",
            "/%2E%2e/a",
            "/.%2e/a",
            "/a/%2e%2e",
            "/a%2f..%2fb",
            "/a%2f%2e%2e",
            "/a%5c..%5cb",
            "/..;/a",
            "/a/..;x=1/b",
            "/..?q",
            "http://a/../b",
        ] {
            assert_eq!(
                target(text, &Method::GET),
                Err(RequestError::DotSegment),
                "{text}"
            );
        }
    }

    #[test]
    fn bytes_outside_the_grammar_are_refused() {
        for text in [
            "",
            "a",
            "a.test:80",
            "/a b",
            "/a\tb",
            "/a#f",
            "/a?b#f",
            "/a\\b",
            "/%00",
            "/a%00b",
            "/%",
            "/%4",
            "/%zz",
            "/\u{e4}",
            "/a?\u{e4}",
            "/\x7f",
            "/\0",
            "?a",
            "*a",
            "http:/a",
            "://a",
            "1http://a/",
            "/a<b",
            "/a?<b",
        ] {
            assert_eq!(
                target(text, &Method::GET),
                Err(RequestError::Target),
                "{text:?}"
            );
        }
        assert_eq!(target("ftp://a/", &Method::GET), Err(RequestError::Scheme));
    }

    #[test]
    fn absolute_forms_yield_their_path() {
        for (text, path) in [
            ("http://b.test/p?q", "/p?q"),
            ("HTTP://b.test", "/"),
            ("https://b.test?q=1", "/?q=1"),
            ("http://b.test//p", "//p"),
        ] {
            assert_eq!(target(text, &Method::GET).as_deref(), Ok(path));
        }
        assert_eq!(
            target("http://b.test", &Method::OPTIONS).as_deref(),
            Ok("*")
        );
    }

    #[test]
    fn an_asterisk_belongs_to_options() {
        assert_eq!(target("*", &Method::OPTIONS).as_deref(), Ok("*"));
        assert_eq!(target("*", &Method::GET), Err(RequestError::Target));
    }
}

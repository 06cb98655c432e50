//! The host and port that a request names: one grammar, stricter than the RFC's, for the Host
//! field, absolute targets and `:authority`. Does not resolve names.

use std::net::Ipv6Addr;

use bytes::Bytes;
use http::uri;

use crate::RequestError;

/// A valid `host[:port]` (RFC 9110 section 7.2). Never holds userinfo, a path or a comma.
#[derive(Debug, Clone)]
pub struct Authority {
    received: uri::Authority,
    /// The host in lower case, only if it was not received so.
    lowered: Option<Box<str>>,
    /// Where the host ends in `received`, without a trailing dot.
    host_len: u16,
    port: Option<u16>,
}

/// The longest host name that DNS knows, with its trailing dot.
const HOST_BYTES_MAX: usize = 254;

impl Authority {
    /// Reads the bytes of a Host field or of a target's authority.
    ///
    /// # Errors
    /// [`RequestError::Authority`] when they are no plain host name, IPv4 or bracketed IPv6
    /// address with an optional port of 0 to 65535.
    pub fn parse(bytes: Bytes) -> Result<Self, RequestError> {
        let parts = split(&bytes).ok_or(RequestError::Authority)?;
        let received = uri::Authority::from_maybe_shared(bytes.slice(..parts.end))
            .map_err(|_| RequestError::Authority)?;
        Self::build(received, &parts)
    }

    /// Judges what an HTTP/2 library parsed, without a copy.
    pub(crate) fn from_uri(received: uri::Authority) -> Result<Self, RequestError> {
        let text = received.as_str();
        let parts = split(text.as_bytes()).ok_or(RequestError::Authority)?;
        if parts.end < text.len() {
            return Self::parse(Bytes::copy_from_slice(&text.as_bytes()[..parts.end]));
        }
        Self::build(received, &parts)
    }

    fn build(received: uri::Authority, parts: &Parts) -> Result<Self, RequestError> {
        let host = &received.as_str()[..parts.host_end];
        let host = host.strip_suffix('.').unwrap_or(host);
        if host.is_empty() || parts.host_end > HOST_BYTES_MAX {
            return Err(RequestError::Authority);
        }
        let host_len = u16::try_from(host.len()).map_err(|_| RequestError::Authority)?;
        let lowered = parts
            .has_upper_case
            .then(|| host.to_ascii_lowercase().into_boxed_str());
        Ok(Self {
            received,
            lowered,
            host_len,
            port: parts.port,
        })
    }

    /// The host for matching: lower case, without port and without a trailing dot; an IPv6 address
    /// keeps its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        match &self.lowered {
            Some(lowered) => lowered,
            None => &self.received.as_str()[..usize::from(self.host_len)],
        }
    }

    /// The port, if one was named.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// What to send on as Host or `:authority`: as received, an empty port cut off.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.received.as_str()
    }

    /// The same as the `http` crate's type, for a URI; cloning it copies nothing.
    #[must_use]
    pub fn as_uri(&self) -> &uri::Authority {
        &self.received
    }

    /// Whether both name the same host and port, `default_port` standing for a missing one.
    pub(crate) fn agrees_with(&self, other: &Self, default_port: u16) -> bool {
        self.host() == other.host()
            && self.port.unwrap_or(default_port) == other.port.unwrap_or(default_port)
    }
}

/// Where an authority's parts stand.
struct Parts {
    host_end: usize,
    /// Where the authority ends, an empty port left out.
    end: usize,
    has_upper_case: bool,
    port: Option<u16>,
}

fn split(bytes: &[u8]) -> Option<Parts> {
    let (host_end, has_upper_case) = match bytes {
        [b'[', rest @ ..] => {
            let closing = memchr::memchr(b']', rest)?;
            let address = std::str::from_utf8(&rest[..closing]).ok()?;
            address.parse::<Ipv6Addr>().ok()?;
            (
                closing + 2,
                address.bytes().any(|byte| byte.is_ascii_uppercase()),
            )
        }
        _ => {
            let classes = bytes.iter().map(|&byte| NAME[usize::from(byte)]);
            let name = classes.take_while(|&class| class != OTHER);
            name.fold((0, false), |(len, upper), class| {
                (len + 1, upper | (class == UPPER))
            })
        }
    };
    match &bytes[host_end..] {
        [] | [b':'] => Some(Parts {
            host_end,
            end: host_end,
            has_upper_case,
            port: None,
        }),
        [b':', digits @ ..] => Some(Parts {
            host_end,
            end: bytes.len(),
            has_upper_case,
            port: Some(port(digits)?),
        }),
        _ => None,
    }
}

/// Byte classes of a host name.
const OTHER: u8 = 0;
const PLAIN: u8 = 1;
const UPPER: u8 = 2;

const NAME: [u8; 256] = {
    let mut table = [OTHER; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' => PLAIN,
            b'A'..=b'Z' => UPPER,
            _ => OTHER,
        };
        byte += 1;
    }
    table
};

fn port(digits: &[u8]) -> Option<u16> {
    if digits.len() > "65535".len() {
        return None;
    }
    digits.iter().try_fold(0u16, |number, &byte| {
        let digit = byte.is_ascii_digit().then(|| u16::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_lowered_for_matching_and_kept_for_sending() {
        for (bytes, host, port, sent) in [
            ("a.test", "a.test", None, "a.test"),
            ("A.Test:8080", "a.test", Some(8080), "A.Test:8080"),
            ("a.test.", "a.test", None, "a.test."),
            ("a.test:", "a.test", None, "a.test"),
            ("a.test:0", "a.test", Some(0), "a.test:0"),
            ("a.test:65535", "a.test", Some(65535), "a.test:65535"),
            ("10.0.0.1:80", "10.0.0.1", Some(80), "10.0.0.1:80"),
            ("[::1]", "[::1]", None, "[::1]"),
            (
                "[2001:DB8::1]:443",
                "[2001:db8::1]",
                Some(443),
                "[2001:DB8::1]:443",
            ),
            ("under_score", "under_score", None, "under_score"),
        ] {
            let authority = Authority::parse(Bytes::from_static(bytes.as_bytes())).unwrap();
            assert_eq!(
                (authority.host(), authority.port()),
                (host, port),
                "{bytes}"
            );
            assert_eq!(authority.as_str(), sent);
        }
    }

    #[test]
    fn what_is_no_plain_host_and_port_is_refused() {
        let long = "a".repeat(255);
        for bytes in [
            "",
            ".",
            ":80",
            "a,b",
            "a, b",
            "u@a.test",
            "u:p@a.test",
            "a/x",
            "a?x",
            "a#x",
            "a\\b",
            "a:99999",
            "a:65536",
            "a:-1",
            "a:8o",
            "a:000080",
            "a:80:80",
            "a b",
            "a\t",
            "[::1",
            "::1",
            "[::1]x",
            "[::1]:x",
            "[1.2.3.4]",
            "[v1.a]",
            "[fe80::1%25en0]",
            "%61",
            "a\u{e4}",
            "a\0",
            "*",
            long.as_str(),
        ] {
            let parsed = Authority::parse(Bytes::copy_from_slice(bytes.as_bytes()));
            assert_eq!(parsed.err(), Some(RequestError::Authority), "{bytes:?}");
        }
    }

    #[test]
    fn a_missing_port_agrees_with_the_default_one() {
        let authority = |text: &'static str| Authority::parse(Bytes::from_static(text.as_bytes()));
        let (a, b) = (
            authority("a.test").unwrap(),
            authority("A.test:443").unwrap(),
        );
        assert!(a.agrees_with(&b, 443));
        assert!(!a.agrees_with(&b, 80));
        assert!(!a.agrees_with(&authority("b.test").unwrap(), 443));
    }
}

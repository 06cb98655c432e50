//! Hostnames of listeners and routes: exact, or a wildcard over one or more leftmost labels.
//!
//! Comparisons are of bytes: whoever takes a host from a request brings it into the form of
//! [`request_host`] first, so that nothing is lower-cased twice.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::fmt;

/// A hostname as listeners and routes state it, lower case, without a trailing dot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hostname {
    /// `shop.example.com`
    Exact(String),
    /// `*.example.com`, kept as `.example.com`: at least one label must stand before it.
    Wildcard(String),
}

impl Hostname {
    /// Reads the form the API uses; validity was checked at admission.
    pub fn new(text: &str) -> Self {
        let lower = text.trim_end_matches('.').to_ascii_lowercase();
        match lower.strip_prefix('*') {
            Some(suffix) => Self::Wildcard(suffix.to_owned()),
            None => Self::Exact(lower),
        }
    }

    /// Does a request for `host` (see [`request_host`]) fall under this hostname?
    ///
    /// "`*.example.com` would match both `test.example.com`, and `foo.test.example.com`, but not
    /// `example.com`" (HTTPRouteSpec.hostnames). An IP address has no labels: no wildcard
    /// matches it.
    pub fn matches(&self, host: &str) -> bool {
        match self {
            Self::Exact(name) => name == host,
            Self::Wildcard(suffix) => {
                host.len() > suffix.len() && host.ends_with(suffix.as_str()) && !is_address(host)
            }
        }
    }

    /// The hostname that both stand for: what requests must match where a route with `other`
    /// hangs on a listener with this one. `None`: they share no name.
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        let narrower = match (self, other) {
            (Self::Exact(name), other) => other.matches(name).then_some(self),
            (_, Self::Exact(name)) => self.matches(name).then_some(other),
            (Self::Wildcard(a), Self::Wildcard(b)) => {
                if a.ends_with(b.as_str()) {
                    Some(self)
                } else if b.ends_with(a.as_str()) {
                    Some(other)
                } else {
                    None
                }
            }
        };
        narrower.cloned()
    }

    /// Sorts the most specific hostname first: exact ones, then wildcards, the longer suffix
    /// first; the name decides last, so that the order is total.
    pub fn specificity(&self) -> impl Ord + '_ {
        match self {
            Self::Exact(name) => (0_u8, Reverse(name.len()), name.as_str()),
            Self::Wildcard(suffix) => (1_u8, Reverse(suffix.len()), suffix.as_str()),
        }
    }
}

impl fmt::Display for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Wildcard(suffix) => write!(f, "*{suffix}"),
        }
    }
}

/// The host of an authority (`Host`, `:authority`, SNI) in the form that routing compares: lower
/// case, without port and trailing dot, IPv6 addresses in their brackets. Borrows where the
/// authority has that form already.
pub fn request_host(authority: &str) -> Cow<'_, str> {
    let host = match authority.rfind(':') {
        Some(colon) if !authority[colon..].contains(']') => &authority[..colon],
        _ => authority,
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    }
}

/// Is `host` an IP address? A hostname's last label is never all digits, so most names are told
/// apart by their last byte.
pub(crate) fn is_address(host: &str) -> bool {
    match host.as_bytes().last() {
        Some(b']') => host.starts_with('['),
        Some(byte) if byte.is_ascii_digit() => host.parse::<std::net::Ipv4Addr>().is_ok(),
        _ => host.contains(':'),
    }
}

/// The suffixes of `host` that wildcards are kept by, longest first: of `a.b.c` these are `.b.c`
/// and `.c`. Those longer than `longest` bytes are left out; an address has none.
pub(crate) fn suffixes(host: &str, longest: usize) -> impl Iterator<Item = &str> {
    // A suffix starts behind the first byte: a wildcard needs a label before it.
    let start = match longest {
        0 => host.len(),
        _ if is_address(host) => host.len(),
        _ => host.len().saturating_sub(longest).max(1),
    };
    let bytes = host.as_bytes();
    (start..bytes.len())
        .filter(move |at| bytes[*at] == b'.')
        .map(move |at| &host[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_stands_for_one_or_more_labels_never_for_none() {
        let wildcard = Hostname::new("*.Example.com.");
        assert!(wildcard.matches("a.example.com"));
        assert!(wildcard.matches("a.b.example.com"));
        assert!(!wildcard.matches("example.com"));
        assert!(!wildcard.matches(".example.com"));
        assert!(!wildcard.matches("badexample.com"));
        assert!(!wildcard.matches("a.example.org"));
    }

    #[test]
    fn an_address_is_matched_by_equality_only() {
        assert!(!Hostname::new("*.0.0.1").matches("127.0.0.1"));
        assert!(Hostname::new("127.0.0.1").matches("127.0.0.1"));
        assert_eq!(suffixes("127.0.0.1", 100).count(), 0);
        assert_eq!(suffixes("[::1.2.3.4]", 100).count(), 0);
    }

    #[test]
    fn suffixes_come_longest_first_and_within_the_bound() {
        let all: Vec<_> = suffixes("a.b.cd", 64).collect();
        assert_eq!(all, [".b.cd", ".cd"]);
        let short: Vec<_> = suffixes("a.b.cd", 3).collect();
        assert_eq!(short, [".cd"]);
        assert_eq!(suffixes("a.b.cd", 0).count(), 0);
        assert_eq!(suffixes(".com", 64).count(), 0);
        assert_eq!(suffixes("", 64).count(), 0);
    }

    #[test]
    fn the_intersection_is_the_narrower_name() {
        let cases = [
            (
                "test.example.com",
                "test.example.com",
                Some("test.example.com"),
            ),
            (
                "test.example.com",
                "*.example.com",
                Some("test.example.com"),
            ),
            (
                "*.example.com",
                "foo.test.example.com",
                Some("foo.test.example.com"),
            ),
            (
                "*.example.com",
                "*.test.example.com",
                Some("*.test.example.com"),
            ),
            ("*.example.com", "*.example.com", Some("*.example.com")),
            ("*.example.com", "example.com", None),
            ("*.example.com", "test.example.net", None),
            ("*.example.com", "*.badexample.com", None),
            ("a.example.com", "b.example.com", None),
        ];
        for (a, b, expected) in cases {
            let (a, b) = (Hostname::new(a), Hostname::new(b));
            let expected = expected.map(Hostname::new);
            assert_eq!(a.intersection(&b), expected, "{a} with {b}");
            assert_eq!(b.intersection(&a), expected, "{b} with {a}");
        }
    }

    #[test]
    fn exact_names_precede_wildcards_and_longer_suffixes_shorter_ones() {
        let mut names = [
            "*.com",
            "*.example.com",
            "b.com",
            "*.a.example.com",
            "aa.example.com",
        ]
        .map(Hostname::new);
        names.sort_by(|a, b| a.specificity().cmp(&b.specificity()));
        let order = names.map(|name| name.to_string());
        assert_eq!(
            order,
            [
                "aa.example.com",
                "b.com",
                "*.a.example.com",
                "*.example.com",
                "*.com"
            ]
        );
    }

    #[test]
    fn an_authority_is_brought_into_the_form_that_is_compared() {
        let cases = [
            ("example.com", "example.com"),
            ("Example.COM:8080", "example.com"),
            ("example.com.", "example.com"),
            ("example.com.:80", "example.com"),
            ("[::1]:8080", "[::1]"),
            ("[2001:DB8::1]", "[2001:db8::1]"),
            ("127.0.0.1:80", "127.0.0.1"),
            ("", ""),
        ];
        for (authority, expected) in cases {
            assert_eq!(request_host(authority), expected, "{authority}");
        }
    }
}

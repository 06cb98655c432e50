//! One match of a rule: every condition in it must hold.

use http::{HeaderName, Method};
use regex::{Regex, RegexBuilder};
use std::fmt;

/// All conditions of one match; an absent one always holds.
#[derive(Clone, Debug)]
pub struct Match {
    /// The path condition.
    pub path: PathMatch,
    /// The method, where one is asked for.
    pub method: Option<Method>,
    /// Header conditions; names are unique (the first of equal names counts).
    pub headers: Vec<HeaderMatch>,
    /// Query parameter conditions; names are unique (the first of equal names counts).
    pub query: Vec<QueryMatch>,
}

/// A condition on the path, without the query, byte for byte as received.
#[derive(Clone, Debug)]
pub enum PathMatch {
    /// The whole path.
    Exact(String),
    /// A prefix by path elements: `/a` matches `/a`, `/a/` and `/a/b`, not `/ab`.
    /// Stored without a trailing slash; the empty string matches every path.
    Prefix(String),
    /// A regular expression over the whole path, anchored at both ends, of bounded size.
    Regex(Regex),
    /// A gRPC service and method.
    Grpc(GrpcMethodMatch),
}

/// A gRPC method match; an absent part matches anything.
#[derive(Clone, Debug, Default)]
pub struct GrpcMethodMatch {
    /// The service, `package.Service`.
    pub service: Option<ValueMatch>,
    /// The method.
    pub method: Option<ValueMatch>,
}

/// A condition on a text value.
#[derive(Clone, Debug)]
pub enum ValueMatch {
    /// Equal, case-sensitively.
    Exact(String),
    /// A regular expression over the whole value, anchored at both ends, of bounded size.
    Regex(Regex),
}

/// A condition on a header; several fields of one name are compared joined with `,`.
#[derive(Clone, Debug)]
pub struct HeaderMatch {
    /// The header.
    pub name: HeaderName,
    /// Its value.
    pub value: ValueMatch,
}

/// A condition on a query parameter; the first parameter of that name counts.
#[derive(Clone, Debug)]
pub struct QueryMatch {
    /// The parameter's name, case-sensitive, percent-decoded before the comparison.
    pub name: String,
    /// Its value, percent-decoded before the comparison.
    pub value: ValueMatch,
}

/// Compiles a regular expression the way matches need it: anchored at both ends, of bounded size.
///
/// # Errors
/// The expression is not valid by itself, or compiles to more than 256 KiB.
pub fn anchored_regex(pattern: &str) -> Result<Regex, regex::Error> {
    // By itself first: `a)|(b` would be valid inside the group below, and match anywhere.
    bounded(pattern)?;
    bounded(&format!("^(?:{pattern})$"))
}

fn bounded(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern)
        .size_limit(REGEX_BYTES_MAX)
        .dfa_size_limit(REGEX_BYTES_MAX)
        .build()
}

const REGEX_BYTES_MAX: usize = 256 << 10;

impl fmt::Display for PathMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(path) => write!(f, "exactly {path}"),
            Self::Prefix(prefix) if prefix.is_empty() => f.write_str("under /"),
            Self::Prefix(prefix) => write!(f, "under {prefix}"),
            Self::Regex(regex) => write!(f, "like {}", regex.as_str()),
            Self::Grpc(GrpcMethodMatch { service, method }) => {
                let part = |part: &Option<ValueMatch>| {
                    part.as_ref().map_or("any".to_owned(), ToString::to_string)
                };
                write!(f, "gRPC service {}, method {}", part(service), part(method))
            }
        }
    }
}

impl fmt::Display for ValueMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(text) => write!(f, "{text:?}"),
            Self::Regex(regex) => write!(f, "like {}", regex.as_str()),
        }
    }
}

//! Hostnames of listeners and routes: exact, or a wildcard over one or more leftmost labels.

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
}

impl fmt::Display for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Wildcard(suffix) => write!(f, "*{suffix}"),
        }
    }
}

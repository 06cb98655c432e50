//! Which rule a request meets.
//!
//! ```text
//! host ─► groups by the routes' own hostnames, most specific first
//!           └► whole path ─► gRPC ─► expressions ─► prefixes, longest first
//!                 └► a bucket: candidates in order of precedence; the first that holds wins
//! ```
//! What does not hold falls through to the next candidate, bucket and group. A lookup is a few
//! hash lookups; it allocates nothing unless a header asked for has several fields or a query
//! parameter that an expression reads has escapes.

mod candidate;
mod explain;
mod group;
mod postings;
mod prefixes;
mod rank;
mod regexes;

pub use explain::{Considered, Explanation, Failed};

use crate::host_index::HostIndex;
use crate::{Hostname, Match, PathMatch, RouteEntry, Rule};
use candidate::Candidates;
use group::{Group, GroupDraft};
use http::{HeaderMap, HeaderName, Method};
use std::fmt;
use std::sync::Arc;

/// What matching looks at.
#[derive(Clone, Copy, Debug)]
pub struct RequestView<'a> {
    /// The method.
    pub method: &'a Method,
    /// The host, in the form of [`crate::request_host`].
    pub host: &'a str,
    /// The path, without the query, byte for byte as received.
    pub path: &'a str,
    /// The query, without `?`.
    pub query: Option<&'a str>,
    /// The fields.
    pub headers: &'a dyn Fields,
}

/// A request's fields, however they are kept.
pub trait Fields: fmt::Debug {
    /// Shows each field, in order.
    fn visit<'a>(&'a self, look: &mut dyn FnMut(&'a HeaderName, &'a [u8]));
}

impl Fields for HeaderMap {
    fn visit<'a>(&'a self, look: &mut dyn FnMut(&'a HeaderName, &'a [u8])) {
        for (name, value) in self {
            look(name, value.as_bytes());
        }
    }
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
    candidates: Candidates,
    /// Places in `groups`, by the routes' own hostnames.
    hosts: HostIndex,
    groups: Vec<Group>,
}

impl RouteTable {
    /// Compiles the routes of one listener, in any order. Routes with the same own hostname have
    /// the same intersection with the listener's.
    pub fn new(routes: impl IntoIterator<Item = impl Into<Arc<RouteEntry>>>) -> Self {
        let mut routes: Vec<Arc<RouteEntry>> = routes.into_iter().map(Into::into).collect();
        routes.sort_by(|a, b| a.created.cmp(&b.created).then_with(|| a.key.cmp(&b.key)));
        routes.iter_mut().for_each(normalise);
        let mut candidates = Candidates::new(routes);
        let (hosts, drafts) = draft(&candidates);
        let groups = drafts
            .into_iter()
            .map(|draft| draft.finish(&mut candidates))
            .collect();
        Self {
            candidates,
            hosts,
            groups,
        }
    }

    /// The routes the table was made of, the oldest first.
    pub fn routes(&self) -> &[Arc<RouteEntry>] {
        &self.candidates.routes
    }

    /// All rules of all routes.
    pub fn rules(&self) -> &[Arc<Rule>] {
        self.candidates.rules()
    }

    /// The rule that `request` meets.
    pub fn find(&self, request: &RequestView<'_>) -> Option<Matched<'_>> {
        self.first(request).map(|(number, prefix_len)| Matched {
            rule: self.candidates.rule(number),
            prefix_len,
        })
    }

    fn first(&self, request: &RequestView<'_>) -> Option<(u32, usize)> {
        self.hosts
            .matching(request.host)
            .find_map(|place| self.groups[place as usize].first(&self.candidates, request))
    }
}

/// Sorts the candidates into groups by their routes' own hostnames. "Implementations SHOULD
/// evaluate precedence using the original hostnames configured on the Route, not the calculated
/// Listener/Route hostname intersection" (HTTPRouteSpec.hostnames).
fn draft(candidates: &Candidates) -> (HostIndex, Vec<GroupDraft>) {
    let mut hosts = HostIndex::default();
    let mut drafts: Vec<GroupDraft> = Vec::new();
    let mut place = |own: Option<&Hostname>, effective: Option<&Hostname>, number: u32| {
        let group = hosts.insert(own, drafts.len() as u32) as usize;
        if group == drafts.len() {
            drafts.push(GroupDraft::new(own, effective));
        }
        drafts[group].add(number, candidates.path(number));
    };
    for number in 0..candidates.len() {
        let hostnames = &candidates.route(number).hostnames;
        if hostnames.is_empty() {
            place(None, None, number);
        }
        for hostname in hostnames {
            place(Some(&hostname.own), Some(&hostname.effective), number);
        }
    }
    (hosts, drafts)
}

/// Puts a route's matches into their normal form; a route that has it stays shared.
fn normalise(route: &mut Arc<RouteEntry>) {
    let mut matches = route.rules.iter().flat_map(|rule| &rule.matches);
    if matches.all(is_normal) {
        return;
    }
    for rule in &mut Arc::make_mut(route).rules {
        Arc::make_mut(rule).matches.iter_mut().for_each(make_normal);
    }
}

/// "If multiple entries specify equivalent header names, only the first entry with an equivalent
/// name MUST be considered for a match" (HTTPHeaderMatch, likewise HTTPQueryParamMatch); "a
/// trailing `/` is ignored" in prefixes (PathMatchPathPrefix).
fn is_normal(m: &Match) -> bool {
    let is_bare = !matches!(&m.path, PathMatch::Prefix(prefix) if prefix.ends_with('/'));
    is_bare
        && !(1..m.headers.len()).any(|at| is_repeated(&m.headers, at, |header| &header.name))
        && !(1..m.query.len()).any(|at| is_repeated(&m.query, at, |parameter| &parameter.name))
}

fn make_normal(m: &mut Match) {
    for at in (1..m.headers.len()).rev() {
        if is_repeated(&m.headers, at, |header| &header.name) {
            m.headers.remove(at);
        }
    }
    for at in (1..m.query.len()).rev() {
        if is_repeated(&m.query, at, |parameter| &parameter.name) {
            m.query.remove(at);
        }
    }
    if let PathMatch::Prefix(prefix) = &mut m.path {
        prefix.truncate(prefix.trim_end_matches('/').len());
    }
}

/// Does the entry at `at` repeat the name of one before it?
fn is_repeated<T, N: PartialEq>(list: &[T], at: usize, name: impl Fn(&T) -> &N) -> bool {
    list[..at]
        .iter()
        .any(|first| name(first) == name(&list[at]))
}

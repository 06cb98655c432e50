//! Why a request meets the rule it meets, or none: for people, not for the request path.
//!
//! Every candidate is looked at, so this costs as much as the table is large.

use super::candidate::Candidates;
use super::rank::Rank;
use super::{RequestView, RouteTable};
use crate::condition::{decode, header_value, query_parameters};
use crate::port::by_specificity;
use crate::{HeaderMatch, Hostname, Match, PathMatch, QueryMatch, RouteEntry, Rule, ValueMatch};
use http::Method;
use std::cmp::Reverse;
use std::fmt;
use std::sync::Arc;

/// What a table says about a request.
#[derive(Clone, Debug)]
pub struct Explanation<'a> {
    /// The match that the request meets; its `failed` is `None`.
    pub found: Option<Considered<'a>>,
    /// Where a match was found: the matches before it, whose host and path fit. Where none was
    /// found: those that came nearest. Nearest first, at most ten.
    pub nearest: Vec<Considered<'a>>,
}

/// One match that was looked at.
#[derive(Clone, Debug)]
pub struct Considered<'a> {
    /// The route.
    pub route: &'a RouteEntry,
    /// Place of the rule in the route.
    pub rule_index: usize,
    /// The rule.
    pub rule: &'a Arc<Rule>,
    /// Place of the match in the rule.
    pub match_index: usize,
    /// The match.
    pub matched: &'a Match,
    /// The first condition that failed.
    pub failed: Option<Failed<'a>>,
}

/// A condition that failed; prints as a sentence.
#[derive(Clone, Debug)]
pub enum Failed<'a> {
    /// The host matches none of the route's hostnames.
    Host(Vec<&'a Hostname>),
    /// The path.
    Path(&'a PathMatch),
    /// The method.
    Method(&'a Method),
    /// A header, and the value the request has.
    Header(&'a HeaderMatch, Option<String>),
    /// A query parameter, and the value the request has.
    Query(&'a QueryMatch, Option<String>),
}

/// How many matches an explanation lists beside the one found.
const NEAREST_MAX: usize = 10;

impl RouteTable {
    /// Tells which match `request` meets, and which ones it missed and why.
    pub fn explain(&self, request: &RequestView<'_>) -> Explanation<'_> {
        let candidates = &self.candidates;
        let found = self.first(request).map(|(number, _)| number);
        let precedence = |number| Precedence::of(candidates, number, request.host);
        let mut missed: Vec<(u32, Failed<'_>)> = (0..candidates.len())
            .filter_map(|number| Some((number, first_failure(candidates, number, request)?)))
            .collect();
        if let Some(found) = found {
            let winner = precedence(found);
            missed.retain(|(number, failed)| {
                failed.stage() > PATH_STAGE && precedence(*number) < winner
            });
        }
        missed.sort_by_cached_key(|(number, failed)| {
            let nearness = Reverse((failed.stage(), closeness(failed, request)));
            (nearness, precedence(*number))
        });
        missed.truncate(NEAREST_MAX);
        Explanation {
            found: found.map(|number| self.considered(number, None)),
            nearest: missed
                .into_iter()
                .map(|(number, failed)| self.considered(number, Some(failed)))
                .collect(),
        }
    }

    fn considered<'a>(&'a self, number: u32, failed: Option<Failed<'a>>) -> Considered<'a> {
        let candidate = self.candidates.at(number);
        Considered {
            route: self.candidates.route(number),
            rule_index: candidate.rule_index as usize,
            rule: self.candidates.rule(number),
            match_index: candidate.match_index as usize,
            matched: self.candidates.matched(number),
            failed,
        }
    }
}

/// The order in which candidates are tried for one host; of a route with several hostnames that
/// match, the most specific counts.
#[derive(PartialEq, Eq)]
struct Precedence<'a> {
    own: Option<&'a Hostname>,
    rank: Rank,
    number: u32,
}

impl<'a> Precedence<'a> {
    fn of(candidates: &'a Candidates, number: u32, host: &str) -> Self {
        let own = candidates
            .route(number)
            .hostnames
            .iter()
            .filter(|name| name.own.matches(host))
            .map(|name| &name.own)
            .min_by(|a, b| a.specificity().cmp(&b.specificity()));
        Self {
            own,
            rank: Rank::of(candidates.matched(number)),
            number,
        }
    }
}

impl Ord for Precedence<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        by_specificity(self.own, other.own)
            .then_with(|| (self.rank, self.number).cmp(&(other.rank, other.number)))
    }
}

impl PartialOrd for Precedence<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

fn first_failure<'a>(
    candidates: &'a Candidates,
    number: u32,
    request: &RequestView<'_>,
) -> Option<Failed<'a>> {
    let hostnames = &candidates.route(number).hostnames;
    if !hostnames.is_empty()
        && !hostnames
            .iter()
            .any(|name| name.effective.matches(request.host))
    {
        return Some(Failed::Host(
            hostnames.iter().map(|name| &name.effective).collect(),
        ));
    }
    let wanted = candidates.matched(number);
    if !wanted.path.holds(request.path) {
        return Some(Failed::Path(&wanted.path));
    }
    if let Some(method) = wanted
        .method
        .as_ref()
        .filter(|method| *method != request.method)
    {
        return Some(Failed::Method(method));
    }
    if let Some(header) = wanted.headers.iter().find(|h| !h.holds(request.headers)) {
        let value = header_value(request.headers, &header.name).map(|value| text(&value));
        return Some(Failed::Header(header, value));
    }
    let query = wanted.query.iter().find(|q| !q.holds(request.query))?;
    let value = query_parameters(request.query)
        .find(|(name, _)| *decode(name) == *query.name.as_bytes())
        .map(|(_, value)| text(&decode(value)));
    Some(Failed::Query(query, value))
}

/// Of two that failed alike, the one that shares more bytes with the request is nearer.
fn closeness(failed: &Failed<'_>, request: &RequestView<'_>) -> usize {
    match failed {
        Failed::Host(names) => names
            .iter()
            .map(|name| {
                let (Hostname::Exact(name) | Hostname::Wildcard(name)) = name;
                common(name.bytes().rev(), request.host.bytes().rev())
            })
            .max()
            .unwrap_or(0),
        Failed::Path(PathMatch::Exact(path) | PathMatch::Prefix(path)) => {
            common(path.bytes(), request.path.bytes())
        }
        Failed::Path(_) | Failed::Method(_) | Failed::Header(..) | Failed::Query(..) => 0,
    }
}

fn common(a: impl Iterator<Item = u8>, b: impl Iterator<Item = u8>) -> usize {
    a.zip(b).take_while(|(a, b)| a == b).count()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const PATH_STAGE: u8 = 1;

impl Failed<'_> {
    /// How many kinds of conditions held before.
    fn stage(&self) -> u8 {
        match self {
            Self::Host(_) => 0,
            Self::Path(_) => PATH_STAGE,
            Self::Method(_) => 2,
            Self::Header(..) => 3,
            Self::Query(..) => 4,
        }
    }
}

impl fmt::Display for Failed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(names) => {
                f.write_str("host is none of")?;
                for name in names {
                    write!(f, " {name}")?;
                }
                Ok(())
            }
            Self::Path(path) => write!(f, "path is not {path}"),
            Self::Method(method) => write!(f, "method is not {method}"),
            Self::Header(header, value) => {
                write!(f, "header {}", header.name)?;
                write_miss(f, &header.value, value.as_deref())
            }
            Self::Query(query, value) => {
                write!(f, "query parameter {}", query.name)?;
                write_miss(f, &query.value, value.as_deref())
            }
        }
    }
}

fn write_miss(f: &mut fmt::Formatter<'_>, wanted: &ValueMatch, value: Option<&str>) -> fmt::Result {
    match value {
        Some(value) => write!(f, " is {value:?}, not {wanted}"),
        None => write!(f, " is absent, not {wanted}"),
    }
}

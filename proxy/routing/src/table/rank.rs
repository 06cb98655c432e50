//! Precedence between matches of one host, as the API orders it: the least rank is tried first.
//!
//! "Precedence must be given to the match having: `Exact` path match; `Prefix` path match with
//! largest number of characters; method match; largest number of header matches; largest number of
//! query param matches" (HTTPRouteRule.matches), and for gRPC: "characters in a matching service;
//! characters in a matching method; header matches" (GRPCRouteRule.matches).
//!
//! Two things are the implementation's. `RegularExpression` stands between `Exact` and `Prefix`,
//! the longer pattern first: an expression beside a catch-all prefix would never be met
//! otherwise. In gRPC an exact service (method) precedes an expression, an expression one that is
//! absent. Ties go by the route's age, its `namespace/name`, then the place of rule and match in
//! their lists; a table numbers its candidates in that order.

use crate::{GrpcMethodMatch, Match, PathMatch, ValueMatch};
use std::cmp::Reverse;

/// What decides between two matches before the age of their routes does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    path: PathRank,
    without_method: bool,
    headers: Reverse<usize>,
    query: Reverse<usize>,
}

/// The path's part of a rank. Lengths are in bytes: two prefixes (services, methods) that match
/// the same request differ in length by bytes exactly if they do by characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum PathRank {
    Exact,
    Grpc {
        service: ValueRank,
        method: ValueRank,
    },
    Regex(Reverse<usize>),
    Prefix(Reverse<usize>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum ValueRank {
    Exact(Reverse<usize>),
    Regex(Reverse<usize>),
    Any,
}

impl Rank {
    pub(crate) fn of(m: &Match) -> Self {
        Self {
            path: PathRank::of(&m.path),
            without_method: m.method.is_none(),
            headers: Reverse(m.headers.len()),
            query: Reverse(m.query.len()),
        }
    }
}

impl PathRank {
    fn of(path: &PathMatch) -> Self {
        match path {
            PathMatch::Exact(_) => Self::Exact,
            PathMatch::Grpc(GrpcMethodMatch { service, method }) => Self::Grpc {
                service: ValueRank::of(service.as_ref()),
                method: ValueRank::of(method.as_ref()),
            },
            PathMatch::Regex(regex) => Self::Regex(Reverse(regex.as_str().len())),
            PathMatch::Prefix(prefix) => Self::Prefix(Reverse(prefix.len())),
        }
    }
}

impl ValueRank {
    fn of(value: Option<&ValueMatch>) -> Self {
        match value {
            Some(ValueMatch::Exact(text)) => Self::Exact(Reverse(text.len())),
            Some(ValueMatch::Regex(regex)) => Self::Regex(Reverse(regex.as_str().len())),
            None => Self::Any,
        }
    }
}

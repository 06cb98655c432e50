//! A rule: what happens to a request that matched it.

use crate::Filter;
use http::StatusCode;
use rauta_schemas::{BackendName, Named, RouteKind, RuleId, RuleName};
use std::time::Duration;

/// A rule of a route, with everything resolved.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its interned name; keeps the name resolvable while the rule lives.
    pub name: Named<RuleName>,
    /// HTTPRoute or GRPCRoute: the latter's own errors are gRPC's, its backends speak HTTP/2.
    pub kind: RouteKind,
    /// The rule's filters, in order.
    pub filters: Vec<Filter>,
    /// The weighted backends; empty: the rule answers 500 unless a filter answers.
    pub backends: Vec<WeightedBackend>,
    /// Time limits.
    pub timeouts: Timeouts,
    /// Retries; `None`: only the one safe replay on a dead reused connection.
    pub retry: Option<Retry>,
}

impl Rule {
    /// The id that events carry.
    pub fn id(&self) -> RuleId {
        RuleId::from(self.name.number())
    }
}

/// A backendRef with its share of the requests.
#[derive(Clone, Debug)]
pub struct WeightedBackend {
    /// 0 to 1,000,000; 0 takes nothing.
    pub weight: u32,
    /// Where the share goes.
    pub target: BackendTarget,
    /// Filters of this backendRef, after the rule's.
    pub filters: Vec<Filter>,
}

/// What a backendRef resolved to.
#[derive(Clone, Debug)]
pub enum BackendTarget {
    /// A Service's port; its endpoints are in the snapshot's table of backends, so that endpoints
    /// come and go without touching a rule.
    Backend(Named<BackendName>),
    /// Nothing usable: its share is answered 500.
    Invalid(InvalidBackend),
}

/// Why a backendRef is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InvalidBackend {
    /// The Service, or its port, does not exist.
    NotFound,
    /// The reference crosses namespaces without a ReferenceGrant.
    NotPermitted,
    /// The kind is not supported.
    UnsupportedKind,
    /// The Service's protocol is not one that the route can use.
    UnsupportedProtocol,
    /// A BackendTLSPolicy applies that is not valid: never fall back to plain text.
    InvalidTlsPolicy,
    /// A filter of the backendRef is not valid.
    InvalidFilter,
}

/// Time limits of a rule; `None`: no limit of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// From the request's head to the response's last byte, over all attempts.
    pub request: Option<Duration>,
    /// One attempt, from its start to the response's last byte.
    pub backend_request: Option<Duration>,
}

/// Retries after the first attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// How many retries at most; 0: none.
    pub attempts: u32,
    /// The base interval before a retry.
    pub backoff: Option<Duration>,
    /// Statuses that are retried, besides connection errors.
    pub codes: Vec<StatusCode>,
}

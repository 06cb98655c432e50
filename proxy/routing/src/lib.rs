//! Routing as pure data and functions: what a [`Snapshot`] holds, which rule a request meets, and
//! which endpoint takes it.
//!
//! Nothing here does I/O, reads a clock or knows a runtime: `now` and randomness are arguments.
//! A snapshot is immutable and shared by all workers; what changes per worker (weights' positions,
//! open requests) lives in [`Balancer`], what failures change for all workers in
//! [`EndpointHealth`], whose atomics survive swaps.

#![forbid(unsafe_code)]

mod backend; // Backend, Endpoint, EndpointHealth
mod balancer; // Balancer: weights' positions and open requests of one worker
mod condition;
mod filter; // Filter: what a rule or backendRef changes
mod hash; // fast maps, and hashes that every node computes alike
mod host_index;
mod hostname; // Hostname: exact or wildcard, intersection and precedence
mod maglev; // Maglev: the same endpoint for the same client everywhere
mod matches; // Match: path, method, headers, query of one match
mod port; // Port: which listener a request belongs to
mod rule; // Rule: filters, weighted backends, timeouts, retry
mod snapshot; // Snapshot, Listener, certificates
mod table; // RouteTable: which rule a request meets

pub use backend::{
    Affinity, Backend, BackendProtocol, BackendTls, BackendTlsName, Endpoint, EndpointHealth,
    TrustedAuthorities,
};
pub use balancer::{Balancer, EndpointChoice};
pub use filter::{
    Cors, CorsOrigin, CorsOrigins, Filter, HeaderEdit, Mirror, PathRewrite, Redirect, Rewrite,
};
pub use hash::{FastHash, IdHash, client_ip_hash};
pub use hostname::{Hostname, request_host};
pub use maglev::Maglev;
pub use matches::{
    GrpcMethodMatch, HeaderMatch, Match, PathMatch, QueryMatch, ValueMatch, anchored_regex,
};
pub use port::{Port, PortProtocol};
pub use rule::{BackendTarget, InvalidBackend, Retry, Rule, Timeouts, WeightedBackend};
pub use snapshot::{
    Certificate, Listener, ListenerTls, PrivateKey, RouteEntry, RouteHostname, RuleEntry, Snapshot,
};
pub use table::{Considered, Explanation, Failed, Fields, Matched, RequestView, RouteTable};

//! Gateway API objects into the routing model: one file per kind of thing.
//!
//! ```text
//! spec (one shape for HTTPRoute and GRPCRoute) ─► backend_ref ─► rule ◄─ matches, filters, limits
//! backend ◄─ endpoints, backend_tls          listener_tls ◄─ certificate
//! ```
//!
//! What cannot be translated becomes a [`crate::attach::Problem`] and answers 500; it never
//! disturbs its neighbours. Who is attached to whom is decided elsewhere.

mod backend; // BackendPlan: a Service's port with its endpoints
mod backend_ref; // Resolution: what a reference to a backend leads to
mod backend_tls; // PolicyState: a BackendTLSPolicy, judged
mod certificate; // PEM to DER
mod cors; // CORS
mod duration; // Gateway API durations
mod endpoints; // EndpointSlices to endpoints
mod filters; // filters of a rule or backendRef
mod limits; // timeouts and retries
pub(crate) mod listener_tls; // certificateRefs of a listener
mod matches; // HTTP and gRPC matches
mod pattern; // bounded, anchored regular expressions
mod route; // RouteState: a route's rules
mod rule; // RuleState: one rule
mod spec; // the same view of HTTPRoute's and GRPCRoute's parts

pub(crate) use backend::{BackendPlan, EndpointPolicy, plan as plan_backend};
pub(crate) use backend_ref::BackendKey;
pub(crate) use backend_tls::{Policies, PolicyState, winner};
pub(crate) use route::{RouteState, Rules, parents, shape};

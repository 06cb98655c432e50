//! What became of each object, in the Gateway API's own words.
//!
//! Status is a pure function of what was compiled and of what the data plane says it serves. It is
//! computed here and written elsewhere; entries of other controllers are not known here.

pub mod conditions; // types and reasons, in the API's spelling

mod class; // GatewayClass
mod gateway; // Gateway and its listeners
mod object; // ObjectStatus and its parts, as they are printed
mod policy; // BackendTLSPolicy
mod route; // HTTPRoute and GRPCRoute
mod serving; // what the data plane serves

pub use conditions::{kind, reason};
pub use object::{
    AncestorStatus, Condition, ConditionStatus, ListenerStatus, ObjectStatus, ParentStatus,
    RouteGroupKind,
};
pub use serving::{PortReport, Serving};

use crate::index::Index;
use crate::object::{Kind, Stored};
use crate::publish::{Config, Gateways, Routes};
use crate::translate::Policies;

/// What status is computed from.
#[derive(Debug)]
pub(crate) struct Known<'a> {
    pub(crate) config: &'a Config,
    pub(crate) index: &'a Index,
    pub(crate) gateways: &'a Gateways,
    pub(crate) policies: &'a Policies,
    pub(crate) routes: &'a Routes,
    pub(crate) serving: &'a Serving,
}

/// The status of every object of ours that has one, by kind, namespace and name.
pub(crate) fn collect(known: &Known<'_>) -> Vec<ObjectStatus> {
    let one = |kind, status: fn(&Known<'_>, &Stored) -> Option<ObjectStatus>| {
        known
            .index
            .of_kind(kind)
            .filter_map(move |stored| status(known, stored))
    };
    let mut all: Vec<ObjectStatus> = policy::collect(known);
    all.extend(one(Kind::Gateway, gateway::status));
    all.extend(one(Kind::GatewayClass, class::status));
    all.extend(one(Kind::GrpcRoute, route::status));
    all.extend(one(Kind::HttpRoute, route::status));
    all
}

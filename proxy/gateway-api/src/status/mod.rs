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
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known<'a> {
    pub(crate) config: &'a Config,
    pub(crate) index: &'a Index,
    pub(crate) gateways: &'a Gateways,
    pub(crate) policies: &'a Policies,
    pub(crate) routes: &'a Routes,
    pub(crate) serving: &'a Serving,
}

/// The status of every object of ours that has one, by kind, namespace and name; each is made when
/// it is asked for.
pub(crate) fn each(known: Known<'_>) -> impl Iterator<Item = ObjectStatus> {
    let of_kind = move |kind, status: fn(&Known<'_>, &Stored) -> Option<ObjectStatus>| {
        let objects = known.index.of_kind(kind);
        objects.filter_map(move |stored| status(&known, stored))
    };
    policy::collect(&known)
        .into_iter()
        .chain(of_kind(Kind::Gateway, gateway::status))
        .chain(of_kind(Kind::GatewayClass, class::status))
        .chain(of_kind(Kind::GrpcRoute, route::status))
        .chain(of_kind(Kind::HttpRoute, route::status))
}

//! One listener of a Gateway: is its protocol one we serve, which routes does it take, are its
//! certificates there.

use super::Problem;
use super::gateway::Surroundings;
use super::namespaces::NamespaceRule;
use crate::index::Lookup;
use crate::object::GATEWAY_GROUP;
use crate::object::types::gateways::{GatewayListeners, GatewayListenersAllowedRoutesKinds};
use crate::status::reason;
use crate::translate::listener_tls;
use rauta_routing::{Hostname, ListenerTls, PortProtocol};
use rauta_schemas::RouteKind;
use std::sync::Arc;

/// What a listener offers to routes: all that attachment looks at.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Offer {
    pub(crate) name: Arc<str>,
    pub(crate) port: u16,
    pub(crate) hostname: Option<Hostname>,
    pub(crate) kinds: Vec<RouteKind>,
    pub(crate) namespaces: NamespaceRule,
    /// Why no route may attach, whatever it is.
    pub(crate) refusal: Option<String>,
}

/// A listener, judged.
#[derive(Clone, Debug)]
pub(crate) struct ListenerState {
    pub(crate) offer: Offer,
    /// `None`: a protocol that is not served.
    pub(crate) protocol: Option<PortProtocol>,
    pub(crate) accepted: Result<(), Problem>,
    pub(crate) resolved: Result<(), Problem>,
    pub(crate) conflict: Option<Problem>,
    /// Other listeners of the port whose TLS hostnames overlap with this one's.
    pub(crate) overlapping: Option<String>,
    pub(crate) tls: Option<Arc<ListenerTls>>,
}

impl ListenerState {
    /// Whether the data plane is asked to serve it.
    pub(crate) fn is_served(&self) -> bool {
        self.accepted.is_ok()
            && self.conflict.is_none()
            && match self.protocol {
                Some(PortProtocol::Http) => true,
                Some(PortProtocol::Https) => self.tls.is_some(),
                None => false,
            }
    }
}

/// Judges a listener for itself; what other listeners do to it is added afterwards.
pub(super) fn judge(
    lookup: &Lookup<'_>,
    around: &Surroundings<'_>,
    spec: &GatewayListeners,
    previous: Option<&ListenerState>,
) -> ListenerState {
    let port = u16::try_from(spec.port).unwrap_or_default();
    let protocol = match spec.protocol.as_str() {
        "HTTP" => Some(PortProtocol::Http),
        "HTTPS" => Some(PortProtocol::Https),
        _ => None,
    };
    let (kinds, kinds_problem) = route_kinds(spec, protocol);
    let accepted = accept(around, spec, port, protocol);
    let mut resolved = kinds_problem.map_or(Ok(()), Err);
    let mut tls = None;
    if protocol == Some(PortProtocol::Https) {
        let found = listener_tls::resolve(
            lookup,
            around.name,
            spec,
            previous.and_then(|state| state.tls.as_ref()),
        );
        tls = found.tls;
        if let Some(problem) = found.problem {
            resolved = Err(problem);
        }
    }
    let hostname = spec.hostname.as_deref().filter(|text| !text.is_empty());
    let allowed = spec.allowed_routes.as_ref();
    ListenerState {
        offer: Offer {
            name: spec.name.as_str().into(),
            port,
            hostname: hostname.map(Hostname::new),
            kinds,
            namespaces: NamespaceRule::new(allowed.and_then(|a| a.namespaces.as_ref())),
            refusal: None,
        },
        protocol,
        accepted,
        resolved,
        conflict: None,
        overlapping: None,
        tls,
    }
}

fn accept(
    around: &Surroundings<'_>,
    spec: &GatewayListeners,
    port: u16,
    protocol: Option<PortProtocol>,
) -> Result<(), Problem> {
    let refuse = |reason, message| Err(Problem::new(reason, message));
    if protocol.is_none() {
        let message = format!(
            "protocol {} is not served: use HTTP or HTTPS",
            spec.protocol
        );
        return refuse(reason::UNSUPPORTED_PROTOCOL, message);
    }
    if port == 0 || port.checked_add(around.port_offset).is_none() {
        let message = format!(
            "port {} with the port offset {} is no port: choose a smaller one",
            spec.port, around.port_offset
        );
        return refuse(reason::PORT_UNAVAILABLE, message);
    }
    if let Some(holder) = around.allotment.lost_ports.get(&port) {
        let message = format!(
            "port {port} of the same address belongs to the older Gateway {holder}: choose \
             another port or another address"
        );
        return refuse(reason::PORT_UNAVAILABLE, message);
    }
    if protocol == Some(PortProtocol::Https) && around.validates_clients(port) {
        let message = format!(
            "client certificates are not validated yet, and serving port {port} without would \
             let everybody in: remove spec.tls.frontend"
        );
        return refuse(reason::UNSUPPORTED_VALUE, message);
    }
    Ok(())
}

/// The kinds of routes a listener takes: those it names, as far as its protocol can carry them.
fn route_kinds(
    spec: &GatewayListeners,
    protocol: Option<PortProtocol>,
) -> (Vec<RouteKind>, Option<Problem>) {
    if protocol.is_none() {
        return (Vec::new(), None);
    }
    let named = spec
        .allowed_routes
        .as_ref()
        .and_then(|allowed| allowed.kinds.as_deref())
        .unwrap_or_default();
    if named.is_empty() {
        return (vec![RouteKind::Http, RouteKind::Grpc], None);
    }
    let mut kinds = Vec::new();
    let mut problem = None;
    for entry in named {
        match route_kind(entry) {
            Some(kind) if !kinds.contains(&kind) => kinds.push(kind),
            Some(_) => {}
            None => {
                problem.get_or_insert_with(|| {
                    Problem::new(
                        reason::INVALID_ROUTE_KINDS,
                        format!(
                            "allowedRoutes.kinds: {}/{} cannot attach to a listener of protocol \
                             {}: use HTTPRoute or GRPCRoute",
                            entry.group.as_deref().unwrap_or(GATEWAY_GROUP),
                            entry.kind,
                            spec.protocol
                        ),
                    )
                });
            }
        }
    }
    (kinds, problem)
}

fn route_kind(entry: &GatewayListenersAllowedRoutesKinds) -> Option<RouteKind> {
    let group = entry.group.as_deref().unwrap_or(GATEWAY_GROUP);
    [RouteKind::Http, RouteKind::Grpc]
        .into_iter()
        .find(|kind| group == GATEWAY_GROUP && kind.label() == entry.kind)
}

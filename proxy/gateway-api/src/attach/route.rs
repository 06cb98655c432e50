//! A route on its parents: which listeners take it, and why others do not.

use super::hostname::intersection;
use super::{GatewayState, ListenerState, Problem};
use crate::index::{Lookup, Name, Read};
use crate::object::{GATEWAY_GROUP, Kind};
use crate::status::reason;
use rauta_routing::{Hostname, RouteHostname};
use rauta_schemas::RouteKind;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A parentRef, as the route states it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ParentRef {
    /// The API group of the parent.
    pub group: String,
    /// The kind of the parent.
    pub kind: String,
    /// The parent's namespace.
    pub namespace: String,
    /// The parent's name.
    pub name: String,
    /// Only the listener of that name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section_name: Option<String>,
    /// Only listeners of that port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<i32>,
}

/// What attachment looks at in a route, whatever its kind.
#[derive(Debug)]
pub(crate) struct RouteShape {
    pub(crate) kind: RouteKind,
    pub(crate) name: Name,
    pub(crate) parents: Vec<ParentRef>,
    pub(crate) hostnames: Vec<Hostname>,
}

/// A listener that takes the route, with the hostnames they have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AttachedListener {
    pub(crate) gateway: Name,
    pub(crate) listener: Arc<str>,
    /// Empty: the listener's hostname alone decides.
    pub(crate) hostnames: Vec<RouteHostname>,
}

/// A route on one parent, judged.
#[derive(Clone, Debug)]
pub(crate) struct ParentState {
    /// Place of its parentRef in the route's list.
    pub(crate) place: usize,
    pub(crate) attached: Result<Vec<AttachedListener>, Problem>,
}

/// Judges a route on each parent that is, or could become, a Gateway of ours. `foreign` tells
/// whether a Gateway that is not among `gateways` belongs to another controller.
pub(crate) fn attach(
    lookup: &Lookup<'_>,
    gateways: &BTreeMap<Name, GatewayState>,
    route: &RouteShape,
    is_foreign: &dyn Fn(&Name) -> bool,
) -> Vec<ParentState> {
    let mut states = Vec::new();
    for (place, parent) in route.parents.iter().enumerate() {
        if parent.group != GATEWAY_GROUP || parent.kind != Kind::Gateway.as_str() {
            continue;
        }
        let name = Name::new(&parent.namespace, &parent.name);
        lookup.note(Read::Gateway(name.clone()));
        let attached = match gateways.get(&name) {
            Some(gateway) => attach_to(lookup, gateway, parent, route),
            None if is_foreign(&name) => continue,
            None => Err(Problem::new(
                reason::NO_MATCHING_PARENT,
                format!("Gateway {name} does not exist: create it or correct the parentRef"),
            )),
        };
        states.push(ParentState { place, attached });
    }
    // Thousands of routes have one each: room for three more would be most of what they take.
    states.shrink_to_fit();
    states
}

fn attach_to(
    lookup: &Lookup<'_>,
    gateway: &GatewayState,
    parent: &ParentRef,
    route: &RouteShape,
) -> Result<Vec<AttachedListener>, Problem> {
    let meant = listeners_meant(gateway, parent)?;
    let allowing: Vec<&ListenerState> = meant
        .iter()
        .copied()
        .filter(|listener| allows(lookup, gateway, listener, route))
        .collect();
    if allowing.is_empty() {
        return Err(not_allowed(&meant, route));
    }
    let mut attached: Vec<AttachedListener> = allowing
        .iter()
        .filter_map(|listener| {
            Some(AttachedListener {
                gateway: gateway.name.clone(),
                listener: listener.offer.name.clone(),
                hostnames: common_hostnames(listener, &route.hostnames)?,
            })
        })
        .collect();
    if attached.is_empty() {
        return Err(no_hostname(&allowing, route));
    }
    attached.shrink_to_fit();
    Ok(attached)
}

/// The listeners that the parentRef means and that can take routes at all.
fn listeners_meant<'a>(
    gateway: &'a GatewayState,
    parent: &ParentRef,
) -> Result<Vec<&'a ListenerState>, Problem> {
    let section = parent.section_name.as_deref();
    let meant: Vec<&ListenerState> = gateway
        .listeners
        .iter()
        .filter(|listener| section.is_none_or(|name| name == &*listener.offer.name))
        .filter(|listener| {
            let port = i32::from(listener.offer.port);
            parent.port.is_none_or(|wanted| wanted == port)
        })
        .collect();
    let problem = |message| Err(Problem::new(reason::NO_MATCHING_PARENT, message));
    if meant.is_empty() {
        let mut wanted = Vec::new();
        wanted.extend(section.map(|name| format!("name {name}")));
        wanted.extend(parent.port.map(|port| format!("port {port}")));
        let has: Vec<String> = gateway
            .listeners
            .iter()
            .map(|listener| format!("{}:{}", listener.offer.name, listener.offer.port))
            .collect();
        return problem(format!(
            "Gateway {} has no listener with {}: it has {}",
            gateway.name,
            wanted.join(" and "),
            has.join(", ")
        ));
    }
    let (open, refusing): (Vec<_>, Vec<_>) = meant
        .into_iter()
        .partition(|listener| listener.offer.refusal.is_none());
    match (open.is_empty(), refusing.first()) {
        (true, Some(first)) => problem(format!(
            "listener {} of Gateway {} takes no routes: {}",
            first.offer.name,
            gateway.name,
            first.offer.refusal.as_deref().unwrap_or_default()
        )),
        _ => Ok(open),
    }
}

fn allows(
    lookup: &Lookup<'_>,
    gateway: &GatewayState,
    listener: &ListenerState,
    route: &RouteShape,
) -> bool {
    let offer = &listener.offer;
    offer.kinds.contains(&route.kind)
        && offer
            .namespaces
            .takes(lookup, &gateway.name.namespace, &route.name.namespace)
}

/// The hostnames in common; `None` where there are none.
fn common_hostnames(listener: &ListenerState, own: &[Hostname]) -> Option<Vec<RouteHostname>> {
    let mut common: Vec<RouteHostname> = Vec::new();
    for hostname in own {
        if let Some(effective) = intersection(listener.offer.hostname.as_ref(), hostname) {
            let found = RouteHostname {
                own: hostname.clone(),
                effective,
            };
            if !common.contains(&found) {
                common.push(found);
            }
        }
    }
    (own.is_empty() || !common.is_empty()).then_some(common)
}

fn not_allowed(listeners: &[&ListenerState], route: &RouteShape) -> Problem {
    let reasons: Vec<String> = listeners
        .iter()
        .map(|listener| {
            let offer = &listener.offer;
            if offer.kinds.contains(&route.kind) {
                format!(
                    "{} takes no routes of namespace {} (allowedRoutes.namespaces {})",
                    offer.name, route.name.namespace, offer.namespaces
                )
            } else {
                format!("{} takes no {}", offer.name, route.kind.label())
            }
        })
        .collect();
    let message = format!(
        "no listener allows this route: {}; change allowedRoutes or move the route",
        reasons.join("; ")
    );
    Problem::new(reason::NOT_ALLOWED_BY_LISTENERS, message)
}

fn no_hostname(listeners: &[&ListenerState], route: &RouteShape) -> Problem {
    let wanted: Vec<String> = route.hostnames.iter().map(ToString::to_string).collect();
    let offered: Vec<String> = listeners
        .iter()
        .map(|listener| {
            let hostname = listener.offer.hostname.as_ref();
            let hostname = hostname.map_or("any".to_owned(), ToString::to_string);
            format!("{} is for {hostname}", listener.offer.name)
        })
        .collect();
    let message = format!(
        "hostnames {} have nothing in common with the listeners: {}",
        wanted.join(", "),
        offered.join("; ")
    );
    Problem::new(reason::NO_MATCHING_LISTENER_HOSTNAME, message)
}

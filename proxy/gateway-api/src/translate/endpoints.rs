//! EndpointSlices to the endpoints of one Service port.

use crate::index::{Lookup, Name};
use crate::object::types::EndpointSlice;
use k8s_openapi::api::core::v1::ServicePort;
use k8s_openapi::api::discovery::v1::Endpoint;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// Where an endpoint is and what is behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EndpointPlan {
    pub(crate) address: SocketAddr,
    /// `namespace/name`; empty where not known.
    pub(crate) pod: String,
    /// Empty where not known.
    pub(crate) node: String,
}

/// Which addresses endpoints may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndpointPolicy {
    /// Any that can be dialled.
    Any,
    /// None of the machine itself: who may write EndpointSlices must not thereby reach what only
    /// listens locally.
    NoLoopback,
}

/// The endpoints of a port, by address: those that are ready; where none is, those that are
/// terminating but still serve.
pub(super) fn endpoints(
    lookup: &Lookup<'_>,
    service: &Name,
    port: &ServicePort,
    policy: EndpointPolicy,
) -> Vec<EndpointPlan> {
    let mut ready = BTreeMap::new();
    let mut serving = BTreeMap::new();
    for slice in lookup.slices(service) {
        for number in port_numbers(slice, port) {
            for endpoint in &slice.endpoints {
                let group = match readiness(endpoint) {
                    Readiness::Ready => &mut ready,
                    Readiness::LastResort => &mut serving,
                    Readiness::Out => continue,
                };
                for address in addresses(endpoint, policy) {
                    let address = SocketAddr::new(address, number);
                    group
                        .entry(address)
                        .or_insert_with(|| plan(endpoint, address, &service.namespace));
                }
            }
        }
    }
    let chosen = if ready.is_empty() { serving } else { ready };
    chosen.into_values().collect()
}

/// The numbers of the slice's ports that stand for the Service's port: those of its name.
fn port_numbers(slice: &EndpointSlice, port: &ServicePort) -> impl Iterator<Item = u16> {
    let wanted = port.name.as_deref().unwrap_or_default();
    slice
        .ports
        .iter()
        .flatten()
        .filter(move |found| found.name.as_deref().unwrap_or_default() == wanted)
        .filter(|found| found.protocol.as_deref().unwrap_or("TCP") == "TCP")
        .filter_map(|found| u16::try_from(found.port?).ok())
        .filter(|number| *number != 0)
}

enum Readiness {
    Ready,
    LastResort,
    Out,
}

/// Absent conditions mean ready, as the API says.
fn readiness(endpoint: &Endpoint) -> Readiness {
    let Some(conditions) = &endpoint.conditions else {
        return Readiness::Ready;
    };
    let ready = conditions.ready.unwrap_or(true);
    let terminating = conditions.terminating.unwrap_or(false);
    if ready && !terminating {
        Readiness::Ready
    } else if conditions.serving.unwrap_or(ready) && terminating {
        Readiness::LastResort
    } else {
        Readiness::Out
    }
}

fn addresses(endpoint: &Endpoint, policy: EndpointPolicy) -> impl Iterator<Item = IpAddr> {
    // What is no IP address belongs to a slice of addressType FQDN, which nothing resolves.
    endpoint
        .addresses
        .iter()
        .filter_map(|address| address.parse().ok())
        .filter(move |address: &IpAddr| {
            let bad = address.is_unspecified() || address.is_multicast();
            !bad && (policy == EndpointPolicy::Any || !is_local(*address))
        })
}

/// Whether the address stays on this machine: loopback and link-local, also as IPv4 in IPv6.
fn is_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_loopback() || address.is_link_local(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unicast_link_local(),
    }
}

fn plan(endpoint: &Endpoint, address: SocketAddr, namespace: &str) -> EndpointPlan {
    let pod = endpoint
        .target_ref
        .as_ref()
        .filter(|target| target.kind.as_deref().is_none_or(|kind| kind == "Pod"))
        .and_then(|target| {
            let namespace = target.namespace.as_deref().unwrap_or(namespace);
            Some(format!("{namespace}/{}", target.name.as_deref()?))
        });
    EndpointPlan {
        address,
        pod: pod.unwrap_or_default(),
        node: endpoint.node_name.clone().unwrap_or_default(),
    }
}

//! A Service's port as a backend.

use super::backend_ref::{BackendKey, port_of};
use super::backend_tls::Policies;
use super::endpoints::{EndpointPlan, endpoints};
use crate::index::Lookup;
use rauta_routing::{Affinity, Backend, BackendProtocol, BackendTls, Endpoint};
use rauta_schemas::{BackendId, EndpointName, Names};
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

pub(crate) use super::endpoints::EndpointPolicy;

/// All that a backend is made of; equal plans make the same backend.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BackendPlan {
    pub(crate) protocol: BackendProtocol,
    pub(crate) tls: Option<Arc<BackendTls>>,
    pub(crate) affinity: Affinity,
    pub(crate) endpoints: Vec<EndpointPlan>,
}

/// What `appProtocol` asks for. Names that RAUTA does not know are taken for HTTP/1.1, as without
/// a name, except those of Kubernetes itself: they would mean something else.
fn protocol(app_protocol: &str) -> Option<BackendProtocol> {
    match app_protocol.to_ascii_lowercase().as_str() {
        "kubernetes.io/h2c" | "h2c" | "http2" | "grpc" => Some(BackendProtocol::Http2),
        "kubernetes.io/ws" | "kubernetes.io/wss" => Some(BackendProtocol::Http1),
        other if other.starts_with("kubernetes.io/") => None,
        _ => Some(BackendProtocol::Http1),
    }
}

/// Whether a port of that `appProtocol` can be a backend of an HTTP route.
pub(super) fn speaks(app_protocol: &str) -> bool {
    protocol(app_protocol).is_some()
}

/// Plans a backend. `None`: its Service or port is gone, or its TLS cannot be had.
/// `only_grpc`: nothing but GRPCRoutes refer to it, so that it speaks HTTP/2 whatever its
/// `appProtocol` leaves out.
pub(crate) fn plan(
    lookup: &Lookup<'_>,
    policies: &Policies,
    key: &BackendKey,
    only_grpc: bool,
    policy: EndpointPolicy,
) -> Option<BackendPlan> {
    let service = lookup.service(&key.service)?;
    let port = port_of(service, i32::from(key.port))?;
    let tls = match policies.effective(lookup, &key.service, port.name.as_deref()) {
        Some(state) => Some(state.tls.clone().ok()?),
        None => None,
    };
    let affinity = service.spec.as_ref()?.session_affinity.as_deref();
    Some(BackendPlan {
        protocol: if only_grpc {
            BackendProtocol::Http2
        } else {
            protocol(port.app_protocol.as_deref().unwrap_or_default())?
        },
        tls,
        affinity: match affinity {
            Some("ClientIP") => Affinity::ClientIp,
            _ => Affinity::None,
        },
        endpoints: endpoints(lookup, &key.service, port, policy),
    })
}

impl BackendPlan {
    /// Makes the backend. Endpoints that `previous` has too keep their health, and where nothing
    /// about them changed they are the same `Arc`s.
    pub(crate) fn build(
        &self,
        key: &BackendKey,
        names: &Names,
        previous: Option<&Backend>,
    ) -> Backend {
        let name = key.intern(names);
        let id = BackendId::from(name.number());
        let known: HashMap<_, _> = previous
            .into_iter()
            .flat_map(|backend| &backend.endpoints)
            .map(|endpoint| (endpoint.address, endpoint))
            .collect();
        let endpoints = self
            .endpoints
            .iter()
            .map(|plan| {
                let name = names.endpoints.intern(EndpointName {
                    address: plan.address.to_string(),
                    pod: plan.pod.clone(),
                    node: plan.node.clone(),
                    backend: id,
                });
                match known.get(&plan.address) {
                    Some(old) if old.name == name => Arc::clone(old),
                    before => Arc::new(Endpoint {
                        name,
                        address: plan.address,
                        health: before.map(|old| old.health.clone()).unwrap_or_default(),
                    }),
                }
            })
            .collect();
        Backend {
            name,
            protocol: self.protocol,
            tls: self.tls.clone(),
            affinity: self.affinity,
            endpoints,
            maglev: OnceLock::new(),
        }
    }
}

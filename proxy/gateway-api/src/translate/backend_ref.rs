//! What a reference to a backend leads to.

use super::backend_tls::Policies;
use super::spec::{RuleSpec, Target};
use crate::attach::Problem;
use crate::index::{Lookup, Name, Reference};
use crate::object::Kind;
use crate::object::types::Service;
use crate::status::reason;
use k8s_openapi::api::core::v1::ServicePort;
use rauta_routing::{BackendTarget, InvalidBackend};
use rauta_schemas::{BackendName, Named, Names, RouteKind};
use std::collections::BTreeMap;

/// A Service's port.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct BackendKey {
    pub(crate) service: Name,
    pub(crate) port: u16,
}

impl BackendKey {
    /// The interned name.
    pub(crate) fn intern(&self, names: &Names) -> Named<BackendName> {
        names.backends.intern(BackendName {
            namespace: self.service.namespace.to_string(),
            service: self.service.name.to_string(),
            port: self.port,
        })
    }
}

/// What a reference leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resolution {
    /// The backend, where it exists and may be used.
    pub(crate) backend: Result<BackendKey, InvalidBackend>,
    /// The Service's port that was meant, also where a TLS policy keeps it from being used.
    pub(crate) meant: Option<BackendKey>,
    /// What the route's `ResolvedRefs` has to say about it.
    pub(crate) problem: Option<Problem>,
}

/// Who refers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Referrer<'a> {
    pub(crate) kind: RouteKind,
    pub(crate) namespace: &'a str,
}

/// The references of one rule and what they lead to.
#[derive(Debug)]
pub(super) struct Resolutions<'a>(BTreeMap<Target<'a>, Resolution>);

impl<'a> Resolutions<'a> {
    /// Follows every reference of a rule.
    pub(super) fn of(
        rule: &RuleSpec<'a>,
        lookup: &Lookup<'_>,
        policies: &Policies,
        referrer: Referrer<'_>,
    ) -> Self {
        let resolved = rule
            .targets()
            .map(|target| (target, resolve(&target, lookup, policies, referrer)));
        Self(resolved.collect())
    }

    /// The results in a stable order, to compare with those of another time.
    pub(super) fn into_values(self) -> Vec<Resolution> {
        self.0.into_values().collect()
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Resolution> {
        self.0.values()
    }

    /// Where a share of requests goes.
    pub(super) fn target(&self, target: &Target<'_>, names: &Names) -> BackendTarget {
        match self.0.get(target).map(|found| &found.backend) {
            Some(Ok(key)) => BackendTarget::Backend(key.intern(names)),
            Some(Err(why)) => BackendTarget::Invalid(*why),
            None => BackendTarget::Invalid(InvalidBackend::NotFound),
        }
    }

    /// The backend, where it can be used.
    pub(super) fn backend_of(
        &self,
        target: &Target<'_>,
        names: &Names,
    ) -> Option<Named<BackendName>> {
        match self.target(target, names) {
            BackendTarget::Backend(name) => Some(name),
            BackendTarget::Invalid(_) => None,
        }
    }
}

fn resolve(
    target: &Target<'_>,
    lookup: &Lookup<'_>,
    policies: &Policies,
    referrer: Referrer<'_>,
) -> Resolution {
    let namespace = target.namespace.unwrap_or(referrer.namespace);
    let name = lookup.name(Kind::Service, namespace, target.name);
    match find(target, &name, lookup, referrer) {
        Err((why, reason, message)) => Resolution {
            backend: Err(why),
            meant: None,
            problem: Some(Problem::new(reason, message)),
        },
        Ok(port) => {
            let key = BackendKey {
                service: name.clone(),
                port: u16::try_from(port.port).unwrap_or_default(),
            };
            let policy = policies.effective(lookup, &name, port.name.as_deref());
            let backend = match policy {
                // Plain text is never a substitute for TLS that cannot be had.
                Some(policy) if policy.tls.is_err() => Err(InvalidBackend::InvalidTlsPolicy),
                _ => Ok(key.clone()),
            };
            Resolution {
                backend,
                meant: Some(key),
                problem: None,
            }
        }
    }
}

type Refusal = (InvalidBackend, &'static str, String);

fn find<'a>(
    target: &Target<'_>,
    name: &Name,
    lookup: &Lookup<'a>,
    referrer: Referrer<'_>,
) -> Result<&'a ServicePort, Refusal> {
    if (target.group, target.kind) != ("", "Service") {
        let group = if target.group.is_empty() {
            "core"
        } else {
            target.group
        };
        let message = format!(
            "backendRef {name}: {group}/{} is not a kind of backend: use a Service",
            target.kind
        );
        return Err((
            InvalidBackend::UnsupportedKind,
            reason::INVALID_KIND,
            message,
        ));
    }
    let reference = Reference {
        from: match referrer.kind {
            RouteKind::Http => Kind::HttpRoute,
            RouteKind::Grpc => Kind::GrpcRoute,
        },
        from_namespace: referrer.namespace,
        to: Kind::Service,
        name,
    };
    if !lookup.permits(reference) {
        let message = format!(
            "backendRef {name} is in another namespace: add a ReferenceGrant in {} from {}s of \
             {} to Services",
            name.namespace,
            referrer.kind.label(),
            referrer.namespace
        );
        return Err((
            InvalidBackend::NotPermitted,
            reason::REF_NOT_PERMITTED,
            message,
        ));
    }
    let not_found = |message| Err((InvalidBackend::NotFound, reason::BACKEND_NOT_FOUND, message));
    let Some(service) = lookup.service(name) else {
        return not_found(format!(
            "Service {name} does not exist: create it or correct the backendRef"
        ));
    };
    let Some(wanted) = target.port else {
        return not_found(format!("backendRef {name} names no port: add one"));
    };
    match port_of(service, wanted) {
        None => not_found(format!("Service {name} has no port {wanted}")),
        Some(port) => usable(service, port, name).map(|()| port),
    }
}

/// The port of that number.
pub(super) fn port_of(service: &Service, number: i32) -> Option<&ServicePort> {
    let ports = service.spec.as_ref()?.ports.as_deref()?;
    ports.iter().find(|port| port.port == number)
}

fn usable(service: &Service, port: &ServicePort, name: &Name) -> Result<(), Refusal> {
    let kind = service.spec.as_ref().and_then(|spec| spec.type_.as_deref());
    if kind == Some("ExternalName") {
        let message = format!(
            "Service {name} is of type ExternalName, which could lead anywhere: use one with \
             EndpointSlices"
        );
        return Err((
            InvalidBackend::UnsupportedKind,
            reason::INVALID_KIND,
            message,
        ));
    }
    let protocol = port.protocol.as_deref().unwrap_or("TCP");
    let app_protocol = port.app_protocol.as_deref().unwrap_or_default();
    if protocol != "TCP" || !super::backend::speaks(app_protocol) {
        let message = format!(
            "port {} of Service {name} speaks {protocol} {app_protocol}, which no HTTP route can \
             use",
            port.port
        );
        return Err((
            InvalidBackend::UnsupportedProtocol,
            reason::UNSUPPORTED_PROTOCOL,
            message,
        ));
    }
    Ok(())
}

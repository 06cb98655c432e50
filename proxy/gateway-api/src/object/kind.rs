//! Which kinds exist, and which of them are read: names, API groups, scopes.
//!
//! Does not read anything; `admit` does.

use std::fmt;

/// A kind that is read and indexed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// `gateway.networking.k8s.io/v1` BackendTLSPolicy.
    BackendTlsPolicy,
    /// `v1` ConfigMap.
    ConfigMap,
    /// `discovery.k8s.io/v1` EndpointSlice.
    EndpointSlice,
    /// `gateway.networking.k8s.io/v1` Gateway.
    Gateway,
    /// `gateway.networking.k8s.io/v1` GatewayClass (cluster-scoped).
    GatewayClass,
    /// `gateway.networking.k8s.io/v1` GRPCRoute.
    GrpcRoute,
    /// `gateway.networking.k8s.io/v1` HTTPRoute.
    HttpRoute,
    /// `v1` Namespace (cluster-scoped).
    Namespace,
    /// `gateway.networking.k8s.io/v1` or `v1beta1` ReferenceGrant.
    ReferenceGrant,
    /// `v1` Secret.
    Secret,
    /// `v1` Service.
    Service,
}

/// The API group of the Gateway API.
pub const GATEWAY_GROUP: &str = "gateway.networking.k8s.io";

impl Kind {
    /// Every kind that is read.
    pub const ALL: [Self; 11] = [
        Self::BackendTlsPolicy,
        Self::ConfigMap,
        Self::EndpointSlice,
        Self::Gateway,
        Self::GatewayClass,
        Self::GrpcRoute,
        Self::HttpRoute,
        Self::Namespace,
        Self::ReferenceGrant,
        Self::Secret,
        Self::Service,
    ];

    /// The kind as manifests write it, for example `HTTPRoute`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BackendTlsPolicy => "BackendTLSPolicy",
            Self::ConfigMap => "ConfigMap",
            Self::EndpointSlice => "EndpointSlice",
            Self::Gateway => "Gateway",
            Self::GatewayClass => "GatewayClass",
            Self::GrpcRoute => "GRPCRoute",
            Self::HttpRoute => "HTTPRoute",
            Self::Namespace => "Namespace",
            Self::ReferenceGrant => "ReferenceGrant",
            Self::Secret => "Secret",
            Self::Service => "Service",
        }
    }

    /// The API group; empty for the core group.
    #[must_use]
    pub fn group(self) -> &'static str {
        match self {
            Self::ConfigMap | Self::Namespace | Self::Secret | Self::Service => "",
            Self::EndpointSlice => "discovery.k8s.io",
            Self::BackendTlsPolicy
            | Self::Gateway
            | Self::GatewayClass
            | Self::GrpcRoute
            | Self::HttpRoute
            | Self::ReferenceGrant => GATEWAY_GROUP,
        }
    }

    /// The versions of the group in which the kind may be written, the stored one first.
    #[must_use]
    pub fn versions(self) -> &'static [&'static str] {
        match self {
            Self::Gateway | Self::GatewayClass | Self::HttpRoute | Self::ReferenceGrant => {
                &["v1", "v1beta1"]
            }
            Self::BackendTlsPolicy => &["v1", "v1alpha3"],
            Self::ConfigMap
            | Self::EndpointSlice
            | Self::GrpcRoute
            | Self::Namespace
            | Self::Secret
            | Self::Service => &["v1"],
        }
    }

    /// Whether objects of this kind live in a namespace.
    #[must_use]
    pub fn is_namespaced(self) -> bool {
        !matches!(self, Self::GatewayClass | Self::Namespace)
    }

    /// The kind of that API group, whatever its version.
    #[must_use]
    pub fn find(group: &str, kind: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|known| known.group() == group && known.as_str() == kind)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

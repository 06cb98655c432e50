//! Condition types and reasons, spelt as the Gateway API spells them.

/// Types of conditions.
pub mod kind {
    /// GatewayClass, Gateway, listener, route, policy: the object is valid and taken.
    pub const ACCEPTED: &str = "Accepted";
    /// GatewayClass: its CRDs' version is known.
    pub const SUPPORTED_VERSION: &str = "SupportedVersion";
    /// Gateway, listener: the data plane serves it.
    pub const PROGRAMMED: &str = "Programmed";
    /// Gateway, listener, route, policy: every reference could be followed.
    pub const RESOLVED_REFS: &str = "ResolvedRefs";
    /// Listener: it is not distinct from another one.
    pub const CONFLICTED: &str = "Conflicted";
    /// Listener: its TLS hostnames overlap with another listener's. Present only when true.
    pub const OVERLAPPING_TLS_CONFIG: &str = "OverlappingTLSConfig";
    /// Route: some of its rules could not be used. Present only when true.
    pub const PARTIALLY_INVALID: &str = "PartiallyInvalid";
}

/// Reasons of conditions.
#[expect(missing_docs, reason = "the Gateway API states what each reason means")]
pub mod reason {
    pub const ACCEPTED: &str = "Accepted";
    pub const ADDRESS_NOT_ASSIGNED: &str = "AddressNotAssigned";
    pub const ADDRESS_NOT_USABLE: &str = "AddressNotUsable";
    pub const BACKEND_NOT_FOUND: &str = "BackendNotFound";
    pub const CONFLICTED: &str = "Conflicted";
    pub const HOSTNAME_CONFLICT: &str = "HostnameConflict";
    pub const INVALID: &str = "Invalid";
    pub const INVALID_CA_CERTIFICATE_REF: &str = "InvalidCACertificateRef";
    pub const INVALID_CERTIFICATE_REF: &str = "InvalidCertificateRef";
    pub const INVALID_KIND: &str = "InvalidKind";
    pub const INVALID_PARAMETERS: &str = "InvalidParameters";
    pub const INVALID_ROUTE_KINDS: &str = "InvalidRouteKinds";
    pub const LISTENERS_NOT_RESOLVED: &str = "ListenersNotResolved";
    pub const LISTENERS_NOT_VALID: &str = "ListenersNotValid";
    pub const NO_CONFLICTS: &str = "NoConflicts";
    pub const NO_MATCHING_LISTENER_HOSTNAME: &str = "NoMatchingListenerHostname";
    pub const NO_MATCHING_PARENT: &str = "NoMatchingParent";
    pub const NO_VALID_CA_CERTIFICATE: &str = "NoValidCACertificate";
    pub const NOT_ALLOWED_BY_LISTENERS: &str = "NotAllowedByListeners";
    pub const OVERLAPPING_HOSTNAMES: &str = "OverlappingHostnames";
    pub const PENDING: &str = "Pending";
    pub const PORT_UNAVAILABLE: &str = "PortUnavailable";
    pub const PROGRAMMED: &str = "Programmed";
    pub const PROTOCOL_CONFLICT: &str = "ProtocolConflict";
    pub const REF_NOT_PERMITTED: &str = "RefNotPermitted";
    pub const RESOLVED_REFS: &str = "ResolvedRefs";
    pub const SUPPORTED_VERSION: &str = "SupportedVersion";
    pub const TARGET_NOT_FOUND: &str = "TargetNotFound";
    pub const UNSUPPORTED_ADDRESS: &str = "UnsupportedAddress";
    pub const UNSUPPORTED_PROTOCOL: &str = "UnsupportedProtocol";
    pub const UNSUPPORTED_VALUE: &str = "UnsupportedValue";
}

//! Typed objects as an API server would have stored them: defaulted, validated, with a
//! namespace, a generation and an age.
//!
//! Every source (files, later the Kubernetes API) delivers [`Change`]s over these types; nothing
//! downstream knows where an object came from. This module resolves no references between
//! objects: that is the index's work.

pub mod admit;
mod kind;
pub mod types;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

pub use kind::{GATEWAY_GROUP, Kind};
use types::{
    BackendTlsPolicy, ConfigMap, EndpointSlice, Gateway, GatewayClass, GrpcRoute, HttpRoute,
    Namespace, ObjectMeta, ReferenceGrant, Secret, Service,
};

/// An object of a kind that is read. Boxed, so that a Namespace does not take a Service's room.
/// Its `Debug` form is only its name, so that no log ever shows a Secret.
#[derive(Clone, PartialEq)]
#[expect(missing_docs, reason = "each variant is the kind of its name")]
pub enum Object {
    BackendTlsPolicy(Box<BackendTlsPolicy>),
    ConfigMap(Box<ConfigMap>),
    EndpointSlice(Box<EndpointSlice>),
    Gateway(Box<Gateway>),
    GatewayClass(Box<GatewayClass>),
    GrpcRoute(Box<GrpcRoute>),
    HttpRoute(Box<HttpRoute>),
    Namespace(Box<Namespace>),
    ReferenceGrant(Box<ReferenceGrant>),
    Secret(Box<Secret>),
    Service(Box<Service>),
}

impl Object {
    /// The object's kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::BackendTlsPolicy(_) => Kind::BackendTlsPolicy,
            Self::ConfigMap(_) => Kind::ConfigMap,
            Self::EndpointSlice(_) => Kind::EndpointSlice,
            Self::Gateway(_) => Kind::Gateway,
            Self::GatewayClass(_) => Kind::GatewayClass,
            Self::GrpcRoute(_) => Kind::GrpcRoute,
            Self::HttpRoute(_) => Kind::HttpRoute,
            Self::Namespace(_) => Kind::Namespace,
            Self::ReferenceGrant(_) => Kind::ReferenceGrant,
            Self::Secret(_) => Kind::Secret,
            Self::Service(_) => Kind::Service,
        }
    }

    /// The object's metadata: name, namespace, labels and annotations. Age and generation are
    /// in [`Stored`], whatever the metadata says.
    #[must_use]
    pub fn metadata(&self) -> &ObjectMeta {
        match self {
            Self::BackendTlsPolicy(o) => &o.metadata,
            Self::ConfigMap(o) => &o.metadata,
            Self::EndpointSlice(o) => &o.metadata,
            Self::Gateway(o) => &o.metadata,
            Self::GatewayClass(o) => &o.metadata,
            Self::GrpcRoute(o) => &o.metadata,
            Self::HttpRoute(o) => &o.metadata,
            Self::Namespace(o) => &o.metadata,
            Self::ReferenceGrant(o) => &o.metadata,
            Self::Secret(o) => &o.metadata,
            Self::Service(o) => &o.metadata,
        }
    }

    /// Kind, namespace and name.
    #[must_use]
    pub fn key(&self) -> ObjectKey {
        ObjectKey::of(self.kind(), self.metadata())
    }
}

impl Object {
    /// Whether nothing but metadata differs. A change of metadata is no new generation.
    #[must_use]
    pub fn has_same_content(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::BackendTlsPolicy(a), Self::BackendTlsPolicy(b)) => a.spec == b.spec,
            (Self::ConfigMap(a), Self::ConfigMap(b)) => {
                (&a.data, &a.binary_data) == (&b.data, &b.binary_data)
            }
            (Self::EndpointSlice(a), Self::EndpointSlice(b)) => {
                (&a.endpoints, &a.ports) == (&b.endpoints, &b.ports)
            }
            (Self::Gateway(a), Self::Gateway(b)) => a.spec == b.spec,
            (Self::GatewayClass(a), Self::GatewayClass(b)) => a.spec == b.spec,
            (Self::GrpcRoute(a), Self::GrpcRoute(b)) => a.spec == b.spec,
            (Self::HttpRoute(a), Self::HttpRoute(b)) => a.spec == b.spec,
            (Self::Namespace(a), Self::Namespace(b)) => a.spec == b.spec,
            (Self::ReferenceGrant(a), Self::ReferenceGrant(b)) => a.spec == b.spec,
            (Self::Secret(a), Self::Secret(b)) => (&a.type_, &a.data) == (&b.type_, &b.data),
            (Self::Service(a), Self::Service(b)) => a.spec == b.spec,
            _ => false,
        }
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Object({})", self.key())
    }
}

/// What names one object for good: kind, namespace, name. Clones share their text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey {
    /// The kind.
    pub kind: Kind,
    /// The namespace; empty for cluster-scoped kinds.
    pub namespace: Arc<str>,
    /// The name.
    pub name: Arc<str>,
}

impl ObjectKey {
    /// The key of that kind, namespace (empty for cluster-scoped kinds) and name.
    #[must_use]
    pub fn new(kind: Kind, namespace: &str, name: &str) -> Self {
        Self {
            kind,
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    /// The key of an object of that kind with this metadata.
    pub(crate) fn of(kind: Kind, metadata: &ObjectMeta) -> Self {
        let namespace = metadata.namespace.as_deref().unwrap_or_default();
        Self::new(
            kind,
            namespace,
            metadata.name.as_deref().unwrap_or_default(),
        )
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{} {}", self.kind, self.name)
        } else {
            write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
        }
    }
}

/// When an object came to be. Orders objects oldest first, as conflict rules of the Gateway API
/// want it; whoever compares breaks a tie by namespace and name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Age {
    /// Order of first sight inside one source; 0 where the creation timestamp alone decides.
    pub ordinal: u64,
    /// Wall time of creation or first sight.
    pub created: SystemTime,
}

/// An object as it is stored: the admitted content and what the store knows about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// Kind, namespace, name.
    pub key: ObjectKey,
    /// When it was first seen.
    pub age: Age,
    /// Counts the changes of its content, from 1; what `observedGeneration` refers to.
    pub generation: i64,
    /// Rises with every change of any object of the source.
    pub resource_version: u64,
    /// Where it came from, for messages: `file.yaml, document 2, line 14`.
    pub origin: Arc<str>,
    /// The content.
    pub object: Object,
}

/// One step from the last delivered state of a source to the present one.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// The object is new or has another content.
    Apply(Arc<Stored>),
    /// The object is really gone.
    Delete(ObjectKey),
}

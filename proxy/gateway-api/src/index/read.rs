//! One thing that compilation looked at, and that may change under it.

use crate::object::ObjectKey;
use std::fmt;
use std::sync::Arc;

/// Namespace and name of an object whose kind is known from the context.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Name {
    pub(crate) namespace: Arc<str>,
    pub(crate) name: Arc<str>,
}

impl Name {
    pub(crate) fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl From<&ObjectKey> for Name {
    fn from(key: &ObjectKey) -> Self {
        Self {
            namespace: key.namespace.clone(),
            name: key.name.clone(),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What was read. Absence is read too: an object that is not there may come.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Read {
    /// The Service of that name.
    Service(Name),
    /// The EndpointSlices of the Service of that name.
    Slices(Name),
    /// The Secret of that name.
    Secret(Name),
    /// The ConfigMap of that name.
    ConfigMap(Name),
    /// The labels of a Namespace.
    Namespace(Arc<str>),
    /// The ReferenceGrants in a namespace.
    Grants(Arc<str>),
    /// A GatewayClass.
    Class(Arc<str>),
    /// What a Gateway offers to routes, as attachment sees it.
    Gateway(Name),
    /// The verdicts on the BackendTLSPolicies that target a Service.
    Policies(Name),
}

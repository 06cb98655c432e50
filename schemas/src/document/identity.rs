//! Which configuration an event met, by name.

use crate::{BackendName, EndpointName, Identity, ListenerName, Names, RuleName, Subject};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Names of what an event met; absent parts were not reached, or their names are forgotten.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IdentityDocument {
    /// The listener, and with it the Gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listener: Option<Arc<ListenerName>>,
    /// The rule, and with it the route and the path template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<Arc<RuleName>>,
    /// The backend: a Service and port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<Arc<BackendName>>,
    /// The endpoint: of an exchange, that of the last attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<EndpointIdentity>,
}

/// One endpoint of a backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EndpointIdentity {
    /// `ip:port`.
    pub address: String,
    /// The pod behind it as `namespace/name`, where known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub pod: String,
    /// The pod's node, where known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub node: String,
}

impl IdentityDocument {
    /// Resolves the ids of an event.
    pub fn resolve(identity: &Identity, names: &Names) -> Self {
        Self {
            listener: names.listener(identity.listener),
            rule: names.rule(identity.rule),
            backend: names.backend(identity.backend),
            endpoint: names.endpoint(identity.endpoint).as_deref().map(Into::into),
        }
    }

    /// The names that an anomaly carries.
    pub fn of(subject: &Subject) -> Self {
        Self {
            listener: subject.listener.clone(),
            rule: subject.rule.clone(),
            backend: subject.backend.clone(),
            endpoint: subject.endpoint.as_deref().map(Into::into),
        }
    }
}

impl From<&EndpointName> for EndpointIdentity {
    fn from(name: &EndpointName) -> Self {
        Self {
            address: name.address.clone(),
            pod: name.pod.clone(),
            node: name.node.clone(),
        }
    }
}

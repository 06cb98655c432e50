//! The document of an [`EndpointEvent`].

use super::{Document, DocumentKind, IdentityDocument, SCHEMA_VERSION};
use crate::{EndpointEvent, EndpointTransition, Identity, Names, Reason, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An endpoint was ejected or came back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EndpointDocument {
    /// The version of this document's form.
    pub schema_version: u32,
    /// Always `endpoint`.
    pub event: DocumentKind,
    /// When it happened.
    pub timestamp: Timestamp,
    /// The backend and its endpoint.
    #[serde(flatten)]
    pub identity: IdentityDocument,
    /// What happened.
    pub transition: EndpointTransition,
    /// Why: how connecting failed.
    pub reason: Reason,
    /// For how long it gets no requests, milliseconds; 0 for a recovery.
    pub backoff_ms: u32,
    /// Failures in a row so far.
    pub failures: u32,
}

impl Document for EndpointDocument {
    const NAME: &'static str = "endpoint";
}

impl EndpointDocument {
    /// The event's document, with its names resolved.
    pub fn new(event: &EndpointEvent, names: &Names) -> Self {
        let identity = Identity {
            backend: event.backend,
            endpoint: event.endpoint,
            ..Identity::default()
        };
        Self {
            schema_version: SCHEMA_VERSION,
            event: DocumentKind::Endpoint,
            timestamp: Timestamp::from_ns(event.wall_ns),
            identity: IdentityDocument::resolve(&identity, names),
            transition: event.transition,
            reason: event.reason,
            backoff_ms: event.backoff_ms,
            failures: event.failures,
        }
    }
}

//! The document of a [`ConnectionEvent`].

use super::{Document, DocumentKind, SCHEMA_VERSION, is_unknown};
use crate::{
    ConnectionEvent, ConnectionId, ConnectionReason, FourTuple, ListenerName, Names, Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A connection ended in a way that no exchange tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectionDocument {
    /// The version of this document's form.
    pub schema_version: u32,
    /// Always `connection`.
    pub event: DocumentKind,
    /// The connection.
    pub connection: ConnectionId,
    /// When it ended.
    pub timestamp: Timestamp,
    /// The listener, where one was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listener: Option<Arc<ListenerName>>,
    /// Client and RAUTA.
    #[serde(default, skip_serializing_if = "is_unknown")]
    pub downstream: FourTuple,
    /// How many requests were complete on it.
    pub requests: u32,
    /// Why it ended.
    pub reason: ConnectionReason,
}

impl Document for ConnectionDocument {
    const NAME: &'static str = "connection";
}

impl ConnectionDocument {
    /// The event's document, with its names resolved.
    pub fn new(event: &ConnectionEvent, names: &Names) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            event: DocumentKind::Connection,
            connection: event.connection,
            timestamp: Timestamp::from_ns(event.wall_ns),
            listener: names.listener(event.listener),
            downstream: event.downstream,
            requests: event.requests,
            reason: event.reason,
        }
    }
}

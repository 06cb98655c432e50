//! The passive health of endpoints.

use crate::{BackendId, EndpointId, Reason};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happened to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum EndpointTransition {
    /// Connecting failed: no requests for a while.
    Ejected,
    /// A connection succeeded after an ejection.
    Recovered,
}

/// An endpoint was ejected or came back.
#[derive(Clone, Debug)]
pub struct EndpointEvent {
    /// The backend.
    pub backend: BackendId,
    /// Its endpoint.
    pub endpoint: EndpointId,
    /// Wall time, nanoseconds since 1970.
    pub wall_ns: u64,
    /// What happened.
    pub transition: EndpointTransition,
    /// Why (a connect reason).
    pub reason: Reason,
    /// Ejected for how long, milliseconds; 0 for a recovery.
    pub backoff_ms: u32,
    /// Failures in a row so far.
    pub failures: u32,
}

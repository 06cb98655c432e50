//! Connections that ended without an exchange to report.

use crate::{ConnectionId, FourTuple, ListenerId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why a connection ended before (another) request head was complete.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum ConnectionReason {
    /// The client closed inside a head.
    HeadCut,
    /// The client was too slow to send a head.
    HeadTimeout,
    /// The TLS handshake failed or took too long.
    Handshake,
    /// A connection cap was reached.
    Refused,
    /// The PROXY protocol's header was malformed.
    ProxyHeader,
    /// HTTP/2 broke its protocol, or a work budget was used up.
    Http2,
}

impl ConnectionReason {
    /// Every value, in order.
    pub const ALL: &'static [Self] = &[
        Self::HeadCut,
        Self::HeadTimeout,
        Self::Handshake,
        Self::Refused,
        Self::ProxyHeader,
        Self::Http2,
    ];

    /// The stable label used in metrics, logs and documents.
    pub const fn label(self) -> &'static str {
        match self {
            Self::HeadCut => "head_cut",
            Self::HeadTimeout => "head_timeout",
            Self::Handshake => "handshake",
            Self::Refused => "refused",
            Self::ProxyHeader => "proxy_header",
            Self::Http2 => "http2",
        }
    }
}

/// A connection ended in a way that no exchange tells.
#[derive(Clone, Debug)]
pub struct ConnectionEvent {
    /// The connection.
    pub connection: ConnectionId,
    /// Wall time, nanoseconds since 1970.
    pub wall_ns: u64,
    /// Client and RAUTA.
    pub downstream: FourTuple,
    /// The listener, where one was chosen.
    pub listener: ListenerId,
    /// Requests that were complete on it.
    pub requests: u32,
    /// Why it ended.
    pub reason: ConnectionReason,
}

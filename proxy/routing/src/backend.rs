//! Backends and their endpoints.

use rauta_schemas::{BackendId, BackendName, EndpointId, EndpointName, Named};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// A Service's port with its endpoints.
#[derive(Debug)]
pub struct Backend {
    /// Its interned name.
    pub name: Named<BackendName>,
    /// What is spoken with its endpoints.
    pub protocol: BackendProtocol,
    /// TLS toward the endpoints, where a BackendTLSPolicy asks for it.
    pub tls: Option<Arc<BackendTls>>,
    /// How clients stick to endpoints.
    pub affinity: Affinity,
    /// Ready endpoints, in the order of their addresses. Where none is ready: those that are
    /// terminating but still serve.
    pub endpoints: Vec<Arc<Endpoint>>,
    /// The table of `affinity`, built at the first request that needs it.
    pub maglev: std::sync::OnceLock<crate::Maglev>,
}

impl Backend {
    /// The id that events carry.
    pub fn id(&self) -> BackendId {
        BackendId::from(self.name.number())
    }
}

/// What is spoken with a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BackendProtocol {
    /// HTTP/1.1 (also WebSocket, `kubernetes.io/ws`).
    Http1,
    /// HTTP/2 with prior knowledge (`kubernetes.io/h2c`, gRPC), or by ALPN over TLS.
    Http2,
}

/// How clients stick to endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Affinity {
    /// Not at all: the less busy of two random endpoints.
    None,
    /// By the client's IP address (`sessionAffinity: ClientIP`).
    ClientIp,
}

/// TLS toward a backend, from its BackendTLSPolicy.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct BackendTls {
    /// Sent as SNI, and verified unless `names` is not empty.
    pub hostname: String,
    /// Subject alternative names, one of which must match; replaces verifying `hostname`.
    pub names: Vec<BackendTlsName>,
    /// Trusted CAs, DER.
    pub authorities: TrustedAuthorities,
    /// Client certificate presented to the backend.
    pub client: Option<Arc<crate::Certificate>>,
    /// Hash over all of the above: equal hash, same connections may be shared.
    pub hash: u64,
}

/// Which CAs are trusted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TrustedAuthorities {
    /// The machine's own (`wellKnownCACertificates: System`).
    System,
    /// These certificates, DER.
    Certificates(Vec<Vec<u8>>),
}

/// One subject alternative name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum BackendTlsName {
    /// A DNS name, exact or `*.suffix`.
    Dns(String),
    /// A URI, such as a SPIFFE id.
    Uri(String),
}

/// One address of a backend.
#[derive(Debug)]
pub struct Endpoint {
    /// Its interned name.
    pub name: Named<EndpointName>,
    /// Where to connect.
    pub address: SocketAddr,
    /// Failures, shared by all workers; the same atomics after a swap.
    pub health: Arc<EndpointHealth>,
}

impl Endpoint {
    /// The id that events carry.
    pub fn id(&self) -> EndpointId {
        EndpointId::from(self.name.number())
    }
}

/// Passive health of an endpoint. Written only on failures and on the first success after one;
/// the success path only reads.
#[derive(Debug, Default)]
pub struct EndpointHealth {
    ejected_until_ms: AtomicU64,
    failures: AtomicU32,
}

/// First and longest back-off of an ejection, milliseconds; doubled per failure in a row.
const BACKOFF_MS: (u64, u64) = (1_000, 30_000);

impl EndpointHealth {
    /// Is the endpoint out of service at `now_ms` (monotonic milliseconds)?
    pub fn is_ejected(&self, now_ms: u64) -> bool {
        self.ejected_until_ms.load(Ordering::Relaxed) > now_ms
    }

    /// Did the last connection attempt fail?
    pub fn has_failed(&self) -> bool {
        self.failures.load(Ordering::Relaxed) != 0
    }

    /// A connection attempt failed: ejects for 1 s, doubled per failure in a row, at most 30 s.
    /// `Some((back-off in ms, failures in a row))` for the one caller that ejected it; `None`
    /// while an ejection is already running.
    pub fn fail(&self, now_ms: u64) -> Option<(u32, u32)> {
        let until = self.ejected_until_ms.load(Ordering::Relaxed);
        if until > now_ms {
            return None;
        }
        let failures = self.failures.load(Ordering::Relaxed).saturating_add(1);
        let backoff = (BACKOFF_MS.0 << (failures - 1).min(5)).min(BACKOFF_MS.1);
        self.ejected_until_ms
            .compare_exchange(
                until,
                now_ms + backoff,
                Ordering::Relaxed,
                Ordering::Relaxed,
            )
            .ok()?;
        self.failures.store(failures, Ordering::Relaxed);
        Some((backoff as u32, failures))
    }

    /// A connection attempt succeeded. True for the one caller that ended a run of failures.
    pub fn succeed(&self) -> bool {
        if !self.has_failed() {
            return false;
        }
        self.ejected_until_ms.store(0, Ordering::Relaxed);
        self.failures.swap(0, Ordering::Relaxed) != 0
    }
}

//! The document of an [`HttpProgressEvent`].

use super::{
    Document, DocumentKind, IdentityDocument, SCHEMA_VERSION, TimingsDocument, is_false, is_unknown,
};
use crate::{ExchangeId, FourTuple, HttpMethod, HttpProgressEvent, Names, Source};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An exchange was still open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HttpProgressDocument {
    /// The version of this document's form.
    pub schema_version: u32,
    /// Always `http_progress`.
    pub event: DocumentKind,
    /// Joins with the request's document.
    pub exchange: ExchangeId,
    /// `CLOCK_MONOTONIC` of the request head's first byte, nanoseconds.
    pub monotonic_ns: u64,
    /// The exchange's age, nanoseconds.
    pub age_ns: u64,
    /// Who saw it.
    pub source: Source,
    /// Listener, rule, backend and endpoint, as far as known.
    #[serde(flatten)]
    pub identity: IdentityDocument,
    /// The request's method.
    pub method: HttpMethod,
    /// The status sent so far, where one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The steps so far. Without `sent_us` the exchange waits for the client, with it for the
    /// backend.
    pub timings: TimingsDocument,
    /// Bytes of the request's body so far.
    pub request_bytes: u64,
    /// Bytes of the response's body so far.
    pub response_bytes: u64,
    /// RAUTA and the endpoint, where one was reached.
    #[serde(default, skip_serializing_if = "is_unknown")]
    pub upstream: FourTuple,
    /// Is it a tunnel or an event stream?
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_streaming: bool,
    /// Is it a kubelet-style probe from a trusted source?
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_probe: bool,
}

impl Document for HttpProgressDocument {
    const NAME: &'static str = "http_progress";
}

impl HttpProgressDocument {
    /// The event's document, with its names resolved.
    pub fn new(event: &HttpProgressEvent, names: &Names) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            event: DocumentKind::HttpProgress,
            exchange: event.exchange,
            monotonic_ns: event.start_ns,
            age_ns: event.age_ns,
            source: event.source,
            identity: IdentityDocument::resolve(&event.identity, names),
            method: event.method,
            status: (event.status != 0).then_some(event.status),
            timings: TimingsDocument::from(&event.timings),
            request_bytes: event.request_bytes,
            response_bytes: event.response_bytes,
            upstream: event.upstream,
            is_streaming: event.is_streaming,
            is_probe: event.is_probe,
        }
    }
}

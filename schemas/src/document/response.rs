//! The document of an [`HttpResponseEvent`]: one line of the access log.

use super::request::RequestDetail;
use super::{
    Document, DocumentKind, IdentityDocument, SCHEMA_VERSION, is_false, is_unknown, non_empty,
    split_query,
};
use crate::{
    Attempt, AttemptOutcome, ExchangeId, FourTuple, HttpMethod, HttpRequestEvent,
    HttpResponseEvent, HttpVersion, Names, Outcome, Reason, Side, Source, Timestamp, Timings,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An exchange was over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HttpResponseDocument {
    /// The version of this document's form.
    pub schema_version: u32,
    /// Always `http_response`.
    pub event: DocumentKind,
    /// Joins with the request's document.
    pub exchange: ExchangeId,
    /// When the request head's first byte arrived.
    pub timestamp: Timestamp,
    /// The same moment on `CLOCK_MONOTONIC`, nanoseconds.
    pub monotonic_ns: u64,
    /// Who saw it.
    pub source: Source,
    /// Listener, rule, backend and endpoint.
    #[serde(flatten)]
    pub identity: IdentityDocument,
    /// The request's method.
    pub method: HttpMethod,
    /// The authority; only for exchanges that access log or sampling chose, or that were joined
    /// with their request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
    /// The path, without the query; only like `authority`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The version spoken by the client.
    pub downstream_version: HttpVersion,
    /// The version spoken with the backend; empty where none was reached.
    pub upstream_version: HttpVersion,
    /// The status sent to the client, where one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// `grpc-status` of the response or its trailers, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grpc_status: Option<u8>,
    /// How it ended, as the client saw it.
    pub outcome: Outcome,
    /// Who is at fault.
    pub side: Side,
    /// Why.
    pub reason: Reason,
    /// From the request head's first byte to the response's last, or to the exchange's end,
    /// nanoseconds.
    pub duration_ns: u64,
    /// The steps between.
    pub timings: TimingsDocument,
    /// Bytes of the request's body as received from the client.
    pub request_bytes: u64,
    /// Bytes of the response's body as sent to the client.
    pub response_bytes: u64,
    /// How many attempts were made at backends.
    pub attempts_count: u8,
    /// The attempts: all of them for chosen exchanges, else the first and the last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<AttemptDocument>,
    /// W3C trace id, 32 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// RAUTA's own span, 16 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span_id: Option<String>,
    /// W3C trace flags; bit 0 = sampled. Absent without a trace id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_flags: Option<u8>,
    /// Client and RAUTA; only for exchanges that were joined with their request.
    #[serde(default, skip_serializing_if = "is_unknown")]
    pub downstream: FourTuple,
    /// RAUTA and the endpoint, where one was reached.
    #[serde(default, skip_serializing_if = "is_unknown")]
    pub upstream: FourTuple,
    /// Is it a kubelet-style probe from a trusted source?
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_probe: bool,
    /// Is its duration no measure of the backend's speed (upgrade, event stream)?
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_streaming: bool,
    /// What only chosen exchanges carry.
    #[serde(flatten)]
    pub detail: RequestDetail,
}

/// Microseconds from the request head's first byte; steps that were not reached are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TimingsDocument {
    /// The request's head was read and valid, µs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head_read_us: Option<u32>,
    /// Backend and endpoint of the last attempt were chosen, µs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_chosen_us: Option<u32>,
    /// The connection to it stood, or a reused one was taken, µs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connected_us: Option<u32>,
    /// The request's last byte was handed to the kernel, µs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_us: Option<u32>,
    /// The first byte of the final response head arrived, µs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_byte_us: Option<u32>,
}

/// One attempt at a backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AttemptDocument {
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// The endpoint tried as `ip:port`, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// From choosing the endpoint to the attempt's outcome, µs, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_us: Option<u32>,
}

impl Document for HttpResponseDocument {
    const NAME: &'static str = "http_response";
}

impl HttpResponseDocument {
    /// The event's document, with its names resolved.
    pub fn new(event: &HttpResponseEvent, names: &Names) -> Self {
        let detail = event.detail.as_deref();
        let attempts = match detail {
            Some(detail) if !detail.attempts.is_empty() => {
                let attempts = detail.attempts.iter();
                attempts.map(|a| AttemptDocument::new(a, names)).collect()
            }
            _ => outcomes(event.attempts),
        };
        let trace_id = event.trace.trace_id_hex();
        Self {
            schema_version: SCHEMA_VERSION,
            event: DocumentKind::HttpResponse,
            exchange: event.exchange,
            timestamp: Timestamp::from_ns(event.wall_ns),
            monotonic_ns: event.start_ns,
            source: event.source,
            identity: IdentityDocument::resolve(&event.identity, names),
            method: event.method,
            authority: detail.and_then(|d| non_empty(&d.authority)),
            path: detail.and_then(|d| non_empty(split_query(&d.path).0)),
            downstream_version: event.downstream_version,
            upstream_version: event.upstream_version,
            status: (event.status != 0).then_some(event.status),
            grpc_status: event.grpc_status,
            outcome: event.outcome,
            side: event.side,
            reason: event.reason,
            duration_ns: event.last_byte_ns,
            timings: TimingsDocument::from(&event.timings),
            request_bytes: event.request_bytes,
            response_bytes: event.response_bytes,
            attempts_count: event.attempts_count,
            attempts,
            trace_flags: trace_id.is_some().then_some(event.trace.flags),
            trace_id,
            span_id: event.trace.span_id_hex(),
            downstream: FourTuple::default(),
            upstream: event.upstream,
            is_probe: event.is_probe,
            is_streaming: event.is_streaming,
            detail: detail.map(RequestDetail::new).unwrap_or_default(),
        }
    }

    /// Adds what only the request's event knows: the client's connection and, where the detail
    /// did not name them, the first bytes of path and authority.
    #[must_use]
    pub fn with_request(mut self, request: &HttpRequestEvent) -> Self {
        self.downstream = request.downstream;
        self.path = self.path.or_else(|| non_empty(request.path.as_str()));
        let authority = self.authority.take();
        self.authority = authority.or_else(|| non_empty(request.authority.as_str()));
        self
    }
}

impl AttemptDocument {
    fn new(attempt: &Attempt, names: &Names) -> Self {
        let endpoint = names.endpoint(attempt.endpoint);
        Self {
            outcome: attempt.outcome,
            endpoint: endpoint.map(|name| name.address.clone()),
            duration_us: Some(attempt.duration_us),
        }
    }
}

/// The attempts that fit a slot.
pub(crate) fn outcomes(attempts: [AttemptOutcome; 2]) -> Vec<AttemptDocument> {
    let made = attempts.into_iter().filter(|o| *o != AttemptOutcome::None);
    let documents = made.map(|outcome| AttemptDocument {
        outcome,
        endpoint: None,
        duration_us: None,
    });
    documents.collect()
}

impl From<&Timings> for TimingsDocument {
    fn from(timings: &Timings) -> Self {
        let reached = |step: u32| (step != Timings::UNSET).then_some(step);
        Self {
            head_read_us: reached(timings.head_read_us),
            upstream_chosen_us: reached(timings.upstream_chosen_us),
            connected_us: reached(timings.connected_us),
            sent_us: reached(timings.sent_us),
            first_byte_us: reached(timings.first_byte_us),
        }
    }
}

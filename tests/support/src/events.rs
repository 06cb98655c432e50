//! Events as the data plane and the detectors make them, for tests to change what they are about.

use rauta_schemas::{
    Address, AnomalyKind, AttemptOutcome, BackendName, ConnectionId, ExchangeId, FourTuple,
    HttpDetail, HttpMethod, HttpRequestEvent, HttpResponseEvent, HttpVersion, Identity, InlineText,
    ListenerId, Observed, ObserverEvent, Outcome, Phase, Reason, SampleExchange, Severity, Side,
    Source, Subject, Timings, TraceContext, Ulid, Unit,
};
use std::sync::Arc;

fn exchange(ordinal: u32) -> ExchangeId {
    ExchangeId {
        connection: ConnectionId::new(1, 1),
        ordinal,
    }
}

/// The head of a GET of `target`, with its detail, as one that the access log or sampling chose.
pub fn chosen_request(ordinal: u32, target: &str) -> HttpRequestEvent {
    HttpRequestEvent {
        detail: Some(Box::new(HttpDetail {
            path: target.to_owned(),
            ..HttpDetail::default()
        })),
        ..request(ordinal, target.split('?').next().unwrap_or(target))
    }
}

/// The head of a GET.
pub fn request(ordinal: u32, path: &str) -> HttpRequestEvent {
    HttpRequestEvent {
        exchange: exchange(ordinal),
        wall_ns: 1,
        start_ns: 1,
        downstream: FourTuple::default(),
        path: InlineText::new(path),
        authority: InlineText::new("a.test"),
        detail: None,
        listener: ListenerId::NONE,
        method: HttpMethod::Get,
        version: HttpVersion::Http11,
        source: Source::Proxy,
        is_probe: false,
    }
}

/// An answer of five bytes after 2 ms, from the only attempt.
pub fn response(ordinal: u32, status: u16) -> HttpResponseEvent {
    HttpResponseEvent {
        exchange: exchange(ordinal),
        wall_ns: 1,
        start_ns: 1,
        last_byte_ns: 2_000_000,
        timings: Timings {
            head_read_us: 10,
            upstream_chosen_us: 15,
            connected_us: 20,
            sent_us: 30,
            first_byte_us: 1_500,
        },
        request_bytes: 0,
        response_bytes: 5,
        trace: TraceContext::default(),
        upstream: FourTuple {
            source: Address::UNKNOWN,
            destination: Address::UNKNOWN,
        },
        identity: Identity::default(),
        detail: None,
        status,
        grpc_status: None,
        attempts_count: 1,
        attempts: [AttemptOutcome::Responded, AttemptOutcome::None],
        method: HttpMethod::Get,
        downstream_version: HttpVersion::Http11,
        upstream_version: HttpVersion::Http11,
        outcome: Outcome::Completed,
        side: Side::None,
        reason: Reason::None,
        source: Source::Proxy,
        is_probe: false,
        is_streaming: false,
        is_tls: false,
        is_upstream_tls: false,
    }
}

/// An anomaly with a number, whose documents have a namespace.
pub fn anomaly(number: u64) -> Arc<ObserverEvent> {
    Arc::new(ObserverEvent {
        id: Ulid::from_parts(1_700_000_000_000, u128::from(number)),
        kind: AnomalyKind::ErrorSpike,
        phase: Phase::Firing,
        severity: Severity::Error,
        key: format!("error_spike/HTTPRoute/shop/cart/{number}"),
        first_ns: 1,
        last_ns: 2,
        window_ns: 10_000_000_000,
        count: 1,
        side: Side::Backend,
        reason: Reason::None,
        subject: Subject {
            backend: Some(Arc::new(BackendName {
                namespace: "shop".to_owned(),
                service: "cart".to_owned(),
                port: 80,
            })),
            ..Subject::default()
        },
        baseline: None,
        observed: Observed {
            value: 0.5,
            unit: Unit::Ratio,
            threshold: 0.05,
            affected: 10,
            open: 0,
            total: 20,
            chance: None,
            lost: 0,
        },
        samples: Vec::new(),
    })
}

/// An exchange that shows an anomaly.
pub fn sample() -> SampleExchange {
    SampleExchange {
        exchange: exchange(1),
        wall_ns: 1,
        path: "/cart/17".to_owned(),
        status: 503,
        grpc_status: None,
        duration_ns: 2_000_000,
        timings: Timings::NONE,
        outcome: Some(Outcome::Completed),
        side: Side::Backend,
        reason: Reason::None,
        attempts_count: 1,
        attempts: [AttemptOutcome::Responded, AttemptOutcome::None],
        trace: TraceContext {
            trace_id: [1; 16],
            span_id: [2; 8],
            parent_id: [0; 8],
            flags: 1,
        },
        endpoint: "10.0.0.2:8080".to_owned(),
        downstream: FourTuple::default(),
        upstream: FourTuple::default(),
    }
}

//! Events for the sinks' own tests.

use rauta_schemas::{
    Address, AttemptOutcome, ConnectionId, ExchangeId, FourTuple, HttpDetail, HttpMethod,
    HttpRequestEvent, HttpResponseEvent, HttpVersion, Identity, InlineText, ListenerId, Outcome,
    Reason, Side, Source, Timings, TraceContext,
};

fn exchange(ordinal: u32) -> ExchangeId {
    ExchangeId {
        connection: ConnectionId::new(1, 1),
        ordinal,
    }
}

pub(crate) fn request(ordinal: u32, path: &str) -> HttpRequestEvent {
    HttpRequestEvent {
        exchange: exchange(ordinal),
        wall_ns: 1,
        start_ns: 1,
        downstream: FourTuple::default(),
        path: InlineText::new(path.split('?').next().unwrap_or(path)),
        authority: InlineText::new("a.test"),
        detail: Some(Box::new(HttpDetail {
            path: path.to_owned(),
            ..HttpDetail::default()
        })),
        listener: ListenerId::NONE,
        method: HttpMethod::Get,
        version: HttpVersion::Http11,
        source: Source::Proxy,
        is_probe: false,
    }
}

pub(crate) fn response(ordinal: u32, status: u16) -> HttpResponseEvent {
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
    }
}

//! Exchanges as the data plane tells them.

use rauta_schemas::{
    AttemptOutcome, ConnectionId, Event, ExchangeId, FourTuple, HttpMethod, HttpRequestEvent,
    HttpResponseEvent, HttpVersion, Identity, InlineText, ListenerId, Outcome, Reason, Side,
    Source, Timings, TraceContext,
};

/// Both events of an exchange of a recorded trace, with this many attempts (0 or 1).
pub(crate) fn exchange(ordinal: u32, attempts: u8, wall_ns: u64) -> [Event; 2] {
    let exchange = ExchangeId {
        connection: ConnectionId::new(1, 1),
        ordinal,
    };
    let request = HttpRequestEvent {
        exchange,
        wall_ns,
        start_ns: 1,
        downstream: FourTuple {
            source: std::net::SocketAddr::from(([10, 0, 0, 1], 41_000)).into(),
            destination: std::net::SocketAddr::from(([10, 0, 0, 2], 80)).into(),
        },
        path: InlineText::new("/cart/17/items"),
        authority: InlineText::new("shop.example.com"),
        detail: None,
        listener: ListenerId::NONE,
        method: HttpMethod::Get,
        version: HttpVersion::Http11,
        source: Source::Proxy,
        is_probe: false,
    };
    let response = HttpResponseEvent {
        exchange,
        wall_ns,
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
        response_bytes: 1_024,
        trace: TraceContext {
            trace_id: u128::from(ordinal).to_be_bytes(),
            span_id: u64::from(ordinal).to_be_bytes(),
            parent_id: [7; 8],
            flags: 1,
        },
        upstream: FourTuple::default(),
        identity: Identity::default(),
        detail: None,
        status: 200,
        grpc_status: None,
        attempts_count: attempts,
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
    };
    [Event::HttpRequest(request), Event::HttpResponse(response)]
}

//! The sink with traces alone, and exchanges as the data plane tells them.

use http::HeaderMap;
use rauta_schemas::{Event, HttpRequestEvent, HttpResponseEvent, Names, Producer, TraceContext};
use rauta_sinks::otlp::{
    Config, Inputs, Otlp, Patience, Protocol, Spans, Tail, Target, Temporality, TlsFiles,
};
use rauta_sinks::prometheus::Page;
use rauta_test_support::events::{request, response};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Where traces go, in the clear.
pub(crate) fn target(protocol: Protocol, address: SocketAddr) -> Target {
    let path = match protocol {
        Protocol::Grpc => "",
        Protocol::HttpProtobuf => "/v1/traces",
    };
    Target {
        protocol,
        url: format!("http://{address}{path}").parse().expect("a URL"),
        headers: HeaderMap::new(),
        timeout: Duration::from_secs(10),
        gzip: false,
        tls: TlsFiles::default(),
    }
}

/// A sink that sends traces there.
pub(crate) fn start(traces: Target, patience: Patience, names: Names) -> (Otlp, Spans) {
    let config = Config {
        traces: Some(traces),
        metrics: None,
        logs: None,
        service_name: "rauta".into(),
        resource: Vec::new(),
        tail: Tail {
            failed: true,
            slower_than: None,
        },
        metrics_interval: Duration::from_secs(1),
        metrics_temporality: Temporality::Cumulative,
        old_http_attributes: false,
    };
    let inputs = Inputs {
        names,
        page: Arc::new(Page::default()),
        anomalies: None,
        producer: Producer {
            cluster: "test".into(),
            node: "n1".into(),
            version: "0".into(),
        },
    };
    let (otlp, spans) = Otlp::start(config, patience, inputs).expect("starts");
    (otlp, spans.expect("traces are exported"))
}

/// Both events of an exchange of a recorded trace, with this many attempts (0 or 1).
pub(crate) fn exchange(ordinal: u32, attempts: u8, wall_ns: u64) -> [Event; 2] {
    let request = HttpRequestEvent {
        wall_ns,
        ..request(ordinal, "/cart/17/items")
    };
    let response = HttpResponseEvent {
        wall_ns,
        trace: TraceContext {
            trace_id: u128::from(ordinal).to_be_bytes(),
            span_id: u64::from(ordinal).to_be_bytes(),
            parent_id: [7; 8],
            flags: 1,
        },
        attempts_count: attempts,
        ..response(ordinal, 200)
    };
    [Event::HttpRequest(request), Event::HttpResponse(response)]
}

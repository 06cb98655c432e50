//! What OTLP costs and how late it is: spans per second of processor time through choice, queue,
//! encoding and sending, and the time from an exchange's end to the collector, over both protocols.
//!
//! `cargo bench -p rauta-sinks --bench otlp`. It fails when a promise is broken: 50,000 spans per
//! second and core, 99 of 100 spans at the collector within a second. The collector is a thread of
//! the bench's own; what it costs is not counted.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "a bench prints its result")]

#[path = "../tests/otlp/fixture.rs"]
mod fixture;

use bytes::Bytes;
use fixture::exchange;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use rauta_core::bus::Subscriber;
use rauta_core::clock;
use rauta_schemas::{
    BackendId, BackendName, EndpointId, EndpointName, Event, Identity, ListenerId, ListenerName,
    Names, RouteKind, RuleId, RuleName,
};
use rauta_sinks::otlp::{Otlp, Patience, Protocol, Spans, Target};
use rauta_sinks::totals::SinkTotals;
use rustix::time::{ClockId, clock_gettime};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Exchanges of the measured run, of two spans each.
const EXCHANGES: u32 = 150_000;
/// Exchanges a second, and seconds, of the run whose lateness is measured.
const PACE: (u32, u32) = (2_000, 5);
const SPANS_PER_SECOND_MIN: f64 = 50_000.0;
const LATE_P99_MAX: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let mut is_kept = true;
    for (protocol, gzip) in [
        (Protocol::Grpc, false),
        (Protocol::Grpc, true),
        (Protocol::HttpProtobuf, false),
        (Protocol::HttpProtobuf, true),
    ] {
        let through = spans_per_second(protocol, gzip);
        let late = late_p99(protocol, gzip);
        let compression = if gzip { ", gzip" } else { "" };
        println!(
            "{}{compression}: {:.0} spans/s per core; at the collector within {:.0} ms (p99)",
            protocol.label(),
            through,
            late.as_secs_f64() * 1e3,
        );
        is_kept &= through >= SPANS_PER_SECOND_MIN && late < LATE_P99_MAX;
    }
    if is_kept {
        return ExitCode::SUCCESS;
    }
    println!("under the limit of {SPANS_PER_SECOND_MIN} spans/s, or over {LATE_P99_MAX:?}");
    ExitCode::FAILURE
}

/// Processor time of the thread that offers and of the sink's.
fn spans_per_second(protocol: Protocol, gzip: bool) -> f64 {
    let collector = Collector::start(protocol);
    let mut sink = Sink::start(protocol, gzip, collector.address);
    sink.offer(1, clock::now().wall_ns);
    sink.wait_for(2);
    let start = (own_cpu_ns(), thread_cpu_ns("rauta-otlp"));
    for ordinal in 0..EXCHANGES {
        // As fast as the sink takes them: a drop would be cheaper than a span.
        while ordinal % 256 == 0 && sink.offered - sink.totals.sent() > 16_000 {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        sink.offer(ordinal + 2, 1);
    }
    sink.wait_for(2 * u64::from(EXCHANGES));
    let spent = own_cpu_ns() - start.0 + thread_cpu_ns("rauta-otlp") - start.1;
    sink.otlp.stop(Duration::from_secs(1)).expect("ends");
    f64::from(EXCHANGES) * 2.0 * 1e9 / spent as f64
}

/// From an exchange's end to its arrival, at a steady pace.
fn late_p99(protocol: Protocol, gzip: bool) -> Duration {
    let collector = Collector::start(protocol);
    let mut sink = Sink::start(protocol, gzip, collector.address);
    let start = clock::monotonic_ns();
    for ordinal in 0..PACE.0 * PACE.1 {
        let due = start + u64::from(ordinal) * 1_000_000_000 / u64::from(PACE.0);
        while clock::monotonic_ns() < due {
            std::thread::park_timeout(Duration::from_micros(200));
        }
        // It took 2 ms and ends now.
        sink.offer(ordinal + 1, clock::now().wall_ns - 2_000_000);
    }
    sink.wait_for(sink.offered);
    sink.otlp.stop(Duration::from_secs(1)).expect("ends");
    let mut late = collector
        .late
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    late.sort_unstable();
    Duration::from_nanos(late[late.len() * 99 / 100])
}

struct Sink {
    otlp: Otlp,
    spans: Spans,
    totals: Arc<SinkTotals>,
    identity: Identity,
    offered: u64,
}

impl Sink {
    fn start(protocol: Protocol, gzip: bool, address: SocketAddr) -> Self {
        let names = Names::default();
        let identity = identity(&names);
        let target = Target {
            gzip,
            ..fixture::target(protocol, address)
        };
        let (otlp, spans) = fixture::start(target, Patience::default(), names);
        Self {
            totals: Arc::clone(&otlp.totals()[0]),
            spans,
            otlp,
            identity,
            offered: 0,
        }
    }

    fn offer(&mut self, ordinal: u32, wall_ns: u64) {
        let [request, mut response] = exchange(ordinal, 1, wall_ns);
        if let Event::HttpResponse(response) = &mut response {
            response.identity = self.identity;
        }
        self.spans.on_event(&request);
        self.spans.on_event(&response);
        self.offered += 2;
    }

    fn wait_for(&self, sent: u64) {
        while self.totals.sent() < sent {
            let dropped = self.totals.dropped_in_all();
            assert_eq!(dropped, 0, "a drop is cheaper than a span");
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }
}

/// What an exchange meets usually, with its names.
fn identity(names: &Names) -> Identity {
    let backend = names.backends.intern(BackendName {
        namespace: "shop".into(),
        service: "cart".into(),
        port: 80,
    });
    let backend_id = BackendId::from(backend.number());
    let endpoint = names.endpoints.intern(EndpointName {
        address: "10.1.2.3:8080".into(),
        pod: "shop/cart-7d4b9c".into(),
        node: "n1".into(),
        backend: backend_id,
    });
    let listener = names.listeners.intern(ListenerName {
        namespace: "infra".into(),
        gateway: "edge".into(),
        listener: "http".into(),
        port: 80,
    });
    let rule = names.rules.intern(RuleName {
        kind: RouteKind::Http,
        namespace: "shop".into(),
        route: "cart".into(),
        rule: "0".into(),
        template: "/cart".into(),
    });
    // Released names stay resolvable.
    Identity {
        listener: ListenerId::from(listener.number()),
        rule: RuleId::from(rule.number()),
        backend: backend_id,
        endpoint: EndpointId::from(endpoint.number()),
    }
}

/// A collector on a thread of its own, which notes how late each span is.
struct Collector {
    address: SocketAddr,
    late: Arc<Mutex<Vec<u64>>>,
}

impl Collector {
    fn start(protocol: Protocol) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a mode");
        let address = listener.local_addr().expect("an address");
        let late = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&late);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.enable_all().build().expect("a runtime");
            runtime.block_on(serve(listener, protocol, noted));
        });
        Self { address, late }
    }
}

async fn serve(listener: std::net::TcpListener, protocol: Protocol, late: Arc<Mutex<Vec<u64>>>) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
    while let Ok((stream, _)) = listener.accept().await {
        let late = Arc::clone(&late);
        let service = service_fn(move |request| answer(request, protocol, Arc::clone(&late)));
        tokio::spawn(async move {
            let stream = TokioIo::new(stream);
            // A connection ends with the sink that made it.
            match protocol {
                Protocol::Grpc => http2::Builder::new(TokioExecutor::new())
                    .serve_connection(stream, service)
                    .await
                    .ok(),
                Protocol::HttpProtobuf => http1::Builder::new()
                    .serve_connection(stream, service)
                    .await
                    .ok(),
            }
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    protocol: Protocol,
    late: Arc<Mutex<Vec<u64>>>,
) -> Result<Response<http_body_util::combinators::BoxBody<Bytes, Infallible>>, Infallible> {
    let is_gzip = request.headers().contains_key("content-encoding");
    let body = request
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    let now_ns = clock::now().wall_ns;
    let (is_gzip, message) = match protocol {
        Protocol::HttpProtobuf => (is_gzip, body),
        Protocol::Grpc => (body[0] == 1, body.slice(5..)),
    };
    let message = match is_gzip {
        false => message,
        true => {
            let mut plain = Vec::new();
            let mut decoder = flate2::read::GzDecoder::new(&message[..]);
            std::io::Read::read_to_end(&mut decoder, &mut plain).expect("gzip");
            plain.into()
        }
    };
    let request = ExportTraceServiceRequest::decode(message).expect("spans");
    let scopes = request.resource_spans.iter().flat_map(|r| &r.scope_spans);
    let spans = scopes.flat_map(|scope| &scope.spans);
    late.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .extend(spans.map(|span| now_ns.saturating_sub(span.end_time_unix_nano)));
    let mut response = match protocol {
        Protocol::HttpProtobuf => Response::new(Full::new(Bytes::new()).boxed()),
        Protocol::Grpc => {
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            let empty = Full::new(Bytes::from_static(&[0; 5]));
            let trailers = std::future::ready(Some(Ok(trailers)));
            Response::new(empty.with_trailers(trailers).boxed())
        }
    };
    let kind = match protocol {
        Protocol::HttpProtobuf => "application/x-protobuf",
        Protocol::Grpc => "application/grpc",
    };
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert("content-type", kind);
    Ok(response)
}

/// What this thread has spent on a processor.
fn own_cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// What the thread of that name has spent on a processor; where several had it, the newest.
fn thread_cpu_ns(name: &str) -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux lists threads");
    let newest = tasks
        .filter_map(|task| task.ok().map(|task| task.path()))
        .filter(|task| {
            let comm = std::fs::read_to_string(task.join("comm"));
            comm.is_ok_and(|comm| comm.trim() == name)
        })
        .max();
    let spent = std::fs::read_to_string(newest.expect("the thread runs").join("schedstat"));
    let spent = spent.expect("Linux counts");
    let first = spent.split(' ').next();
    first.and_then(|ns| ns.parse().ok()).expect("nanoseconds")
}

//! The faults of a collector, each played by a stub over both protocols.
//!
//! Proves what the sink does with each; not that a real collector plays them so.

mod fixture; // the sink, and exchanges as the data plane tells them
mod stub; // the collector

use fixture::exchange;
use rauta_core::bus::Subscriber;
use rauta_schemas::Names;
use rauta_sinks::otlp::{Otlp, Patience, Protocol, Spans, Target};
use rauta_sinks::totals::{DropReason, Failure, SinkTotals};
use rauta_test_support::in_time;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use stub::{Play, Stub};
use tokio::net::TcpListener;
use tonic::Code;

mod tls; // certificates

const PROTOCOLS: [Protocol; 2] = [Protocol::Grpc, Protocol::HttpProtobuf];

/// Short, so that what a collector makes RAUTA wait for is told from what RAUTA waits by itself.
const PATIENCE: Patience = Patience {
    first: Duration::from_millis(10),
    longest: Duration::from_millis(50),
    give_up: Some(Duration::from_millis(1_500)),
};

const ANSWER_WITHIN: Duration = Duration::from_millis(400);

/// The sink, and who feeds it.
struct Sink {
    otlp: Otlp,
    spans: Spans,
    totals: Arc<SinkTotals>,
    offered: u32,
}

impl Sink {
    fn start(protocol: Protocol, address: SocketAddr) -> Self {
        Self::with(protocol, address, |_| {})
    }

    fn with(protocol: Protocol, address: SocketAddr, change: impl FnOnce(&mut Target)) -> Self {
        let mut target = fixture::target(protocol, address);
        target.timeout = ANSWER_WITHIN;
        change(&mut target);
        let (otlp, spans) = fixture::start(target, PATIENCE, Names::default());
        Self {
            totals: Arc::clone(&otlp.totals()[0]),
            spans,
            otlp,
            offered: 0,
        }
    }

    /// Offers so many exchanges, of one span each.
    fn offer(&mut self, count: u32) {
        for _ in 0..count {
            self.offered += 1;
            for event in exchange(self.offered, 0, 1) {
                self.spans.on_event(&event);
            }
        }
    }

    /// Waits until everything offered is sent or dropped.
    async fn settled(&self) {
        let offered = u64::from(self.offered);
        let mut look = tokio::time::interval(Duration::from_millis(10));
        let settling = async {
            while self.totals.sent() + self.totals.dropped_in_all() < offered {
                look.tick().await;
            }
        };
        in_time("all to be sent or dropped", settling).await;
        assert_eq!(self.totals.sent() + self.totals.dropped_in_all(), offered);
    }

    fn sent(&self) -> u64 {
        self.totals.sent()
    }

    fn dropped(&self, reason: DropReason) -> u64 {
        self.totals.dropped(reason)
    }

    async fn stop(self) {
        let stopping = tokio::task::spawn_blocking(|| self.otlp.stop(Duration::ZERO));
        stopping.await.expect("joins").expect("ends");
    }
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

/// Plays these to three spans, and tells what became of it.
async fn played(protocol: Protocol, plays: Vec<Play>) -> (Sink, Stub) {
    let (listener, address) = listener().await;
    let stub = Stub::new(protocol, plays);
    stub.listen(listener);
    let mut sink = Sink::with(protocol, address, |target| target.gzip = true);
    sink.offer(3);
    sink.settled().await;
    (sink, stub)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_connection_is_tried_again_until_it_stands() {
    for protocol in PROTOCOLS {
        let (listener, address) = listener().await;
        drop(listener);
        let mut sink = Sink::start(protocol, address);
        sink.offer(3);
        let mut look = tokio::time::interval(Duration::from_millis(5));
        let refused = async {
            while sink.totals.failed(Failure::Unreachable) < 3 {
                look.tick().await;
            }
        };
        in_time("refused connections", refused).await;
        let listener = TcpListener::bind(address).await.expect("the same port");
        let stub = Stub::new(protocol, []);
        stub.listen(listener);
        sink.settled().await;
        assert_eq!((sink.sent(), stub.taken().len()), (3, 1), "{protocol:?}");
        assert!(sink.totals.retried() >= 9);
        sink.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_and_drips_run_into_the_time_limit_and_end_in_a_drop() {
    for protocol in PROTOCOLS {
        for play in [Play::BlackHole, Play::Drip] {
            let (sink, stub) = played(protocol, vec![play.clone(); 32]).await;
            let dropped = sink.dropped(DropReason::RetryExhausted);
            assert_eq!((sink.sent(), dropped), (0, 3), "{protocol:?} {play:?}");
            let tries = sink.totals.failed(Failure::Timeout);
            assert!((2..=8).contains(&tries), "{tries} tries of {play:?}");
            assert_eq!(stub.taken().len() as u64, tries);
            sink.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_black_hole_holds_up_nobody_and_what_does_not_fit_is_counted() {
    for protocol in PROTOCOLS {
        let (listener, address) = listener().await;
        // Connections stand in the kernel; nobody reads.
        let mut sink = Sink::start(protocol, address);
        let began = tokio::time::Instant::now();
        sink.offer(60_000);
        let took = began.elapsed();
        assert!(took < Duration::from_secs(5), "offering took {took:?}");
        let full = sink.dropped(DropReason::QueueFull);
        assert!(full >= 60_000 - 16_384 - 2_048, "{full} dropped");
        let totals = Arc::clone(&sink.totals);
        let stopping = tokio::time::Instant::now();
        sink.stop().await;
        assert!(stopping.elapsed() < Duration::from_secs(5));
        assert_eq!(totals.sent(), 0);
        let accounted = totals.dropped_in_all() + totals.queued();
        assert_eq!(accounted, 60_000, "dropped or left waiting");
        drop(listener);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_not_tried_again() {
    let statuses =
        [400, 401, 403, 404].map(|status| (Protocol::HttpProtobuf, Play::Status(status, None)));
    let codes = [
        Code::InvalidArgument,
        Code::Unauthenticated,
        Code::PermissionDenied,
        Code::Unimplemented,
        Code::ResourceExhausted,
    ]
    .map(|code| (Protocol::Grpc, Play::Code(code, None)));
    for (protocol, play) in statuses.into_iter().chain(codes) {
        let (mut sink, stub) = played(protocol, vec![play.clone()]).await;
        assert_eq!(sink.dropped(DropReason::Rejected), 3, "{play:?}");
        assert_eq!((sink.sent(), sink.totals.retried()), (0, 0), "{play:?}");
        assert_eq!(stub.taken().len(), 1, "{play:?}");
        // What comes later is not held against what was refused.
        sink.offer(2);
        sink.settled().await;
        assert_eq!(sink.sent(), 2, "{play:?}");
        sink.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn busy_collectors_are_asked_again_when_they_say() {
    let second = Duration::from_secs(1);
    for (protocol, play) in [
        (Protocol::HttpProtobuf, Play::Status(429, Some(1))),
        (Protocol::HttpProtobuf, Play::Status(503, Some(1))),
        (
            Protocol::Grpc,
            Play::Code(Code::ResourceExhausted, Some(second)),
        ),
        (Protocol::Grpc, Play::Code(Code::Unavailable, Some(second))),
    ] {
        let (sink, stub) = played(protocol, vec![play.clone()]).await;
        assert_eq!(sink.sent(), 3, "{play:?}");
        let taken = stub.taken();
        assert_eq!(taken.len(), 2, "{play:?}");
        let waited = taken[1].at.duration_since(taken[0].at);
        assert!(waited >= second, "{waited:?} after {play:?}");
        sink.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failing_collectors_are_asked_again_with_back_off() {
    let statuses =
        [502, 503, 504, 429].map(|status| (Protocol::HttpProtobuf, Play::Status(status, None)));
    let codes = [
        Code::Unavailable,
        Code::Aborted,
        Code::Cancelled,
        Code::DeadlineExceeded,
        Code::OutOfRange,
        Code::DataLoss,
    ]
    .map(|code| (Protocol::Grpc, Play::Code(code, None)));
    for (protocol, play) in statuses.into_iter().chain(codes) {
        let (sink, stub) = played(protocol, vec![play.clone(); 2]).await;
        assert_eq!((sink.sent(), stub.taken().len()), (3, 3), "{play:?}");
        assert_eq!(sink.totals.retried(), 6, "{play:?}");
        sink.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_collector_rejects_of_a_request_is_counted_and_not_sent_again() {
    for protocol in PROTOCOLS {
        let (sink, stub) = played(protocol, vec![Play::Partial(2)]).await;
        let rejected = sink.dropped(DropReason::Rejected);
        assert_eq!((sink.sent(), rejected), (1, 2), "{protocol:?}");
        assert_eq!((stub.taken().len(), sink.totals.retried()), (1, 0));
        sink.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_off_is_no_answer() {
    for protocol in PROTOCOLS {
        let (sink, stub) = played(protocol, vec![Play::Reset; 2]).await;
        assert_eq!((sink.sent(), stub.taken().len()), (3, 3), "{protocol:?}");
        sink.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_for_people_is_no_success() {
    for protocol in PROTOCOLS {
        let (sink, stub) = played(protocol, vec![Play::Html]).await;
        let dropped = sink.dropped(DropReason::Rejected);
        assert_eq!((sink.sent(), dropped), (0, 3), "{protocol:?}");
        assert_eq!(stub.taken().len(), 1);
        sink.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_without_gzip_is_spoken_to_without() {
    for protocol in PROTOCOLS {
        let (mut sink, stub) = played(protocol, vec![Play::NoGzip]).await;
        sink.offer(1);
        sink.settled().await;
        let gzip: Vec<bool> = stub.taken().iter().map(|taken| taken.gzip).collect();
        assert_eq!(gzip, [true, false, false], "{protocol:?}");
        assert_eq!(sink.sent(), 4);
        sink.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_sent_in_parts() {
    for protocol in PROTOCOLS {
        let (sink, stub) = played(protocol, vec![Play::AtMost(1)]).await;
        let taken: Vec<usize> = stub.taken().iter().map(|taken| taken.spans).collect();
        assert_eq!(taken, [3, 1, 2, 1, 1], "{protocol:?}");
        assert_eq!((sink.sent(), sink.totals.retried()), (3, 0));
        sink.stop().await;
        // A span that is too large by itself will never be sent.
        let (sink, _stub) = played(protocol, vec![Play::AtMost(0)]).await;
        assert_eq!(sink.dropped(DropReason::TooLarge), 3, "{protocol:?}");
        sink.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_certificate_stops_nothing_but_the_export_until_it_is_renewed() {
    for protocol in PROTOCOLS {
        let folder = tempfile::tempdir().expect("a folder");
        let authority = tls::Authority::new(folder.path());
        let (listener, address) = listener().await;
        let (certificate, in_force) =
            tokio::sync::watch::channel(authority.acceptor(protocol, tls::Age::Expired));
        let stub = Stub::new(protocol, []);
        stub.listen_tls(listener, in_force);
        let mut sink = Sink::with(protocol, address, |target| {
            let url = target
                .url
                .to_string()
                .replace("http://127.0.0.1", "https://localhost");
            target.url = url.parse().expect("a URL");
            target.tls.certificate = Some(authority.file());
        });
        sink.offer(3);
        let mut look = tokio::time::interval(Duration::from_millis(5));
        let refused = async {
            while sink.totals.failed(Failure::Untrusted) < 2 {
                look.tick().await;
            }
        };
        in_time("refused handshakes", refused).await;
        assert!(
            stub.taken().is_empty(),
            "nothing is said to whom nobody vouches for"
        );
        certificate.send_replace(authority.acceptor(protocol, tls::Age::Valid));
        stub.wait_for(1).await;
        sink.settled().await;
        assert_eq!(sink.sent(), 3, "{protocol:?}");
        sink.stop().await;
    }
}

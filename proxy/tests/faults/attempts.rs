//! What becomes of requests whose backend is not there, is silent, or failed once.

use crate::harness::{Gateway, Route, config};
use rauta_routing::{Retry, Timeouts};
use rauta_schemas::{
    AttemptOutcome, EndpointTransition, Event, HttpProgressEvent, Reason, Side, Timings,
    TraceContext,
};
use rauta_test_support::{Message, Origin, Step};
use std::net::SocketAddr;
use std::time::Duration;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// An address where nobody listens.
fn nobody() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has ports");
    listener.local_addr().expect("the socket lives")
}

#[tokio::test]
async fn a_body_that_the_connections_end_completes_is_framed_for_the_client() {
    let answer = "HTTP/1.1 200 OK\r\n\r\nuntil the end";
    let origin = Origin::playing(vec![Step::Request, Step::send(answer)]).await;
    let gateway = Gateway::to(&origin).await;
    let mut client = gateway.client().await;
    assert_eq!(client.ask(GET).await.unchunked(), b"until the end");
    let response = client.ask("GET / HTTP/1.0\r\nHost: a\r\n\r\n").await;
    assert_eq!(response.text(), "until the end");
}

#[tokio::test]
async fn a_dead_reused_connection_is_replaced_once_where_that_is_safe() {
    // The connection dies exactly as the second request arrives on it.
    let dying = vec![Step::Request, Step::send(OK), Step::Head, Step::Close];
    let living = vec![Step::Request, Step::send(OK), Step::Again];
    for (request, status) in [
        (GET, 200),
        (
            "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
            502,
        ),
        ("POST / HTTP/1.1\r\nHost: a\r\n\r\n", 502),
    ] {
        let origin = Origin::playing_each(vec![dying.clone(), living.clone()]).await;
        let gateway = Gateway::to(&origin).await;
        let mut client = gateway.client().await;
        assert_eq!(client.ask(GET).await.status(), 200);
        assert_eq!(client.ask(request).await.status(), status, "{request}");
        let event = gateway.events.responses(2).await.remove(1);
        assert_eq!(event.attempts[0], AttemptOutcome::StaleConnection);
        assert_eq!(event.attempts_count, if status == 200 { 2 } else { 1 });
    }
}

#[tokio::test]
async fn a_refused_connection_ejects_its_endpoint_and_says_so() {
    let origin = Origin::saying("ok").await;
    let mut route = Route::to(&[&origin]);
    route.endpoints.push(nobody());
    let gateway = Gateway::start(config(), vec![route]).await;
    let mut client = gateway.client().await;
    let mut statuses = Vec::new();
    for _ in 0..30 {
        statuses.push(client.ask(GET).await.status());
    }
    let failed = statuses.iter().filter(|status| **status == 503).count();
    assert!(failed <= 1, "{statuses:?}");
    if failed == 1 {
        let select = |event| match event {
            Event::Endpoint(endpoint) => Some((endpoint.transition, endpoint.reason)),
            _ => None,
        };
        let told = gateway.events.select(1, select).await;
        assert_eq!(
            told,
            [(EndpointTransition::Ejected, Reason::ConnectRefused)]
        );
    }
}

#[tokio::test]
async fn without_endpoints_or_backends_the_answer_says_which() {
    let gateway = Gateway::start(
        config(),
        vec![
            Route {
                path: "/empty".into(),
                ..Route::default()
            },
            Route {
                path: "/invalid".into(),
                is_invalid: true,
                ..Route::default()
            },
            Route {
                path: "/refused".into(),
                endpoints: vec![nobody()],
                ..Route::default()
            },
        ],
    )
    .await;
    let mut client = gateway.client().await;
    let cases = [
        ("/empty", 503, Reason::NoEndpoint, Side::Backend),
        ("/invalid", 500, Reason::InvalidBackend, Side::Gateway),
        ("/refused", 503, Reason::ConnectRefused, Side::Backend),
        ("/none", 404, Reason::NoRoute, Side::Client),
    ];
    for (count, (path, status, reason, side)) in cases.into_iter().enumerate() {
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.ask(request).await.status(), status, "{path}");
        let event = gateway
            .events
            .responses(count + 1)
            .await
            .pop()
            .expect("an event");
        assert_eq!((event.reason, event.side), (reason, side), "{path}");
    }
}

#[tokio::test]
async fn grpc_clients_get_their_errors_as_trailers_only() {
    let route = Route {
        is_grpc: true,
        ..Route::default()
    };
    let gateway = Gateway::start(config(), vec![route]).await;
    let mut client = gateway.client().await;
    let request = "POST /s/m HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\n\r\n";
    let response = client.ask(request).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.field("grpc-status"), Some("14"));
    assert_eq!(gateway.events.response().await.grpc_status, Some(14));
}

#[tokio::test]
async fn a_rules_limits_are_answered_504_and_a_silent_backend_too() {
    let origin = Origin::playing(vec![Step::Request, Step::AwaitEnd]).await;
    let ms = |ms| Some(Duration::from_millis(ms));
    let whole = Timeouts {
        request: ms(50),
        backend_request: None,
    };
    let attempt = Timeouts {
        request: ms(5_000),
        backend_request: ms(50),
    };
    for (timeouts, reason) in [
        (whole, Reason::RequestTimeout),
        (attempt, Reason::BackendTimeout),
        (Timeouts::default(), Reason::BackendTimeout),
    ] {
        let mut config = config();
        config.limits.response_head = Duration::from_millis(300);
        let route = Route {
            timeouts,
            ..Route::to(&[&origin])
        };
        let gateway = Gateway::start(config, vec![route]).await;
        assert_eq!(gateway.client().await.ask(GET).await.status(), 504);
        let event = gateway.events.response().await;
        assert_eq!((event.reason, event.side), (reason, Side::Backend));
        assert_eq!(event.attempts[0], AttemptOutcome::Timeout);
    }
}

#[tokio::test]
async fn an_exchange_that_hangs_is_told_while_it_hangs() {
    let origin = Origin::playing(vec![Step::Request, Step::Wait, Step::send(OK)]).await;
    let gateway = Gateway::to(&origin).await;
    let mut client = gateway.client().await;
    client.send(GET).await;
    let select = |event| match event {
        Event::HttpProgress(progress) => Some(progress),
        _ => None,
    };
    let progress = gateway.events.select(1, select).await.remove(0);
    assert!(progress.age_ns >= HttpProgressEvent::FIRST_AFTER_MS * 1_000_000);
    assert_eq!(progress.status, 0);
    assert_ne!(progress.timings.sent_us, Timings::UNSET);
    assert_eq!(
        progress.upstream.destination.socket_addr(),
        origin.address()
    );
    origin.go_on();
    assert_eq!(client.response().await.status(), 200);
    assert_eq!(gateway.events.response().await.exchange, progress.exchange);
}

#[tokio::test]
async fn a_rules_retry_goes_to_another_endpoint_with_the_same_body() {
    let busy = "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n";
    let bad = Origin::answering(busy).await;
    let good = Origin::saying("ok").await;
    let codes = vec![http::StatusCode::SERVICE_UNAVAILABLE];
    let retry = Some(Retry {
        attempts: 2,
        backoff: None,
        codes,
    });
    let route = Route {
        retry,
        ..Route::to(&[&bad, &good])
    };
    let gateway = Gateway::start(config(), vec![route]).await;
    let mut client = gateway.client().await;
    for _ in 0..10 {
        let request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
        assert_eq!(client.ask(request).await.text(), "ok");
    }
    assert!(
        good.received()
            .iter()
            .all(|message| message.body == b"hello")
    );
    assert_eq!(good.received().len(), 10);
    let events = gateway.events.responses(10).await;
    let retried = events
        .iter()
        .filter(|event| event.attempts_count == 2)
        .count();
    assert_eq!(retried, bad.received().len());
    assert!(retried > 0);
    for event in events.iter().filter(|event| event.attempts_count == 2) {
        assert_eq!(
            event.attempts,
            [AttemptOutcome::RetriedStatus, AttemptOutcome::Responded]
        );
        let detail = event.detail.as_ref().expect("its attempts one by one");
        let statuses = [503, 200].map(Some);
        assert_eq!(
            [0, 1].map(|made| detail.attempts.get(made).map(|attempt| attempt.status)),
            statuses
        );
        for (made, origin) in [(0, &bad), (1, &good)] {
            let trace = TraceContext {
                span_id: event.trace.attempt_span_id(made),
                ..event.trace
            };
            let parent = trace.span_id_hex().expect("an id");
            let has_it = |message: &Message| {
                let seen = message.field("traceparent");
                seen.is_some_and(|seen| seen.contains(&parent))
            };
            assert!(origin.received().iter().any(has_it), "attempt {made}");
        }
    }
}

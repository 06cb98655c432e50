//! HTTP/1 to HTTP/1, byte by byte: what goes through, how it is framed, and what is told of it.

mod harness;

use harness::Gateway;
use rauta_schemas::{AttemptOutcome, HttpMethod, HttpVersion, Outcome, Reason, Side, Timings};
use rauta_test_support::{Origin, Step};

#[tokio::test]
async fn a_request_goes_through_and_its_two_events_tell_of_it() {
    let origin = Origin::saying("hello").await;
    let gateway = Gateway::to(&origin).await;
    let mut client = gateway.client().await;
    let request = "GET /a//b%2F?q=1 HTTP/1.1\r\nHost: Shop.Test:80\r\nX-Own: kept\r\n\r\n";
    let response = client.ask(request).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.text(), "hello");
    assert_eq!(response.field("content-length"), Some("5"));

    let received = origin.received().remove(0);
    assert!(
        received
            .head
            .starts_with("GET /a//b%2F?q=1 HTTP/1.1\r\nhost: Shop.Test:80\r\n")
    );
    assert_eq!(received.field("x-own"), Some("kept"));
    assert_eq!(received.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(received.field("x-forwarded-proto"), Some("http"));
    assert_eq!(received.field("x-forwarded-host"), Some("Shop.Test:80"));
    assert_eq!(received.field("x-forwarded-port"), Some("80"));
    assert_eq!(received.field("x-request-id").map(str::len), Some(32));
    assert_eq!(received.field("traceparent").map(str::len), Some(55));

    let asked = gateway.events.requests(1).await.remove(0);
    let answered = gateway.events.response().await;
    assert_eq!(asked.exchange, answered.exchange);
    assert_eq!(asked.exchange.ordinal, 1);
    assert_eq!(asked.path.as_str(), "/a//b%2F");
    assert_eq!(asked.authority.as_str(), "shop.test");
    assert_eq!(asked.downstream.source.socket_addr(), client.address());
    assert_eq!(answered.status, 200);
    assert_eq!(answered.method, HttpMethod::Get);
    assert_eq!((answered.request_bytes, answered.response_bytes), (0, 5));
    assert_eq!(
        answered.upstream.destination.socket_addr(),
        origin.address()
    );
    assert_eq!(answered.upstream_version, HttpVersion::Http11);
    assert_eq!(
        (answered.outcome, answered.side),
        (Outcome::Completed, Side::None)
    );
    assert_eq!(answered.reason, Reason::None);
    assert_eq!(answered.attempts_count, 1);
    assert_eq!(answered.attempts[0], AttemptOutcome::Responded);
    assert!(answered.identity.listener.is_some() && answered.identity.rule.is_some());
    assert!(answered.identity.backend.is_some() && answered.identity.endpoint.is_some());
    let Timings {
        head_read_us,
        upstream_chosen_us,
        connected_us,
        sent_us,
        first_byte_us,
    } = answered.timings;
    let steps = [
        head_read_us,
        upstream_chosen_us,
        connected_us,
        sent_us,
        first_byte_us,
    ];
    assert!(
        steps.is_sorted() && steps.iter().all(|step| *step != Timings::UNSET),
        "{steps:?}"
    );
    assert!(answered.last_byte_ns / 1_000 >= u64::from(first_byte_us));
}

#[tokio::test]
async fn connections_are_kept_on_both_sides() {
    let origin = Origin::saying("ok").await;
    let gateway = Gateway::to(&origin).await;
    let mut client = gateway.client().await;
    for ordinal in 1..=5 {
        assert_eq!(
            client.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.text(),
            "ok"
        );
        let requests = gateway.events.requests(ordinal).await;
        assert_eq!(requests[ordinal - 1].exchange.ordinal, ordinal as u32);
    }
    assert_eq!(origin.connections(), 1);
    assert_eq!(gateway.proxy.totals().upstream_reused, 4);
    assert_eq!(gateway.proxy.totals().accepted, 1);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let step = |body: &str| {
        Step::send(format!(
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{body}"
        ))
    };
    let script = vec![
        Step::Request,
        step("a"),
        Step::Request,
        step("b"),
        Step::Request,
        step("c"),
    ];
    let origin = Origin::playing(script).await;
    let gateway = Gateway::to(&origin).await;
    let mut client = gateway.client().await;
    let request = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    client
        .send([request("/1"), request("/2"), request("/3")].concat())
        .await;
    for body in ["a", "b", "c"] {
        assert_eq!(client.response().await.text(), body);
    }
    let lines: Vec<_> = origin
        .received()
        .iter()
        .map(|message| message.head[..6].to_owned())
        .collect();
    assert_eq!(lines, ["GET /1", "GET /2", "GET /3"]);
}

#[tokio::test]
async fn chunked_bodies_are_framed_anew_both_ways_with_their_trailers() {
    let response = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
                    5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nx-sum: 6\r\ncontent-length: 9\r\n\r\n";
    let origin = Origin::answering(response).await;
    let gateway = Gateway::to(&origin).await;
    let mut client = gateway.client().await;
    let request = "POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n\
                   3;ext\r\nabc\r\n0\r\nX-Tail: t\r\n\r\n";
    for _ in 0..2 {
        let response = client.ask(request).await;
        assert_eq!(response.unchunked(), b"hello!");
        assert!(
            response.text().ends_with("0\r\nx-sum: 6\r\n\r\n"),
            "{}",
            response.text()
        );
    }
    let received = origin.received();
    assert_eq!(received[1].field("transfer-encoding"), Some("chunked"));
    assert_eq!(received[1].text(), "3\r\nabc\r\n0\r\nx-tail: t\r\n\r\n");
    assert_eq!(origin.connections(), 1);
}

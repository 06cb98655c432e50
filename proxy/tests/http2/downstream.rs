//! HTTP/2 from the client, HTTP/1 to the backend.

use crate::harness::{Gateway, config};
use crate::peer::{Client, answer, get, post};
use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, HeaderValue};
use rauta_schemas::{AttemptOutcome, HttpVersion, Outcome, Side};
use rauta_test_support::{Origin, Step, in_time};
use std::future::poll_fn;

#[tokio::test]
async fn both_protocols_are_served_on_one_port() {
    let origin = Origin::saying("hello").await;
    let gateway = Gateway::to(&origin).await;
    let mut http2 = Client::connect(gateway.address).await;
    let mut http1 = gateway.client().await;
    for ordinal in 1..=3 {
        let answer = http2.ask(get("/a?q=1")).await;
        assert_eq!((answer.status(), &*answer.text()), (200, "hello"));
        assert_eq!(answer.field("content-length"), Some("5"));
        let told = gateway.events.responses(2 * ordinal - 1).await;
        let told = &told[2 * ordinal - 2];
        assert_eq!(told.exchange.ordinal as usize, ordinal);
        assert_eq!(told.downstream_version, HttpVersion::Http2);
        assert_eq!(told.upstream_version, HttpVersion::Http11);
        assert_eq!((told.outcome, told.side), (Outcome::Completed, Side::None));
        assert_eq!(told.attempts[0], AttemptOutcome::Responded);
        let response = http1.ask("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
        assert_eq!(response.text(), "hello");
        gateway.events.responses(2 * ordinal).await;
    }
    let received = origin.received().remove(0);
    assert!(
        received
            .head
            .starts_with("GET /a?q=1 HTTP/1.1\r\nhost: shop.test\r\n")
    );
    assert_eq!(gateway.proxy.totals().accepted, 2);
}

#[tokio::test]
async fn a_preface_that_comes_byte_by_byte_is_known_and_http1_is_never_kept_waiting() {
    let origin = Origin::saying("hello").await;
    let gateway = Gateway::to(&origin).await;
    let mut slow = gateway.client().await;
    for byte in b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" {
        slow.send([*byte]).await;
    }
    // An empty SETTINGS frame; the answer begins with RAUTA's own.
    slow.send([0, 0, 0, 4, 0, 0, 0, 0, 0]).await;
    let frame = slow.bytes(4).await;
    assert_eq!(frame[3], 4);

    let mut almost = gateway.client().await;
    let refused = almost.ask("PRI * HTTP/2.0\r\n\r\nGET").await;
    assert_eq!(refused.status(), 505);
    let mut shouting = gateway.client().await;
    assert_eq!(
        shouting
            .ask("PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n")
            .await
            .status(),
        200
    );
}

#[tokio::test]
async fn bodies_and_trailers_are_framed_for_http1_and_back() {
    let response = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nset-cookie: a=1\r\n\
                    set-cookie: b=2\r\nconnection: x-hop\r\nx-hop: 1\r\n\r\n\
                    5\r\nhello\r\n1\r\n!\r\n0\r\nx-sum: 6\r\ncontent-length: 9\r\n\r\n";
    let origin = Origin::answering(response).await;
    let gateway = Gateway::to(&origin).await;
    let mut client = Client::connect(gateway.address).await;
    let mut request = post("/upload");
    let fields = request.headers_mut();
    fields.append("cookie", HeaderValue::from_static("a=1"));
    fields.append("cookie", HeaderValue::from_static("b=2"));
    fields.insert("te", HeaderValue::from_static("trailers"));
    let (response, mut body) = client.open(request, false).await;
    body.send_data(Bytes::from_static(b"abc"), false)
        .expect("an open stream");
    let mut trailers = HeaderMap::new();
    trailers.insert("x-tail", HeaderValue::from_static("t"));
    trailers.insert("authorization", HeaderValue::from_static("late"));
    body.send_trailers(trailers).expect("an open stream");

    let answer = answer(response).await;
    assert_eq!(answer.text(), "hello!");
    assert_eq!(answer.trailer("x-sum"), Some("6"));
    assert_eq!(answer.trailer("content-length"), None);
    assert_eq!(answer.field("x-hop"), None);
    assert_eq!(
        answer.head.headers().get_all("set-cookie").iter().count(),
        2
    );
    let received = origin.received().remove(0);
    assert_eq!(received.field("transfer-encoding"), Some("chunked"));
    assert_eq!(received.field("cookie"), Some("a=1; b=2"));
    assert_eq!(received.field("te"), Some("trailers"));
    assert_eq!(received.text(), "3\r\nabc\r\n0\r\nx-tail: t\r\n\r\n");
    let told = gateway.events.response().await;
    assert_eq!((told.request_bytes, told.response_bytes), (3, 6));
}

#[tokio::test]
async fn a_malformed_request_ends_its_stream_alone() {
    let origin = Origin::saying("hello").await;
    let gateway = Gateway::to(&origin).await;
    let mut client = Client::connect(gateway.address).await;
    for path in ["/a/../b", "/%2e%2e/b"] {
        let answer = client.ask(get(path)).await;
        assert_eq!(answer.status(), 400, "{path}");
    }
    let mut mismatched = get("/");
    mismatched
        .headers_mut()
        .insert("host", HeaderValue::from_static("other.test"));
    assert_eq!(client.ask(mismatched).await.status(), 400);
    assert_eq!(client.ask(get("/")).await.text(), "hello");
    assert_eq!(gateway.events.responses(4).await.len(), 4);
    assert_eq!(gateway.events.requests(4).await.len(), 4);
    assert_eq!(gateway.proxy.totals().accepted, 1);
    assert_eq!(origin.received().len(), 1);
}

#[tokio::test]
async fn a_response_that_breaks_off_is_reset_never_ended() {
    let script = vec![
        Step::Request,
        Step::send("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhell"),
    ];
    let whole = vec![Step::Request, Step::send("HTTP/1.1 204 No Content\r\n\r\n")];
    let origin = Origin::playing_each(vec![script, whole]).await;
    let gateway = Gateway::to(&origin).await;
    let mut client = Client::connect(gateway.address).await;
    let (response, _) = client.open(get("/"), true).await;
    let error = crate::peer::try_answer(response)
        .await
        .expect_err("a broken-off response");
    assert_eq!(error.reason(), Some(Reason::INTERNAL_ERROR));
    let told = gateway.events.response().await;
    assert_eq!(
        (told.outcome, told.side),
        (Outcome::Truncated, Side::Backend)
    );
    assert_eq!(client.ask(get("/")).await.status(), 204);
}

#[tokio::test]
async fn an_early_answer_ends_its_stream_with_what_little_is_left_of_the_request() {
    let origin = Origin::saying("hello").await;
    let gateway = Gateway::to(&origin).await;
    let mut client = Client::connect(gateway.address).await;
    let (response, mut body) = client.open(post("/a/../b"), false).await;
    assert_eq!(answer(response).await.status(), 400);
    // Had the stream been reset, the reset would have come before this.
    assert_eq!(client.ask(get("/")).await.text(), "hello");
    let late = body.send_data(Bytes::from_static(b"abc"), true);
    late.expect("the stream was not reset");
    assert_eq!(client.ask(get("/")).await.text(), "hello");
}

#[tokio::test]
async fn an_early_answer_does_not_wait_for_a_long_request() {
    let gateway = Gateway::start(config(), Vec::new()).await;
    let mut client = Client::connect(gateway.address).await;
    let mut announced = post("/");
    let fields = announced.headers_mut();
    fields.insert("content-length", HeaderValue::from_static("65537"));
    let (_, mut body) = client.open(announced, false).await;
    let reset = in_time("a reset", poll_fn(|cx| body.poll_reset(cx))).await;
    assert_eq!(reset.expect("a reason"), Reason::NO_ERROR);

    let (response, mut body) = client.open(post("/"), false).await;
    assert_eq!(answer(response).await.status(), 404);
    let sent = body.send_data(Bytes::from(vec![0; 65537]), false);
    sent.expect("an open stream");
    let reset = in_time("a reset", poll_fn(|cx| body.poll_reset(cx))).await;
    assert_eq!(reset.expect("a reason"), Reason::NO_ERROR);
}

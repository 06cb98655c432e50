//! HTTP/2 to the backend from both protocols (`downstream` has HTTP/1 to the backend).

use crate::harness::{Gateway, config};
use crate::origin::{Http2Origin, Received, field};
use crate::peer::{Client, answer, get, post};
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use rauta_schemas::{HttpVersion, Outcome};
use std::sync::Arc;
use tokio::sync::mpsc;

/// An origin that echoes bodies with `grpc-status: 7` after them, and what it reads.
async fn echo() -> (Http2Origin, mpsc::Receiver<Received>) {
    let (seen, sees) = mpsc::channel(64);
    let origin = Http2Origin::serving(100, move |call| {
        let seen = seen.clone();
        async move {
            let received = call.echo(Some(field("grpc-status", "7"))).await;
            seen.try_send(received).expect("the test lives");
        }
    })
    .await;
    (origin, sees)
}

#[tokio::test]
async fn http1_bodies_and_trailers_become_frames_and_chunks_again() {
    let (origin, mut sees) = echo().await;
    let gateway = Gateway::start(config(), vec![origin.route()]).await;
    let mut client = gateway.client().await;
    let request = "POST /a?b HTTP/1.1\r\nHost: shop.test\r\nTE: trailers\r\nConnection: x-hop\r\n\
                   X-Hop: 1\r\nTransfer-Encoding: chunked\r\n\r\n\
                   3\r\nabc\r\n2\r\nde\r\n0\r\nX-Tail: t\r\nHost: no\r\n\r\n";
    for ordinal in 1..=2 {
        let response = client.ask(request).await;
        assert_eq!(response.unchunked(), b"abcde");
        let text = response.text();
        assert!(text.ends_with("0\r\ngrpc-status: 7\r\n\r\n"), "{text}");
        let received = sees.recv().await.expect("a request");
        assert_eq!(received.head.uri(), "http://shop.test/a?b");
        assert_eq!(received.head.headers()["te"], "trailers");
        for gone in ["x-hop", "connection", "transfer-encoding", "host"] {
            assert!(!received.head.headers().contains_key(gone), "{gone}");
        }
        assert_eq!(received.body, b"abcde");
        assert_eq!(received.trailers, Some(field("x-tail", "t")));
        let told = gateway.events.responses(ordinal).await.remove(ordinal - 1);
        assert_eq!(told.downstream_version, HttpVersion::Http11);
        assert_eq!(told.upstream_version, HttpVersion::Http2);
        assert_eq!(told.grpc_status, Some(7));
        assert_eq!((told.request_bytes, told.response_bytes), (5, 5));
        assert_eq!(told.outcome, Outcome::Completed);
    }
    let sized = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd";
    assert_eq!(client.ask(sized).await.unchunked(), b"abcd");
    let received = sees.recv().await.expect("a request");
    assert_eq!(received.head.headers()["content-length"], "4");
    assert_eq!(origin.connections(), 1);
}

#[tokio::test]
async fn http2_bodies_and_trailers_pass_both_ways() {
    let (origin, mut sees) = echo().await;
    let gateway = Gateway::start(config(), vec![origin.route()]).await;
    let mut client = Client::connect(gateway.address).await;
    let mut request = post("/pkg.Service/Method");
    let fields = request.headers_mut();
    fields.insert("te", HeaderValue::from_static("trailers"));
    fields.insert("content-type", HeaderValue::from_static("application/grpc"));
    let (response, mut body) = client.open(request, false).await;
    let large = Bytes::from(vec![b'x'; 300_000]);
    body.send_data(large.clone(), false)
        .expect("an open stream");
    let mut trailers = field("x-tail", "t");
    trailers.insert("te", HeaderValue::from_static("trailers"));
    body.send_trailers(trailers).expect("an open stream");
    let answer = answer(response).await;
    assert_eq!(answer.body, large);
    assert_eq!(answer.trailer("grpc-status"), Some("7"));
    let received = sees.recv().await.expect("a request");
    assert_eq!(received.head.headers()["te"], "trailers");
    assert_eq!(received.body, large);
    assert_eq!(received.trailers, Some(field("x-tail", "t")));
    let told = gateway.events.response().await;
    assert_eq!(
        (told.request_bytes, told.response_bytes),
        (300_000, 300_000)
    );
    assert_eq!(told.grpc_status, Some(7));
}

#[tokio::test]
async fn interim_responses_pass_and_100_goes_to_a_client_that_waits_for_it() {
    let origin = Http2Origin::serving(100, |mut call| async move {
        let mut hints = Response::new(());
        *hints.status_mut() = StatusCode::EARLY_HINTS;
        *hints.headers_mut() = field("link", "</a.css>");
        let mut go_on = Response::new(());
        *go_on.status_mut() = StatusCode::CONTINUE;
        for interim in [hints, go_on] {
            let sent = call.respond.send_informational(interim);
            sent.expect("an open stream");
        }
        call.echo(None).await;
    })
    .await;
    let gateway = Gateway::start(config(), vec![origin.route()]).await;
    let mut client = Client::connect(gateway.address).await;
    let mut request = post("/");
    let expect = HeaderValue::from_static("100-continue");
    request.headers_mut().insert("expect", expect);
    let (mut response, mut body) = client.open(request, false).await;
    for status in [103, 100] {
        let interim = std::future::poll_fn(|cx| response.poll_informational(cx)).await;
        let interim = interim
            .expect("an interim response")
            .expect("a live stream");
        assert_eq!(interim.status(), status);
        assert_eq!(interim.headers().contains_key("link"), status == 103);
    }
    let sent = body.send_data(Bytes::from_static(b"abc"), true);
    sent.expect("an open stream");
    assert_eq!(answer(response).await.text(), "abc");

    let mut http1 = gateway.client().await;
    let request = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
    http1.send(request).await;
    for status in [103, 100] {
        let head = http1.try_head().await.expect("an interim response");
        assert_eq!(head.status(), status);
    }
    assert_eq!(http1.ask("abc").await.unchunked(), b"abc");
}

#[tokio::test]
async fn responses_without_a_body_end_with_their_head() {
    let origin = Http2Origin::serving(100, |mut call| async move {
        let mut response = Response::new(());
        let path = call.request.uri().path().to_owned();
        if path == "/304" {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        if path == "/head" {
            *response.headers_mut() = field("content-length", "12");
        }
        call.respond
            .send_response(response, true)
            .expect("an open stream");
    })
    .await;
    let gateway = Gateway::start(config(), vec![origin.route()]).await;
    let mut client = Client::connect(gateway.address).await;
    assert_eq!(client.ask(get("/304")).await.status(), 304);
    let empty = client.ask(get("/")).await;
    assert_eq!((empty.status(), empty.body.len()), (200, 0));
    let mut head = get("/head");
    *head.method_mut() = http::Method::HEAD;
    let head = client.ask(head).await;
    assert_eq!(head.field("content-length"), Some("12"));
    let mut http1 = gateway.client().await;
    let response = http1.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(response.field("content-length"), Some("0"));
}

#[tokio::test]
async fn a_client_without_a_window_holds_the_backend_back() {
    const WHOLE: usize = 8 * 1024 * 1024;
    let accepted = Arc::new(tokio::sync::watch::Sender::new(0_usize));
    let counter = Arc::clone(&accepted);
    let origin = Http2Origin::serving(100, move |mut call| {
        let counter = Arc::clone(&counter);
        async move {
            if call.request.uri().path() != "/large" {
                let response = Response::new(());
                call.respond
                    .send_response(response, true)
                    .expect("an open stream");
                return;
            }
            let sent = call.respond.send_response(Response::new(()), false);
            let mut stream = sent.expect("an open stream");
            let mut left = WHOLE;
            while left > 0 {
                stream.reserve_capacity(left.min(16 * 1024));
                let room = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await;
                let room = room.expect("an open stream").expect("an open stream");
                let piece = Bytes::from(vec![b'x'; room.min(left)]);
                left -= piece.len();
                counter.send_modify(|count| *count += piece.len());
                stream.send_data(piece, left == 0).expect("an open stream");
            }
        }
    })
    .await;
    let gateway = Gateway::start(config(), vec![origin.route()]).await;
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(0);
    let mut client = Client::with(builder, gateway.address).await;
    let (large, _) = client.open(get("/large"), true).await;
    let response = large.await.expect("a head");
    // Each of these takes the whole way there and back, as any byte of the body could have.
    for _ in 0..200 {
        assert_eq!(client.ask(get("/small")).await.status(), 200);
    }
    let held = *accepted.borrow();
    assert!(
        (1..=256 * 1024).contains(&held),
        "{held} bytes were taken for nobody"
    );
    assert!(gateway.proxy.totals().response_bytes <= 128 * 1024);

    let mut stream = response.into_body();
    let mut received = 0;
    // A window of its own, a megabyte at a time.
    client.grow(1024 * 1024).await;
    while let Some(data) = stream.data().await {
        let data = data.expect("a whole response");
        received += data.len();
        let window = stream.flow_control();
        window.release_capacity(data.len()).expect("an open stream");
    }
    assert_eq!(received, WHOLE);
}

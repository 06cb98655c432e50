//! Clients that never stop, and never get on: each byte is progress, and all of them together are
//! too few to hold a connection and a backend for.

mod harness;

use harness::{Gateway, Route, config};
use rauta_proxy::Config;
use rauta_schemas::{Outcome, Reason, Side};
use rauta_test_support::http2::{FrameClient, data, frame, headers, kind};
use rauta_test_support::{Origin, Step};
use std::time::Duration;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const POST: [(&str, &str); 4] = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/"),
    (":authority", "a"),
];

/// A client's speed is looked at after this time, which is also all that it may pause.
fn limited(progress_ms: u64, bytes_per_s: u32) -> Config {
    let mut config = config();
    config.limits.progress = Duration::from_millis(progress_ms);
    config.limits.client_bytes_per_s = bytes_per_s;
    config
}

/// Far beyond a client that waits for the origin after each byte, far below none at all.
const FAST: u32 = 1_000_000;

/// Reads `count` bytes one by one and then answers.
fn byte_by_byte(count: usize) -> Vec<Step> {
    let mut script = vec![Step::Head];
    script.resize(count + 1, Step::Bytes(1));
    script.push(Step::send(OK));
    script
}

/// The next byte has reached the origin; false if the origin's connection has ended.
async fn arrives(origin: &Origin, count: usize) -> bool {
    tokio::select! {
        () = origin.has_read(1 + count) => true,
        () = origin.has_ended(1) => false,
    }
}

#[tokio::test]
async fn a_body_that_drips_is_answered_408() {
    const LENGTH: usize = 200_000;
    let origin = Origin::playing(byte_by_byte(LENGTH)).await;
    let gateway = Gateway::start(limited(300, FAST), vec![Route::to(&[&origin])]).await;
    let mut client = gateway.client().await;
    client
        .send(format!(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {LENGTH}\r\n\r\n"
        ))
        .await;
    let mut sent = 0;
    loop {
        client.send("x").await;
        sent += 1;
        if !arrives(&origin, sent).await {
            break;
        }
    }
    assert_eq!(client.response().await.status(), 408);
    let event = gateway.events.response().await;
    assert_eq!(
        (event.side, event.reason),
        (Side::Client, Reason::ClientTimeout)
    );
}

#[tokio::test]
async fn a_stream_that_drips_is_answered_408() {
    let origin = Origin::playing(byte_by_byte(200_000)).await;
    let gateway = Gateway::start(limited(300, FAST), vec![Route::to(&[&origin])]).await;
    let mut client = FrameClient::connect(gateway.address).await;
    let fields = [&POST[..], &[("content-length", "200000")]].concat();
    let stream = client.open(&fields, false).await;
    let mut sent = 0;
    loop {
        client.send(data(stream, b"x", false)).await;
        sent += 1;
        if !arrives(&origin, sent).await {
            break;
        }
    }
    assert_eq!(client.hear(stream).await.statuses, [408]);
    let event = gateway.events.response().await;
    assert_eq!(
        (event.side, event.reason),
        (Side::Client, Reason::ClientTimeout)
    );
}

#[tokio::test]
async fn a_body_that_comes_slowly_but_surely_is_waited_for() {
    const LENGTH: usize = 20_000;
    for bytes_per_s in [0, 100] {
        let origin = Origin::playing(byte_by_byte(LENGTH)).await;
        let gateway = Gateway::start(limited(1000, bytes_per_s), vec![Route::to(&[&origin])]).await;
        let mut client = gateway.client().await;
        client
            .send(format!(
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {LENGTH}\r\n\r\n"
            ))
            .await;
        for sent in 1..=LENGTH {
            client.send("x").await;
            assert!(arrives(&origin, sent).await || sent == LENGTH);
        }
        assert_eq!(client.response().await.text(), "ok");
    }
}

/// Asks for a response of this length and lets the window grow by `step` bytes for each piece that
/// arrives; gives how much came, and whether it was all.
async fn drip(gateway: &Gateway, length: usize, step: u32) -> (usize, bool) {
    let mut client = FrameClient::connect(gateway.address).await;
    let grow = |stream, bytes: u32| frame(kind::WINDOW, 0, stream, &bytes.to_be_bytes());
    client.send(grow(0, 1_000_000)).await;
    client.send(headers(1, &POST, true)).await;
    let mut received = 0;
    loop {
        let frame = client.frame().await.expect("the connection lives");
        match frame.kind {
            kind::DATA => received += frame.payload.len(),
            kind::RESET => return (received, false),
            _ => continue,
        }
        if received == length {
            return (received, true);
        }
        // The first window is the protocol's own.
        if received >= 65_535 {
            client.send(grow(1, step)).await;
        }
    }
}

async fn answering(length: usize) -> Origin {
    let mut answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n").into_bytes();
    answer.resize(answer.len() + length, b'x');
    Origin::answering(answer).await
}

#[tokio::test]
async fn a_response_that_is_read_by_drips_is_given_up() {
    let origin = answering(1_000_000).await;
    let gateway = Gateway::start(limited(300, FAST), vec![Route::to(&[&origin])]).await;
    let (received, is_all) = drip(&gateway, 1_000_000, 1).await;
    assert!(!is_all && received >= 65_535, "{received}");
    let event = gateway.events.response().await;
    assert_eq!(
        (event.outcome, event.side),
        (Outcome::Abandoned, Side::Client)
    );
    assert_eq!((event.reason, event.status), (Reason::Stalled, 200));
}

#[tokio::test]
async fn a_response_that_is_read_slowly_but_surely_is_waited_for() {
    const LENGTH: usize = 65_535 + 30_000;
    let origin = answering(LENGTH).await;
    let gateway = Gateway::start(limited(1000, 100), vec![Route::to(&[&origin])]).await;
    assert_eq!(drip(&gateway, LENGTH, 1).await, (LENGTH, true));
    let event = gateway.events.response().await;
    assert_eq!(
        (event.outcome, event.side),
        (Outcome::Completed, Side::None)
    );
}

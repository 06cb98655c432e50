//! What a client can make RAUTA do for nothing, and how a drain parts with clients.

use crate::harness::{Gateway, config};
use crate::origin::Http2Origin;
use crate::peer::{Client, get};
use h2::Reason;
use rauta_core::drain::Mode;
use rauta_schemas::{ConnectionReason, Event, Outcome};
use rauta_test_support::{Origin, RawClient};
use std::sync::Arc;
use tokio::sync::Notify;

async fn ended_for(gateway: &Gateway) -> ConnectionReason {
    let ended = gateway
        .events
        .select(1, |event| match event {
            Event::Connection(event) => Some(event.reason),
            _ => None,
        })
        .await;
    ended[0]
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len())
        .expect("a short frame")
        .to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// A connection that was greeted, as bytes.
async fn greeted(gateway: &Gateway) -> RawClient {
    let mut client = gateway.client().await;
    client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    client.send(frame(4, 0, 0, b"")).await;
    client
}

/// The error code of the GOAWAY that ends a connection.
fn goaway(mut bytes: &[u8]) -> Option<u32> {
    while bytes.len() >= 9 {
        let length = usize::from(bytes[1]) << 8 | usize::from(bytes[2]);
        let (kind, rest) = (bytes[3], &bytes[9..]);
        if kind == 7 {
            let code = rest.get(4..8)?.try_into().ok()?;
            return Some(u32::from_be_bytes(code));
        }
        bytes = rest.get(length..)?;
    }
    None
}

#[tokio::test]
async fn streams_reset_as_they_are_opened_end_the_connection() {
    let origin = Origin::saying("hello").await;
    let gateway = Gateway::to(&origin).await;
    let mut client = greeted(&gateway).await;
    // :method GET, :scheme http, :path /, :authority a.
    let head = [0x82, 0x86, 0x84, 0x41, 0x01, b'a'];
    let mut flood = Vec::new();
    for stream in (1..1001).step_by(2) {
        flood.extend(frame(1, 0x05, stream, &head));
        flood.extend(frame(3, 0, stream, &8_u32.to_be_bytes()));
    }
    client.send_if_open(flood).await;
    assert_eq!(
        goaway(&client.rest().await),
        Some(Reason::ENHANCE_YOUR_CALM.into())
    );
    assert_eq!(ended_for(&gateway).await, ConnectionReason::Http2);
    let totals = gateway.proxy.totals();
    let requests = gateway.events.requests(totals.requests as usize).await;
    let responses = gateway.events.responses(totals.requests as usize).await;
    assert_eq!(requests.len(), responses.len());
}

#[tokio::test]
async fn requests_taken_back_again_and_again_end_the_connection() {
    let origin = Http2Origin::serving(1000, |mut call| async move {
        let _reset = std::future::poll_fn(|cx| call.respond.poll_reset(cx)).await;
    })
    .await;
    let gateway = Gateway::start(config(), vec![origin.route()]).await;
    let mut client = Client::connect(gateway.address).await;
    for count in 1..=201 {
        let (_response, mut stream) = client.open(get("/"), true).await;
        origin.has_read(count).await;
        stream.send_reset(Reason::CANCEL);
        gateway.events.responses(count).await;
    }
    let error = client.ended().await.expect_err("an expulsion");
    assert_eq!(error.reason(), Some(Reason::ENHANCE_YOUR_CALM));
    assert_eq!(ended_for(&gateway).await, ConnectionReason::Http2);
}

#[tokio::test]
async fn a_frame_that_breaks_the_protocol_ends_the_connection_with_an_event() {
    let origin = Origin::saying("hello").await;
    let gateway = Gateway::to(&origin).await;
    let mut client = greeted(&gateway).await;
    // DATA on stream 0.
    client.send(frame(0, 0, 0, b"x")).await;
    assert_eq!(
        goaway(&client.rest().await),
        Some(Reason::PROTOCOL_ERROR.into())
    );
    assert_eq!(ended_for(&gateway).await, ConnectionReason::Http2);
}

#[tokio::test]
async fn a_drain_lets_streams_end_and_tells_idle_clients_to_go() {
    let go_on = Arc::new(Notify::new());
    let gate = Arc::clone(&go_on);
    let origin = Http2Origin::serving(100, move |call| {
        let gate = Arc::clone(&gate);
        async move {
            gate.notified().await;
            call.echo(None).await;
        }
    })
    .await;
    let gateway = Gateway::start(config(), vec![origin.route()]).await;
    let mut busy = Client::connect(gateway.address).await;
    let mut idle = greeted(&gateway).await;
    assert_eq!(idle.bytes(9).await[3], 4);
    let (response, _) = busy.open(get("/"), true).await;
    origin.has_read(1).await;
    gateway.trigger.signal(Mode::Graceful);
    // First everything, so that no stream on its way is lost.
    let mut told = Vec::new();
    while told.len() < 17
        || !told
            .windows(4)
            .any(|window| window == [0x7f, 0xff, 0xff, 0xff])
    {
        told.extend(idle.bytes(1).await);
    }
    drop(idle);
    go_on.notify_one();
    assert_eq!(crate::peer::answer(response).await.status(), 200);
    busy.ended().await.expect("an orderly end");
    let told = gateway.events.response().await;
    assert_eq!(told.outcome, Outcome::Completed);
}

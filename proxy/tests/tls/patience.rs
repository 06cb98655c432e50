//! Handshakes that take their time, come in pieces, or are too many.

use crate::harness::{Route, config};
use crate::peer::{Client, Dribbling, trusting};
use crate::site::{Site, certificate, leaf, serve};
use rauta_proxy::{Config, Limits};
use rauta_schemas::{ConnectionReason, Event};
use rauta_test_support::{Origin, RawClient, in_time};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;

#[tokio::test]
async fn a_hello_byte_by_byte_is_as_good_as_one() {
    let origin = Origin::saying("hello").await;
    let made = certificate(&["a.test"]);
    let site = Site::new("any", None, &[&made], &Route::to(&[&origin]));
    let gateway = serve(config(), &[site]).await;
    let tcp = in_time("a connection", TcpStream::connect(gateway.address)).await;
    let tcp = tcp.expect("the proxy listens");
    tcp.set_nodelay(true).expect("the socket lives");
    let trust = Arc::new(trusting(&[leaf(&made)]));
    let client = Client::over(Dribbling(tcp), "a.test", &trust).await;
    let mut client = client.expect("a handshake");
    assert_eq!(client.get("a.test", "/").await, (200, "hello".to_owned()));
}

#[tokio::test]
async fn who_does_not_come_to_the_end_of_a_handshake_is_closed_on() {
    let origin = Origin::saying("hello").await;
    let made = certificate(&["a.test"]);
    let limits = Limits {
        handshake: Duration::from_millis(200),
        ..Limits::default()
    };
    let config = Config { limits, ..config() };
    let site = Site::new("any", None, &[&made], &Route::to(&[&origin]));
    let gateway = serve(config, &[site]).await;
    for begun in [&b""[..], b"\x16", b"\x16\x03\x01\x02\x00\x01"] {
        let mut client = RawClient::connect(gateway.address).await;
        client.send(begun).await;
        assert!(client.is_closed().await);
    }
    let ended = gateway.events.select(3, |event| match event {
        Event::Connection(event) => Some(event.reason),
        _ => None,
    });
    assert_eq!(ended.await, [ConnectionReason::Handshake; 3]);
    assert_eq!(gateway.proxy.totals().handshakes_failed, 3);
}

#[tokio::test]
async fn more_handshakes_at_once_than_the_limit_are_refused() {
    let origin = Origin::saying("hello").await;
    let made = certificate(&["a.test"]);
    let limits = Limits {
        handshakes_per_worker: 1,
        ..Limits::default()
    };
    let config = Config { limits, ..config() };
    let site = Site::new("any", None, &[&made], &Route::to(&[&origin]));
    let gateway = serve(config, &[site]).await;
    let trust = Arc::new(trusting(&[leaf(&made)]));
    // It is accepted first, for connections wait in one queue.
    let mut idle = RawClient::connect(gateway.address).await;
    let refused = Client::connect(gateway.address, "a.test", &trust).await;
    assert!(refused.is_err());
    let ended = gateway.events.select(1, |event| match event {
        Event::Connection(event) => Some(event.reason),
        _ => None,
    });
    assert_eq!(ended.await, [ConnectionReason::Refused]);
    assert_eq!(gateway.proxy.totals().refused_connections, 1);
    idle.end_sending().await;
    assert!(idle.is_closed().await);
    for _ in 0..3 {
        let client = Client::connect(gateway.address, "a.test", &trust).await;
        let mut client = client.expect("a handshake");
        assert_eq!(client.get("a.test", "/").await.0, 200);
    }
}

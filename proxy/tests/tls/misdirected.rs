//! Requests on a connection whose SNI chose another listener than their host does (Gateway API,
//! detection of misdirected requests).

use crate::harness::{Route, config};
use crate::peer::{Client, trusting};
use crate::site::{Site, certificate, leaf, serve};
use rauta_schemas::Reason;
use rauta_test_support::Origin;
use std::sync::Arc;

#[tokio::test]
async fn a_host_of_another_listener_is_answered_421() {
    let origin = Origin::saying("hello").await;
    let all = certificate(&[
        "second.test",
        "*.wild.test",
        "fourth.wild.test",
        "unknown.test",
    ]);
    let catch_all = Route {
        path: "/known".to_owned(),
        ..Route::to(&[&origin])
    };
    let route = Route::to(&[&origin]);
    let sites = [
        Site::new("any", None, &[&all], &catch_all),
        Site::new("second", Some("second.test"), &[&all], &route),
        Site::new("wild", Some("*.wild.test"), &[&all], &route),
        Site::new("fourth", Some("fourth.wild.test"), &[&all], &route),
    ];
    let gateway = serve(config(), &sites).await;
    let trust = Arc::new(trusting(&[leaf(&all)]));
    let cases = [
        ("unknown.test", "second.test", 421),
        ("unknown.test", "unknown.test", 404),
        ("second.test", "second.test", 200),
        ("second.test", "unknown.test", 421),
        ("third.wild.test", "fifth.wild.test", 200),
        ("third.wild.test", "fourth.wild.test", 421),
        ("third.wild.test", "second.test", 421),
        ("fourth.wild.test", "fourth.wild.test", 200),
        ("fourth.wild.test", "fifth.wild.test", 421),
    ];
    for (sni, host, status) in cases {
        let client = Client::connect(gateway.address, sni, &trust).await;
        let mut client = client.expect("a handshake");
        assert_eq!(client.get(host, "/").await.0, status, "{sni} {host}");
        // The connection itself is sound.
        assert_eq!(client.get(host, "/").await.0, status, "{sni} {host}");
    }
    let responses = gateway.events.responses(2 * cases.len()).await;
    let misdirected = responses.iter().filter(|event| event.status == 421);
    let reasons: Vec<_> = misdirected.map(|event| event.reason).collect();
    assert_eq!(reasons, [Reason::Misdirected; 10]);
    assert_eq!(origin.received().len(), 6);
}

#[tokio::test]
async fn without_a_listener_for_the_host_there_is_no_route() {
    let origin = Origin::saying("hello").await;
    let made = certificate(&["a.test"]);
    let site = Site::new("named", Some("a.test"), &[&made], &Route::to(&[&origin]));
    let gateway = serve(config(), &[site]).await;
    let trust = Arc::new(trusting(&[leaf(&made)]));
    let client = Client::connect(gateway.address, "a.test", &trust).await;
    let mut client = client.expect("a handshake");
    assert_eq!(client.get("b.test", "/").await.0, 404);
    assert_eq!(client.get("a.test", "/").await.0, 200);
}

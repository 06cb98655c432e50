//! Which certificate and which listener a client gets, by name, version and protocol.

use crate::harness::{Route, config};
use crate::peer::{Client, speaking, trusting};
use crate::site::{Site, certificate, leaf, mismatched, serve, signed_with};
use rauta_schemas::{ConnectionReason, Event};
use rauta_test_support::{Origin, RawClient, in_time};
use rcgen::KeyPair;
use rustls::crypto::{WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConnection, ProtocolVersion, SignatureScheme};
use std::sync::Arc;

#[tokio::test]
async fn the_listener_with_the_most_specific_name_answers_with_its_certificate() {
    let [one, two, three] = [
        Origin::saying("exact").await,
        Origin::saying("wildcard").await,
        Origin::saying("any").await,
    ];
    let exact = certificate(&["a.shop.test"]);
    let wildcard = certificate(&["*.shop.test"]);
    let any = certificate(&["other.test", "sub.b.shop.test"]);
    let sites = [
        Site::new("any", None, &[&any], &Route::to(&[&three])),
        Site::new(
            "wild",
            Some("*.shop.test"),
            &[&wildcard],
            &Route::to(&[&two]),
        ),
        Site::new("exact", Some("a.shop.test"), &[&exact], &Route::to(&[&one])),
    ];
    let gateway = serve(config(), &sites).await;
    let trust = Arc::new(trusting(&[leaf(&exact), leaf(&wildcard), leaf(&any)]));
    for (name, certificate, body) in [
        ("a.shop.test", &exact, "exact"),
        ("A.Shop.Test", &exact, "exact"),
        ("b.shop.test", &wildcard, "wildcard"),
        ("other.test", &any, "any"),
    ] {
        let client = Client::connect(gateway.address, name, &trust).await;
        let mut client = client.expect("a handshake");
        assert_eq!(client.certificate(), leaf(certificate), "{name}");
        let host = name.to_ascii_lowercase();
        assert_eq!(client.get(&host, "/").await, (200, body.to_owned()));
    }
    let received = one.received();
    assert_eq!(received[0].field("x-forwarded-proto"), Some("https"));
    assert_eq!(received[0].field("x-forwarded-port"), Some("443"));
    assert_eq!(gateway.proxy.totals().handshakes, 4);
}

#[tokio::test]
async fn without_a_name_only_the_listener_for_any_host_answers() {
    let origin = Origin::saying("any").await;
    let made = certificate(&["shop.test"]);
    let mut trust = trusting(&[leaf(&made)]);
    trust.enable_sni = false;
    let trust = Arc::new(trust);
    let route = Route::to(&[&origin]);
    let any = serve(config(), &[Site::new("any", None, &[&made], &route)]).await;
    let client = Client::connect(any.address, "shop.test", &trust).await;
    let mut client = client.expect("a handshake");
    assert_eq!(client.get("shop.test", "/").await.0, 200);

    let named = Site::new("named", Some("shop.test"), &[&made], &route);
    let named = serve(config(), &[named]).await;
    let client = Client::connect(named.address, "shop.test", &trust).await;
    assert!(client.is_err());
    let reasons = named.events.select(1, |event| match event {
        Event::Connection(event) => Some((event.reason, event.listener.is_some())),
        _ => None,
    });
    assert_eq!(reasons.await, [(ConnectionReason::Handshake, false)]);
}

#[tokio::test]
async fn an_unknown_name_is_closed_on_without_a_byte() {
    let origin = Origin::saying("").await;
    let made = certificate(&["shop.test"]);
    let site = Site::new("named", Some("shop.test"), &[&made], &Route::to(&[&origin]));
    let gateway = serve(config(), &[site]).await;
    let name = ServerName::try_from("unknown.test").expect("a name");
    let mut hello = ClientConnection::new(Arc::new(trusting(&[])), name).expect("settings");
    let mut bytes = Vec::new();
    hello.write_tls(&mut bytes).expect("room");
    let mut client = RawClient::connect(gateway.address).await;
    client.send(&bytes).await;
    assert!(client.is_closed().await);
    // Neither does one who speaks no TLS learn what is here.
    let mut client = RawClient::connect(gateway.address).await;
    client
        .send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n")
        .await;
    assert!(client.is_closed().await);
    // One who says nothing is no failure.
    drop(RawClient::connect(gateway.address).await);
    let ended = gateway.events.select(2, |event| match event {
        Event::Connection(event) => Some(event.reason),
        _ => None,
    });
    assert_eq!(ended.await, [ConnectionReason::Handshake; 2]);
    assert_eq!(gateway.proxy.totals().handshakes_failed, 2);
}

#[tokio::test]
async fn of_several_certificates_the_first_that_names_the_host_is_shown() {
    let origin = Origin::saying("").await;
    let made = [
        certificate(&["a.test"]),
        certificate(&["*.b.test"]),
        certificate(&["x.b.test"]),
    ];
    let all: Vec<_> = made.iter().collect();
    let site = Site::new("any", None, &all, &Route::to(&[&origin]));
    let gateway = serve(config(), &[site]).await;
    let trust: Vec<_> = made.iter().map(|one| leaf(one)).collect();
    let trust = Arc::new(trusting(&trust));
    for (name, shown) in [("a.test", 0), ("y.b.test", 1), ("x.b.test", 1)] {
        let client = Client::connect(gateway.address, name, &trust).await;
        let client = client.expect("a handshake");
        assert_eq!(client.certificate(), leaf(&made[shown]), "{name}");
    }
    // None names it: the first is shown, and the client says what it thinks of that.
    let refused = Client::connect(gateway.address, "c.test", &trust).await;
    let refused = refused
        .err()
        .expect("a name that is not in the certificate");
    assert!(
        refused.to_string().contains("not valid for name"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_certificate_that_the_client_can_verify_is_preferred() {
    let origin = Origin::saying("").await;
    let ecdsa = certificate(&["a.test"]);
    let ed25519 = KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key");
    let ed25519 = signed_with(ed25519, &["a.test"]);
    let site = Site::new("any", None, &[&ecdsa, &ed25519], &Route::to(&[&origin]));
    let gateway = serve(config(), &[site]).await;
    let mut provider = ring::default_provider();
    let algorithms = provider.signature_verification_algorithms;
    let only = algorithms.mapping.iter();
    let only: Vec<_> = only
        .filter(|(scheme, _)| *scheme == SignatureScheme::ED25519)
        .copied()
        .collect();
    provider.signature_verification_algorithms = WebPkiSupportedAlgorithms {
        mapping: only.leak(),
        ..algorithms
    };
    for version in [&TLS12, &TLS13] {
        let trust = speaking(provider.clone(), &[version], &[leaf(&ed25519)]);
        let client = Client::connect(gateway.address, "a.test", &Arc::new(trust)).await;
        assert_eq!(client.expect("a handshake").certificate(), leaf(&ed25519));
    }
}

#[tokio::test]
async fn both_versions_carry_large_bodies_and_further_requests() {
    let body = "x".repeat(1024 * 1024);
    let origin = Origin::saying(&body).await;
    let made = certificate(&["a.test"]);
    let site = Site::new("any", None, &[&made], &Route::to(&[&origin]));
    let gateway = serve(config(), &[site]).await;
    for (version, number) in [
        (&TLS12, ProtocolVersion::TLSv1_2),
        (&TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let trust = speaking(ring::default_provider(), &[version], &[leaf(&made)]);
        let client = Client::connect(gateway.address, "a.test", &Arc::new(trust)).await;
        let mut client = client.expect("a handshake");
        assert_eq!(client.version(), number);
        for _ in 0..3 {
            let (status, received) = client.get("a.test", "/").await;
            assert!(status == 200 && received == body);
        }
    }
    assert_eq!(gateway.proxy.totals().accepted, 2);
}

#[tokio::test]
async fn alpn_chooses_between_the_versions_of_http() {
    let origin = Origin::saying("hello").await;
    let made = certificate(&["a.test"]);
    let site = Site::new("any", None, &[&made], &Route::to(&[&origin]));
    let gateway = serve(config(), &[site]).await;
    let connect = async |offered: &[&str]| {
        let mut trust = trusting(&[leaf(&made)]);
        trust.alpn_protocols = offered.iter().map(|one| one.as_bytes().to_vec()).collect();
        Client::connect(gateway.address, "a.test", &Arc::new(trust)).await
    };
    for (offered, chosen) in [
        (&["http/1.1"][..], Some(&b"http/1.1"[..])),
        (&["spdy/3", "http/1.1"], Some(b"http/1.1")),
        (&[], None),
    ] {
        let mut client = connect(offered).await.expect("a handshake");
        assert_eq!(client.alpn(), chosen);
        assert_eq!(client.get("a.test", "/").await.0, 200);
    }
    let client = connect(&["http/1.1", "h2"]).await.expect("a handshake");
    assert_eq!(client.alpn(), Some(&b"h2"[..]));
    let shaken = in_time("settings", h2::client::handshake(client.stream)).await;
    let (mut send, connection) = shaken.expect("the proxy speaks HTTP/2");
    let connection = tokio::spawn(connection);
    let request = http::Request::get("https://a.test/").body(());
    let sent = send.send_request(request.expect("a request"), true);
    let response = in_time("an answer", sent.expect("room").0).await;
    assert_eq!(response.expect("an answer").status(), 200);
    connection.abort();

    let refused = connect(&["spdy/3"]).await.err().expect("no such protocol");
    let text = refused.to_string();
    assert!(text.contains("NoApplicationProtocol"), "{text}");
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_harms_its_own_listener_only() {
    let origin = Origin::saying("hello").await;
    let route = Route::to(&[&origin]);
    let good = certificate(&["good.test", "both.test"]);
    let bad = mismatched(&["bad.test"]);
    let sites = [
        Site::new("good", Some("good.test"), &[&good], &route),
        Site::new("bad", Some("bad.test"), &[&bad], &route),
        Site::new("both", Some("both.test"), &[&bad, &good], &route),
    ];
    let gateway = serve(config(), &sites).await;
    let trust = Arc::new(trusting(&[leaf(&good), leaf(&bad)]));
    for (name, is_served) in [
        ("good.test", true),
        ("bad.test", false),
        ("both.test", true),
    ] {
        let client = Client::connect(gateway.address, name, &trust).await;
        assert_eq!(client.is_ok(), is_served, "{name}");
    }
    let snapshot = crate::site::snapshot(&gateway.names, &sites);
    let refused = gateway.proxy.apply(Arc::clone(&snapshot)).await.refused;
    let listeners = snapshot.ports[0].listeners();
    let name_of = |id| {
        let found = listeners.iter().find(|listener| listener.id() == id);
        found
            .expect("a listener")
            .hostname
            .clone()
            .expect("a name")
            .to_string()
    };
    let mut refused: Vec<_> = refused
        .into_iter()
        .map(|(id, why)| (name_of(id), why))
        .collect();
    refused.sort();
    let names: Vec<_> = refused.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["bad.test", "bad.test", "both.test"]);
    assert!(
        refused
            .iter()
            .any(|(_, why)| why.contains("cannot be used: keys")),
        "{refused:?}"
    );
}

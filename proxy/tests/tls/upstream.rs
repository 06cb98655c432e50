//! Backends with TLS of their own: RAUTA sends nothing to one that is not who its policy says.

use crate::front::Front;
use crate::harness::{Gateway, Route, config};
use crate::site::{certificate, leaf, paired};
use http::Response;
use rauta_routing::{BackendTls, BackendTlsName, Certificate, Retry, TrustedAuthorities};
use rauta_schemas::{AttemptOutcome, HttpVersion, Outcome, Reason, Side};
use rauta_test_support::{Origin, Step};
use rcgen::{CertificateParams, KeyPair, SanType};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// A policy that trusts `certificate` for `hostname` or, instead, for `names`.
fn policy(hostname: &str, names: &[BackendTlsName], trusted: &Certificate) -> BackendTls {
    let mut tls = BackendTls {
        hostname: hostname.to_owned(),
        names: names.to_vec(),
        authorities: TrustedAuthorities::Certificates(vec![trusted.chain[0].clone()]),
        client: None,
        hash: 0,
    };
    let mut hasher = DefaultHasher::new();
    tls.hash(&mut hasher);
    tls.hash = hasher.finish();
    tls
}

/// Everything goes to this address, with TLS.
fn route(address: SocketAddr, tls: BackendTls) -> Route {
    Route {
        endpoints: vec![address],
        tls: Some(Arc::new(tls)),
        ..Route::default()
    }
}

fn spiffe(uri: &str) -> Arc<Certificate> {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec!["spiffe.test".to_owned()]).expect("a name");
    params
        .subject_alt_names
        .push(SanType::URI(uri.try_into().expect("ASCII")));
    let made = params.self_signed(&key).expect("a certificate");
    paired(vec![made.der().to_vec()], key.serialize_der())
}

#[tokio::test]
async fn requests_to_a_backend_with_tls_are_encrypted_and_share_a_connection() {
    let origin = Origin::saying("secret").await;
    let own = certificate(&["inside.test"]);
    let front = Front::of(origin.address(), &own, &["h2", "http/1.1"]).await;
    let routes = vec![route(front.address(), policy("inside.test", &[], &own))];
    let gateway = Gateway::start(config(), routes).await;
    let mut client = gateway.client().await;
    for _ in 0..3 {
        let response = client
            .ask("GET /a HTTP/1.1\r\nHost: shop.test\r\n\r\n")
            .await;
        assert_eq!(
            (response.status(), &response.body[..]),
            (200, &b"secret"[..])
        );
    }
    let shaken = front.shaken();
    assert_eq!(shaken.len(), 1, "connections are kept");
    assert_eq!(shaken[0].sni.as_deref(), Some("inside.test"));
    assert_eq!(origin.received()[2].field("host"), Some("shop.test"));
    let told = gateway.events.responses(3).await.remove(2);
    assert_eq!(told.outcome, Outcome::Completed);
    assert_eq!(told.upstream_version, HttpVersion::Http11);
    assert!(told.is_upstream_tls && !told.is_tls);
}

#[tokio::test]
async fn large_bodies_pass_both_ways_over_tls() {
    let body = "x".repeat(3 << 20);
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let origin = Origin::answering(head).await;
    let own = certificate(&["inside.test"]);
    let front = Front::of(origin.address(), &own, &[]).await;
    let routes = vec![route(front.address(), policy("inside.test", &[], &own))];
    let gateway = Gateway::start(config(), routes).await;
    let mut client = gateway.client().await;
    let request = format!(
        "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    for _ in 0..2 {
        assert_eq!(client.ask(&request).await.body.len(), body.len());
    }
    assert_eq!(origin.received()[1].body.len(), body.len());
    assert_eq!(front.shaken().len(), 1);
}

/// Asks once: a backend that is not who the policy says sees nothing of it.
async fn check(what: &str, presented: &Certificate, tls: BackendTls, is_trusted: bool) {
    let origin = Origin::saying("secret").await;
    let front = Front::of(origin.address(), presented, &["http/1.1"]).await;
    let gateway = Gateway::start(config(), vec![route(front.address(), tls)]).await;
    let mut client = gateway.client().await;
    let response = client.ask("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    let told = gateway.events.response().await;
    if is_trusted {
        assert_eq!(response.status(), 200, "{what}");
        return;
    }
    assert_eq!(response.status(), 503, "{what}");
    assert!(origin.received().is_empty(), "{what}");
    let fault = (told.side, told.reason, told.attempts[0]);
    let expected = (Side::Backend, Reason::BackendTls, AttemptOutcome::TlsFailed);
    assert_eq!(fault, expected, "{what}");
}

#[tokio::test]
async fn without_other_names_a_backend_must_have_the_hostname() {
    let own = certificate(&["inside.test", "*.wild.test"]);
    let other = certificate(&["inside.test"]);
    for (what, hostname, trusted, is_trusted) in [
        ("its name and CA", "inside.test", &own, true),
        ("by a wildcard", "a.wild.test", &own, true),
        ("another name", "else.test", &own, false),
        ("another CA", "inside.test", &other, false),
    ] {
        check(what, &own, policy(hostname, &[], trusted), is_trusted).await;
    }
}

#[tokio::test]
async fn other_names_take_the_hostnames_place() {
    let dns = |name: &str| vec![BackendTlsName::Dns(name.to_owned())];
    let uri = |name: &str| vec![BackendTlsName::Uri(name.to_owned())];
    let several = [dns("no.test"), dns("INSIDE.test")].concat();
    let own = certificate(&["inside.test"]);
    let deep = certificate(&["one.deep.test"]);
    let workload = spiffe("spiffe://mesh.test/shop");
    for (what, presented, trusted, names, is_trusted) in [
        ("one of several", &own, &own, several, true),
        (
            "none, though the hostname is right",
            &own,
            &own,
            dns("no.test"),
            false,
        ),
        (
            "a name, but another CA",
            &own,
            &deep,
            dns("inside.test"),
            false,
        ),
        (
            "any name under a wildcard",
            &deep,
            &deep,
            dns("*.deep.test"),
            true,
        ),
        (
            "a wildcard is one label",
            &deep,
            &deep,
            dns("*.test"),
            false,
        ),
        (
            "a URI",
            &workload,
            &workload,
            uri("spiffe://mesh.test/shop"),
            true,
        ),
        (
            "another URI",
            &workload,
            &workload,
            uri("spiffe://mesh.test/sho"),
            false,
        ),
    ] {
        check(
            what,
            presented,
            policy("inside.test", &names, trusted),
            is_trusted,
        )
        .await;
    }
}

#[tokio::test]
async fn a_policy_that_trusts_the_machines_cas_does_not_trust_a_stranger() {
    let origin = Origin::saying("secret").await;
    let own = certificate(&["inside.test"]);
    let front = Front::of(origin.address(), &own, &[]).await;
    let mut tls = policy("inside.test", &[], &own);
    tls.authorities = TrustedAuthorities::System;
    let gateway = Gateway::start(config(), vec![route(front.address(), tls)]).await;
    let mut client = gateway.client().await;
    let response = client.ask("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    assert_eq!(response.status(), 503);
    assert!(origin.received().is_empty());
}

#[tokio::test]
async fn plain_text_never_takes_the_place_of_tls() {
    let origin = Origin::saying("secret").await;
    let own = certificate(&["inside.test"]);
    let routes = vec![route(origin.address(), policy("inside.test", &[], &own))];
    let gateway = Gateway::start(config(), routes).await;
    let mut client = gateway.client().await;
    let response = client
        .ask("GET /private HTTP/1.1\r\nHost: a.test\r\n\r\n")
        .await;
    assert_eq!(response.status(), 503);
    let seen = origin.received();
    assert!(
        seen.iter()
            .all(|message| !message.text().contains("private")),
        "{seen:?}"
    );
}

#[tokio::test]
async fn a_handshake_has_the_time_of_a_connect() {
    let origin = Origin::playing(vec![Step::Wait]).await;
    let own = certificate(&["inside.test"]);
    let mut config = config();
    config.limits.connect = Duration::from_millis(200);
    let routes = vec![route(origin.address(), policy("inside.test", &[], &own))];
    let gateway = Gateway::start(config, routes).await;
    let mut client = gateway.client().await;
    let response = client.ask("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    assert_eq!(response.status(), 503);
    assert_eq!(gateway.events.response().await.reason, Reason::BackendTls);
}

#[tokio::test]
async fn a_retry_leaves_an_endpoint_that_fails_its_handshake() {
    let (good, bad) = (Origin::saying("good").await, Origin::saying("bad").await);
    let own = certificate(&["inside.test"]);
    let stranger = certificate(&["inside.test"]);
    let [good, bad] = [
        Front::of(good.address(), &own, &[]).await,
        Front::of(bad.address(), &stranger, &[]).await,
    ];
    let mut route = route(bad.address(), policy("inside.test", &[], &own));
    route.endpoints.push(good.address());
    route.retry = Some(Retry {
        attempts: 1,
        backoff: None,
        codes: Vec::new(),
    });
    let gateway = Gateway::start(config(), vec![route]).await;
    for _ in 0..8 {
        let mut client = gateway.client().await;
        let response = client.ask("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
        assert_eq!(response.body, b"good");
    }
    assert!(bad.shaken().is_empty());
}

#[tokio::test]
async fn a_changed_policy_takes_no_connection_of_the_one_before() {
    let origin = Origin::saying("secret").await;
    let own = certificate(&["inside.test"]);
    let front = Front::of(origin.address(), &own, &[]).await;
    let before = route(front.address(), policy("inside.test", &[], &own));
    let gateway = Gateway::start(config(), vec![before.clone()]).await;
    let mut client = gateway.client().await;
    let request = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
    assert_eq!(client.ask(request).await.status(), 200);
    let stricter = policy("else.test", &[], &own);
    gateway
        .reroute(vec![route(front.address(), stricter)])
        .await;
    assert_eq!(client.ask(request).await.status(), 503);
    gateway.reroute(vec![before]).await;
    assert_eq!(client.ask(request).await.status(), 200);
    assert_eq!(
        front.shaken().len(),
        1,
        "the first connection was kept, for its own policy"
    );
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_a_backend_that_asks() {
    let origin = Origin::saying("secret").await;
    let (own, client) = (
        certificate(&["inside.test"]),
        certificate(&["gateway.test"]),
    );
    let front = Front::asking(origin.address(), &own, &client).await;
    let mut tls = policy("inside.test", &[], &own);
    tls.client = Some(Arc::clone(&client));
    let gateway = Gateway::start(config(), vec![route(front.address(), tls)]).await;
    let mut asking = gateway.client().await;
    let response = asking.ask("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    assert_eq!(response.status(), 200);
    assert_eq!(front.shaken()[0].client, Some(leaf(&client)));
}

/// Speaks HTTP/2 with prior knowledge and answers each request with an empty 200.
async fn http2_origin() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("loopback has ports");
    let address = listener.local_addr().expect("the socket lives");
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(tcp).await.expect("HTTP/2");
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    assert_eq!(request.uri(), "https://a.test/");
                    let sent = respond.send_response(Response::new(()), true);
                    sent.expect("an open stream");
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn http2_over_tls_is_agreed_on_by_alpn_or_not_spoken() {
    for (alpn, status) in [(&["h2"][..], 200), (&["http/1.1"], 503), (&[], 503)] {
        let own = certificate(&["inside.test"]);
        let front = Front::of(http2_origin().await, &own, alpn).await;
        let mut route = route(front.address(), policy("inside.test", &[], &own));
        route.is_http2 = true;
        let gateway = Gateway::start(config(), vec![route]).await;
        let mut client = gateway.client().await;
        for _ in 0..2 {
            let response = client.ask("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
            assert_eq!(response.status(), status, "{alpn:?}");
        }
        let told = gateway.events.responses(2).await.remove(1);
        if status == 200 {
            assert_eq!(front.shaken().len(), 1, "connections are kept");
            assert_eq!(told.upstream_version, HttpVersion::Http2);
        } else {
            assert_eq!(told.reason, Reason::BackendTls, "{alpn:?}");
        }
    }
}

//! Certificates replaced while clients connect, and sessions resumed.

use crate::harness::{Route, config};
use crate::peer::{Client, trusting};
use crate::site::{Site, certificate, leaf, serve, snapshot};
use rauta_proxy::Config;
use rauta_test_support::Origin;
use rustls::HandshakeKind;
use std::collections::HashSet;
use std::sync::Arc;
use tokio::task::JoinSet;

const CLIENTS: usize = 4;
const HANDSHAKES: usize = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replacing_certificates_fails_no_handshake_and_ends_no_connection() {
    let origin = Origin::saying("hello").await;
    let made: Vec<_> = (0..5).map(|_| certificate(&["a.test"])).collect();
    let route = Route::to(&[&origin]);
    let sites = |at: usize| [Site::new("any", None, &[&made[at]], &route)];
    let config = Config {
        workers: 2,
        ..config()
    };
    let gateway = serve(config, &sites(0)).await;
    let address = gateway.address;
    let leaves: Vec<_> = made.iter().map(|one| leaf(one)).collect();
    let trust = Arc::new(trusting(&leaves));
    let old = Client::connect(address, "a.test", &trust).await;
    let mut old = old.expect("a handshake");

    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        // A store of sessions of its own would resume, and so show no certificate.
        let mut trust = trusting(&leaves);
        trust.resumption = rustls::client::Resumption::disabled();
        let trust = Arc::new(trust);
        clients.spawn(async move {
            let mut seen = HashSet::new();
            for _ in 0..HANDSHAKES {
                let client = Client::connect(address, "a.test", &trust).await;
                let mut client = client.expect("a handshake");
                assert_eq!(client.get("a.test", "/").await, (200, "hello".to_owned()));
                seen.insert(client.certificate().to_vec());
            }
            seen
        });
    }
    let mut seen = HashSet::new();
    let mut ended = 0;
    let mut replaced = 0;
    while ended < CLIENTS {
        replaced += 1;
        let applied = snapshot(&gateway.names, &sites(replaced % made.len()));
        assert!(gateway.proxy.apply(applied).await.refused.is_empty());
        while let Some(certificates) = clients.try_join_next() {
            seen.extend(certificates.expect("no handshake failed"));
            ended += 1;
        }
        tokio::task::yield_now().await;
    }
    assert!(replaced > 1 && seen.len() > 1, "{replaced} {}", seen.len());
    assert_eq!(old.get("a.test", "/").await.0, 200);
    assert_eq!(gateway.proxy.totals().handshakes_failed, 0);

    gateway
        .proxy
        .apply(snapshot(&gateway.names, &sites(3)))
        .await;
    let trust = Arc::new(trusting(&leaves));
    let new = Client::connect(address, "a.test", &trust).await;
    assert_eq!(new.expect("a handshake").certificate(), leaves[3]);
}

#[tokio::test]
async fn a_session_is_resumed_by_whichever_worker_takes_the_connection() {
    let origin = Origin::saying("hello").await;
    let made = certificate(&["a.test"]);
    let config = Config {
        workers: 4,
        ..config()
    };
    let site = Site::new("any", None, &[&made], &Route::to(&[&origin]));
    let gateway = serve(config, &[site]).await;
    for version in rustls::ALL_VERSIONS {
        let provider = rustls::crypto::ring::default_provider();
        let trust = crate::peer::speaking(provider, &[version], &[leaf(&made)]);
        let trust = Arc::new(trust);
        for ordinal in 0..12 {
            let client = Client::connect(gateway.address, "a.test", &trust).await;
            let mut client = client.expect("a handshake");
            // Tickets come with, or before, the first answer.
            assert_eq!(client.get("a.test", "/").await.0, 200);
            let kind = client.stream.get_ref().1.handshake_kind();
            let is_resumed = kind == Some(HandshakeKind::Resumed);
            assert_eq!(is_resumed, ordinal > 0, "{kind:?} {ordinal}");
        }
    }
}

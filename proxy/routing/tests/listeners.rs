//! Which listener of a port a request or a TLS connection belongs to, and what hostnames obey.

mod fixture;

use proptest::prelude::*;
use rauta_routing::{Hostname, Listener, Port, PortProtocol, request_host};
use rauta_schemas::{ListenerName, Names};
use std::net::SocketAddr;
use std::sync::Arc;

fn port(hostnames: &[&str]) -> Port {
    let names = Names::default();
    let listener = |hostname: &&str| {
        Arc::new(Listener {
            name: names.listeners.intern(ListenerName {
                namespace: "default".to_owned(),
                gateway: "gateway".to_owned(),
                listener: (*hostname).to_owned(),
                port: 443,
            }),
            hostname: (!hostname.is_empty()).then(|| Hostname::new(hostname)),
            tls: None,
            routes: Arc::default(),
        })
    };
    let address = SocketAddr::from(([127, 0, 10, 1], 443));
    let listeners = hostnames.iter().map(listener).collect();
    Port::new(address, PortProtocol::Https, 443, listeners)
}

fn name(listener: Option<&Arc<Listener>>) -> Option<&str> {
    listener.map(|listener| listener.name.name().listener.as_str())
}

#[test]
fn a_request_belongs_to_the_most_specific_listener_alone() {
    let port = port(&[
        "",
        "*.example.com",
        "*.foo.example.com",
        "abc.foo.example.com",
    ]);
    let cases = [
        ("bar.com", ""),
        ("example.com", ""),
        ("bar.example.com", "*.example.com"),
        ("foo.example.com", "*.example.com"),
        ("bar.foo.example.com", "*.foo.example.com"),
        ("x.abc.foo.example.com", "*.foo.example.com"),
        ("abc.foo.example.com", "abc.foo.example.com"),
        ("127.0.0.1", ""),
        ("[::1]", ""),
        ("", ""),
    ];
    for (host, listener) in cases {
        assert_eq!(name(port.listener_for_host(host)), Some(listener), "{host}");
        assert_eq!(
            name(port.listener_for_sni(Some(host))),
            Some(listener),
            "{host}"
        );
    }
    assert_eq!(name(port.listener_for_sni(None)), Some(""));
    let order: Vec<_> = port.listeners().iter().map(|l| name(Some(l))).collect();
    let expected = [
        "abc.foo.example.com",
        "*.foo.example.com",
        "*.example.com",
        "",
    ];
    assert_eq!(order, expected.map(Some));
}

#[test]
fn without_a_listener_for_any_host_an_unknown_one_has_none() {
    let port = port(&["a.example.com", "*.example.org"]);
    assert_eq!(name(port.listener_for_host("b.example.com")), None);
    assert_eq!(name(port.listener_for_host("example.org")), None);
    assert_eq!(name(port.listener_for_sni(None)), None);
    assert_eq!(name(port.listener_for_sni(Some("unknown.net"))), None);
}

fn hostnames() -> impl Strategy<Value = Hostname> {
    (any::<bool>(), proptest::collection::vec("[ab]", 1..4)).prop_map(|(wildcard, labels)| {
        let labels = labels.join(".");
        Hostname::new(&if wildcard {
            format!("*.{labels}")
        } else {
            labels
        })
    })
}

fn hosts() -> impl Strategy<Value = String> {
    proptest::collection::vec("[ab]", 1..6).prop_map(|labels| labels.join("."))
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn the_intersection_matches_what_both_match(
        a in hostnames(),
        b in hostnames(),
        host in hosts(),
    ) {
        let common = a.intersection(&b);
        prop_assert_eq!(&common, &b.intersection(&a));
        let both = a.matches(&host) && b.matches(&host);
        prop_assert_eq!(common.is_some_and(|common| common.matches(&host)), both);
        prop_assert_eq!(a.intersection(&a), Some(a));
    }

    #[test]
    fn a_hostname_within_another_is_more_specific(a in hostnames(), b in hostnames()) {
        if a != b && a.intersection(&b) == Some(a.clone()) {
            prop_assert!(a.specificity() < b.specificity());
        }
    }

    #[test]
    fn the_index_chooses_the_first_listener_that_matches(
        hostnames in proptest::collection::btree_set(hostnames(), 0..12),
        any in any::<bool>(),
        host in hosts(),
    ) {
        let mut texts: Vec<String> = hostnames.iter().map(ToString::to_string).collect();
        texts.extend(any.then(String::new));
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let port = port(&texts);
        let first = port.listeners().iter().find(|listener| {
            listener.hostname.as_ref().is_none_or(|name| name.matches(&host))
        });
        prop_assert_eq!(name(port.listener_for_host(&host)), name(first));
    }

    #[test]
    fn no_authority_makes_a_panic(authority in ".{0,40}") {
        let host = request_host(&authority).into_owned();
        port(&["*.a", "a", ""]).listener_for_host(&host);
    }
}

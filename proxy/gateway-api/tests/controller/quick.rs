//! The quick way: one backend behind one address goes the way of all objects.

use rauta_gateway_api::quick::{Quick, Tls};
use rauta_routing::{BackendTarget, PortProtocol};
use rauta_schemas::{BackendId, Names};

fn quick(tls: Option<Tls>) -> Quick {
    Quick {
        bind: "127.0.0.1:8080".parse().expect("an address"),
        backends: vec!["127.0.0.1:3000".parse().expect("an address")],
        tls,
    }
}

fn self_signed() -> Tls {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    Tls {
        certificate: made.cert.pem().into_bytes(),
        key: made.signing_key.serialize_pem().into_bytes(),
    }
}

#[test]
fn one_backend_stands_behind_one_address() {
    let controller = quick(None).controller(Names::default()).expect("starts");
    let snapshot = controller.snapshot().expect("compiled");
    assert_eq!(snapshot.ports.len(), 1);
    let port = &snapshot.ports[0];
    assert_eq!(port.address.to_string(), "127.0.0.1:8080");
    assert_eq!(port.protocol, PortProtocol::Http);
    assert_eq!(port.public_port, 8080);
    let routes = port.listeners()[0].routes.routes();
    let rule = &routes[0].rules[0].rule;
    assert_eq!(rule.name.name().template, "/*");
    let BackendTarget::Backend(name) = &rule.backends[0].target else {
        panic!("the backend is there: {:?}", rule.backends[0].target);
    };
    let backend = &snapshot.backends[&BackendId::from(name.number())];
    let addresses: Vec<String> = backend
        .endpoints
        .iter()
        .map(|endpoint| endpoint.address.to_string())
        .collect();
    assert_eq!(addresses, ["127.0.0.1:3000"]);
}

#[test]
fn a_certificate_makes_the_listener_https() {
    let controller = quick(Some(self_signed()))
        .controller(Names::default())
        .expect("starts");
    let port = &controller.snapshot().expect("compiled").ports[0];
    assert_eq!(port.protocol, PortProtocol::Https);
    let tls = port.listeners()[0].tls.as_ref().expect("has TLS");
    assert_eq!(tls.certificates[0].chain.len(), 1);
}

#[test]
fn a_key_of_another_certificate_is_refused_at_the_start() {
    let mut tls = self_signed();
    tls.key = self_signed().key;
    let error = quick(Some(tls))
        .controller(Names::default())
        .expect_err("must not start");
    assert!(error.to_string().contains("does not belong"), "{error}");
}

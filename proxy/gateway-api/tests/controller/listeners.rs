//! Gateways and listeners: what is bound, with which certificates, and what is refused.

use super::fixture::{Fixture, TAKEN, http_route};
use rauta_gateway_api::Config;
use rauta_gateway_api::status::PortReport;
use rauta_routing::PortProtocol;
use std::sync::Arc;

fn gateway(name: &str, listeners: &str) -> String {
    format!(
        "---\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: \
         {name}}}\nspec: {{gatewayClassName: rauta, listeners: [{listeners}]}}\n"
    )
}

/// A Secret with a fresh certificate for `name`, and its PEM key.
fn secret(name: &str, namespace: &str) -> (String, String) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).expect("a certificate");
    let key = made.signing_key.serialize_pem();
    (secret_of(name, namespace, &made.cert.pem(), &key), key)
}

fn secret_of(name: &str, namespace: &str, certificate: &str, key: &str) -> String {
    let indented = |pem: &str| pem.replace('\n', "\n    ");
    format!(
        "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: \
         {namespace}}}\ntype: kubernetes.io/tls\nstringData:\n  tls.crt: |\n    {}\n  tls.key: \
         |\n    {}\n",
        indented(certificate),
        indented(key)
    )
}

fn https(name: &str, secret: &str) -> String {
    format!("{{name: {name}, port: 443, protocol: HTTPS, tls: {{certificateRefs: [{secret}]}}}}")
}

const FINE: [&str; 4] = [
    "Accepted=True/Accepted",
    "Programmed=True/Programmed",
    "ResolvedRefs=True/ResolvedRefs",
    "Conflicted=False/NoConflicts",
];

#[test]
fn each_gateway_is_bound_on_its_own_address_at_the_listeners_port() {
    let gateways = [
        gateway("a", "{name: http, port: 80, protocol: HTTP}"),
        gateway(
            "b",
            "{name: http, port: 80, protocol: HTTP}, {name: alt, port: 8080, protocol: HTTP}",
        ),
    ];
    let fixture = Fixture::new(&gateways.concat());
    assert_eq!(
        fixture.addresses(),
        ["127.0.10.1:80", "127.0.10.2:80", "127.0.10.2:8080"]
    );
    assert_eq!(
        fixture.status("Gateway default/b").addresses,
        ["127.0.10.2"]
    );
    assert_eq!(fixture.listener("default/a", "http"), FINE);
    assert_eq!(
        fixture.conditions("Gateway default/a"),
        ["Accepted=True/Accepted", "Programmed=True/Programmed"]
    );
}

#[test]
fn a_port_offset_moves_what_is_bound_and_not_what_is_said() {
    let config = Config {
        port_offset: 10_000,
        ..Config::files()
    };
    let listeners =
        "{name: http, port: 80, protocol: HTTP}, {name: high, port: 60000, protocol: HTTP}";
    let fixture = Fixture::with(config, &gateway("a", listeners));
    let port = fixture.port("127.0.10.1:10080");
    assert_eq!(port.public_port, 80);
    assert_eq!(port.listeners()[0].name.name().port, 80);
    assert_eq!(fixture.addresses().len(), 1, "60000 + 10000 is no port");
    let high = fixture.listener("default/a", "high");
    assert_eq!(high[0], "Accepted=False/PortUnavailable");
}

#[test]
fn a_protocol_that_is_not_served_is_said_and_hurts_no_other() {
    let listeners = "{name: http, port: 80, protocol: HTTP}, {name: tcp, port: 81, protocol: TCP}";
    let fixture = Fixture::new(&gateway("a", listeners));
    assert_eq!(fixture.listener("default/a", "http"), FINE);
    let tcp = fixture.listener("default/a", "tcp");
    assert_eq!(tcp[0], "Accepted=False/UnsupportedProtocol");
    assert_eq!(tcp[1], "Programmed=False/Invalid");
    assert_eq!(
        fixture.conditions("Gateway default/a"),
        [
            "Accepted=True/ListenersNotValid",
            "Programmed=True/Programmed"
        ]
    );
    assert_eq!(fixture.addresses(), ["127.0.10.1:80"]);

    let alone = Fixture::new(&gateway("a", "{name: tcp, port: 81, protocol: TCP}"));
    assert_eq!(
        alone.conditions("Gateway default/a"),
        [
            "Accepted=False/ListenersNotValid",
            "Programmed=False/Invalid"
        ]
    );
}

#[test]
fn listeners_that_are_not_distinct_are_all_refused() {
    let conflict = |first: &str, second: &str| {
        let fixture = Fixture::new(&gateway("a", &format!("{first}, {second}")));
        ["x", "z"].map(|name| fixture.listener("default/a", name)[3].clone())
    };
    // Equal port, protocol and hostname never pass admission; case does.
    let found = conflict(
        "{name: x, port: 80, protocol: HTTP}",
        "{name: z, port: 80, protocol: HTTPS, tls: {certificateRefs: [{name: s}]}}",
    );
    assert_eq!(
        found,
        ["Conflicted=True/ProtocolConflict"; 2].map(str::to_owned)
    );
    let found = conflict(
        "{name: x, port: 80, protocol: HTTP, hostname: a.example.com}",
        "{name: z, port: 80, protocol: HTTP, hostname: b.example.com}",
    );
    assert_eq!(
        found,
        ["Conflicted=False/NoConflicts"; 2].map(str::to_owned)
    );
}

#[test]
fn kinds_that_http_cannot_carry_are_left_out() {
    let kinds = "[{kind: HTTPRoute}, {kind: TLSRoute}]";
    let listener =
        format!("{{name: http, port: 80, protocol: HTTP, allowedRoutes: {{kinds: {kinds}}}}}");
    let fixture = Fixture::new(&gateway("a", &listener));
    let found = fixture.listener("default/a", "http");
    assert_eq!(found[0], "Accepted=True/Accepted");
    assert_eq!(found[2], "ResolvedRefs=False/InvalidRouteKinds");
    let status = fixture.status("Gateway default/a");
    let supported: Vec<&str> = status.listeners[0]
        .supported_kinds
        .iter()
        .map(|kind| kind.kind)
        .collect();
    assert_eq!(supported, ["HTTPRoute"]);
    assert!(status.is_rejected());
}

#[test]
fn certificates_become_der_and_are_replaced_live() {
    let mut fixture = Fixture::new(&gateway("a", &https("https", "{name: one}")));
    assert_eq!(fixture.addresses().len(), 0);
    assert_eq!(
        fixture.listener("default/a", "https")[1..3],
        [
            "Programmed=False/Invalid",
            "ResolvedRefs=False/InvalidCertificateRef"
        ]
    );

    fixture.put("secret", &secret("one", "default").0);
    assert_eq!(fixture.listener("default/a", "https"), FINE);
    let port = fixture.port("127.0.10.1:443").clone();
    assert_eq!(port.protocol, PortProtocol::Https);
    let hash = |port: &rauta_routing::Port| {
        port.listeners()[0].tls.as_ref().expect("TLS").certificates[0].hash
    };
    let first = hash(&port);

    let snapshot = fixture
        .put("secret", &secret("one", "default").0)
        .expect("a change");
    assert_ne!(hash(&snapshot.ports[0]), first);
    let routes = |port: &rauta_routing::Port| port.listeners()[0].routes.clone();
    assert!(
        Arc::ptr_eq(&routes(&port), &routes(&snapshot.ports[0])),
        "a certificate's change leaves the routes alone"
    );
}

#[test]
fn each_bad_certificate_ref_has_its_reason() {
    let (good, key) = secret("good", "default");
    let (foreign, _) = secret("foreign", "other");
    let other = rcgen::generate_simple_self_signed(["x".to_owned()]).expect("a certificate");
    let mismatch = secret_of("mismatch", "default", &other.cert.pem(), &key);
    let all = [good, foreign, mismatch].concat();
    let cases = [
        ("{name: good}", "True/ResolvedRefs"),
        ("{name: absent}", "False/InvalidCertificateRef"),
        ("{name: mismatch}", "False/InvalidCertificateRef"),
        (
            "{name: good, kind: ConfigMap}",
            "False/InvalidCertificateRef",
        ),
        (
            "{name: good, group: example.com, kind: Thing}",
            "False/InvalidCertificateRef",
        ),
        ("{name: foreign, namespace: other}", "False/RefNotPermitted"),
        ("{name: absent, namespace: other}", "False/RefNotPermitted"),
    ];
    let mut fixture = Fixture::new(&all);
    for (reference, expected) in cases {
        fixture.put("gateway", &gateway("a", &https("https", reference)));
        let found = fixture.listener("default/a", "https");
        assert_eq!(found[0], "Accepted=True/Accepted", "{reference}");
        assert_eq!(found[2], format!("ResolvedRefs={expected}"), "{reference}");
        // Other Gateways of the same user wait for nothing that is not theirs.
        let own = fixture.conditions("Gateway default/a");
        assert_eq!(
            own[..2],
            ["Accepted=True/Accepted", "Programmed=True/Programmed"]
        );
    }
    let both = https("https", "{name: absent}, {name: good}");
    fixture.put("gateway", &gateway("a", &both));
    assert_eq!(
        fixture.listener("default/a", "https")[1],
        "Programmed=True/Programmed"
    );
}

#[test]
fn a_grant_opens_a_secret_of_another_namespace() {
    let mut fixture = Fixture::new(&secret("cert", "other").0);
    let reference = https("https", "{name: cert, namespace: other}");
    fixture.put("gateway", &gateway("a", &reference));
    fixture.put(
        "grant",
        "apiVersion: gateway.networking.k8s.io/v1beta1\nkind: ReferenceGrant\nmetadata: {name: \
         g, namespace: other}\nspec: {from: [{group: gateway.networking.k8s.io, kind: Gateway, \
         namespace: default}], to: [{group: '', kind: Secret, name: cert}]}\n",
    );
    assert_eq!(fixture.listener("default/a", "https"), FINE);
    fixture.remove("grant");
    let found = fixture.listener("default/a", "https");
    assert_eq!(found[2], "ResolvedRefs=False/RefNotPermitted");
    assert!(fixture.addresses().is_empty());
}

#[test]
fn all_kinds_of_keys_are_held_against_their_certificate() {
    for algorithm in [
        &rcgen::PKCS_ECDSA_P256_SHA256,
        &rcgen::PKCS_ECDSA_P384_SHA384,
        &rcgen::PKCS_ED25519,
    ] {
        let key = rcgen::KeyPair::generate_for(algorithm).expect("a key");
        let stranger = rcgen::KeyPair::generate_for(algorithm).expect("a key");
        let parameters = rcgen::CertificateParams::new(["x".to_owned()]).expect("a name");
        let certificate = parameters.self_signed(&key).expect("signed").pem();
        for (key, fits) in [(key, true), (stranger, false)] {
            let secret = secret_of("s", "default", &certificate, &key.serialize_pem());
            let mut fixture = Fixture::new(&gateway("a", &https("https", "{name: s}")));
            fixture.put("secret", &secret);
            assert_eq!(
                fixture.addresses().len(),
                usize::from(fits),
                "{algorithm:?}"
            );
        }
    }
}

#[test]
fn a_gateway_that_is_not_accepted_is_not_bound() {
    let spec = gateway("a", "{name: http, port: 80, protocol: HTTP}").replace(
        "listeners:",
        "addresses: [{type: example.com/thing, value: x}, {value: 127.0.0.9}], listeners:",
    );
    let fixture = Fixture::new(&(spec + &http_route("web", "{parentRefs: [{name: a}]}")));
    assert_eq!(
        fixture.conditions("Gateway default/a"),
        [
            "Accepted=False/UnsupportedAddress",
            "Programmed=False/Invalid"
        ]
    );
    assert!(fixture.addresses().is_empty());
    let accepted = &fixture.parent("HTTPRoute default/web", 0)[0];
    assert_eq!(accepted, "Accepted=False/NoMatchingParent");
}

#[test]
fn client_certificates_that_cannot_be_validated_close_the_listener() {
    let (secret, _) = secret("s", "default");
    let spec = gateway("a", &https("https", "{name: s}")).replace(
        "listeners:",
        "tls: {frontend: {default: {validation: {caCertificateRefs: [{group: '', kind: \
         ConfigMap, name: ca}]}}}}, listeners:",
    );
    let fixture = Fixture::new(&(secret + &spec));
    assert_eq!(
        fixture.listener("default/a", "https")[0],
        "Accepted=False/UnsupportedValue"
    );
    assert!(fixture.addresses().is_empty());
}

#[test]
fn what_the_data_plane_cannot_bind_becomes_a_condition() {
    let mut fixture = Fixture::new(&gateway("a", "{name: http, port: 80, protocol: HTTP}"));
    let address = "127.0.10.1:80".parse().expect("an address");
    let outcome = Err("address already in use".to_owned());
    fixture
        .controller
        .report(vec![PortReport { address, outcome }]);
    assert_eq!(
        fixture.listener("default/a", "http")[..2],
        ["Accepted=False/PortUnavailable", "Programmed=False/Invalid"]
    );
    fixture.controller.report(vec![]);
    assert_eq!(
        fixture.conditions("Gateway default/a"),
        ["Accepted=True/Accepted", "Programmed=Unknown/Pending"]
    );
    let outcome = Ok(());
    fixture
        .controller
        .report(vec![PortReport { address, outcome }]);
    assert_eq!(fixture.listener("default/a", "http"), FINE);
}

#[test]
fn other_classes_are_left_alone_where_one_is_named() {
    let config = Config {
        gateway_class: Some("ours".to_owned()),
        ..Config::files()
    };
    let ours = gateway("a", "{name: http, port: 80, protocol: HTTP}").replace("rauta", "ours");
    let theirs = gateway("b", "{name: http, port: 80, protocol: HTTP}");
    let route = http_route("web", "{parentRefs: [{name: a}, {name: b}]}");
    let fixture = Fixture::with(config, &[ours, theirs, route].concat());
    assert_eq!(fixture.addresses(), ["127.0.10.1:80"]);
    let status: Vec<_> = fixture.controller.status().collect();
    let names: Vec<&str> = status.iter().map(|status| status.name.as_str()).collect();
    assert_eq!(names, ["a", "web"], "nothing is said of Gateway b");
    assert_eq!(fixture.status("HTTPRoute default/web").parents.len(), 1);
    assert_eq!(fixture.parent("HTTPRoute default/web", 0), TAKEN);
}

#[test]
fn from_kubernetes_a_class_has_to_exist_and_to_name_us() {
    let pool = "127.0.10.0/24".parse().expect("a pool");
    let mut fixture = Fixture::with(
        Config::kubernetes(pool),
        &gateway("a", "{name: http, port: 80, protocol: HTTP}"),
    );
    assert_eq!(
        fixture.conditions("Gateway default/a"),
        ["Accepted=Unknown/Pending", "Programmed=Unknown/Pending"]
    );
    let class = |controller: &str| {
        format!(
            "{{apiVersion: gateway.networking.k8s.io/v1, kind: GatewayClass, metadata: {{name: \
             rauta}}, spec: {{controllerName: {controller}}}}}"
        )
    };
    fixture.put("class", &class("rauta.dev/gateway-controller"));
    assert_eq!(fixture.listener("default/a", "http"), FINE);
    assert_eq!(
        fixture.conditions("GatewayClass rauta"),
        [
            "Accepted=True/Accepted",
            "SupportedVersion=True/SupportedVersion"
        ]
    );
    assert_eq!(fixture.addresses(), ["127.0.10.1:80"]);
}

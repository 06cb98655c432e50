use serde_json::{Value, json};

use super::{check, spec_of};

fn gateway() -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
        "metadata": {"name": "g"},
        "spec": {
            "gatewayClassName": "c",
            "listeners": [
                {"name": "http", "port": 80, "protocol": "HTTP"},
                {"name": "https", "port": 443, "protocol": "HTTPS",
                 "tls": {"certificateRefs": [{"name": "cert"}]}},
            ]
        }
    })
}

#[test]
fn defaults_are_those_of_the_schema() {
    let routes = json!({"namespaces": {"from": "Same"}});
    let cert = json!({"group": "", "kind": "Secret", "name": "cert"});
    assert_eq!(
        spec_of(&gateway()),
        json!({
            "gatewayClassName": "c",
            "listeners": [
                {"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": routes},
                {"name": "https", "port": 443, "protocol": "HTTPS", "allowedRoutes": routes,
                 "tls": {"mode": "Terminate", "certificateRefs": [cert]}},
            ]
        })
    );
}

#[test]
fn listeners() {
    let at = "/spec/listeners/0";
    let listener = |more: Value| {
        let mut listener = json!({"name": "a", "port": 1, "protocol": "HTTP"});
        listener
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        listener
    };
    let many: Vec<Value> = (1..=65)
        .map(|port| listener(json!({"name": format!("l{port}"), "port": port})))
        .collect();
    check(
        &gateway(),
        &[
            (
                "/spec/gatewayClassName",
                Value::Null,
                &["spec.gatewayClassName"],
            ),
            ("/spec/listeners", Value::Null, &["spec.listeners"]),
            ("/spec/listeners", json!([]), &["spec.listeners"]),
            ("/spec/listeners", json!(many), &["spec.listeners"]),
            (
                at,
                listener(json!({"name": "https"})),
                &["spec.listeners[1].name"],
            ),
            (
                at,
                listener(json!({"port": 443, "protocol": "HTTPS"})),
                &["spec.listeners"],
            ),
            (
                at,
                listener(json!({"port": 443, "protocol": "HTTPS", "hostname": "a"})),
                &[],
            ),
            (at, listener(json!({"port": 443})), &[]),
            (at, listener(json!({"hostname": "*.a.b"})), &[]),
            (
                at,
                listener(json!({"hostname": "1.2.3.4:80"})),
                &["spec.listeners[0].hostname"],
            ),
            (
                at,
                listener(json!({"tls": {}})),
                &[
                    "spec.listeners[0].tls.certificateRefs",
                    "spec.listeners[0].tls",
                ],
            ),
            (
                at,
                listener(json!({"protocol": "TLS"})),
                &["spec.listeners[0].tls"],
            ),
            (
                at,
                listener(json!({"protocol": "TLS", "tls": {"mode": "Passthrough"}})),
                &[],
            ),
            (
                at,
                listener(json!({"protocol": "HTTPS", "tls": {"mode": "Passthrough"}})),
                &["spec.listeners[0].tls"],
            ),
            (
                at,
                listener(json!({"protocol": "TCP", "hostname": "a"})),
                &["spec.listeners[0].hostname"],
            ),
            (at, listener(json!({"protocol": "example.com/x"})), &[]),
            (
                at,
                listener(json!({"protocol": "a b"})),
                &["spec.listeners[0].protocol"],
            ),
            (
                at,
                listener(json!({"allowedRoutes": {"namespaces": {"from": "None"}}})),
                &["spec.listeners[0].allowedRoutes.namespaces.from"],
            ),
            (
                at,
                listener(json!({"allowedRoutes": {"kinds": [{"group": "a"}]}})),
                &["spec.listeners[0].allowedRoutes.kinds[0].kind"],
            ),
            ("/spec/listeners/1/tls", json!({"options": {"a": "b"}}), &[]),
        ],
    );
}

#[test]
fn addresses_infrastructure_and_tls() {
    let ip = json!({"value": "1.2.3.4"});
    let ca = |namespace: Value| {
        json!({"frontend": {"default": {"validation": {"caCertificateRefs": [
            {"group": "certificates.k8s.io", "kind": "ClusterTrustBundle", "name": "x", "namespace": namespace}
        ]}}}})
    };
    let per_port = json!({"frontend": {"default": {}, "perPort": [
        {"port": 443, "tls": {}}, {"port": 443, "tls": {}}
    ]}});
    check(
        &gateway(),
        &[
            (
                "/spec/addresses",
                json!([ip, {"type": "Hostname", "value": "a.b"}]),
                &[],
            ),
            ("/spec/addresses", json!([ip, ip]), &["spec.addresses"]),
            (
                "/spec/addresses",
                json!([{"type": "IPAddress"}, {"type": "IPAddress"}]),
                &[],
            ),
            (
                "/spec/addresses",
                json!([{"type": "Hostname", "value": "A"}]),
                &["spec.addresses[0].value"],
            ),
            (
                "/spec/addresses",
                json!([{"type": "other", "value": "x"}]),
                &["spec.addresses[0].type"],
            ),
            ("/spec/infrastructure", json!({"labels": {"a": "b"}}), &[]),
            (
                "/spec/infrastructure",
                json!({"labels": {"a b": "b"}}),
                &["spec.infrastructure.labels[a b]"],
            ),
            (
                "/spec/infrastructure",
                json!({"labels": {"a": "-"}}),
                &["spec.infrastructure.labels[a]"],
            ),
            ("/spec/tls", ca(Value::Null), &[]),
            (
                "/spec/tls",
                ca(json!("n")),
                &["spec.tls.frontend.default.validation.caCertificateRefs[0].namespace"],
            ),
            (
                "/spec/tls",
                json!({"frontend": {}}),
                &["spec.tls.frontend.default"],
            ),
            (
                "/spec/tls",
                per_port,
                &["spec.tls.frontend.perPort[1].port"],
            ),
            (
                "/spec/tls",
                json!({"backend": {"clientCertificateRef": {"name": "c"}}}),
                &[],
            ),
        ],
    );
}

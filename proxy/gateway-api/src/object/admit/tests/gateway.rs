//! The rules of Gateways.

use serde_json::{Value, json};

use super::{check, check_lines, spec_of};

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

const LISTENERS: &str = r#"
/spec/gatewayClassName | null | spec.gatewayClassName
/spec/listeners | null | spec.listeners
/spec/listeners | [] | spec.listeners
/spec/listeners/0 | {"name": "https", "port": 1, "protocol": "HTTP"} | spec.listeners[1].name
/spec/listeners/0 | {"name": "a", "port": 443, "protocol": "HTTPS"} | spec.listeners
/spec/listeners/0 | {"name": "a", "port": 443, "protocol": "HTTPS", "hostname": "a"} |
/spec/listeners/0 | {"name": "a", "port": 443, "protocol": "HTTP"} |
/spec/listeners/0 | {"name": "a", "port": 1, "protocol": "HTTP", "hostname": "*.a.b"} |
/spec/listeners/0 | {"name": "a", "port": 1, "protocol": "HTTP", "hostname": "1.2.3.4:80"} | spec.listeners[0].hostname
/spec/listeners/0 | {"name": "a", "port": 1, "protocol": "HTTP", "tls": {}} | spec.listeners[0].tls.certificateRefs spec.listeners[0].tls
/spec/listeners/0 | {"name": "a", "port": 1, "protocol": "TLS"} | spec.listeners[0].tls
/spec/listeners/0 | {"name": "a", "port": 1, "protocol": "TLS", "tls": {"mode": "Passthrough"}} |
/spec/listeners/0 | {"name": "a", "port": 1, "protocol": "HTTPS", "tls": {"mode": "Passthrough"}} | spec.listeners[0].tls
/spec/listeners/0 | {"name": "a", "port": 1, "protocol": "TCP", "hostname": "a"} | spec.listeners[0].hostname
/spec/listeners/0 | {"name": "a", "port": 1, "protocol": "example.com/x"} |
/spec/listeners/0 | {"name": "a", "port": 1, "protocol": "a b"} | spec.listeners[0].protocol
/spec/listeners/0 | {"name": "a", "port": 1, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "None"}}} | spec.listeners[0].allowedRoutes.namespaces.from
/spec/listeners/0 | {"name": "a", "port": 1, "protocol": "HTTP", "allowedRoutes": {"kinds": [{"group": "a"}]}} | spec.listeners[0].allowedRoutes.kinds[0].kind
/spec/listeners/1/tls | {"options": {"a": "b"}} |
"#;

#[test]
fn listeners() {
    check_lines(&gateway(), LISTENERS);
    let one = |port: u16| json!({"name": format!("l{port}"), "port": port, "protocol": "HTTP"});
    let many: Vec<Value> = (1..=65).map(one).collect();
    check(
        &gateway(),
        &[("/spec/listeners", json!(many), &["spec.listeners"])],
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

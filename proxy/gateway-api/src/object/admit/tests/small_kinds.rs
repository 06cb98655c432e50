//! GatewayClass, ReferenceGrant, BackendTLSPolicy.

use serde_json::{Value, json};

use super::{check, text};

#[test]
fn gateway_class() {
    let class = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass",
        "metadata": {"name": "c", "namespace": "ignored"},
        "spec": {"controllerName": "example.com/gateway"}
    });
    check(
        &class,
        &[
            ("/spec", Value::Null, &["spec"]),
            ("/spec", json!([]), &["spec"]),
            (
                "/spec/controllerName",
                Value::Null,
                &["spec.controllerName"],
            ),
            (
                "/spec/controllerName",
                json!("gateway"),
                &["spec.controllerName"],
            ),
            ("/spec/description", text(64), &[]),
            ("/spec/description", text(65), &["spec.description"]),
            (
                "/spec/parametersRef",
                json!({"group": "", "kind": "ConfigMap", "name": "p", "namespace": "n"}),
                &[],
            ),
            (
                "/spec/parametersRef",
                json!({"kind": "ConfigMap", "name": "p"}),
                &["spec.parametersRef.group"],
            ),
            (
                "/apiVersion",
                json!("gateway.networking.k8s.io/v1beta1"),
                &[],
            ),
        ],
    );
}

#[test]
fn reference_grant() {
    let from = json!({"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "a"});
    let grant = json!({
        "apiVersion": "gateway.networking.k8s.io/v1beta1", "kind": "ReferenceGrant",
        "metadata": {"name": "g"},
        "spec": {"from": [from], "to": [{"group": "", "kind": "Service"}]}
    });
    check(
        &grant,
        &[
            ("/apiVersion", json!("gateway.networking.k8s.io/v1"), &[]),
            ("/spec/from", json!([]), &["spec.from"]),
            ("/spec/from", json!(vec![from.clone(); 17]), &["spec.from"]),
            (
                "/spec/from/0/namespace",
                Value::Null,
                &["spec.from[0].namespace"],
            ),
            ("/spec/to", Value::Null, &["spec.to"]),
            (
                "/spec/to/0",
                json!({"kind": "Service"}),
                &["spec.to[0].group"],
            ),
            ("/spec/to/0/name", json!(""), &["spec.to[0].name"]),
        ],
    );
}

#[test]
fn backend_tls_policy() {
    let target = json!({"group": "", "kind": "Service", "name": "s"});
    let section =
        |name: &str| json!({"group": "", "kind": "Service", "name": "s", "sectionName": name});
    let policy = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "BackendTLSPolicy",
        "metadata": {"name": "p"},
        "spec": {
            "targetRefs": [target],
            "validation": {"hostname": "a.b", "wellKnownCACertificates": "System"}
        }
    });
    let names = "/spec/validation/subjectAltNames";
    check(
        &policy,
        &[
            ("/spec/targetRefs", json!([section("a"), section("b")]), &[]),
            (
                "/spec/targetRefs",
                json!([section("a"), section("a")]),
                &["spec.targetRefs"],
            ),
            (
                "/spec/targetRefs",
                json!([section("a"), target]),
                &["spec.targetRefs"],
            ),
            ("/spec/targetRefs", json!([]), &["spec.targetRefs"]),
            (
                "/spec/validation/hostname",
                Value::Null,
                &["spec.validation.hostname"],
            ),
            (
                "/spec/validation/hostname",
                json!("*.b"),
                &["spec.validation.hostname"],
            ),
            (
                "/spec/validation/wellKnownCACertificates",
                Value::Null,
                &["spec.validation.caCertificateRefs"],
            ),
            (
                "/spec/validation/wellKnownCACertificates",
                json!("Other"),
                &["spec.validation.wellKnownCACertificates"],
            ),
            (
                "/spec/validation/caCertificateRefs",
                json!([{"group": "", "kind": "ConfigMap", "name": "ca"}]),
                &["spec.validation.caCertificateRefs"],
            ),
            (
                names,
                json!([{"type": "URI", "uri": "spiffe://a/b"}, {"type": "Hostname", "hostname": "a"}]),
                &[],
            ),
            (
                names,
                json!([{"type": "URI"}]),
                &["spec.validation.subjectAltNames[0].uri"],
            ),
            (
                names,
                json!([{"type": "URI", "uri": "a://b", "hostname": "a"}]),
                &["spec.validation.subjectAltNames[0].hostname"],
            ),
        ],
    );
}

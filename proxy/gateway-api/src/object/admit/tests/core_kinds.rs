//! The rules of the core kinds.

use serde_json::{Value, json};

use super::{admitted, check, refused, spec_of, with};
use crate::object::Object;
use crate::object::admit::{Verdict, admit};

#[test]
fn service() {
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"},
        "spec": {"ports": [{"port": 80}], "selector": {"app": "s"}}
    });
    assert_eq!(
        spec_of(&service),
        json!({
            "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
            "selector": {"app": "s"}, "sessionAffinity": "None", "type": "ClusterIP"
        })
    );
    let sticky = spec_of(&with(&service, "/spec/sessionAffinity", json!("ClientIP")));
    assert_eq!(
        sticky["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"],
        10_800
    );
    check(
        &service,
        &[
            ("/metadata/name", json!("a.b"), &["metadata.name"]),
            ("/spec", Value::Null, &["spec"]),
            ("/spec/ports", Value::Null, &["spec.ports"]),
            ("/spec/ports", json!([{"port": 0}]), &["spec.ports[0].port"]),
            (
                "/spec/ports",
                json!([{"port": "80"}]),
                &["spec.ports[0].port"],
            ),
            (
                "/spec/ports",
                json!([{"name": "a"}]),
                &["spec.ports[0].port"],
            ),
            (
                "/spec/ports",
                json!([{"port": 1}, {"port": 2}]),
                &["spec.ports"],
            ),
            (
                "/spec/ports",
                json!([{"port": 1, "name": "a"}, {"port": 2, "name": "b"}]),
                &[],
            ),
            (
                "/spec/ports",
                json!([{"port": 1, "name": "a"}, {"port": 1, "name": "b"}]),
                &["spec.ports"],
            ),
            (
                "/spec/ports",
                json!([{"port": 1, "protocol": "tcp"}]),
                &["spec.ports[0].protocol"],
            ),
            (
                "/spec/ports",
                json!([{"port": 1, "appProtocol": "kubernetes.io/h2c"}]),
                &[],
            ),
            ("/spec/type", json!("External"), &["spec.type"]),
            ("/spec/type", json!("ExternalName"), &["spec.externalName"]),
        ],
    );
    let headless = json!({"clusterIP": "None"});
    assert_eq!(refused(&service, "/spec", headless), [""; 0]);
}

#[test]
fn endpoint_slice() {
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": "s", "labels": {"kubernetes.io/service-name": "s"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": true}}],
        "ports": [{"port": 8080}]
    });
    let Object::EndpointSlice(read) = admitted(&slice) else {
        panic!()
    };
    let port = &read.ports.as_ref().unwrap()[0];
    assert_eq!(
        (port.name.as_deref(), port.protocol.as_deref()),
        (Some(""), Some("TCP"))
    );
    check(
        &slice,
        &[
            ("/addressType", Value::Null, &["addressType"]),
            ("/addressType", json!("IPv6"), &["endpoints[0].addresses"]),
            ("/endpoints", Value::Null, &[]),
            (
                "/endpoints/0/addresses",
                json!([]),
                &["endpoints[0].addresses"],
            ),
            (
                "/endpoints/0/addresses",
                json!(["0.0.0.0"]),
                &["endpoints[0].addresses"],
            ),
            (
                "/endpoints/0/addresses",
                json!(["127.1"]),
                &["endpoints[0].addresses"],
            ),
            (
                "/endpoints/0/conditions",
                json!({"ready": "yes"}),
                &["endpoints[0].conditions.ready"],
            ),
            ("/ports/0/port", json!(70_000), &["ports[0].port"]),
            ("/ports", json!([{"port": 1}, {"port": 2}]), &["ports"]),
        ],
    );
}

#[test]
fn secret() {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
        "type": "kubernetes.io/tls",
        "data": {"tls.crt": "YQ==", "tls.key": "Yg=="}
    });
    check(
        &secret,
        &[
            ("/data/tls.key", Value::Null, &["data"]),
            ("/data/a b", json!("YQ=="), &["data"]),
            ("/type", json!("Opaque"), &[]),
            ("/stringData", json!({"x": "y"}), &[]),
        ],
    );
    let plain = with(&secret, "/stringData", json!({"tls.key": "k"}));
    let Object::Secret(read) = admitted(&plain) else {
        panic!()
    };
    assert_eq!(read.data.unwrap()["tls.key"].0, b"k");
    assert_eq!(read.string_data, None);
}

#[test]
fn no_error_shows_what_a_secret_holds() {
    let rows = [
        ("/data/tls.crt", json!("not base64: hunter2")),
        ("/data", json!("hunter2")),
        ("/stringData", json!({"hunter2 ": 7, "a": "hunter2"})),
        ("/type", json!({"hunter2": "hunter2"})),
        ("/immutable", json!("hunter2")),
    ];
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {}
    });
    for (pointer, part) in rows {
        let Verdict::Rejected { errors, .. } = admit(with(&secret, pointer, part)) else {
            panic!("{pointer}")
        };
        for error in errors {
            assert_eq!(error.value, None);
            assert!(!error.what.contains("hunter2"), "{error}");
        }
    }
    let held = with(&secret, "/stringData", json!({"a": "hunter2"}));
    assert_eq!(format!("{:?}", admitted(&held)), "Object(Secret default/s)");
}

#[test]
fn config_map_and_namespace() {
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"},
        "data": {"ca.crt": "text"}
    });
    check(
        &map,
        &[
            ("/data/ca.crt", json!(1), &["data[ca.crt]"]),
            ("/data/..", json!("x"), &["data"]),
            ("/binaryData", json!({"ca.crt": "YQ=="}), &["binaryData"]),
            ("/binaryData", json!({"b": "YQ=="}), &[]),
        ],
    );
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}});
    check(
        &namespace,
        &[("/metadata/name", json!("a.b"), &["metadata.name"])],
    );
    let labels = admitted(&namespace).metadata().labels.clone().unwrap();
    assert_eq!(labels["kubernetes.io/metadata.name"], "n");
}

#[test]
fn unknown_fields_are_named_and_dropped() {
    let unknown = |value: Value| match admit(value) {
        Verdict::Admitted { unknown, .. } => unknown,
        other => panic!("{other:?}"),
    };
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "lables": {}},
        "spec": {"ports": [{"port": 80, "prot": "TCP"}], "slector": {}}, "status": {}, "more": 1
    });
    assert_eq!(
        unknown(service),
        [
            "metadata.lables",
            "more",
            "spec.ports[0].prot",
            "spec.slector"
        ]
    );
    let route = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": {"name": "r"},
        "spec": {"host": "a", "rules": [{"matches": [{"paths": {}}]}]}, "status": {"parents": 1}
    });
    assert_eq!(
        unknown(route),
        ["spec.rules[0].matches[0].paths", "spec.host"]
    );
}

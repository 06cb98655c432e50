//! Tables of objects and the fields that admission refuses in them.

mod core_kinds;
mod gateway;
mod grpc_route;
mod http_route;
mod small_kinds;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::form::Form;
use super::{Verdict, admit};
use crate::object::Object;

/// Judges `object` with one part exchanged: the refused fields, in the order found.
fn refused(object: &Value, pointer: &str, part: Value) -> Vec<String> {
    match admit(with(object, pointer, part)) {
        Verdict::Admitted { .. } => Vec::new(),
        Verdict::Rejected { errors, .. } => errors.into_iter().map(|error| error.field).collect(),
        Verdict::Ignored { name, .. } => vec![format!("ignored: {name}")],
    }
}

/// `object` with the part at `pointer` exchanged, or removed if the part is null.
fn with(object: &Value, pointer: &str, part: Value) -> Value {
    let mut object = object.clone();
    if pointer.is_empty() {
        return object;
    }
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match object.pointer_mut(parent) {
        Some(Value::Object(map)) => map.insert(name.to_owned(), part),
        Some(Value::Array(items)) => Some(std::mem::replace(
            &mut items[name.parse::<usize>().unwrap()],
            part,
        )),
        other => panic!("{pointer}: no place for a part in {other:?}"),
    };
    object
}

/// Every row: a part of the object, what stands there, and the fields that are refused then.
fn check(object: &Value, rows: &[(&str, Value, &[&str])]) {
    assert_eq!(
        refused(object, "", Value::Null),
        [""; 0],
        "the object itself"
    );
    for (pointer, part, expected) in rows {
        assert_eq!(
            &refused(object, pointer, part.clone()),
            expected,
            "{pointer}: {part}"
        );
    }
}

/// As [`check`], with the rows as lines of `pointer | part | refused fields`.
fn check_lines(object: &Value, lines: &str) {
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut columns = line.splitn(3, " |").map(str::trim);
        let mut column = || columns.next().unwrap_or_default();
        let (pointer, part, expected) = (column(), column(), column());
        let part: Value = serde_json::from_str(part).unwrap_or_else(|e| panic!("{line}: {e}"));
        let expected: Vec<&str> = expected.split_whitespace().collect();
        assert_eq!(refused(object, pointer, part), expected, "{line}");
    }
}

fn admitted(object: &Value) -> Object {
    match admit(object.clone()) {
        Verdict::Admitted { object, .. } => object,
        other => panic!("{other:?}"),
    }
}

/// The admitted object as it would be written, to look at its defaults.
fn spec_of(object: &Value) -> Value {
    let spec = match admitted(object) {
        Object::BackendTlsPolicy(o) => serde_json::to_value(o.spec),
        Object::Gateway(o) => serde_json::to_value(o.spec),
        Object::GatewayClass(o) => serde_json::to_value(o.spec),
        Object::GrpcRoute(o) => serde_json::to_value(o.spec),
        Object::HttpRoute(o) => serde_json::to_value(o.spec),
        Object::ReferenceGrant(o) => serde_json::to_value(o.spec),
        Object::Service(o) => serde_json::to_value(o.spec),
        other => panic!("no spec: {other:?}"),
    };
    spec.unwrap()
}

fn text(length: usize) -> Value {
    Value::from("a".repeat(length))
}

#[test]
fn what_is_no_object_of_a_known_kind_is_told_apart() {
    let ignored = |value: Value| match admit(value) {
        Verdict::Ignored { gateway_api, name } => (name, gateway_api),
        other => panic!("{other:?}"),
    };
    let named = |version: &str, kind: &str| json!({"apiVersion": version, "kind": kind, "metadata": {"name": "x"}});
    assert_eq!(
        ignored(named("apps/v1", "Deployment")),
        ("Deployment x".to_owned(), false)
    );
    let tcp = named("gateway.networking.k8s.io/v1", "TCPRoute");
    assert_eq!(ignored(tcp), ("TCPRoute x".to_owned(), true));
    let version = named("gateway.networking.k8s.io/v1alpha2", "HTTPRoute");
    assert_eq!(refused(&version, "", Value::Null), ["apiVersion"]);
    assert_eq!(
        refused(&json!({"spec": {}}), "", Value::Null),
        ["apiVersion", "kind"]
    );
    assert_eq!(refused(&json!([1]), "", Value::Null), [""]);
    assert_eq!(
        refused(&json!({"kind": 1, "apiVersion": "v1"}), "", Value::Null),
        ["kind"]
    );
}

#[test]
fn metadata_is_checked_and_trimmed() {
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}});
    check(
        &map,
        &[
            ("/metadata", Value::Null, &["metadata"]),
            ("/metadata/name", Value::Null, &["metadata.name"]),
            ("/metadata/name", json!("Upper"), &["metadata.name"]),
            ("/metadata/name", json!("a.b-c.d"), &[]),
            ("/metadata/name", text(254), &["metadata.name"]),
            ("/metadata/namespace", json!("a.b"), &["metadata.namespace"]),
            ("/metadata/namespace", text(64), &["metadata.namespace"]),
            (
                "/metadata/labels",
                json!({"a/b/c": "x"}),
                &["metadata.labels[a/b/c]"],
            ),
            (
                "/metadata/labels",
                json!({"example.com/a": "-"}),
                &["metadata.labels[example.com/a]"],
            ),
            ("/metadata/labels", json!({"a": 1}), &["metadata.labels[a]"]),
            (
                "/metadata/annotations",
                json!({"a": text(300_000)}),
                &["metadata.annotations"],
            ),
        ],
    );
    let mut written = with(&map, "/metadata/uid", json!("x"));
    written["metadata"]["labels"] = json!({"a": "b"});
    let metadata = admitted(&written).metadata().clone();
    assert_eq!(metadata.namespace.as_deref(), Some("default"));
    assert_eq!(
        (metadata.uid, metadata.labels.map(|labels| labels.len())),
        (None, Some(1))
    );
}

#[test]
fn errors_quote_bounded_values_and_say_what_to_do() {
    let class = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass",
        "metadata": {"name": "c"}, "spec": {"controllerName": format!("\n{}", "x".repeat(100))}
    });
    let Verdict::Rejected { name, key, errors } = admit(class) else {
        panic!()
    };
    assert_eq!(
        (name.as_str(), key.unwrap().to_string()),
        ("GatewayClass c", "GatewayClass c".to_owned())
    );
    assert_eq!(
        errors[0].to_string(),
        format!(
            "spec.controllerName: has not the right form (is \"\\n{}…\"); use domain/path, like \
             example.com/gateway",
            "x".repeat(63)
        )
    );
}

/// A form, texts that have it, texts that do not.
type FormRow = (Form, &'static [&'static str], &'static [&'static str]);

const FORMS: &[FormRow] = &[
    (
        Form::AbsolutePath,
        &["/", "/a%2Fb", "/a:b@c"],
        &["", "/a b", "/%2", "/ä", "/a#b"],
    ),
    (
        Form::AddressType,
        &["Hostname", "IPAddress", "NamedAddress", "a.b/c"],
        &["ip", "/c", "a/"],
    ),
    (
        Form::ControllerName,
        &["a.b/c", "a.b/c/d~e"],
        &["a.b", "a.b/", "A.b/c", "a.b/c d"],
    ),
    (
        Form::CorsOrigin,
        &[
            "*",
            "http://a",
            "https://*.a.b:8080",
            "http://*",
            "https://*:1",
        ],
        &[
            "a.b",
            "ftp://a",
            "http://",
            "http://a:",
            "http://a:123456",
            "http://a/",
            "http://*a",
            "http://a..b",
        ],
    ),
    (
        Form::DnsLabel,
        &["a", "a-1"],
        &["", "-a", "a-", "a.b", "A", "ä"],
    ),
    (
        Form::DnsSubdomain,
        &["a", "a.b-c"],
        &["", ".a", "a.", "a..b", "a.-b"],
    ),
    (
        Form::Duration,
        &["0s", "1h", "1m30s", "500ms", "1h1m1s1ms"],
        &["", "1", "s", "1.5s", "100000s", "1d", "1h1m1s1ms1s", "-1s"],
    ),
    (Form::Group, &["", "a.b"], &["A"]),
    (Form::GrpcMethod, &["Get", "_a1"], &["", "1a", "a-b"]),
    (
        Form::GrpcService,
        &["a.b.C", ".a", "_"],
        &["", "a..b", "a.", "1"],
    ),
    (Form::HeaderName, &["a", "X-Y_z!"], &["", "a b", "a:", "ä"]),
    (
        Form::HeaderValue,
        &["a", "a b\tc"],
        &["", " a", "a ", "a  b", "ä", "a\nb"],
    ),
    (
        Form::Hostname,
        &["a", "*.a.b"],
        &["", "*", "*.", "a.*.b", "**.a", "A.b"],
    ),
    (Form::Kind, &["Service", "a-1"], &["", "1a", "a-", "a.b"]),
    (
        Form::LabelKey,
        &["a", "a.b/c_D.e"],
        &["", "/a", "a/", "a/b/c", "A/b", "a b"],
    ),
    (Form::LabelValue, &["", "A_b.c-1"], &["-a", "a.", "a b"]),
    (
        Form::Protocol,
        &["HTTP", "a.b/C"],
        &["", "-a", "a b", "a.b/"],
    ),
    (
        Form::Uri,
        &["spiffe://a/b", "x://"],
        &["", "a/b", "://a", "a:b"],
    ),
    (
        Form::WellKnownCertificates,
        &["System", "a.b/c"],
        &["", "system", "a.b/", "a.b/-"],
    ),
];

#[test]
fn forms_tell_good_from_bad() {
    for (form, good, bad) in FORMS {
        for text in *good {
            assert!(form.admits(text), "{form:?} {text:?}");
        }
        for text in *bad {
            assert!(!form.admits(text), "{form:?} {text:?}");
        }
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        Just(json!("Exact")),
    ];
    let names = prop::sample::select(vec![
        "name",
        "kind",
        "group",
        "matches",
        "path",
        "type",
        "value",
        "filters",
        "backendRefs",
        "ports",
        "port",
        "tls",
        "mode",
        "hostname",
        "data",
        "spec",
    ]);
    leaf.prop_recursive(4, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(names.clone(), inner, 0..5).prop_map(|map| {
                map.into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect()
            }),
        ]
    })
}

proptest! {
    #[test]
    fn nothing_that_is_written_makes_admission_panic(
        kind in prop::sample::select(crate::object::Kind::ALL.to_vec()),
        fields in prop::collection::btree_map(
            prop::sample::select(vec![
                "rules", "hostnames", "parentRefs", "listeners", "addresses", "from", "to",
                "targetRefs", "validation", "tls", "ports", "type", "infrastructure",
            ]),
            any_value(),
            0..6,
        ),
    ) {
        let fields: serde_json::Map<String, Value> =
            fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let version = match kind.group() {
            "" => "v1".to_owned(),
            group => format!("{group}/v1"),
        };
        let mut object = json!({
            "apiVersion": version, "kind": kind.as_str(), "metadata": {"name": "x"}, "spec": fields,
        });
        for (name, value) in fields_of(&object["spec"]) {
            object[name] = value;
        }
        // Judging is free of state: the same object is judged alike again.
        prop_assert_eq!(admit(object.clone()), admit(object));
    }
}

fn fields_of(value: &Value) -> Vec<(String, Value)> {
    value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect()
}

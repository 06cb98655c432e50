//! The rules of `metadata`, the same for every kind.
//!
//! Only name, namespace, labels and annotations are kept: the rest belongs to an API server.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Map, Value};

use super::fields::Fields;
use super::form::{FREE, Form, LABEL_VALUE, NAMESPACE, Text};
use super::report::{Path, Report};
use crate::object::Kind;

/// Namespace of a namespaced object that names none.
pub(super) const DEFAULT_NAMESPACE: &str = "default";
/// The label by which selectors can name a namespace; an API server sets it.
pub const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";

const KEY: Text = Text {
    min: 1,
    max: 317,
    form: Form::LabelKey,
};
/// All annotations of an object together, keys and values, in bytes.
const ANNOTATIONS_BYTES_MAX: usize = 256 * 1024;

/// Fields that an API server or its controllers write; taken in silence, never kept.
const SERVER_WRITTEN: [&str; 11] = [
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "managedFields",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Checks and trims `metadata`.
pub(super) fn read(
    root: &mut Map<String, Value>,
    kind: Kind,
    report: &mut Report,
) -> Option<ObjectMeta> {
    let at = Path::ROOT.field("metadata");
    let Some(value) = root.get_mut("metadata") else {
        report.missing(&at);
        return None;
    };
    let before = report.errors.len();
    Fields::visit(value, &at, report, |f| rules(f, kind));
    if report.errors.len() > before {
        return None;
    }
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    let pairs = |name: &str| {
        value[name].as_object().map(|pairs| {
            let pairs = pairs.iter();
            pairs
                .filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned())))
                .collect()
        })
    };
    Some(ObjectMeta {
        name: text("name"),
        namespace: text("namespace"),
        labels: pairs("labels"),
        annotations: pairs("annotations"),
        ..ObjectMeta::default()
    })
}

fn rules(f: &mut Fields<'_>, kind: Kind) {
    for name in SERVER_WRITTEN {
        f.accept(name);
    }
    f.required_text("name", &name_rule(kind));
    if kind.is_namespaced() {
        f.default("namespace", DEFAULT_NAMESPACE);
        f.text("namespace", &NAMESPACE);
    } else {
        f.drop("namespace");
    }
    if kind == Kind::Namespace
        && let Some(name) = f.str("name").map(str::to_owned)
    {
        f.label(NAMESPACE_NAME_LABEL, &name);
    }
    f.pairs("labels", usize::MAX, &KEY, &LABEL_VALUE);
    f.pairs("annotations", usize::MAX, &KEY, &FREE);
    let bytes: usize = f
        .child("annotations")
        .and_then(Value::as_object)
        .map_or(0, |pairs| {
            pairs
                .iter()
                .map(|(k, v)| k.len() + v.as_str().map_or(0, str::len))
                .sum()
        });
    if bytes > ANNOTATIONS_BYTES_MAX {
        let what = format!("holds {bytes} bytes, at most {ANNOTATIONS_BYTES_MAX} are allowed");
        f.refuse("annotations", what, "shorten or remove annotations");
    }
}

fn name_rule(kind: Kind) -> Text {
    match kind {
        Kind::Namespace | Kind::Service => Text {
            min: 1,
            max: 63,
            form: Form::DnsLabel,
        },
        _ => Text {
            min: 1,
            max: 253,
            form: Form::DnsSubdomain,
        },
    }
}

//! References to other objects, as every kind writes them, and label selectors.

use serde_json::Value;

use super::checks::{Items, PORT};
use super::fields::Fields;
use super::form::{FREE, GROUP, KIND, NAMESPACE, OBJECT_NAME, SECTION_NAME};
use crate::object::GATEWAY_GROUP;

/// `spec.parentRefs` of a route.
pub(super) fn parents(f: &mut Fields<'_>) {
    f.list("parentRefs", Items::up_to(32), parent);
    unique_parents(f);
}

fn parent(f: &mut Fields<'_>) {
    f.default("group", GATEWAY_GROUP);
    f.default("kind", "Gateway");
    f.text("group", &GROUP);
    f.text("kind", &KIND);
    f.required_text("name", &OBJECT_NAME);
    f.text("namespace", &NAMESPACE);
    f.integer("port", PORT);
    f.text("sectionName", &SECTION_NAME);
}

/// References to one parent must tell themselves apart by section name or port, all of them in
/// the same way.
fn unique_parents(f: &mut Fields<'_>) {
    let refs = f.items("parentRefs");
    let same = |a: &Value, b: &Value, fields: &[&str]| {
        fields.iter().all(|field| a.get(field) == b.get(field))
    };
    let target = ["group", "kind", "name", "namespace"];
    let mut clash = None;
    for (index, one) in refs.iter().enumerate() {
        for other in refs[..index]
            .iter()
            .filter(|other| same(one, other, &target))
        {
            let half_told = ["sectionName", "port"]
                .iter()
                .any(|field| one.get(field).is_some() != other.get(field).is_some());
            if half_told {
                clash = Some("names one parent twice, once with sectionName or port, once without");
            } else if same(one, other, &["sectionName", "port"]) {
                clash = Some("names one parent twice with the same sectionName and port");
            }
        }
    }
    if let Some(what) = clash {
        f.refuse(
            "parentRefs",
            what,
            "give each reference its own sectionName or port",
        );
    }
}

/// A backend without its weight: the target of a mirror or of an authorisation call.
pub(super) fn backend(f: &mut Fields<'_>) {
    f.default("group", "");
    f.default("kind", "Service");
    f.text("group", &GROUP);
    f.text("kind", &KIND);
    f.required_text("name", &OBJECT_NAME);
    f.text("namespace", &NAMESPACE);
    f.integer("port", PORT);
    let is = |group: &str, kind: &str| f.str("group") == Some(group) && f.str("kind") == Some(kind);
    let (service, x_backend) = (
        is("", "Service"),
        is("gateway.networking.x-k8s.io", "XBackend"),
    );
    if service && !f.has("port") {
        f.refuse(
            "port",
            "required for a Service, but missing",
            "name the Service's port",
        );
    }
    if x_backend && f.has("port") {
        f.refuse("port", "not allowed for an XBackend", "remove it");
    }
}

/// A reference to a Secret that holds a certificate.
pub(super) fn secret(f: &mut Fields<'_>) {
    f.default("group", "");
    f.default("kind", "Secret");
    f.text("group", &GROUP);
    f.text("kind", &KIND);
    f.required_text("name", &OBJECT_NAME);
    f.text("namespace", &NAMESPACE);
}

/// A reference that must say group, kind and name, in the same namespace.
pub(super) fn local(f: &mut Fields<'_>) {
    f.require("group");
    f.require("kind");
    f.text("group", &GROUP);
    f.text("kind", &KIND);
    f.required_text("name", &OBJECT_NAME);
}

/// A reference that must say group, kind and name, and may say a namespace.
pub(super) fn anywhere(f: &mut Fields<'_>) {
    local(f);
    f.text("namespace", &NAMESPACE);
}

/// A label selector. Its operators are open in the schema.
pub(super) fn label_selector(f: &mut Fields<'_>) {
    f.pairs("matchLabels", usize::MAX, &FREE, &FREE);
    f.list("matchExpressions", Items::up_to(usize::MAX), |f| {
        f.required_text("key", &FREE);
        f.required_text("operator", &FREE);
        f.texts("values", Items::up_to(usize::MAX), &FREE);
    });
}

//! The rules of BackendTLSPolicy.

use serde_json::Value;

use super::checks::Items;
use super::fields::Fields;
use super::form::{ANNOTATION_VALUE, FREE, Form, HOSTNAME, PRECISE_HOSTNAME, SECTION_NAME, Text};
use super::refs;

const URI: Text = Text {
    min: 1,
    max: 253,
    form: Form::Uri,
};
const WELL_KNOWN: Text = Text {
    min: 1,
    max: 253,
    form: Form::WellKnownCertificates,
};

pub(super) fn spec(f: &mut Fields<'_>) {
    f.pairs("options", 16, &FREE, &ANNOTATION_VALUE);
    f.require("targetRefs");
    f.list("targetRefs", Items::some_up_to(16), |f| {
        refs::local(f);
        f.text("sectionName", &SECTION_NAME);
    });
    distinct_targets(f);
    f.require("validation");
    f.object("validation", validation);
}

/// References to one target must all have a section name, each its own.
fn distinct_targets(f: &mut Fields<'_>) {
    let targets = f.items("targetRefs");
    let same = |a: &Value, b: &Value| {
        ["group", "kind", "name"]
            .iter()
            .all(|field| a.get(field) == b.get(field))
    };
    let clash = (1..targets.len()).any(|index| {
        let one = &targets[index];
        targets[..index]
            .iter()
            .filter(|other| same(one, other))
            .any(
                |other| match (one.get("sectionName"), other.get("sectionName")) {
                    (Some(a), Some(b)) => a == b,
                    _ => true,
                },
            )
    });
    if clash {
        let what = "names one target twice without telling its sections apart";
        f.refuse(
            "targetRefs",
            what,
            "give each reference its own sectionName",
        );
    }
}

fn validation(f: &mut Fields<'_>) {
    f.list("caCertificateRefs", Items::some_up_to(8), refs::local);
    f.required_text("hostname", &PRECISE_HOSTNAME);
    f.list("subjectAltNames", Items::up_to(5), alternative_name);
    f.text("wellKnownCACertificates", &WELL_KNOWN);
    if f.has("caCertificateRefs") == f.has("wellKnownCACertificates") {
        let what = "exactly one of caCertificateRefs and wellKnownCACertificates must be set";
        f.refuse("caCertificateRefs", what, "keep one of them");
    }
}

fn alternative_name(f: &mut Fields<'_>) {
    f.require("type");
    f.choice("type", &["Hostname", "URI"]);
    f.text("hostname", &HOSTNAME);
    f.text("uri", &URI);
    let Some(kind) = f.str("type").map(str::to_owned) else {
        return;
    };
    for (name, field) in [("Hostname", "hostname"), ("URI", "uri")] {
        if (kind == name) != f.has(field) {
            let what = format!("must be set exactly when type is {name}");
            f.refuse(field, what, "set the one that belongs to the type");
        }
    }
}

//! The rules of GRPCRoute.

use super::checks::Items;
use super::fields::Fields;
use super::form::{Form, HEADER_NAME, HOSTNAME, SECTION_NAME, Text};
use super::http_route::{MATCH_TYPES, rules_together, session_persistence};
use super::{filters, refs};

const NAME: Text = Text {
    min: 0,
    max: 1024,
    form: Form::Any,
};
const VALUE: Text = Text {
    min: 1,
    max: 4096,
    form: Form::Any,
};

pub(super) fn spec(f: &mut Fields<'_>) {
    f.texts("hostnames", Items::up_to(16), &HOSTNAME);
    refs::parents(f);
    f.choice("useDefaultGateways", &["All", "None"]);
    f.list("rules", Items::up_to(16), rule);
    rules_together(f);
}

fn rule(f: &mut Fields<'_>) {
    f.text("name", &SECTION_NAME);
    f.list("matches", Items::up_to(64), |f| {
        f.object("method", method);
        f.keyed_list("headers", "name", Items::up_to(16), |f| {
            f.default("type", "Exact");
            f.required_text("name", &HEADER_NAME);
            f.choice("type", &MATCH_TYPES);
            f.required_text("value", &VALUE);
        });
    });
    filters::grpc(f);
    f.list("backendRefs", Items::up_to(16), |f| {
        f.default("weight", 1);
        f.integer("weight", 0..=1_000_000);
        filters::grpc(f);
        refs::backend(f);
    });
    f.object("sessionPersistence", session_persistence);
}

fn method(f: &mut Fields<'_>) {
    f.default("type", "Exact");
    f.choice("type", &MATCH_TYPES);
    f.text("service", &NAME);
    f.text("method", &NAME);
    if !f.has("service") && !f.has("method") {
        f.refuse(
            "service",
            "neither service nor method is set",
            "set one of them, or both",
        );
    }
    if f.str("type") != Some("Exact") {
        return;
    }
    for (name, form) in [("service", Form::GrpcService), ("method", Form::GrpcMethod)] {
        if f.str(name).is_some_and(|value| !form.admits(value)) {
            f.refuse(
                name,
                "has not the right form",
                format!("use {}", form.describe()),
            );
        }
    }
}

//! The filters of HTTPRoute and GRPCRoute, the same at rule and at backendRef.

use std::ops::RangeInclusive;

use serde_json::Value;

use super::checks::{Items, PORT};
use super::fields::Fields;
use super::form::{FREE, Form, HEADER_NAME, HEADER_VALUE, PRECISE_HOSTNAME, Text};
use super::refs;

/// Numbers without an upper bound of their own: those of a 32-bit integer.
const COUNT: RangeInclusive<i64> = 0..=i32::MAX as i64;
const POSITIVE: RangeInclusive<i64> = 1..=i32::MAX as i64;

const CORS_ORIGIN: Text = Text {
    min: 1,
    max: 253,
    form: Form::CorsOrigin,
};
const REPLACEMENT: Text = Text {
    min: 0,
    max: 1024,
    form: Form::Any,
};
const AUTH_PATH: Text = Text {
    min: 0,
    max: 1024,
    form: Form::AbsolutePath,
};

/// A filter type and the field that holds its settings.
type Member = (&'static str, &'static str);

const HTTP: [Member; 8] = [
    ("CORS", "cors"),
    ("ExtensionRef", "extensionRef"),
    ("ExternalAuth", "externalAuth"),
    ("RequestHeaderModifier", "requestHeaderModifier"),
    ("RequestMirror", "requestMirror"),
    ("RequestRedirect", "requestRedirect"),
    ("ResponseHeaderModifier", "responseHeaderModifier"),
    ("URLRewrite", "urlRewrite"),
];

const GRPC: [Member; 4] = [
    ("ExtensionRef", "extensionRef"),
    ("RequestHeaderModifier", "requestHeaderModifier"),
    ("RequestMirror", "requestMirror"),
    ("ResponseHeaderModifier", "responseHeaderModifier"),
];

/// `filters` of an HTTPRoute's rule or backendRef.
pub(super) fn http(f: &mut Fields<'_>) {
    f.list("filters", Items::up_to(16), |f| {
        f.object("cors", cors);
        f.object("externalAuth", external_auth);
        f.object("requestRedirect", redirect);
        f.object("urlRewrite", rewrite);
        shared(f);
        one_member(f, &HTTP);
    });
    once(
        f,
        &[
            "CORS",
            "RequestHeaderModifier",
            "RequestRedirect",
            "ResponseHeaderModifier",
            "URLRewrite",
        ],
    );
    let has = |name: &str| count(f, name) > 0;
    if has("RequestRedirect") && has("URLRewrite") {
        f.refuse(
            "filters",
            "holds both RequestRedirect and URLRewrite",
            "keep one of them",
        );
    }
}

/// `filters` of a GRPCRoute's rule or backendRef.
pub(super) fn grpc(f: &mut Fields<'_>) {
    f.list("filters", Items::up_to(16), |f| {
        shared(f);
        one_member(f, &GRPC);
    });
    once(f, &["RequestHeaderModifier", "ResponseHeaderModifier"]);
}

fn shared(f: &mut Fields<'_>) {
    f.object("extensionRef", refs::local);
    f.object("requestHeaderModifier", header_modifier);
    f.object("requestMirror", mirror);
    f.object("responseHeaderModifier", header_modifier);
}

/// The field that belongs to the type must be set, and no other.
fn one_member(f: &mut Fields<'_>, members: &[Member]) {
    let types: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
    f.require("type");
    f.choice("type", &types);
    let Some(chosen) = f.str("type").map(str::to_owned) else {
        return;
    };
    for (name, field) in members {
        if *name == chosen && !f.has(field) {
            f.refuse(
                field,
                format!("required for type {name}, but missing"),
                "set it",
            );
        } else if *name != chosen && f.has(field) {
            let what = format!("not allowed for type {chosen}");
            f.refuse(field, what, format!("remove it, or use type {name}"));
        }
    }
}

fn count(f: &Fields<'_>, name: &str) -> usize {
    f.items("filters")
        .iter()
        .filter(|filter| type_is(filter, name))
        .count()
}

fn type_is(filter: &Value, name: &str) -> bool {
    filter.get("type").and_then(Value::as_str) == Some(name)
}

fn once(f: &mut Fields<'_>, types: &[&str]) {
    for name in types {
        if count(f, name) > 1 {
            f.refuse(
                "filters",
                format!("holds {name} more than once"),
                "merge them into one",
            );
        }
    }
}

fn header_modifier(f: &mut Fields<'_>) {
    let header = |f: &mut Fields<'_>| {
        f.required_text("name", &HEADER_NAME);
        f.required_text("value", &HEADER_VALUE);
    };
    f.keyed_list("add", "name", Items::up_to(16), header);
    f.keyed_list("set", "name", Items::up_to(16), header);
    f.texts("remove", Items::set_up_to(16), &FREE);
}

fn mirror(f: &mut Fields<'_>) {
    f.require("backendRef");
    f.object("backendRef", refs::backend);
    f.integer("percent", 0..=100);
    f.object("fraction", |f| {
        f.default("denominator", 100);
        f.integer("denominator", POSITIVE);
        f.require("numerator");
        f.integer("numerator", COUNT);
        if f.int("numerator") > f.int("denominator") {
            f.refuse(
                "numerator",
                "is greater than the denominator",
                "use at most the denominator",
            );
        }
    });
    if f.has("percent") && f.has("fraction") {
        f.refuse(
            "percent",
            "not allowed together with fraction",
            "keep one of them",
        );
    }
}

fn redirect(f: &mut Fields<'_>) {
    f.default("statusCode", 302);
    f.text("hostname", &PRECISE_HOSTNAME);
    f.object("path", path_modifier);
    f.integer("port", PORT);
    f.choice("scheme", &["http", "https"]);
    f.number("statusCode", &[301, 302, 303, 307, 308]);
}

fn rewrite(f: &mut Fields<'_>) {
    f.text("hostname", &PRECISE_HOSTNAME);
    f.object("path", path_modifier);
}

fn path_modifier(f: &mut Fields<'_>) {
    const MEMBERS: [Member; 2] = [
        ("ReplaceFullPath", "replaceFullPath"),
        ("ReplacePrefixMatch", "replacePrefixMatch"),
    ];
    f.text("replaceFullPath", &REPLACEMENT);
    f.text("replacePrefixMatch", &REPLACEMENT);
    one_member(f, &MEMBERS);
}

fn cors(f: &mut Fields<'_>) {
    const METHODS: [&str; 10] = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "*",
    ];
    f.default("maxAge", 5);
    f.boolean("allowCredentials");
    f.texts("allowHeaders", Items::set_up_to(64), &HEADER_NAME);
    f.choices("allowMethods", Items::set_up_to(9), &METHODS);
    f.texts("allowOrigins", Items::set_up_to(64), &CORS_ORIGIN);
    f.texts("exposeHeaders", Items::set_up_to(64), &HEADER_NAME);
    f.integer("maxAge", POSITIVE);
    for name in ["allowHeaders", "allowMethods", "allowOrigins"] {
        let items = f.items(name);
        if items.len() > 1 && items.iter().any(|item| item == "*") {
            f.refuse(
                name,
                "holds * beside other entries",
                "keep * alone, or list entries",
            );
        }
    }
}

fn external_auth(f: &mut Fields<'_>) {
    const MEMBERS: [Member; 2] = [("GRPC", "grpc"), ("HTTP", "http")];
    f.require("backendRef");
    f.object("backendRef", refs::backend);
    f.object("forwardBody", |f| f.integer("maxSize", COUNT));
    f.object("grpc", |f| {
        f.texts("allowedHeaders", Items::set_up_to(64), &FREE)
    });
    f.object("http", |f| {
        f.texts("allowedHeaders", Items::set_up_to(64), &FREE);
        f.texts("allowedResponseHeaders", Items::set_up_to(64), &FREE);
        f.text("path", &AUTH_PATH);
    });
    f.require("protocol");
    f.choice("protocol", &["GRPC", "HTTP"]);
    let protocol = f.str("protocol").map(str::to_owned);
    for (name, field) in MEMBERS {
        let chosen = protocol.as_deref() == Some(name);
        if chosen != f.has(field) {
            f.refuse(
                field,
                format!("must be set exactly when protocol is {name}"),
                "set the one that belongs to the protocol",
            );
        }
    }
}

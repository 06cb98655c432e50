//! The rules of HTTPRoute.

use std::time::Duration;

use serde_json::{Value, json};

use super::checks::Items;
use super::fields::Fields;
use super::form::{DURATION, Form, HEADER_NAME, HEADER_VALUE, HOSTNAME, SECTION_NAME, Text};
use super::{filters, refs};

const METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
];
pub(super) const MATCH_TYPES: [&str; 2] = ["Exact", "RegularExpression"];
const PATH: Text = Text {
    min: 0,
    max: 1024,
    form: Form::Any,
};
const QUERY_VALUE: Text = Text {
    min: 1,
    max: 1024,
    form: Form::Any,
};
/// Most matches of all rules of one route together.
pub(super) const MATCHES_MAX: usize = 128;

pub(super) fn spec(f: &mut Fields<'_>) {
    f.default("rules", json!([{}]));
    f.texts("hostnames", Items::up_to(16), &HOSTNAME);
    refs::parents(f);
    f.choice("useDefaultGateways", &["All", "None"]);
    f.list("rules", Items::some_up_to(16), rule);
    rules_together(f);
}

/// What holds over all rules of a route, HTTP or gRPC.
pub(super) fn rules_together(f: &mut Fields<'_>) {
    let rules = f.items("rules");
    let name = |rule: &Value| rule.get("name").and_then(Value::as_str).map(str::to_owned);
    let matches = |rule: &Value| {
        rule.get("matches")
            .and_then(Value::as_array)
            .map_or(0, Vec::len)
    };
    let total: usize = rules.iter().map(matches).sum();
    let names: Vec<String> = rules.iter().filter_map(name).collect();
    let repeated = (1..names.len()).find(|i| names[..*i].contains(&names[*i]));
    if let Some(index) = repeated {
        let what = format!("holds the rule name {} twice", names[index]);
        f.refuse("rules", what, "give each rule its own name");
    }
    if total > MATCHES_MAX {
        let what = format!("holds {total} matches, at most {MATCHES_MAX} are allowed together");
        f.refuse("rules", what, "split the route");
    }
}

fn rule(f: &mut Fields<'_>) {
    f.default("matches", json!([{}]));
    f.text("name", &SECTION_NAME);
    f.list("matches", Items::up_to(64), one_match);
    filters::http(f);
    f.list("backendRefs", Items::up_to(16), |f| {
        f.default("weight", 1);
        f.integer("weight", 0..=1_000_000);
        filters::http(f);
        refs::backend(f);
    });
    f.object("retry", retry);
    f.object("timeouts", timeouts);
    f.object("sessionPersistence", session_persistence);
    redirect_without_backends(f);
    prefix_replacement_needs_one_prefix(f);
}

fn one_match(f: &mut Fields<'_>) {
    f.default("path", json!({}));
    f.object("path", path);
    f.choice("method", &METHODS);
    f.keyed_list("headers", "name", Items::up_to(16), |f| {
        value_match(f, &HEADER_VALUE);
    });
    f.keyed_list("queryParams", "name", Items::up_to(16), |f| {
        value_match(f, &QUERY_VALUE);
    });
}

fn value_match(f: &mut Fields<'_>, value: &Text) {
    f.default("type", "Exact");
    f.required_text("name", &HEADER_NAME);
    f.choice("type", &MATCH_TYPES);
    f.required_text("value", value);
}

fn path(f: &mut Fields<'_>) {
    f.default("type", "PathPrefix");
    f.default("value", "/");
    f.choice("type", &["Exact", "PathPrefix", "RegularExpression"]);
    f.text("value", &PATH);
    let literal = matches!(f.str("type"), Some("Exact" | "PathPrefix"));
    let Some(value) = f.str("value").filter(|_| literal) else {
        return;
    };
    let forbidden = ["//", "/./", "/../", "%2f", "%2F", "#"];
    let found: Option<String> = if !value.starts_with('/') {
        Some("must start with /".to_owned())
    } else if let Some(part) = forbidden.iter().find(|part| value.contains(**part)) {
        Some(format!("must not contain {part}"))
    } else if let Some(end) = ["/..", "/."].iter().find(|end| value.ends_with(**end)) {
        Some(format!("must not end in {end}"))
    } else if !Form::AbsolutePath.admits(value) {
        Some("holds a character that a path may not hold".to_owned())
    } else {
        None
    };
    if let Some(what) = found {
        f.refuse(
            "value",
            what,
            "write a plain absolute path, or use type RegularExpression",
        );
    }
}

fn retry(f: &mut Fields<'_>) {
    f.default("attempts", 1);
    f.integer("attempts", 0..=i64::MAX);
    f.text("backoff", &DURATION);
    // The schema bounds the list only by its being a set of these numbers.
    f.integers("codes", Items::set_up_to(200), 400..=599);
}

fn timeouts(f: &mut Fields<'_>) {
    f.text("request", &DURATION);
    f.text("backendRequest", &DURATION);
    let read = |name: &str| f.str(name).and_then(duration);
    if let (Some(request), Some(backend)) = (read("request"), read("backendRequest"))
        && !request.is_zero()
        && backend > request
    {
        f.refuse(
            "backendRequest",
            "is longer than the request timeout",
            "use at most request",
        );
    }
}

/// Reads a Gateway API duration, for example `1m30s`; none if it is not one.
pub(super) fn duration(text: &str) -> Option<Duration> {
    if !Form::Duration.admits(text) {
        return None;
    }
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest[..digits].parse().ok()?;
        let units = rest[digits..]
            .bytes()
            .take_while(u8::is_ascii_alphabetic)
            .count();
        total += match &rest[digits..digits + units] {
            "h" => Duration::from_secs(number * 3600),
            "m" => Duration::from_secs(number * 60),
            "s" => Duration::from_secs(number),
            _ => Duration::from_millis(number),
        };
        rest = &rest[digits + units..];
    }
    Some(total)
}

/// `sessionPersistence` of an HTTPRoute's or GRPCRoute's rule, in the shape of v1.7.
pub(super) fn session_persistence(f: &mut Fields<'_>) {
    f.default("type", "Cookie");
    f.choice("type", &["Cookie", "Header"]);
    f.text("absoluteTimeout", &DURATION);
    let lifetime = f
        .child("cookie")
        .and_then(|cookie| cookie.get("lifetimeType"));
    let permanent = lifetime.and_then(Value::as_str) == Some("Permanent");
    f.object("cookie", |f| {
        f.default("lifetimeType", "Session");
        f.default("path", "/");
        f.choice("lifetimeType", &["Permanent", "Session"]);
        f.text("name", &HEADER_NAME);
        f.text("path", &PATH);
    });
    f.object("header", |f| f.required_text("name", &HEADER_NAME));
    let kind = f.str("type").map(str::to_owned);
    for (name, field) in [("Cookie", "cookie"), ("Header", "header")] {
        let chosen = kind.as_deref() == Some(name);
        if chosen != f.has(field) {
            f.refuse(
                field,
                format!("must be set exactly when type is {name}"),
                "set it or remove it",
            );
        }
    }
    if permanent && !f.has("absoluteTimeout") {
        f.refuse(
            "absoluteTimeout",
            "required for a permanent cookie, but missing",
            "set it",
        );
    }
}

fn redirect_without_backends(f: &mut Fields<'_>) {
    let redirects = f
        .items("filters")
        .iter()
        .any(|filter| filter.get("requestRedirect").is_some());
    if redirects && !f.items("backendRefs").is_empty() {
        let what = "not allowed together with a RequestRedirect filter";
        f.refuse("backendRefs", what, "remove the filter or the backendRefs");
    }
}

/// Replacing a prefix is only defined when one prefix was matched. The schema looks at a level
/// (the rule, or the backendRefs) only if exactly one place of it replaces a prefix.
fn prefix_replacement_needs_one_prefix(f: &mut Fields<'_>) {
    let matches = f.items("matches");
    let one_prefix = matches.len() == 1
        && matches[0].pointer("/path/type").and_then(Value::as_str) == Some("PathPrefix");
    if one_prefix {
        return;
    }
    let mut wrong = Vec::new();
    for field in ["requestRedirect", "urlRewrite"] {
        let replaces = |filter: &&Value| {
            filter.get(field).is_some_and(|filter| {
                filter.pointer("/path/type").and_then(Value::as_str) == Some("ReplacePrefixMatch")
                    && filter.pointer("/path/replacePrefixMatch").is_some()
            })
        };
        if f.items("filters").iter().filter(replaces).count() == 1 {
            wrong.push(("filters", field));
        }
        let backend_replaces = |backend: &&Value| {
            let filters = backend.get("filters").and_then(Value::as_array);
            filters.is_some_and(|filters| filters.iter().filter(replaces).count() == 1)
        };
        if f.items("backendRefs")
            .iter()
            .filter(backend_replaces)
            .count()
            == 1
        {
            wrong.push(("backendRefs", field));
        }
    }
    for (level, field) in wrong {
        let what = format!("a {field} with replacePrefixMatch needs exactly one PathPrefix match");
        f.refuse(
            level,
            what,
            "give the rule one match of type PathPrefix, or replaceFullPath",
        );
    }
}

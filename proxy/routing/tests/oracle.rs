//! The index against a slow matcher that is obviously right: it looks at every match of every
//! route, by the words of the API, and takes the best.

mod fixture;

use fixture::{And, Ask, Fixture};
use http::Method;
use proptest::prelude::*;
use proptest::sample::select;
use rauta_routing::{
    HeaderMatch, Hostname, Match, PathMatch, QueryMatch, RequestView, RouteEntry, RouteTable,
    ValueMatch,
};
use std::cmp::Ordering;

/// A match that holds, with all that precedence looks at.
struct Holding<'a> {
    own: Option<&'a Hostname>,
    route: &'a RouteEntry,
    rule: usize,
    place: usize,
    matched: &'a Match,
}

/// The rule that `request` meets, by name, and the bytes its prefix covers.
fn slow<'a>(routes: &'a [RouteEntry], request: &RequestView<'_>) -> Option<(&'a str, usize)> {
    let mut holding = Vec::new();
    for route in routes {
        for (rule, entry) in route.rules.iter().enumerate() {
            for (place, matched) in entry.matches.iter().enumerate() {
                if !holds(matched, request) {
                    continue;
                }
                let of = |own| Holding {
                    own,
                    route,
                    rule,
                    place,
                    matched,
                };
                if route.hostnames.is_empty() {
                    holding.push(of(None));
                }
                for hostname in &route.hostnames {
                    if under(&hostname.effective, request.host) {
                        holding.push(of(Some(&hostname.own)));
                    }
                }
            }
        }
    }
    let best = holding.into_iter().min_by(before)?;
    let covered = match &best.matched.path {
        PathMatch::Prefix(prefix) => prefix.trim_end_matches('/').len(),
        _ => request.path.len(),
    };
    Some((&best.route.rules[best.rule].rule.name.name().rule, covered))
}

fn under(hostname: &Hostname, host: &str) -> bool {
    let text = hostname.to_string();
    let wanted: Vec<&str> = text.split('.').collect();
    let labels: Vec<&str> = host.split('.').collect();
    match wanted.split_first() {
        Some((&"*", rest)) => labels.len() > rest.len() && labels.ends_with(rest),
        _ => labels == wanted,
    }
}

fn holds(wanted: &Match, request: &RequestView<'_>) -> bool {
    path_holds(&wanted.path, request.path)
        && wanted.method.as_ref().is_none_or(|m| m == request.method)
        && firsts(&wanted.headers, |h| h.name.as_str())
            .into_iter()
            .all(|h| {
                let mut values: Vec<&str> = Vec::new();
                request.headers.visit(&mut |name, value| {
                    if *name == h.name {
                        values.push(str::from_utf8(value).expect("fields are ASCII"));
                    }
                });
                !values.is_empty() && value_holds(&h.value, &values.join(","))
            })
        && firsts(&wanted.query, |q| &q.name).into_iter().all(|q| {
            pairs(request.query)
                .into_iter()
                .find(|(name, _)| *name == q.name)
                .is_some_and(|(_, value)| value_holds(&q.value, &value))
        })
}

/// Of equal names the first.
fn firsts<T>(all: &[T], name: impl Fn(&T) -> &str) -> Vec<&T> {
    let mut kept: Vec<&T> = Vec::new();
    for one in all {
        if !kept.iter().any(|first| name(first) == name(one)) {
            kept.push(one);
        }
    }
    kept
}

fn pairs(query: Option<&str>) -> Vec<(String, String)> {
    let Some(query) = query else {
        return Vec::new();
    };
    let unescape = |text: &str| text.replace("%20", " ").replace("%71", "q");
    query
        .split('&')
        .map(|pair| match pair.find('=') {
            Some(at) => (unescape(&pair[..at]), unescape(&pair[at + 1..])),
            None => (unescape(pair), String::new()),
        })
        .collect()
}

fn value_holds(wanted: &ValueMatch, value: &str) -> bool {
    match wanted {
        ValueMatch::Exact(text) => text == value,
        ValueMatch::Regex(regex) => regex.is_match(value),
    }
}

fn path_holds(wanted: &PathMatch, path: &str) -> bool {
    match wanted {
        PathMatch::Exact(text) => text == path,
        PathMatch::Prefix(prefix) => {
            let elements = |text: &str| -> Vec<String> {
                let text = text.strip_prefix('/').unwrap_or(text);
                text.split('/').map(str::to_owned).collect()
            };
            let wanted = prefix.trim_end_matches('/');
            wanted.is_empty() || elements(path).starts_with(&elements(wanted))
        }
        PathMatch::Regex(regex) => regex.is_match(path),
        PathMatch::Grpc(wanted) => {
            let parts: Vec<&str> = path.split('/').collect();
            let part = |wanted: &Option<ValueMatch>, at: usize| {
                wanted
                    .as_ref()
                    .is_none_or(|w| parts.len() == 3 && value_holds(w, parts[at]))
            };
            part(&wanted.service, 1) && part(&wanted.method, 2)
        }
    }
}

fn before(a: &Holding<'_>, b: &Holding<'_>) -> Ordering {
    let host = |h: &Holding<'_>| match h.own {
        Some(Hostname::Exact(name)) => (2, name.len()),
        Some(Hostname::Wildcard(suffix)) => (1, suffix.len()),
        None => (0, 0),
    };
    let more = |key: fn(&Match) -> usize| key(b.matched).cmp(&key(a.matched));
    host(b)
        .cmp(&host(a))
        .then_with(|| path_strength(b.matched).cmp(&path_strength(a.matched)))
        .then_with(|| more(|m| usize::from(m.method.is_some())))
        .then_with(|| more(|m| firsts(&m.headers, |h: &HeaderMatch| h.name.as_str()).len()))
        .then_with(|| more(|m| firsts(&m.query, |q: &QueryMatch| &q.name).len()))
        .then_with(|| a.route.created.cmp(&b.route.created))
        .then_with(|| a.route.key.cmp(&b.route.key))
        .then_with(|| (a.rule, a.place).cmp(&(b.rule, b.place)))
}

/// Larger is stronger: Exact, gRPC (service, then method: text, expression, none), expressions by
/// length, prefixes by length.
fn path_strength(m: &Match) -> (u8, [usize; 4]) {
    let part = |value: &Option<ValueMatch>| match value {
        Some(ValueMatch::Exact(text)) => [2, text.len()],
        Some(ValueMatch::Regex(regex)) => [1, regex.as_str().len()],
        None => [0, 0],
    };
    match &m.path {
        PathMatch::Exact(_) => (4, [0; 4]),
        PathMatch::Grpc(grpc) => {
            let ([a, b], [c, d]) = (part(&grpc.service), part(&grpc.method));
            (3, [a, b, c, d])
        }
        PathMatch::Regex(regex) => (2, [regex.as_str().len(), 0, 0, 0]),
        PathMatch::Prefix(prefix) => (1, [prefix.trim_end_matches('/').len(), 0, 0, 0]),
    }
}

const HOSTS: &[&str] = &[
    "a.example.com",
    "b.a.example.com",
    "c.b.a.example.com",
    "example.com",
    "b.example.com",
    "other.org",
    "127.0.0.1",
    "",
];
const OWN: &[&str] = &[
    "a.example.com",
    "b.a.example.com",
    "example.com",
    "*.example.com",
    "*.a.example.com",
    "*.b.a.example.com",
    "*.com",
    "*.org",
];
const PATHS: &[&str] = &[
    "/",
    "/a",
    "/a/",
    "/a/b",
    "/a/b/",
    "/ab",
    "/a//b",
    "/a/b/c",
    "//",
    "//a",
    "/b",
    "/s/m",
    "/s.t/m",
    "/s/n",
    "/a%2Fb",
    "*",
    "/a/b/c/d/e/f",
];
const PATTERNS: &[&str] = &[
    "/a/.*",
    "/[ab]",
    "/a/b",
    ".*",
    "/a.*",
    "/.*b",
    "/(a|b)/b.*",
    "/s/.",
];
const VALUES: &[&str] = &["1", "2", "1,2", "a b", "~1.*", "~.*2", "~[a-z ]*", "~"];

fn paths() -> impl Strategy<Value = Match> {
    let part = || {
        proptest::option::of(select(vec!["s", "s.t", "m", "n", "~s.*", "~.", "~[mn]"]))
            .prop_map(|text| text.map(fixture::value))
    };
    prop_oneof![
        3 => select(PATHS).prop_map(fixture::exact),
        6 => select(PATHS).prop_map(fixture::prefix),
        3 => select(PATTERNS).prop_map(fixture::regex),
        2 => (part(), part()).prop_map(|(service, method)| fixture::grpc(service, method)),
    ]
}

fn conditions(base: impl Strategy<Value = Match>) -> impl Strategy<Value = Match> {
    let named =
        |names: Vec<&'static str>| proptest::collection::vec((select(names), select(VALUES)), 0..3);
    let method = proptest::option::weighted(0.3, select(vec![Method::GET, Method::POST]));
    (base, method, named(vec!["x", "y"]), named(vec!["q", "r"])).prop_map(
        |(mut built, method, headers, query)| {
            built.method = method;
            for (name, value) in headers {
                built = built.header(name, value);
            }
            for (name, value) in query {
                built = built.query(name, value);
            }
            built
        },
    )
}

type RouteDraft = (Vec<&'static str>, u64, usize, Vec<Vec<Match>>);

fn routes(
    matches: impl Strategy<Value = Match>,
    hosts_max: usize,
    routes_max: usize,
) -> impl Strategy<Value = Vec<RouteDraft>> {
    let matches = proptest::collection::vec(matches, 1..4);
    let rules = proptest::collection::vec(matches, 1..4);
    let hosts = proptest::sample::subsequence(OWN, 0..=hosts_max);
    proptest::collection::vec((hosts, 0_u64..3, 0_usize..4, rules), 1..routes_max)
}

fn requests() -> impl Strategy<Value = Vec<Ask>> {
    let query = select(vec![
        None,
        Some("q=1"),
        Some("q=2&q=1"),
        Some("r=1&q=a%20b"),
        Some("%71=1"),
        Some("q"),
        Some("&=&r=12&q=%zz"),
        Some("q=1&r=2"),
        Some(""),
    ]);
    let field = (
        select(vec!["x", "y", "z"]),
        select(vec!["1", "2", "12", "a b"]),
    );
    let one = (
        select(HOSTS),
        select(PATHS),
        query,
        proptest::collection::vec(field, 0..4),
        select(vec![Method::GET, Method::POST, Method::PUT]),
    )
        .prop_map(|(host, path, query, fields, method)| {
            let mut ask = fixture::get("/").method(method);
            ask.host = host.to_owned();
            ask.path = path.to_owned();
            ask.query = query.map(str::to_owned);
            fields
                .into_iter()
                .fold(ask, |ask, (name, value)| ask.header(name, value))
        });
    proptest::collection::vec(one, 1..24)
}

fn check(
    listener: Option<&str>,
    drafts: Vec<RouteDraft>,
    requests: &[Ask],
) -> Result<(), TestCaseError> {
    let mut fixture = listener.map_or_else(Fixture::default, Fixture::on);
    for (number, (hosts, age, name, rules)) in drafts.into_iter().enumerate() {
        let hosts: Vec<_> = hosts.into_iter().map(Hostname::new).collect();
        fixture.add(&format!("{name}-{number}"), age, &hosts, rules);
    }
    let table = RouteTable::new(fixture.routes.clone());
    for request in requests {
        let view = request.view();
        let expected = slow(&fixture.routes, &view);
        let found = table
            .find(&view)
            .map(|found| (found.rule.name.name().rule.as_str(), found.prefix_len));
        prop_assert_eq!(found, expected, "{:?}", request);
        let explained = table.explain(&view);
        let named = explained
            .found
            .map(|found| found.rule.name.name().rule.clone());
        prop_assert_eq!(named.as_deref(), expected.map(|(name, _)| name));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn the_index_finds_what_the_slow_matcher_finds(
        listener in select(vec![None, Some("*.example.com"), Some("a.example.com"), Some("*.com")]),
        drafts in routes(conditions(paths()), 3, 12),
        requests in requests(),
    ) {
        check(listener, drafts, &requests)?;
    }

    #[test]
    fn long_buckets_keep_their_order(
        drafts in routes(conditions(Just(fixture::prefix("/"))), 0, 40),
        requests in requests(),
    ) {
        check(None, drafts, &requests)?;
    }

    #[test]
    fn many_expressions_keep_their_order(
        drafts in routes(conditions(select(PATTERNS).prop_map(fixture::regex)), 0, 20),
        requests in requests(),
    ) {
        check(None, drafts, &requests)?;
    }
}

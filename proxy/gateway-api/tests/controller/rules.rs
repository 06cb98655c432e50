//! Rules: matches, filters, limits.

use super::fixture::{Fixture, TAKEN, http_route};
use rauta_routing::{
    BackendTarget, CorsOrigins, Filter, InvalidBackend, PathMatch, PathRewrite, Rule,
};
use std::sync::Arc;
use std::time::Duration;

fn with_rules(rules: &str) -> Fixture {
    let spec = format!("{{parentRefs: [{{name: gw}}], rules: [{rules}]}}");
    Fixture::on_base(&http_route("web", &spec))
}

fn only_rule(fixture: &Fixture) -> Arc<Rule> {
    fixture.table().routes()[0].rules[0].rule.clone()
}

#[test]
fn a_rule_without_anything_matches_everything_and_answers_500() {
    let fixture = with_rules("{}");
    let rule = fixture.rule("any.example.com", "/any").expect("it matches");
    assert!(rule.backends.is_empty());
    assert_eq!(rule.name.name().template, "/*");
    assert_eq!(fixture.parent("HTTPRoute default/web", 0), TAKEN);
}

#[test]
fn rules_are_named_by_name_or_place_with_a_template() {
    let fixture = with_rules(
        "{name: first, matches: [{path: {type: Exact, value: /a}}]}, \
         {matches: [{path: {value: /b/c/}}, {path: {value: /b}}, \
         {path: {type: Exact, value: /}}]}, \
         {matches: [{path: {type: RegularExpression, value: '/x/[0-9]+'}}]}",
    );
    let rules = &fixture.table().routes()[0].rules;
    let names: Vec<(String, String)> = rules
        .iter()
        .map(|entry| {
            let name = entry.rule.name.name();
            (name.rule.clone(), name.template.clone())
        })
        .collect();
    let expected = [("first", "/a"), ("1", "/b/*"), ("2", "/x/[0-9]+")];
    assert_eq!(names, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
}

#[test]
fn filters_keep_their_order_and_their_values() {
    let fixture = with_rules(
        "{backendRefs: [{name: web, port: 80, filters: [{type: RequestHeaderModifier, \
         requestHeaderModifier: {set: [{name: x-share, value: a}]}}]}], filters: [
         {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: X-One, value: '1'}], \
          add: [{name: x-two, value: 'a,b'}], remove: [x-three]}},
         {type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: x-r, value: r}]}},
         {type: URLRewrite, urlRewrite: {hostname: new.example.com, path: {type: \
          ReplacePrefixMatch, replacePrefixMatch: /new}}},
         {type: RequestMirror, requestMirror: {backendRef: {name: web, port: 80}, percent: 25}},
         {type: RequestMirror, requestMirror: {backendRef: {name: web, port: 80}, fraction: \
          {numerator: 1, denominator: 3}}},
         {type: CORS, cors: {allowOrigins: ['https://*.example.com'], allowMethods: ['*'], \
          maxAge: 60}}]}",
    );
    let rule = only_rule(&fixture);
    let [
        Filter::RequestHeaders(request),
        Filter::ResponseHeaders(response),
        Filter::Rewrite(rewrite),
        Filter::Mirror(percent),
        Filter::Mirror(fraction),
        Filter::Cors(cors),
    ] = rule.filters.as_slice()
    else {
        panic!("six filters in their order: {:#?}", rule.filters);
    };
    assert_eq!(request.set[0].0, "x-one");
    assert_eq!(request.add[0].1, "a,b");
    assert_eq!(request.remove[0], "x-three");
    assert_eq!(response.set[0].0, "x-r");
    assert_eq!(rewrite.path, Some(PathRewrite::Prefix("/new".to_owned())));
    assert_eq!((percent.numerator, percent.denominator), (25, 100));
    assert_eq!((fraction.numerator, fraction.denominator), (1, 3));
    assert!(percent.backend.is_some());
    assert!(matches!(&cors.origins, CorsOrigins::List(list) if list.len() == 1));
    assert!(cors.methods.is_none());
    assert_eq!(cors.max_age, Duration::from_secs(60));
    assert!(matches!(
        rule.backends[0].filters[..],
        [Filter::RequestHeaders(_)]
    ));
}

#[test]
fn a_redirect_needs_no_backend() {
    let fixture = with_rules(
        "{filters: [{type: RequestRedirect, requestRedirect: {scheme: https, statusCode: 301}}]}",
    );
    let rule = only_rule(&fixture);
    let [Filter::Redirect(redirect)] = rule.filters.as_slice() else {
        panic!("one redirect: {:#?}", rule.filters);
    };
    assert_eq!(
        (redirect.scheme, redirect.status.as_u16()),
        (Some("https"), 301)
    );
    assert_eq!(fixture.parent("HTTPRoute default/web", 0), TAKEN);
}

#[test]
fn limits_are_read_and_zero_means_none() {
    let cases = [
        ("{}", None, None),
        ("{request: 10s}", Some(10_000), None),
        (
            "{request: 1m, backendRequest: 500ms}",
            Some(60_000),
            Some(500),
        ),
        ("{request: 0s, backendRequest: 2s}", None, Some(2_000)),
    ];
    for (timeouts, request, backend) in cases {
        let fixture = with_rules(&format!("{{timeouts: {timeouts}}}"));
        let found = only_rule(&fixture).timeouts;
        assert_eq!(
            found.request,
            request.map(Duration::from_millis),
            "{timeouts}"
        );
        assert_eq!(
            found.backend_request,
            backend.map(Duration::from_millis),
            "{timeouts}"
        );
    }
    let fixture = with_rules("{retry: {attempts: 3, backoff: 100ms, codes: [500, 503]}}");
    let retry = only_rule(&fixture).retry.clone().expect("retries");
    assert_eq!(retry.attempts, 3);
    assert_eq!(retry.backoff, Some(Duration::from_millis(100)));
    assert_eq!(retry.codes, [500, 503]);
    let fixture = with_rules("{retry: {}}");
    assert_eq!(
        only_rule(&fixture)
            .retry
            .as_ref()
            .expect("retries")
            .attempts,
        1
    );
    assert!(only_rule(&with_rules("{}")).retry.is_none());
}

#[test]
fn a_filter_that_is_not_known_answers_500_and_is_never_skipped() {
    let extension = "{type: ExtensionRef, extensionRef: {group: example.com, kind: Auth, name: a}}";
    let fixture = with_rules(&format!(
        "{{filters: [{extension}], backendRefs: [{{name: web, port: 80}}]}}, \
         {{matches: [{{path: {{value: /open}}}}], backendRefs: [{{name: web, port: 80}}]}}"
    ));
    let closed = fixture.rule("h", "/").expect("it matches");
    assert!(closed.filters.is_empty());
    assert!(matches!(
        closed.backends[..],
        [ref only] if matches!(only.target, BackendTarget::Invalid(InvalidBackend::InvalidFilter))
    ));
    let open = fixture.rule("h", "/open").expect("it matches");
    assert!(matches!(open.backends[0].target, BackendTarget::Backend(_)));
    assert_eq!(
        fixture.parent("HTTPRoute default/web", 0),
        ["Accepted=True/Accepted", "ResolvedRefs=False/InvalidKind"]
    );
}

#[test]
fn a_rule_whose_match_cannot_be_used_is_dropped_alone() {
    let bad = "{matches: [{path: {type: RegularExpression, value: '('}}]}";
    let good = "{matches: [{path: {value: /good}}]}";
    let fixture = with_rules(&format!("{bad}, {good}"));
    assert!(fixture.rule("h", "/good").is_some());
    assert_eq!(fixture.table().routes()[0].rules.len(), 1);
    assert_eq!(
        fixture.parent("HTTPRoute default/web", 0),
        [
            "Accepted=True/Accepted",
            "ResolvedRefs=True/ResolvedRefs",
            "PartiallyInvalid=True/UnsupportedValue"
        ]
    );
    let message = fixture.message("HTTPRoute default/web", "PartiallyInvalid");
    assert!(
        message.starts_with("Dropped Rule 0: path: \"(\" is not"),
        "{message}"
    );

    let alone = with_rules(bad);
    assert_eq!(
        alone.parent("HTTPRoute default/web", 0)[0],
        "Accepted=False/UnsupportedValue"
    );
    assert!(alone.table().routes().is_empty());
}

#[test]
fn grpc_rules_match_services_and_methods() {
    let route = http_route(
        "rpc",
        "{parentRefs: [{name: gw}], rules: [{matches: [{method: {service: a.B, method: C}}, \
         {headers: [{name: x, value: z}]}], backendRefs: [{name: web, port: 80}]}]}",
    )
    .replace("HTTPRoute", "GRPCRoute");
    let fixture = Fixture::on_base(&route);
    let entry = &fixture.table().routes()[0].rules[0];
    assert!(matches!(&entry.matches[0].path, PathMatch::Grpc(wanted)
        if wanted.service.is_some() && wanted.method.is_some()));
    assert_eq!(entry.rule.name.name().template, "/*");
    assert!(fixture.rule("h", "/a.B/C").is_some());
    assert!(fixture.rule("h", "/a.B/D").is_none());
    assert_eq!(fixture.parent("GRPCRoute default/rpc", 0), TAKEN);
}

#[test]
fn a_rule_keeps_its_number_while_its_content_changes() {
    let mut fixture = with_rules("{timeouts: {request: 1s}}");
    let before = only_rule(&fixture);
    let spec = "{parentRefs: [{name: gw}], rules: [{timeouts: {request: 2s}}]}";
    fixture.put("more", &http_route("web", spec));
    let after = only_rule(&fixture);
    assert_eq!(
        before.id(),
        after.id(),
        "so that weights keep their position"
    );
    assert_ne!(before.timeouts, after.timeouts);
}

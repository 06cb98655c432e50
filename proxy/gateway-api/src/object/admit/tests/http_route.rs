//! The rules of HTTPRoutes.

use serde_json::{Value, json};

use super::{check, check_lines, spec_of, text, with};

fn route() -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": {"name": "r"},
        "spec": {
            "parentRefs": [{"name": "g"}],
            "hostnames": ["a.example.com"],
            "rules": [{
                "name": "first",
                "matches": [{"path": {"value": "/a"}, "headers": [{"name": "a", "value": "b"}]}],
                "filters": [],
                "backendRefs": [{"name": "s", "port": 80}]
            }]
        }
    })
}

#[test]
fn defaults_are_those_of_the_schema() {
    let bare = with(
        &with(&route(), "/spec/rules", Value::Null),
        "/spec/hostnames",
        Value::Null,
    );
    let path = json!({"type": "PathPrefix", "value": "/"});
    assert_eq!(
        spec_of(&bare),
        json!({
            "parentRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "g"}],
            "rules": [{"matches": [{"path": path}]}]
        })
    );
    let filters = json!([
        {"type": "RequestRedirect", "requestRedirect": {}},
        {"type": "CORS", "cors": {}},
        {"type": "RequestMirror", "requestMirror":
            {"backendRef": {"name": "m", "port": 1}, "fraction": {"numerator": 1}}},
    ]);
    let rule = json!({
        "matches": [{
            "method": "GET",
            "headers": [{"name": "a", "value": "b"}], "queryParams": [{"name": "a", "value": "b"}]
        }],
        "filters": filters, "retry": {},
    });
    let spec = spec_of(&with(&route(), "/spec/rules/0", rule));
    assert_eq!(
        spec["rules"][0],
        json!({
            "matches": [{
                "path": path, "method": "GET",
                "headers": [{"type": "Exact", "name": "a", "value": "b"}],
                "queryParams": [{"type": "Exact", "name": "a", "value": "b"}]
            }],
            "filters": [
                {"type": "RequestRedirect", "requestRedirect": {"statusCode": 302}},
                {"type": "CORS", "cors": {"maxAge": 5}},
                {"type": "RequestMirror", "requestMirror": {
                    "backendRef": {"group": "", "kind": "Service", "name": "m", "port": 1},
                    "fraction": {"numerator": 1, "denominator": 100}
                }},
            ],
            "retry": {"attempts": 1},
        })
    );
    let backend = &spec_of(&route())["rules"][0]["backendRefs"][0];
    let expected = json!({"group": "", "kind": "Service", "name": "s", "port": 80, "weight": 1});
    assert_eq!(backend, &expected);
}

const PARENTS_AND_HOSTNAMES: &str = r#"
/spec/hostnames/0 | "*.example.com" |
/spec/hostnames/0 | "*" | spec.hostnames[0]
/spec/hostnames/0 | "a:80" | spec.hostnames[0]
/spec/hostnames/0 | "Example.com" | spec.hostnames[0]
/spec/hostnames/0 | 7 | spec.hostnames[0]
/spec/hostnames | "a" | spec.hostnames
/spec/parentRefs | [{"port": 80}] | spec.parentRefs[0].name
/spec/parentRefs | [{"name": "g", "port": 0}] | spec.parentRefs[0].port
/spec/parentRefs | [{"name": "g", "port": "80"}] | spec.parentRefs[0].port
/spec/parentRefs | [{"name": "g", "sectionName": "A"}] | spec.parentRefs[0].sectionName
/spec/parentRefs | [{"name": "g", "kind": "a b"}] | spec.parentRefs[0].kind
/spec/parentRefs | [{"name": "g"}, {"name": "g"}] | spec.parentRefs
/spec/parentRefs | [{"name": "g"}, {"name": "g", "port": 80}] | spec.parentRefs
/spec/parentRefs | [{"name": "g", "port": 80}, {"name": "g", "sectionName": "a"}] | spec.parentRefs
/spec/parentRefs | [{"name": "g", "port": 80}, {"name": "g", "port": 81}] |
/spec/parentRefs | [{"name": "g"}, {"name": "g", "namespace": "n"}] |
/spec/parentRefs | [{"name": "g"}, {"name": "g", "kind": "Service"}] |
"#;

#[test]
fn parents_and_hostnames() {
    check_lines(&route(), PARENTS_AND_HOSTNAMES);
    check(
        &route(),
        &[
            ("/spec/hostnames/0", text(254), &["spec.hostnames[0]"]),
            ("/spec/hostnames", json!(vec!["a"; 17]), &["spec.hostnames"]),
        ],
    );
}

#[test]
fn matches() {
    const VALUE: &[&str] = &["spec.rules[0].matches[0].path.value"];
    let path = "/spec/rules/0/matches/0/path";
    let literal = |value: &str| json!({"type": "PathPrefix", "value": value});
    let mut rows: Vec<(&str, Value, &[&str])> = [
        "a", "/a//b", "/a/./b", "/a/../b", "/a%2fb", "/a%2Fb", "/a#b", "/a/..", "/a/.", "/a b",
        "/%", "",
    ]
    .map(|value| (path, literal(value), VALUE))
    .to_vec();
    rows.extend([
        (path, literal("/a/..b/%20"), &[] as &[&str]),
        (
            path,
            json!({"type": "RegularExpression", "value": "a//(b|c) "}),
            &[],
        ),
        (
            path,
            json!({"type": "Glob"}),
            &["spec.rules[0].matches[0].path.type"],
        ),
        (path, json!({"value": "/a".repeat(513)}), VALUE),
    ]);
    let one = "/spec/rules/0/matches/0";
    let header = |name: &str, value: &str| json!({"name": name, "value": value});
    rows.extend([
        (
            one,
            json!({"method": "get"}),
            &["spec.rules[0].matches[0].method"] as &[&str],
        ),
        (
            one,
            json!({"headers": [header("a b", "x")]}),
            &["spec.rules[0].matches[0].headers[0].name"],
        ),
        (
            one,
            json!({"headers": [header("a", "")]}),
            &["spec.rules[0].matches[0].headers[0].value"],
        ),
        (
            one,
            json!({"headers": [header("a", "x"), header("a", "y")]}),
            &["spec.rules[0].matches[0].headers[1].name"],
        ),
        (
            one,
            json!({"headers": [header("a", "x"), header("A", "y")]}),
            &[],
        ),
        (
            one,
            json!({"queryParams": [{"name": "a"}]}),
            &["spec.rules[0].matches[0].queryParams[0].value"],
        ),
        (one, json!({"queryParams": [header("a", "ä b")]}), &[]),
        ("/spec/rules/0/matches", json!([]), &[]),
        (
            "/spec/rules/0/matches",
            json!(vec![json!({}); 65]),
            &["spec.rules[0].matches"],
        ),
    ]);
    check(&route(), &rows);
}

const RULES: &str = r#"
/spec/rules | [] | spec.rules
/spec/rules | {} | spec.rules
/spec/rules | [{"name": "a"}, {"name": "a"}] | spec.rules
/spec/rules | [{"name": "a"}, {}, {}] |
/spec/rules/0/name | "A" | spec.rules[0].name
/spec/rules/0/timeouts | {"request": "1x"} | spec.rules[0].timeouts.request
/spec/rules/0/timeouts | {"request": "1s", "backendRequest": "1s1ms"} | spec.rules[0].timeouts.backendRequest
/spec/rules/0/timeouts | {"request": "1m", "backendRequest": "60s"} |
/spec/rules/0/timeouts | {"request": "0s", "backendRequest": "2s"} |
/spec/rules/0/retry | {"codes": [500, 503], "backoff": "100ms"} |
/spec/rules/0/retry | {"codes": [399]} | spec.rules[0].retry.codes[0]
/spec/rules/0/retry | {"codes": [500, 500]} | spec.rules[0].retry.codes[1]
/spec/rules/0/retry | {"attempts": -1} | spec.rules[0].retry.attempts
/spec/rules/0/sessionPersistence | {"cookie": {}} |
/spec/rules/0/sessionPersistence | {} | spec.rules[0].sessionPersistence.cookie
/spec/rules/0/sessionPersistence | {"cookie": {"lifetimeType": "Permanent"}} | spec.rules[0].sessionPersistence.absoluteTimeout
"#;

#[test]
fn rules() {
    check_lines(&route(), RULES);
    let rule = json!({"matches": vec![json!({}); 43]});
    check(
        &route(),
        &[
            ("/spec/rules", json!(vec![json!({}); 17]), &["spec.rules"]),
            ("/spec/rules", json!([rule, rule]), &[]),
            ("/spec/rules", json!([rule, rule, rule]), &["spec.rules"]),
        ],
    );
}

#[test]
fn backends() {
    let at = "/spec/rules/0/backendRefs/0";
    check(
        &route(),
        &[
            (
                at,
                json!({"name": "s"}),
                &["spec.rules[0].backendRefs[0].port"],
            ),
            (
                at,
                json!({"name": "s", "kind": "Other", "group": "a.b"}),
                &[],
            ),
            (
                at,
                json!({"name": "s", "port": 80, "weight": -1}),
                &["spec.rules[0].backendRefs[0].weight"],
            ),
            (
                at,
                json!({"name": "s", "port": 80, "weight": 1_000_001}),
                &["spec.rules[0].backendRefs[0].weight"],
            ),
            (
                at,
                json!({"name": "s", "port": 65_536}),
                &["spec.rules[0].backendRefs[0].port"],
            ),
            (
                at,
                json!({"name": "s", "port": 1, "kind": "XBackend", "group": "gateway.networking.x-k8s.io"}),
                &["spec.rules[0].backendRefs[0].port"],
            ),
            (
                "/spec/rules/0/backendRefs",
                json!(vec![json!({"name": "s", "port": 1}); 17]),
                &["spec.rules[0].backendRefs"],
            ),
        ],
    );
}

const FILTERS: &str = r#"
/spec/rules/0/filters | [{}] | spec.rules[0].filters[0].type
/spec/rules/0/filters | [{"type": "Other"}] | spec.rules[0].filters[0].type
/spec/rules/0/filters | [{"type": "CORS"}] | spec.rules[0].filters[0].cors
/spec/rules/0/filters | [{"type": "URLRewrite", "urlRewrite": {}, "cors": {}}] | spec.rules[0].filters[0].cors
/spec/rules/0/filters | [{"type": "ExtensionRef", "extensionRef": {"group": "a", "kind": "b", "name": "c"}}] |
/spec/rules/0/filters | [{"type": "ExtensionRef", "extensionRef": {"kind": "b"}}] | spec.rules[0].filters[0].extensionRef.group spec.rules[0].filters[0].extensionRef.name
/spec/rules/0/filters | [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "a", "value": "b"}], "remove": ["a"]}}] |
/spec/rules/0/filters | [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "a"}]}}] | spec.rules[0].filters[0].requestHeaderModifier.set[0].value
/spec/rules/0/filters | [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["a", "a"]}}] | spec.rules[0].filters[0].requestHeaderModifier.remove[1]
/spec/rules/0/filters | [{"type": "RequestHeaderModifier", "requestHeaderModifier": {}}, {"type": "RequestHeaderModifier", "requestHeaderModifier": {}}] | spec.rules[0].filters
/spec/rules/0/filters | [{"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "m", "port": 1}}}, {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "m", "port": 1}}}] |
/spec/rules/0/filters | [{"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "m", "port": 1}, "percent": 101}}] | spec.rules[0].filters[0].requestMirror.percent
/spec/rules/0/filters | [{"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "m", "port": 1}, "fraction": {"numerator": 101}}}] | spec.rules[0].filters[0].requestMirror.fraction.numerator
/spec/rules/0/filters | [{"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "m", "port": 1}, "percent": 1, "fraction": {"numerator": 1}}}] | spec.rules[0].filters[0].requestMirror.percent
/spec/rules/0/filters | [{"type": "CORS", "cors": {"allowOrigins": ["*", "http://a"]}}] | spec.rules[0].filters[0].cors.allowOrigins
/spec/rules/0/filters | [{"type": "CORS", "cors": {"allowOrigins": ["a"]}}] | spec.rules[0].filters[0].cors.allowOrigins[0]
/spec/rules/0/filters | [{"type": "CORS", "cors": {"allowMethods": ["get"]}}] | spec.rules[0].filters[0].cors.allowMethods[0]
/spec/rules/0/filters | [{"type": "CORS", "cors": {"maxAge": 0}}] | spec.rules[0].filters[0].cors.maxAge
/spec/rules/0/filters | [{"type": "CORS", "cors": {"allowCredentials": "yes"}}] | spec.rules[0].filters[0].cors.allowCredentials
/spec/rules/0/filters | [{"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/x"}}}] |
/spec/rules/0/filters | [{"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplaceFullPath"}}}] | spec.rules[0].filters[0].urlRewrite.path.replaceFullPath
/spec/rules/0/filters | [{"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplaceFullPath", "replacePrefixMatch": "/"}}}] | spec.rules[0].filters[0].urlRewrite.path.replaceFullPath spec.rules[0].filters[0].urlRewrite.path.replacePrefixMatch
/spec/rules/0/filters | [{"type": "RequestRedirect", "requestRedirect": {}}] | spec.rules[0].backendRefs
"#;

#[test]
fn filters() {
    check_lines(&route(), FILTERS);
}

#[test]
fn redirects() {
    let mut bare = route();
    bare["spec"]["rules"][0]["backendRefs"] = json!([]);
    let at = "/spec/rules/0/filters";
    let redirect = |fields: Value| json!([{"type": "RequestRedirect", "requestRedirect": fields}]);
    check(
        &bare,
        &[
            (
                at,
                redirect(json!({"statusCode": 308, "scheme": "https", "port": 443})),
                &[],
            ),
            (
                at,
                redirect(json!({"statusCode": 304})),
                &["spec.rules[0].filters[0].requestRedirect.statusCode"],
            ),
            (
                at,
                redirect(json!({"scheme": "HTTPS"})),
                &["spec.rules[0].filters[0].requestRedirect.scheme"],
            ),
            (
                at,
                redirect(json!({"hostname": "*.a"})),
                &["spec.rules[0].filters[0].requestRedirect.hostname"],
            ),
            (
                at,
                json!([redirect(json!({}))[0], {"type": "URLRewrite", "urlRewrite": {}}]),
                &["spec.rules[0].filters"],
            ),
        ],
    );
    let prefix = json!({"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}});
    let replacing = with(&bare, at, redirect(prefix));
    check(
        &replacing,
        &[
            (
                "/spec/rules/0/matches",
                json!([{}, {}]),
                &["spec.rules[0].filters"],
            ),
            (
                "/spec/rules/0/matches",
                json!([{"path": {"type": "Exact"}}]),
                &["spec.rules[0].filters"],
            ),
        ],
    );
}

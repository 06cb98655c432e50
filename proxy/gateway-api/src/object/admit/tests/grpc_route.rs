//! The rules of GRPCRoutes.

use serde_json::{Value, json};

use super::{check, spec_of, with};

fn route() -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "GRPCRoute",
        "metadata": {"name": "r"},
        "spec": {
            "parentRefs": [{"name": "g"}],
            "rules": [{
                "matches": [{"method": {"service": "a.B", "method": "C"}}],
                "backendRefs": [{"name": "s", "port": 80}]
            }]
        }
    })
}

#[test]
fn defaults_are_those_of_the_schema() {
    assert_eq!(
        spec_of(&route())["rules"],
        json!([{
            "matches": [{"method": {"type": "Exact", "service": "a.B", "method": "C"}}],
            "backendRefs": [{"group": "", "kind": "Service", "name": "s", "port": 80, "weight": 1}]
        }])
    );
    assert_eq!(
        spec_of(&with(&route(), "/spec/rules", Value::Null)).get("rules"),
        None
    );
}

#[test]
fn matches_and_filters() {
    let method = "/spec/rules/0/matches/0/method";
    let field = "spec.rules[0].matches[0].method";
    let service = format!("{field}.service");
    let (service, method_field) = (service.as_str(), format!("{field}.method"));
    let filters = "/spec/rules/0/filters";
    check(
        &route(),
        &[
            (method, json!({}), &[service]),
            (method, json!({"service": "a b"}), &[service]),
            (
                method,
                json!({"service": "a/b", "type": "RegularExpression"}),
                &[],
            ),
            (method, json!({"method": "1"}), &[method_field.as_str()]),
            ("/spec/rules", json!([]), &[]),
            (
                "/spec/rules/0/matches",
                json!([{"headers": [{"name": "a", "value": "a  b"}]}]),
                &[],
            ),
            (
                filters,
                json!([{"type": "URLRewrite"}]),
                &["spec.rules[0].filters[0].type"],
            ),
            (
                filters,
                json!([{"type": "RequestHeaderModifier"}]),
                &["spec.rules[0].filters[0].requestHeaderModifier"],
            ),
            (
                "/spec/rules/0/backendRefs/0",
                json!({"name": "s"}),
                &["spec.rules[0].backendRefs[0].port"],
            ),
        ],
    );
}

//! References to backends: what exists, what is permitted, and what then answers 500.

use super::fixture::{Fixture, TAKEN, http_route};
use rauta_routing::{BackendTarget, InvalidBackend};

/// A Service `other/api` on port 80.
const OTHER: &str = "
apiVersion: v1
kind: Service
metadata: {name: api, namespace: other}
spec: {ports: [{port: 80}]}
";

fn grant(to: &str) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1beta1\nkind: ReferenceGrant\nmetadata: {{name: \
         g, namespace: other}}\nspec: {{from: [{{group: gateway.networking.k8s.io, kind: \
         HTTPRoute, namespace: default}}], to: [{to}]}}\n"
    )
}

fn to(backend: &str) -> String {
    http_route(
        "web",
        &format!("{{parentRefs: [{{name: gw}}], rules: [{{backendRefs: [{backend}]}}]}}"),
    )
}

fn target(fixture: &Fixture) -> String {
    let rule = fixture.rule("h", "/").expect("the rule is there");
    match &rule.backends[0].target {
        BackendTarget::Backend(name) => {
            format!("{}/{}", name.name().namespace, name.name().service)
        }
        BackendTarget::Invalid(why) => format!("{why:?}"),
    }
}

#[test]
fn each_bad_reference_has_its_reason_and_answers_500() {
    let cases = [
        (
            "{name: web, port: 80}",
            "True/ResolvedRefs",
            "default/web".to_owned(),
        ),
        (
            "{name: absent, port: 80}",
            "False/BackendNotFound",
            format!("{:?}", InvalidBackend::NotFound),
        ),
        (
            "{name: web, port: 81}",
            "False/BackendNotFound",
            format!("{:?}", InvalidBackend::NotFound),
        ),
        (
            "{name: api, namespace: other, port: 80}",
            "False/RefNotPermitted",
            format!("{:?}", InvalidBackend::NotPermitted),
        ),
        (
            // Permission is asked before existence.
            "{name: absent, namespace: other, port: 80}",
            "False/RefNotPermitted",
            format!("{:?}", InvalidBackend::NotPermitted),
        ),
        (
            "{group: example.com, kind: Thing, name: web, port: 80}",
            "False/InvalidKind",
            format!("{:?}", InvalidBackend::UnsupportedKind),
        ),
    ];
    let mut fixture = Fixture::on_base(OTHER);
    for (backend, expected, answer) in cases {
        fixture.put("route", &to(backend));
        let conditions = fixture.parent("HTTPRoute default/web", 0);
        assert_eq!(conditions[0], "Accepted=True/Accepted", "{backend}");
        assert_eq!(
            conditions[1],
            format!("ResolvedRefs={expected}"),
            "{backend}"
        );
        assert_eq!(target(&fixture), answer, "{backend}");
    }
}

#[test]
fn a_grant_opens_and_closes_a_reference_live() {
    let mut fixture = Fixture::on_base(OTHER);
    fixture.put("route", &to("{name: api, namespace: other, port: 80}"));
    assert_eq!(target(&fixture), "NotPermitted");

    for (grant, opens) in [
        (grant("{group: '', kind: Service}"), true),
        (grant("{group: '', kind: Service, name: elsewhere}"), false),
        (grant("{group: '', kind: Service, name: api}"), true),
        (grant("{group: '', kind: Secret}"), false),
    ] {
        fixture.put("grant", &grant);
        let expected = if opens { "other/api" } else { "NotPermitted" };
        assert_eq!(target(&fixture), expected, "{grant}");
    }
    fixture.put("grant", &grant("{group: '', kind: Service}"));
    assert_eq!(fixture.parent("HTTPRoute default/web", 0), TAKEN);
    fixture.remove("grant");
    assert_eq!(target(&fixture), "NotPermitted");
    assert!(fixture.backend("other/api", 80).is_none(), "nobody uses it");
}

#[test]
fn a_service_that_comes_later_is_found() {
    let mut fixture = Fixture::on_base(&to("{name: late, port: 80}"));
    assert_eq!(target(&fixture), "NotFound");
    fixture.put(
        "late",
        "{apiVersion: v1, kind: Service, metadata: {name: late}, spec: {ports: [{port: 80}]}}",
    );
    assert_eq!(target(&fixture), "default/late");
    fixture.remove("late");
    assert_eq!(target(&fixture), "NotFound");
}

#[test]
fn a_bad_backend_takes_only_its_own_share() {
    let fixture = Fixture::on_base(&to(
        "{name: web, port: 80, weight: 3}, {name: absent, port: 80, weight: 1}",
    ));
    let rule = fixture.rule("h", "/").expect("a rule");
    let shares: Vec<(u32, bool)> = rule
        .backends
        .iter()
        .map(|share| {
            (
                share.weight,
                matches!(share.target, BackendTarget::Backend(_)),
            )
        })
        .collect();
    assert_eq!(shares, [(3, true), (1, false)]);
}

#[test]
fn services_that_http_cannot_use_are_refused() {
    let cases = [
        (
            "{type: ExternalName, externalName: example.com, ports: [{port: 80}]}",
            "InvalidKind",
        ),
        (
            "{ports: [{port: 80, protocol: UDP}]}",
            "UnsupportedProtocol",
        ),
        (
            "{ports: [{port: 80, appProtocol: kubernetes.io/unheard-of}]}",
            "UnsupportedProtocol",
        ),
    ];
    let mut fixture = Fixture::on_base(&to("{name: odd, port: 80}"));
    for (spec, reason) in cases {
        let service =
            format!("{{apiVersion: v1, kind: Service, metadata: {{name: odd}}, spec: {spec}}}");
        fixture.put("odd", &service);
        let conditions = fixture.parent("HTTPRoute default/web", 0);
        assert_eq!(
            conditions[1],
            format!("ResolvedRefs=False/{reason}"),
            "{spec}"
        );
    }
}

//! Routes on parents: who takes them, and the reason where nobody does.

use super::fixture::{BASE, Fixture, TAKEN, http_route, namespace};

#[test]
fn a_route_attaches_to_the_gateway_it_names() {
    let route = http_route(
        "web",
        "{parentRefs: [{name: gw}], rules: [{backendRefs: [{name: web, port: 80}]}]}",
    );
    let fixture = Fixture::on_base(&route);
    assert_eq!(fixture.parent("HTTPRoute default/web", 0), TAKEN);
    assert_eq!(
        fixture.status("Gateway default/gw").listeners[0].attached_routes,
        1
    );
    assert!(fixture.rule("any.example.com", "/").is_some());
    let all: Vec<_> = fixture.controller.status().collect();
    assert!(all.iter().all(|status| !status.is_rejected()), "{all:#?}");
}

#[test]
fn each_way_to_miss_a_parent_has_its_reason() {
    // (parentRef, hostnames, the condition)
    let cases = [
        ("{name: gw, sectionName: http}", "[]", "True/Accepted"),
        ("{name: gw, port: 80}", "[]", "True/Accepted"),
        ("{name: gw, port: 8080}", "[]", "False/NoMatchingParent"),
        (
            "{name: gw, sectionName: nope}",
            "[]",
            "False/NoMatchingParent",
        ),
        (
            "{name: gw, sectionName: http, port: 81}",
            "[]",
            "False/NoMatchingParent",
        ),
        ("{name: absent}", "[]", "False/NoMatchingParent"),
        ("{name: strict}", "[]", "False/NotAllowedByListeners"),
        (
            "{name: strict, namespace: other}",
            "[]",
            "False/NotAllowedByListeners",
        ),
        (
            "{name: hosts}",
            "[a.example.org]",
            "False/NoMatchingListenerHostname",
        ),
        (
            "{name: hosts}",
            "[a.example.org, a.example.com]",
            "True/Accepted",
        ),
        ("{name: hosts}", "[]", "True/Accepted"),
    ];
    let gateways = "
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: strict}
spec:
  gatewayClassName: rauta
  listeners: [{name: grpc, port: 80, protocol: HTTP,
    allowedRoutes: {kinds: [{kind: GRPCRoute}]}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: strict, namespace: other}
spec:
  gatewayClassName: rauta
  listeners: [{name: same, port: 80, protocol: HTTP}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: hosts}
spec:
  gatewayClassName: rauta
  listeners: [{name: hosts, port: 80, protocol: HTTP, hostname: '*.example.com'}]
";
    let mut fixture = Fixture::on_base(gateways);
    for (parent, hostnames, expected) in cases {
        let spec = format!("{{parentRefs: [{parent}], hostnames: {hostnames}}}");
        fixture.put("route", &http_route("web", &spec));
        let found = fixture.parent("HTTPRoute default/web", 0);
        assert_eq!(found[0], format!("Accepted={expected}"), "{spec}");
    }
}

#[test]
fn a_message_says_what_the_gateway_has() {
    let route = http_route("web", "{parentRefs: [{name: gw, sectionName: https}]}");
    let fixture = Fixture::on_base(&route);
    assert_eq!(
        fixture.message("HTTPRoute default/web", "Accepted"),
        "Gateway default/gw has no listener with name https: it has http:80"
    );
}

#[test]
fn labels_of_namespaces_open_and_close_listeners_live() {
    let gateway = "
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: chosen}
spec:
  gatewayClassName: rauta
  listeners: [{name: http, port: 80, protocol: HTTP, allowedRoutes: {namespaces:
    {from: Selector, selector: {matchLabels: {team: red}}}}}]
";
    let mut fixture = Fixture::new(gateway);
    let spec = "{parentRefs: [{name: chosen, namespace: default}]}";
    fixture.put("route", &http_route("shop/web", spec));
    let accepted = |fixture: &Fixture| fixture.parent("HTTPRoute shop/web", 0)[0].clone();
    assert_eq!(accepted(&fixture), "Accepted=False/NotAllowedByListeners");

    fixture.put("namespace", &namespace("shop", "{team: red}"));
    assert_eq!(accepted(&fixture), "Accepted=True/Accepted");
    assert_eq!(fixture.table().routes().len(), 1);

    fixture.put("namespace", &namespace("shop", "{team: blue}"));
    assert_eq!(accepted(&fixture), "Accepted=False/NotAllowedByListeners");
    assert_eq!(fixture.table().routes().len(), 0);
}

#[test]
fn a_route_follows_its_gateway_coming_changing_and_going() {
    let route = http_route("web", "{parentRefs: [{name: gw, sectionName: http}]}");
    let mut fixture = Fixture::new(&route);
    let accepted = |fixture: &Fixture| fixture.parent("HTTPRoute default/web", 0)[0].clone();
    assert_eq!(accepted(&fixture), "Accepted=False/NoMatchingParent");

    fixture.put("gateway", BASE);
    assert_eq!(accepted(&fixture), "Accepted=True/Accepted");

    fixture.put("gateway", &BASE.replace("name: http", "name: other"));
    assert_eq!(accepted(&fixture), "Accepted=False/NoMatchingParent");
    assert_eq!(fixture.table().routes().len(), 0);

    fixture.put("gateway", BASE);
    assert_eq!(fixture.table().routes().len(), 1);
    let snapshot = fixture.remove("gateway").expect("a change");
    assert!(snapshot.ports.is_empty());
    assert_eq!(accepted(&fixture), "Accepted=False/NoMatchingParent");
}

#[test]
fn the_route_hostname_on_the_listener_is_the_intersection() {
    let gateway = "
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw}
spec:
  gatewayClassName: rauta
  listeners: [{name: http, port: 80, protocol: HTTP, hostname: very.specific.com}]
";
    let mut fixture = Fixture::new(gateway);
    let spec = "{parentRefs: [{name: gw}], hostnames: ['*.specific.com', non.matching.com]}";
    fixture.put("route", &http_route("web", spec));
    let routes = fixture.table().routes();
    let found: Vec<(String, String)> = routes[0]
        .hostnames
        .iter()
        .map(|name| (name.own.to_string(), name.effective.to_string()))
        .collect();
    let expected = ("*.specific.com".to_owned(), "very.specific.com".to_owned());
    assert_eq!(found, [expected]);
}

#[test]
fn two_parent_refs_to_two_listeners_have_two_answers() {
    let gateway = "
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw}
spec:
  gatewayClassName: rauta
  listeners:
  - {name: a, port: 80, protocol: HTTP, hostname: a.example.com}
  - {name: b, port: 80, protocol: HTTP, hostname: b.example.com}
";
    let mut fixture = Fixture::new(gateway);
    let spec = "{parentRefs: [{name: gw, sectionName: a}, {name: gw, sectionName: b}], \
                hostnames: [b.example.com]}";
    fixture.put("route", &http_route("web", spec));
    let route = "HTTPRoute default/web";
    assert_eq!(
        fixture.parent(route, 0)[0],
        "Accepted=False/NoMatchingListenerHostname"
    );
    assert_eq!(fixture.parent(route, 1)[0], "Accepted=True/Accepted");
    let counts: Vec<usize> = fixture
        .status("Gateway default/gw")
        .listeners
        .iter()
        .map(|listener| listener.attached_routes)
        .collect();
    assert_eq!(counts, [0, 1]);
}

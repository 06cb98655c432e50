//! Services and EndpointSlices to backends.

use super::fixture::{Fixture, http_route};
use rauta_gateway_api::Config;
use rauta_routing::{Affinity, BackendProtocol};
use std::sync::Arc;

const ROUTE: &str = "{parentRefs: [{name: gw}], rules: [{backendRefs: [{name: api, port: 80}]}]}";

fn service(spec: &str) -> String {
    format!("{{apiVersion: v1, kind: Service, metadata: {{name: api}}, spec: {spec}}}")
}

fn slice(name: &str, ports: &str, endpoints: &str) -> String {
    format!(
        "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: {name}, \
         labels: {{kubernetes.io/service-name: api}}}}\naddressType: IPv4\nports: \
         {ports}\nendpoints: {endpoints}\n"
    )
}

fn fixture(service_spec: &str, slices: &str) -> Fixture {
    let mut fixture = Fixture::on_base(&http_route("web", ROUTE));
    fixture.put("service", &service(service_spec));
    fixture.put("slices", slices);
    fixture
}

const PORTS: &str = "{ports: [{name: web, port: 80, targetPort: 3000}, {name: admin, port: 81}]}";

#[test]
fn several_slices_merge_without_doubles_by_the_port_of_that_name() {
    let slices = [
        slice(
            "a",
            "[{name: web, port: 3000}, {name: admin, port: 9}]",
            "[{addresses: [127.0.0.3]}, {addresses: [127.0.0.2]}]",
        ),
        slice(
            "b",
            "[{name: web, port: 3001}]",
            "[{addresses: [127.0.0.2]}]",
        ),
        slice(
            "c",
            "[{name: web, port: 3000}]",
            "[{addresses: [127.0.0.2]}]",
        ),
        slice(
            "d",
            "[{name: other, port: 7}]",
            "[{addresses: [127.0.0.9]}]",
        ),
        slice("e", "[]", "[]"),
    ];
    let fixture = fixture(PORTS, &slices.concat());
    assert_eq!(
        fixture.endpoints("default/api", 80),
        ["127.0.0.2:3000", "127.0.0.2:3001", "127.0.0.3:3000"]
    );
}

#[test]
fn only_ready_endpoints_serve_and_terminating_ones_as_the_last_resort() {
    let ports = "[{name: web, port: 3000}]";
    let ready = "{addresses: [127.0.0.1], conditions: {ready: true}}";
    let unknown = "{addresses: [127.0.0.2]}";
    let out = "{addresses: [127.0.0.3], conditions: {ready: false}}";
    let leaving =
        "{addresses: [127.0.0.4], conditions: {ready: false, serving: true, terminating: true}}";
    let gone =
        "{addresses: [127.0.0.5], conditions: {ready: false, serving: false, terminating: true}}";
    let cases = [
        (
            vec![ready, unknown, out, leaving],
            vec!["127.0.0.1:3000", "127.0.0.2:3000"],
        ),
        (vec![out, leaving, gone], vec!["127.0.0.4:3000"]),
        (vec![out, gone], vec![]),
    ];
    let mut fixture = fixture(PORTS, "");
    for (endpoints, expected) in cases {
        let list = format!("[{}]", endpoints.join(", "));
        fixture.put("slices", &slice("a", ports, &list));
        assert_eq!(fixture.endpoints("default/api", 80), expected, "{list}");
    }
}

#[test]
fn a_service_without_a_port_name_takes_slices_without_one() {
    // Headless and manual Services look the same from here.
    let slices = slice("a", "[{port: 8080}]", "[{addresses: [127.0.0.1]}]");
    let fixture = fixture("{clusterIP: None, ports: [{port: 80}]}", &slices);
    assert_eq!(fixture.endpoints("default/api", 80), ["127.0.0.1:8080"]);
}

#[test]
fn pods_and_nodes_stand_in_the_endpoint_names() {
    let endpoint = "[{addresses: [127.0.0.1], nodeName: n1, targetRef: {kind: Pod, name: api-0, \
                    namespace: default}}]";
    let fixture = fixture(PORTS, &slice("a", "[{name: web, port: 3000}]", endpoint));
    let backend = fixture.backend("default/api", 80).expect("a backend");
    let name = backend.endpoints[0].name.name();
    assert_eq!(
        (name.pod.as_str(), name.node.as_str()),
        ("default/api-0", "n1")
    );
    assert_eq!(name.backend, backend.id());
}

#[test]
fn app_protocol_and_affinity_reach_the_backend() {
    let cases = [
        ("", "", BackendProtocol::Http1, Affinity::None),
        (
            "kubernetes.io/h2c",
            "",
            BackendProtocol::Http2,
            Affinity::None,
        ),
        (
            "kubernetes.io/ws",
            "",
            BackendProtocol::Http1,
            Affinity::None,
        ),
        ("HTTPS", "", BackendProtocol::Http1, Affinity::None),
        ("", "ClientIP", BackendProtocol::Http1, Affinity::ClientIp),
    ];
    let mut fixture = fixture("{ports: [{port: 80}]}", "");
    for (app_protocol, affinity, protocol, expected) in cases {
        let mut spec = "{ports: [{port: 80".to_owned();
        if !app_protocol.is_empty() {
            spec += &format!(", appProtocol: {app_protocol}");
        }
        spec += "}]";
        if !affinity.is_empty() {
            spec += &format!(", sessionAffinity: {affinity}");
        }
        fixture.put("service", &service(&(spec + "}")));
        let backend = fixture.backend("default/api", 80).expect("a backend");
        assert_eq!((backend.protocol, backend.affinity), (protocol, expected));
    }
}

#[test]
fn a_backend_of_grpc_routes_alone_speaks_http2() {
    let grpc = http_route("rpc", ROUTE).replace("HTTPRoute", "GRPCRoute");
    let mut fixture = Fixture::on_base(&grpc);
    fixture.put("service", &service("{ports: [{port: 80}]}"));
    let protocol = |fixture: &Fixture| {
        fixture
            .backend("default/api", 80)
            .expect("a backend")
            .protocol
    };
    assert_eq!(protocol(&fixture), BackendProtocol::Http2);
    fixture.put("http", &http_route("web", ROUTE));
    assert_eq!(protocol(&fixture), BackendProtocol::Http1);
    fixture.remove("http");
    assert_eq!(protocol(&fixture), BackendProtocol::Http2);
}

#[test]
fn loopback_endpoints_are_refused_from_kubernetes() {
    let pool = "127.0.10.0/24".parse().expect("a pool");
    let mut fixture = Fixture::with(Config::kubernetes(pool), super::fixture::BASE);
    fixture.put("route", &http_route("web", ROUTE));
    fixture.put("service", &service(PORTS));
    let endpoints = "[{addresses: [127.0.0.1]}, {addresses: [169.254.169.254]}, {addresses: \
                     [10.1.2.3]}]";
    fixture.put(
        "slices",
        &slice("a", "[{name: web, port: 3000}]", endpoints),
    );
    assert_eq!(fixture.endpoints("default/api", 80), ["10.1.2.3:3000"]);
}

#[test]
fn health_survives_whatever_happens_around_an_endpoint() {
    let ports = "[{name: web, port: 3000}]";
    let mut fixture = fixture(PORTS, &slice("a", ports, "[{addresses: [127.0.0.1]}]"));
    let before = fixture.backend("default/api", 80).expect("a backend");
    let more = "[{addresses: [127.0.0.2]}, {addresses: [127.0.0.1]}]";
    fixture.put("slices", &slice("a", ports, more));
    let after = fixture.backend("default/api", 80).expect("a backend");
    assert!(Arc::ptr_eq(&before.endpoints[0], &after.endpoints[0]));

    // Another pod behind the same address is another name, and the same place that fails.
    let pod = "[{addresses: [127.0.0.1], targetRef: {kind: Pod, name: p, namespace: default}}]";
    fixture.put("slices", &slice("a", ports, pod));
    let named = fixture.backend("default/api", 80).expect("a backend");
    assert!(!Arc::ptr_eq(&after.endpoints[0], &named.endpoints[0]));
    assert!(Arc::ptr_eq(
        &after.endpoints[0].health,
        &named.endpoints[0].health
    ));
}

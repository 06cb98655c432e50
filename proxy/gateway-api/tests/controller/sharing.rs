//! What stays the same between snapshots, and what a change may touch.

use super::fixture::{BASE, Fixture, http_route};
use proptest::prelude::*;
use rauta_gateway_api::object::Change;
use rauta_gateway_api::source::FileSource;
use rauta_gateway_api::{Config, Controller};
use rauta_routing::{BackendTarget, Snapshot};
use rauta_schemas::Names;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::sync::Arc;

/// A Service with its own name and one endpoint.
fn service(name: &str, endpoint: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{ports: [{{port: \
         80}}]}}\n---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: \
         {name}-1, labels: {{kubernetes.io/service-name: {name}}}}}\naddressType: \
         IPv4\nendpoints: [{{addresses: [{endpoint}]}}]\nports: [{{port: 3000}}]\n"
    )
}

fn gateway(name: &str) -> String {
    format!(
        "---\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: \
         {name}}}\nspec: {{gatewayClassName: rauta, listeners: [{{name: http, port: 80, protocol: \
         HTTP}}]}}\n"
    )
}

fn route(name: &str, gateway: &str, service: &str, timeout: &str) -> String {
    let rule = format!(
        "{{timeouts: {{request: {timeout}}}, backendRefs: [{{name: {service}, port: 80}}]}}"
    );
    let spec =
        format!("{{parentRefs: [{{name: {gateway}}}], hostnames: [{name}.test], rules: [{rule}]}}");
    http_route(name, &spec)
}

#[test]
fn nothing_changed_means_no_snapshot() {
    let mut fixture = Fixture::on_base(&route("web", "gw", "web", "1s"));
    assert!(fixture.controller.compile().is_none());
    // The same content in other words.
    assert!(
        fixture
            .put("base", &format!("# a comment\n{BASE}"))
            .is_none()
    );
    // An object that nobody refers to.
    assert!(fixture.put("idle", &service("idle", "127.0.0.1")).is_none());
    // A label that no selector reads.
    let labelled = BASE.replace(
        "metadata: {name: web}",
        "metadata: {name: web, labels: {a: b}}",
    );
    assert!(fixture.put("base", &labelled).is_none());
    assert_eq!(
        fixture.snapshot().generation,
        2,
        "one for the base, one for the route"
    );
}

#[test]
fn an_empty_start_gives_an_empty_snapshot_once() {
    let mut controller = Controller::new(Config::files(), Names::default());
    assert!(
        controller
            .compile()
            .is_some_and(|snapshot| snapshot.ports.is_empty())
    );
    assert!(controller.compile().is_none());
}

#[test]
fn an_endpoint_change_leaves_ports_routes_and_other_backends_alone() {
    let all = [
        gateway("a"),
        service("one", "127.0.0.1"),
        service("two", "127.0.0.2"),
        route("r1", "a", "one", "1s"),
        route("r2", "a", "two", "1s"),
    ];
    let mut fixture = Fixture::new(&all[..1].concat());
    fixture.put("one", &all[1]);
    fixture.put("rest", &all[2..].concat());
    let before = fixture.snapshot().clone();
    let two = fixture.backend("default/two", 80).expect("a backend");

    let after = fixture
        .put("one", &service("one", "127.0.0.9"))
        .expect("a change");
    assert!(Arc::ptr_eq(&before.ports[0], &after.ports[0]));
    assert!(Arc::ptr_eq(
        &two,
        &fixture.backend("default/two", 80).expect("a backend")
    ));
    assert_eq!(fixture.endpoints("default/one", 80), ["127.0.0.9:3000"]);
}

#[test]
fn a_route_change_rebuilds_its_listener_only_and_keeps_its_other_rules() {
    let base = [gateway("a"), gateway("b"), service("web", "127.0.0.1")].concat();
    let mut fixture = Fixture::new(&base);
    fixture.put("ra", &route("ra", "a", "web", "1s"));
    let two = "{parentRefs: [{name: b}], rules: [{timeouts: {request: 1s}}, {matches: [{path: \
               {value: /x}}], timeouts: {request: 1s}}]}";
    fixture.put("rb", &http_route("rb", two));
    let before = fixture.snapshot().clone();

    let after = fixture
        .put("rb", &http_route("rb", &two.replacen("1s", "2s", 1)))
        .expect("a change");
    assert!(
        Arc::ptr_eq(&before.ports[0], &after.ports[0]),
        "Gateway a is untouched"
    );
    assert!(!Arc::ptr_eq(&before.ports[1], &after.ports[1]));
    assert!(Arc::ptr_eq(&before.backends, &after.backends));
    let rules = |snapshot: &Snapshot| {
        let routes = snapshot.ports[1].listeners()[0].routes.routes();
        let rules = routes[0].rules.iter().map(|entry| entry.rule.clone());
        rules.collect::<Vec<_>>()
    };
    let (old, new) = (rules(&before), rules(&after));
    assert!(!Arc::ptr_eq(&old[0], &new[0]));
    assert!(Arc::ptr_eq(&old[1], &new[1]));
}

#[test]
fn a_route_on_two_listeners_is_kept_once_also_when_it_is_judged_again() {
    let one = "[{name: http, port: 80, protocol: HTTP}]";
    let two = "[{name: a, port: 80, protocol: HTTP}, {name: b, port: 81, protocol: HTTP}]";
    let gateway = gateway("a").replace(one, two);
    let mut fixture = Fixture::new(&[gateway, service("web", "127.0.0.1")].concat());
    let route = route("web", "a", "web", "1s");
    fixture.put("routes", &route);
    let ports = &fixture.snapshot().ports;
    let entries: Vec<_> = ports
        .iter()
        .map(|port| port.listeners()[0].routes.routes()[0].clone())
        .collect();
    assert_eq!(entries.len(), 2);
    assert!(Arc::ptr_eq(&entries[0], &entries[1]));
    let labelled = route.replace(
        "metadata: {name: web",
        "metadata: {labels: {a: b}, name: web",
    );
    assert_ne!(labelled, route);
    assert!(fixture.put("routes", &labelled).is_none());
}

#[test]
fn one_of_many_routes_changes_alone() {
    let count = 300;
    let mut routes = String::new();
    for number in 0..count {
        routes += &route(&format!("r{number}"), "a", "web", "1s");
    }
    let mut fixture = Fixture::new(&[gateway("a"), service("web", "127.0.0.1")].concat());
    fixture.put("routes", &routes);
    let rules = |snapshot: &Snapshot| -> BTreeMap<String, _> {
        let routes = snapshot.ports[0].listeners()[0].routes.routes();
        let rule = |route: &rauta_routing::RouteEntry| route.rules[0].rule.clone();
        routes
            .iter()
            .map(|route| (route.key.clone(), rule(route)))
            .collect()
    };
    let before = rules(fixture.snapshot());
    assert_eq!(before.len(), count);
    let changed = routes.replace(
        &route("r7", "a", "web", "1s"),
        &route("r7", "a", "web", "2s"),
    );
    fixture.put("routes", &changed).expect("a change");
    let after = rules(fixture.snapshot());
    let others: Vec<&String> = after
        .iter()
        .filter(|(key, rule)| !Arc::ptr_eq(rule, &before[*key]))
        .map(|(key, _)| key)
        .collect();
    assert_eq!(others, ["default/r7"]);
}

#[test]
fn a_bad_object_disturbs_no_other() {
    let mut fixture = Fixture::on_base(&route("good", "gw", "web", "1s"));
    let before = fixture.rule("good.test", "/").expect("a rule");
    let bad = "{parentRefs: [{name: gw}], rules: [{matches: [{path: {type: RegularExpression, \
               value: '['}}]}]}";
    fixture.put("bad", &http_route("bad", bad));
    let after = fixture.rule("good.test", "/").expect("a rule");
    assert!(Arc::ptr_eq(&before, &after));
    let accepted = &fixture.parent("HTTPRoute default/bad", 0)[0];
    assert_eq!(accepted, "Accepted=False/UnsupportedValue");
}

/// What a snapshot means, without pointers, numbers and the order of hash maps.
fn meaning(controller: &Controller) -> String {
    let snapshot = controller.snapshot().expect("compiled");
    let mut text = String::new();
    let mut line = |line: String| writeln!(text, "{line}").expect("a String takes all");
    for port in &snapshot.ports {
        line(format!(
            "{} {:?} {}",
            port.address, port.protocol, port.public_port
        ));
        for listener in port.listeners() {
            line(format!(
                "  {:?} {:?}",
                listener.name.name(),
                listener.hostname
            ));
            for route in listener.routes.routes() {
                line(format!("    {} {:?}", route.key, route.hostnames));
                for entry in &route.rules {
                    line(format!(
                        "      {:?} {:?}",
                        entry.rule.timeouts, entry.matches
                    ));
                    for share in &entry.rule.backends {
                        line(match &share.target {
                            BackendTarget::Backend(name) => format!("        {:?}", name.name()),
                            BackendTarget::Invalid(why) => format!("        {why:?}"),
                        });
                    }
                }
            }
        }
    }
    let mut backends: Vec<String> = snapshot
        .backends
        .values()
        .map(|backend| {
            let addresses: Vec<_> = backend.endpoints.iter().map(|e| e.address).collect();
            format!(
                "{:?} {:?} {addresses:?}",
                backend.name.name(),
                backend.protocol
            )
        })
        .collect();
    backends.sort();
    backends.into_iter().for_each(&mut line);
    text + &format!("{:#?}", controller.status().collect::<Vec<_>>())
}

/// Objects that refer to each other, each in several versions.
fn pool() -> Vec<Vec<Change>> {
    let grant = |kind: &str| {
        format!(
            "apiVersion: gateway.networking.k8s.io/v1beta1\nkind: ReferenceGrant\nmetadata: \
             {{name: g, namespace: other}}\nspec: {{from: [{{group: gateway.networking.k8s.io, \
             kind: HTTPRoute, namespace: default}}], to: [{{group: '', kind: {kind}}}]}}\n"
        )
    };
    let policy = |target: &str| {
        format!(
            "apiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\nmetadata: {{name: \
             p}}\nspec: {{targetRefs: [{{group: '', kind: Service, name: {target}}}], validation: \
             {{hostname: h.test, caCertificateRefs: [{{group: '', kind: ConfigMap, name: ca}}]}}}}\n"
        )
    };
    let selective = gateway("a").replace(
        "protocol: HTTP",
        "protocol: HTTP, allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: \
         {open: 'yes'}}}}",
    );
    let closed = gateway("a").replace("port: 80", "port: 81");
    let across = route("r2", "a", "one", "1s").replace("name: one", "name: far, namespace: other");
    let far = service("far", "127.0.0.7").replace("metadata: {", "metadata: {namespace: other, ");
    let versions: Vec<Vec<String>> = vec![
        vec![gateway("a"), selective, closed],
        vec![
            super::fixture::namespace("default", "{open: 'yes'}"),
            super::fixture::namespace("default", "{open: 'no'}"),
        ],
        vec![service("one", "127.0.0.1"), service("one", "127.0.0.2")],
        vec![far],
        vec![route("r1", "a", "one", "1s"), route("r1", "a", "two", "2s")],
        vec![across, route("r2", "b", "one", "1s")],
        vec![grant("Service"), grant("Secret")],
        vec![policy("one"), policy("two")],
        vec![
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: ca}, data: {ca.crt: none}}"
                .to_owned(),
        ],
        vec![gateway("b")],
        vec![service("two", "127.0.0.3")],
    ];
    let mut age = 0;
    versions
        .iter()
        .map(|versions| {
            age += 1;
            versions
                .iter()
                .flat_map(|yaml| changes(yaml, age))
                .collect()
        })
        .collect()
}

/// The objects of a manifest, of a given age: every version of an object came at the same time.
fn changes(yaml: &str, age: u64) -> Vec<Change> {
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(directory.path().join("one.yaml"), yaml).expect("written");
    let reading = FileSource::open(vec![directory.path().to_owned()]).read_all();
    assert!(reading.mistakes.is_empty(), "{:#?}", reading.mistakes);
    let mut changes = reading.changes;
    for change in &mut changes {
        if let Change::Apply(stored) = change {
            let stored = Arc::make_mut(stored);
            stored.age.ordinal = age;
            stored.age.created = std::time::SystemTime::UNIX_EPOCH;
            stored.origin = "test".into();
        }
    }
    changes
}

/// A random walk over the pool: which object, which of its versions or none, compile or not.
fn steps() -> impl Strategy<Value = Vec<(usize, usize, bool)>> {
    prop::collection::vec((0..11_usize, 0..4_usize, any::<bool>()), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Compiling step by step ends where compiling at once would: no dependency is forgotten.
    #[test]
    fn step_by_step_is_the_same_as_at_once(steps in steps()) {
        let pool = pool();
        let mut walked = Controller::new(Config::files(), Names::default());
        // Both Gateways have their addresses from the start: a pool remembers, by design.
        let asking: Vec<Change> = pool[0].iter().take(1).chain(&pool[9]).cloned().collect();
        walked.apply(asking.clone());
        walked.compile();
        let mut state: BTreeMap<_, Change> = BTreeMap::new();
        for change in asking {
            state.insert(key(&change), change);
        }
        for (object, version, compile) in steps {
            let versions = &pool[object];
            let keys: Vec<_> = versions.iter().map(key).collect();
            // Versions of one object, or objects of one manifest: each is picked by place.
            let change = match versions.get(version) {
                Some(change) => change.clone(),
                // Gateways stay, for the sake of their addresses.
                None if object == 0 || object == 9 => continue,
                None => Change::Delete(keys[version % keys.len()].clone()),
            };
            match &change {
                Change::Apply(_) => state.insert(key(&change), change.clone()),
                Change::Delete(gone) => state.remove(gone),
            };
            walked.apply([change]);
            if compile {
                walked.compile();
            }
        }
        walked.compile();
        let mut fresh = Controller::new(Config::files(), Names::default());
        // In the opposite order: the order must not matter.
        fresh.apply(state.into_values().rev());
        fresh.compile();
        prop_assert_eq!(meaning(&walked), meaning(&fresh));
    }
}

fn key(change: &Change) -> rauta_gateway_api::object::ObjectKey {
    match change {
        Change::Apply(stored) => stored.key.clone(),
        Change::Delete(key) => key.clone(),
    }
}

//! Many routes: how much of a compilation a change repeats, told by what is shared.

use super::fixture::http_route;
use rauta_gateway_api::object::Change;
use rauta_gateway_api::source::FileSource;
use rauta_gateway_api::{Config, Controller};
use rauta_schemas::Names;
use std::fs;
use std::sync::Arc;

/// Gateways, each with its share of the routes.
const GATEWAYS: usize = 20;
const ROUTES: usize = 1_000;

fn manifests(timeout: impl Fn(usize) -> &'static str) -> Vec<Change> {
    let mut text = String::from(
        "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}\n",
    );
    for number in 0..GATEWAYS {
        text += &format!(
            "---\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: \
             g{number:02}}}\nspec: {{gatewayClassName: c, listeners: [{{name: http, port: 80, \
             protocol: HTTP}}]}}\n"
        );
    }
    for number in 0..ROUTES {
        let (gateway, timeout) = (number % GATEWAYS, timeout(number));
        let spec = format!(
            "{{parentRefs: [{{name: g{gateway:02}}}], hostnames: [r{number}.test], rules: \
             [{{timeouts: {{request: {timeout}}}, backendRefs: [{{name: web, port: 80}}]}}]}}"
        );
        text += &http_route(&format!("r{number}"), &spec);
    }
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(directory.path().join("all.yaml"), text).expect("written");
    let reading = FileSource::open(vec![directory.path().to_owned()]).read_all();
    assert!(reading.mistakes.is_empty(), "{:#?}", reading.mistakes);
    reading.changes
}

#[test]
fn one_route_of_a_thousand_rebuilds_one_port_of_twenty() {
    let first = manifests(|_| "1s");
    let second = manifests(|number| if number == 7 { "2s" } else { "1s" });
    let mut controller = Controller::new(Config::files(), Names::default());
    controller.apply(first.clone());
    let before = controller.compile().expect("the first");
    assert_eq!(before.rules_len(), ROUTES);

    // Everything is told again, as after a new start of the source; one route differs. Ages are
    // those of the second reading, so they are put back.
    let told = first.iter().zip(second).map(|(old, new)| match (old, new) {
        (Change::Apply(old), Change::Apply(mut new)) => {
            Arc::make_mut(&mut new).age = old.age;
            Change::Apply(new)
        }
        (_, new) => new,
    });
    controller.apply(told.collect::<Vec<_>>());
    let after = controller.compile().expect("a change");
    let rebuilt: Vec<usize> = before
        .ports
        .iter()
        .zip(&after.ports)
        .enumerate()
        .filter(|(_, (old, new))| !Arc::ptr_eq(old, new))
        .map(|(place, _)| place)
        .collect();
    assert_eq!(rebuilt, [7]);
    assert!(Arc::ptr_eq(&before.backends, &after.backends));
}

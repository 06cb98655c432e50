//! A controller fed from manifests in a directory of its own.

use rauta_gateway_api::source::{FileSource, Severity};
use rauta_gateway_api::status::{Condition, ConditionStatus, ObjectStatus};
use rauta_gateway_api::{Config, Controller};
use rauta_routing::{Backend, Matched, Port, RequestView, RouteTable, Rule, Snapshot};
use rauta_schemas::{BackendName, Names};
use std::fs;
use std::sync::Arc;

/// A Gateway `default/gw` with a listener `http` on port 80 that takes routes of all namespaces,
/// and a Service `default/web` on port 80 with the endpoint 127.0.0.1:3000.
pub(crate) const BASE: &str = "
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: rauta}
spec: {controllerName: rauta.dev/gateway-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw}
spec:
  gatewayClassName: rauta
  listeners:
  - name: http
    port: 80
    protocol: HTTP
    allowedRoutes: {namespaces: {from: All}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints: [{addresses: [127.0.0.1]}]
ports: [{port: 3000}]
";

/// A controller, its directory and its last snapshot.
pub(crate) struct Fixture {
    directory: tempfile::TempDir,
    source: FileSource,
    pub(crate) controller: Controller,
}

impl Fixture {
    /// Starts with one file.
    pub(crate) fn new(yaml: &str) -> Self {
        Self::with(Config::files(), yaml)
    }

    /// Starts with [`BASE`] and one more file.
    pub(crate) fn on_base(yaml: &str) -> Self {
        let mut fixture = Self::new(BASE);
        fixture.put("more", yaml);
        fixture
    }

    pub(crate) fn with(config: Config, yaml: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut fixture = Self {
            source: FileSource::open(vec![directory.path().to_owned()]),
            directory,
            controller: Controller::new(config, Names::default()),
        };
        fixture.put("base", yaml);
        fixture
    }

    /// Writes a file and compiles. The new snapshot, where there is one.
    pub(crate) fn put(&mut self, file: &str, yaml: &str) -> Option<Arc<Snapshot>> {
        let path = self.directory.path().join(format!("{file}.yaml"));
        let whole = path.with_extension("new");
        fs::write(&whole, yaml).expect("written");
        fs::rename(&whole, &path).expect("renamed");
        self.read()
    }

    /// Replaces a file by one without objects and compiles.
    pub(crate) fn remove(&mut self, file: &str) -> Option<Arc<Snapshot>> {
        self.put(file, "# nothing is left\n")
    }

    fn read(&mut self) -> Option<Arc<Snapshot>> {
        let reading = self.source.read_all();
        let errors: Vec<String> = reading
            .mistakes
            .iter()
            .filter(|mistake| mistake.severity == Severity::Error)
            .map(ToString::to_string)
            .collect();
        assert!(errors.is_empty(), "the manifests are admitted: {errors:#?}");
        self.controller.apply(reading.changes);
        self.controller.compile()
    }

    pub(crate) fn snapshot(&self) -> &Arc<Snapshot> {
        self.controller.snapshot().expect("compiled")
    }

    /// The port at that address.
    pub(crate) fn port(&self, address: &str) -> &Arc<Port> {
        self.snapshot()
            .ports
            .iter()
            .find(|port| port.address.to_string() == address)
            .unwrap_or_else(|| panic!("{address} is bound: {:#?}", self.addresses()))
    }

    pub(crate) fn addresses(&self) -> Vec<String> {
        let ports = self.snapshot().ports.iter();
        ports.map(|port| port.address.to_string()).collect()
    }

    /// The table of the first listener of the first port.
    pub(crate) fn table(&self) -> &Arc<RouteTable> {
        &self.snapshot().ports[0].listeners()[0].routes
    }

    /// The rule that `GET host path` meets there.
    pub(crate) fn rule(&self, host: &str, path: &str) -> Option<Arc<Rule>> {
        let request = http::Request::get("/").body(()).expect("a request");
        let view = RequestView {
            method: request.method(),
            host,
            path,
            query: None,
            headers: request.headers(),
        };
        self.table()
            .find(&view)
            .map(|Matched { rule, .. }| rule.clone())
    }

    /// The backend of that Service port.
    pub(crate) fn backend(&self, service: &str, port: u16) -> Option<Arc<Backend>> {
        let (namespace, service) = service.split_once('/').expect("namespace/name");
        let wanted = BackendName {
            namespace: namespace.to_owned(),
            service: service.to_owned(),
            port,
        };
        self.snapshot()
            .backends
            .values()
            .find(|backend| **backend.name.name() == wanted)
            .cloned()
    }

    /// `address` of each endpoint of a backend, in order.
    pub(crate) fn endpoints(&self, service: &str, port: u16) -> Vec<String> {
        let backend = self.backend(service, port);
        backend
            .iter()
            .flat_map(|backend| &backend.endpoints)
            .map(|endpoint| endpoint.address.to_string())
            .collect()
    }

    /// The status of `Kind namespace/name`, or `Kind name`.
    pub(crate) fn status(&self, object: &str) -> ObjectStatus {
        let all: Vec<_> = self.controller.status().collect();
        let label = |status: &ObjectStatus| match status.namespace.as_str() {
            "" => format!("{} {}", status.kind, status.name),
            namespace => format!("{} {namespace}/{}", status.kind, status.name),
        };
        let labels: Vec<String> = all.iter().map(label).collect();
        all.into_iter()
            .find(|status| label(status) == object)
            .unwrap_or_else(|| panic!("{object} has a status: {labels:#?}"))
    }

    /// `type=status/reason` of an object's own conditions.
    pub(crate) fn conditions(&self, object: &str) -> Vec<String> {
        short(&self.status(object).conditions)
    }

    /// `type=status/reason` of a listener's conditions.
    pub(crate) fn listener(&self, gateway: &str, listener: &str) -> Vec<String> {
        let status = self.status(&format!("Gateway {gateway}"));
        let mut listeners = status.listeners.iter();
        let found = listeners.find(|found| found.name == listener);
        short(&found.expect("the listener has a status").conditions)
    }

    /// `type=status/reason` of a route on its parent at that place.
    pub(crate) fn parent(&self, route: &str, place: usize) -> Vec<String> {
        short(&self.status(route).parents[place].conditions)
    }

    /// The message of a route's condition on its first parent.
    pub(crate) fn message(&self, route: &str, r#type: &str) -> String {
        let status = self.status(route);
        let mut conditions = status.all_conditions();
        let found = conditions.find(|condition| condition.r#type == r#type);
        found.expect("the condition is there").message.clone()
    }
}

pub(crate) fn short(conditions: &[Condition]) -> Vec<String> {
    conditions
        .iter()
        .map(|condition| {
            let status = match condition.status {
                ConditionStatus::True => "True",
                ConditionStatus::False => "False",
                ConditionStatus::Unknown => "Unknown",
            };
            format!("{}={status}/{}", condition.r#type, condition.reason)
        })
        .collect()
}

/// An HTTPRoute of that name with that spec, as YAML in one line.
pub(crate) fn http_route(name: &str, spec: &str) -> String {
    let (namespace, name) = name.split_once('/').unwrap_or(("default", name));
    format!(
        "---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: \
         {name}, namespace: {namespace}}}\nspec: {spec}\n"
    )
}

/// A Namespace.
pub(crate) fn namespace(name: &str, labels: &str) -> String {
    format!("---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}, labels: {labels}}}\n")
}

pub(crate) const TAKEN: [&str; 2] = ["Accepted=True/Accepted", "ResolvedRefs=True/ResolvedRefs"];

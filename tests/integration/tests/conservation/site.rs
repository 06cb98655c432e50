//! The gateway under test: the program, its manifests, and the backends behind it.

use super::oracle::Oracle;
use super::origin;
use rauta_integration::{Manifests, Rauta, service};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

/// What a line of the access log is to say.
const FIELDS: &str = "method,path,status,outcome,side,reason,request_bytes,response_bytes,attempts";

/// A running gateway and where its access log goes.
pub(crate) struct Site {
    pub(crate) manifests: Manifests,
    pub(crate) rauta: Rauta,
}

impl Site {
    /// Starts backends and the program, with an access log of all exchanges at `log`.
    pub(crate) async fn start(oracle: &Arc<Oracle>, log: &Path) -> anyhow::Result<Self> {
        let manifests = Manifests::new()?;
        let mut origins = Vec::new();
        for place in [0, 0, 1, 0, 0] {
            origins.push(origin::start(oracle, place).await?);
        }
        let nobody = SocketAddr::new(manifests.gateway().ip(), 9);
        let services = [
            ("plain", origins[0], None),
            ("pair", origins[1], Some(origins[2])),
            ("fickle", origins[3], None),
            ("half", origins[4], Some(nobody)),
            ("dead", nobody, None),
        ];
        let services: String = services
            .into_iter()
            .map(|(name, first, second)| service(name, first) + &second_slice(name, second))
            .collect();
        manifests.write("services.yaml", &services)?;
        manifests.write("route.yaml", &route())?;
        let log = log.to_str().unwrap_or_default();
        let arguments = ["--manifests", manifests.argument(), "--access-log", log];
        let variables = [
            ("RAUTA_ACCESS_LOG_FIELDS", FIELDS),
            ("RAUTA_PROXY_HEAD_TIMEOUT", "3s"),
        ];
        let rauta = Rauta::start(&arguments, &variables)?;
        Ok(Self { manifests, rauta })
    }
}

/// A Service's second endpoint.
fn second_slice(service: &str, endpoint: Option<SocketAddr>) -> String {
    let Some(endpoint) = endpoint else {
        return String::new();
    };
    format!(
        "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: {service}-2, labels: \
         {{kubernetes.io/service-name: {service}}}}}\naddressType: IPv4\nports: [{{port: {}}}]\n\
         endpoints: [{{addresses: [\"{}\"]}}]\n---\n",
        endpoint.port(),
        endpoint.ip(),
    )
}

/// One route with a rule for each way of going wrong.
fn route() -> String {
    let plain = [
        "get",
        "head",
        "post",
        "chunked",
        "pipelined",
        "reset",
        "cut",
        "tunnel",
        "tunnel-left",
        "tunnel-cut",
        "abandon",
        "leave",
        "part",
        "body-end",
        "body-reset",
    ];
    let rules: String = [
        rule(&plain, "backendRefs: [{name: plain, port: 80}]"),
        rule(
            &["slow"],
            "timeouts: {request: 300ms}, backendRefs: [{name: plain, port: 80}]",
        ),
        rule(
            &["late"],
            "timeouts: {backendRequest: 300ms}, backendRefs: [{name: plain, port: 80}]",
        ),
        rule(
            &["retry"],
            "retry: {attempts: 2, codes: [503]}, backendRefs: [{name: pair, port: 80}]",
        ),
        rule(
            &["half"],
            "retry: {attempts: 1, codes: [503]}, backendRefs: [{name: half, port: 80}]",
        ),
        rule(&["fickle"], "backendRefs: [{name: fickle, port: 80}]"),
        rule(&["dead"], "backendRefs: [{name: dead, port: 80}]"),
        rule(
            &["redirect"],
            "filters: [{type: RequestRedirect, requestRedirect: {statusCode: 302}}]",
        ),
    ]
    .concat();
    format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: all}}\nspec:\n  \
         parentRefs: [{{name: edge}}]\n  rules:\n{rules}"
    )
}

fn rule(prefixes: &[&str], rest: &str) -> String {
    let matches: Vec<_> = prefixes
        .iter()
        .map(|prefix| format!("{{path: {{type: PathPrefix, value: /{prefix}}}}}"))
        .collect();
    format!("  - {{matches: [{}], {rest}}}\n", matches.join(", "))
}

//! The demo's routing: what a user would have written, in a folder of its own.

use super::origin::Origin;
use super::plan::FaultKind;
use anyhow::Context;
use std::net::SocketAddr;

/// Writes the manifests into a temporary folder that goes with its handle.
pub(super) fn write(gateway: SocketAddr, origins: &[Origin]) -> anyhow::Result<tempfile::TempDir> {
    let folder = tempfile::Builder::new()
        .prefix("rauta-demo-")
        .tempdir()
        .context("the demo needs a temporary folder")?;
    let mut text = gateway_objects(gateway);
    for (kind, origin) in FaultKind::ALL.into_iter().zip(origins) {
        text.push_str(&route_objects(kind, origin));
    }
    std::fs::write(folder.path().join("demo.yaml"), text)?;
    Ok(folder)
}

fn gateway_objects(gateway: SocketAddr) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1\n\
         kind: GatewayClass\n\
         metadata: {{name: rauta}}\n\
         spec: {{controllerName: rauta.dev/gateway}}\n\
         ---\n\
         apiVersion: gateway.networking.k8s.io/v1\n\
         kind: Gateway\n\
         metadata: {{name: demo, namespace: shop}}\n\
         spec:\n\
         \x20 gatewayClassName: rauta\n\
         \x20 addresses: [{{type: IPAddress, value: {}}}]\n\
         \x20 listeners: [{{name: http, port: {}, protocol: HTTP}}]\n",
        gateway.ip(),
        gateway.port()
    )
}

fn route_objects(kind: FaultKind, origin: &Origin) -> String {
    let (service, path) = (origin.service(), kind.path());
    let mut matches = format!("{{path: {{type: PathPrefix, value: {path}}}}}");
    if kind == FaultKind::Probe {
        matches.push_str(", {path: {type: Exact, value: /healthz}}");
    }
    format!(
        "---\n\
         apiVersion: v1\n\
         kind: Service\n\
         metadata: {{name: {service}, namespace: shop}}\n\
         spec: {{ports: [{{name: http, port: 80, targetPort: {port}}}]}}\n\
         ---\n\
         apiVersion: discovery.k8s.io/v1\n\
         kind: EndpointSlice\n\
         metadata:\n\
         \x20 name: {service}-1\n\
         \x20 namespace: shop\n\
         \x20 labels: {{kubernetes.io/service-name: {service}}}\n\
         addressType: IPv4\n\
         ports: [{{name: http, port: {port}}}]\n\
         endpoints: [{{addresses: [\"{ip}\"], conditions: {{ready: true}}}}]\n\
         ---\n\
         apiVersion: gateway.networking.k8s.io/v1\n\
         kind: HTTPRoute\n\
         metadata: {{name: {service}, namespace: shop}}\n\
         spec:\n\
         \x20 parentRefs: [{{name: demo}}]\n\
         \x20 rules:\n\
         \x20 - matches: [{matches}]\n\
         \x20   backendRefs: [{{name: {service}, port: 80}}]\n",
        port = origin.address().port(),
        ip = origin.address().ip(),
    )
}

//! Folders of manifests for tests.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use tempfile::TempDir;

/// A temporary folder with a Gateway on an address of its own.
#[derive(Debug)]
pub struct Manifests {
    folder: TempDir,
    gateway: SocketAddr,
}

impl Manifests {
    /// A folder with a GatewayClass and a Gateway with one HTTP listener on port 8080 of a loopback
    /// address that no other test of this process or of another has.
    ///
    /// # Errors
    /// Where the folder cannot be made.
    pub fn new() -> std::io::Result<Self> {
        static LAST: AtomicU8 = AtomicU8::new(0);
        let [.., high, low] = std::process::id().to_be_bytes();
        let own = LAST.fetch_add(1, Ordering::Relaxed) % 100;
        let gateway = SocketAddr::from(([127, 100 + own, high, low.clamp(1, 254)], 8080));
        let folder = tempfile::tempdir()?;
        let text = format!(
            "apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {{name: rauta}}\n\
             spec: {{controllerName: rauta.dev/gateway-controller}}\n---\n\
             apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: edge}}\nspec:\n  \
             gatewayClassName: rauta\n  addresses: [{{type: IPAddress, value: {}}}]\n  \
             listeners: [{{name: http, port: {}, protocol: HTTP}}]\n",
            gateway.ip(),
            gateway.port(),
        );
        std::fs::write(folder.path().join("gateway.yaml"), text)?;
        Ok(Self { folder, gateway })
    }

    /// Where the Gateway listens once RAUTA runs.
    pub fn gateway(&self) -> SocketAddr {
        self.gateway
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The folder, for a command line.
    pub fn argument(&self) -> &str {
        self.folder.path().to_str().unwrap_or_default()
    }

    /// The file of that name in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write(&self, name: &str, text: &str) -> std::io::Result<()> {
        std::fs::write(self.file(name), text)
    }
}

/// A Service of that name with one endpoint, as manifests.
pub fn service(name: &str, endpoint: SocketAddr) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{ports: [{{port: 80}}]}}\n---\n\
         apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: {name}-1, labels: \
         {{kubernetes.io/service-name: {name}}}}}\naddressType: IPv4\nports: [{{port: {}}}]\n\
         endpoints: [{{addresses: [\"{}\"]}}]\n---\n",
        endpoint.port(),
        endpoint.ip(),
    )
}

/// An HTTPRoute that sends a path prefix to a Service, as a manifest.
pub fn route(name: &str, prefix: &str, service: &str) -> String {
    let mut text = String::new();
    write!(
        text,
        "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: {name}}}\nspec:\n  \
         parentRefs: [{{name: edge}}]\n  rules:\n  - matches: [{{path: {{type: PathPrefix, value: {prefix}}}}}]\n    \
         backendRefs: [{{name: {service}, port: 80}}]\n---\n"
    )
    .expect("writing to a String cannot fail");
    text
}

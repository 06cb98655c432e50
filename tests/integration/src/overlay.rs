//! What the Gateway API's examples refer to but do not bring: Services with endpoints, Secrets and
//! ConfigMaps, in a temporary folder of each test. Routes and Gateways stay the examples' own.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use tempfile::TempDir;

/// The Services and EndpointSlices, with endpoints under 127.0.30.
const SERVICES: &str = include_str!("../overlay/services.yaml");

/// Where the overlay says that endpoints are.
const PLACE: &str = "127.0.30.";

/// The port of every endpoint.
const PORT: u16 = 9000;

/// The Secrets that listeners, and one Gateway for its backends, present.
const SECRETS: &[&str] = &[
    "default/bar-example-com-cert",
    "default/example-com",
    "default/example-com-cert",
    "default/foo-example-cert",
    "default/foo-example-com-cert",
    "default/redirect-example",
    "default/tls-terminate-certificate",
    "default/wildcard-example-com-cert",
    "gateway-api-example-ns1/example-com-cert",
    "gateway-api-example-ns2/wildcard-example-com-cert",
    "infra-ns/foo-example-com",
    "team-1-ns/first-workload-cert",
    "team-2-ns/second-workload-cert",
];

/// The ConfigMaps that hold certificates to trust.
const AUTHORITIES: &[&str] = &[
    "default/auth-cert",
    "default/bar-example-com-ca-cert",
    "default/foo-example-com-ca-cert",
];

/// The names that the one certificate of an overlay is good for.
const NAMES: [&str; 4] = [
    "*.example.com",
    "example.com",
    "redirect.example",
    "*.foo.com",
];

/// A folder with what the examples refer to.
#[derive(Debug)]
pub struct Overlay {
    folder: TempDir,
    endpoints: [u8; 3],
    certificate: Vec<u8>,
}

impl Overlay {
    /// Writes the folder, with endpoints on loopback addresses that no other test has.
    ///
    /// # Errors
    /// Where the certificate or the files cannot be made.
    pub fn new() -> anyhow::Result<Self> {
        static LAST: AtomicU8 = AtomicU8::new(0);
        let [.., high, low] = std::process::id().to_be_bytes();
        let own = LAST.fetch_add(1, Ordering::Relaxed) % 50;
        // The last octet is the Service's; the count and the process's id fill what is left.
        let endpoints = [127, 40 + own, high ^ low];
        let folder = tempfile::tempdir()?;
        let [first, second, third] = endpoints;
        let place = format!("{first}.{second}.{third}.");
        std::fs::write(
            folder.path().join("services.yaml"),
            SERVICES.replace(PLACE, &place),
        )?;
        let made = rcgen::generate_simple_self_signed(NAMES.map(str::to_owned))?;
        let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        std::fs::write(
            folder.path().join("certificates.yaml"),
            certificates(&chain, &key)?,
        )?;
        Ok(Self {
            folder,
            endpoints,
            certificate: made.cert.der().to_vec(),
        })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The certificate that all of its Secrets hold, as DER.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// Adds a file.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write(&self, name: &str, text: &str) -> std::io::Result<PathBuf> {
        let file = self.folder.path().join(name);
        std::fs::write(&file, text)?;
        Ok(file)
    }

    /// Where the endpoint of a Service is, `namespace/name`.
    pub fn endpoint(&self, service: &str) -> Option<SocketAddr> {
        let (namespace, name) = service.split_once('/')?;
        let slice = format!("  name: {name}-1\n  namespace: {namespace}\n");
        let (_, after) = SERVICES.split_once(&slice)?;
        let (_, after) = after.split_once(PLACE)?;
        let (last, _) = after.split_once(']')?;
        let [first, second, third] = self.endpoints;
        Some(SocketAddr::from((
            [first, second, third, last.parse().ok()?],
            PORT,
        )))
    }
}

fn certificates(chain: &str, key: &str) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    for (namespace, name) in SECRETS.iter().filter_map(|id| id.split_once('/')) {
        write!(
            text,
            "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
             type: kubernetes.io/tls\nstringData:\n{}{}",
            block("tls.crt", chain),
            block("tls.key", key)
        )?;
    }
    for (namespace, name) in AUTHORITIES.iter().filter_map(|id| id.split_once('/')) {
        write!(
            text,
            "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
             data:\n{}",
            block("ca.crt", chain)
        )?;
    }
    Ok(text)
}

/// A literal block of YAML, indented as a field of a top-level mapping.
fn block(name: &str, text: &str) -> String {
    let lines = text.lines().map(|line| format!("    {line}\n"));
    format!("  {name}: |\n{}", lines.collect::<String>())
}

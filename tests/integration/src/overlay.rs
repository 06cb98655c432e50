//! What the Gateway API's examples refer to but do not bring: Services with endpoints, Secrets and
//! ConfigMaps, in a temporary folder of each test. Routes and Gateways stay the examples' own.

use anyhow::Context;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr, TcpListener};
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

/// The names that each certificate of an overlay is good for.
const NAMES: [&str; 4] = [
    "*.example.com",
    "example.com",
    "redirect.example",
    "*.foo.com",
];

/// The file with the certificate that signed all others.
const AUTHORITY: &str = "authority.pem";

/// A folder with what the examples refer to.
#[derive(Debug)]
pub struct Overlay {
    folder: TempDir,
    network: [u8; 3],
    /// Held as long as the network is ours.
    _reserved: TcpListener,
}

impl Overlay {
    /// Writes the folder, with endpoints on loopback addresses that no other test has.
    ///
    /// # Errors
    /// Where no addresses are left, or the certificates or the files cannot be made.
    pub fn new() -> anyhow::Result<Self> {
        let (network, reserved) = reserve()?;
        let folder = tempfile::tempdir()?;
        let [first, second, third] = network;
        let place = format!("{first}.{second}.{third}.");
        let services = SERVICES.replace(PLACE, &place);
        std::fs::write(folder.path().join("services.yaml"), services)?;
        let authority = authority()?;
        let mut made = String::new();
        certificates(&mut made, &authority)?;
        std::fs::write(folder.path().join("certificates.yaml"), made)?;
        std::fs::write(folder.path().join(AUTHORITY), authority.pem())?;
        Ok(Self {
            folder,
            network,
            _reserved: reserved,
        })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A PEM file with the certificate that signed those of all Secrets. Theirs have the Secret's
    /// `namespace/name` as the subject's common name.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join(AUTHORITY)
    }

    /// Where Gateways may listen: a network of loopback addresses, and its first address.
    pub fn gateways(&self) -> (String, IpAddr) {
        let [first, second, third] = self.network;
        let network = format!("{first}.{second}.{third}.128/25");
        (network, IpAddr::from([first, second, third, 129]))
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

    /// The Services, `namespace/name`, each with where its endpoint is.
    pub fn endpoints(&self) -> Vec<(String, SocketAddr)> {
        let [first, second, third] = self.network;
        let slices = SERVICES.split("kind: EndpointSlice").skip(1);
        let endpoints = slices.filter_map(|slice| {
            let name = between(slice, "  name: ", "-1\n")?;
            let namespace = between(slice, "  namespace: ", "\n")?;
            let last = between(slice, PLACE, "]")?.parse().ok()?;
            let address = SocketAddr::from(([first, second, third, last], PORT));
            Some((format!("{namespace}/{name}"), address))
        });
        endpoints.collect()
    }

    /// Where the endpoint of a Service is, `namespace/name`.
    pub fn endpoint(&self, service: &str) -> Option<SocketAddr> {
        let mut endpoints = self.endpoints().into_iter();
        endpoints.find_map(|(name, address)| (name == service).then_some(address))
    }
}

/// A network that no other overlay has, in this process or another: whoever listens at its last
/// address holds it.
fn reserve() -> anyhow::Result<([u8; 3], TcpListener)> {
    static LAST: AtomicU8 = AtomicU8::new(0);
    let [.., high, low] = std::process::id().to_be_bytes();
    let mut tried = std::iter::repeat_with(|| {
        let own = LAST.fetch_add(1, Ordering::Relaxed) % 50;
        let network @ [first, second, third] = [127, 40 + own, high ^ low];
        let last = SocketAddr::from(([first, second, third, 254], PORT));
        Some((network, TcpListener::bind(last).ok()?))
    });
    let found = tried.by_ref().take(50).flatten().next();
    found.context("loopback has no network left for an overlay")
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, after) = text.split_once(start)?;
    after.split_once(end).map(|(found, _)| found)
}

/// What clients and the gateway trust.
fn authority() -> anyhow::Result<CertifiedIssuer<'static, KeyPair>> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
        .distinguished_name
        .push(DnType::CommonName, "the overlay's authority");
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}

fn certificates(
    text: &mut String,
    authority: &CertifiedIssuer<'static, KeyPair>,
) -> anyhow::Result<()> {
    for id in SECRETS {
        let (namespace, name) = id.split_once('/').context("namespace/name")?;
        let mut params = CertificateParams::new(NAMES.map(str::to_owned))?;
        params.distinguished_name.push(DnType::CommonName, *id);
        let key = KeyPair::generate()?;
        let made = params.signed_by(&key, authority)?;
        write!(
            text,
            "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
             type: kubernetes.io/tls\nstringData:\n{}{}",
            block("tls.crt", &made.pem()),
            block("tls.key", &key.serialize_pem())
        )?;
    }
    for id in AUTHORITIES {
        let (namespace, name) = id.split_once('/').context("namespace/name")?;
        write!(
            text,
            "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
             data:\n{}",
            block("ca.crt", &authority.pem())
        )?;
    }
    Ok(())
}

/// A literal block of YAML, indented as a field of a top-level mapping.
fn block(name: &str, text: &str) -> String {
    let lines = text.lines().map(|line| format!("    {line}\n"));
    format!("  {name}: |\n{}", lines.collect::<String>())
}

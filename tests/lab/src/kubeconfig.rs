//! Kubeconfigs: one file each, with everything in it.

use crate::certificates::Certificates;
use crate::record::Record;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The port of the API server, on the lab's own address.
pub(crate) const API_PORT: u16 = 6443;

/// The kubeconfig of one who has a client certificate.
pub(crate) fn path(record: &Record, client: &str) -> PathBuf {
    record.folder().join(format!("{client}.kubeconfig"))
}

/// Writes everybody's.
pub(crate) fn write_all(record: &Record) -> anyhow::Result<()> {
    let certificates = Certificates::of(record);
    write(record, &certificates, "admin", &record.kubeconfig())?;
    let parts = ["kube-controller-manager", "kube-scheduler"].map(str::to_owned);
    let nodes = record.nodes().into_iter().map(|node| node.name);
    for name in parts.into_iter().chain(nodes) {
        let client = format!("{name}-client");
        write(record, &certificates, &client, &path(record, &name))?;
    }
    Ok(())
}

fn write(
    record: &Record,
    certificates: &Certificates,
    client: &str,
    file: &Path,
) -> anyhow::Result<()> {
    let embed = |file: PathBuf| fs::read(file).map(|bytes| BASE64_STANDARD.encode(bytes));
    let name = format!("rauta-{}", record.settings.name);
    let server = std::net::SocketAddr::from((record.addresses.api_server(), API_PORT));
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": {
            "server": format!("https://{server}"),
            "certificate-authority-data": embed(certificates.certificate("ca"))?,
        }}],
        "users": [{"name": client, "user": {
            "client-certificate-data": embed(certificates.certificate(client))?,
            "client-key-data": embed(certificates.key(client))?,
        }}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": client}}],
    });
    // JSON is YAML; kubectl and every client read it.
    fs::write(file, serde_json::to_vec_pretty(&config)?)?;
    fs::set_permissions(file, fs::Permissions::from_mode(0o600))?;
    Ok(())
}

//! What runs of a lab.

use crate::record::{Process, Record};
use crate::witness::{is_alive, processes};
use ipnet::IpNet;
use serde::Serialize;
use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;

/// One lab, for people and for programs.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Its name.
    pub name: String,
    /// Whether its supervisor runs.
    pub is_up: bool,
    /// Where the API server listens.
    pub api_server: String,
    /// The administrator's kubeconfig.
    pub kubeconfig: PathBuf,
    /// Its nodes and their addresses.
    pub nodes: Vec<(String, Vec<IpAddr>)>,
    /// Where Gateways get their addresses.
    pub pool: Vec<String>,
    /// The supervisor's own processes: name, id as this namespace counts, resident kilobytes.
    pub parts: Vec<(String, i32, u64)>,
}

/// Looks at one.
///
/// # Errors
/// Where `/proc` cannot be read.
pub fn status(record: &Record) -> anyhow::Result<Status> {
    let is_up = record.supervisor.is_some_and(is_alive);
    let mut parts = Vec::new();
    if let Some(Process { id, .. }) = record.supervisor.filter(|_| is_up) {
        for seen in processes()? {
            if seen.is.id == id || seen.parent == id {
                parts.push((
                    part_name(seen.is.id, seen.name),
                    seen.is.id,
                    resident(seen.is.id),
                ));
            }
        }
    }
    let nodes = record.nodes();
    Ok(Status {
        name: record.settings.name.clone(),
        is_up,
        api_server: record.addresses.api_server().to_string(),
        kubeconfig: record.kubeconfig(),
        nodes: nodes
            .into_iter()
            .map(|node| (node.name, node.addresses.iter().map(IpNet::addr).collect()))
            .collect(),
        pool: record
            .addresses
            .pool()
            .iter()
            .map(ToString::to_string)
            .collect(),
        parts,
    })
}

/// What a part is called: a kubelet by its node, everything else by its program without version.
fn part_name(id: i32, short: String) -> String {
    let line = fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap_or_default();
    let mut words = line.split('\0');
    let program = words.next().and_then(|path| path.rsplit('/').next());
    let program = program.filter(|name| !name.is_empty()).unwrap_or(&short);
    let is_version = |end: &str| end.starts_with(|c: char| c.is_ascii_digit());
    let program = match program.rsplit_once('-') {
        Some((name, end)) if is_version(end) => name.to_owned(),
        _ => program.to_owned(),
    };
    match words.skip_while(|word| *word != "--node-name").nth(1) {
        Some(node) => format!("{program} of {node}"),
        None => program,
    }
}

fn resident(id: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    number.unwrap_or_default()
}

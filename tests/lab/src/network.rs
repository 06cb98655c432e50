//! The lab's network, told to the kernel through `ip`: a bridge, a namespace per node, the ways
//! between them, and one link out.
//!
//! Nothing leaves a lab but answers to the root namespace: there is no default route out of it.

use crate::addresses::Addresses;
use crate::namespace::NetworkNamespace;
use crate::record::{Node, Record};
use anyhow::{Context, ensure};
use ipnet::IpNet;
use serde_json::Value;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::IpAddr;
use std::process::{Command, Stdio};

/// The lab's end of the link to the root namespace.
const UPLINK: &str = "uplink";

/// What the kernel is told per namespace: to route, to spread over several ways by connection
/// rather than by machine, and to leave bridged packets alone.
const SETTINGS: [(&str, &str); 4] = [
    ("net/ipv4/ip_forward", "1"),
    ("net/ipv6/conf/all/forwarding", "1"),
    ("net/ipv4/fib_multipath_hash_policy", "1"),
    ("net/ipv6/fib_multipath_hash_policy", "1"),
];

/// What a node is told besides: pool addresses are its own by a route, and with IPv6 nobody could
/// listen on such an address otherwise.
const NODE_SETTINGS: [(&str, &str); 1] = [("net/ipv6/ip_nonlocal_bind", "1")];

/// Says a batch of commands to `ip`, in this thread's namespace.
fn ip(batch: &str) -> anyhow::Result<()> {
    let mut child = Command::new("ip")
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("ip cannot be started: install iproute2")?;
    let mut stdin = child.stdin.take().context("its stdin was asked for")?;
    stdin.write_all(batch.as_bytes())?;
    drop(stdin);
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ip: {} in\n{batch}", said.trim());
    Ok(())
}

/// The destinations of all routes of this thread's namespace.
pub(crate) fn routes() -> anyhow::Result<Vec<IpNet>> {
    let mut found = Vec::new();
    for family in ["-4", "-6"] {
        let output = Command::new("ip")
            .args([family, "-json", "route", "show", "table", "all"])
            .output()
            .context("ip cannot be started: install iproute2")?;
        let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let destinations = told.as_array().into_iter().flatten();
        found.extend(destinations.filter_map(|route| range(route["dst"].as_str()?)));
    }
    Ok(found)
}

fn range(text: &str) -> Option<IpNet> {
    let host = || text.parse::<IpAddr>().ok().map(IpNet::from);
    text.parse().ok().or_else(host)
}

/// The link from this thread's namespace, the root's, to the lab of this process, and the route.
pub(crate) fn link_in(record: &Record, lab: i32) -> anyhow::Result<()> {
    let (link, addresses) = (record.link(), record.addresses);
    let mut batch = format!("link add {link} type veth peer name {UPLINK} netns {lab}\n");
    add(&mut batch, &link, &addresses.outer())?;
    writeln!(batch, "link set {link} up")?;
    for (range, way) in addresses.lab().iter().zip(addresses.uplink()) {
        writeln!(batch, "route add {range} via {} dev {link}", way.addr())?;
    }
    ip(&batch)
}

/// Removes that link, and with it its routes; none is as good.
pub(crate) fn unlink(link: &str) {
    Command::new("ip")
        .args(["link", "delete", link])
        .stdin(Stdio::null())
        .output()
        .ok();
}

/// Lays the lab's network, in the lab's namespace, and gives back the nodes' namespaces.
pub(crate) fn lay(record: &Record) -> anyhow::Result<Vec<NetworkNamespace>> {
    let addresses = record.addresses;
    tune(&SETTINGS, addresses.ipv6)?;
    let mut batch = String::from("link set lo up\n");
    writeln!(batch, "link add br0 type bridge forward_delay 0")?;
    add(&mut batch, "br0", &addresses.bridge())?;
    writeln!(batch, "link set br0 up")?;
    add(&mut batch, UPLINK, &addresses.uplink())?;
    writeln!(batch, "link set {UPLINK} up")?;
    for services in addresses.services() {
        writeln!(batch, "route add unreachable {services}")?;
    }
    ip(&batch)?;
    let nodes = record.nodes();
    let mut namespaces = Vec::new();
    for node in &nodes {
        let namespace = NetworkNamespace::create()?;
        join(&addresses, &nodes, node, &namespace)
            .with_context(|| format!("the network of {}", node.name))?;
        namespaces.push(namespace);
    }
    Ok(namespaces)
}

/// Puts a node on the bridge.
fn join(
    addresses: &Addresses,
    nodes: &[Node],
    node: &Node,
    namespace: &NetworkNamespace,
) -> anyhow::Result<()> {
    // Its name inside stands for it until it is moved, so nodes are made one after the other.
    namespace.run(|| {
        tune(&SETTINGS, addresses.ipv6)?;
        tune(&NODE_SETTINGS, addresses.ipv6)?;
        ip(&format!(
            "link set lo up\nlink add eth0 type veth peer name {} netns 1\n",
            node.name
        ))
    })?;
    let mut batch = format!("link set {0} master br0\nlink set {0} up\n", node.name);
    for (pods, way) in node.pods.iter().zip(&node.addresses) {
        // The node comes up in a moment; until then this route waits for it.
        writeln!(batch, "route add {pods} via {} dev br0", way.addr())?;
    }
    ip(&batch)?;
    namespace.run(|| {
        let mut batch = String::new();
        add(&mut batch, "eth0", &node.addresses)?;
        writeln!(batch, "link set eth0 up")?;
        for way in addresses.bridge() {
            writeln!(
                batch,
                "route add {} via {} dev eth0",
                anywhere(way.addr()),
                way.addr()
            )?;
        }
        for other in nodes.iter().filter(|other| other.name != node.name) {
            for (pods, way) in other.pods.iter().zip(&other.addresses) {
                writeln!(batch, "route add {pods} via {} dev eth0", way.addr())?;
            }
        }
        // Any address of the pool is the node's own: whoever binds it there is reached.
        for pool in addresses.pool() {
            writeln!(batch, "route add local {pool} dev lo")?;
        }
        ip(&batch)
    })
}

/// Spreads the pool's connections over these nodes, and over no others.
pub(crate) fn spread(addresses: &Addresses, nodes: &[&Node]) -> anyhow::Result<()> {
    let mut batch = String::new();
    for (family, pool) in addresses.pool().into_iter().enumerate() {
        if nodes.is_empty() {
            writeln!(batch, "route replace unreachable {pool}")?;
            continue;
        }
        write!(batch, "route replace {pool}")?;
        for node in nodes {
            write!(
                batch,
                " nexthop via {} dev br0",
                node.addresses[family].addr()
            )?;
        }
        writeln!(batch)?;
    }
    ip(&batch)
}

/// Addresses for a link; IPv6 needs no probing where nobody else can be.
fn add(batch: &mut String, link: &str, addresses: &[IpNet]) -> std::fmt::Result {
    for address in addresses {
        let at_once = if address.addr().is_ipv6() {
            " nodad"
        } else {
            ""
        };
        writeln!(batch, "address add {address} dev {link}{at_once}")?;
    }
    Ok(())
}

/// `default` alone does not say of which family it is.
fn anywhere(way: IpAddr) -> &'static str {
    if way.is_ipv6() { "::/0" } else { "0.0.0.0/0" }
}

/// Settings of this thread's namespace.
fn tune(settings: &[(&str, &str)], ipv6: bool) -> anyhow::Result<()> {
    let is_wanted = |name: &str| ipv6 || !name.starts_with("net/ipv6/");
    for (name, value) in settings.iter().filter(|(name, _)| is_wanted(name)) {
        let file = format!("/proc/sys/{name}");
        std::fs::write(&file, value).with_context(|| format!("cannot write {value} to {file}"))?;
    }
    Ok(())
}

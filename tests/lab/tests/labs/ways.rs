//! Nodes and the Gateway pool are reached from outside, by connections.

use crate::lab::{LAB, Lab, eventually};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The port of everything that listens here.
const PORT: u16 = 8080;

/// Answers every connection with its name.
const SERVER: &str = r#"
import socket, sys
name, port, *addresses = sys.argv[1:]
servers = []
for address in addresses:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    servers.append(socket.create_server((address, int(port)), family=family))
print("listens", flush=True)
import select
while True:
    for server in select.select(servers, [], [])[0]:
        client, _ = server.accept()
        client.sendall(name.encode())
        client.close()
"#;

/// A server on a node; ended when dropped.
struct Server(Child);

impl Server {
    fn start(lab: &Lab, node: &str, addresses: &[IpAddr]) -> Self {
        let mut child = Command::new(LAB)
            .args(["enter", "--node", node, "--name", lab.name(), "--"])
            .args(["python3", "-c", SERVER, node, &PORT.to_string()])
            .args(addresses.iter().map(ToString::to_string))
            .stdout(Stdio::piped())
            .spawn()
            .expect("the lab's program starts");
        let stdout = child.stdout.take().expect("its stdout was asked for");
        let mut line = String::new();
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("it says something");
        assert_eq!(line, "listens\n");
        Self(child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Who answers there.
fn who(address: IpAddr) -> std::io::Result<String> {
    let limit = Duration::from_secs(5);
    let mut stream = TcpStream::connect_timeout(&SocketAddr::new(address, PORT), limit)?;
    stream.set_read_timeout(Some(limit))?;
    let mut name = String::new();
    stream.read_to_string(&mut name)?;
    Ok(name)
}

/// Who answers 64 connections in a row.
fn who_of_many(address: IpAddr) -> BTreeSet<String> {
    (0..64)
        .map(|_| who(address).unwrap_or_else(|error| error.kind().to_string()))
        .collect()
}

/// The addresses in a list of status: of a node, or the 7th of each of the pool's ranges.
fn addresses(lab: &Lab, node: usize) -> (Vec<IpAddr>, Vec<IpAddr>) {
    let status = lab.status();
    let own = status["nodes"][node][1].as_array().into_iter().flatten();
    let own = own.map(|at| {
        at.as_str()
            .and_then(|at| at.parse().ok())
            .expect("an address")
    });
    let pool = status["pool"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|range| {
            let range: ipnet::IpNet = range
                .as_str()
                .and_then(|at| at.parse().ok())
                .expect("a range");
            range.hosts().nth(6).expect("a range of more than 7")
        });
    (own.collect(), pool.collect())
}

/// A gateway pod that nobody runs: its status is what this test says.
fn gateway_pod(lab: &Lab, node: &str) {
    let pod = format!(
        r#"{{"spec": {{"nodeName": "{node}", "containers": [{{"name": "gateway", "image": "none"}}]}}}}"#
    );
    let name = format!("gateway-{node}");
    lab.kubectl(&[
        "run",
        &name,
        "--image=none",
        "-l",
        "app=gateway",
        "--overrides",
        &pod,
    ]);
}

fn set_ready(lab: &Lab, node: &str, ready: bool) {
    let ready = if ready { "True" } else { "False" };
    let status =
        format!(r#"{{"status":{{"conditions":[{{"type":"Ready","status":"{ready}"}}]}}}}"#);
    let name = format!("gateway-{node}");
    lab.kubectl(&["patch", "pod", &name, "--subresource=status", "-p", &status]);
}

/// Asks until exactly these answer.
fn await_servers(pool: IpAddr, wanted: &[&str]) {
    let wanted: BTreeSet<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
    eventually(&format!("{wanted:?} and nobody else"), || {
        who_of_many(pool) == wanted
    });
}

#[test]
fn nodes_and_the_pool_are_reached_in_both_families() {
    let lab = Lab::up("ways", &["--ipv6"]);
    let (own, pool) = addresses(&lab, 0);
    let (other, _) = addresses(&lab, 1);
    assert_eq!((own.len(), pool.len()), (2, 2));
    let _first = Server::start(&lab, "node-1", &[own.clone(), pool.clone()].concat());
    let _second = Server::start(&lab, "node-2", &[other.clone(), pool.clone()].concat());
    for address in own {
        assert_eq!(who(address).expect("a node is reached"), "node-1");
    }
    for address in other {
        assert_eq!(who(address).expect("a node is reached"), "node-2");
    }
    for address in pool {
        await_servers(address, &["node-1", "node-2"]);
    }
    let both = r#"{"spec": {"ipFamilyPolicy": "RequireDualStack"}}"#;
    lab.kubectl(&["create", "service", "clusterip", "both", "--tcp=80"]);
    lab.kubectl(&["patch", "service", "both", "-p", both]);
    lab.down();
}

#[test]
fn the_pool_goes_to_the_nodes_whose_gateway_is_ready() {
    let lab = Lab::up("pool", &["--gateway", "default/app=gateway"]);
    let (_, pool) = addresses(&lab, 0);
    let nodes = ["node-1", "node-2"];
    let _servers = nodes.map(|node| Server::start(&lab, node, &pool));
    assert!(
        who(pool[0]).is_err(),
        "nobody is ready, and somebody answers"
    );
    for node in nodes {
        gateway_pod(&lab, node);
    }
    set_ready(&lab, "node-1", true);
    await_servers(pool[0], &["node-1"]);
    set_ready(&lab, "node-2", true);
    await_servers(pool[0], &nodes);
    set_ready(&lab, "node-1", false);
    await_servers(pool[0], &["node-2"]);
    lab.down();
}

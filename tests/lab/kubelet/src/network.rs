//! Pods' addresses, and the links and routes that carry them.
//!
//! A pod has one veth pair: `eth0` in its namespace with the pod's address, and a link of the
//! node's with the range's first address, the pod's gateway. The node routes the pod's address
//! to that link. All of it goes when the pod's namespace goes.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::Stdio;

use anyhow::{Context, anyhow, ensure};
use ipnet::IpNet;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// The addresses of one range, given out in turn: one that was given back rests longest.
#[derive(Debug)]
pub struct Addresses {
    ranges: Vec<IpNet>,
    used: BTreeSet<u32>,
    next: u32,
}

/// A pod's addresses, one of each range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodAddresses {
    index: u32,
    /// In the order of the ranges.
    pub ips: Vec<IpAddr>,
    /// The pod's gateways, in the same order.
    pub gateways: Vec<IpAddr>,
}

/// How many pods a node can hold at most, whatever the size of its range.
const POD_ADDRESSES_MAX: u32 = 4096;
/// The gateway's place in each range.
const GATEWAY_INDEX: u32 = 1;

impl Addresses {
    /// All addresses of the ranges, except the first (the network), the second (the gateway) and
    /// the last.
    pub fn new(ranges: Vec<IpNet>) -> Self {
        Addresses {
            ranges,
            used: BTreeSet::new(),
            next: GATEWAY_INDEX + 1,
        }
    }

    /// The next free address of each range; `None` when all are in use.
    pub fn take(&mut self) -> Option<PodAddresses> {
        let last = self.last_index();
        let count = last.checked_sub(GATEWAY_INDEX)?;
        for _ in 0..count {
            let index = self.next;
            self.next = if index >= last {
                GATEWAY_INDEX + 1
            } else {
                index + 1
            };
            if self.used.insert(index) {
                return Some(self.addresses(index));
            }
        }
        None
    }

    /// Gives a pod's addresses back.
    pub fn give_back(&mut self, addresses: &PodAddresses) {
        self.used.remove(&addresses.index);
    }

    fn addresses(&self, index: u32) -> PodAddresses {
        let nth = |n| self.ranges.iter().map(|range| nth(range, n)).collect();
        PodAddresses {
            index,
            ips: nth(index),
            gateways: nth(GATEWAY_INDEX),
        }
    }

    fn last_index(&self) -> u32 {
        let sizes = self.ranges.iter().map(|range| {
            let bits = u32::from(range.max_prefix_len() - range.prefix_len());
            // One less than the range's last address, which is a broadcast in IPv4.
            1_u32
                .checked_shl(bits)
                .map_or(u32::MAX, |n| n.saturating_sub(2))
        });
        sizes.min().unwrap_or(0).min(POD_ADDRESSES_MAX)
    }
}

fn nth(range: &IpNet, index: u32) -> IpAddr {
    match range {
        IpNet::V4(range) => Ipv4Addr::from(u32::from(range.network()).wrapping_add(index)).into(),
        IpNet::V6(range) => {
            Ipv6Addr::from(u128::from(range.network()).wrapping_add(index.into())).into()
        }
    }
}

/// Kernel parameters of a pod's own network, as container runtimes set them, and no waiting for
/// duplicate IPv6 addresses, which cannot be there.
pub const POD_SYSCTLS: &[(&str, &str)] = &[
    ("net.ipv4.ip_unprivileged_port_start", "0"),
    ("net.ipv4.ping_group_range", "0 2147483647"),
];
/// The same for IPv6, where the kernel has it.
pub const POD_SYSCTLS_V6: &[(&str, &str)] = &[
    ("net.ipv6.conf.default.accept_dad", "0"),
    ("net.ipv6.conf.default.dad_transmits", "0"),
];

/// Lets the node forward packets of its pods.
pub fn forward(ranges: &[IpNet]) -> anyhow::Result<()> {
    for range in ranges {
        let path = match range {
            IpNet::V4(_) => "/proc/sys/net/ipv4/ip_forward",
            IpNet::V6(_) => "/proc/sys/net/ipv6/conf/all/forwarding",
        };
        std::fs::write(path, "1").with_context(|| format!("{path} cannot be written"))?;
    }
    Ok(())
}

/// Connects the namespace of process `pid` with the node.
pub async fn connect(pid: u32, link: &str, addresses: &PodAddresses) -> anyhow::Result<()> {
    run(&["ip", "-batch", "-"], &node_side(pid, link, addresses)).await?;
    let namespace = format!("--net=/proc/{pid}/ns/net");
    let enter = ["nsenter", &namespace, "ip", "-batch", "-"];
    run(&enter, &pod_side(addresses)).await
}

/// Takes a pod's link away. It may be gone already, with the pod's namespace.
pub async fn disconnect(link: &str) {
    let gone = run(&["ip", "-batch", "-"], &format!("link delete {link}\n")).await;
    if let Err(error) = gone {
        tracing::debug!(link, error = %error, "the link is gone");
    }
}

fn node_side(pid: u32, link: &str, addresses: &PodAddresses) -> String {
    let mut batch = format!("link add {link} type veth peer name eth0 netns {pid}\n");
    for gateway in &addresses.gateways {
        batch += &format!(
            "address add {} dev {link}{}\n",
            whole(gateway),
            no_dad(gateway)
        );
    }
    batch += &format!("link set {link} up\n");
    for ip in &addresses.ips {
        batch += &format!("route replace {} dev {link}\n", whole(ip));
    }
    batch
}

fn pod_side(addresses: &PodAddresses) -> String {
    let mut batch = "link set lo up\n".to_owned();
    for ip in &addresses.ips {
        batch += &format!("address add {} dev eth0{}\n", whole(ip), no_dad(ip));
    }
    batch += "link set eth0 up\n";
    for gateway in &addresses.gateways {
        let route = whole(gateway);
        batch += &format!("route add {route} dev eth0 scope link\n");
        batch += &format!("route add default via {gateway} dev eth0\n");
    }
    batch
}

/// An address as a range that holds nothing else.
fn whole(ip: &IpAddr) -> IpNet {
    IpNet::from(*ip)
}

fn no_dad(ip: &IpAddr) -> &'static str {
    if ip.is_ipv6() { " nodad" } else { "" }
}

/// Runs a program with `input`; its complaint is the error.
async fn run(words: &[&str], input: &str) -> anyhow::Result<()> {
    let (program, arguments) = words.split_first().ok_or_else(|| anyhow!("no program"))?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("{program} cannot be started"))?;
    if let Some(mut pipe) = child.stdin.take() {
        pipe.write_all(input.as_bytes())
            .await
            .context("its input")?;
    }
    let output = child.wait_with_output().await.context("its output")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{}: {}",
        words.join(" "),
        complaint.trim()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(texts: &[&str]) -> Vec<IpNet> {
        texts
            .iter()
            .map(|text| text.parse().expect("a range"))
            .collect()
    }

    #[test]
    fn addresses_are_given_in_turn_and_again_only_when_given_back() {
        let mut addresses = Addresses::new(ranges(&["10.1.0.0/29"]));
        let taken: Vec<PodAddresses> = std::iter::from_fn(|| addresses.take()).collect();
        let ips: Vec<String> = taken.iter().map(|a| a.ips[0].to_string()).collect();
        assert_eq!(
            ips,
            ["10.1.0.2", "10.1.0.3", "10.1.0.4", "10.1.0.5", "10.1.0.6"]
        );
        addresses.give_back(&taken[3]);
        let again = addresses.take().expect("one is free");
        assert_eq!(again, taken[3]);
        assert_eq!(addresses.take(), None);
    }

    #[test]
    fn an_address_that_was_given_back_rests() {
        let mut addresses = Addresses::new(ranges(&["10.1.0.0/24"]));
        let first = addresses.take().expect("free");
        addresses.give_back(&first);
        assert_ne!(addresses.take().expect("free"), first);
    }

    #[test]
    fn both_families_share_the_place_in_their_range() {
        let mut addresses = Addresses::new(ranges(&["10.1.2.0/24", "fd00:2::/64"]));
        let pod = addresses.take().expect("free");
        let ips: Vec<String> = pod.ips.iter().map(IpAddr::to_string).collect();
        assert_eq!(ips, ["10.1.2.2", "fd00:2::2"]);
        assert_eq!(pod.gateways[0].to_string(), "10.1.2.1");
        assert_eq!(
            node_side(7, "v1", &pod),
            "link add v1 type veth peer name eth0 netns 7\n\
             address add 10.1.2.1/32 dev v1\n\
             address add fd00:2::1/128 dev v1 nodad\n\
             link set v1 up\n\
             route replace 10.1.2.2/32 dev v1\n\
             route replace fd00:2::2/128 dev v1\n"
        );
    }

    #[test]
    fn a_range_too_small_for_pods_gives_none() {
        assert_eq!(Addresses::new(ranges(&["10.1.0.0/32"])).take(), None);
        assert_eq!(Addresses::new(Vec::new()).take(), None);
    }
}

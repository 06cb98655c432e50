//! Where the lab is not a real cluster: the one list, printed by `rauta-lab deviations`.

/// One difference that a test's reader has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deviation {
    /// What differs.
    pub what: &'static str,
    /// What a real cluster has.
    pub usual: &'static str,
    /// What the lab has, and why.
    pub here: &'static str,
}

const fn deviation(what: &'static str, usual: &'static str, here: &'static str) -> Deviation {
    Deviation { what, usual, here }
}

/// All of them on the control plane's and the network's side.
pub const DEVIATIONS: &[Deviation] = &[
    deviation(
        "etcd",
        "several, synced to disk",
        "one, in memory, `--unsafe-no-fsync`: its data ends with the lab",
    ),
    deviation(
        "leader election",
        "on",
        "off for controllers and scheduler: there is one of each",
    ),
    deviation(
        "`--node-monitor-grace-period`",
        "50s",
        "8s, looked at every second: a lost node is a matter of a test, not of minutes",
    ),
    deviation(
        "tolerations for `not-ready` and `unreachable`",
        "300 s",
        "5 s, for the same reason",
    ),
    deviation(
        "a node's Lease",
        "40 s, renewed every 10 s",
        "8 s, renewed every 2 s",
    ),
    deviation(
        "back-off of a container",
        "10 s, doubled up to 5 min",
        "1 s, doubled up to 30 s",
    ),
    deviation("`--node-eviction-rate`", "0.1 nodes per second", "1"),
    deviation(
        "pod ranges",
        "handed out by the controllers",
        "fixed by the lab: `--allocate-node-cidrs=false`",
    ),
    deviation(
        "CNI",
        "a plugin per cluster",
        "none: pods are reached by routes, and network policies do nothing",
    ),
    deviation(
        "Services",
        "kube-proxy or alike",
        "a ClusterIP is allocated and routed nowhere; pods find the API server by its address",
    ),
    deviation("DNS", "CoreDNS", "none"),
    deviation(
        "LoadBalancer",
        "a cloud or BGP",
        "the Gateway pool is routed to the nodes, by connection, while their gateway is ready",
    ),
    deviation(
        "addresses of the pool on a node",
        "on an interface, or announced",
        "local by a route (with IPv6, `net.ipv6.ip_nonlocal_bind`), so any of them can be bound",
    ),
    deviation(
        "the way out",
        "the internet",
        "none: a lab talks to itself and to the root namespace",
    ),
];

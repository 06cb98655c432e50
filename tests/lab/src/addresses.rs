//! The address ranges of one lab: a /16, and with IPv6 a /56, per lab.
//!
//! ```text
//!  10.S.0.0/24        bridge: .1 is the lab (and its API server), .11 is node-1, .12 node-2, …
//!  10.S.1.0/24        the Gateway pool
//!  10.S.16.0/24 …     pods of node-1, then of node-2, …
//!  10.S.128.0/20      Services: allocated, routed nowhere
//!  10.S.255.0/30      between the root namespace (.1) and the lab (.2)
//! ```

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How many labs one machine can hold at once.
pub(crate) const SLOTS: u8 = 64;

/// How many nodes a lab can have.
pub(crate) const NODES_MAX: u8 = 32;

/// The second byte of the first lab's IPv4 addresses.
const FIRST: u8 = 160;

/// Private IPv6 addresses that nobody else draws: the second half spells the project.
const PREFIX: [u16; 3] = [0xfd52, 0x4155, 0x5441];

/// The ranges of the lab in one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// Which of the machine's labs this is, from 0.
    pub slot: u8,
    /// Whether it has IPv6 beside IPv4.
    pub ipv6: bool,
}

/// The first address, its network, and the same of the other family where there is one.
type Both<T> = Vec<T>;

impl Addresses {
    /// Everything: what the root namespace routes to the lab.
    pub fn lab(&self) -> Both<IpNet> {
        self.both(self.v4(0, 0, 16), self.v6(0, 0, 56))
    }

    /// The bridge with the lab's own addresses on it: API server and gateway of the nodes.
    pub fn bridge(&self) -> Both<IpNet> {
        self.both(self.v4(0, 1, 24), self.v6(0, 1, 64))
    }

    /// A node's addresses on the bridge; nodes count from 0.
    pub fn node(&self, index: u8) -> Both<IpNet> {
        self.both(
            self.v4(0, 11 + index, 24),
            self.v6(0, 11 + u16::from(index), 64),
        )
    }

    /// The pods of a node; nodes count from 0.
    pub fn pods(&self, index: u8) -> Both<IpNet> {
        self.both(
            self.v4(16 + index, 0, 24),
            self.v6(16 + u16::from(index), 0, 64),
        )
    }

    /// Where Gateways get their addresses.
    pub fn pool(&self) -> Both<IpNet> {
        self.both(self.v4(1, 0, 24), self.v6(1, 0, 64))
    }

    /// The cluster's Services.
    pub fn services(&self) -> Both<IpNet> {
        self.both(self.v4(128, 0, 20), self.v6(255, 0, 112))
    }

    /// The root namespace's end of the way into the lab.
    pub fn outer(&self) -> Both<IpNet> {
        self.both(self.v4(255, 1, 30), self.v6(2, 1, 64))
    }

    /// The lab's end of that way.
    pub fn uplink(&self) -> Both<IpNet> {
        self.both(self.v4(255, 2, 30), self.v6(2, 2, 64))
    }

    /// Where the API server listens.
    pub fn api_server(&self) -> IpAddr {
        self.bridge()[0].addr()
    }

    /// The first Service's address: the API server's certificate holds it too.
    pub fn first_services(&self) -> Both<IpAddr> {
        let first = |range: IpNet| range.hosts().next();
        self.services().into_iter().filter_map(first).collect()
    }

    /// Whether one of the routes reaches into this lab's ranges.
    pub fn overlap(&self, routes: &[IpNet]) -> bool {
        let ranges = self.lab();
        let touch = |a: &IpNet, b: &IpNet| a.contains(&b.network()) || b.contains(&a.network());
        let is_default = |route: &IpNet| route.prefix_len() == 0;
        let mut routes = routes.iter().filter(|route| !is_default(route));
        routes.any(|route| ranges.iter().any(|range| touch(range, route)))
    }

    fn both(&self, v4: Ipv4Net, v6: Ipv6Net) -> Both<IpNet> {
        let v6 = self.ipv6.then_some(IpNet::V6(v6));
        std::iter::once(IpNet::V4(v4)).chain(v6).collect()
    }

    fn v4(&self, third: u8, fourth: u8, prefix: u8) -> Ipv4Net {
        let address = Ipv4Addr::new(10, FIRST + self.slot, third, fourth);
        Ipv4Net::new_assert(address, prefix)
    }

    fn v6(&self, subnet: u16, last: u16, prefix: u8) -> Ipv6Net {
        let [a, b, c] = PREFIX;
        let fourth = u16::from(self.slot) << 8 | subnet;
        Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, fourth, 0, 0, 0, last), prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::{Addresses, NODES_MAX, SLOTS};
    use ipnet::IpNet;

    fn ranges(of: Addresses) -> Vec<IpNet> {
        let pods = (0..NODES_MAX).flat_map(|node| of.pods(node));
        let others = [of.bridge(), of.pool(), of.services(), of.outer()];
        pods.chain(others.into_iter().flatten()).collect()
    }

    #[test]
    fn ranges_lie_in_their_lab_and_apart_from_each_other() {
        for slot in 0..SLOTS {
            let of = Addresses { slot, ipv6: true };
            let all = ranges(of);
            for (at, range) in all.iter().enumerate() {
                assert!(of.lab().iter().any(|lab| lab.contains(range)), "{range}");
                let touches = |other: &IpNet| other.contains(&range.network());
                assert!(!all[at + 1..].iter().any(touches), "{range} is there twice");
            }
        }
    }

    #[test]
    fn two_labs_share_nothing() {
        let first = Addresses {
            slot: 0,
            ipv6: true,
        };
        let second = Addresses { slot: 1, ..first };
        assert!(!first.overlap(&ranges(second)));
        assert!(first.overlap(&ranges(first)));
    }

    #[test]
    fn a_default_route_is_nobody_s_range() {
        let of = Addresses {
            slot: 3,
            ipv6: true,
        };
        let routes = ["0.0.0.0/0", "::/0", "192.0.2.0/24"];
        let routes = routes.map(|route| route.parse().expect("a route"));
        assert!(!of.overlap(&routes));
        assert!(of.overlap(&["10.0.0.0/8".parse().expect("a route")]));
    }
}

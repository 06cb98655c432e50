//! Which addresses and ports each Gateway has.
//!
//! A Gateway gets one address of the pool, and keeps it while it lives, or those it asks for in
//! `spec.addresses`. Older Gateways choose first. Nothing is bound here.

use super::Problem;
use crate::index::Name;
use crate::object::types::Gateway;
use crate::status::reason;
use ipnet::Ipv4Net;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

/// Which addresses may be bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BindPolicy {
    /// Nothing that another machine could reach.
    LoopbackOnly,
    /// Whatever a Gateway asks for.
    Any,
}

/// What a Gateway was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Allotment {
    /// In the order of `spec.addresses`.
    pub(crate) addresses: Vec<IpAddr>,
    /// An address of a type that is not supported.
    pub(crate) unsupported: Option<Problem>,
    /// An address that was asked for and cannot be used, or none left to give.
    pub(crate) unusable: Option<Problem>,
    /// Ports that an older Gateway holds on one of the addresses, and which Gateway.
    pub(crate) lost_ports: BTreeMap<u16, Name>,
}

/// The pool, and who has which of its addresses.
#[derive(Debug)]
pub(crate) struct AddressBook {
    pool: Ipv4Net,
    policy: BindPolicy,
    given: BTreeMap<Name, Vec<Ipv4Addr>>,
}

impl AddressBook {
    pub(crate) fn new(pool: Ipv4Net, policy: BindPolicy) -> Self {
        Self {
            pool,
            policy,
            given: BTreeMap::new(),
        }
    }

    /// Gives addresses to `gateways`, the oldest first; whoever is not among them loses theirs.
    pub(crate) fn allot(&mut self, gateways: &[(Name, &Gateway)]) -> BTreeMap<Name, Allotment> {
        let present: BTreeSet<&Name> = gateways.iter().map(|(name, _)| name).collect();
        self.given.retain(|name, _| present.contains(name));
        let asked: BTreeSet<IpAddr> = gateways
            .iter()
            .flat_map(|(_, gateway)| gateway.spec.addresses.iter().flatten())
            .filter_map(|address| address.value.as_deref()?.parse().ok())
            .collect();
        let mut holders: BTreeMap<(IpAddr, u16), Name> = BTreeMap::new();
        let mut allotments = BTreeMap::new();
        for (name, gateway) in gateways {
            let mut allotment = self.addresses_of(name, gateway, &asked);
            for address in &allotment.addresses {
                for listener in &gateway.spec.listeners {
                    let port = u16::try_from(listener.port).unwrap_or_default();
                    let holder = holders
                        .entry((*address, port))
                        .or_insert_with(|| name.clone());
                    if holder != name {
                        allotment.lost_ports.insert(port, holder.clone());
                    }
                }
            }
            allotments.insert(name.clone(), allotment);
        }
        allotments
    }

    fn addresses_of(
        &mut self,
        name: &Name,
        gateway: &Gateway,
        asked: &BTreeSet<IpAddr>,
    ) -> Allotment {
        let mut allotment = Allotment::default();
        let wanted = gateway.spec.addresses.as_deref().unwrap_or_default();
        let mut from_pool = usize::from(wanted.is_empty());
        for address in wanted {
            let value = address.value.as_deref().unwrap_or_default();
            match address.r#type.as_deref().unwrap_or("IPAddress") {
                "IPAddress" if value.is_empty() => from_pool += 1,
                "IPAddress" => match self.check(value) {
                    Ok(address) => allotment.addresses.push(address),
                    Err(message) => {
                        let problem = Problem::new(reason::ADDRESS_NOT_USABLE, message);
                        allotment.unusable.get_or_insert(problem);
                    }
                },
                "Hostname" => {
                    let message = format!(
                        "address {value:?} is a hostname, and a Gateway listens on IP addresses: \
                         ask for an address of type IPAddress, or for none"
                    );
                    let problem = Problem::new(reason::ADDRESS_NOT_USABLE, message);
                    allotment.unusable.get_or_insert(problem);
                }
                other => {
                    let message =
                        format!("addresses of type {other:?} are not supported: use IPAddress");
                    let problem = Problem::new(reason::UNSUPPORTED_ADDRESS, message);
                    allotment.unsupported.get_or_insert(problem);
                }
            }
        }
        let given = self.give(name, from_pool, asked);
        if given.len() < from_pool {
            let message = format!(
                "the address pool {} has no free address left: widen it, or delete a Gateway",
                self.pool
            );
            allotment.unusable = Some(Problem::new(reason::ADDRESS_NOT_ASSIGNED, message));
        }
        allotment
            .addresses
            .extend(given.into_iter().map(IpAddr::V4));
        allotment
    }

    fn check(&self, value: &str) -> Result<IpAddr, String> {
        let address: IpAddr = value
            .parse()
            .map_err(|_| format!("address {value:?} is not an IP address"))?;
        let may_bind = self.policy == BindPolicy::Any || address.is_loopback();
        if may_bind {
            Ok(address)
        } else {
            Err(format!(
                "address {address} is not a loopback address, and nothing else is bound unless \
                 asked: use an address of 127.0.0.0/8, or allow other addresses"
            ))
        }
    }

    /// Gives `count` addresses of the pool, the same as before where it can.
    fn give(&mut self, name: &Name, count: usize, asked: &BTreeSet<IpAddr>) -> Vec<Ipv4Addr> {
        let mut mine = self.given.remove(name).unwrap_or_default();
        mine.truncate(count);
        if mine.len() < count {
            let taken: BTreeSet<Ipv4Addr> = self.given.values().flatten().copied().collect();
            let free = self.pool.hosts().filter(|host| {
                !taken.contains(host) && !mine.contains(host) && !asked.contains(&IpAddr::V4(*host))
            });
            let more: Vec<Ipv4Addr> = free.take(count - mine.len()).collect();
            mine.extend(more);
        }
        if !mine.is_empty() {
            self.given.insert(name.clone(), mine.clone());
        }
        mine
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gateway(addresses: &str) -> Gateway {
        let text = format!(
            r#"{{"metadata":{{}},"spec":{{"gatewayClassName":"c","addresses":{addresses},
               "listeners":[{{"name":"http","port":80,"protocol":"HTTP"}}]}}}}"#
        );
        serde_json::from_str(&text).expect("a Gateway")
    }

    fn book(pool: &str, policy: BindPolicy) -> AddressBook {
        AddressBook::new(pool.parse().expect("a pool"), policy)
    }

    #[test]
    fn each_gateway_keeps_its_own_address_of_the_pool() {
        let mut book = book("127.0.10.0/24", BindPolicy::LoopbackOnly);
        let (a, b, c) = (gateway("[]"), gateway("[]"), gateway("[]"));
        let name = |name| Name::new("default", name);
        let given = book.allot(&[(name("b"), &b), (name("c"), &c)]);
        assert_eq!(given[&name("b")].addresses, [IpAddr::from([127, 0, 10, 1])]);
        assert_eq!(given[&name("c")].addresses, [IpAddr::from([127, 0, 10, 2])]);

        // An older one comes: those that have an address keep it.
        let given = book.allot(&[(name("a"), &a), (name("b"), &b), (name("c"), &c)]);
        assert_eq!(given[&name("b")].addresses, [IpAddr::from([127, 0, 10, 1])]);
        assert_eq!(given[&name("a")].addresses, [IpAddr::from([127, 0, 10, 3])]);

        // One goes: its address is free again.
        book.allot(&[(name("a"), &a), (name("c"), &c)]);
        let given = book.allot(&[(name("a"), &a), (name("b"), &b), (name("c"), &c)]);
        assert_eq!(given[&name("b")].addresses, [IpAddr::from([127, 0, 10, 1])]);
    }

    #[test]
    fn an_exhausted_pool_is_said() {
        let mut book = book("127.0.10.0/30", BindPolicy::LoopbackOnly);
        let one = gateway("[]");
        let names = ["a", "b", "c"].map(|name| (Name::new("default", name), &one));
        let given = book.allot(&names);
        let last = &given[&names[2].0];
        assert!(last.addresses.is_empty());
        let problem = last.unusable.as_ref().expect("a problem");
        assert_eq!(problem.reason, reason::ADDRESS_NOT_ASSIGNED);
        assert!(problem.message.contains("127.0.10.0/30"));
    }

    #[test]
    fn asked_addresses_are_honoured_or_refused_with_a_reason() {
        // (addresses, given, reason)
        let cases = [
            (r#"[{"value":"127.0.0.9"}]"#, vec!["127.0.0.9"], None),
            (r#"[{"value":"::1"}]"#, vec!["::1"], None),
            (r#"[{"type":"IPAddress"}]"#, vec!["127.0.10.1"], None),
            (
                r#"[{"value":"192.0.2.1"},{"value":"127.0.0.9"}]"#,
                vec!["127.0.0.9"],
                Some(reason::ADDRESS_NOT_USABLE),
            ),
            (
                r#"[{"type":"Hostname","value":"example.com"}]"#,
                vec![],
                Some(reason::ADDRESS_NOT_USABLE),
            ),
            (
                r#"[{"type":"example.com/thing","value":"x"}]"#,
                vec![],
                Some(reason::UNSUPPORTED_ADDRESS),
            ),
        ];
        for (addresses, given, reason) in cases {
            let mut book = book("127.0.10.0/24", BindPolicy::LoopbackOnly);
            let name = Name::new("default", "a");
            let allotted = book.allot(&[(name.clone(), &gateway(addresses))]);
            let allotment = &allotted[&name];
            let found: Vec<String> = allotment.addresses.iter().map(IpAddr::to_string).collect();
            assert_eq!(found, given, "{addresses}");
            let problem = allotment
                .unsupported
                .as_ref()
                .or(allotment.unusable.as_ref());
            assert_eq!(problem.map(|problem| problem.reason), reason, "{addresses}");
        }
        let mut open = book("127.0.10.0/24", BindPolicy::Any);
        let name = Name::new("default", "a");
        let allotted = open.allot(&[(name.clone(), &gateway(r#"[{"value":"192.0.2.1"}]"#))]);
        assert_eq!(allotted[&name].addresses, [IpAddr::from([192, 0, 2, 1])]);
    }

    #[test]
    fn the_older_gateway_holds_a_port_of_a_shared_address() {
        let mut book = book("127.0.10.0/24", BindPolicy::LoopbackOnly);
        let both = gateway(r#"[{"value":"127.0.0.1"}]"#);
        let (old, young) = (Name::new("z", "old"), Name::new("a", "young"));
        let given = book.allot(&[(old.clone(), &both), (young.clone(), &both)]);
        assert!(given[&old].lost_ports.is_empty());
        assert_eq!(given[&young].lost_ports[&80], old);
    }
}

//! Route tables of listeners, and the ports they are bound on.

use super::routes::{Routes, Surroundings};
use super::work::ListenerKey;
use crate::attach::{GatewayState, ListenerState};
use rauta_routing::{Listener, Port, PortProtocol, RouteEntry, RouteTable};
use rauta_schemas::{ListenerName, Names};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

/// The listeners and ports of the snapshot.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    built: HashMap<ListenerKey, Built>,
    ports: Vec<Arc<Port>>,
}

/// A listener with what its table was made of.
#[derive(Debug)]
struct Built {
    entries: Vec<Arc<RouteEntry>>,
    listener: Arc<Listener>,
}

impl Listeners {
    /// Builds again the listeners whose own fields or routes changed, and the ports around them.
    /// True where any port is another one than before.
    pub(super) fn refresh(
        &mut self,
        around: &Surroundings<'_>,
        routes: &Routes,
        dirty: &BTreeSet<ListenerKey>,
    ) -> bool {
        let mut built = HashMap::new();
        let mut plans: BTreeMap<SocketAddr, PortPlan> = BTreeMap::new();
        let gateways = around.gateways.states.values();
        for gateway in gateways.filter(|gateway| gateway.accepted.is_ok()) {
            let served = gateway.listeners.iter().filter(|l| l.is_served());
            for state in served {
                let key = (gateway.name.clone(), state.offer.name.clone());
                let routes_changed = dirty.contains(&key);
                let before = self.built.remove(&key);
                let now = build(around.names, &key, state, routes, routes_changed, before);
                place(&mut plans, gateway, state, &now, around.config.port_offset);
                built.insert(key, now);
            }
        }
        self.built = built;
        self.replace_ports(plans)
    }

    /// What is bound, by address.
    pub(super) fn ports(&self) -> &[Arc<Port>] {
        &self.ports
    }

    fn replace_ports(&mut self, plans: BTreeMap<SocketAddr, PortPlan>) -> bool {
        let mut old: BTreeMap<SocketAddr, Arc<Port>> = std::mem::take(&mut self.ports)
            .into_iter()
            .map(|port| (port.address, port))
            .collect();
        let mut changed = false;
        for (address, plan) in plans {
            let port = plan.build(address);
            let kept = old.remove(&address).filter(|old| same_port(old, &port));
            changed |= kept.is_none();
            self.ports.push(kept.unwrap_or_else(|| Arc::new(port)));
        }
        changed | !old.is_empty()
    }
}

/// A port as it fills.
#[derive(Debug)]
struct PortPlan {
    protocol: PortProtocol,
    public_port: u16,
    listeners: Vec<Arc<Listener>>,
}

impl PortPlan {
    fn build(self, address: SocketAddr) -> Port {
        Port::new(address, self.protocol, self.public_port, self.listeners)
    }
}

/// Puts a listener on its port of each address of its Gateway.
fn place(
    plans: &mut BTreeMap<SocketAddr, PortPlan>,
    gateway: &GatewayState,
    state: &ListenerState,
    built: &Built,
    port_offset: u16,
) {
    let Some(protocol) = state.protocol else {
        return;
    };
    let Some(port) = state.offer.port.checked_add(port_offset) else {
        return;
    };
    for address in &gateway.allotment.addresses {
        plans
            .entry(SocketAddr::new(*address, port))
            .or_insert_with(|| PortPlan {
                protocol,
                public_port: state.offer.port,
                listeners: Vec::new(),
            })
            .listeners
            .push(built.listener.clone());
    }
}

fn build(
    names: &Names,
    key: &ListenerKey,
    state: &ListenerState,
    routes: &Routes,
    routes_changed: bool,
    before: Option<Built>,
) -> Built {
    let (entries, table) = match before.as_ref().filter(|_| !routes_changed) {
        Some(before) => (before.entries.clone(), before.listener.routes.clone()),
        None => table(routes.on(key), before.as_ref()),
    };
    let (gateway, listener) = key;
    let listener = Listener {
        name: names.listeners.intern(ListenerName {
            namespace: gateway.namespace.to_string(),
            gateway: gateway.name.to_string(),
            listener: listener.to_string(),
            port: state.offer.port,
        }),
        hostname: state.offer.hostname.clone(),
        tls: state.tls.clone(),
        routes: table,
    };
    let kept = before.map(|before| before.listener);
    let kept = kept.filter(|old| same_listener(old, &listener));
    Built {
        entries,
        listener: kept.unwrap_or_else(|| Arc::new(listener)),
    }
}

fn table<'a>(
    routes: impl Iterator<Item = &'a Arc<RouteEntry>>,
    before: Option<&Built>,
) -> (Vec<Arc<RouteEntry>>, Arc<RouteTable>) {
    let entries: Vec<Arc<RouteEntry>> = routes.cloned().collect();
    if let Some(before) = before
        && same_all(&before.entries, &entries)
    {
        return (entries, before.listener.routes.clone());
    }
    let table = RouteTable::new(entries.iter().cloned());
    (entries, Arc::new(table))
}

fn same_listener(old: &Listener, new: &Listener) -> bool {
    let same_tls = match (&old.tls, &new.tls) {
        (Some(old), Some(new)) => Arc::ptr_eq(old, new),
        (None, None) => true,
        _ => false,
    };
    same_tls
        && old.name == new.name
        && old.hostname == new.hostname
        && Arc::ptr_eq(&old.routes, &new.routes)
}

fn same_port(old: &Port, new: &Port) -> bool {
    old.protocol == new.protocol
        && old.public_port == new.public_port
        && same_all(old.listeners(), new.listeners())
}

fn same_all<T>(old: &[Arc<T>], new: &[Arc<T>]) -> bool {
    old.len() == new.len() && old.iter().zip(new).all(|(old, new)| Arc::ptr_eq(old, new))
}

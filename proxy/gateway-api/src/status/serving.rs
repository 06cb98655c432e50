//! What the data plane says it serves.

use crate::attach::GatewayState;
use std::collections::HashMap;
use std::net::SocketAddr;

/// What the data plane says of one port of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortReport {
    /// The port's address.
    pub address: SocketAddr,
    /// Whether every worker serves it; else why not.
    pub outcome: Result<(), String>,
}

/// The last report; none at all: every port counts as served.
#[derive(Clone, Debug, Default)]
pub struct Serving {
    ports: Option<HashMap<SocketAddr, Result<(), String>>>,
}

/// What is known of a listener's port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PortState {
    Served,
    /// Not heard of yet.
    Pending,
    /// Why it cannot be served.
    Failed(String),
}

impl Serving {
    pub(crate) fn replace(&mut self, reports: Vec<PortReport>) {
        let ports = reports.into_iter();
        self.ports = Some(ports.map(|port| (port.address, port.outcome)).collect());
    }

    /// The state of a port on all addresses of its Gateway.
    pub(super) fn of(&self, gateway: &GatewayState, bound_port: u16) -> PortState {
        let Some(ports) = &self.ports else {
            return PortState::Served;
        };
        let mut state = PortState::Served;
        for address in &gateway.allotment.addresses {
            match ports.get(&SocketAddr::new(*address, bound_port)) {
                Some(Ok(())) => {}
                Some(Err(why)) => return PortState::Failed(why.clone()),
                None => state = PortState::Pending,
            }
        }
        state
    }
}

//! A bound address with its listeners, and which of them a request belongs to.

use crate::host_index::HostIndex;
use crate::{Hostname, Listener};
use std::cmp::Ordering;
use std::net::SocketAddr;
use std::sync::Arc;

/// One bound address with its listeners.
#[derive(Clone, Debug)]
pub struct Port {
    /// Where workers listen.
    pub address: SocketAddr,
    /// What clients speak there.
    pub protocol: PortProtocol,
    /// The port in URLs: the listener's own, also when `address` is shifted by a port offset.
    pub public_port: u16,
    listeners: Vec<Arc<Listener>>,
    /// Places in `listeners`.
    index: HostIndex,
}

/// What clients speak on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PortProtocol {
    /// HTTP/1, HTTP/2 with prior knowledge, upgrades.
    Http,
    /// The same behind TLS; the listener is chosen by SNI.
    Https,
}

impl Port {
    /// A port with its listeners, in any order. Of listeners with the same hostname the first
    /// takes all requests.
    pub fn new(
        address: SocketAddr,
        protocol: PortProtocol,
        public_port: u16,
        mut listeners: Vec<Arc<Listener>>,
    ) -> Self {
        listeners.sort_by(|a, b| by_specificity(a.hostname.as_ref(), b.hostname.as_ref()));
        let mut index = HostIndex::default();
        for (position, listener) in (0_u32..).zip(&listeners) {
            index.insert(listener.hostname.as_ref(), position);
        }
        Self {
            address,
            protocol,
            public_port,
            listeners,
            index,
        }
    }

    /// The listeners, most specific hostname first.
    pub fn listeners(&self) -> &[Arc<Listener>] {
        &self.listeners
    }

    /// The listener that a request for `host` belongs to: the one with the most specific hostname
    /// that matches. "Requests SHOULD match at most one Listener" (GatewaySpec.listeners, HTTP
    /// listener isolation): if that one has no route for the request, no other is asked.
    ///
    /// `host` is in the form of [`crate::request_host`]; empty where the request has none.
    pub fn listener_for_host(&self, host: &str) -> Option<&Arc<Listener>> {
        self.index.matching(host).next().map(|at| self.at(at))
    }

    /// The listener whose certificate and routes serve a TLS connection for `sni` (in the form of
    /// [`crate::request_host`]). A connection without SNI, or with an unknown one, is for the
    /// listener without a hostname; where none exists, for nobody.
    pub fn listener_for_sni(&self, sni: Option<&str>) -> Option<&Arc<Listener>> {
        match sni {
            Some(name) => self.listener_for_host(name),
            None => self.index.without_hostname().map(|at| self.at(at)),
        }
    }

    fn at(&self, position: u32) -> &Arc<Listener> {
        &self.listeners[position as usize]
    }
}

/// Hostnames from the most to the least specific, then none.
pub(crate) fn by_specificity(a: Option<&Hostname>, b: Option<&Hostname>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => a.specificity().cmp(&b.specificity()),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    }
}

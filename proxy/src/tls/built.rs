//! The TLS settings of one snapshot, built by the control side. What stays the same from one
//! snapshot to the next is the same `Arc`, so that a swap costs only what has changed.

use super::{keys::Keys, server};
use rauta_routing::{Listener, ListenerTls, PortProtocol, Snapshot};
use rauta_schemas::ListenerId;
use rustls::ServerConfig;
use rustls::crypto::ring::Ticketer;
use rustls::server::ProducesTickets;
use std::collections::HashMap;
use std::sync::Arc;

/// What workers need of TLS to serve one snapshot.
#[derive(Debug, Default)]
pub(crate) struct Tls {
    listeners: HashMap<ListenerId, Arc<ServerConfig>>,
}

impl Tls {
    /// The settings that clients of a listener meet; `None` where it cannot be served.
    pub(crate) fn listener(&self, id: ListenerId) -> Option<&Arc<ServerConfig>> {
        self.listeners.get(&id)
    }
}

/// Builds the settings of snapshots, and keeps what the last one named.
#[derive(Debug)]
pub(crate) struct Builder {
    keys: Keys,
    /// Settings by the hashes of their certificates, in order.
    servers: HashMap<Vec<u64>, Arc<ServerConfig>>,
    /// One for all listeners and workers: a client may resume a session wherever it arrives.
    ticketer: Arc<dyn ProducesTickets>,
}

/// A listener that is not served as its Gateway asks, and why.
pub(crate) type Refusal = (ListenerId, String);

impl Builder {
    /// Starts with nothing built. Fails where the system gives no random numbers.
    pub(crate) fn new() -> Result<Self, rustls::Error> {
        Ok(Self {
            keys: Keys::default(),
            servers: HashMap::new(),
            ticketer: Ticketer::new()?,
        })
    }

    /// The settings for a snapshot. One bad certificate leaves all others alone.
    pub(crate) fn build(&mut self, snapshot: &Snapshot) -> (Tls, Vec<Refusal>) {
        let mut tls = Tls::default();
        let mut refusals = Vec::new();
        let mut servers = HashMap::new();
        let https = snapshot
            .ports
            .iter()
            .filter(|port| port.protocol == PortProtocol::Https);
        for listener in https.flat_map(|port| port.listeners()) {
            match self.server(listener, &mut servers, &mut refusals) {
                Ok(config) => {
                    tls.listeners.insert(listener.id(), config);
                }
                Err(why) => refusals.push((listener.id(), why)),
            }
        }
        self.servers = servers;
        self.keys.forget_unnamed();
        (tls, refusals)
    }

    /// A listener's settings with those of its certificates that can be used.
    fn server(
        &mut self,
        listener: &Listener,
        built: &mut HashMap<Vec<u64>, Arc<ServerConfig>>,
        refusals: &mut Vec<Refusal>,
    ) -> Result<Arc<ServerConfig>, String> {
        let named = listener
            .tls
            .as_deref()
            .map(|ListenerTls { certificates }| certificates);
        let mut hashes = Vec::new();
        let mut keys = Vec::new();
        for certificate in named.into_iter().flatten() {
            match self.keys.get(certificate) {
                Ok(key) => {
                    hashes.push(certificate.hash);
                    keys.push(key);
                }
                Err(why) => refusals.push((listener.id(), why)),
            }
        }
        if keys.is_empty() {
            return Err("no certificate can be used: the listener answers nobody".to_owned());
        }
        if let Some(config) = built.get(&hashes).or_else(|| self.servers.get(&hashes)) {
            let config = Arc::clone(config);
            built.insert(hashes, Arc::clone(&config));
            return Ok(config);
        }
        let config = server::config(keys, &self.ticketer)
            .map_err(|error| format!("TLS cannot be set up: {error}"))?;
        let config = Arc::new(config);
        built.insert(hashes, Arc::clone(&config));
        Ok(config)
    }
}

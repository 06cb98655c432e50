//! The TLS settings of one snapshot, built by the control side. What stays the same from one
//! snapshot to the next is the same `Arc`, so that a swap costs only what has changed.

use super::client::Client;
use super::{keys::Keys, server};
use rauta_routing::{Backend, BackendProtocol, BackendTls, Listener, ListenerTls};
use rauta_routing::{PortProtocol, Snapshot};
use rauta_schemas::ListenerId;
use rustls::ServerConfig;
use rustls::crypto::ring::Ticketer;
use rustls::server::ProducesTickets;
use std::collections::HashMap;
use std::sync::{Arc, Weak};

/// What workers need of TLS to serve one snapshot.
#[derive(Debug, Default)]
pub(crate) struct Tls {
    listeners: HashMap<ListenerId, Arc<ServerConfig>>,
    backends: HashMap<BackendKey, Option<Arc<Client>>>,
}

/// What a policy asks for, by its hash, and what is spoken inside.
type BackendKey = (u64, BackendProtocol);

impl Tls {
    /// The settings that clients of a listener meet; `None` where it cannot be served.
    pub(crate) fn listener(&self, id: ListenerId) -> Option<&Arc<ServerConfig>> {
        self.listeners.get(&id)
    }

    /// What connections to a backend with TLS are made with; `None` where that cannot be used.
    pub(crate) fn backend(
        &self,
        tls: &BackendTls,
        protocol: BackendProtocol,
    ) -> Option<&Arc<Client>> {
        self.backends.get(&(tls.hash, protocol))?.as_ref()
    }
}

/// Builds the settings of snapshots, and keeps what the last one named.
#[derive(Debug)]
pub(crate) struct Builder {
    keys: Keys,
    /// Settings by the hashes of their certificates, in order.
    servers: HashMap<Vec<u64>, Arc<ServerConfig>>,
    /// Settings toward backends, as long as anything still holds the policy that asks for them:
    /// a request may retry under the snapshot that it began with.
    clients: HashMap<BackendKey, (Weak<BackendTls>, Option<Arc<Client>>)>,
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
            clients: HashMap::new(),
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
        tls.backends = self.clients(snapshot.backends.values().map(|backend| &**backend));
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

    /// The settings toward these backends, and toward earlier ones that are still in use.
    fn clients<'a>(
        &mut self,
        backends: impl Iterator<Item = &'a Backend>,
    ) -> HashMap<BackendKey, Option<Arc<Client>>> {
        for backend in backends {
            let Some(tls) = &backend.tls else { continue };
            let key = (tls.hash, backend.protocol);
            let (holder, _) = self.clients.entry(key).or_insert_with(|| {
                let client = Client::new(tls, backend.protocol).map_err(|error| {
                    let service = &backend.name.name().service;
                    tracing::warn!(%error, %service, "TLS toward a Service cannot be set up");
                });
                (Weak::new(), client.ok().map(Arc::new))
            });
            *holder = Arc::downgrade(tls);
        }
        self.clients
            .retain(|_, (holder, _)| holder.strong_count() > 0);
        let named = self.clients.iter();
        named
            .map(|(key, (_, client))| (*key, client.clone()))
            .collect()
    }
}

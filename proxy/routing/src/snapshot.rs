//! The snapshot: everything a worker needs to serve, immutable and swapped whole.

use crate::{Backend, Hostname, IdHash, Match, Port, RouteTable, Rule};
use rauta_schemas::{BackendId, ListenerId, ListenerName, Named, RuleId};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

/// Routing as one value. Unchanged parts are the same `Arc`s as in the snapshot before.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Counts up with every published change.
    pub generation: u64,
    /// What is bound, ordered by address.
    pub ports: Vec<Arc<Port>>,
    /// Every backend that a rule or mirror names, by id.
    pub backends: Arc<HashMap<BackendId, Arc<Backend>, IdHash>>,
}

impl Snapshot {
    /// The rules of all listeners; one that several listeners share comes once for each.
    pub fn rules(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.ports
            .iter()
            .flat_map(|port| port.listeners())
            .flat_map(|listener| listener.routes.rules())
    }

    /// How many rules there are; one that several listeners share counts once.
    pub fn rules_len(&self) -> usize {
        let ids: HashSet<RuleId> = self.rules().map(|rule| rule.id()).collect();
        ids.len()
    }
}

/// A listener of a Gateway.
#[derive(Debug)]
pub struct Listener {
    /// Its interned name.
    pub name: Named<ListenerName>,
    /// The hostname it is for; `None`: any.
    pub hostname: Option<Hostname>,
    /// Certificates, on an HTTPS port.
    pub tls: Option<Arc<ListenerTls>>,
    /// Which rule a request meets.
    pub routes: Arc<RouteTable>,
}

impl Listener {
    /// The id that events carry.
    pub fn id(&self) -> ListenerId {
        ListenerId::from(self.name.number())
    }
}

/// TLS of a listener.
#[derive(Debug)]
pub struct ListenerTls {
    /// The certificates, in the order of `certificateRefs`; the first that fits the SNI is used,
    /// else the first.
    pub certificates: Vec<Arc<Certificate>>,
}

/// A certificate chain with its key, as DER. The proxy builds its TLS machinery once per `hash`.
#[derive(PartialEq, Eq, Hash)]
pub struct Certificate {
    /// The leaf first.
    pub chain: Vec<Vec<u8>>,
    /// PKCS#1, PKCS#8 or SEC1, DER.
    pub key: PrivateKey,
    /// Hash of chain and key.
    pub hash: u64,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Certificate({:016x}, {} in chain, key not shown)",
            self.hash,
            self.chain.len()
        )
    }
}

/// A private key, DER, by its encoding.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum PrivateKey {
    /// `RSA PRIVATE KEY`
    Pkcs1(Vec<u8>),
    /// `PRIVATE KEY`
    Pkcs8(Vec<u8>),
    /// `EC PRIVATE KEY`
    Sec1(Vec<u8>),
}

/// A route as it enters a listener's table.
#[derive(Clone, Debug)]
pub struct RouteEntry {
    /// The route's own hostnames that intersect the listener's, each with the pattern requests are
    /// compared with (the intersection). Empty: the listener's hostname alone decides.
    pub hostnames: Vec<RouteHostname>,
    /// Age: the older route wins a tie.
    pub created: SystemTime,
    /// `namespace/name`: decides when the age is the same.
    pub key: String,
    /// Its rules, in order.
    pub rules: Vec<Arc<RuleEntry>>,
}

/// A hostname of a route on a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteHostname {
    /// As the route states it: precedence between routes goes by this.
    pub own: Hostname,
    /// Its intersection with the listener's hostname: what requests must match.
    pub effective: Hostname,
}

/// A rule as it enters a listener's table.
#[derive(Clone, Debug)]
pub struct RuleEntry {
    /// Any of these; never empty (an absent list is one prefix match of `/`).
    pub matches: Vec<Match>,
    /// What then happens.
    pub rule: Arc<Rule>,
}

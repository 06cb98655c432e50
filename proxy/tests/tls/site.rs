//! Certificates made for a test, and a gateway with HTTPS listeners that present them.

#![expect(unreachable_pub, reason = "modules of one test program")]

use crate::harness::{self, Gateway, Route};
use rauta_proxy::Config;
use rauta_routing::{
    Certificate, Hostname, Listener, ListenerTls, Port, PortProtocol, PrivateKey, RouteEntry,
    RouteTable, Snapshot,
};
use rauta_schemas::{ListenerName, Names};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::CertificateDer;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::SystemTime;

/// A certificate for these names, signed by itself.
pub fn certificate(names: &[&str]) -> Arc<Certificate> {
    signed_with(KeyPair::generate().expect("a key"), names)
}

/// The same with a key of the test's choice.
pub fn signed_with(key: KeyPair, names: &[&str]) -> Arc<Certificate> {
    let made = params(names).self_signed(&key).expect("a certificate");
    paired(vec![made.der().to_vec()], key.serialize_der())
}

pub fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    CertificateParams::new(names).expect("sound names")
}

/// A chain with a PKCS#8 key, whether or not they belong together.
pub fn paired(chain: Vec<Vec<u8>>, key: Vec<u8>) -> Arc<Certificate> {
    let mut hasher = DefaultHasher::new();
    (&chain, &key).hash(&mut hasher);
    Arc::new(Certificate {
        chain,
        key: PrivateKey::Pkcs8(key),
        hash: hasher.finish(),
    })
}

/// A certificate whose key is another's.
pub fn mismatched(names: &[&str]) -> Arc<Certificate> {
    let other = KeyPair::generate().expect("a key");
    paired(certificate(names).chain.clone(), other.serialize_der())
}

/// The certificate that clients see, and trust.
pub fn leaf(certificate: &Certificate) -> CertificateDer<'static> {
    CertificateDer::from(certificate.chain[0].clone())
}

/// An HTTPS listener of a gateway under test.
pub struct Site {
    pub name: &'static str,
    pub hostname: Option<&'static str>,
    pub certificates: Vec<Arc<Certificate>>,
    pub route: Route,
}

impl Site {
    /// Its route takes everything.
    pub fn new(
        name: &'static str,
        hostname: Option<&'static str>,
        certificates: &[&Arc<Certificate>],
        route: &Route,
    ) -> Self {
        Self {
            name,
            hostname,
            certificates: certificates.iter().map(|one| Arc::clone(one)).collect(),
            route: route.clone(),
        }
    }
}

/// A gateway with these listeners on one port.
pub async fn serve(config: Config, sites: &[Site]) -> Gateway {
    Gateway::serve(config, |names| snapshot(names, sites)).await
}

/// The listeners of one port, as a snapshot.
pub fn snapshot(names: &Names, sites: &[Site]) -> Arc<Snapshot> {
    let mut backends = HashMap::default();
    let mut listeners = Vec::new();
    for (at, site) in sites.iter().enumerate() {
        let backend = harness::backend(names, at, &site.route);
        let rule = harness::rule(names, at, site.route.clone(), &backend);
        backends.insert(backend.id(), backend);
        let entry = RouteEntry {
            hostnames: Vec::new(),
            created: SystemTime::UNIX_EPOCH,
            key: "default/test".to_owned(),
            rules: vec![rule],
        };
        listeners.push(Arc::new(Listener {
            name: names.listeners.intern(ListenerName {
                namespace: "default".to_owned(),
                gateway: "test".to_owned(),
                listener: site.name.to_owned(),
                port: 443,
            }),
            hostname: site.hostname.map(Hostname::new),
            tls: Some(Arc::new(ListenerTls {
                certificates: site.certificates.clone(),
            })),
            routes: Arc::new(RouteTable::new(vec![entry])),
        }));
    }
    let address = "127.0.0.1:0".parse().expect("an address");
    let port = Port::new(address, PortProtocol::Https, 443, listeners);
    Arc::new(Snapshot {
        generation: 1,
        ports: vec![Arc::new(port)],
        backends: Arc::new(backends),
    })
}

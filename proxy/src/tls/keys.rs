//! Certificates with their keys, in the form that rustls signs with. Reading a key takes far
//! longer than a handshake may wait, so each is read once, when a snapshot first names it.

use super::provider;
use rauta_routing::{Certificate, PrivateKey};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// A certificate with its key, or why rustls refuses it.
pub(super) type Key = Result<Arc<CertifiedKey>, String>;

/// Every certificate that the last snapshot named, by its hash.
#[derive(Debug, Default)]
pub(super) struct Keys {
    built: HashMap<u64, Key>,
    named: HashSet<u64>,
}

impl Keys {
    /// The certificate's key, read now if it was not before.
    pub(super) fn get(&mut self, certificate: &Certificate) -> Key {
        self.named.insert(certificate.hash);
        self.built
            .entry(certificate.hash)
            .or_insert_with(|| build(certificate).map(Arc::new))
            .clone()
    }

    /// Lets go of what nobody has asked for since the last call.
    pub(super) fn forget_unnamed(&mut self) {
        let named = std::mem::take(&mut self.named);
        self.built.retain(|hash, _| named.contains(hash));
    }
}

/// Reads a certificate with its key.
pub(super) fn build(certificate: &Certificate) -> Result<CertifiedKey, String> {
    let chain: Vec<_> = certificate
        .chain
        .iter()
        .map(|der| CertificateDer::from(der.clone()))
        .collect();
    let key = match certificate.key.clone() {
        PrivateKey::Pkcs1(der) => PrivateKeyDer::Pkcs1(der.into()),
        PrivateKey::Pkcs8(der) => PrivateKeyDer::Pkcs8(der.into()),
        PrivateKey::Sec1(der) => PrivateKeyDer::Sec1(der.into()),
    };
    CertifiedKey::from_der(chain, key, &provider())
        .map_err(|error| format!("the certificate cannot be used: {error}"))
}

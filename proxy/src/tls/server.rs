//! A listener's TLS settings, and which of its certificates a client gets to see.

use super::{ALPN_HTTP1, ALPN_HTTP2, provider};
use rustls::ServerConfig;
use rustls::client::verify_server_name;
use rustls::pki_types::ServerName;
use rustls::server::ResolvesServerCert;
use rustls::server::{ClientHello, NoServerSessionStorage, ParsedCertificate, ProducesTickets};
use rustls::sign::CertifiedKey;
use std::sync::Arc;

/// Settings for a listener with these certificates: TLS 1.2 and 1.3, no client certificate.
/// Sessions are resumed by ticket alone, so that handshakes write nothing that workers share.
pub(super) fn config(
    certificates: Vec<Arc<CertifiedKey>>,
    ticketer: &Arc<dyn ProducesTickets>,
) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Certificates(certificates)));
    config.alpn_protocols = vec![ALPN_HTTP2.to_vec(), ALPN_HTTP1.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = Arc::clone(ticketer);
    Ok(config)
}

/// A listener's certificates, in the order of its `certificateRefs`; at least one.
#[derive(Debug)]
struct Certificates(Vec<Arc<CertifiedKey>>);

impl Certificates {
    /// The first certificate that names the host and that the client can verify; else the first
    /// that it can verify; else the first.
    fn pick(
        &self,
        name: Option<&str>,
        can_verify: impl Fn(&CertifiedKey) -> bool,
    ) -> Option<&Arc<CertifiedKey>> {
        let [first, _, ..] = &self.0[..] else {
            return self.0.first();
        };
        let name = name.and_then(|name| ServerName::try_from(name).ok());
        let mut fallback = None;
        for key in self.0.iter().filter(|key| can_verify(key)) {
            if name.as_ref().is_some_and(|name| covers(key, name)) {
                return Some(key);
            }
            fallback.get_or_insert(key);
        }
        fallback.or(Some(first))
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let schemes = hello.signature_schemes();
        self.pick(hello.server_name(), |key| {
            key.key.choose_scheme(schemes).is_some()
        })
        .cloned()
    }
}

fn covers(key: &CertifiedKey, name: &ServerName<'_>) -> bool {
    key.end_entity_cert()
        .and_then(ParsedCertificate::try_from)
        .is_ok_and(|certificate| verify_server_name(&certificate, name).is_ok())
}

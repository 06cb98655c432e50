//! TLS toward backends: what a BackendTLSPolicy asks for as settings, built once per content, and
//! a worker's handshake with them.

use super::names::AnyName;
use super::{ALPN_HTTP1, ALPN_HTTP2, keys, provider};
use crate::stream::Stream;
use rauta_routing::{BackendProtocol, BackendTls, TrustedAuthorities};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, RootCertStore};
use std::sync::{Arc, OnceLock};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// What every connection to a backend with TLS of its own is made with.
#[derive(Debug)]
pub(crate) struct Client {
    config: Arc<ClientConfig>,
    /// Sent as SNI, and verified where the policy names no other.
    name: ServerName<'static>,
    /// What ALPN must choose. HTTP/1.1 is also what a backend without ALPN speaks.
    protocol: BackendProtocol,
}

impl Client {
    /// The settings for a policy and a protocol; the text says what of it cannot be used.
    pub(super) fn new(tls: &BackendTls, protocol: BackendProtocol) -> Result<Self, String> {
        let name = ServerName::try_from(tls.hostname.clone())
            .map_err(|error| format!("hostname {:?}: {error}", tls.hostname))?;
        let versions = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let verified = versions
            .dangerous()
            .with_custom_certificate_verifier(verifier(tls)?);
        let mut config = match &tls.client {
            None => verified.with_no_client_auth(),
            Some(certificate) => {
                let key = Arc::new(keys::build(certificate)?);
                verified.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key)))
            }
        };
        config.alpn_protocols = vec![match protocol {
            BackendProtocol::Http1 => ALPN_HTTP1.to_vec(),
            BackendProtocol::Http2 => ALPN_HTTP2.to_vec(),
        }];
        Ok(Self {
            config: Arc::new(config),
            name,
            protocol,
        })
    }

    /// Shakes hands with a backend. `None`: it is not who the policy says, or speaks something
    /// else; nothing but the handshake was sent.
    pub(crate) async fn connect(&self, tcp: TcpStream) -> Option<Stream> {
        let connector = TlsConnector::from(Arc::clone(&self.config));
        let tls = match connector.connect(self.name.clone(), tcp).await {
            Ok(tls) => tls,
            Err(error) => {
                tracing::debug!(%error, name = ?self.name, "a TLS handshake with a backend failed");
                return None;
            }
        };
        // RFC 9113 section 3.2: HTTP/2 over TLS is agreed on by ALPN, or not spoken.
        let is_http2 = tls.get_ref().1.alpn_protocol() == Some(ALPN_HTTP2);
        if is_http2 != (self.protocol == BackendProtocol::Http2) {
            tracing::debug!(name = ?self.name, "a backend did not agree on HTTP/2 by ALPN");
            return None;
        }
        Some(Stream::Tls(Box::new(tls.into())))
    }
}

/// Checks a backend's certificate: the chain against the policy's CAs, then the names. Where
/// `subjectAltNames` are given, they take the place of the hostname.
fn verifier(tls: &BackendTls) -> Result<Arc<dyn ServerCertVerifier>, String> {
    let roots = roots(&tls.authorities)?;
    if !tls.names.is_empty() {
        return Ok(Arc::new(AnyName::new(roots, &tls.names)?));
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider())
        .build()
        .map_err(|error| format!("the CA certificates cannot be used: {error}"))?;
    Ok(verifier)
}

fn roots(authorities: &TrustedAuthorities) -> Result<Arc<RootCertStore>, String> {
    let certificates = match authorities {
        TrustedAuthorities::System => return system_roots(),
        TrustedAuthorities::Certificates(certificates) => certificates,
    };
    let mut roots = RootCertStore::empty();
    for der in certificates {
        roots
            .add(CertificateDer::from(der.clone()))
            .map_err(|error| format!("a CA certificate cannot be used: {error}"))?;
    }
    Ok(Arc::new(roots))
}

/// The CAs that this machine trusts, read once.
fn system_roots() -> Result<Arc<RootCertStore>, String> {
    static SYSTEM: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let roots = SYSTEM.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "some of the machine's CA certificates cannot be read");
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(found.certs);
        Arc::new(roots)
    });
    if roots.is_empty() {
        return Err(
            "wellKnownCACertificates: this machine has no CA certificates; \
             install ca-certificates or name a ConfigMap in caCertificateRefs"
                .to_owned(),
        );
    }
    Ok(Arc::clone(roots))
}

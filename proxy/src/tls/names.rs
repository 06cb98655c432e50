//! Certificates of backends by `subjectAltNames` of a BackendTLSPolicy: one of several names must
//! be in it, DNS names or URIs such as SPIFFE ids, whatever the hostname is.

use super::provider;
use rauta_routing::BackendTlsName;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::sync::Arc;
use webpki::EndEntityCert;

/// Verifies the chain as usual, and the name as one of several.
#[derive(Debug)]
pub(super) struct AnyName {
    roots: Arc<RootCertStore>,
    names: Vec<Wanted>,
    algorithms: WebPkiSupportedAlgorithms,
}

/// A name that is looked for in a certificate.
#[derive(Debug)]
enum Wanted {
    /// A host that the certificate must be good for, by whichever of its names.
    Host(ServerName<'static>),
    /// `*.` and this: the certificate must have a name one label before it, or the wildcard.
    Wildcard(String),
    /// A URI, byte for byte (RFC 5280 section 7.4 compares like this after normalization, and
    /// SPIFFE ids have only one form).
    Uri(String),
}

impl AnyName {
    pub(super) fn new(roots: Arc<RootCertStore>, names: &[BackendTlsName]) -> Result<Self, String> {
        let names = names.iter().map(|name| {
            Ok(match name {
                BackendTlsName::Uri(uri) => Wanted::Uri(uri.clone()),
                BackendTlsName::Dns(name) => match name.strip_prefix("*.") {
                    Some(suffix) => Wanted::Wildcard(suffix.to_ascii_lowercase()),
                    None => Wanted::Host(
                        ServerName::try_from(name.clone())
                            .map_err(|error| format!("subjectAltNames: {name:?}: {error}"))?,
                    ),
                },
            })
        });
        Ok(Self {
            roots,
            names: names.collect::<Result<_, String>>()?,
            algorithms: provider().signature_verification_algorithms,
        })
    }
}

impl Wanted {
    fn is_in(&self, certificate: &ParsedCertificate<'_>, leaf: &EndEntityCert<'_>) -> bool {
        match self {
            Self::Host(name) => verify_server_name(certificate, name).is_ok(),
            Self::Wildcard(suffix) => leaf.valid_dns_names().any(|name| {
                name.split_once('.')
                    .is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(suffix))
            }),
            Self::Uri(uri) => leaf.valid_uri_names().any(|name| name == uri),
        }
    }
}

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _hostname: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let certificate = ParsedCertificate::try_from(end_entity)?;
        verify_server_cert_signed_by_trust_anchor(
            &certificate,
            &self.roots,
            intermediates,
            now,
            self.algorithms.all,
        )?;
        let leaf = EndEntityCert::try_from(end_entity)
            .map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
        if self
            .names
            .iter()
            .any(|name| name.is_in(&certificate, &leaf))
        {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::NotValidForName.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

//! Whom to trust, and who RAUTA is.

use crate::otlp::config::TlsFiles;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read as PEM.
    #[error("{path}: {error}; give a file with PEM certificates or a PEM key")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: String,
    },
    /// Certificates or keys do not fit each other.
    #[error("{0}")]
    Invalid(#[from] rustls::Error),
}

/// Connects, with TLS where the URL says `https`.
pub(super) fn connector(
    files: &TlsFiles,
    connect_timeout: Duration,
    is_http2: bool,
) -> Result<HttpsConnector<HttpConnector>, TlsError> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(connect_timeout));
    let builder = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(client_config(files)?)
        .https_or_http();
    Ok(match is_http2 {
        true => builder.enable_http2().wrap_connector(tcp),
        false => builder.enable_http1().wrap_connector(tcp),
    })
}

fn client_config(files: &TlsFiles) -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    match &files.certificate {
        Some(path) => {
            for certificate in certificates(path)? {
                roots.add(certificate)?;
            }
        }
        None => {
            // What cannot be read of the system's list is left out: a handshake will tell.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    Ok(match (&files.client_certificate, &files.client_key) {
        (Some(chain), Some(key)) => {
            let key = PrivateKeyDer::from_pem_file(key).map_err(|error| TlsError::File {
                path: key.clone(),
                error: error.to_string(),
            })?;
            builder.with_client_auth_cert(certificates(chain)?, key)?
        }
        (None, _) | (_, None) => builder.with_no_client_auth(),
    })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |error: rustls::pki_types::pem::Error| TlsError::File {
        path: path.to_owned(),
        error: error.to_string(),
    };
    CertificateDer::pem_file_iter(path)
        .map_err(wrong)?
        .collect::<Result<_, _>>()
        .map_err(wrong)
}

//! TLS by rustls, toward clients and toward backends. What a snapshot needs of it is built on the
//! control side, once per content, and shared by the workers; they only shake hands with it. What
//! an established connection carries is none of this folder's business.

mod accept; // a worker's handshake with a client
mod built; // the settings of one snapshot, and what is kept between snapshots
mod client; // a backend's settings, and a worker's handshake with it
mod keys; // certificates with their keys
mod names; // a backend's certificate, by one of several names
mod server; // a listener's settings, and which of its certificates a client sees

pub(crate) use accept::accept;
pub(crate) use built::{Builder, Tls};

use rustls::crypto::{CryptoProvider, ring};
use std::sync::{Arc, LazyLock};

/// The name that HTTP/1.1 goes by in ALPN (RFC 7301).
const ALPN_HTTP1: &[u8] = b"http/1.1";

/// The name that HTTP/2 goes by in ALPN (RFC 9113 section 3.2).
const ALPN_HTTP2: &[u8] = b"h2";

/// The cryptography of every connection. It is named wherever rustls would ask for the process'
/// own, so that nothing depends on what some other part of the process installs.
fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(ring::default_provider()));
    Arc::clone(&PROVIDER)
}

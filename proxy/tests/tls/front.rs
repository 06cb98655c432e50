//! TLS in front of an origin: what it decrypts it passes on, byte for byte.

#![expect(unreachable_pub, reason = "modules of one test program")]

use rauta_routing::{Certificate, PrivateKey};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, crypto::ring};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// What a front saw of one handshake that came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shaken {
    /// The name that was asked for.
    pub sni: Option<String>,
    /// The client's certificate.
    pub client: Option<CertificateDer<'static>>,
}

/// Listens with TLS for an origin.
pub struct Front {
    address: SocketAddr,
    shaken: Arc<Mutex<Vec<Shaken>>>,
    task: JoinHandle<()>,
}

impl Front {
    /// In front of `origin`, agreeing on one of these protocols by ALPN.
    pub async fn of(origin: SocketAddr, certificate: &Certificate, alpn: &[&str]) -> Self {
        Self::with(origin, config(certificate, None, alpn)).await
    }

    /// The same, asking for a client certificate.
    pub async fn asking(origin: SocketAddr, own: &Certificate, client: &Certificate) -> Self {
        Self::with(origin, config(own, Some(client), &[])).await
    }

    async fn with(origin: SocketAddr, config: ServerConfig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("loopback has ports");
        let address = listener.local_addr().expect("the socket lives");
        let shaken = Arc::<Mutex<Vec<Shaken>>>::default();
        let seen = Arc::clone(&shaken);
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let task = tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (acceptor, seen) = (acceptor.clone(), Arc::clone(&seen));
                tokio::spawn(async move {
                    let Ok(mut tls) = acceptor.accept(tcp).await else {
                        return;
                    };
                    let session = tls.get_ref().1;
                    let told = Shaken {
                        sni: session.server_name().map(str::to_owned),
                        client: session
                            .peer_certificates()
                            .map(|chain| chain[0].clone().into_owned()),
                    };
                    seen.lock().expect("no test panicked in it").push(told);
                    let mut plain = TcpStream::connect(origin)
                        .await
                        .expect("the origin listens");
                    // Either side may be gone first.
                    let _ended = tokio::io::copy_bidirectional(&mut tls, &mut plain).await;
                });
            }
        });
        Self {
            address,
            shaken,
            task,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The handshakes so far.
    pub fn shaken(&self) -> Vec<Shaken> {
        self.shaken.lock().expect("no test panicked in it").clone()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn config(own: &Certificate, client: Option<&Certificate>, alpn: &[&str]) -> ServerConfig {
    let PrivateKey::Pkcs8(key) = &own.key else {
        panic!("test keys are PKCS#8");
    };
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("known versions");
    let builder = match client {
        None => builder.with_no_client_auth(),
        Some(client) => {
            let mut roots = RootCertStore::empty();
            roots
                .add(client.chain[0].clone().into())
                .expect("a certificate");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
        }
    };
    let chain = vec![CertificateDer::from(own.chain[0].clone())];
    let mut config = builder
        .with_single_cert(chain, PrivateKeyDer::Pkcs8(key.clone().into()))
        .expect("a certificate with its key");
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    config
}

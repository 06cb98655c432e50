//! Asks for a page over HTTP or HTTPS, as the kubelet does: any certificate will do, redirects are
//! not followed.

use std::fmt;
use std::sync::Arc;

use anyhow::Context;
use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// What is read of a page.
const PAGE_BYTES_MAX: usize = 10 * 1024;
/// What servers see of who asks.
const USER_AGENT: &str = "kube-probe/1.36";

/// A page, and the headers to ask for it with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) is_https: bool,
    /// Path and query.
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
}

impl Page {
    fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_https { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

/// Asks for it; answers the status.
pub(super) async fn get(page: &Page) -> anyhow::Result<u16> {
    let stream = TcpStream::connect((page.host.as_str(), page.port)).await?;
    if !page.is_https {
        return exchange(page, stream).await;
    }
    let name = ServerName::try_from(page.host.clone()).context("the host is no name")?;
    let stream = TlsConnector::from(Arc::new(any_certificate()))
        .connect(name, stream)
        .await
        .context("TLS")?;
    exchange(page, stream).await
}

async fn exchange<S>(page: &Page, stream: S) -> anyhow::Result<u16>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let exchange = async {
        let response = sender.send_request(request(page)?).await?;
        let status = response.status().as_u16();
        // A page that is too long, or cut, has had its say with the status.
        drop(
            Limited::new(response.into_body(), PAGE_BYTES_MAX)
                .collect()
                .await,
        );
        Ok(status)
    };
    tokio::pin!(exchange);
    tokio::select! {
        result = &mut exchange => result,
        // A connection that ends behind its answer leaves the answer to be read.
        _ended = connection => exchange.await,
    }
}

fn request(page: &Page) -> anyhow::Result<Request<Empty<Bytes>>> {
    let path = match page.path.starts_with('/') {
        true => page.path.clone(),
        false => format!("/{}", page.path),
    };
    let mut builder = Request::get(path);
    let has = |name: &str| {
        page.headers
            .iter()
            .any(|(n, _)| n.eq_ignore_ascii_case(name))
    };
    let defaults = [
        (header::HOST, page.authority()),
        (header::USER_AGENT, USER_AGENT.to_owned()),
        (header::ACCEPT, "*/*".to_owned()),
        (header::CONNECTION, "close".to_owned()),
    ];
    for (name, value) in defaults {
        if !has(name.as_str()) {
            builder = builder.header(name, value);
        }
    }
    // An empty value of these two means: leave it out.
    let is_left_out = |name: &str, value: &str| {
        let may = ["accept", "user-agent"]
            .iter()
            .any(|n| name.eq_ignore_ascii_case(n));
        may && value.is_empty()
    };
    for (name, value) in &page.headers {
        if !is_left_out(name, value) {
            builder = builder.header(name, value);
        }
    }
    builder
        .body(Empty::new())
        .context("the probe's path or headers")
}

fn any_certificate() -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = AnyCertificate(provider.clone());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring supports the default versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth()
}

/// Whose name a probed server bears does not matter, as with the real kubelet.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(headers: &[(&str, &str)]) -> Page {
        let headers = headers
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        Page {
            host: "fd00::1".to_owned(),
            port: 80,
            is_https: false,
            path: "ready?full".to_owned(),
            headers: headers.collect(),
        }
    }

    #[test]
    fn a_request_looks_like_the_kubelets() {
        let request = request(&page(&[])).expect("a request");
        assert_eq!(request.uri(), "/ready?full");
        assert_eq!(request.headers()["host"], "[fd00::1]:80");
        assert_eq!(request.headers()["user-agent"], USER_AGENT);
        assert_eq!(request.headers()["accept"], "*/*");
    }

    #[tokio::test]
    async fn a_server_that_closes_behind_its_answer_has_answered() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let serve = async {
            for _ in 0..50 {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                let mut head = [0; 1024];
                assert!(stream.read(&mut head).await.expect("a request") > 0);
                let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
                stream.write_all(answer.as_bytes()).await.expect("written");
            }
        };
        let ask = async {
            for _ in 0..50 {
                let page = Page {
                    host: "127.0.0.1".to_owned(),
                    port,
                    ..page(&[])
                };
                assert_eq!(get(&page).await.expect("an answer"), 200);
            }
        };
        tokio::join!(serve, ask);
    }

    #[test]
    fn the_probes_headers_win() {
        let headers = [("Host", "a.example"), ("User-Agent", ""), ("X-A", "1")];
        let request = request(&page(&headers)).expect("a request");
        assert_eq!(request.headers()["host"], "a.example");
        assert_eq!(request.headers().get("user-agent"), None);
        assert_eq!(request.headers()["x-a"], "1");
    }
}

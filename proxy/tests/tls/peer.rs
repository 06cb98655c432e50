//! A TLS client on one connection.

#![expect(unreachable_pub, reason = "modules of one test program")]

use rauta_test_support::in_time;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A client's settings: which certificates it trusts.
pub fn trusting(certificates: &[CertificateDer<'static>]) -> ClientConfig {
    speaking(ring::default_provider(), rustls::ALL_VERSIONS, certificates)
}

/// The same with some cryptography and some versions only.
pub fn speaking(
    provider: CryptoProvider,
    versions: &[&'static SupportedProtocolVersion],
    certificates: &[CertificateDer<'static>],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate.clone()).expect("a certificate");
    }
    ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(versions)
        .expect("known versions")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// One connection to the proxy.
pub struct Client<S = TcpStream> {
    pub stream: TlsStream<S>,
}

impl Client {
    /// Connects and shakes hands, asking for `name`.
    pub async fn connect(
        address: SocketAddr,
        name: &str,
        config: &Arc<ClientConfig>,
    ) -> io::Result<Self> {
        let tcp = in_time("a connection", TcpStream::connect(address)).await?;
        Self::over(tcp, name, config).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// Shakes hands over a connection.
    pub async fn over(stream: S, name: &str, config: &Arc<ClientConfig>) -> io::Result<Self> {
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let shaking = TlsConnector::from(Arc::clone(config)).connect(name, stream);
        let stream = in_time("a handshake", shaking).await?;
        Ok(Self { stream })
    }

    /// The certificate that the proxy presented.
    pub fn certificate(&self) -> CertificateDer<'static> {
        let chain = self.stream.get_ref().1.peer_certificates();
        chain.expect("a certificate")[0].clone().into_owned()
    }

    pub fn version(&self) -> ProtocolVersion {
        let version = self.stream.get_ref().1.protocol_version();
        version.expect("the handshake is over")
    }

    pub fn alpn(&self) -> Option<&[u8]> {
        self.stream.get_ref().1.alpn_protocol()
    }

    /// Sends a GET and reads its answer: status and body.
    pub async fn get(&mut self, host: &str, path: &str) -> (u16, String) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        // Written is not sent: TLS keeps what the socket would not take.
        let sending = async {
            self.stream.write_all(request.as_bytes()).await?;
            self.stream.flush().await
        };
        in_time("sending", sending).await.expect("the proxy reads");
        in_time("an answer", self.answer()).await
    }

    async fn answer(&mut self) -> (u16, String) {
        let mut read = Vec::new();
        let (status, mut left, body) = loop {
            let count = self.stream.read_buf(&mut read).await.expect("an answer");
            assert!(count > 0, "the connection ended before an answer");
            let text = String::from_utf8_lossy(&read);
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| {
                    let (name, value) = line.split_once(": ")?;
                    let is_length = name.eq_ignore_ascii_case("content-length");
                    is_length.then(|| value.parse::<usize>().expect("a number"))
                });
                let status = head[9..12].parse().expect("a status");
                let left = length.expect("a length") - body.len();
                break (status, left, body.to_owned());
            }
        };
        let mut body = body.into_bytes();
        while left > 0 {
            let count = self.stream.read_buf(&mut body).await.expect("the body");
            assert!(count > 0, "the body is {left} bytes short");
            left -= count;
        }
        (status, String::from_utf8(body).expect("text"))
    }
}

/// A stream that takes one byte at a time.
pub struct Dribbling(pub TcpStream);

impl AsyncWrite for Dribbling {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, &bytes[..bytes.len().min(1)])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl AsyncRead for Dribbling {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, out)
    }
}

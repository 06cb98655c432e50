//! What the API server asks the kubelet: containers' logs, over TLS with its client certificate.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use futures_util::stream;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;

use crate::clock;
use crate::kubelet::Kubelet;
use crate::logs::query::Query;
use crate::logs::{Owner, read, which};
use crate::pod::has_container;

type Body = BoxBody<Bytes, Infallible>;

/// Connections at the same time; more wait in the listener's queue.
const CONNECTIONS_MAX: usize = 256;
/// How long a client may take for its handshake.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// Lines of a log that wait for a slow reader.
const LINES_QUEUE: usize = 256;

/// The server, bound and ready.
pub(crate) struct Server {
    listener: tokio::net::TcpListener,
    acceptor: TlsAcceptor,
}

impl Server {
    /// Binds the Node's address.
    pub(crate) fn bind(kubelet: &Kubelet) -> anyhow::Result<Self> {
        let args = &kubelet.args;
        let any: IpAddr = match args.first_ip() {
            IpAddr::V4(_) => IpAddr::from([0; 4]),
            IpAddr::V6(_) => IpAddr::from([0_u16; 8]),
        };
        let address = SocketAddr::new(any, args.port);
        let listener = TcpListener::bind(address).with_context(|| format!("--port {address}"))?;
        listener.set_nonblocking(true)?;
        let config = tls(&args.tls_cert, &args.tls_key, &args.client_ca)?;
        Ok(Server {
            listener: tokio::net::TcpListener::from_std(listener)?,
            acceptor: TlsAcceptor::from(Arc::new(config)),
        })
    }

    /// Serves until the future is dropped.
    pub(crate) async fn run(self, kubelet: Arc<Kubelet>) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let Ok(place) = places.clone().acquire_owned().await else {
                return;
            };
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let serve = serve(self.acceptor.clone(), stream, kubelet.clone());
                    tokio::spawn(async move {
                        if let Err(error) = serve.await {
                            tracing::debug!(error = %error, "a connection to the kubelet ended");
                        }
                        drop(place);
                    });
                }
                Err(error) => tracing::warn!(error = %error, "a connection was not accepted"),
            }
        }
    }
}

async fn serve(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    kubelet: Arc<Kubelet>,
) -> anyhow::Result<()> {
    let stream = tokio::time::timeout(HANDSHAKE_MAX, acceptor.accept(stream)).await??;
    let service = service_fn(move |request| {
        let kubelet = kubelet.clone();
        async move { Ok::<_, Infallible>(answer(&kubelet, &request)) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service)
        .await?;
    Ok(())
}

fn tls(cert: &Path, key: &Path, client_ca: &Path) -> anyhow::Result<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    for authority in certificates(client_ca)? {
        roots
            .add(authority)
            .with_context(|| format!("{}", client_ca.display()))?;
    }
    let clients =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build()?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(clients)
        .with_single_cert(certificates(cert)?, private_key(key)?)
        .context("--tls-cert and --tls-key")?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn certificates(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let text = std::fs::read(path).with_context(|| format!("{}", path.display()))?;
    let read: io::Result<Vec<_>> = rustls_pemfile::certs(&mut text.as_slice()).collect();
    read.with_context(|| format!("{}", path.display()))
}

fn private_key(path: &Path) -> anyhow::Result<PrivateKeyDer<'static>> {
    let text = std::fs::read(path).with_context(|| format!("{}", path.display()))?;
    rustls_pemfile::private_key(&mut text.as_slice())
        .with_context(|| format!("{}", path.display()))?
        .with_context(|| format!("{}: it holds no key", path.display()))
}

fn answer(kubelet: &Arc<Kubelet>, request: &Request<Incoming>) -> Response<Body> {
    let path = request.uri().path();
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match (request.method(), parts.as_slice()) {
        (&Method::GET, ["healthz"]) => text(StatusCode::OK, "ok"),
        (&Method::GET, ["containerLogs", namespace, pod, container]) => {
            let query = request.uri().query().unwrap_or_default();
            logs(kubelet, (namespace, pod, container), query)
        }
        _ => text(StatusCode::NOT_FOUND, "404 page not found"),
    }
}

fn logs(
    kubelet: &Arc<Kubelet>,
    (namespace, name, container): (&str, &str, &str),
    query: &str,
) -> Response<Body> {
    let query = match Query::parse(query, clock::now()) {
        Ok(query) => query,
        Err(error) => return text(StatusCode::BAD_REQUEST, &error),
    };
    let Some(pod) = kubelet.pod(namespace, name) else {
        let message = format!("pod \"{namespace}/{name}\" not found");
        return text(StatusCode::NOT_FOUND, &message);
    };
    if !has_container(&pod, container) {
        let message = format!("container \"{container}\" not found in pod \"{name}\"");
        return text(StatusCode::NOT_FOUND, &message);
    }
    let status = which::status(&pod, container);
    let run = which::run(status, query.previous);
    let found = kubelet.logs.find(&Owner::of(&pod, container), run);
    let Some((path, growth)) = found else {
        let message = which::no_log(status, (container, name), query.previous);
        return text(StatusCode::BAD_REQUEST, &message);
    };
    let (lines, receiver) = mpsc::channel(LINES_QUEUE);
    tokio::spawn(async move {
        if let Err(error) = read::send(&path, growth, &query, lines).await {
            tracing::warn!(log = %path.display(), error = %error, "a log cannot be read");
        }
    });
    let frames = stream::unfold(receiver, async |mut receiver| {
        let line = receiver.recv().await?;
        Some((Ok(Frame::data(line)), receiver))
    });
    let mut response = Response::new(StreamBody::new(frames).boxed());
    let plain = http::HeaderValue::from_static("text/plain");
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, plain);
    response
}

fn text(status: StatusCode, message: &str) -> Response<Body> {
    let body = Full::new(Bytes::from(format!("{message}\n")));
    let mut response = Response::new(body.boxed());
    *response.status_mut() = status;
    response
}

//! New connections to endpoints. A failed one ejects its endpoint on all workers for a while; the
//! first success after that brings it back. Both are told as events, once each.

use super::pool::Key;
use super::{Http1, Upstream, http2};
use crate::error::ProxyError;
use crate::stream::Stream;
use crate::watch::Watched;
use crate::worker::Worker;
use rauta_core::clock;
use rauta_routing::{Backend, BackendProtocol, Endpoint};
use rauta_schemas::{EndpointEvent, EndpointTransition, Event};
use socket2::SockRef;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};

/// An unused connection to `endpoint` that is sound, where one is at hand.
pub(crate) fn at_hand(worker: &Worker, backend: &Backend, endpoint: &Endpoint) -> Option<Upstream> {
    if backend.protocol == BackendProtocol::Http2 {
        // Only its own pool knows whether a connection takes another stream.
        return None;
    }
    let connection = worker.pool.take(&Key::new(backend, endpoint))?;
    worker.totals.upstream_reused.add(1);
    Some(Upstream::Http1(connection))
}

/// A connection to `endpoint` where none is at hand: a stream of one that is shared, or a new one.
pub(crate) async fn acquire(
    worker: &Rc<Worker>,
    watched: &Watched,
    backend: &Backend,
    endpoint: &Endpoint,
) -> Result<Upstream, ProxyError> {
    if backend.protocol == BackendProtocol::Http2 {
        let http2 = http2::acquire(worker, watched, backend, endpoint).await?;
        return Ok(Upstream::Http2(Box::new(http2)));
    }
    let stream = dial(worker, watched, backend, endpoint).await?;
    worker.totals.upstream_connected.add(1);
    let local = stream.tcp().local_addr().ok();
    let http1 = Http1::new(Key::new(backend, endpoint), stream, local);
    Ok(Upstream::Http1(Box::new(http1)))
}

/// A new connection to `endpoint`, with TLS where the backend has it; its success or failure
/// decides on the endpoint's health.
pub(super) async fn dial(
    worker: &Worker,
    watched: &Watched,
    backend: &Backend,
    endpoint: &Endpoint,
) -> Result<Stream, ProxyError> {
    let connected = connect(worker, watched, backend, endpoint.address).await;
    match &connected {
        Ok(_) if endpoint.health.succeed() => {
            let recovered = EndpointTransition::Recovered;
            publish(worker, backend, endpoint, recovered, None);
        }
        Ok(_) => {}
        Err(error) => {
            worker.totals.upstream_connect_failed.add(1);
            if let Some(ejection) = endpoint.health.fail(clock::monotonic_ns() / 1_000_000) {
                let failure = Some((*error, ejection));
                let ejected = EndpointTransition::Ejected;
                publish(worker, backend, endpoint, ejected, failure);
            }
        }
    }
    connected
}

async fn connect(
    worker: &Worker,
    watched: &Watched,
    backend: &Backend,
    address: SocketAddr,
) -> Result<Stream, ProxyError> {
    watched.arm(worker.deadline(worker.config.limits.connect));
    let vanished = worker.config.limits.vanished();
    let opening = async { open(address, vanished).await.map_err(|error| judge(&error)) };
    let opened = watched.until_expired(ProxyError::ConnectTimeout, opening);
    let connected = match opened.await {
        Ok(tcp) => {
            let securing = secure(worker, backend, tcp);
            watched
                .until_expired(ProxyError::BackendTls, securing)
                .await
        }
        Err(error) => Err(error),
    };
    watched.disarm();
    connected
}

/// Shakes hands where the backend has TLS. Plain text never takes the place of TLS that was asked
/// for.
async fn secure(worker: &Worker, backend: &Backend, tcp: TcpStream) -> Result<Stream, ProxyError> {
    let Some(tls) = &backend.tls else {
        return Ok(Stream::Tcp(tcp));
    };
    let routing = worker.routing();
    let client = routing.tls.backend(tls, backend.protocol);
    let client = client.ok_or(ProxyError::BackendTls)?;
    client.connect(tcp).await.ok_or(ProxyError::BackendTls)
}

/// Connects; a backend that then acknowledges nothing for the time of `vanished` is gone.
async fn open(address: SocketAddr, vanished: Duration) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    socket.set_nodelay(true)?;
    SockRef::from(&socket).set_tcp_user_timeout(Some(vanished))?;
    socket.connect(address).await
}

fn judge(error: &io::Error) -> ProxyError {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => ProxyError::ConnectRefused,
        io::ErrorKind::TimedOut => ProxyError::ConnectTimeout,
        _ => ProxyError::ConnectFailed,
    }
}

/// Tells of an ejection (with its cause, back-off in milliseconds and failures in a row) or of a
/// recovery.
fn publish(
    worker: &Worker,
    backend: &Backend,
    endpoint: &Endpoint,
    transition: EndpointTransition,
    failure: Option<(ProxyError, (u32, u32))>,
) {
    let (reason, (backoff_ms, failures)) = match failure {
        Some((error, ejection)) => (error.reason(), ejection),
        None => (rauta_schemas::Reason::None, (0, 0)),
    };
    worker.publisher.publish(Event::Endpoint(EndpointEvent {
        backend: backend.id(),
        endpoint: endpoint.id(),
        wall_ns: clock::now().wall_ns,
        transition,
        reason,
        backoff_ms,
        failures,
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn connections_end_when_their_backend_vanishes() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let minute = Duration::from_secs(60);
        let tcp = open(listener.local_addr().unwrap(), minute).await.unwrap();
        let timeout = SockRef::from(&tcp).tcp_user_timeout().unwrap();
        assert_eq!(timeout, Some(minute));
    }
}

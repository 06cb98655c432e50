//! New connections to endpoints. A failed one ejects its endpoint on all workers for a while; the
//! first success after that brings it back. Both are told as events, once each.

use super::pool::Key;
use super::{Http1, Upstream};
use crate::error::ProxyError;
use crate::stream::Stream;
use crate::watch::Watched;
use crate::worker::Worker;
use rauta_core::clock;
use rauta_routing::{Backend, Endpoint};
use rauta_schemas::{EndpointEvent, EndpointTransition, Event};
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::Poll;
use tokio::net::{TcpSocket, TcpStream};

/// A connection to `endpoint`: one that is there and sound, or a new one.
pub(crate) async fn acquire(
    worker: &Worker,
    watched: &Watched,
    backend: &Backend,
    endpoint: &Endpoint,
) -> Result<Upstream, ProxyError> {
    if backend.tls.is_some() {
        // Plain text must never take the place of TLS that was asked for.
        return Err(ProxyError::BackendTls);
    }
    let key = Key {
        address: endpoint.address,
        tls: 0,
    };
    if let Some(connection) = worker.pool.take(&key) {
        worker.totals.upstream_reused.add(1);
        return Ok(Upstream::Http1(connection));
    }
    match connect(worker, watched, endpoint.address).await {
        Ok(tcp) => {
            worker.totals.upstream_connected.add(1);
            if endpoint.health.succeed() {
                publish(
                    worker,
                    backend,
                    endpoint,
                    EndpointTransition::Recovered,
                    None,
                );
            }
            let local = tcp.local_addr().ok();
            Ok(Upstream::Http1(Box::new(Http1::new(
                key,
                Stream::Tcp(tcp),
                local,
            ))))
        }
        Err(error) => {
            worker.totals.upstream_connect_failed.add(1);
            if let Some(ejection) = endpoint.health.fail(clock::monotonic_ns() / 1_000_000) {
                let failure = Some((error, ejection));
                publish(
                    worker,
                    backend,
                    endpoint,
                    EndpointTransition::Ejected,
                    failure,
                );
            }
            Err(error)
        }
    }
}

async fn connect(
    worker: &Worker,
    watched: &Watched,
    address: SocketAddr,
) -> Result<TcpStream, ProxyError> {
    watched.arm(worker.deadline(worker.config.limits.connect));
    let mut connecting = pin!(open(address));
    let connected = poll_fn(|cx| {
        if let Poll::Ready(connected) = connecting.as_mut().poll(cx) {
            return Poll::Ready(connected.map_err(|error| judge(&error)));
        }
        if watched.is_expired() {
            return Poll::Ready(Err(ProxyError::ConnectTimeout));
        }
        Poll::Pending
    })
    .await;
    watched.disarm();
    connected
}

async fn open(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    socket.set_nodelay(true)?;
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

//! A worker's handshake with a client. The listener is chosen before a byte is answered: a client
//! that asks for a name nobody serves learns nothing, not even that TLS is spoken here.

use super::ALPN_HTTP2;
use crate::connection::Client;
use crate::stream::Stream;
use crate::watch::Watched;
use crate::worker::Worker;
use rauta_routing::request_host;
use rauta_schemas::ConnectionReason;
use rustls::ServerConfig;
use rustls::server::{Accepted, Acceptor};
use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::StartHandshake;

/// An encrypted connection to a client.
pub(crate) struct Secured {
    pub(crate) stream: Stream,
    /// Did ALPN choose HTTP/2?
    pub(crate) is_http2: bool,
}

/// Why no handshake came about.
enum Failure {
    /// The client closed before it sent anything: nothing to tell.
    Unused,
    /// This worker is shaking as many hands as it may.
    Busy,
    /// The client, its name or its time.
    Handshake,
}

/// Shakes hands with a client. What fails is told as an event, and the connection is gone.
pub(crate) async fn accept(
    worker: &Worker,
    watched: &Watched,
    client: &mut Client,
    tcp: TcpStream,
) -> Option<Secured> {
    let result = match Handshaking::begin(worker) {
        Some(_handshaking) => {
            watched.arm(worker.deadline(worker.config.limits.handshake));
            let shaking = shake(worker, client, tcp);
            let result = watched.until_expired(Failure::Handshake, shaking).await;
            watched.disarm();
            result
        }
        None => Err(Failure::Busy),
    };
    match result {
        Ok(secured) => {
            worker.totals.handshakes.add(1);
            client.is_tls = true;
            return Some(secured);
        }
        Err(Failure::Unused) => {}
        Err(Failure::Busy) => {
            worker.totals.refused_connections.add(1);
            client.ended(worker, ConnectionReason::Refused);
        }
        Err(Failure::Handshake) => {
            worker.totals.handshakes_failed.add(1);
            client.ended(worker, ConnectionReason::Handshake);
        }
    }
    None
}

/// A handshake in progress, until dropped.
struct Handshaking<'a>(&'a Cell<usize>);

impl<'a> Handshaking<'a> {
    fn begin(worker: &'a Worker) -> Option<Self> {
        let count = &worker.handshakes;
        if count.get() >= worker.config.limits.handshakes_per_worker {
            return None;
        }
        count.set(count.get() + 1);
        Some(Self(count))
    }
}

impl Drop for Handshaking<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

async fn shake(
    worker: &Worker,
    client: &mut Client,
    mut tcp: TcpStream,
) -> Result<Secured, Failure> {
    let accepted = hello(&mut tcp).await?;
    let settings = choose(worker, client, &accepted).ok_or(Failure::Handshake)?;
    let shaking = StartHandshake::from_parts(accepted, tcp).into_stream(settings);
    let tls = shaking.await.map_err(|error| {
        tracing::debug!(%error, "a TLS handshake with a client failed");
        Failure::Handshake
    })?;
    let is_http2 = tls.get_ref().1.alpn_protocol() == Some(ALPN_HTTP2);
    Ok(Secured {
        is_http2,
        stream: Stream::Tls(Box::new(tls.into())),
    })
}

/// Reads the ClientHello, in however many pieces it comes.
async fn hello(tcp: &mut TcpStream) -> Result<Accepted, Failure> {
    let mut acceptor = Acceptor::default();
    let mut is_used = false;
    poll_fn(|cx| {
        loop {
            match acceptor.read_tls(&mut Reading { tcp, cx }) {
                Ok(0) if is_used => return Poll::Ready(Err(Failure::Handshake)),
                Ok(0) => return Poll::Ready(Err(Failure::Unused)),
                Ok(_) => is_used = true,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                Err(_) if is_used => return Poll::Ready(Err(Failure::Handshake)),
                Err(_) => return Poll::Ready(Err(Failure::Unused)),
            }
            match acceptor.accept() {
                Ok(Some(accepted)) => return Poll::Ready(Ok(accepted)),
                Ok(None) => {}
                Err(_) => return Poll::Ready(Err(Failure::Handshake)),
            }
        }
    })
    .await
}

/// The settings of the listener that the client's SNI chooses.
fn choose(worker: &Worker, client: &mut Client, accepted: &Accepted) -> Option<Arc<ServerConfig>> {
    let hello = accepted.client_hello();
    let sni = hello.server_name().map(request_host);
    let routing = worker.routing();
    let listener = routing
        .port(client.port)?
        .listener_for_sni(sni.as_deref())?;
    client.listener = Some(listener.id());
    routing.tls.listener(listener.id()).cloned()
}

/// The socket as rustls reads it: nothing there yet is an error of its own.
struct Reading<'a, 'b> {
    tcp: &'a mut TcpStream,
    cx: &'a mut Context<'b>,
}

impl io::Read for Reading<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(buffer);
        match Pin::new(&mut *self.tcp).poll_read(self.cx, &mut buffer) {
            Poll::Ready(Ok(())) => Ok(buffer.filled().len()),
            Poll::Ready(Err(error)) => Err(error),
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

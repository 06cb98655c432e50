//! One task per client connection. Protocols differ only here and in `upstream`: what a request is
//! served with is a [`Downstream`], whose methods are the same for each of them.

mod discard; // what is left of a request's body after its answer
mod http1; // HTTP/1: keep-alive, pipelining, framing
mod http2; // HTTP/2: streams, limits on work, going away
mod linger; // how a connection ends without taking its last response back
mod proxy_header; // who the client is, where a load balancer tells

pub(crate) use http1::{HeadFault, Http1};
pub(crate) use http2::Http2;

use crate::body::Frame;
use crate::error::ProxyError;
use crate::request;
use crate::stream::Stream;
use crate::tls;
use crate::watch::Watched;
use crate::wire::Wire;
use crate::worker::{PortNumber, Worker};
use bytes::BytesMut;
use http::StatusCode;
use http::header::HeaderValue;
use rauta_http1::Headers;
use rauta_routing::PortProtocol;
use rauta_schemas::{
    ConnectionEvent, ConnectionId, ConnectionReason, Event, ExchangeId, FourTuple, ListenerId,
};
use std::cell::Cell;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::net::TcpStream;

/// What all requests of a connection share.
pub(crate) struct Client {
    /// The connection.
    pub(crate) id: ConnectionId,
    /// Client and RAUTA; the client is the one that the PROXY header names, where one came.
    pub(crate) addresses: FourTuple,
    /// Are its forwarding fields believed?
    pub(crate) is_trusted: bool,
    /// The port it came in by.
    pub(crate) port: PortNumber,
    /// Is it encrypted?
    pub(crate) is_tls: bool,
    /// The listener that its SNI chose.
    pub(crate) listener: Option<ListenerId>,
    forwarded_for: Option<HeaderValue>,
    /// The listener's port as `X-Forwarded-Port` states it, with the port it was made for.
    pub(crate) forwarded_port: Option<(u16, HeaderValue)>,
    requests: Cell<u32>,
}

impl Client {
    fn new(worker: &Worker, id: ConnectionId, addresses: FourTuple, port: PortNumber) -> Self {
        Self {
            id,
            addresses,
            is_trusted: worker.config.trusts(addresses.source.ip()),
            port,
            is_tls: false,
            listener: None,
            forwarded_for: None,
            forwarded_port: None,
            requests: Cell::new(0),
        }
    }

    /// The client's address.
    pub(crate) fn ip(&self) -> IpAddr {
        self.addresses.source.ip()
    }

    /// Its address as `X-Forwarded-For` states it, made once.
    pub(crate) fn forwarded_for(&mut self) -> HeaderValue {
        let ip = self.ip();
        self.forwarded_for
            .get_or_insert_with(|| {
                // An address holds no byte that a field could not.
                HeaderValue::from_str(&ip.to_string())
                    .unwrap_or_else(|_| HeaderValue::from_static(""))
            })
            .clone()
    }

    /// The id of the connection's next exchange.
    pub(crate) fn next_exchange(&self) -> ExchangeId {
        let ordinal = self.requests.get().saturating_add(1);
        self.requests.set(ordinal);
        ExchangeId {
            connection: self.id,
            ordinal,
        }
    }

    /// The same client on one of its connection's streams, which takes the next exchange's number.
    fn on_stream(&mut self) -> Self {
        let forwarded_for = Some(self.forwarded_for());
        let ordinal = self.requests.get();
        self.requests.set(ordinal.saturating_add(1));
        Self {
            id: self.id,
            addresses: self.addresses,
            is_trusted: self.is_trusted,
            port: self.port,
            is_tls: self.is_tls,
            listener: self.listener,
            forwarded_for,
            forwarded_port: self.forwarded_port.clone(),
            requests: Cell::new(ordinal),
        }
    }

    /// Publishes that the connection ended in a way that no exchange tells.
    pub(crate) fn ended(&self, worker: &Worker, reason: ConnectionReason) {
        worker.totals.heads_cut.add(1);
        worker.publisher.publish(Event::Connection(ConnectionEvent {
            connection: self.id,
            wall_ns: rauta_core::clock::now().wall_ns,
            downstream: self.addresses,
            listener: self.listener.unwrap_or(ListenerId::NONE),
            requests: self.requests.get(),
            reason,
        }));
    }
}

/// Serves one connection until it ends.
pub(crate) async fn serve(
    worker: &Rc<Worker>,
    port: PortNumber,
    mut tcp: TcpStream,
    id: ConnectionId,
    addresses: FourTuple,
) {
    let mut client = Client::new(worker, id, addresses, port);
    let watched = worker.watch.enter();
    std::future::poll_fn(|cx| {
        watched.set_waker(cx.waker());
        Poll::Ready(())
    })
    .await;
    if worker.config.proxy_protocol && client.is_trusted {
        let told = Box::pin(learn_client(worker, &watched, &mut client, &mut tcp)).await;
        if told.is_err() {
            return client.ended(worker, ConnectionReason::ProxyHeader);
        }
    }
    let (stream, is_http2) = if is_https(worker, port) {
        // Boxed, so that no connection pays for it after its handshake.
        match Box::pin(tls::accept(worker, &watched, &mut client, tcp)).await {
            Some(secured) => (secured.stream, secured.is_http2),
            None => return,
        }
    } else {
        (Stream::Tcp(tcp), false)
    };
    let wire = Wire::new(stream, BytesMut::new());
    if is_http2 {
        return Box::pin(http2::serve(worker, client, watched, wire)).await;
    }
    serve_http1(worker, client, Http1::new(worker, &watched, wire)).await;
}

fn is_https(worker: &Worker, port: PortNumber) -> bool {
    worker
        .routing()
        .port(port)
        .is_some_and(|port| port.protocol == PortProtocol::Https)
}

/// Reads the PROXY header that a trusted peer sends first. From there on the client it names
/// counts: its address is told, and its own fields are believed only if it is trusted itself.
async fn learn_client(
    worker: &Worker,
    watched: &Watched,
    client: &mut Client,
    tcp: &mut TcpStream,
) -> io::Result<()> {
    watched.arm(worker.deadline(worker.config.limits.handshake));
    let late = io::Error::from(io::ErrorKind::TimedOut);
    let read = watched.until_expired(late, proxy_header::read(tcp)).await;
    watched.disarm();
    if let Some(addresses) = read? {
        client.addresses = addresses;
        client.is_trusted = worker.config.trusts(addresses.source.ip());
    }
    Ok(())
}

/// Serves the requests of an HTTP/1 connection, one after the other, in order.
async fn serve_http1(worker: &Rc<Worker>, mut client: Client, http1: Http1) {
    let mut downstream = Downstream::Http1(http1);
    loop {
        let Downstream::Http1(http1) = &mut downstream else {
            return;
        };
        match http1.next_head().await {
            http1::Next::Head(start, head) => {
                // Boxed, so that an idle connection does not pay for a request's state.
                Box::pin(request::handle(
                    worker,
                    &mut client,
                    &mut downstream,
                    start,
                    head,
                ))
                .await;
            }
            http1::Next::Http2 => {
                let watched = Rc::clone(http1.watched());
                let Downstream::Http1(http1) = downstream else {
                    return;
                };
                let wire = http1.into_wire();
                return Box::pin(http2::serve(worker, client, watched, wire)).await;
            }
            http1::Next::Closed => return,
            http1::Next::Cut(reason) => return client.ended(worker, reason),
        }
        let Downstream::Http1(http1) = &mut downstream else {
            return;
        };
        if !http1.end_exchange().await {
            return linger::close(http1).await;
        }
    }
}

/// The client's side of one exchange.
#[expect(
    clippy::large_enum_variant,
    reason = "one per connection, moved a few times; a box would be an allocation per connection"
)]
pub(crate) enum Downstream {
    /// An HTTP/1 connection.
    Http1(Http1),
    /// One stream of an HTTP/2 connection.
    Http2(Box<Http2>),
}

impl Downstream {
    /// The entry that the worker watches this exchange by.
    pub(crate) fn watched(&self) -> &Rc<Watched> {
        match self {
            Self::Http1(http1) => http1.watched(),
            Self::Http2(http2) => http2.watched(),
        }
    }

    /// The next piece of the request's body; `None` at its end.
    pub(crate) fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Frame>, ProxyError>> {
        match self {
            Self::Http1(http1) => http1.poll_body(cx),
            Self::Http2(http2) => http2.poll_body(cx),
        }
    }

    /// Waits for the client to leave, while there is nothing else to hear from it.
    pub(crate) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<ProxyError> {
        match self {
            Self::Http1(http1) => http1.poll_gone(cx),
            Self::Http2(http2) => http2.poll_gone(cx),
        }
    }

    /// Did the client close its sending side, so that only asking again tells of a reset?
    pub(crate) fn is_half_closed(&self) -> bool {
        match self {
            Self::Http1(http1) => http1.is_half_closed(),
            Self::Http2(_) => false,
        }
    }

    /// Bytes of the response that were taken in and that the client has not taken yet.
    pub(crate) fn waiting(&self) -> usize {
        match self {
            Self::Http1(http1) => http1.waiting(),
            Self::Http2(http2) => http2.waiting(),
        }
    }

    /// Has any part of a response been handed to the kernel, so that another can no longer take
    /// its place?
    pub(crate) fn has_begun(&self) -> bool {
        match self {
            Self::Http1(http1) => http1.has_begun(),
            Self::Http2(http2) => http2.has_begun(),
        }
    }

    /// Takes back a response that was started and of which nothing has left.
    pub(crate) fn take_back(&mut self) {
        match self {
            Self::Http1(http1) => http1.take_back(),
            Self::Http2(http2) => http2.take_back(),
        }
    }

    /// Sends an interim response (100, 103).
    pub(crate) fn send_interim(&mut self, status: StatusCode, headers: &Headers) {
        match self {
            Self::Http1(http1) => http1.send_interim(status, headers),
            Self::Http2(http2) => http2.send_interim(status, headers),
        }
    }

    /// Starts the response; `length` is the body's, where it is known.
    pub(crate) fn start(&mut self, status: StatusCode, headers: &Headers, length: Option<u64>) {
        match self {
            Self::Http1(http1) => http1.start(status, headers, length),
            Self::Http2(http2) => http2.start(status, headers, length),
        }
    }

    /// Waits until a frame can be taken in.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ProxyError>> {
        match self {
            Self::Http1(http1) => http1.poll_ready(cx),
            Self::Http2(http2) => http2.poll_ready(cx),
        }
    }

    /// Takes in a piece of the response's body.
    pub(crate) fn send(&mut self, frame: Frame) -> Result<(), ProxyError> {
        match self {
            Self::Http1(http1) => http1.send(frame),
            Self::Http2(http2) => http2.send(frame),
        }
    }

    /// The response's body is complete.
    pub(crate) fn finish(&mut self) -> Result<(), ProxyError> {
        match self {
            Self::Http1(http1) => http1.finish(),
            Self::Http2(http2) => http2.finish(),
        }
    }

    /// Waits until everything taken in was handed to the kernel.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ProxyError>> {
        match self {
            Self::Http1(http1) => http1.poll_flush(cx),
            Self::Http2(http2) => http2.poll_flush(cx),
        }
    }

    /// Breaks the response off so that the client can tell.
    pub(crate) fn abort(&mut self) {
        match self {
            Self::Http1(http1) => http1.abort(),
            Self::Http2(http2) => http2.abort(),
        }
    }

    /// An HTTP/1 connection ends after this exchange.
    pub(crate) fn close_after(&mut self) {
        match self {
            Self::Http1(http1) => http1.close_after(),
            // What is wrong with a stream is no matter for the others.
            Self::Http2(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use rauta_core::bus::{Bus, BusConfig};
    use std::sync::Arc;
    use tokio::net::TcpListener;

    /// A worker, and a connection to nobody.
    async fn worker_and_tcp() -> (Rc<Worker>, TcpStream) {
        let (bus, _pipeline) = Bus::new(BusConfig { lane_slots: 1 });
        let publisher = bus.publisher("test");
        let worker = Rc::new(Worker::new(0, Config::default(), publisher, Arc::default()));
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("loopback has ports");
        let address = listener.local_addr().expect("the socket lives");
        let tcp = TcpStream::connect(address)
            .await
            .expect("the listener listens");
        (worker, tcp)
    }

    /// What an idle connection costs beside the kernel's own: its task and its entry in the watch.
    /// Buffers it has none, and Tokio's registration of its socket is below 512 bytes.
    #[tokio::test]
    async fn an_idle_connection_fits_in_4_kib() {
        let (worker, tcp) = worker_and_tcp().await;
        let (id, addresses) = (ConnectionId::default(), FourTuple::default());
        let task = size_of_val(&serve(&worker, PortNumber(1), tcp, id, addresses));
        let bytes = task + size_of::<Watched>() + 512;
        assert!(
            bytes <= 4096,
            "{bytes} bytes, of which {task} are the task's"
        );
    }

    /// It is moved into its box once per request: every byte of it is copied, used or not.
    #[tokio::test]
    async fn a_requests_state_fits_in_4_kib() {
        let (worker, tcp) = worker_and_tcp().await;
        let (id, addresses) = (ConnectionId::default(), FourTuple::default());
        let mut client = Client::new(&worker, id, addresses, PortNumber(1));
        let wire = Wire::new(Stream::Tcp(tcp), BytesMut::new());
        let watched = worker.watch.enter();
        let mut downstream = Downstream::Http1(Http1::new(&worker, &watched, wire));
        let head = Err(HeadFault::TooSlow);
        let start = worker.read_clock();
        let state = request::handle(&worker, &mut client, &mut downstream, start, head);
        let bytes = size_of_val(&state);
        assert!(bytes <= 4096, "{bytes} bytes");
    }
}

//! One worker's HTTP/2 connections to endpoints. Requests share a connection up to the streams that
//! the backend allows; then another is made, and beyond the last one they wait for room, with the
//! patience of a connect. While a connection is being made, others wait for it instead of making
//! their own, and share its failure.

use super::{Http2, Requests};
use crate::config::Limits;
use crate::error::ProxyError;
use crate::http2::{Io, SEND_BUFFER_BYTES, STREAM_WINDOW_BYTES, STREAMS_MAX, Shared};
use crate::upstream::connect::dial;
use crate::upstream::pool::Key;
use crate::watch::Watched;
use crate::worker::Worker;
use bytes::BytesMut;
use h2::client::Builder;
use h2::{Ping, PingPong};
use rauta_routing::{Backend, Endpoint};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use tokio::sync::Notify;
use tokio::task::spawn_local;

/// Connections to one endpoint: with the streams of each, a bound on what one endpoint can cost.
const CONNECTIONS_MAX: usize = 32;

/// Every stream may fill its own window without one that stalls holding back the others.
const CONNECTION_WINDOW_BYTES: u32 = STREAMS_MAX * STREAM_WINDOW_BYTES;

/// The HTTP/2 connections of one worker, by endpoint.
#[derive(Default)]
pub(crate) struct Connections {
    groups: RefCell<HashMap<Key, Rc<Group>>>,
}

impl Connections {
    fn group(&self, key: &Key) -> Rc<Group> {
        let mut groups = self.groups.borrow_mut();
        match groups.get(key) {
            Some(group) => Rc::clone(group),
            None => Rc::clone(groups.entry(key.clone()).or_default()),
        }
    }

    /// Forgets connections that are gone, and closes those that were unused for too long.
    pub(crate) fn sweep(&self, now_ms: u64, limits: &Limits) {
        let idle_ms = u64::try_from(limits.upstream_idle.as_millis()).unwrap_or(u64::MAX);
        self.groups.borrow_mut().retain(|_, group| {
            group.connections.borrow_mut().retain(|connection| {
                let idle_ms_now = now_ms.saturating_sub(connection.idle_since_ms.get());
                connection.is_sound() && (connection.open.get() > 0 || idle_ms_now < idle_ms)
            });
            Rc::strong_count(group) > 1 || !group.connections.borrow().is_empty()
        });
    }
}

/// The connections to one endpoint.
#[derive(Default)]
struct Group {
    connections: RefCell<Vec<Rc<Connection>>>,
    making: RefCell<Option<Rc<Making>>>,
    /// Told when a stream is over.
    freed: Rc<Notify>,
}

/// A connection that is being made.
#[derive(Default)]
struct Making {
    failure: Cell<Option<ProxyError>>,
    over: Notify,
}

/// Ends the making, however it ends: those who wait look again.
struct Maker<'a> {
    group: &'a Group,
    making: Rc<Making>,
}

impl<'a> Maker<'a> {
    fn new(group: &'a Group) -> Self {
        let making = Rc::new(Making::default());
        *group.making.borrow_mut() = Some(Rc::clone(&making));
        Self { group, making }
    }
}

impl Drop for Maker<'_> {
    fn drop(&mut self) {
        *self.group.making.borrow_mut() = None;
        self.making.over.notify_waiters();
    }
}

/// One connection.
struct Connection {
    requests: Requests,
    local: Option<SocketAddr>,
    is_tls: bool,
    /// Streams open now.
    open: Cell<u32>,
    is_used: Cell<bool>,
    idle_since_ms: Cell<u64>,
    freed: Rc<Notify>,
}

impl Connection {
    /// Can further streams be opened, as far as is known?
    fn is_sound(&self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        // A fresh handle has no stream in the queue: it is ready, unless the connection is over.
        matches!(
            self.requests.clone().poll_ready(&mut cx),
            Poll::Ready(Ok(()))
        )
    }

    fn has_room(&self) -> bool {
        let allowed = self.requests.current_max_send_streams();
        (self.open.get() as usize) < allowed.min(STREAMS_MAX as usize)
    }
}

/// Room for one stream, until dropped.
pub(crate) struct Slot {
    worker: Rc<Worker>,
    connection: Rc<Connection>,
    is_reused: bool,
}

impl Slot {
    fn new(worker: &Rc<Worker>, connection: &Rc<Connection>) -> Self {
        connection.open.set(connection.open.get() + 1);
        Self {
            worker: Rc::clone(worker),
            connection: Rc::clone(connection),
            is_reused: connection.is_used.replace(true),
        }
    }

    /// Did the connection carry a request before?
    pub(super) fn is_reused(&self) -> bool {
        self.is_reused
    }

    /// RAUTA's own address.
    pub(super) fn local(&self) -> Option<SocketAddr> {
        self.connection.local
    }

    /// Does the connection speak TLS?
    pub(super) fn is_tls(&self) -> bool {
        self.connection.is_tls
    }

    /// Where streams are opened.
    pub(super) fn requests(&self) -> Requests {
        self.connection.requests.clone()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.connection.open.set(self.connection.open.get() - 1);
        self.connection.idle_since_ms.set(self.worker.now_ms());
        self.connection.freed.notify_one();
    }
}

/// Room for one stream on a connection to `endpoint`.
pub(crate) async fn acquire(
    worker: &Rc<Worker>,
    watched: &Watched,
    backend: &Backend,
    endpoint: &Endpoint,
) -> Result<Http2, ProxyError> {
    let key = Key::new(backend, endpoint);
    let group = worker.http2.group(&key);
    let deadline = worker.deadline(worker.config.limits.connect);
    loop {
        if let Some(slot) = group.room(worker) {
            let count = match slot.is_reused {
                true => &worker.totals.upstream_reused,
                false => &worker.totals.upstream_connected,
            };
            count.add(1);
            return Ok(Http2::new(slot));
        }
        if group.connections.borrow().len() >= CONNECTIONS_MAX {
            wait(watched, deadline, &group.freed).await?;
            continue;
        }
        let making = group.making.borrow().clone();
        if let Some(making) = making {
            wait(watched, deadline, &making.over).await?;
            if let Some(failure) = making.failure.get() {
                return Err(failure);
            }
            continue;
        }
        let maker = Maker::new(&group);
        // Boxed, so that requests which find a connection do not carry a handshake's state.
        let making = Box::pin(make(worker, watched, backend, endpoint, &group.freed));
        match making.await {
            Ok(connection) => group.connections.borrow_mut().push(Rc::new(connection)),
            Err(error) => {
                maker.making.failure.set(Some(error));
                return Err(error);
            }
        }
    }
}

impl Group {
    /// Room on the first connection that has any, so that the others grow old and are closed.
    fn room(&self, worker: &Rc<Worker>) -> Option<Slot> {
        let mut connections = self.connections.borrow_mut();
        connections.retain(|connection| connection.is_sound());
        let found = connections.iter().find(|connection| connection.has_room());
        found.map(|connection| Slot::new(worker, connection))
    }
}

/// Waits until `told`, or the deadline.
async fn wait(watched: &Watched, deadline_ms: u64, told: &Notify) -> Result<(), ProxyError> {
    let telling = async {
        told.notified().await;
        Ok(())
    };
    watched.arm(deadline_ms);
    let result = watched
        .until_expired(ProxyError::ConnectTimeout, telling)
        .await;
    watched.disarm();
    result
}

async fn make(
    worker: &Worker,
    watched: &Watched,
    backend: &Backend,
    endpoint: &Endpoint,
    freed: &Rc<Notify>,
) -> Result<Connection, ProxyError> {
    let stream = dial(worker, watched, backend, endpoint).await?;
    let local = stream.tcp().local_addr().ok();
    keep_alive(stream.tcp());
    let shared = Shared::new(stream, BytesMut::new());
    let io = Io(Rc::clone(&shared));
    let header_list = u32::try_from(worker.config.message.head_bytes).unwrap_or(u32::MAX);
    let shaken = Builder::new()
        .enable_push(false)
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .initial_max_send_streams(STREAMS_MAX as usize)
        .max_header_list_size(header_list)
        .max_send_buffer_size(SEND_BUFFER_BYTES)
        .handshake(io)
        .await;
    let (requests, mut connection) = shaken.map_err(|_| ProxyError::ConnectFailed)?;
    let ping = connection.ping_pong();
    let is_breached = Rc::new(Cell::new(false));
    let breached = Rc::clone(&is_breached);
    shared.gather();
    spawn_local(async move {
        let mut connection = pin!(connection);
        // How it ended is told to its streams, and to whoever would open another.
        let ended = poll_fn(|cx| {
            let ended = connection.as_mut().poll(cx);
            // Who holds it back is a matter of the exchanges' own clocks.
            let _written = shared.poll_flush(cx);
            ended
        })
        .await;
        breached.set(ended.is_err_and(|error| super::is_breach(&error)));
    });
    if let Some(ping) = ping {
        let deadline = worker.deadline(worker.config.limits.connect);
        greet(watched, deadline, ping)
            .await
            .map_err(|error| match is_breached.get() {
                true => ProxyError::BackendHttp2,
                false => error,
            })?;
    }
    Ok(Connection {
        requests,
        local,
        is_tls: backend.tls.is_some(),
        open: Cell::new(0),
        is_used: Cell::new(false),
        idle_since_ms: Cell::new(worker.now_ms()),
        freed: Rc::clone(freed),
    })
}

/// Waits for the answer to a PING. The backend's SETTINGS come before it, so that from then on it
/// is known how many streams there is room for: a request put behind too many would wait for them.
async fn greet(watched: &Watched, deadline_ms: u64, mut ping: PingPong) -> Result<(), ProxyError> {
    let sent = ping.send_ping(Ping::opaque());
    sent.map_err(|_| ProxyError::ConnectFailed)?;
    let answered = async {
        let pong = poll_fn(|cx| ping.poll_pong(cx)).await;
        pong.map(drop).map_err(|_| ProxyError::ConnectFailed)
    };
    watched.arm(deadline_ms);
    let result = watched
        .until_expired(ProxyError::ConnectTimeout, answered)
        .await;
    watched.disarm();
    result
}

/// Finds hosts that vanished without a word, by the kernel's own probes: gRPC servers close
/// connections over HTTP/2 PINGs that they think too many.
fn keep_alive(tcp: &tokio::net::TcpStream) {
    use std::time::Duration;
    let probes = socket2::TcpKeepalive::new()
        .with_time(Duration::from_secs(20))
        .with_interval(Duration::from_secs(5))
        .with_retries(3);
    // Without it the exchange's own deadlines still stand.
    let _best_effort = socket2::SockRef::from(tcp).set_tcp_keepalive(&probes);
}

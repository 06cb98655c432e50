//! The demo's clients: open loop, so that a slow origin does not slow the asking down, and a
//! kubelet's probe five times a second.

use super::REQUESTS_PER_SECOND;
use super::plan::FaultKind;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use tokio::net::TcpStream;
use tokio::task::{JoinSet, spawn_local};
use tokio::time::{Duration, Instant, MissedTickBehavior, interval};

/// A kubelet's `periodSeconds` is at least 1; the demo is short.
const PROBE_PERIOD: Duration = Duration::from_millis(200);

/// One request as its client saw it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exchange {
    /// Which route.
    pub(super) kind: FaultKind,
    /// Was it a probe?
    pub(super) is_probe: bool,
    /// When it was sent.
    pub(super) sent: Instant,
    /// When the whole answer was there.
    pub(super) answered: Instant,
    /// The status; `None`: the connection broke.
    pub(super) status: Option<StatusCode>,
}

/// Everything the clients saw, in the order of the answers.
pub(super) type Sent = Vec<Exchange>;

type Idle = Rc<RefCell<Vec<SendRequest<Empty<Bytes>>>>>;

/// Running clients.
#[derive(Debug)]
pub(super) struct Load {
    clients: JoinSet<Sent>,
}

impl Load {
    /// Starts a client per route and one prober; all stop asking at `until`.
    pub(super) fn start(gateway: SocketAddr, until: Instant) -> Self {
        let mut clients = JoinSet::new();
        let period = Duration::from_nanos(1_000_000_000 / REQUESTS_PER_SECOND);
        for kind in FaultKind::ALL {
            clients.spawn_local(client(gateway, kind, false, period, until));
        }
        clients.spawn_local(client(gateway, FaultKind::Probe, true, PROBE_PERIOD, until));
        Self { clients }
    }

    /// Waits for the last answers.
    pub(super) async fn finish(self) -> anyhow::Result<Sent> {
        let mut sent: Sent = self
            .clients
            .join_all()
            .await
            .into_iter()
            .flatten()
            .collect();
        sent.sort_by_key(|request| request.answered);
        Ok(sent)
    }
}

async fn client(
    gateway: SocketAddr,
    kind: FaultKind,
    is_probe: bool,
    period: Duration,
    until: Instant,
) -> Sent {
    let idle: Idle = Rc::default();
    let mut requests = JoinSet::new();
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    while ticks.tick().await < until && Instant::now() < until {
        let idle = Rc::clone(&idle);
        requests.spawn_local(async move {
            let sent = Instant::now();
            let status = ask(gateway, kind, is_probe, &idle).await;
            Exchange {
                kind,
                is_probe,
                sent,
                answered: Instant::now(),
                status,
            }
        });
    }
    requests.join_all().await
}

/// One request over an idle connection or a new one.
async fn ask(
    gateway: SocketAddr,
    kind: FaultKind,
    is_probe: bool,
    idle: &Idle,
) -> Option<StatusCode> {
    let pooled = idle.borrow_mut().pop();
    let mut sender = match pooled {
        Some(sender) if sender.is_ready() => sender,
        _ => connect(gateway).await?,
    };
    let path = if is_probe { "/healthz" } else { kind.path() };
    let agent = if is_probe {
        "kube-probe/1.36"
    } else {
        "rauta-demo"
    };
    let request = Request::builder()
        .uri(path)
        .header(http::header::HOST, "demo.test")
        .header(http::header::USER_AGENT, agent)
        .body(Empty::new())
        .ok()?;
    let response = sender.send_request(request).await.ok()?;
    let status = response.status();
    response.into_body().collect().await.ok()?;
    idle.borrow_mut().push(sender);
    Some(status)
}

async fn connect(gateway: SocketAddr) -> Option<SendRequest<Empty<Bytes>>> {
    let stream = TcpStream::connect(gateway).await.ok()?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    spawn_local(async move {
        if let Err(error) = connection.await {
            tracing::debug!(error = %error, "demo client: connection ended");
        }
    });
    Some(sender)
}

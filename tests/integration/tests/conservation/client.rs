//! A client that does what its request's kind says, and writes down what it saw.

use super::oracle::{Oracle, Seen};
use super::origin::{TUNNEL_BYTES, answer_body};
use super::plan::Kind;
use super::wire::{Wire, field};
use anyhow::{Context, bail, ensure};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Nothing here takes this long; only a failure does.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes of each body that a client sends.
pub(crate) const BODY_BYTES: usize = 600;

/// Bytes of a body that its client does not finish.
pub(crate) const UNFINISHED_BYTES: usize = 10;

/// One client; it keeps its connection where that is sound.
pub(crate) struct Client {
    gateway: SocketAddr,
    oracle: Arc<Oracle>,
    kept: Option<Wire>,
}

impl Client {
    pub(crate) fn new(gateway: SocketAddr, oracle: &Arc<Oracle>) -> Self {
        Self {
            gateway,
            oracle: Arc::clone(oracle),
            kept: None,
        }
    }

    /// Plays request `id`; `next` are further numbers that a pipelining client takes with it.
    pub(crate) async fn play(&mut self, kind: Kind, id: usize, next: &[usize]) {
        let played = timeout(PATIENCE, self.act(kind, id, next)).await;
        let complaint = match played {
            Ok(Ok(())) => return,
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => format!("nothing came within {PATIENCE:?}"),
        };
        self.kept = None;
        for id in [&[id], next].concat() {
            let mut seen = seen(kind);
            seen.complaint = Some(complaint.clone());
            self.oracle.record(id, seen);
        }
    }

    async fn act(&mut self, kind: Kind, id: usize, next: &[usize]) -> anyhow::Result<()> {
        match kind {
            Kind::Pipelined => {
                let ids = [&[id], next].concat();
                let requests: String = ids.iter().map(|id| request(kind, *id)).collect();
                let mut wire = self.send(requests).await?;
                for id in ids {
                    self.answer(kind, id, &mut wire).await?;
                }
                self.kept = Some(wire);
                Ok(())
            }
            Kind::Tunnel | Kind::TunnelLeft | Kind::TunnelCut => self.tunnel(kind, id).await,
            Kind::Abandon | Kind::Leave => self.leave(kind, id).await,
            Kind::Part => self.leave_inside(id).await,
            Kind::BodyEnd | Kind::BodyReset | Kind::HeadEnd | Kind::HeadReset => {
                self.break_off(kind, id).await
            }
            Kind::Silent => {
                let mut wire = Wire::connect(self.gateway).await?;
                ensure!(wire.rest().await.is_empty(), "an answer to nothing");
                self.oracle.record(id, seen(kind));
                Ok(())
            }
            Kind::BadHead | Kind::SlowHead => {
                let mut wire = Wire::connect(self.gateway).await?;
                let head = format!("GET /{}/{id} HTTP/1.1\r\n", kind.name());
                let end = if kind == Kind::BadHead { "\r\n" } else { "" };
                wire.send(head + end).await?;
                self.answer(kind, id, &mut wire).await?;
                ensure!(wire.rest().await.is_empty(), "more than an answer");
                Ok(())
            }
            _ => {
                let mut wire = self.send(request(kind, id)).await?;
                if self.answer(kind, id, &mut wire).await? {
                    self.kept = Some(wire);
                }
                Ok(())
            }
        }
    }

    /// Sends over the connection that is kept, or over a new one.
    async fn send(&mut self, bytes: String) -> anyhow::Result<Wire> {
        let mut wire = match self.kept.take() {
            Some(wire) => wire,
            None => Wire::connect(self.gateway).await.context("connecting")?,
        };
        wire.send(bytes).await.context("sending")?;
        Ok(wire)
    }

    /// Reads an answer and writes it down; true where the connection carries another request.
    async fn answer(&self, kind: Kind, id: usize, wire: &mut Wire) -> anyhow::Result<bool> {
        let head = wire.head().await.context("reading")?.context("no answer")?;
        let body = if kind == Kind::Head {
            wire.body("").await
        } else {
            wire.body(&head).await
        };
        let mut seen = seen(kind);
        seen.status = status(&head)?;
        seen.body = body.bytes.len();
        seen.is_complete = body.is_complete;
        let is_own = body.bytes == answer_body(id).as_bytes();
        if seen.status == 200 && body.is_complete && kind != Kind::Head && !is_own {
            let text = String::from_utf8_lossy(&body.bytes);
            seen.complaint = Some(format!("another's answer: {text}"));
        }
        let persists = seen.is_complete && field(&head, "connection") != Some("close");
        self.oracle.record(id, seen);
        Ok(persists)
    }

    async fn tunnel(&mut self, kind: Kind, id: usize) -> anyhow::Result<()> {
        let mut wire = Wire::connect(self.gateway).await?;
        let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
        wire.send(request_with(kind, id, upgrade)).await?;
        let head = wire.head().await?.context("no answer")?;
        let mut seen = seen(kind);
        seen.status = status(&head)?;
        ensure!(seen.status == 101, "no tunnel: {head}");
        let said = format!("{id:0TUNNEL_BYTES$}");
        wire.send(&said).await?;
        let heard = wire.take(TUNNEL_BYTES).await.bytes;
        ensure!(heard == said.as_bytes(), "the tunnel carried {heard:?}");
        seen.body = heard.len();
        match kind {
            Kind::TunnelLeft => wire.reset()?,
            _ => {
                match kind {
                    Kind::Tunnel => wire.end_sending().await?,
                    _ => wire.send(".").await?,
                }
                let rest = String::from_utf8_lossy(&wire.rest().await).into_owned();
                ensure!(rest.is_empty(), "the tunnel's end carried {rest:?}");
            }
        }
        self.oracle.record(id, seen);
        Ok(())
    }

    /// Leaves once a backend has the request.
    async fn leave(&mut self, kind: Kind, id: usize) -> anyhow::Result<()> {
        let (arrived, go_on) = self.oracle.wait_for_arrival(id);
        let wire = self.send(request(kind, id)).await?;
        arrived.await.context("the request reached no backend")?;
        match kind {
            Kind::Abandon => wire.reset()?,
            _ => drop(wire),
        }
        self.oracle.record(id, seen(kind));
        // The backend that is told may be gone.
        go_on.send(()).ok();
        Ok(())
    }

    /// Leaves inside the response's body.
    async fn leave_inside(&mut self, id: usize) -> anyhow::Result<()> {
        let mut wire = self.send(request(Kind::Part, id)).await?;
        let head = wire.head().await?.context("no answer")?;
        let mut seen = seen(Kind::Part);
        seen.status = status(&head)?;
        let chunk = wire.take("5\r\nbegin\r\n".len()).await;
        seen.body = "begin".len();
        ensure!(chunk.is_complete, "no part of a body");
        self.oracle.record(id, seen);
        wire.reset()?;
        Ok(())
    }

    /// Leaves inside the request.
    async fn break_off(&mut self, kind: Kind, id: usize) -> anyhow::Result<()> {
        let length = format!("Content-Length: {BODY_BYTES}\r\n");
        let mut sent = request_with(kind, id, &length);
        if kind.is_request() {
            sent.push_str(&"x".repeat(UNFINISHED_BYTES));
        } else {
            sent.truncate(sent.len() - 3);
        }
        let mut wire = self.send(sent).await?;
        if matches!(kind, Kind::BodyReset | Kind::HeadReset) {
            wire.reset()?;
        } else {
            wire.end_sending().await?;
            ensure!(
                wire.rest().await.is_empty(),
                "an answer to a part of a request"
            );
        }
        self.oracle.record(id, seen(kind));
        Ok(())
    }
}

/// Nothing seen yet.
fn seen(kind: Kind) -> Seen {
    Seen {
        kind,
        status: 0,
        body: 0,
        is_complete: false,
        complaint: None,
    }
}

fn status(head: &str) -> anyhow::Result<u16> {
    let Some(status) = head.split(' ').nth(1).and_then(|text| text.parse().ok()) else {
        bail!("no status in {head:?}");
    };
    Ok(status)
}

fn request(kind: Kind, id: usize) -> String {
    let body = "x".repeat(BODY_BYTES);
    match kind {
        Kind::Post => {
            let length = format!("Content-Length: {BODY_BYTES}\r\n");
            request_with(kind, id, &length) + &body
        }
        Kind::Chunked => {
            let head = request_with(kind, id, "Transfer-Encoding: chunked\r\n");
            format!("{head}{BODY_BYTES:x}\r\n{body}\r\n0\r\n\r\n")
        }
        _ => request_with(kind, id, ""),
    }
}

fn request_with(kind: Kind, id: usize, fields: &str) -> String {
    let method = match kind {
        Kind::Head => "HEAD",
        Kind::Post | Kind::Chunked | Kind::BodyEnd | Kind::BodyReset => "POST",
        _ => "GET",
    };
    let name = kind.name();
    format!("{method} /{name}/{id} HTTP/1.1\r\nHost: shop.test\r\n{fields}\r\n")
}

//! An upgraded connection: bytes both ways, their meaning unknown, until both sides have ended.
//! Each direction is held back by the side that takes it, and each may end on its own.

use crate::connection;
use crate::error::ProxyError;
use crate::record::Exchange;
use crate::stream::Read;
use crate::upstream;
use crate::wire::Wire;
use crate::worker::Worker;
use rauta_http1::Headers;
use std::future::poll_fn;
use std::task::{Context, Poll, ready};

/// Sends the 101 and then everything both ways. What either side sent early follows the heads.
pub(crate) async fn run(
    worker: &Worker,
    exchange: &Exchange,
    (client, headers): (&mut connection::Http1, &Headers),
    backend: &mut upstream::Http1,
) -> Result<(), ProxyError> {
    exchange.streams();
    exchange.responds(http::StatusCode::SWITCHING_PROTOCOLS, headers);
    let watched = client.watched().clone();
    let downstream = client.switch(headers);
    let upstream = backend.wire();
    let _counted = Counted::new(worker);
    let (mut up, mut down) = (Direction::default(), Direction::default());
    let mut moved = 0;
    let result = poll_fn(|cx| {
        let moved_up = up.pump(cx, worker, downstream, upstream, |bytes| {
            exchange.received(bytes)
        });
        let moved_down = down.pump(cx, worker, upstream, downstream, |bytes| {
            exchange.sent(bytes)
        });
        match (moved_up, moved_down) {
            (Ok(()), Ok(())) => {}
            // What a side still had to say when it broke has been passed on by now.
            (Err(Broken::From), _) | (_, Err(Broken::To)) => {
                return Poll::Ready(Err(ProxyError::ClientClosed));
            }
            (Err(Broken::To), _) | (_, Err(Broken::From)) => {
                return Poll::Ready(Err(ProxyError::BackendCut));
            }
        }
        if up.is_over && down.is_over {
            return Poll::Ready(Ok(()));
        }
        let is_moving = std::mem::replace(&mut moved, up.moved + down.moved) != moved;
        if watched.is_expired() && !is_moving {
            return Poll::Ready(Err(ProxyError::StreamIdle));
        }
        watched.arm(worker.deadline(worker.config.limits.tunnel_idle));
        Poll::Pending
    })
    .await;
    watched.disarm();
    result
}

/// The side of a direction whose connection broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    /// The one that sends.
    From,
    /// The one that is sent to.
    To,
}

/// One direction of a tunnel.
#[derive(Debug, Default)]
struct Direction {
    has_ended: bool,
    is_over: bool,
    moved: u64,
}

impl Direction {
    /// Moves what can be moved; the end of one side's sending is passed on to the other.
    fn pump(
        &mut self,
        cx: &mut Context<'_>,
        worker: &Worker,
        from: &mut Wire,
        to: &mut Wire,
        count: impl Fn(usize),
    ) -> Result<(), Broken> {
        match self.poll(cx, worker, from, to, count) {
            Poll::Ready(result) => result,
            Poll::Pending => Ok(()),
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        worker: &Worker,
        from: &mut Wire,
        to: &mut Wire,
        count: impl Fn(usize),
    ) -> Poll<Result<(), Broken>> {
        while !self.is_over {
            let bytes = from.read.len();
            if bytes > 0 {
                let data = from.read.split().freeze();
                to.outbox(&worker.buffers).push(b"", data, b"");
                self.moved += bytes as u64;
                count(bytes);
            }
            ready!(to.poll_flush(cx, &worker.buffers)).map_err(|_| Broken::To)?;
            if self.has_ended {
                ready!(to.stream.poll_shutdown(cx)).map_err(|_| Broken::To)?;
                self.is_over = true;
                break;
            }
            match ready!(from.poll_fill(cx, &worker.buffers)) {
                Ok(Read::Bytes) => {}
                Ok(Read::End) => self.has_ended = true,
                Err(_) => return Poll::Ready(Err(Broken::From)),
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Counts as an open tunnel until dropped.
struct Counted<'a>(&'a Worker);

impl<'a> Counted<'a> {
    fn new(worker: &'a Worker) -> Self {
        worker.totals.tunnels.add(1);
        Self(worker)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.totals.tunnels.decrease();
    }
}

//! A client's HTTP/2 connection: settings, streams in, and when to stop. One task drives the
//! connection, and each stream has one of its own; which frames say what is the `h2` crate's.
//!
//! What a client can make RAUTA do for nothing is bounded: streams, windows, header lists, streams
//! reset before they were looked at or after, streams that broke the protocol, and time without a
//! stream. Some things happen inside the `h2` crate and are not seen here: a head that breaks
//! RFC 9113 resets its stream, or ends the connection where a byte stands in it that no field may
//! hold; a header list beyond its limit is answered 431; and a fragment of `:path`, and
//! pseudo-header fields among trailers, are left out.

mod stream; // one stream: the client's side of an exchange

pub(crate) use stream::Http2;

use super::{Client, Downstream, HeadFault, Http1, linger};
use crate::http2::{Io, SEND_BUFFER_BYTES, STREAM_WINDOW_BYTES, STREAMS_MAX, Shared};
use crate::request;
use crate::watch::Watched;
use crate::wire::Wire;
use crate::worker::Worker;
use bytes::{Bytes, BytesMut};
use h2::server::{self, Builder, SendResponse};
use h2::{Reason, RecvStream};
use rauta_http1::Request;
use rauta_schemas::ConnectionReason;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::task::JoinSet;

/// How every HTTP/2 connection begins (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How much all streams together may send before any of it is taken.
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;

/// Streams reset by the client before RAUTA has looked at them: beyond, the connection ends.
const RESETS_UNSEEN_MAX: usize = 20;

/// Streams that the client broke the protocol on: beyond, the connection ends.
const ERRORS_MAX: usize = 100;

/// Streams that the client took back before their answer, less those it waited for: beyond, the
/// connection ends. Each of them cost a backend something.
const RESETS_MAX: u32 = 200;

/// Does a connection begin with the whole preface?
pub(super) fn has_preface(read: &[u8]) -> bool {
    read.starts_with(PREFACE)
}

/// Is all that has come the beginning of the preface? No HTTP/1 request begins like it for long,
/// so nothing of one is ever kept waiting that could be used.
pub(super) fn may_become_preface(read: &[u8]) -> bool {
    PREFACE.starts_with(read)
}

/// Serves an HTTP/2 connection until it ends: after its preface was read, or once ALPN chose `h2`.
pub(crate) async fn serve(worker: &Rc<Worker>, client: Client, watched: Rc<Watched>, wire: Wire) {
    let shared = Shared::new(wire.stream, wire.read);
    watched.arm(worker.deadline(worker.config.limits.head));
    let handshake = settings(worker).handshake(Io(Rc::clone(&shared)));
    let shaking = async { handshake.await.map_err(drop) };
    let Ok(connection) = watched.until_expired((), shaking).await else {
        return client.ended(worker, ConnectionReason::HeadTimeout);
    };
    shared.gather();
    let mut serving = Serving {
        worker,
        client,
        watched: Rc::clone(&watched),
        shared,
        connection,
        streams: JoinSet::new(),
        resets: 0,
        phase: Phase::Fresh,
        idle_since_ms: worker.now_ms(),
        blocked: None,
    };
    let ended = poll_fn(|cx| serving.poll(cx)).await;
    serving.end(ended).await;
}

fn settings(worker: &Worker) -> Builder {
    let mut settings = Builder::new();
    let header_list = u32::try_from(worker.config.message.head_bytes).unwrap_or(u32::MAX);
    settings
        .max_concurrent_streams(STREAMS_MAX)
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_header_list_size(header_list)
        .max_send_buffer_size(SEND_BUFFER_BYTES)
        .max_pending_accept_reset_streams(RESETS_UNSEEN_MAX)
        .max_local_error_reset_streams(Some(ERRORS_MAX));
    settings
}

/// How far a connection's life has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No stream yet.
    Fresh,
    /// It carried a stream.
    Used,
    /// The client was told to open no further streams.
    Leaving,
    /// The client took too much back: all streams end.
    Expelled,
}

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// By either side's wish, or its socket broke: exchanges tell all there is to tell.
    Quietly,
    /// In a way that an event tells.
    For(ConnectionReason),
}

/// How an exchange left its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    Answered,
    /// The client took it back before the answer began.
    TakenBack,
}

/// A connection in service.
struct Serving<'a> {
    worker: &'a Rc<Worker>,
    client: Client,
    watched: Rc<Watched>,
    shared: Rc<Shared>,
    connection: server::Connection<Io, Bytes>,
    streams: JoinSet<Left>,
    resets: u32,
    phase: Phase,
    /// Since when there is no stream.
    idle_since_ms: u64,
    /// How many writes went before the one that the client holds back, and since when it does.
    blocked: Option<(u64, u64)>,
}

impl Serving<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        loop {
            self.bury(cx);
            if self.worker.is_draining() && matches!(self.phase, Phase::Fresh | Phase::Used) {
                self.leave();
            }
            let accepted = pin!(self.connection.accept()).poll(cx);
            match accepted {
                Poll::Ready(Some(Ok((request, respond)))) => self.begin(request, respond),
                Poll::Ready(Some(Err(error))) => {
                    let is_abuse = error.is_go_away() && error.is_library();
                    return Poll::Ready(match is_abuse {
                        true => Ended::For(ConnectionReason::Http2),
                        false => Ended::Quietly,
                    });
                }
                Poll::Ready(None) if self.phase == Phase::Expelled => {
                    return Poll::Ready(Ended::For(ConnectionReason::Http2));
                }
                Poll::Ready(None) => return Poll::Ready(Ended::Quietly),
                Poll::Pending => {
                    // Who holds it back is a matter of the clock.
                    let _written = self.shared.poll_flush(cx);
                    return self.look_at_clock();
                }
            }
        }
    }

    /// Takes note of streams that are over.
    fn bury(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(Some(left)) = self.streams.poll_join_next(cx) {
            self.idle_since_ms = self.worker.now_ms();
            // A panic is RAUTA's fault: it counts like an answer.
            self.resets = match left.unwrap_or(Left::Answered) {
                Left::Answered => self.resets.saturating_sub(1),
                Left::TakenBack => self.resets + 1,
            };
            if self.resets > RESETS_MAX && self.phase != Phase::Expelled {
                self.phase = Phase::Expelled;
                self.connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
            }
        }
    }

    fn begin(&mut self, request: http::Request<RecvStream>, respond: SendResponse<Bytes>) {
        if self.phase == Phase::Fresh {
            self.phase = Phase::Used;
        }
        let start = self.worker.read_clock();
        let worker = Rc::clone(self.worker);
        let mut client = self.client.on_stream();
        // Boxed, for a task's future is moved several times until it runs and after it has.
        self.streams.spawn_local(Box::pin(async move {
            let watched = worker.watch.enter();
            poll_fn(|cx| {
                watched.set_waker(cx.waker());
                Poll::Ready(())
            })
            .await;
            let (parts, body) = request.into_parts();
            let head = Request::from_h2(parts, body.is_end_stream(), &worker.config.message);
            let http2 = Http2::new(&worker, &watched, respond, body, head.as_ref().ok());
            let mut downstream = Downstream::Http2(Box::new(http2));
            let head = head.map_err(HeadFault::Refused);
            pin!(request::handle(
                &worker,
                &mut client,
                &mut downstream,
                start,
                head
            ))
            .await;
            if let Downstream::Http2(http2) = &mut downstream {
                http2.end_exchange(&worker).await;
            }
            match downstream.has_begun() {
                true => Left::Answered,
                false => Left::TakenBack,
            }
        }));
    }

    /// Asks the client to open no further streams; those that are open go on. Two GOAWAYs, so that
    /// no stream on its way is lost (RFC 9113 section 6.8).
    fn leave(&mut self) {
        self.phase = Phase::Leaving;
        self.idle_since_ms = self.worker.now_ms();
        self.connection.graceful_shutdown();
    }

    /// Nothing else can be done: ends what takes too long, or sets the deadline.
    fn look_at_clock(&mut self) -> Poll<Ended> {
        let now_ms = self.worker.now_ms();
        let limits = &self.worker.config.limits;
        self.blocked = self
            .shared
            .blocked_after()
            .map(|writes| match self.blocked {
                Some((before, since)) if before == writes => (writes, since),
                _ => (writes, now_ms),
            });
        let stalls_at = self
            .blocked
            .map(|(_, since)| since + millis(limits.progress));
        if stalls_at.is_some_and(|at| at <= now_ms) {
            return Poll::Ready(Ended::Quietly);
        }
        let patience = match self.phase {
            Phase::Fresh => limits.head,
            Phase::Used => limits.keep_alive,
            Phase::Leaving | Phase::Expelled => limits.drain_idle,
        };
        let idles_at = self
            .streams
            .is_empty()
            .then(|| self.idle_since_ms + millis(patience));
        if idles_at.is_some_and(|at| at <= now_ms) {
            match self.phase {
                Phase::Fresh => return Poll::Ready(Ended::For(ConnectionReason::HeadTimeout)),
                Phase::Leaving => return Poll::Ready(Ended::Quietly),
                Phase::Expelled => {
                    return Poll::Ready(Ended::For(ConnectionReason::Http2));
                }
                Phase::Used => self.leave(),
            }
            // The farewell has to be written.
            self.watched.arm(now_ms);
            return Poll::Pending;
        }
        match stalls_at.into_iter().chain(idles_at).min() {
            Some(deadline) => self.watched.arm(deadline),
            None => self.watched.disarm(),
        }
        Poll::Pending
    }

    /// Waits for the exchanges, which learn by themselves that their streams are gone, and then
    /// ends the connection so that the client reads the last that was said to it.
    async fn end(self, ended: Ended) {
        let Self {
            worker,
            client,
            watched,
            shared,
            connection,
            mut streams,
            ..
        } = self;
        drop(connection);
        while streams.join_next().await.is_some() {}
        if let Ended::For(reason) = ended {
            client.ended(worker, reason);
        }
        // What was said last, where there is room for it.
        poll_fn(|cx| {
            let _written = shared.poll_flush(cx);
            Poll::Ready(())
        })
        .await;
        if let Some(stream) = Shared::into_stream(shared) {
            let wire = Wire::new(stream, BytesMut::new());
            linger::close(&mut Http1::new(worker, &watched, wire)).await;
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / 2)
}

//! A client's HTTP/1 connection: heads in, bodies in and out, in the order of the requests. The
//! grammar is `rauta_http1`'s; here is only when to read, when to write and when to stop.

use super::discard::discard;
use super::http2;
use crate::body::Frame;
use crate::error::ProxyError;
use crate::outbox::Outbox;
use crate::stream::Read;
use crate::watch::Watched;
use crate::wire::Wire;
use crate::worker::Worker;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, Version};
use rauta_core::clock::Now;
use rauta_http1::{
    BodyDecoder, BodyEncoder, BodyLength, Decoded, Framing, HeadScan, Headers, Request,
    RequestError, response_framing, write_response_head,
};
use rauta_schemas::ConnectionReason;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// Bytes of later requests that are read ahead while one is served.
const READ_AHEAD_BYTES: usize = 16 * 1024;

/// What a connection brings next.
#[expect(
    clippy::large_enum_variant,
    reason = "a head is moved once and boxed nowhere"
)]
pub(crate) enum Next {
    /// A request's head, or what is wrong with it, and when its first byte came.
    Head(Now, Result<Request, HeadFault>),
    /// The client speaks HTTP/2: its preface stands at the front of what was read.
    Http2,
    /// The client closed between two requests, or was idle for too long.
    Closed,
    /// The connection ended inside a head.
    Cut(ConnectionReason),
}

/// Why there is an answer but no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadFault {
    /// The head was refused.
    Refused(RequestError),
    /// The head did not come to its end in time.
    TooSlow,
}

/// A client's connection, with the state of the exchange in hand.
pub(crate) struct Http1 {
    worker: Rc<Worker>,
    watched: Rc<Watched>,
    wire: Wire,
    /// Has a request been served?
    is_used: bool,
    /// Has the client closed its sending side?
    is_half_closed: bool,
    /// Will the connection carry another request?
    persists: bool,
    /// Was a response broken off?
    is_aborted: bool,
    /// Was the response in hand started?
    is_started: bool,
    /// Was any part of it given to the kernel?
    has_begun: bool,
    version: Version,
    is_head: bool,
    accepts_trailers: bool,
    /// Does the client wait for 100 before it sends its body?
    awaits_continue: bool,
    /// How much body the head declared; `None`: not known.
    declared: Option<u64>,
    body: Option<BodyDecoder>,
    encoder: Option<BodyEncoder>,
    trailers: Option<HeaderMap>,
}

impl Http1 {
    pub(crate) fn new(worker: &Rc<Worker>, watched: &Rc<Watched>, wire: Wire) -> Self {
        Self {
            worker: Rc::clone(worker),
            watched: Rc::clone(watched),
            wire,
            is_used: false,
            is_half_closed: false,
            persists: true,
            is_aborted: false,
            is_started: false,
            has_begun: false,
            version: Version::HTTP_11,
            is_head: false,
            accepts_trailers: false,
            awaits_continue: false,
            declared: None,
            body: None,
            encoder: None,
            trailers: None,
        }
    }

    pub(crate) fn watched(&self) -> &Rc<Watched> {
        &self.watched
    }

    pub(crate) fn wire(&mut self) -> &mut Wire {
        &mut self.wire
    }

    pub(crate) fn worker(&self) -> &Rc<Worker> {
        &self.worker
    }

    /// The connection's bytes, for another protocol.
    pub(crate) fn into_wire(self) -> Wire {
        self.wire
    }

    /// Waits for the next request's head.
    pub(crate) async fn next_head(&mut self) -> Next {
        let limits = &self.worker.config.limits;
        let idle = if self.is_used {
            limits.keep_alive
        } else {
            limits.head
        };
        // A head that is refused is answered like any other, whatever went before it.
        self.is_started = false;
        self.has_begun = false;
        let mut start = None;
        let mut scan = HeadScan::default();
        let mut is_drain_seen = false;
        self.watched.arm(self.worker.deadline(idle));
        let next = poll_fn(|cx| {
            loop {
                if !self.wire.read.is_empty() {
                    let began = *start.get_or_insert_with(|| {
                        self.watched
                            .arm(self.worker.deadline(self.worker.config.limits.head));
                        self.worker.read_clock()
                    });
                    match self.is_used {
                        false if http2::has_preface(&self.wire.read) => {
                            return Poll::Ready(Next::Http2);
                        }
                        false if http2::may_become_preface(&self.wire.read) => {}
                        _ => {
                            if let Some(head) = self.try_parse(&mut scan) {
                                return Poll::Ready(Next::Head(began, head));
                            }
                        }
                    }
                }
                if self.watched.is_expired() {
                    return Poll::Ready(match start {
                        Some(began) => Next::Head(began, Err(HeadFault::TooSlow)),
                        None if self.is_used => Next::Closed,
                        None => Next::Cut(ConnectionReason::HeadTimeout),
                    });
                }
                if self.worker.is_draining() && start.is_none() && !is_drain_seen {
                    is_drain_seen = true;
                    self.watched
                        .arm(self.worker.deadline(self.worker.config.limits.drain_idle));
                }
                match ready!(self.wire.poll_fill(cx, &self.worker.buffers)) {
                    Ok(Read::Bytes) => {}
                    Ok(Read::End) | Err(_) if start.is_some() => {
                        return Poll::Ready(Next::Cut(ConnectionReason::HeadCut));
                    }
                    Ok(Read::End) | Err(_) => return Poll::Ready(Next::Closed),
                }
            }
        })
        .await;
        self.watched.disarm();
        next
    }

    fn try_parse(&mut self, scan: &mut HeadScan) -> Option<Result<Request, HeadFault>> {
        let limits = &self.worker.config.message;
        if !scan.is_worth_parsing(&self.wire.read, limits) {
            return None;
        }
        match Request::parse(&mut self.wire.read, limits) {
            Ok(None) => None,
            Ok(Some(request)) => {
                self.begin(&request);
                Some(Ok(request))
            }
            Err(error) => {
                self.persists = false;
                self.is_head = false;
                Some(Err(HeadFault::Refused(error)))
            }
        }
    }

    fn begin(&mut self, request: &Request) {
        self.is_used = true;
        self.persists = request.keep_alive && !self.worker.is_draining();
        self.version = request.version;
        self.is_head = request.method == http::Method::HEAD;
        self.accepts_trailers = request.accepts_trailers;
        self.awaits_continue = request.expect_continue;
        self.declared = match request.body {
            BodyLength::Empty => Some(0),
            BodyLength::Length(length) => Some(length),
            BodyLength::Chunked | BodyLength::Unknown => None,
        };
        self.body = Some(BodyDecoder::new(request.body, &self.worker.config.message));
    }

    /// See [`super::Downstream::poll_body`].
    pub(crate) fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Frame>, ProxyError>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(Ok(None));
        };
        loop {
            match body.decode(&mut self.wire.read) {
                Ok(Decoded::Data(data)) => return Poll::Ready(Ok(Some(Frame::Data(data)))),
                Ok(Decoded::Trailers(trailers)) => {
                    return Poll::Ready(Ok(Some(Frame::Trailers(trailers))));
                }
                Ok(Decoded::End) => return Poll::Ready(Ok(None)),
                Ok(Decoded::NeedMore) => {}
                Err(error) => {
                    self.persists = false;
                    return Poll::Ready(Err(ProxyError::BadBody(error)));
                }
            }
            match ready!(self.wire.poll_fill(cx, &self.worker.buffers)) {
                // A body that comes unasked settles the matter of 100 (Continue).
                Ok(Read::Bytes) => self.awaits_continue = false,
                Ok(Read::End) | Err(_) => {
                    self.persists = false;
                    return Poll::Ready(Err(ProxyError::ClientClosed));
                }
            }
        }
    }

    /// See [`super::Downstream::poll_gone`]. Reads ahead, for only reading tells of a reset. The
    /// end of sending alone is no leaving: the response is still wanted (RFC 9112 section 9.6).
    pub(crate) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<ProxyError> {
        while !self.is_half_closed && self.wire.read.len() < READ_AHEAD_BYTES {
            match ready!(self.wire.poll_fill(cx, &self.worker.buffers)) {
                Ok(Read::Bytes) => {}
                Ok(Read::End) => {
                    self.is_half_closed = true;
                    self.persists = false;
                }
                Err(_) => {
                    self.persists = false;
                    return Poll::Ready(ProxyError::ClientClosed);
                }
            }
        }
        if self.is_half_closed && self.wire.stream.is_reset() {
            return Poll::Ready(ProxyError::ClientClosed);
        }
        Poll::Pending
    }

    /// Did the client close its sending side, so that only asking again tells of a reset?
    pub(crate) fn is_half_closed(&self) -> bool {
        self.is_half_closed
    }

    /// See [`super::Downstream::send_interim`]. HTTP/1.0 knows none.
    pub(crate) fn send_interim(&mut self, status: StatusCode, headers: &Headers) {
        if self.version == Version::HTTP_10 {
            return;
        }
        if status == StatusCode::CONTINUE && !std::mem::take(&mut self.awaits_continue) {
            return;
        }
        let out = self.wire.outbox(&self.worker.buffers).tail();
        write_response_head(out, self.version, status, headers, Framing::Empty, true);
    }

    /// See [`super::Downstream::start`].
    pub(crate) fn start(&mut self, status: StatusCode, headers: &Headers, length: Option<u64>) {
        self.is_started = true;
        let framing = response_framing(self.version, status, length);
        if framing == Framing::UntilClose
            || self.awaits_continue
            || self.must_close_over_body()
            || self.worker.is_draining()
        {
            self.persists = false;
        }
        let is_bodiless = self.is_head || status == StatusCode::NOT_MODIFIED;
        self.encoder = Some(if is_bodiless {
            BodyEncoder::none()
        } else {
            BodyEncoder::for_response(framing)
        });
        let out = self.wire.outbox(&self.worker.buffers).tail();
        write_response_head(out, self.version, status, headers, framing, self.persists);
    }

    /// A body that is known to be longer than what may be thrown away is not waited for.
    fn must_close_over_body(&self) -> bool {
        let is_open = self.body.as_ref().is_some_and(|body| !body.is_done());
        is_open
            && self
                .declared
                .is_some_and(|bytes| bytes > self.worker.config.limits.discard_bytes)
    }

    /// Switches protocols: what follows on the wire is no HTTP, whatever goes wrong.
    pub(crate) fn switch(&mut self, headers: &Headers) -> &mut Wire {
        self.persists = false;
        self.has_begun = true;
        let out = self.wire.outbox(&self.worker.buffers).tail();
        let status = StatusCode::SWITCHING_PROTOCOLS;
        write_response_head(out, self.version, status, headers, Framing::Empty, true);
        &mut self.wire
    }

    /// See [`super::Downstream::poll_ready`].
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ProxyError>> {
        if self.wire.out.has_room() {
            return Poll::Ready(Ok(()));
        }
        self.has_begun |= self.is_started;
        let written = ready!(self.wire.poll_make_room(cx, &self.worker.buffers));
        Poll::Ready(self.taken(written))
    }

    /// See [`super::Downstream::send`].
    pub(crate) fn send(&mut self, frame: Frame) -> Result<(), ProxyError> {
        match frame {
            Frame::Data(data) => self.send_data(data),
            Frame::Trailers(trailers) => {
                self.trailers = Some(trailers).filter(|_| self.accepts_trailers);
                Ok(())
            }
        }
    }

    fn send_data(&mut self, data: Bytes) -> Result<(), ProxyError> {
        let Some(encoder) = &mut self.encoder else {
            return Err(ProxyError::Internal);
        };
        if data.is_empty() {
            return Ok(());
        }
        let prefix = encoder
            .chunk_prefix(data.len())
            .map_err(|_| ProxyError::BackendCut)?;
        let out = self.wire.outbox(&self.worker.buffers);
        out.push(prefix.as_bytes(), data, prefix.suffix());
        Ok(())
    }

    /// See [`super::Downstream::finish`].
    pub(crate) fn finish(&mut self) -> Result<(), ProxyError> {
        let Some(encoder) = self.encoder.take() else {
            return Err(ProxyError::Internal);
        };
        let trailers = self.trailers.take();
        let out = self.wire.outbox(&self.worker.buffers).tail();
        encoder
            .finish(trailers.as_ref(), out)
            .map_err(|_| ProxyError::BackendCut)
    }

    /// See [`super::Downstream::poll_flush`].
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ProxyError>> {
        self.has_begun |= self.is_started;
        let flushed = ready!(self.wire.poll_flush(cx, &self.worker.buffers));
        Poll::Ready(self.taken(flushed))
    }

    fn taken(&mut self, written: std::io::Result<()>) -> Result<(), ProxyError> {
        self.persists &= written.is_ok();
        written.map_err(|_| ProxyError::ClientClosed)
    }

    /// See [`super::Downstream::waiting`].
    pub(crate) fn waiting(&self) -> usize {
        self.wire.out.len()
    }

    /// See [`super::Downstream::has_begun`].
    pub(crate) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// See [`super::Downstream::take_back`].
    pub(crate) fn take_back(&mut self) {
        self.is_started = false;
        self.wire.out = Outbox::default();
        self.encoder = None;
        self.trailers = None;
    }

    /// See [`super::Downstream::abort`]. A body that the connection's end would complete must be
    /// reset; with any other framing the early end itself tells.
    pub(crate) fn abort(&mut self) {
        self.persists = false;
        self.is_aborted = true;
        if self
            .encoder
            .as_ref()
            .is_some_and(BodyEncoder::is_until_close)
        {
            self.wire.stream.reset_on_drop();
        }
    }

    /// See [`super::Downstream::close_after`].
    pub(crate) fn close_after(&mut self) {
        self.persists = false;
    }

    /// Was a response broken off, so that an orderly end would lie?
    pub(crate) fn is_aborted(&self) -> bool {
        self.is_aborted
    }

    /// After a response: is the connection fit for the next request? Throws away what little is
    /// left of the request's body.
    pub(crate) async fn end_exchange(&mut self) -> bool {
        if !self.persists || self.encoder.is_some() {
            return false;
        }
        if self.body.as_ref().is_some_and(|body| !body.is_done()) && !self.discard_body().await {
            return false;
        }
        self.body = None;
        self.wire.rest(&self.worker.buffers);
        true
    }

    async fn discard_body(&mut self) -> bool {
        let (worker, watched) = (Rc::clone(&self.worker), Rc::clone(&self.watched));
        discard(&worker, &watched, |cx| self.poll_body(cx)).await
    }
}

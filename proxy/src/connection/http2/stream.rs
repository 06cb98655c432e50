//! One HTTP/2 stream: the client's side of one exchange. The response's head waits for the first of
//! its body, or for its end, so that a response without a body is one frame.

use crate::body::Frame;
use crate::connection::discard::discard;
use crate::error::ProxyError;
use crate::http2::{Fault, Gone, Receiver, Sender};
use crate::watch::Watched;
use crate::worker::Worker;
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::header::{CONTENT_LENGTH, HeaderValue};
use http::{HeaderMap, Method, Response, StatusCode};
use rauta_http1::{BodyLength, Headers, Request, strip_response_hop_by_hop};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// A stream, with the state of its exchange.
pub(crate) struct Http2 {
    watched: Rc<Watched>,
    body: Receiver,
    respond: SendResponse<Bytes>,
    /// The response's head, until it is sent.
    head: Option<Response<()>>,
    /// The response's body, once the head is sent.
    sender: Option<Sender>,
    trailers: Option<HeaderMap>,
    is_head: bool,
    /// Can the response have no body, by its status or the request's method?
    is_bodiless: bool,
    /// Was the whole response taken in?
    is_finished: bool,
    /// Does the client wait for 100 before it sends its body?
    awaits_continue: bool,
    /// The body's length, where the client told it.
    declared: Option<u64>,
}

impl Http2 {
    /// For the stream that `request`, or one that was refused, came on.
    pub(crate) fn new(
        worker: &Worker,
        watched: &Rc<Watched>,
        respond: SendResponse<Bytes>,
        body: RecvStream,
        request: Option<&Request>,
    ) -> Self {
        let limits = &worker.config.message;
        Self {
            watched: Rc::clone(watched),
            body: Receiver::new(body, limits.body_bytes, limits.into()),
            respond,
            head: None,
            sender: None,
            trailers: None,
            is_head: request.is_some_and(|request| request.method == Method::HEAD),
            is_bodiless: false,
            is_finished: false,
            awaits_continue: request.is_some_and(|request| request.expect_continue),
            declared: request.and_then(|request| match request.body {
                BodyLength::Length(bytes) => Some(bytes),
                BodyLength::Empty | BodyLength::Chunked | BodyLength::Unknown => None,
            }),
        }
    }

    pub(crate) fn watched(&self) -> &Rc<Watched> {
        &self.watched
    }

    /// See [`super::Downstream::poll_body`].
    pub(crate) fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Frame>, ProxyError>> {
        let frame = ready!(self.body.poll_frame(cx));
        // A body that comes unasked settles the matter of 100 (Continue).
        self.awaits_continue = false;
        Poll::Ready(frame.map_err(|fault| match fault {
            Fault::Body(error) => ProxyError::BadBody(error),
            Fault::Stream(_) => ProxyError::ClientClosed,
        }))
    }

    /// See [`super::Downstream::poll_gone`].
    pub(crate) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<ProxyError> {
        let gone = match &mut self.sender {
            Some(sender) => sender.poll_reset(cx),
            None => self.respond.poll_reset(cx).map(|_| ()),
        };
        gone.map(|()| ProxyError::ClientClosed)
    }

    /// See [`super::Downstream::send_interim`].
    pub(crate) fn send_interim(&mut self, status: StatusCode, headers: &Headers) {
        if status == StatusCode::CONTINUE && !std::mem::take(&mut self.awaits_continue) {
            return;
        }
        // A stream that is gone is told of by the next thing that waits for it.
        let _told_later = self.respond.send_informational(head(status, headers));
    }

    /// See [`super::Downstream::start`].
    pub(crate) fn start(&mut self, status: StatusCode, headers: &Headers, length: Option<u64>) {
        let mut response = head(status, headers);
        self.is_bodiless =
            self.is_head || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED;
        if let Some(length) = length.filter(|_| status != StatusCode::NO_CONTENT) {
            let fields = response.headers_mut();
            fields.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        self.head = Some(response);
    }

    fn send_head(&mut self, is_all: bool) -> Result<(), ProxyError> {
        if let Some(head) = self.head.take() {
            let sent = self.respond.send_response(head, is_all);
            let stream = sent.map_err(|_| ProxyError::ClientClosed)?;
            self.sender = Some(Sender::new(stream, is_all));
        }
        Ok(())
    }

    /// See [`super::Downstream::poll_ready`].
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ProxyError>> {
        match &mut self.sender {
            Some(sender) => sender.poll_ready(cx).map_err(gone),
            None => Poll::Ready(Ok(())),
        }
    }

    /// See [`super::Downstream::send`].
    pub(crate) fn send(&mut self, frame: Frame) -> Result<(), ProxyError> {
        match frame {
            Frame::Data(_) if self.is_bodiless => Ok(()),
            Frame::Data(data) => {
                self.send_head(false)?;
                let sender = self.sender.as_mut().ok_or(ProxyError::Internal)?;
                sender.send(data).map_err(gone)
            }
            Frame::Trailers(trailers) => {
                self.trailers = Some(trailers).filter(|trailers| !trailers.is_empty());
                Ok(())
            }
        }
    }

    /// See [`super::Downstream::finish`].
    pub(crate) fn finish(&mut self) -> Result<(), ProxyError> {
        self.is_finished = true;
        Ok(())
    }

    /// See [`super::Downstream::poll_flush`].
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ProxyError>> {
        if self.head.is_some() && self.is_finished && self.trailers.is_none() {
            return Poll::Ready(self.send_head(true));
        }
        self.send_head(false)?;
        let Some(sender) = &mut self.sender else {
            return Poll::Ready(Ok(()));
        };
        if self.is_finished {
            sender.finish(self.trailers.take());
        }
        sender.poll_flush(cx).map_err(gone)
    }

    /// See [`super::Downstream::waiting`].
    pub(crate) fn waiting(&self) -> usize {
        self.sender.as_ref().map_or(0, Sender::waiting)
    }

    /// See [`super::Downstream::has_begun`].
    pub(crate) fn has_begun(&self) -> bool {
        self.sender.is_some()
    }

    /// See [`super::Downstream::take_back`].
    pub(crate) fn take_back(&mut self) {
        self.head = None;
        self.trailers = None;
        self.is_finished = false;
    }

    /// After a whole response: throws away what little is left of the request's body. A stream
    /// given up before its body's end is reset, which takes nothing back (RFC 9113 section 8.1),
    /// but clients are known (curl 7.88) that drop the response then.
    pub(crate) async fn end_exchange(&mut self, worker: &Worker) {
        let limits = &worker.config.limits;
        let is_long = self.declared.is_some_and(|all| all > limits.discard_bytes);
        let is_answered = self.is_finished && self.sender.is_some();
        if !is_answered || self.body.is_at_end() || self.awaits_continue || is_long {
            return;
        }
        let watched = Rc::clone(&self.watched);
        // However it ends, the stream is over.
        let _is_complete = discard(worker, &watched, |cx| self.poll_body(cx)).await;
    }

    /// See [`super::Downstream::abort`].
    pub(crate) fn abort(&mut self) {
        self.is_finished = false;
        match &mut self.sender {
            Some(sender) => sender.reset(Reason::INTERNAL_ERROR),
            None => self.respond.send_reset(Reason::CANCEL),
        }
    }
}

fn gone(_: Gone) -> ProxyError {
    ProxyError::ClientClosed
}

/// A response's head, without what HTTP/2 has no place for (RFC 9113 section 8.2.2).
fn head(status: StatusCode, headers: &Headers) -> Response<()> {
    let mut fields = headers.clone();
    // What a filter wrote into Connection is nothing to keep either way.
    let _is_sound = strip_response_hop_by_hop(&mut fields);
    let mut response = Response::new(());
    *response.status_mut() = status;
    *response.headers_mut() = fields.to_map(|name| *name != CONTENT_LENGTH);
    response
}

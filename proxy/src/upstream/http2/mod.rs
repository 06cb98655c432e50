//! HTTP/2 toward the backend: one stream is one exchange. What the stream's end means for the
//! exchange, and whether the request may have been processed, is told by the two judgements below.

mod pool; // connections, and room on them

pub(crate) use pool::Connections;
pub(super) use pool::{Slot, acquire};

use super::{Outgoing, Response};
use crate::body::Frame;
use crate::error::ProxyError;
use crate::http2::{Fault, Receiver, Sender};
use crate::worker::Worker;
use bytes::Bytes;
use h2::Reason;
use h2::client::ResponseFuture;
use http::header::{CONTENT_LENGTH, HeaderMap, HeaderValue};
use http::uri::Scheme;
use http::{Method, Request, StatusCode, Uri};
use rauta_http1::{
    BodyLength, Headers, ResponseError, strip_hop_by_hop, strip_response_hop_by_hop,
};
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A stream, with the state of its exchange.
pub(crate) struct Http2 {
    slot: Slot,
    is_head_request: bool,
    /// Can the response have no body, by its status or the request's method?
    is_bodiless: bool,
    response: Option<ResponseFuture>,
    sender: Option<Sender>,
    body: Option<Receiver>,
    /// Why no stream could be opened.
    failure: Option<ProxyError>,
}

impl Http2 {
    pub(super) fn new(slot: Slot) -> Self {
        Self {
            slot,
            is_head_request: false,
            is_bodiless: false,
            response: None,
            sender: None,
            body: None,
            failure: None,
        }
    }

    pub(crate) fn local(&self) -> Option<SocketAddr> {
        self.slot.local()
    }

    /// Opens the stream.
    pub(crate) fn start(&mut self, outgoing: &Outgoing) {
        self.is_head_request = outgoing.method == Method::HEAD;
        let is_all = outgoing.body == BodyLength::Empty;
        let opened = head(outgoing, self.slot.is_tls()).and_then(|head| {
            let opened = self.slot.requests().send_request(head, is_all);
            opened.map_err(|error| self.before_response(&error))
        });
        match opened {
            Ok((response, stream)) => {
                self.response = Some(response);
                self.sender = Some(Sender::new(stream, is_all));
            }
            Err(error) => self.failure = Some(error),
        }
    }

    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ProxyError>> {
        match &mut self.sender {
            Some(sender) => sender.poll_ready(cx).map_err(|_| ProxyError::BackendReset),
            None => Poll::Ready(Err(ProxyError::BackendReset)),
        }
    }

    pub(crate) fn send(&mut self, frame: Frame) -> Result<(), ProxyError> {
        let sender = self.sender.as_mut().ok_or(ProxyError::BackendReset)?;
        match frame {
            Frame::Data(data) => sender.send(data).map_err(|_| ProxyError::BackendReset),
            Frame::Trailers(trailers) => {
                sender.finish(Some(trailers).filter(|trailers| !trailers.is_empty()));
                Ok(())
            }
        }
    }

    pub(crate) fn finish(&mut self) {
        if let Some(sender) = &mut self.sender {
            sender.finish(None);
        }
    }

    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ProxyError>> {
        match &mut self.sender {
            Some(sender) => sender.poll_flush(cx).map_err(|_| ProxyError::BackendReset),
            None => Poll::Ready(Err(ProxyError::BackendReset)),
        }
    }

    /// The next head, interim ones too.
    pub(crate) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        worker: &Worker,
    ) -> Poll<Result<Response, ProxyError>> {
        let Some(response) = &mut self.response else {
            let failure = self.failure.unwrap_or(ProxyError::Internal);
            return Poll::Ready(Err(failure));
        };
        if let Poll::Ready(Some(interim)) = response.poll_informational(cx) {
            let interim = interim.map_err(|error| self.before_response(&error))?;
            let (parts, ()) = interim.into_parts();
            return Poll::Ready(self.accept(parts, None, worker));
        }
        let response = ready!(Pin::new(response).poll(cx));
        let response = response.map_err(|error| self.before_response(&error))?;
        let (parts, stream) = response.into_parts();
        let announces_only = self.is_head_request || parts.status == StatusCode::NOT_MODIFIED;
        self.is_bodiless = announces_only || parts.status == StatusCode::NO_CONTENT;
        let length = match content_length(&parts.headers) {
            _ if stream.is_end_stream() && !announces_only => Ok(Some(0)),
            length => length,
        };
        let length = length.map_err(ProxyError::BadResponse)?;
        // The backend's own limit is the client's patience: a response may be as long as it likes.
        let limits = &worker.config.message;
        self.body = Some(Receiver::new(stream, None, limits.into()));
        self.response = None;
        Poll::Ready(self.accept(parts, length, worker))
    }

    fn accept(
        &self,
        parts: http::response::Parts,
        length: Option<u64>,
        worker: &Worker,
    ) -> Result<Response, ProxyError> {
        let (status, mut headers) = (parts.status, parts.headers);
        if status.as_u16() > 599 {
            return Err(ProxyError::BadResponse(ResponseError::Status));
        }
        if headers.len() > worker.config.message.fields {
            return Err(ProxyError::BadResponse(ResponseError::TooManyFields));
        }
        headers.remove(CONTENT_LENGTH);
        let mut headers = Headers::from(headers);
        strip_response_hop_by_hop(&mut headers).map_err(ProxyError::BadResponse)?;
        Ok(Response {
            status,
            headers,
            length,
        })
    }

    pub(crate) fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Frame>, ProxyError>> {
        let body = self.body.as_mut().ok_or(ProxyError::Internal)?;
        let frame = ready!(body.poll_frame(cx));
        if let Ok(Some(Frame::Data(data))) = &frame
            && self.is_bodiless
            && !data.is_empty()
        {
            // Nobody may get it: the response is whole, and what is left of the stream is reset.
            return Poll::Ready(Ok(None));
        }
        Poll::Ready(frame.map_err(|fault| match fault {
            Fault::Body(error) => ProxyError::BadResponseBody(error),
            Fault::Stream(error) if is_breach(&error) => ProxyError::BackendHttp2,
            Fault::Stream(_) => ProxyError::BackendCut,
        }))
    }

    /// What a stream's end before its response means. RFC 9113 section 8.7: after REFUSED_STREAM,
    /// or when GOAWAY leaves the stream out, the request was not processed. The `h2` crate fails
    /// with a GOAWAY only the streams that it leaves out.
    fn before_response(&self, error: &h2::Error) -> ProxyError {
        let is_refused = error.reason() == Some(Reason::REFUSED_STREAM);
        if error.is_remote() && error.is_reset() && is_refused {
            ProxyError::RefusedStream
        } else if error.is_remote() && error.is_go_away() {
            if self.slot.is_reused() {
                ProxyError::StaleConnection
            } else {
                ProxyError::RefusedStream
            }
        } else if is_breach(error) {
            ProxyError::BackendHttp2
        } else if error.is_io() && self.slot.is_reused() {
            ProxyError::StaleConnection
        } else {
            ProxyError::BackendReset
        }
    }
}

/// Did the `h2` crate end it, because the backend broke the protocol?
fn is_breach(error: &h2::Error) -> bool {
    error.is_library() && (error.is_reset() || error.is_go_away())
}

/// The request's head as HTTP/2 has it.
fn head(outgoing: &Outgoing, is_tls: bool) -> Result<Request<()>, ProxyError> {
    let mut uri = http::uri::Parts::default();
    uri.scheme = Some(if is_tls { Scheme::HTTPS } else { Scheme::HTTP });
    uri.authority = Some(outgoing.authority.clone());
    uri.path_and_query = Some(outgoing.target.clone());
    let mut headers = outgoing.headers.clone();
    // An upgrade, and what a filter wrote into Connection, have no place here.
    strip_hop_by_hop(&mut headers).map_err(ProxyError::BadRequest)?;
    let mut headers = headers.to_map(|name| *name != http::header::HOST);
    if let BodyLength::Length(length) = outgoing.body {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    let mut request = Request::new(());
    *request.method_mut() = outgoing.method.clone();
    *request.uri_mut() = Uri::from_parts(uri).map_err(|_| ProxyError::Internal)?;
    *request.headers_mut() = headers;
    Ok(request)
}

/// The declared length, where there is one and only one.
fn content_length(headers: &HeaderMap) -> Result<Option<u64>, ResponseError> {
    let mut length = None;
    for value in headers.get_all(CONTENT_LENGTH) {
        let text = value.to_str().map_err(|_| ResponseError::ContentLength)?;
        let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let declared = text.parse().ok().filter(|_| is_plain);
        let declared: u64 = declared.ok_or(ResponseError::ContentLength)?;
        if length
            .replace(declared)
            .is_some_and(|before| before != declared)
        {
            return Err(ResponseError::ContentLength);
        }
    }
    Ok(length)
}

/// Where streams of one connection are opened.
type Requests = h2::client::SendRequest<Bytes>;

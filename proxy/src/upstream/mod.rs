//! The backend's side of an exchange. Protocols differ only here and in `connection`: whatever is
//! spoken, a request travels over an [`Upstream`], whose methods are the same for each of them.

mod attempt; // endpoint, connection, and one attempt after the other
mod connect; // new connections, and what their failure means for the endpoint
mod http1; // HTTP/1 framing toward the backend
mod http2; // HTTP/2 streams toward the backend
mod pool; // unused HTTP/1 connections

pub(crate) use attempt::{Sending, Sent, send};
pub(crate) use connect::{acquire, at_hand};
pub(crate) use http1::Http1;
pub(crate) use http2::{Connections, Http2};
pub(crate) use pool::Pool;

use crate::body::Frame;
use crate::error::ProxyError;
use crate::worker::Worker;
use http::uri::{Authority, PathAndQuery};
use http::{Method, StatusCode};
use rauta_http1::{BodyLength, Headers};
use rauta_schemas::HttpVersion;
use std::net::SocketAddr;
use std::task::{Context, Poll};

/// A request as it leaves: filters applied, hop-by-hop fields gone.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) target: PathAndQuery,
    pub(crate) authority: Authority,
    pub(crate) headers: Headers,
    pub(crate) body: BodyLength,
    /// Did the client ask to switch protocols?
    pub(crate) is_upgrade: bool,
}

/// A response's head as it arrived, hop-by-hop fields gone.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: Headers,
    /// The body's length, where it is known.
    pub(crate) length: Option<u64>,
}

/// The backend's side of one exchange.
pub(crate) enum Upstream {
    /// An HTTP/1.1 connection, this exchange's alone.
    Http1(Box<Http1>),
    /// A stream of an HTTP/2 connection.
    Http2(Box<Http2>),
}

impl Upstream {
    /// The version spoken.
    pub(crate) fn version(&self) -> HttpVersion {
        match self {
            Self::Http1(_) => HttpVersion::Http11,
            Self::Http2(_) => HttpVersion::Http2,
        }
    }

    /// RAUTA's own address.
    pub(crate) fn local(&self) -> Option<SocketAddr> {
        match self {
            Self::Http1(http1) => http1.local(),
            Self::Http2(http2) => http2.local(),
        }
    }

    /// Starts the request.
    pub(crate) fn start(&mut self, worker: &Worker, request: &Outgoing) {
        match self {
            Self::Http1(http1) => http1.start(worker, request),
            Self::Http2(http2) => http2.start(request),
        }
    }

    /// Waits until a frame can be taken in.
    pub(crate) fn poll_ready(
        &mut self,
        cx: &mut Context<'_>,
        worker: &Worker,
    ) -> Poll<Result<(), ProxyError>> {
        match self {
            Self::Http1(http1) => http1.poll_ready(cx, worker),
            Self::Http2(http2) => http2.poll_ready(cx),
        }
    }

    /// Takes in a piece of the request's body.
    pub(crate) fn send(&mut self, worker: &Worker, frame: Frame) -> Result<(), ProxyError> {
        match self {
            Self::Http1(http1) => http1.send(worker, frame),
            Self::Http2(http2) => http2.send(frame),
        }
    }

    /// The request's body is complete.
    pub(crate) fn finish(&mut self, worker: &Worker) -> Result<(), ProxyError> {
        match self {
            Self::Http1(http1) => http1.finish(worker),
            Self::Http2(http2) => {
                http2.finish();
                Ok(())
            }
        }
    }

    /// Waits until everything taken in was handed to the kernel.
    pub(crate) fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        worker: &Worker,
    ) -> Poll<Result<(), ProxyError>> {
        match self {
            Self::Http1(http1) => http1.poll_flush(cx, worker),
            Self::Http2(http2) => http2.poll_flush(cx),
        }
    }

    /// The next head: interim ones (1xx) too.
    pub(crate) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        worker: &Worker,
    ) -> Poll<Result<Response, ProxyError>> {
        match self {
            Self::Http1(http1) => http1.poll_head(cx, worker),
            Self::Http2(http2) => http2.poll_head(cx, worker),
        }
    }

    /// The next piece of the response's body; `None` at its end.
    pub(crate) fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
        worker: &Worker,
    ) -> Poll<Result<Option<Frame>, ProxyError>> {
        match self {
            Self::Http1(http1) => http1.poll_body(cx, worker),
            Self::Http2(http2) => http2.poll_body(cx),
        }
    }

    /// Hands the connection on to later requests, where its state allows.
    pub(crate) fn release(self, worker: &Worker) {
        match self {
            Self::Http1(http1) => {
                if http1.is_reusable() {
                    worker.pool.put(http1, worker);
                }
            }
            // Its connection never left the pool; a stream that is not over yet is reset.
            Self::Http2(_) => {}
        }
    }
}

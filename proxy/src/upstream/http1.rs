//! An HTTP/1.1 connection to an endpoint, carrying one request at a time.

use super::{Outgoing, Response};
use crate::body::Frame;
use crate::error::ProxyError;
use crate::stream::{Read, Stream};
use crate::upstream::pool::Key;
use crate::wire::Wire;
use crate::worker::Worker;
use bytes::BytesMut;
use http::Method;
use http::header::UPGRADE;
use rauta_http1::{
    BodyDecoder, BodyEncoder, BodyLength, Decoded, HeadScan, Response as ResponseHead,
    strip_response_hop_by_hop, write_request_head,
};
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};

/// A connection to an endpoint, with the state of the exchange in hand.
pub(crate) struct Http1 {
    key: Key,
    local: Option<SocketAddr>,
    wire: Wire,
    /// Requests that were started on it.
    requests: u32,
    method: Method,
    encoder: Option<BodyEncoder>,
    scan: HeadScan,
    body: Option<BodyDecoder>,
    /// Did any byte of a response to the request in hand arrive?
    has_answered: bool,
    /// Did writing fail? The response may be there all the same.
    is_deaf: bool,
    keeps_alive: bool,
}

impl Http1 {
    pub(crate) fn new(key: Key, stream: Stream, local: Option<SocketAddr>) -> Self {
        Self {
            key,
            local,
            wire: Wire::new(stream, BytesMut::new()),
            requests: 0,
            method: Method::GET,
            encoder: None,
            scan: HeadScan::default(),
            body: None,
            has_answered: false,
            is_deaf: false,
            keeps_alive: true,
        }
    }

    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    pub(crate) fn local(&self) -> Option<SocketAddr> {
        self.local
    }

    pub(crate) fn is_reused(&self) -> bool {
        self.requests > 1
    }

    /// The bytes in both directions, once the backend has switched protocols.
    pub(crate) fn wire(&mut self) -> &mut Wire {
        &mut self.wire
    }

    /// Has an unused connection anything to read? Then it is of no use any more.
    pub(crate) fn has_news(&mut self) -> bool {
        self.wire.stream.has_news()
    }

    /// Is the exchange over on both sides, with nothing left that could be taken for another's?
    pub(crate) fn is_reusable(&self) -> bool {
        self.keeps_alive
            && !self.is_deaf
            && self.encoder.is_none()
            && self.wire.is_flushed()
            && self.wire.read.is_empty()
            && self.body.as_ref().is_some_and(BodyDecoder::is_done)
    }

    /// Gives back what an unused connection needs not hold.
    pub(crate) fn rest(&mut self, worker: &Worker) {
        self.body = None;
        self.wire.rest(&worker.buffers);
    }

    pub(crate) fn start(&mut self, worker: &Worker, request: &Outgoing) {
        self.requests += 1;
        self.method = request.method.clone();
        self.scan.reset();
        self.body = None;
        self.has_answered = false;
        // HTTP/2 bodies of unknown length leave as chunks.
        let body = match request.body {
            BodyLength::Unknown => BodyLength::Chunked,
            known => known,
        };
        self.encoder = Some(BodyEncoder::for_request(body));
        write_request_head(
            self.wire.outbox(&worker.buffers).tail(),
            &request.method,
            &request.target,
            &request.authority,
            &request.headers,
            body,
        );
    }

    pub(crate) fn poll_ready(
        &mut self,
        cx: &mut Context<'_>,
        worker: &Worker,
    ) -> Poll<Result<(), ProxyError>> {
        if self.wire.out.has_room() {
            return Poll::Ready(Ok(()));
        }
        if self.is_deaf {
            return Poll::Ready(Err(self.broken()));
        }
        let written = ready!(self.wire.poll_make_room(cx, &worker.buffers));
        Poll::Ready(self.taken(written))
    }

    pub(crate) fn send(&mut self, worker: &Worker, frame: Frame) -> Result<(), ProxyError> {
        if self.is_deaf {
            return Err(self.broken());
        }
        let Some(encoder) = &mut self.encoder else {
            return Err(ProxyError::Internal);
        };
        match frame {
            Frame::Data(data) => {
                let prefix = encoder
                    .chunk_prefix(data.len())
                    .map_err(|_| ProxyError::Internal)?;
                let out = self.wire.outbox(&worker.buffers);
                out.push(prefix.as_bytes(), data, prefix.suffix());
            }
            Frame::Trailers(trailers) => {
                let Some(encoder) = self.encoder.take() else {
                    return Ok(());
                };
                let out = self.wire.outbox(&worker.buffers).tail();
                encoder
                    .finish(Some(&trailers), out)
                    .map_err(|_| ProxyError::Internal)?;
            }
        }
        Ok(())
    }

    pub(crate) fn finish(&mut self, worker: &Worker) -> Result<(), ProxyError> {
        let Some(encoder) = self.encoder.take() else {
            return Ok(());
        };
        let out = self.wire.outbox(&worker.buffers).tail();
        encoder.finish(None, out).map_err(|_| ProxyError::Internal)
    }

    pub(crate) fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        worker: &Worker,
    ) -> Poll<Result<(), ProxyError>> {
        if self.is_deaf {
            return Poll::Ready(Err(self.broken()));
        }
        let flushed = ready!(self.wire.poll_flush(cx, &worker.buffers));
        Poll::Ready(self.taken(flushed))
    }

    fn taken(&mut self, written: std::io::Result<()>) -> Result<(), ProxyError> {
        self.is_deaf |= written.is_err();
        written.map_err(|_| self.broken())
    }

    /// The next head, interim ones too. Its hop-by-hop fields are gone, but for the `Upgrade` of a
    /// 101.
    pub(crate) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        worker: &Worker,
    ) -> Poll<Result<Response, ProxyError>> {
        let limits = &worker.config.message;
        loop {
            if !self.wire.read.is_empty() && self.scan.is_worth_parsing(&self.wire.read, limits) {
                self.has_answered = true;
                let parsed = ResponseHead::parse(&mut self.wire.read, &self.method, limits);
                match parsed.map_err(ProxyError::BadResponse) {
                    Ok(Some(head)) => return Poll::Ready(self.accept(head, worker)),
                    Ok(None) => {}
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
            match ready!(self.wire.poll_fill(cx, &worker.buffers)) {
                Ok(Read::Bytes) => {}
                Ok(Read::End) | Err(_) => return Poll::Ready(Err(self.broken())),
            }
        }
    }

    fn accept(&mut self, head: ResponseHead, worker: &Worker) -> Result<Response, ProxyError> {
        let mut headers = head.headers;
        let is_switch = head.status == http::StatusCode::SWITCHING_PROTOCOLS;
        let upgrade = headers.value(&UPGRADE).filter(|_| is_switch);
        strip_response_hop_by_hop(&mut headers).map_err(ProxyError::BadResponse)?;
        self.scan.reset();
        if is_switch {
            self.keeps_alive = false;
            headers.extend(upgrade.map(|value| (UPGRADE, value)));
        } else if !head.status.is_informational() {
            self.keeps_alive &= head.keep_alive;
            self.body = Some(BodyDecoder::for_response(head.body, &worker.config.message));
        }
        Ok(Response {
            status: head.status,
            headers,
            length: head.length,
        })
    }

    pub(crate) fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
        worker: &Worker,
    ) -> Poll<Result<Option<Frame>, ProxyError>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(Err(ProxyError::Internal));
        };
        loop {
            match body
                .decode(&mut self.wire.read)
                .map_err(ProxyError::BadResponseBody)
            {
                Ok(Decoded::Data(data)) => return Poll::Ready(Ok(Some(Frame::Data(data)))),
                Ok(Decoded::Trailers(trailers)) => {
                    return Poll::Ready(Ok(Some(Frame::Trailers(trailers))));
                }
                Ok(Decoded::End) => return Poll::Ready(Ok(None)),
                Ok(Decoded::NeedMore) => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
            match ready!(self.wire.poll_fill(cx, &worker.buffers)) {
                Ok(Read::Bytes) => {}
                Ok(Read::End) => {
                    self.keeps_alive = false;
                    if body.finish().is_err() {
                        return Poll::Ready(Err(ProxyError::BackendCut));
                    }
                }
                Err(_) => return Poll::Ready(Err(ProxyError::BackendCut)),
            }
        }
    }

    /// What the connection's end means before a response's head.
    fn broken(&self) -> ProxyError {
        if self.is_reused() && !self.has_answered {
            ProxyError::StaleConnection
        } else {
            ProxyError::BackendReset
        }
    }
}

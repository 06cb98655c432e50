//! A stream's body in. A piece's share of the windows is given back when the piece is handed out,
//! so that a receiver which takes nothing holds the sender back.

use crate::body::Frame;
use h2::RecvStream;
use http::HeaderMap;
use rauta_http1::{BodyError, Limits, filter_trailers};
use std::task::{Context, Poll, ready};

/// Why a body breaks off.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The stream or its connection ended early, or the peer broke the protocol.
    Stream(h2::Error),
    /// The body is refused.
    Body(BodyError),
}

/// How far a trailer section may go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TrailerLimits {
    bytes: usize,
    fields: usize,
}

impl From<&Limits> for TrailerLimits {
    fn from(limits: &Limits) -> Self {
        Self {
            bytes: limits.trailer_bytes,
            fields: limits.trailer_fields,
        }
    }
}

impl TrailerLimits {
    fn admit(self, trailers: &HeaderMap) -> bool {
        let size = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            name.as_str().len() + value.len() + 4
        };
        trailers.len() <= self.fields && trailers.iter().map(size).sum::<usize>() <= self.bytes
    }
}

/// The receiving half of a stream.
pub(crate) struct Receiver {
    stream: RecvStream,
    /// Bytes that may still come.
    left: Option<u64>,
    trailers: TrailerLimits,
    has_trailers_read: bool,
}

impl Receiver {
    /// At the start of a body of at most `limit` bytes.
    pub(crate) fn new(stream: RecvStream, limit: Option<u64>, trailers: TrailerLimits) -> Self {
        Self {
            stream,
            left: limit,
            trailers,
            has_trailers_read: false,
        }
    }

    /// The next piece; `None` at the end. Of the trailers only the fields that may stand there.
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Frame>, Fault>> {
        if self.has_trailers_read {
            return Poll::Ready(Ok(None));
        }
        while let Some(data) = ready!(self.stream.poll_data(cx)) {
            let data = data.map_err(Fault::Stream)?;
            if data.is_empty() {
                continue;
            }
            self.count(data.len() as u64)?;
            let window = self.stream.flow_control();
            window.release_capacity(data.len()).map_err(Fault::Stream)?;
            return Poll::Ready(Ok(Some(Frame::Data(data))));
        }
        let trailers = ready!(self.stream.poll_trailers(cx)).map_err(Fault::Stream)?;
        self.has_trailers_read = true;
        let Some(mut trailers) = trailers else {
            return Poll::Ready(Ok(None));
        };
        if !self.trailers.admit(&trailers) {
            return Poll::Ready(Err(Fault::Body(BodyError::Trailer)));
        }
        filter_trailers(&mut trailers);
        Poll::Ready(Ok(Some(Frame::Trailers(trailers))))
    }

    /// Has the whole body come, and was it handed out?
    pub(crate) fn is_at_end(&self) -> bool {
        self.has_trailers_read || self.stream.is_end_stream()
    }

    fn count(&mut self, bytes: u64) -> Result<(), Fault> {
        if let Some(left) = self.left {
            let rest = left.checked_sub(bytes);
            self.left = Some(rest.ok_or(Fault::Body(BodyError::TooLarge))?);
        }
        Ok(())
    }
}

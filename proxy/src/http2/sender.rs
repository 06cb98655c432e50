//! A stream's body out. One piece waits here at most, and the `h2` crate is given only what the
//! peer's windows have room for: what it holds can be kept back by the socket alone, never by a
//! peer that opens no window, whom the exchange's own deadlines find.

use bytes::Bytes;
use h2::{Reason, SendStream};
use http::HeaderMap;
use std::task::{Context, Poll, ready};

/// The stream takes nothing more: it was reset, or its connection is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gone;

impl From<h2::Error> for Gone {
    fn from(_: h2::Error) -> Self {
        Self
    }
}

/// How a body ends.
enum End {
    NotYet,
    Due(Option<HeaderMap>),
    Sent,
}

/// The sending half of a stream.
pub(crate) struct Sender {
    stream: SendStream<Bytes>,
    waiting: Bytes,
    end: End,
}

impl Sender {
    /// After the head, at the start of a body, unless the head was all there is.
    pub(crate) fn new(stream: SendStream<Bytes>, is_over: bool) -> Self {
        Self {
            stream,
            waiting: Bytes::new(),
            end: if is_over { End::Sent } else { End::NotYet },
        }
    }

    /// Waits until [`Sender::send`] may be called. A piece that the windows have room for is kept
    /// all the same: if it turns out to be the last, it can tell so.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        while !self.waiting.is_empty() {
            self.stream.reserve_capacity(self.waiting.len());
            let room = self.stream.capacity();
            if room >= self.waiting.len() {
                break;
            }
            if room > 0 {
                let part = self.waiting.split_to(room);
                self.stream.send_data(part, false)?;
            } else {
                ready!(self.stream.poll_capacity(cx)).ok_or(Gone)??;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Takes in a piece; only when ready.
    pub(crate) fn send(&mut self, data: Bytes) -> Result<(), Gone> {
        let before = std::mem::replace(&mut self.waiting, data);
        if !before.is_empty() {
            self.stream.send_data(before, false)?;
        }
        Ok(())
    }

    /// The body is complete.
    pub(crate) fn finish(&mut self, trailers: Option<HeaderMap>) {
        if matches!(self.end, End::NotYet) {
            self.end = End::Due(trailers);
        }
    }

    /// Waits until everything taken in fits the peer's windows and was handed over to be written.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        ready!(self.poll_ready(cx))?;
        let waiting = std::mem::take(&mut self.waiting);
        let trailers = match std::mem::replace(&mut self.end, End::Sent) {
            End::Sent => return Poll::Ready(Ok(())),
            End::Due(None) => {
                self.stream.send_data(waiting, true)?;
                return Poll::Ready(Ok(()));
            }
            End::Due(Some(trailers)) => Some(trailers),
            End::NotYet => {
                self.end = End::NotYet;
                None
            }
        };
        if !waiting.is_empty() {
            self.stream.send_data(waiting, false)?;
        }
        if let Some(trailers) = trailers {
            self.stream.send_trailers(trailers)?;
        }
        Poll::Ready(Ok(()))
    }

    /// Bytes that wait for the peer's windows.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Ends the stream so that the peer can tell.
    pub(crate) fn reset(&mut self, reason: Reason) {
        self.stream.send_reset(reason);
    }

    /// Waits for the peer to reset the stream, or for its connection to end.
    pub(crate) fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.stream.poll_reset(cx).map(|_| ())
    }
}

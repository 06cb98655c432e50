//! One HTTP/1 connection as bytes: its stream, what was read and not yet used, and what waits to
//! be written. Both sides of the proxy use it; neither framing nor meaning is known here.

use crate::buffers::{Buffers, READ_BYTES};
use crate::outbox::Outbox;
use crate::stream::{Read, Stream};
use bytes::BytesMut;
use std::io;
use std::task::{Context, Poll, ready};

/// Room for reads of a body that has filled the ordinary room: fewer system calls.
const LARGE_READ_BYTES: usize = 64 * 1024;

/// A connection's bytes in both directions.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) stream: Stream,
    pub(crate) read: BytesMut,
    pub(crate) out: Outbox,
    room: usize,
}

impl Wire {
    /// Starts on a stream, with bytes that were read from it already.
    pub(crate) fn new(stream: Stream, read: BytesMut) -> Self {
        Self {
            stream,
            read,
            out: Outbox::default(),
            room: READ_BYTES,
        }
    }

    /// Reads once, behind what is there. A buffer is held only while there is something in it.
    pub(crate) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        buffers: &Buffers,
    ) -> Poll<io::Result<Read>> {
        // A buffer that was there before may still be shared with a head's values: it stays until
        // the exchange is over, when it can be used again as a whole.
        let is_fresh = self.read.capacity() == 0;
        if is_fresh {
            self.read = buffers.take();
        }
        if self.read.capacity() - self.read.len() < self.room / 4 {
            self.read.reserve(self.room);
        }
        let before = self.read.len();
        let room = self.read.capacity() - before;
        let read = self.stream.poll_read(cx, &mut self.read);
        if self.read.len() - before == room {
            self.room = LARGE_READ_BYTES;
        }
        if is_fresh && self.read.is_empty() {
            buffers.give(std::mem::take(&mut self.read));
        }
        read
    }

    /// Writes until nothing waits.
    pub(crate) fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        buffers: &Buffers,
    ) -> Poll<io::Result<()>> {
        if !self.out.is_empty() {
            ready!(self.out.poll_flush(cx, &mut self.stream))?;
            buffers.give(std::mem::take(&mut self.out).into_buffer());
        }
        if self.stream.is_flushed() {
            return Poll::Ready(Ok(()));
        }
        self.stream.poll_flush(cx)
    }

    /// Does nothing wait to be written?
    pub(crate) fn is_flushed(&self) -> bool {
        self.out.is_empty() && self.stream.is_flushed()
    }

    /// The outgoing bytes, with a buffer to append to.
    pub(crate) fn outbox(&mut self, buffers: &Buffers) -> &mut Outbox {
        if self.out.is_empty() {
            let unused = std::mem::replace(&mut self.out, Outbox::with_buffer(buffers.take()));
            buffers.give(unused.into_buffer());
        }
        &mut self.out
    }

    /// Between two messages: gives back what is empty.
    pub(crate) fn rest(&mut self, buffers: &Buffers) {
        self.room = READ_BYTES;
        if self.read.is_empty() && self.read.capacity() > 0 {
            buffers.give(std::mem::take(&mut self.read));
        }
    }
}

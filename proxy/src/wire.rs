//! One HTTP/1 connection as bytes: its stream, what was read and not yet used, and what waits to
//! be written. Both sides of the proxy use it; neither framing nor meaning is known here.

use crate::buffers::{Buffers, READ_BYTES};
use crate::outbox::Outbox;
use crate::stream::{Follows, Read, Stream};
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
    /// May the kernel hold back some of what was written?
    is_held: bool,
}

impl Wire {
    /// Starts on a stream, with bytes that were read from it already.
    pub(crate) fn new(stream: Stream, read: BytesMut) -> Self {
        Self {
            stream,
            read,
            out: Outbox::default(),
            room: READ_BYTES,
            is_held: false,
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
        if self.read.capacity() - self.read.len() <= self.room / 4 {
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

    /// Writes until nothing waits, and lets all of it leave.
    pub(crate) fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        buffers: &Buffers,
    ) -> Poll<io::Result<()>> {
        if !self.out.is_empty() {
            ready!(self.poll_write(cx, buffers, Follows::Nothing))?;
            self.is_held = false;
        }
        if std::mem::take(&mut self.is_held) {
            self.stream.push();
        }
        if self.stream.is_flushed() {
            return Poll::Ready(Ok(()));
        }
        self.stream.poll_flush(cx)
    }

    /// Writes until nothing waits, so that more can be taken in. The kernel may hold back what does
    /// not fill a segment: the caller writes more, or flushes.
    pub(crate) fn poll_make_room(
        &mut self,
        cx: &mut Context<'_>,
        buffers: &Buffers,
    ) -> Poll<io::Result<()>> {
        self.is_held = true;
        self.poll_write(cx, buffers, Follows::More)
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        buffers: &Buffers,
        follows: Follows,
    ) -> Poll<io::Result<()>> {
        ready!(self.out.poll_flush(cx, &mut self.stream, follows))?;
        buffers.give(std::mem::take(&mut self.out).into_buffer());
        Poll::Ready(Ok(()))
    }

    /// Does nothing wait to be written, or to leave?
    pub(crate) fn is_flushed(&self) -> bool {
        self.out.is_empty() && !self.is_held && self.stream.is_flushed()
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

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use std::future::poll_fn;
    use std::time::Duration;
    use tokio::io::AsyncReadExt;
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::timeout;

    /// Shorter than the kernel holds anything back by itself.
    const AT_ONCE: Duration = Duration::from_millis(100);
    /// A machine that stalls may be late now and then.
    const TRIES: usize = 10;
    /// More than is copied, and less than a segment of loopback.
    const BYTES: usize = 10_000;

    #[tokio::test]
    async fn what_was_written_for_more_to_follow_leaves_when_nothing_follows() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let stream = TcpStream::connect(address).await.expect("connects");
        let (mut peer, _) = listener.accept().await.expect("accepts");
        let buffers = Buffers::default();
        let mut wire = Wire::new(Stream::Tcp(stream), BytesMut::new());
        let mut at_once = 0;
        for _ in 0..TRIES {
            let piece = Bytes::from(vec![b'x'; BYTES]);
            wire.outbox(&buffers).push(b"", piece, b"");
            let made = poll_fn(|cx| wire.poll_make_room(cx, &buffers)).await;
            made.expect("written");
            assert!(wire.out.is_empty() && !wire.is_flushed());
            let flushed = poll_fn(|cx| wire.poll_flush(cx, &buffers)).await;
            flushed.expect("flushed");
            assert!(wire.is_flushed());
            let mut read = vec![0; BYTES];
            let arrives = timeout(AT_ONCE, peer.read_exact(&mut read)).await;
            match arrives {
                Ok(read) => at_once += usize::from(read.is_ok()),
                // The next round begins anew.
                Err(_) => drop(timeout(20 * AT_ONCE, peer.read(&mut read)).await),
            }
        }
        assert!(at_once > 0, "every last piece was held back");
    }
}

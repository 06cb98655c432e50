//! A connection's bytes as the `h2` crate wants them, after what was read from it before. The
//! stream stays in reach of the connection's task, which the `h2` crate would not give back.

use crate::stream::Stream;
use bytes::{Buf, BytesMut};
use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection's stream, held by its task and by the `h2` crate.
pub(crate) struct Shared {
    stream: RefCell<Stream>,
    early: RefCell<BytesMut>,
    writes: Cell<u64>,
    is_blocked: Cell<bool>,
}

impl Shared {
    /// A stream, with bytes that were read from it already.
    pub(crate) fn new(stream: Stream, early: BytesMut) -> Rc<Self> {
        Rc::new(Self {
            stream: RefCell::new(stream),
            early: RefCell::new(early),
            writes: Cell::new(0),
            is_blocked: Cell::new(false),
        })
    }

    /// Does the peer's side hold back what was to be written? If so: how many writes went before.
    pub(crate) fn blocked_after(&self) -> Option<u64> {
        self.is_blocked.get().then(|| self.writes.get())
    }

    /// The stream, once nobody else holds it.
    pub(crate) fn into_stream(this: Rc<Self>) -> Option<Stream> {
        Rc::into_inner(this).map(|shared| shared.stream.into_inner())
    }

    fn wrote<T>(&self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        self.is_blocked.set(written.is_pending());
        if written.is_ready() {
            self.writes.set(self.writes.get() + 1);
        }
        written
    }
}

/// The handle that the `h2` crate reads and writes.
pub(crate) struct Io(pub(crate) Rc<Shared>);

impl AsyncRead for Io {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut early = self.0.early.borrow_mut();
        if early.is_empty() {
            return self.0.stream.borrow_mut().poll_read_into(cx, out);
        }
        let count = early.len().min(out.remaining());
        out.put_slice(&early[..count]);
        early.advance(count);
        if early.is_empty() {
            *early = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Io {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.0.stream.borrow_mut().poll_write(cx, slices);
        self.0.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.0.stream.borrow_mut().poll_flush(cx);
        self.0.wrote(flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.stream.borrow_mut().poll_shutdown(cx)
    }
}

//! A connection's bytes as the `h2` crate wants them, after what was read from it before. The
//! stream stays in reach of the connection's task, which the `h2` crate would not give back.
//!
//! The `h2` crate writes once per frame of content. After the handshake what it writes is gathered
//! instead, and leaves when the connection's task has nothing left to do: what several streams have
//! to say in one turn is one system call, and one packet.

use crate::stream::{Follows, Stream};
use bytes::{Buf, BytesMut};
use smallvec::SmallVec;
use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How much is gathered at most; larger writes take what was gathered along.
const GATHERED_BYTES_MAX: usize = 32 * 1024;

/// A connection's stream, held by its task and by the `h2` crate.
pub(crate) struct Shared {
    stream: RefCell<Stream>,
    early: RefCell<BytesMut>,
    /// What the `h2` crate has written and the kernel has not got.
    gathered: RefCell<BytesMut>,
    gathers: Cell<bool>,
    /// A write failed that the `h2` crate thinks went well: its next read or write tells.
    failure: Cell<Option<io::ErrorKind>>,
    writes: Cell<u64>,
    is_blocked: Cell<bool>,
}

impl Shared {
    /// A stream, with bytes that were read from it already.
    pub(crate) fn new(stream: Stream, early: BytesMut) -> Rc<Self> {
        Rc::new(Self {
            stream: RefCell::new(stream),
            early: RefCell::new(early),
            gathered: RefCell::default(),
            gathers: Cell::new(false),
            failure: Cell::new(None),
            writes: Cell::new(0),
            is_blocked: Cell::new(false),
        })
    }

    /// From now on writes wait for [`Self::poll_flush`], which the connection's task must call
    /// whenever it has driven the connection as far as it goes.
    pub(crate) fn gather(&self) {
        self.gathers.set(true);
    }

    /// Writes what was gathered. A failure is told to the `h2` crate, which tells its streams.
    pub(crate) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<()> {
        let flushed = ready!(self.poll_write_out(cx));
        if let Err(error) = flushed {
            self.gathered.borrow_mut().clear();
            self.failure.set(Some(error.kind()));
            cx.waker().wake_by_ref();
        }
        Poll::Ready(())
    }

    /// Does the peer's side hold back what was to be written? If so: how many writes went before.
    pub(crate) fn blocked_after(&self) -> Option<u64> {
        self.is_blocked.get().then(|| self.writes.get())
    }

    /// The stream, once nobody else holds it.
    pub(crate) fn into_stream(this: Rc<Self>) -> Option<Stream> {
        Rc::into_inner(this).map(|shared| shared.stream.into_inner())
    }

    fn poll_write_out(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut gathered = self.gathered.borrow_mut();
        // TLS may hold back what was written before.
        if gathered.is_empty() && self.stream.borrow().is_flushed() {
            return Poll::Ready(Ok(()));
        }
        while !gathered.is_empty() {
            let count = ready!(self.poll_write(cx, &[IoSlice::new(&gathered)]))?;
            gathered.advance(count);
        }
        // An idle connection holds no buffer.
        *gathered = BytesMut::new();
        let flushed = self.stream.borrow_mut().poll_flush(cx);
        self.wrote(flushed)
    }

    fn poll_write(&self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let mut stream = self.stream.borrow_mut();
        let written = stream.poll_write(cx, slices, Follows::Nothing);
        self.wrote(written)
    }

    /// Takes all of `slices`, or writes what was gathered and as much of them as leaves with it.
    fn poll_take(&self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let count = slices.iter().map(|slice| slice.len()).sum::<usize>();
        let mut gathered = self.gathered.borrow_mut();
        loop {
            if gathered.len() + count <= GATHERED_BYTES_MAX {
                for slice in slices {
                    gathered.extend_from_slice(slice);
                }
                return Poll::Ready(Ok(count));
            }
            let mut all = SmallVec::<[IoSlice<'_>; 4]>::new();
            all.push(IoSlice::new(&gathered));
            all.extend(slices.iter().copied());
            let written = ready!(self.poll_write(cx, &all))?;
            drop(all);
            let of_gathered = written.min(gathered.len());
            gathered.advance(of_gathered);
            if written > of_gathered {
                return Poll::Ready(Ok(written - of_gathered));
            }
        }
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

impl Io {
    fn check(&self) -> io::Result<()> {
        self.0
            .failure
            .get()
            .map_or(Ok(()), |kind| Err(io::Error::from(kind)))
    }
}

impl AsyncRead for Io {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check()?;
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
        self.check()?;
        match self.0.gathers.get() {
            true => self.0.poll_take(cx, slices),
            false => self.0.poll_write(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        if self.0.gathers.get() {
            // The connection's task flushes, when it has driven the connection as far as it goes.
            return Poll::Ready(Ok(()));
        }
        let flushed = self.0.stream.borrow_mut().poll_flush(cx);
        self.0.wrote(flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.0.poll_write_out(cx))?;
        self.0.stream.borrow_mut().poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    async fn connected() -> (Rc<Shared>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("loopback has ports");
        let address = listener.local_addr().expect("the socket lives");
        let near = TcpStream::connect(address).await.expect("it listens");
        let (far, _) = listener.accept().await.expect("a connection");
        (Shared::new(Stream::Tcp(near), BytesMut::new()), far)
    }

    #[tokio::test]
    async fn what_is_written_waits_for_the_flush_of_the_connections_task() {
        let (shared, mut far) = connected().await;
        let mut io = Io(Rc::clone(&shared));
        io.write_all(b"settings ").await.expect("written");
        let mut read = [0; 64];
        let count = far.read(&mut read).await.expect("read");
        assert_eq!(
            &read[..count],
            b"settings ",
            "the handshake is not gathered"
        );
        shared.gather();
        for piece in ["one ", "two ", "three"] {
            io.write_all(piece.as_bytes()).await.expect("written");
            io.flush().await.expect("flushed");
        }
        assert_eq!(shared.gathered.borrow().len(), 13);
        std::future::poll_fn(|cx| shared.poll_flush(cx)).await;
        assert!(shared.gathered.borrow().is_empty());
        let count = far.read(&mut read).await.expect("read");
        assert_eq!(&read[..count], b"one two three");
    }

    #[tokio::test]
    async fn large_writes_take_what_was_gathered_along_in_order() {
        let (shared, mut far) = connected().await;
        let mut io = Io(Rc::clone(&shared));
        shared.gather();
        let mut expected = b"head".to_vec();
        io.write_all(b"head").await.expect("written");
        let large = vec![b'x'; 3 * GATHERED_BYTES_MAX + 1];
        expected.extend_from_slice(&large);
        expected.extend_from_slice(b"tail");
        let reading = async {
            let mut read = Vec::new();
            far.read_to_end(&mut read).await.expect("read");
            read
        };
        let writing = async {
            io.write_all(&large).await.expect("written");
            io.write_all(b"tail").await.expect("written");
            io.shutdown().await.expect("shut down");
        };
        let (read, ()) = tokio::join!(reading, writing);
        assert!(
            read == expected,
            "{} of {} bytes",
            read.len(),
            expected.len()
        );
    }

    #[tokio::test]
    async fn a_failed_flush_is_told_by_the_next_read() {
        let (shared, far) = connected().await;
        let mut io = Io(Rc::clone(&shared));
        shared.gather();
        far.set_zero_linger().expect("an option");
        drop(far);
        let mut cx = Context::from_waker(Waker::noop());
        while shared.failure.get().is_none() {
            io.write_all(b"into nothing").await.expect("gathered");
            if shared.poll_flush(&mut cx).is_pending() {
                tokio::task::yield_now().await;
            }
        }
        let mut read = [0; 8];
        assert!(io.read(&mut read).await.is_err());
        assert!(io.write(b"more").await.is_err());
    }
}

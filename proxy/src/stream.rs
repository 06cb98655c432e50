//! A byte stream to a client or a backend, plain or encrypted: the one place that knows which.
//!
//! Reads and writes go through `poll_` functions, so that one task can wait for both directions of
//! both sides at once. Tokio clears a socket's readiness after a short read or write, which makes
//! one read and one write the whole cost of a small request on each side.

use bytes::BytesMut;
use rustix::net::{SendAncillaryBuffer, SendFlags, send, sendmsg};
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

/// Both directions of one connection.
#[derive(Debug)]
pub(crate) enum Stream {
    /// Plain TCP.
    Tcp(TcpStream),
    /// TLS, its handshake done.
    Tls(Box<TlsStream<TcpStream>>),
}

/// What comes after a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Follows {
    /// Nothing that is known of: all of it has to leave.
    Nothing,
    /// Another write, or a push: the kernel may wait for it, so that segments leave full.
    More,
}

/// What a read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// At least one byte was appended.
    Bytes,
    /// The peer sends nothing more.
    End,
}

impl Stream {
    /// Appends what has arrived to `buffer`, which must have spare room.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
    ) -> Poll<io::Result<Read>> {
        let count = match self {
            Self::Tcp(tcp) => ready!(pin!(tcp.read_buf(buffer)).poll(cx))?,
            Self::Tls(tls) => ready!(pin!(tls.read_buf(buffer)).poll(cx))?,
        };
        Poll::Ready(Ok(if count == 0 { Read::End } else { Read::Bytes }))
    }

    /// Reads what has arrived into `out`, for machinery with buffers of its own.
    pub(crate) fn poll_read_into(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(tcp) => Pin::new(tcp).poll_read(cx, out),
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, out),
        }
    }

    /// Waits until what was written has left for the kernel.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    /// Has everything written left for the kernel?
    pub(crate) fn is_flushed(&self) -> bool {
        match self {
            Self::Tcp(_) => true,
            Self::Tls(tls) => !tls.get_ref().1.wants_write(),
        }
    }

    /// Writes what the peer takes of `slices`; never 0 bytes unless all are empty. TLS may hold
    /// some of them back until [`Self::poll_flush`], and the kernel what does not fill a segment
    /// until [`Self::push`] or a write that nothing follows.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
        follows: Follows,
    ) -> Poll<io::Result<usize>> {
        let count = match (self, slices) {
            (Self::Tcp(tcp), slices) => ready!(poll_send(tcp, cx, slices, follows))?,
            (Self::Tls(tls), [one]) => ready!(Pin::new(tls).poll_write(cx, one))?,
            (Self::Tls(tls), many) => ready!(Pin::new(tls).poll_write_vectored(cx, many))?,
        };
        if count == 0 && slices.iter().any(|slice| !slice.is_empty()) {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        Poll::Ready(Ok(count))
    }

    /// Lets the kernel send what it holds back for more to come.
    pub(crate) fn push(&self) {
        if let Self::Tcp(tcp) = self {
            // Saying it again pushes; a socket that is gone has nothing to push.
            let _gone = tcp.set_nodelay(true);
        }
    }

    /// Tells the peer that nothing more comes.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }

    /// Was the connection reset? Meant for after the peer's end of sending was seen, when reading
    /// can no longer tell and nothing wakes the task: ask now and then.
    pub(crate) fn is_reset(&self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        pin!(self.tcp().ready(Interest::ERROR))
            .poll(&mut cx)
            .is_ready()
    }

    /// Has an unused connection anything to read, be it bytes, its end or an error? Such a
    /// connection must not carry another request. Costs no system call, but for a TLS connection
    /// whose last read filled its buffer: only the kernel can tell whether there is more.
    pub(crate) fn has_news(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        match self {
            Self::Tcp(tcp) => has_news(tcp),
            Self::Tls(tls) => {
                let (tcp, session) = tls.get_ref();
                let mut byte = [0];
                let mut byte = ReadBuf::new(&mut byte);
                !session.wants_read()
                    || has_news(tcp) && tcp.poll_peek(&mut cx, &mut byte).is_ready()
            }
        }
    }

    /// Makes the kernel reset the connection when it is dropped, so that the peer can tell a
    /// broken-off message from a complete one.
    pub(crate) fn reset_on_drop(&self) {
        // A socket that is gone already needs no reset.
        let _already_gone = self.tcp().set_zero_linger();
    }

    /// The socket underneath.
    pub(crate) fn tcp(&self) -> &TcpStream {
        match self {
            Self::Tcp(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref().0,
        }
    }
}

/// Sends once. Tokio's own write knows no flags, and goes through a function of the C library that
/// costs more.
fn poll_send(
    tcp: &TcpStream,
    cx: &mut Context<'_>,
    slices: &[IoSlice<'_>],
    follows: Follows,
) -> Poll<io::Result<usize>> {
    let flags = match follows {
        Follows::More => SendFlags::NOSIGNAL | SendFlags::MORE,
        Follows::Nothing => SendFlags::NOSIGNAL,
    };
    let offered: usize = slices.iter().map(|slice| slice.len()).sum();
    loop {
        ready!(tcp.poll_write_ready(cx))?;
        let mut taken = None;
        let tried = tcp.try_io(Interest::WRITABLE, || {
            let count = match slices {
                [one] => send(tcp, one, flags),
                many => sendmsg(tcp, many, &mut SendAncillaryBuffer::default(), flags),
            }?;
            taken = Some(count);
            // A socket that did not take all is full: so tokio learns of it without another try.
            match count < offered {
                true => Err(io::ErrorKind::WouldBlock.into()),
                false => Ok(()),
            }
        });
        match (taken, tried) {
            (Some(count), _) => return Poll::Ready(Ok(count)),
            (None, Ok(())) => {}
            (None, Err(error)) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => {}
                _ => return Poll::Ready(Err(error)),
            },
        }
    }
}

/// Did the kernel say that there is something to read? Asks without leaving a waker behind.
fn has_news(tcp: &TcpStream) -> bool {
    tcp.try_io(Interest::READABLE, || Ok(())).is_ok()
}

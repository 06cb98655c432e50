//! What both sides of the proxy share of HTTP/2: a connection's bytes as the `h2` crate reads and
//! writes them, and the two halves of a stream as bodies. Which side speaks, and what a fault means
//! to it, is known to `connection::http2` and `upstream::http2`.

mod io; // a connection's bytes
mod receiver; // a stream's body in
mod sender; // a stream's body out

pub(crate) use io::{Io, Shared};
pub(crate) use receiver::{Fault, Receiver};
pub(crate) use sender::{Gone, Sender};

/// How much a peer may send on one stream before its receiver has taken any of it.
pub(crate) const STREAM_WINDOW_BYTES: u32 = 64 * 1024;

/// How much of one stream waits for the socket at most.
pub(crate) const SEND_BUFFER_BYTES: usize = 32 * 1024;

/// Streams of one connection that are open at once.
pub(crate) const STREAMS_MAX: u32 = 100;

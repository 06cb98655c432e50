//! The end of a connection. Closing a socket with unread bytes in it makes the kernel reset the
//! connection, which can take a response back that the client has not read yet. So the sending side
//! is closed first, and what the client still sends is thrown away, for a while (RFC 9112 section
//! 9.6).

use super::Http1;
use crate::stream::Read;
use std::future::poll_fn;
use std::task::{Poll, ready};
use std::time::Duration;

/// How long the client's bytes are thrown away.
const LINGER: Duration = Duration::from_secs(2);

/// How many of them.
const LINGER_BYTES: usize = 512 * 1024;

/// Closes the connection; one whose response was broken off simply goes.
pub(crate) async fn close(http1: &mut Http1) {
    if http1.is_aborted() {
        return;
    }
    let worker = http1.worker().clone();
    let watched = http1.watched().clone();
    watched.arm(worker.deadline(LINGER));
    let wire = http1.wire();
    let mut left = LINGER_BYTES;
    let mut is_shut = false;
    poll_fn(|cx| {
        loop {
            if watched.is_expired() {
                return Poll::Ready(());
            }
            if !is_shut {
                if ready!(wire.stream.poll_shutdown(cx)).is_err() {
                    return Poll::Ready(());
                }
                is_shut = true;
            }
            wire.read.clear();
            match ready!(wire.poll_fill(cx, &worker.buffers)) {
                Ok(Read::Bytes) => match left.checked_sub(wire.read.len()) {
                    Some(rest) => left = rest,
                    None => return Poll::Ready(()),
                },
                Ok(Read::End) | Err(_) => return Poll::Ready(()),
            }
        }
    })
    .await;
    wire.read.clear();
    wire.rest(&worker.buffers);
}

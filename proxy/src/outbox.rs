//! Bytes on their way to a peer. Small pieces are copied together, so that a head and a small body
//! leave in one write; a large piece is kept as it is and leaves in a vectored write.
//!
//! ```text
//!   front (copied) │ large (shared, not copied) │ back (copied)
//! ```

use crate::stream::{Follows, Stream};
use bytes::{Buf, Bytes, BytesMut};
use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

/// Data up to this size is copied behind what waits already.
const COPY_BYTES_MAX: usize = 8 * 1024;

/// While this much waits, nothing more is taken in: it bounds what a slow peer costs.
const WAITING_BYTES_MAX: usize = 16 * 1024;

/// What waits to be written to one peer.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    front: BytesMut,
    large: Bytes,
    back: BytesMut,
}

impl Outbox {
    /// Where heads and framing are appended; it comes after everything that waits.
    pub(crate) fn tail(&mut self) -> &mut BytesMut {
        if self.large.is_empty() {
            &mut self.front
        } else {
            &mut self.back
        }
    }

    /// Appends a piece of content between its framing.
    pub(crate) fn push(&mut self, before: &[u8], data: Bytes, after: &[u8]) {
        self.tail().extend_from_slice(before);
        if data.len() > COPY_BYTES_MAX && self.large.is_empty() {
            self.large = data;
        } else {
            self.tail().extend_from_slice(&data);
        }
        self.tail().extend_from_slice(after);
    }

    /// Does nothing wait?
    pub(crate) fn is_empty(&self) -> bool {
        self.front.is_empty() && self.large.is_empty() && self.back.is_empty()
    }

    /// How many bytes wait.
    pub(crate) fn len(&self) -> usize {
        self.front.len() + self.large.len() + self.back.len()
    }

    /// May more be taken in?
    pub(crate) fn has_room(&self) -> bool {
        self.large.is_empty() && self.front.len() < WAITING_BYTES_MAX
    }

    /// Writes until nothing waits.
    pub(crate) fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut Stream,
        follows: Follows,
    ) -> Poll<io::Result<()>> {
        while !self.is_empty() {
            let slices = [&*self.front, &self.large, &self.back].map(IoSlice::new);
            let used = match (self.front.is_empty(), self.large.is_empty()) {
                (_, true) => &slices[..1],
                (true, false) if self.back.is_empty() => &slices[1..2],
                (_, false) => &slices,
            };
            let count = ready!(stream.poll_write(cx, used, follows))?;
            self.advance(count);
        }
        Poll::Ready(Ok(()))
    }

    /// The emptied buffer, to be given back.
    pub(crate) fn into_buffer(self) -> BytesMut {
        self.front
    }

    /// Starts with an empty buffer that was used before.
    pub(crate) fn with_buffer(front: BytesMut) -> Self {
        Self {
            front,
            ..Self::default()
        }
    }

    fn advance(&mut self, mut count: usize) {
        let of_front = count.min(self.front.len());
        self.front.advance(of_front);
        count -= of_front;
        let of_large = count.min(self.large.len());
        self.large.advance(of_large);
        count -= of_large;
        self.back.advance(count);
        if self.large.is_empty() {
            self.large = Bytes::new();
            if self.back.is_empty() {
                return;
            }
            if self.front.is_empty() {
                self.front.clear();
                std::mem::swap(&mut self.front, &mut self.back);
            } else {
                self.front.unsplit(std::mem::take(&mut self.back));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(outbox: &Outbox) -> Vec<u8> {
        [&outbox.front[..], &outbox.large[..], &outbox.back[..]].concat()
    }

    #[test]
    fn an_emptied_buffer_is_given_back_whole() {
        let mut outbox = Outbox::with_buffer(BytesMut::with_capacity(100));
        outbox.tail().extend_from_slice(b"head");
        outbox.advance(4);
        assert!(outbox.into_buffer().capacity() > 0);
    }

    #[test]
    fn pieces_leave_in_order_whatever_their_size_and_however_they_are_cut() {
        let large = Bytes::from(vec![b'x'; COPY_BYTES_MAX + 1]);
        for step in [1, 7, 4096, 100_000] {
            let mut outbox = Outbox::default();
            let mut expected = b"head1\r\nsmall\r\n9\r\n".to_vec();
            outbox.tail().extend_from_slice(b"head");
            outbox.push(b"1\r\n", Bytes::from_static(b"small"), b"\r\n");
            outbox.push(b"9\r\n", large.clone(), b"\r\n");
            assert!(!outbox.has_room());
            expected.extend_from_slice(&large);
            outbox.push(b"a\r\n", large.clone(), b"\r\n");
            expected.extend_from_slice(b"\r\na\r\n");
            expected.extend_from_slice(&large);
            outbox.tail().extend_from_slice(b"0\r\n\r\n");
            expected.extend_from_slice(b"\r\n0\r\n\r\n");
            let mut written = 0;
            while !outbox.is_empty() {
                assert_eq!(contents(&outbox), expected[written..]);
                let count = step.min(expected.len() - written);
                outbox.advance(count);
                written += count;
            }
            assert_eq!(written, expected.len());
            assert!(outbox.has_room());
        }
    }
}

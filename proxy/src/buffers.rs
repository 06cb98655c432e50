//! A worker's spare buffers. Idle connections hold none: a buffer is taken when bytes arrive and
//! given back when nothing is left in it, the last one used first, so that it is still in cache.

use bytes::BytesMut;
use std::cell::RefCell;

/// Room that a read always finds.
pub(crate) const READ_BYTES: usize = 16 * 1024;

/// Spare buffers kept at most: 4 MiB a worker.
const SPARE_MAX: usize = 256;

/// A buffer that grew beyond this is not kept.
const KEPT_BYTES_MAX: usize = 64 * 1024;

/// Spare buffers of one worker.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    spare: RefCell<Vec<BytesMut>>,
}

impl Buffers {
    /// An empty buffer with room for [`READ_BYTES`].
    pub(crate) fn take(&self) -> BytesMut {
        let mut buffer = self.spare.borrow_mut().pop().unwrap_or_default();
        buffer.reserve(READ_BYTES);
        buffer
    }

    /// Gives back a buffer whose bytes nobody needs any more.
    pub(crate) fn give(&self, mut buffer: BytesMut) {
        let mut spare = self.spare.borrow_mut();
        if buffer.capacity() > 0 && buffer.capacity() <= KEPT_BYTES_MAX && spare.len() < SPARE_MAX {
            buffer.clear();
            spare.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_empty_and_with_room() {
        let buffers = Buffers::default();
        let mut buffer = buffers.take();
        buffer.extend_from_slice(b"left over");
        let _shared = buffer.split_to(4).freeze();
        buffers.give(buffer);
        let again = buffers.take();
        assert!(again.is_empty());
        assert!(again.capacity() >= READ_BYTES);
    }

    #[test]
    fn what_grew_too_large_is_let_go() {
        let buffers = Buffers::default();
        buffers.give(BytesMut::with_capacity(KEPT_BYTES_MAX + 1));
        assert!(buffers.spare.borrow().is_empty());
    }
}

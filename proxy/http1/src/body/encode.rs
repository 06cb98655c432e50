//! Bodies on their way out, with framing of RAUTA's own. Holds the body to what its head declared.

use bytes::{BufMut, BytesMut};
use http::header::HeaderMap;

use super::BodyLength;
use crate::write::{Pen, put_fields, size};
use crate::{EncodeError, Framing};

/// Frames one body. Small data goes through [`BodyEncoder::encode`]; for large data
/// [`BodyEncoder::chunk_prefix`] gives what to write before and after it, without a copy.
#[derive(Debug, Clone)]
pub struct BodyEncoder {
    mode: Mode,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Chunked,
    Counted(u64),
    UntilClose,
}

impl BodyEncoder {
    /// An encoder for a request whose head was written with `length`.
    #[must_use]
    pub fn for_request(length: BodyLength) -> Self {
        match length {
            BodyLength::Empty => Self::none(),
            BodyLength::Length(length) => Self::length(length),
            BodyLength::Chunked | BodyLength::Unknown => Self::chunked(),
        }
    }

    /// An encoder for a response whose head was written with `framing`. For an answer to HEAD, and
    /// for a status that has no body, use [`BodyEncoder::none`].
    #[must_use]
    pub fn for_response(framing: Framing) -> Self {
        match framing {
            Framing::Empty => Self::none(),
            Framing::Length(length) => Self::length(length),
            Framing::Chunked => Self::chunked(),
            Framing::UntilClose => Self::until_close(),
        }
    }

    /// No body at all.
    #[must_use]
    pub fn none() -> Self {
        Self::length(0)
    }

    /// Exactly `length` bytes.
    #[must_use]
    pub fn length(length: u64) -> Self {
        Self {
            mode: Mode::Counted(length),
        }
    }

    /// Chunks.
    #[must_use]
    pub fn chunked() -> Self {
        Self {
            mode: Mode::Chunked,
        }
    }

    /// Plain bytes until the connection closes: responses to HTTP/1.0 only.
    #[must_use]
    pub fn until_close() -> Self {
        Self {
            mode: Mode::UntilClose,
        }
    }

    /// Appends `data` with its framing to `out`. Empty data writes nothing.
    ///
    /// # Errors
    /// [`EncodeError::TooLong`] when more comes than was declared; nothing is written then.
    pub fn encode(&mut self, data: &[u8], out: &mut BytesMut) -> Result<(), EncodeError> {
        if data.is_empty() {
            return Ok(());
        }
        let prefix = self.chunk_prefix(data.len())?;
        out.reserve(prefix.as_bytes().len() + data.len() + prefix.suffix().len());
        out.put_slice(prefix.as_bytes());
        out.put_slice(data);
        out.put_slice(prefix.suffix());
        Ok(())
    }

    /// Accounts for `len` bytes of data that the caller writes itself, between the prefix and its
    /// [`ChunkPrefix::suffix`]. `len` must not be 0: an empty chunk would end the body.
    ///
    /// # Errors
    /// [`EncodeError::TooLong`] when more comes than was declared.
    pub fn chunk_prefix(&mut self, len: usize) -> Result<ChunkPrefix, EncodeError> {
        match &mut self.mode {
            Mode::Chunked if len > 0 => Ok(ChunkPrefix::chunk(len)),
            Mode::Chunked | Mode::UntilClose => Ok(ChunkPrefix::NONE),
            Mode::Counted(left) => {
                *left = left.checked_sub(len as u64).ok_or(EncodeError::TooLong)?;
                Ok(ChunkPrefix::NONE)
            }
        }
    }

    /// Ends the body: writes the last chunk with `trailers`, which only chunks can carry.
    ///
    /// # Errors
    /// [`EncodeError::TooShort`] when less came than was declared.
    pub fn finish(
        self,
        trailers: Option<&HeaderMap>,
        out: &mut BytesMut,
    ) -> Result<(), EncodeError> {
        match self.mode {
            Mode::Counted(0) | Mode::UntilClose => Ok(()),
            Mode::Counted(_) => Err(EncodeError::TooShort),
            Mode::Chunked => {
                out.put_slice(b"0\r\n");
                if let Some(trailers) = trailers {
                    let fields = || {
                        trailers
                            .iter()
                            .map(|(name, value)| (name, value.as_bytes()))
                    };
                    let mut pen = Pen::new(out, size(fields()));
                    put_fields(&mut pen, fields());
                    pen.lift();
                }
                out.put_slice(b"\r\n");
                Ok(())
            }
        }
    }

    /// Whether the body must be ended by closing the connection.
    #[must_use]
    pub fn is_until_close(&self) -> bool {
        self.mode == Mode::UntilClose
    }
}

/// What to write before a piece of data, small enough to stay on the stack.
#[derive(Debug, Clone, Copy)]
pub struct ChunkPrefix {
    bytes: [u8; Self::CAPACITY],
    len: u8,
}

impl ChunkPrefix {
    /// Sixteen digits and CR LF.
    const CAPACITY: usize = 18;
    const NONE: Self = Self {
        bytes: [0; Self::CAPACITY],
        len: 0,
    };

    fn chunk(len: usize) -> Self {
        let mut prefix = Self::NONE;
        let digits = (usize::BITS - len.leading_zeros()).div_ceil(4) as usize;
        for (at, byte) in prefix.bytes[..digits].iter_mut().enumerate() {
            let digit = len >> (4 * (digits - 1 - at)) & 0xf;
            *byte = b"0123456789abcdef"[digit];
        }
        prefix.bytes[digits..digits + 2].copy_from_slice(b"\r\n");
        prefix.len = digits as u8 + 2;
        prefix
    }

    /// The bytes before the data: a size line, or nothing without chunks.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// The bytes after the data: CR LF, or nothing without chunks.
    #[must_use]
    pub fn suffix(&self) -> &'static [u8] {
        if self.len == 0 { b"" } else { b"\r\n" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunk_prefixes_are_plain_hex() {
        for len in [1, 9, 15, 16, 255, 256, 4096, 65_535, 1 << 20, usize::MAX] {
            let prefix = ChunkPrefix::chunk(len);
            assert_eq!(prefix.as_bytes(), format!("{len:x}\r\n").as_bytes());
        }
    }

    #[test]
    fn bodies_are_held_to_their_declared_length() {
        let mut out = BytesMut::new();
        let mut encoder = BodyEncoder::length(5);
        encoder.encode(b"hell", &mut out).unwrap();
        assert_eq!(encoder.encode(b"ooo", &mut out), Err(EncodeError::TooLong));
        assert_eq!(&out[..], b"hell");
        assert_eq!(
            encoder.clone().finish(None, &mut out),
            Err(EncodeError::TooShort)
        );
        encoder.encode(b"o", &mut out).unwrap();
        assert_eq!(encoder.finish(None, &mut out), Ok(()));
        assert_eq!(
            BodyEncoder::none().encode(b"x", &mut out),
            Err(EncodeError::TooLong)
        );
        assert_eq!(&out[..], b"hello");
    }

    #[test]
    fn chunks_end_with_their_trailers() {
        let mut out = BytesMut::new();
        let mut encoder = BodyEncoder::chunked();
        encoder.encode(b"hello", &mut out).unwrap();
        encoder.encode(b"", &mut out).unwrap();
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
        encoder.finish(Some(&trailers), &mut out).unwrap();
        assert_eq!(&out[..], b"5\r\nhello\r\n0\r\ngrpc-status: 0\r\n\r\n");
    }
}

//! Bodies as they arrive: the read buffer is fed in, slices of it come out. Never holds data back
//! and never copies it.
//!
//! ```text
//!             size line                CR LF
//!   Size ───────────────► Data(n) ──► DataEnd ──► Size
//!    │ size 0
//!    └──────────────────► Trailers ──► Done
//! ```

use bytes::{Buf, Bytes, BytesMut};
use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::{BodyLength, ResponseBody, chunk, trailers};
use crate::{BodyError, Limits, fields};

/// What a call of [`BodyDecoder::decode`] yields.
#[derive(Debug, Clone, PartialEq)]
pub enum Decoded {
    /// Data of the body, never empty.
    Data(Bytes),
    /// The fields after the body that may be passed on, never empty. Comes at most once, before
    /// `End`.
    Trailers(HeaderMap),
    /// The body is complete. What is left in the buffer belongs to the next message.
    End,
    /// The buffer holds nothing that could be passed on.
    NeedMore,
}

/// Reads one body out of a read buffer.
#[derive(Debug, Clone)]
pub struct BodyDecoder {
    state: State,
    /// Data bytes that may still come.
    allowance: u64,
    /// Chunk framing bytes that may still come before the body is mere overhead.
    overhead: u64,
    overhead_ratio: u64,
    extension: usize,
    trailer_bytes: usize,
    trailer_fields: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Counted(u64),
    Data(u64),
    DataEnd,
    Done,
    Size,
    Trailers,
    UntilClose,
}

impl BodyDecoder {
    /// A decoder for a request's body. Of an HTTP/2 body of unknown length it takes everything as
    /// data, for there the stream ends it.
    #[must_use]
    pub fn new(length: BodyLength, limits: &Limits) -> Self {
        let state = match length {
            BodyLength::Empty | BodyLength::Length(0) => State::Done,
            BodyLength::Length(length) => State::Counted(length),
            BodyLength::Chunked => State::Size,
            BodyLength::Unknown => State::UntilClose,
        };
        Self::with(state, limits.body_bytes.unwrap_or(u64::MAX), limits)
    }

    /// A decoder for a response's body. The bounds on length and on chunk overhead are for
    /// requests only: a backend may stream small pieces for days.
    #[must_use]
    pub fn for_response(body: ResponseBody, limits: &Limits) -> Self {
        let state = match body {
            ResponseBody::Empty | ResponseBody::Length(0) => State::Done,
            ResponseBody::Length(length) => State::Counted(length),
            ResponseBody::Chunked => State::Size,
            ResponseBody::UntilClose => State::UntilClose,
        };
        Self {
            overhead: u64::MAX,
            ..Self::with(state, u64::MAX, limits)
        }
    }

    fn with(state: State, allowance: u64, limits: &Limits) -> Self {
        Self {
            state,
            allowance,
            overhead: limits.chunk_overhead_bytes,
            overhead_ratio: limits.chunk_overhead_ratio,
            extension: limits.chunk_extension_bytes,
            trailer_bytes: limits.trailer_bytes,
            trailer_fields: limits.trailer_fields,
        }
    }

    /// Takes the next piece off the front of `buf`. Call again until it says `NeedMore` or `End`.
    ///
    /// # Errors
    /// The fault of the body's framing; nothing after it can be read.
    pub fn decode(&mut self, buf: &mut BytesMut) -> Result<Decoded, BodyError> {
        loop {
            match self.state {
                State::Done => return Ok(Decoded::End),
                State::Counted(left) => {
                    let Some(data) = take(buf, left) else {
                        return Ok(Decoded::NeedMore);
                    };
                    let left = left - data.len() as u64;
                    self.state = if left == 0 {
                        State::Done
                    } else {
                        State::Counted(left)
                    };
                    return self.pass(data);
                }
                State::UntilClose => {
                    let data = take(buf, u64::MAX);
                    return data.map_or(Ok(Decoded::NeedMore), |data| self.pass(data));
                }
                State::Data(left) => {
                    let Some(data) = take(buf, left) else {
                        return Ok(Decoded::NeedMore);
                    };
                    let left = left - data.len() as u64;
                    self.state = if left == 0 {
                        State::DataEnd
                    } else {
                        State::Data(left)
                    };
                    let earned = (data.len() as u64).saturating_mul(self.overhead_ratio);
                    self.overhead = self.overhead.saturating_add(earned);
                    return self.pass(data);
                }
                State::DataEnd => match &buf[..] {
                    [b'\r', b'\n', ..] => {
                        buf.advance(2);
                        self.state = State::Size;
                    }
                    [] | [b'\r'] => return Ok(Decoded::NeedMore),
                    _ => return Err(BodyError::ChunkEnd),
                },
                State::Size => {
                    if !self.size_line(buf)? {
                        return Ok(Decoded::NeedMore);
                    }
                }
                State::Trailers => return self.trailers(buf),
            }
        }
    }

    /// The connection's read side ended.
    ///
    /// # Errors
    /// [`BodyError::Truncated`] when the body had not; the other side must then see an abort, not
    /// an end.
    pub fn finish(&mut self) -> Result<(), BodyError> {
        match self.state {
            State::Done | State::UntilClose => {
                self.state = State::Done;
                Ok(())
            }
            State::Counted(_) | State::Data(_) | State::DataEnd | State::Size | State::Trailers => {
                Err(BodyError::Truncated)
            }
        }
    }

    /// Whether the body is complete.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    fn pass(&mut self, data: Bytes) -> Result<Decoded, BodyError> {
        self.allowance = self
            .allowance
            .checked_sub(data.len() as u64)
            .ok_or(BodyError::TooLarge)?;
        Ok(Decoded::Data(data))
    }

    /// Reads a size line; `false` if its end has not come yet.
    fn size_line(&mut self, buf: &mut BytesMut) -> Result<bool, BodyError> {
        let Some(line) = chunk::parse(buf, self.extension)? else {
            return Ok(false);
        };
        self.extension = self
            .extension
            .checked_sub(line.extension)
            .ok_or(BodyError::ChunkExtension)?;
        if line.size > self.allowance {
            return Err(BodyError::TooLarge);
        }
        // The line itself and the CR LF after the data; data earns allowance as it comes.
        let framing = line.len as u64 + 2;
        self.overhead = self
            .overhead
            .checked_sub(framing)
            .ok_or(BodyError::ChunkOverhead)?;
        buf.advance(line.len);
        self.state = if line.size == 0 {
            State::Trailers
        } else {
            State::Data(line.size)
        };
        Ok(true)
    }

    fn trailers(&mut self, buf: &mut BytesMut) -> Result<Decoded, BodyError> {
        let window = &buf[..buf.len().min(self.trailer_bytes)];
        let mut fields = fields::Fields::new();
        let parsed = fields::parse(window, self.trailer_fields, &mut fields);
        let Some(len) = parsed.map_err(|_| BodyError::Trailer)? else {
            let full = buf.len() >= self.trailer_bytes;
            return if full {
                Err(BodyError::Trailer)
            } else {
                Ok(Decoded::NeedMore)
            };
        };
        let bytes = buf.split_to(len).freeze();
        self.state = State::Done;
        let mut map = HeaderMap::new();
        for field in &fields {
            let name =
                HeaderName::from_bytes(field.name(&bytes)).map_err(|_| BodyError::Trailer)?;
            if trailers::is_allowed(name.as_str()) {
                let value = HeaderValue::from_maybe_shared(field.shared_value(&bytes))
                    .map_err(|_| BodyError::Trailer)?;
                map.append(name, value);
            }
        }
        Ok(if map.is_empty() {
            Decoded::End
        } else {
            Decoded::Trailers(map)
        })
    }
}

/// Up to `limit` bytes off the front, without a copy.
fn take(buf: &mut BytesMut, limit: u64) -> Option<Bytes> {
    if buf.is_empty() {
        return None;
    }
    let len = usize::try_from(limit).unwrap_or(usize::MAX).min(buf.len());
    Some(buf.split_to(len).freeze())
}

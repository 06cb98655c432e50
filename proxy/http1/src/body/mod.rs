//! Message bodies (RFC 9112 sections 6 and 7): decoded strictly as bytes arrive, encoded anew.

mod chunk; // the size line of a chunk
mod decode;
mod encode;
mod trailers; // which fields may come after a body

pub use decode::{BodyDecoder, Decoded};
pub use encode::{BodyEncoder, ChunkPrefix};
pub use trailers::filter_trailers;

/// How a request's body ends. Never by the connection's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLength {
    /// There is no body.
    Empty,
    /// Exactly this many bytes follow.
    Length(u64),
    /// Chunks follow, the last of them empty.
    Chunked,
    /// HTTP/2 without content-length: the stream's end is the body's.
    Unknown,
}

/// How a response's body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseBody {
    /// There is no body: by status, by the request's method, or by a length of 0.
    Empty,
    /// Exactly this many bytes follow.
    Length(u64),
    /// Chunks follow, the last of them empty.
    Chunked,
    /// The connection's end is the body's.
    UntilClose,
}

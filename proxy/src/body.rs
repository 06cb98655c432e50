//! RAUTA's own body type: what any protocol's machinery yields and takes. Framing stays with the
//! machinery; a frame is pure content.

use bytes::Bytes;
use http::HeaderMap;

/// One piece of a request's or response's body. The end of a body is the absence of a frame.
#[derive(Clone, Debug)]
pub(crate) enum Frame {
    /// Content, never empty.
    Data(Bytes),
    /// The fields after the content; nothing follows them.
    Trailers(HeaderMap),
}

impl Frame {
    /// Bytes of content.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Data(data) => data.len(),
            Self::Trailers(_) => 0,
        }
    }
}

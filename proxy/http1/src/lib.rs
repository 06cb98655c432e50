//! HTTP/1 as RAUTA speaks it: grammar, validation and framing (RFC 9110, RFC 9112), without I/O.
//!
//! Bytes of a read buffer become one validated [`Request`] (HTTP/2 requests end in the same
//! constructor) or a [`Response`]; bodies are decoded and encoded piece by piece; heads are always
//! written anew, with fresh framing. Nothing here waits, reads a clock or knows a socket.
//!
//! ```text
//!   read buffer ──► Request::parse ──► BodyDecoder ──► (filters, routing) ──► write_request_head
//!   h2 parts ─────► Request::from_h2 ──┘                                      BodyEncoder
//!   write buffer ◄─ write_response_head ◄── BodyDecoder ◄── Response::parse ◄── read buffer
//! ```
//!
//! What is ambiguous is refused, never repaired: two parsers that read one message differently are
//! what request smuggling lives on. Cost of a request head of ten fields: no copy of values, about
//! four allocations, one pass per byte class.

#![forbid(unsafe_code)]

mod authority; // Authority: host and port of a request
mod body; // bodies, decoded and encoded
mod error; // why a message is refused
mod fields; // a field section, as ranges of the buffer
mod grammar; // bytes, tokens, lists, numbers
mod headers; // Headers: a head's fields as a list
mod hop; // Connection options and hop-by-hop fields
mod limits; // every bound, with its default
mod names; // field names ready made
mod request; // the one validated request
mod response; // a backend's response head
mod target; // request targets
mod write; // heads on their way out

pub use authority::Authority;
pub use body::{
    BodyDecoder, BodyEncoder, BodyLength, ChunkPrefix, Decoded, ResponseBody, filter_trailers,
};
pub use error::{BodyError, EncodeError, RequestError, ResponseError};
pub use headers::Headers;
pub use hop::{strip_hop_by_hop, strip_response_hop_by_hop};
pub use limits::{Limits, Underscores};
pub use request::{HeadScan, Request};
pub use response::Response;
pub use target::Target;
pub use write::{Framing, response_framing, write_request_head, write_response_head};

//! The one validated request. HTTP/1 heads (`head`) and HTTP/2 parts (`h2`) both become a draft,
//! and only [`Draft::validate`] makes a [`Request`] of a draft. Does not read bodies.

mod draft; // what both protocols are reduced to, and the checks they share
mod h2; // from an HTTP/2 library's parts
mod head; // from the bytes of an HTTP/1 connection
mod line; // the request line

pub use head::HeadScan;

use http::header::HeaderValue;
use http::uri::Scheme;
use http::{Method, Version};

use crate::{Authority, BodyLength, Headers, Target};

/// A request that passed every check. Whatever leaves towards a backend is written anew from it.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method; never CONNECT.
    pub method: Method,
    /// The host asked for: an absolute target's, else Host's or `:authority`'s.
    pub authority: Authority,
    /// Path and query, or `*`.
    pub target: Target,
    /// The scheme that the client named, if it did; whether it fits the listener is the caller's
    /// question.
    pub scheme: Option<Scheme>,
    /// HTTP/1.0, HTTP/1.1 or HTTP/2; a higher minor version of HTTP/1 counts as HTTP/1.1.
    pub version: Version,
    /// All other fields, hop-by-hop ones included (see [`crate::strip_hop_by_hop`]). Host,
    /// Content-Length, Transfer-Encoding, Expect, and Connection where it names no other field are
    /// not among them: `authority`, `body`, `expect_continue` and `keep_alive` say what they said.
    pub headers: Headers,
    /// How the body ends.
    pub body: BodyLength,
    /// Whether the client keeps the connection open after this exchange.
    pub keep_alive: bool,
    /// The protocols that the client would switch to, without h2c; only on HTTP/1.1 and only
    /// without a body, so that no byte can pass before the 101.
    pub upgrade: Option<HeaderValue>,
    /// Whether the client waits for 100 (Continue) before it sends the body.
    pub expect_continue: bool,
    /// Whether the client takes trailers (`TE: trailers`).
    pub accepts_trailers: bool,
    /// Fields dropped because of an underscore in their name.
    pub dropped_fields: u16,
}

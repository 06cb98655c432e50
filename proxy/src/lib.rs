//! The data plane: takes a connection, finds a route in the current snapshot, forwards the request.
//! Knows nothing of Kubernetes. Modules are listed in the order a request meets them; the life of
//! one request is told by `request`.

#![forbid(unsafe_code)]

mod config; // limits and what else is fixed at the start
mod proxy; // the control side: snapshots in, sums out
mod totals; // counters with one writer each

mod connection; // one task per client connection; HTTP/1 and HTTP/2 toward the client
mod date; // when a response was made
mod error;
mod fields; // what RAUTA says about the request to the backend
mod filter; // request and response filters, one file each
mod forward; // bodies in both directions
mod listener; // bound addresses
mod record; // what happened becomes events
mod request; // the life of one request: start reading here
mod respond; // answers, and what errors mean to the client
mod retry; // which failed attempts are made again
mod tls; // handshakes on both sides, and what they need
mod tunnel; // upgraded connections
mod upstream; // endpoint choice, pools, attempts; HTTP/1 and HTTP/2 toward the backend
mod worker; // one thread per core: accepting, swaps, drain // everything that can go wrong

mod body; // RAUTA's own body type
mod buffers; // spare buffers
mod http2; // what both sides share of HTTP/2
mod outbox; // bytes on their way out
mod stream; // plain or encrypted bytes
mod timeout; // a rule's time limits
mod watch; // deadlines and long exchanges
mod wire; // one HTTP/1 connection as bytes

pub use config::{Config, Limits, RouteShare, Tracing};
pub use proxy::{Applied, Drained, Error, PortState, Proxy};
pub use totals::Totals;

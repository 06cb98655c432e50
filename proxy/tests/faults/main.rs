//! What backends do to a gateway. The client gets the right status, or sees the response cut, and
//! never another exchange's bytes; the event says that it was the backend, and what it did.

#[path = "../harness/mod.rs"]
mod harness;
mod play; // one fault, seen by clients of both protocols

mod attempts; // backends that are not there, are silent, or failed once
mod http1; // what HTTP/1 backends do wrong
mod http2; // what HTTP/2 backends do wrong

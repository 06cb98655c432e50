//! HTTP/2 on either side, spoken by the `h2` crate as client and as origin: what goes through, how
//! streams end, and what is told of them.

#[path = "../harness/mod.rs"]
mod harness;
mod origin; // an HTTP/2 origin
mod peer; // an HTTP/2 client

mod abuse; // what a client can make RAUTA do for nothing
mod downstream; // prior knowledge, one stream after the other
mod grpc; // errors that gRPC clients understand
mod pairings; // bodies and trailers between the protocols
mod upstream; // how backends end streams and connections

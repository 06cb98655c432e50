//! HTTP/2 on either side, spoken by the `h2` crate as client and as origin: what goes through, how
//! streams end, and what is told of them.

#[path = "../harness/mod.rs"]
mod harness;
mod peer; // an HTTP/2 client and an HTTP/2 origin

mod downstream; // prior knowledge, one stream after the other, abuse

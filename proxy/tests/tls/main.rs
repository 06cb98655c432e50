//! TLS on either side, spoken by rustls as client and as backend: who is answered, with which
//! certificate, and what becomes of those who are not.

mod front; // TLS in front of an origin
#[path = "../harness/mod.rs"]
mod harness;
mod peer; // a TLS client
mod site; // certificates, and a gateway with HTTPS listeners

mod downstream; // names, certificates, versions, protocols
mod misdirected; // requests on a connection made for another host
mod patience; // handshakes that are slow, cut up, or too many
mod renewal; // certificates replaced under load, sessions resumed
mod upstream; // backends that are who their policy says, and others

//! The spine every part of RAUTA plugs into: the bus that carries events, the clocks that stamp
//! them, drain and readiness. It knows the event types and nothing about HTTP, Kubernetes or
//! where events go.

#![forbid(unsafe_code)]

pub mod bus; // events from the threads that make them to those that read them
pub mod clock; // the one place that reads clocks for events
pub mod drain; // stop accepting, finish, end
pub mod readiness; // what still has to happen before traffic may come

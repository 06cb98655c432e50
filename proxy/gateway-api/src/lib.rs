//! The control side of the gateway: Gateway API objects become routing snapshots and status.
//!
//! ```text
//! source (files, kube) ─► object (admitted, typed) ─► index ─► attach ─► translate ─► publish
//! ```
//!
//! Nothing here carries traffic; what leaves this crate is an immutable snapshot and conditions.
#![forbid(unsafe_code)]

mod attach; // who belongs to whom: classes, addresses, listeners, routes
mod index; // every object, and who has read it
pub mod object;
mod publish; // Controller: changes in, snapshots and status out
pub mod quick; // one backend behind one address, without any file
pub mod source;
pub mod status;
mod translate; // objects into the routing model

pub use attach::ParentRef;
pub use publish::{CONTROLLER_NAME, Config, Controller, Origin};

//! The control side of the gateway: Gateway API objects become routing snapshots and status.
//!
//! ```text
//! source (files, kube) ─► object (admitted, typed) ─► index ─► attach ─► translate ─► publish
//! ```
//!
//! Nothing here carries traffic; what leaves this crate is an immutable snapshot and conditions.
#![forbid(unsafe_code)]

pub mod object;
pub mod source;

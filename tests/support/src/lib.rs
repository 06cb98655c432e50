//! Fakes and clients that tests share: peers whose every byte the test decides.
//!
//! Nothing here sleeps. Reading waits for bytes, and every wait is bounded by [`PATIENCE`], so that
//! a test that waits for what never comes fails instead of hanging.

#![forbid(unsafe_code)]

mod client; // RawClient: sends and reads exact bytes
pub mod events; // events of every kind
pub mod http2; // frames, and a client that sends exactly these
mod origin; // Origin: a backend that plays a script
mod read; // messages cut out of a byte stream

pub use client::RawClient;
pub use origin::{Origin, Script, Step};
pub use read::Message;

use std::future::Future;
use std::time::Duration;

/// How long a test waits for anything before it fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The future's output.
///
/// # Panics
/// When it does not come within [`PATIENCE`].
pub async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("waited {PATIENCE:?} for {what}"),
    }
}

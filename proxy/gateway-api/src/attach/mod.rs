//! Who belongs to whom: classes and Gateways, Gateways and addresses, listeners and routes.
//!
//! ```text
//! class ─► address ─► gateway (listener, conflict, certificates) ─► route (parent, hostname)
//! ```
//!
//! Pure functions over what a [`crate::index::Lookup`] reads; their results hold the reasons that
//! status reports. What a route does with a request is not decided here.

mod address; // AddressBook: which addresses and ports a Gateway has
mod class; // which GatewayClasses are ours
mod conflict; // listeners that are not distinct
mod gateway; // GatewayState: a Gateway with its listeners, judged
mod hostname; // intersection of listener's and route's hostnames
mod listener; // ListenerState: one listener, judged
mod namespaces; // which namespaces' routes a listener takes
mod route; // ParentState: a route on one parent, judged

pub(crate) use address::{AddressBook, Allotment, BindPolicy};
pub(crate) use class::{Claim, ClassRule};
pub(crate) use gateway::{GatewayState, Surroundings};
pub(crate) use listener::ListenerState;
pub use route::ParentRef;
pub(crate) use route::{AttachedListener, ParentState, RouteShape, attach};

/// Why something is not as it should be: a condition's reason and a message that says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// One of [`crate::status::reason`].
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

impl Problem {
    pub(crate) fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }
}

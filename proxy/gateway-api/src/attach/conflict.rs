//! Listeners of one Gateway that are not distinct: none of them wins.
//!
//! HTTP and HTTPS listeners are distinct by port, protocol and hostname.
//! <https://gateway-api.sigs.k8s.io/reference/spec/#gatewayspec>: "the implementation MUST NOT
//! pick one conflicting Listener as the winner".

use super::hostname::overlap;
use super::{ListenerState, Problem};
use crate::status::reason;
use rauta_routing::PortProtocol;

/// Marks listeners that conflict and those whose TLS hostnames overlap.
pub(super) fn mark(listeners: &mut [ListenerState]) {
    let found: Vec<_> = listeners
        .iter()
        .map(|listener| (conflict(listener, listeners), overlaps(listener, listeners)))
        .collect();
    for (listener, (conflict, overlapping)) in listeners.iter_mut().zip(found) {
        listener.conflict = conflict;
        listener.overlapping = overlapping;
    }
}

fn conflict(listener: &ListenerState, all: &[ListenerState]) -> Option<Problem> {
    let mine = &listener.offer;
    let others = all
        .iter()
        .filter(|other| other.offer.name != mine.name && other.offer.port == mine.port)
        .filter(|other| other.protocol.is_some() && listener.protocol.is_some());
    let mut hostname_conflict = None;
    for other in others {
        if other.protocol != listener.protocol {
            let message = format!(
                "listener {} has another protocol on the same port {}: give one of them another \
                 port",
                other.offer.name, mine.port
            );
            return Some(Problem::new(reason::PROTOCOL_CONFLICT, message));
        }
        if other.offer.hostname == mine.hostname {
            hostname_conflict.get_or_insert_with(|| {
                let hostname = mine.hostname.as_ref().map(ToString::to_string);
                let message = format!(
                    "listener {} has the same port {} and hostname ({}): give one of them another \
                     hostname or port",
                    other.offer.name,
                    mine.port,
                    hostname.as_deref().unwrap_or("any")
                );
                Problem::new(reason::HOSTNAME_CONFLICT, message)
            });
        }
    }
    hostname_conflict
}

/// The listeners whose hostnames overlap, where connections could be reused across them.
fn overlaps(listener: &ListenerState, all: &[ListenerState]) -> Option<String> {
    if listener.protocol != Some(PortProtocol::Https) {
        return None;
    }
    let mine = &listener.offer;
    let names: Vec<&str> = all
        .iter()
        .filter(|other| {
            other.protocol == Some(PortProtocol::Https)
                && other.offer.name != mine.name
                && other.offer.port == mine.port
                && overlap(mine.hostname.as_ref(), other.offer.hostname.as_ref())
        })
        .map(|other| &*other.offer.name)
        .collect();
    (!names.is_empty()).then(|| names.join(", "))
}

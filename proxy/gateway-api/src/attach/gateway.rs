//! A Gateway with its listeners, judged.

use super::{Allotment, ListenerState, Problem, conflict, listener};
use crate::index::{Lookup, Name};
use crate::object::types::Gateway;
use crate::status::reason;

/// What a Gateway's listeners are judged with.
#[derive(Debug)]
pub(crate) struct Surroundings<'a> {
    pub(crate) name: &'a Name,
    pub(crate) gateway: &'a Gateway,
    pub(crate) allotment: &'a Allotment,
    /// Added to each listener's port where it is bound.
    pub(crate) port_offset: u16,
}

impl Surroundings<'_> {
    /// Whether `spec.tls.frontend` asks for client certificates on that port.
    pub(super) fn validates_clients(&self, port: u16) -> bool {
        let tls = self.gateway.spec.tls.as_ref();
        let Some(frontend) = tls.and_then(|tls| tls.frontend.as_ref()) else {
            return false;
        };
        let mut per_port = frontend.per_port.iter().flatten();
        match per_port.find(|entry| entry.port == i32::from(port)) {
            Some(entry) => entry.tls.validation.is_some(),
            None => frontend.default.validation.is_some(),
        }
    }
}

/// A Gateway of ours.
#[derive(Clone, Debug)]
pub(crate) struct GatewayState {
    pub(crate) name: Name,
    /// Whether its own fields can be used, whatever its listeners are.
    pub(crate) accepted: Result<(), Problem>,
    pub(crate) allotment: Allotment,
    pub(crate) listeners: Vec<ListenerState>,
    /// The class's object is missing and was not needed.
    pub(crate) class_assumed: bool,
}

impl GatewayState {
    /// Judges a Gateway. `previous` is the state before, whose certificates are shared where they
    /// are the same.
    pub(crate) fn judge(
        lookup: &Lookup<'_>,
        around: &Surroundings<'_>,
        previous: Option<&Self>,
    ) -> Self {
        let accepted = accept(around);
        let mut listeners: Vec<ListenerState> = around
            .gateway
            .spec
            .listeners
            .iter()
            .map(|spec| {
                let before = previous.and_then(|state| state.listener(&spec.name));
                listener::judge(lookup, around, spec, before)
            })
            .collect();
        conflict::mark(&mut listeners);
        for listener in &mut listeners {
            listener.offer.refusal = refusal(&accepted, listener);
        }
        Self {
            name: around.name.clone(),
            accepted,
            allotment: around.allotment.clone(),
            listeners,
            class_assumed: false,
        }
    }

    /// The listener of that name.
    pub(crate) fn listener(&self, name: &str) -> Option<&ListenerState> {
        self.listeners
            .iter()
            .find(|listener| &*listener.offer.name == name)
    }

    /// Whether routes see no difference.
    pub(crate) fn offers_the_same(&self, other: &Self) -> bool {
        self.listeners.len() == other.listeners.len()
            && self
                .listeners
                .iter()
                .zip(&other.listeners)
                .all(|(mine, theirs)| mine.offer == theirs.offer)
    }
}

fn accept(around: &Surroundings<'_>) -> Result<(), Problem> {
    if let Some(problem) = &around.allotment.unsupported {
        return Err(problem.clone());
    }
    let infrastructure = around.gateway.spec.infrastructure.as_ref();
    if let Some(parameters) = infrastructure.and_then(|i| i.parameters_ref.as_ref()) {
        let message = format!(
            "infrastructure.parametersRef: {}/{} {} is not a kind that is read: remove the \
             reference",
            parameters.group, parameters.kind, parameters.name
        );
        return Err(Problem::new(reason::INVALID_PARAMETERS, message));
    }
    Ok(())
}

fn refusal(gateway: &Result<(), Problem>, listener: &ListenerState) -> Option<String> {
    let of_listener = listener
        .accepted
        .as_ref()
        .err()
        .or(listener.conflict.as_ref());
    gateway
        .as_ref()
        .err()
        .or(of_listener)
        .map(|problem| problem.message.clone())
}

//! Status of a Gateway and its listeners.

use super::object::Conditions;
use super::serving::PortState;
use super::{Condition, ConditionStatus, Known, ListenerStatus, ObjectStatus, RouteGroupKind};
use super::{kind, reason};
use crate::attach::{Claim, GatewayState, ListenerState, Problem};
use crate::index::Name;
use crate::object::{GATEWAY_GROUP, Stored};
use crate::publish::as_gateway;

/// `None`: another controller's.
pub(super) fn status(known: &Known<'_>, stored: &Stored) -> Option<ObjectStatus> {
    let make = Conditions::new(stored);
    let mut status = ObjectStatus::new(stored);
    let Some(state) = known.gateways.states.get(&Name::from(&stored.key)) else {
        return waiting(known, stored, make).map(|conditions| ObjectStatus {
            conditions,
            ..status
        });
    };
    let ports: Vec<PortState> = state
        .listeners
        .iter()
        .map(|listener| port_state(known, state, listener))
        .collect();
    status.listeners = state
        .listeners
        .iter()
        .zip(&ports)
        .map(|(listener, port)| listener_status(known, state, listener, port, make))
        .collect();
    let bad = status
        .listeners
        .iter()
        .filter(|listener| is_bad(listener))
        .map(|listener| listener.name.as_str())
        .collect::<Vec<_>>();
    let unresolved = status.listeners.iter().any(|listener| {
        let mut conditions = listener.conditions.iter();
        conditions.any(|c| c.r#type == kind::RESOLVED_REFS && c.status == ConditionStatus::False)
    });
    let accepted = accepted(state, stored, &bad, make);
    let programmed = programmed(state, &accepted, &ports, make);
    status.conditions = vec![accepted, programmed];
    if unresolved {
        let message = "some listeners have references that cannot be followed";
        let problem = Problem::new(reason::LISTENERS_NOT_RESOLVED, message);
        status
            .conditions
            .push(make.fails(kind::RESOLVED_REFS, &problem));
    }
    let addresses = state.allotment.addresses.iter();
    status.addresses = addresses.map(ToString::to_string).collect();
    Some(status)
}

/// A Gateway whose class nobody has claimed yet; `None` where somebody else has.
fn waiting(known: &Known<'_>, stored: &Stored, make: Conditions) -> Option<Vec<Condition>> {
    let class = &as_gateway(stored)?.spec.gateway_class_name;
    let claim = known.config.class_rule().claim_of(known.index, class);
    if claim != Claim::Missing {
        return None;
    }
    let message = format!("GatewayClass {class} does not exist: create it, or name another");
    let unknown = |kind| make.make(kind, ConditionStatus::Unknown, reason::PENDING, &*message);
    Some(vec![unknown(kind::ACCEPTED), unknown(kind::PROGRAMMED)])
}

fn is_bad(listener: &ListenerStatus) -> bool {
    listener
        .conditions
        .iter()
        .any(|c| c.r#type == kind::ACCEPTED && c.status != ConditionStatus::True)
}

fn accepted(state: &GatewayState, stored: &Stored, bad: &[&str], make: Conditions) -> Condition {
    if let Err(problem) = &state.accepted {
        return make.fails(kind::ACCEPTED, problem);
    }
    if !bad.is_empty() {
        let message = format!("listeners that are not valid: {}", bad.join(", "));
        let problem = Problem::new(reason::LISTENERS_NOT_VALID, message);
        return if bad.len() == state.listeners.len() {
            make.fails(kind::ACCEPTED, &problem)
        } else {
            make.holds(kind::ACCEPTED, problem.reason, problem.message)
        };
    }
    let mut message = "the Gateway is valid".to_owned();
    if let Some(gateway) = as_gateway(stored) {
        if state.class_assumed {
            message.push_str("; no file defines its GatewayClass ");
            message.push_str(&gateway.spec.gateway_class_name);
            message.push_str(", which is taken as RAUTA's own");
        }
        let backend = gateway
            .spec
            .tls
            .as_ref()
            .and_then(|tls| tls.backend.as_ref());
        if backend.is_some_and(|backend| backend.client_certificate_ref.is_some()) {
            message.push_str("; spec.tls.backend is not used: backends get no client certificate");
        }
    }
    make.holds(kind::ACCEPTED, reason::ACCEPTED, message)
}

fn programmed(
    state: &GatewayState,
    accepted: &Condition,
    ports: &[PortState],
    make: Conditions,
) -> Condition {
    if accepted.status != ConditionStatus::True {
        let message = format!("not accepted: {}", accepted.message);
        return make.fails(kind::PROGRAMMED, &Problem::new(reason::INVALID, message));
    }
    if let Some(problem) = &state.allotment.unusable {
        return make.fails(kind::PROGRAMMED, problem);
    }
    if ports.contains(&PortState::Pending) {
        let message = "waiting for the data plane";
        return make.make(
            kind::PROGRAMMED,
            ConditionStatus::Unknown,
            reason::PENDING,
            message,
        );
    }
    let message = "the data plane serves every listener that is valid";
    make.holds(kind::PROGRAMMED, reason::PROGRAMMED, message)
}

fn port_state(known: &Known<'_>, gateway: &GatewayState, listener: &ListenerState) -> PortState {
    if !listener.is_served() {
        return PortState::Served;
    }
    let port = listener.offer.port.saturating_add(known.config.port_offset);
    known.serving.of(gateway, port)
}

fn listener_status(
    known: &Known<'_>,
    gateway: &GatewayState,
    listener: &ListenerState,
    port: &PortState,
    make: Conditions,
) -> ListenerStatus {
    let offer = &listener.offer;
    let problem = listener_problem(listener, port);
    let accepted = match &problem {
        None => make.holds(kind::ACCEPTED, reason::ACCEPTED, "the listener is valid"),
        Some(problem) => make.fails(kind::ACCEPTED, problem),
    };
    let programmed = listener_programmed(gateway, listener, problem.as_ref(), port, make);
    let resolved = match &listener.resolved {
        Ok(()) => make.holds(
            kind::RESOLVED_REFS,
            reason::RESOLVED_REFS,
            "every reference could be followed",
        ),
        Err(problem) => make.fails(kind::RESOLVED_REFS, problem),
    };
    let conflicted = match &listener.conflict {
        None => make.make(
            kind::CONFLICTED,
            ConditionStatus::False,
            reason::NO_CONFLICTS,
            "no other listener is like it",
        ),
        Some(conflict) => make.holds(kind::CONFLICTED, conflict.reason, &*conflict.message),
    };
    let mut conditions = vec![accepted, programmed, resolved, conflicted];
    conditions.extend(listener.overlapping.as_ref().map(|others| {
        let message = format!(
            "its hostname overlaps with that of {others} on the same port: a request that comes \
             on a connection for the other one is answered 421"
        );
        make.holds(
            kind::OVERLAPPING_TLS_CONFIG,
            reason::OVERLAPPING_HOSTNAMES,
            message,
        )
    }));
    ListenerStatus {
        name: offer.name.to_string(),
        supported_kinds: offer
            .kinds
            .iter()
            .map(|kind| RouteGroupKind {
                group: GATEWAY_GROUP,
                kind: kind.label(),
            })
            .collect(),
        attached_routes: known.routes.count_on(&gateway.name, &offer.name),
        conditions,
    }
}

/// Why the listener is not accepted.
fn listener_problem(listener: &ListenerState, port: &PortState) -> Option<Problem> {
    if let Err(problem) = &listener.accepted {
        return Some(problem.clone());
    }
    if let Some(conflict) = &listener.conflict {
        return Some(conflict.clone());
    }
    match port {
        PortState::Failed(why) => Some(Problem::new(
            reason::PORT_UNAVAILABLE,
            format!("port {} cannot be served: {why}", listener.offer.port),
        )),
        PortState::Served | PortState::Pending => None,
    }
}

fn listener_programmed(
    gateway: &GatewayState,
    listener: &ListenerState,
    problem: Option<&Problem>,
    port: &PortState,
    make: Conditions,
) -> Condition {
    let invalid =
        |message: String| make.fails(kind::PROGRAMMED, &Problem::new(reason::INVALID, message));
    if let Some(problem) = problem {
        return invalid(format!("not accepted: {}", problem.message));
    }
    if let Err(problem) = &gateway.accepted {
        return invalid(format!("its Gateway is not accepted: {}", problem.message));
    }
    if !listener.is_served() {
        return invalid("it has no certificate that can be used".to_owned());
    }
    if gateway.allotment.addresses.is_empty() {
        return invalid("its Gateway has no address".to_owned());
    }
    match port {
        PortState::Pending => make.make(
            kind::PROGRAMMED,
            ConditionStatus::Unknown,
            reason::PENDING,
            "waiting for the data plane",
        ),
        PortState::Served | PortState::Failed(_) => make.holds(
            kind::PROGRAMMED,
            reason::PROGRAMMED,
            "the data plane serves the listener",
        ),
    }
}

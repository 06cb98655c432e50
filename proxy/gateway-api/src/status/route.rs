//! Status of an HTTPRoute or GRPCRoute on each parent that is ours.

use super::object::Conditions;
use super::{Condition, Known, ObjectStatus, ParentStatus, kind, reason};
use crate::object::Stored;
use crate::translate::{RouteState, parents};

pub(super) fn status(known: &Known<'_>, stored: &Stored) -> Option<ObjectStatus> {
    let state = known.routes.states.get(&stored.key)?;
    let make = Conditions::new(stored);
    let resolved = resolved(state, make);
    let partial = partially_invalid(state, make);
    let mut status = ObjectStatus::new(stored);
    let mut refs = parents(&state.stored).into_iter().enumerate();
    for parent in &state.parents {
        // Both are in the order of the parentRefs.
        let Some((_, parent_ref)) = refs.find(|(place, _)| *place == parent.place) else {
            continue;
        };
        let accepted = match (&parent.attached, state.unsupported()) {
            (Err(problem), _) => make.fails(kind::ACCEPTED, problem),
            (Ok(_), Err(problem)) => make.fails(kind::ACCEPTED, problem),
            (Ok(listeners), Ok(())) => {
                let names: Vec<&str> = listeners.iter().map(|found| &*found.listener).collect();
                let message = format!("attached to {}", names.join(", "));
                make.holds(kind::ACCEPTED, reason::ACCEPTED, message)
            }
        };
        let mut conditions = vec![accepted, resolved.clone()];
        conditions.extend(partial.clone());
        status.parents.push(ParentStatus {
            parent_ref,
            controller_name: known.config.controller_name.clone(),
            conditions,
        });
    }
    Some(status)
}

fn resolved(state: &RouteState, make: Conditions) -> Condition {
    let of_backends = state
        .resolutions()
        .filter_map(|found| found.problem.as_ref());
    let of_filters = state
        .rules
        .iter()
        .filter_map(|rule| rule.unresolved.as_ref());
    match of_backends.chain(of_filters).next() {
        Some(problem) => make.fails(kind::RESOLVED_REFS, problem),
        None => make.holds(
            kind::RESOLVED_REFS,
            reason::RESOLVED_REFS,
            "every reference could be followed",
        ),
    }
}

/// Present only where some rules, not all, cannot be used.
fn partially_invalid(state: &RouteState, make: Conditions) -> Option<Condition> {
    state.unsupported().ok()?;
    let problem = state
        .rules
        .iter()
        .find_map(|rule| rule.unsupported.as_ref())?;
    // The API asks for this start of the message where rules are left out.
    let message = match problem.message.strip_prefix("dropped rule") {
        Some(rest) => format!("Dropped Rule{rest}"),
        None => problem.message.clone(),
    };
    Some(make.holds(kind::PARTIALLY_INVALID, problem.reason, message))
}

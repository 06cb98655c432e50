//! Status of a BackendTLSPolicy for each Gateway that it affects.

use super::object::Conditions;
use super::{AncestorStatus, Condition, Known, ObjectStatus, kind, reason};
use crate::attach::{ParentRef, Problem};
use crate::index::Name;
use crate::object::types::BackendTlsPolicy;
use crate::object::{GATEWAY_GROUP, Kind, Object, Stored};
use crate::translate::{PolicyState, winner};
use std::collections::{BTreeMap, BTreeSet};

/// The status of every policy.
pub(super) fn collect(known: &Known<'_>) -> Vec<ObjectStatus> {
    let reached = gateways_by_service(known);
    known
        .index
        .of_kind(Kind::BackendTlsPolicy)
        .filter_map(|stored| status(known, stored, &reached))
        .collect()
}

/// From which Gateways a Service is reached, by attached routes.
fn gateways_by_service(known: &Known<'_>) -> BTreeMap<Name, BTreeSet<Name>> {
    let mut reached: BTreeMap<Name, BTreeSet<Name>> = BTreeMap::new();
    if known.policies.states.is_empty() {
        return reached;
    }
    for route in known.routes.states.values() {
        let gateways: BTreeSet<&Name> = route.attached().map(|found| &found.gateway).collect();
        for key in route.resolutions().filter_map(|found| found.meant.as_ref()) {
            let known = reached.entry(key.service.clone()).or_default();
            known.extend(gateways.iter().copied().cloned());
        }
    }
    reached
}

fn status(
    known: &Known<'_>,
    stored: &Stored,
    reached: &BTreeMap<Name, BTreeSet<Name>>,
) -> Option<ObjectStatus> {
    let Object::BackendTlsPolicy(policy) = &stored.object else {
        return None;
    };
    let state = known.policies.states.get(&Name::from(&stored.key))?;
    let gateways: BTreeSet<&Name> = targets(policy, stored)
        .filter_map(|(service, _)| reached.get(&service))
        .flatten()
        .collect();
    let conditions = conditions(known, stored, policy, state);
    let mut status = ObjectStatus::new(stored);
    status.ancestors = gateways
        .into_iter()
        .map(|gateway| AncestorStatus {
            ancestor_ref: ParentRef {
                group: GATEWAY_GROUP.to_owned(),
                kind: Kind::Gateway.as_str().to_owned(),
                namespace: gateway.namespace.to_string(),
                name: gateway.name.to_string(),
                section_name: None,
                port: None,
            },
            controller_name: known.config.controller_name.clone(),
            conditions: conditions.clone(),
        })
        .collect();
    Some(status)
}

/// The Services and sections that a policy targets.
fn targets<'a>(
    policy: &'a BackendTlsPolicy,
    stored: &'a Stored,
) -> impl Iterator<Item = (Name, Option<&'a str>)> {
    policy.spec.target_refs.iter().map(|target| {
        let service = Name::new(&stored.key.namespace, &target.name);
        (service, target.section_name.as_deref())
    })
}

fn conditions(
    known: &Known<'_>,
    stored: &Stored,
    policy: &BackendTlsPolicy,
    state: &PolicyState,
) -> Vec<Condition> {
    let make = Conditions::new(stored);
    let accepted = match (lost_to(known, stored, policy), &state.tls) {
        (Some(winner), _) => {
            let message = format!(
                "BackendTLSPolicy {winner} targets the same Service and is older: delete one of \
                 them, or give this one another target"
            );
            make.fails(kind::ACCEPTED, &Problem::new(reason::CONFLICTED, message))
        }
        (None, Err(problem)) => make.fails(kind::ACCEPTED, problem),
        (None, Ok(_)) => make.holds(
            kind::ACCEPTED,
            reason::ACCEPTED,
            "connections to the Service use TLS as this policy says",
        ),
    };
    let resolved = match &state.resolved {
        Ok(()) => make.holds(
            kind::RESOLVED_REFS,
            reason::RESOLVED_REFS,
            "every reference could be followed",
        ),
        Err(problem) => make.fails(kind::RESOLVED_REFS, problem),
    };
    vec![accepted, resolved]
}

/// The older policy that has every target of this one, where there is none left for it.
fn lost_to(known: &Known<'_>, stored: &Stored, policy: &BackendTlsPolicy) -> Option<Name> {
    let mut older = None;
    for (service, section) in targets(policy, stored) {
        let winner = winner(known.index, &service, section)?;
        if winner.key == stored.key {
            return None;
        }
        older.get_or_insert_with(|| Name::from(&winner.key));
    }
    older
}

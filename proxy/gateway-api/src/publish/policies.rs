//! BackendTLSPolicies, judged.

use super::work::{Unit, Work};
use crate::index::{Index, Lookup, Name, Read};
use crate::object::types::BackendTlsPolicy;
use crate::object::{Kind, Object};
use crate::translate::{Policies, PolicyState};
use std::collections::BTreeSet;

/// Judges again what changed. Touches the policies of each Service whose policy says another
/// thing.
pub(super) fn refresh_policies(policies: &mut Policies, index: &Index, work: &mut Work<'_>) {
    let mut dirty: BTreeSet<Name> = work
        .changed(Kind::BackendTlsPolicy)
        .map(|key| Name::from(&**key))
        .collect();
    dirty.extend(work.readers(|unit| match unit {
        Unit::Policy(name) => Some(name),
        _ => None,
    }));
    for name in dirty {
        let before = policies.states.remove(&name);
        let unit = Unit::Policy(name.clone());
        let Some(policy) = find(index, &name) else {
            work.dependents.forget(&unit);
            continue;
        };
        let lookup = Lookup::new(index);
        let state = PolicyState::judge(&lookup, policy, before.as_ref());
        work.dependents.record(&unit, lookup.into_reads());
        if before.as_ref() != Some(&state) {
            work.touched.extend(Read::policies_of(policy));
        }
        policies.states.insert(name, state);
    }
}

fn find<'a>(index: &'a Index, name: &Name) -> Option<&'a BackendTlsPolicy> {
    let stored = index.find(Kind::BackendTlsPolicy, &name.namespace, &name.name)?;
    match &stored.object {
        Object::BackendTlsPolicy(policy) => Some(policy),
        _ => None,
    }
}

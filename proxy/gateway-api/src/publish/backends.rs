//! Every Service port that some attached route uses, with its endpoints.

use super::routes::{Routes, Surroundings};
use super::work::{Unit, Work};
use crate::index::Lookup;
use crate::translate::{BackendKey, BackendPlan, plan_backend};
use rauta_routing::{Backend, IdHash};
use rauta_schemas::BackendId;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The backends of the snapshot.
#[derive(Debug, Default)]
pub(super) struct Backends {
    built: BTreeMap<BackendKey, (BackendPlan, Arc<Backend>)>,
    table: Arc<HashMap<BackendId, Arc<Backend>, IdHash>>,
    changed: bool,
}

impl Backends {
    /// Plans again what changed, and builds what then differs.
    pub(super) fn refresh(
        &mut self,
        around: &Surroundings<'_>,
        routes: &Routes,
        work: &mut Work<'_>,
    ) {
        let mut dirty = std::mem::take(&mut work.backends);
        dirty.extend(work.readers(|unit| match unit {
            Unit::Backend(key) => Some(key),
            _ => None,
        }));
        self.changed = false;
        for key in dirty {
            let plan = plan(around, routes, &key, work);
            self.put(around, key, plan);
        }
        if self.changed {
            let backends = self.built.values();
            let by_id = backends.map(|(_, backend)| (backend.id(), backend.clone()));
            self.table = Arc::new(by_id.collect());
        }
    }

    fn put(&mut self, around: &Surroundings<'_>, key: BackendKey, plan: Option<BackendPlan>) {
        let before = self.built.get(&key);
        let Some(plan) = plan else {
            self.changed |= before.is_some();
            self.built.remove(&key);
            return;
        };
        if before.is_some_and(|(old, _)| *old == plan) {
            return;
        }
        let old = before.map(|(_, backend)| &**backend);
        let backend = Arc::new(plan.build(&key, around.names, old));
        self.built.insert(key, (plan, backend));
        self.changed = true;
    }

    /// Whether the last refresh changed anything.
    pub(super) fn changed(&self) -> bool {
        self.changed
    }

    pub(super) fn table(&self) -> Arc<HashMap<BackendId, Arc<Backend>, IdHash>> {
        self.table.clone()
    }
}

/// `None`: nobody uses it, or it cannot be had.
fn plan(
    around: &Surroundings<'_>,
    routes: &Routes,
    key: &BackendKey,
    work: &mut Work<'_>,
) -> Option<BackendPlan> {
    let unit = Unit::Backend(key.clone());
    let Some(uses) = routes.uses_of(key) else {
        work.dependents.forget(&unit);
        return None;
    };
    let lookup = Lookup::new(around.index);
    let policy = around.config.endpoint_policy();
    let plan = plan_backend(&lookup, around.policies, key, uses.http == 0, policy);
    work.dependents.record(&unit, lookup.into_reads());
    plan
}

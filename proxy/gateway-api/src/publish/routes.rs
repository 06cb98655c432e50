//! Routes: where they attach and what their rules do.

use super::work::{ListenerKey, Unit, Work};
use super::{Config, Gateways, Origin};
use crate::attach::attach;
use crate::index::{Index, Lookup, Name};
use crate::object::{Kind, ObjectKey};
use crate::translate::{BackendKey, Policies, RouteState, Rules, shape};
use rauta_routing::RouteEntry;
use rauta_schemas::{Names, RouteKind};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// What routes, backends and listeners are compiled with.
#[derive(Debug)]
pub(super) struct Surroundings<'a> {
    pub(super) config: &'a Config,
    pub(super) index: &'a Index,
    pub(super) gateways: &'a Gateways,
    pub(super) policies: &'a Policies,
    pub(super) names: &'a Names,
}

/// Every route, judged and translated.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    pub(crate) states: BTreeMap<Arc<ObjectKey>, RouteState>,
    /// The routes of each listener, by key, so that tables are made in a stable order.
    by_listener: HashMap<ListenerKey, BTreeMap<Arc<ObjectKey>, Arc<RouteEntry>>>,
    /// How many routes of each kind use a backend.
    uses: HashMap<BackendKey, Uses>,
}

/// How many routes use a backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Uses {
    pub(super) http: usize,
    pub(super) grpc: usize,
}

impl Routes {
    /// The routes of a listener.
    pub(super) fn on(&self, listener: &ListenerKey) -> impl Iterator<Item = &Arc<RouteEntry>> {
        let routes = self.by_listener.get(listener).into_iter();
        routes.flat_map(BTreeMap::values)
    }

    /// How many routes a listener has.
    pub(crate) fn count_on(&self, gateway: &Name, listener: &Arc<str>) -> usize {
        let key = (gateway.clone(), listener.clone());
        self.by_listener.get(&key).map_or(0, BTreeMap::len)
    }

    /// Who uses a backend; `None`: nobody.
    pub(super) fn uses_of(&self, key: &BackendKey) -> Option<Uses> {
        self.uses.get(key).copied()
    }

    /// Compiles again what changed.
    pub(super) fn refresh(&mut self, around: &Surroundings<'_>, work: &mut Work<'_>) {
        let mut dirty: BTreeSet<Arc<ObjectKey>> = work
            .changed(Kind::HttpRoute)
            .chain(work.changed(Kind::GrpcRoute))
            .cloned()
            .collect();
        dirty.extend(work.readers(|unit| match unit {
            Unit::Route(key) => Some(key),
            _ => None,
        }));
        for key in dirty {
            let before = self.states.remove(&key);
            let after = compile(around, &key, before.as_ref(), work);
            self.reattach(&key, before.as_ref(), after.as_ref(), work);
            self.recount(before.as_ref(), after.as_ref(), work);
            if let Some(state) = after {
                self.states.insert(key, state);
            }
        }
    }

    /// Moves a route's entries; listeners that have others now are marked.
    fn reattach(
        &mut self,
        key: &Arc<ObjectKey>,
        before: Option<&RouteState>,
        after: Option<&RouteState>,
        work: &mut Work<'_>,
    ) {
        let mut old = entries(before);
        let new = entries(after);
        for (listener, entry) in new {
            if old
                .remove(&listener)
                .is_some_and(|old| Arc::ptr_eq(&old, &entry))
            {
                continue;
            }
            work.listeners.insert(listener.clone());
            self.by_listener
                .entry(listener)
                .or_default()
                .insert(key.clone(), entry);
        }
        for listener in old.into_keys() {
            if let Some(routes) = self.by_listener.get_mut(&listener) {
                routes.remove(key);
                if routes.is_empty() {
                    self.by_listener.remove(&listener);
                }
            }
            work.listeners.insert(listener);
        }
    }

    /// Counts a route's backends anew; backends whose users changed are marked.
    fn recount(
        &mut self,
        before: Option<&RouteState>,
        after: Option<&RouteState>,
        work: &mut Work<'_>,
    ) {
        let used = |state: Option<&RouteState>| -> BTreeSet<BackendKey> {
            // A route that is attached nowhere needs no endpoints.
            let live = state.filter(|state| !state.entries.is_empty());
            let keys = live.into_iter().flat_map(RouteState::backends);
            keys.cloned().collect()
        };
        let (old, new) = (used(before), used(after));
        let Some(kind) = after.or(before).map(|state| state.kind) else {
            return;
        };
        for key in old.symmetric_difference(&new) {
            let uses = self.uses.entry(key.clone()).or_default();
            let count = match kind {
                RouteKind::Http => &mut uses.http,
                RouteKind::Grpc => &mut uses.grpc,
            };
            *count = if new.contains(key) {
                *count + 1
            } else {
                count.saturating_sub(1)
            };
            if *uses == Uses::default() {
                self.uses.remove(key);
            }
            work.backends.insert(key.clone());
        }
    }
}

fn entries(state: Option<&RouteState>) -> BTreeMap<ListenerKey, Arc<RouteEntry>> {
    let Some(state) = state else {
        return BTreeMap::new();
    };
    let listeners = state
        .attached()
        .map(|attached| (attached.gateway.clone(), attached.listener.clone()));
    listeners.zip(state.entries.iter().cloned()).collect()
}

/// `None`: the route is gone.
fn compile(
    around: &Surroundings<'_>,
    key: &Arc<ObjectKey>,
    before: Option<&RouteState>,
    work: &mut Work<'_>,
) -> Option<RouteState> {
    let unit = Unit::Route(key.clone());
    let Some(stored) = around.index.get(key) else {
        work.dependents.forget(&unit);
        return None;
    };
    let (shape, rules) = (shape(stored)?, Rules::of(stored)?);
    let lookup = Lookup::new(around.index);
    // From files nobody else could own a Gateway that is missing, so it is a mistake; a Gateway
    // that is there and not among ours is another class's.
    let is_foreign = |name: &Name| {
        around.config.origin == Origin::Kubernetes
            || around
                .index
                .find(Kind::Gateway, &name.namespace, &name.name)
                .is_some()
    };
    let parents = attach(&lookup, &around.gateways.states, &shape, &is_foreign);
    let states = rules.translate(&lookup, around.policies, around.names, &shape, before);
    work.dependents.record(&unit, lookup.into_reads());
    Some(RouteState::assemble(
        stored, shape.kind, parents, states, before,
    ))
}

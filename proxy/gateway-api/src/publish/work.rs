//! What there is to do in one compilation: it grows from stage to stage.

use crate::index::{Dependents, Index, Name, Read};
use crate::object::{Kind, ObjectKey};
use crate::translate::BackendKey;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What is compiled, and recompiled, as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Unit {
    Gateway(Name),
    Policy(Name),
    Route(Arc<ObjectKey>),
    Backend(BackendKey),
}

/// A listener of a Gateway.
pub(super) type ListenerKey = (Name, Arc<str>);

/// What changed, what was touched by it, and what follows.
#[derive(Debug)]
pub(super) struct Work<'a> {
    /// Objects that are compiled for themselves and changed.
    changed: BTreeSet<Arc<ObjectKey>>,
    /// What others may have read.
    pub(super) touched: BTreeSet<Read>,
    /// Backends whose users changed.
    pub(super) backends: BTreeSet<BackendKey>,
    /// Listeners whose routes changed.
    pub(super) listeners: BTreeSet<ListenerKey>,
    pub(super) dependents: &'a mut Dependents<Unit>,
}

impl<'a> Work<'a> {
    pub(super) fn new(index: &mut Index, dependents: &'a mut Dependents<Unit>) -> Self {
        Self {
            changed: index.take_changed(),
            touched: index.take_touched(),
            backends: BTreeSet::new(),
            listeners: BTreeSet::new(),
            dependents,
        }
    }

    /// Objects of that kind that came, changed or went.
    pub(super) fn changed(&self, kind: Kind) -> impl Iterator<Item = &Arc<ObjectKey>> {
        self.changed.iter().filter(move |key| key.kind == kind)
    }

    /// Units of one kind that have read what was touched so far.
    pub(super) fn readers<T: Ord>(&self, pick: impl Fn(Unit) -> Option<T>) -> BTreeSet<T> {
        let mut units = BTreeSet::new();
        for read in &self.touched {
            self.dependents.of(read, &mut units);
        }
        units.into_iter().filter_map(pick).collect()
    }
}

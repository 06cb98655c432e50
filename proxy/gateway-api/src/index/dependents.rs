//! Which unit of work read what, so that a change finds the work it makes.

use super::Read;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

/// Reads and their readers, both ways. Thousands of units read the same few things: each is kept
/// once and shared.
#[derive(Debug)]
pub(crate) struct Dependents<U> {
    readers: HashMap<Arc<Read>, HashSet<Arc<U>>>,
    reads: HashMap<Arc<U>, Box<[Arc<Read>]>>,
}

impl<U> Default for Dependents<U> {
    fn default() -> Self {
        Self {
            readers: HashMap::new(),
            reads: HashMap::new(),
        }
    }
}

impl<U: Clone + Eq + Hash + Ord> Dependents<U> {
    /// Replaces what `unit` has read.
    pub(crate) fn record(&mut self, unit: &U, reads: BTreeSet<Read>) {
        if let Some(old) = self.reads.get(unit)
            && old.len() == reads.len()
            && old.iter().map(Arc::as_ref).eq(&reads)
        {
            return;
        }
        self.forget(unit);
        if reads.is_empty() {
            return;
        }
        let unit = Arc::new(unit.clone());
        let shared = reads.into_iter().map(|read| {
            let read = match self.readers.get_key_value(&read) {
                Some((known, _)) => Arc::clone(known),
                None => Arc::new(read),
            };
            let readers = self.readers.entry(Arc::clone(&read)).or_default();
            readers.insert(Arc::clone(&unit));
            read
        });
        let shared = shared.collect();
        self.reads.insert(unit, shared);
    }

    /// The unit is gone.
    pub(crate) fn forget(&mut self, unit: &U) {
        for read in self.reads.remove(unit).unwrap_or_default() {
            if let Some(readers) = self.readers.get_mut(&read) {
                readers.remove(unit);
                if readers.is_empty() {
                    self.readers.remove(&read);
                }
            }
        }
    }

    /// Adds the units that have read `read` to `units`.
    pub(crate) fn of(&self, read: &Read, units: &mut BTreeSet<U>) {
        if let Some(readers) = self.readers.get(read) {
            units.extend(readers.iter().map(|unit| U::clone(unit)));
        }
    }
}

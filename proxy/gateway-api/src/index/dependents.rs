//! Which unit of work read what, so that a change finds the work it makes.

use super::Read;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::Hash;

/// Reads and their readers, both ways.
#[derive(Debug)]
pub(crate) struct Dependents<U> {
    readers: HashMap<Read, HashSet<U>>,
    reads: HashMap<U, Box<[Read]>>,
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
            && old.iter().eq(reads.iter())
        {
            return;
        }
        self.forget(unit);
        for read in &reads {
            self.readers
                .entry(read.clone())
                .or_default()
                .insert(unit.clone());
        }
        if !reads.is_empty() {
            self.reads.insert(unit.clone(), reads.into_iter().collect());
        }
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
            units.extend(readers.iter().cloned());
        }
    }
}

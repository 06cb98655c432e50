//! Counters with a single writer: a plain load and store, no locked instruction. Each writer's
//! counters stand on cache lines of their own.

use std::ops::{Add, AddAssign, Index, IndexMut};
use std::sync::atomic::{AtomicU64, Ordering};

use rauta_schemas::Family;

/// One number per family of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerFamily([u64; Family::COUNT]);

impl PerFamily {
    /// The sum over all families.
    pub fn sum(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Each family that is not 0, with its number.
    pub fn present(&self) -> impl Iterator<Item = (Family, u64)> {
        let all = Family::ALL.into_iter().zip(self.0);
        all.filter(|(_, count)| *count > 0)
    }

    /// This less `other`, 0 where that would be negative.
    pub(super) fn less(&self, other: &Self) -> Self {
        let mut rest = *self;
        for (left, right) in rest.0.iter_mut().zip(other.0) {
            *left = left.saturating_sub(right);
        }
        rest
    }
}

impl Index<Family> for PerFamily {
    type Output = u64;

    fn index(&self, family: Family) -> &u64 {
        &self.0[family as usize]
    }
}

impl IndexMut<Family> for PerFamily {
    fn index_mut(&mut self, family: Family) -> &mut u64 {
        &mut self.0[family as usize]
    }
}

impl AddAssign for PerFamily {
    fn add_assign(&mut self, other: Self) {
        for (left, right) in self.0.iter_mut().zip(other.0) {
            *left += right;
        }
    }
}

impl Add for PerFamily {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self += other;
        self
    }
}

/// One counter per family; one thread writes, any thread reads.
#[derive(Debug, Default)]
pub(super) struct Tally([AtomicU64; Family::COUNT]);

impl Tally {
    pub(super) fn add(&self, family: Family, count: u64) {
        let counter = &self.0[family as usize];
        counter.store(counter.load(Ordering::Relaxed) + count, Ordering::Relaxed);
    }

    pub(super) fn add_all(&self, counts: &PerFamily) {
        for (family, count) in counts.present() {
            self.add(family, count);
        }
    }

    pub(super) fn read(&self) -> PerFamily {
        let mut counts = PerFamily::default();
        for (count, counter) in counts.0.iter_mut().zip(&self.0) {
            *count = counter.load(Ordering::Relaxed);
        }
        counts
    }
}

/// A value on cache lines of its own (two: processors fetch lines in pairs).
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Padded<T>(pub(super) T);

//! What detectors with baselines do alike with all of their tracks: keep what was learnt, adopt it
//! again after a restart, and count.

use crate::baseline::{Restored, Rotation, Slot, Stored};
use crate::processor::Usage;
use crate::table::Table;
use std::hash::Hash;

/// What an earlier run had learnt is forgotten if nobody asked for it in this time, nanoseconds.
pub(crate) const RESTORED_FOR_NS: u64 = 86_400_000_000_000;

/// A key that was used more recently keeps its place, nanoseconds.
const IDLE_NS: u64 = 60_000_000_000;

/// What is known about one key.
pub(crate) trait Tracked {
    /// What its baseline is made of.
    type Slot: Slot;

    /// Its baseline.
    fn rotation(&self) -> &Rotation<Self::Slot>;

    /// Is an anomaly going on?
    fn is_firing(&self) -> bool;

    /// When it was used last, `CLOCK_MONOTONIC`, nanoseconds.
    fn used_ns(&self) -> u64;
}

/// Is there a place for `key`? One that was used lately makes no room for another.
pub(crate) fn admits<K: Copy + Eq + Hash, T: Tracked>(
    tracks: &mut Table<K, T>,
    key: &K,
    now_ns: u64,
) -> bool {
    tracks.admits(key, |oldest| {
        now_ns.saturating_sub(oldest.used_ns()) >= IDLE_NS
    })
}

/// Every baseline that learnt something, by its key's name, and what still waits from before.
pub(crate) fn learnt<K: Copy + Eq + Hash, T: Tracked>(
    tracks: &Table<K, T>,
    restored: &Restored,
    name: impl Fn(K) -> Option<String>,
    now_ns: u64,
    out: &mut Vec<Stored>,
) {
    for (key, track) in tracks.iter() {
        let rotation = track.rotation();
        if rotation.samples() > 0
            && let Some(name) = name(*key)
        {
            out.push(rotation.stored(name, now_ns));
        }
    }
    out.extend(restored.waiting().cloned());
}

/// How much the tracks hold.
pub(crate) fn usage<K: Copy + Eq + Hash, T: Tracked>(tracks: &Table<K, T>) -> Usage {
    let firing = tracks.iter().filter(|(_, track)| track.is_firing()).count();
    Usage {
        keys: tracks.len() as u64,
        firing: firing as u64,
        evicted: tracks.evicted(),
        refused: tracks.refused(),
        ..Usage::default()
    }
}

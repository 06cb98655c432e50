//! A table of bounded size: over its limit the entry that was used longest ago makes room.
//!
//! Keys are ids given by RAUTA itself, so a plain multiplying hash is safe here and takes a tenth
//! of the time of the default one. An access costs one lookup and a few writes, no allocation.

use crate::chunked::Chunked;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// No neighbour in the order of use.
const NOBODY: u32 = u32::MAX;

/// A bounded map that forgets the least recently used entry.
#[derive(Debug)]
pub(crate) struct Table<K, V> {
    places: HashMap<K, u32, BuildHasherDefault<IdHasher>>,
    slots: Chunked<Slot<K, V>>,
    /// Places of removed entries, to be used again.
    free: Vec<u32>,
    newest: u32,
    oldest: u32,
    entries_max: usize,
    evicted: u64,
    refused: u64,
}

#[derive(Debug)]
struct Slot<K, V> {
    entry: Option<(K, V)>,
    newer: u32,
    older: u32,
}

impl<K: Copy + Eq + Hash, V> Table<K, V> {
    /// An empty table for at most `entries_max` entries (at least one).
    pub(crate) fn new(entries_max: usize) -> Self {
        Self {
            places: HashMap::default(),
            slots: Chunked::default(),
            free: Vec::new(),
            newest: NOBODY,
            oldest: NOBODY,
            entries_max: entries_max.clamp(1, NOBODY as usize - 1),
            evicted: 0,
            refused: 0,
        }
    }

    /// Is there a place for `key`: its own, a free one, or the oldest's if that `is_idle`? A no is
    /// counted. Where all are in use, one more would only push out what others have learnt.
    pub(crate) fn admits(&mut self, key: &K, is_idle: impl FnOnce(&V) -> bool) -> bool {
        if self.places.len() < self.entries_max || self.places.contains_key(key) {
            return true;
        }
        let oldest = self.slots.get(self.oldest as usize);
        let oldest = oldest.and_then(|slot| slot.entry.as_ref());
        let is_admitted = oldest.is_none_or(|(_, value)| is_idle(value));
        self.refused += u64::from(!is_admitted);
        is_admitted
    }

    /// The entry of `key`, made by `make` where there is none; it is now the newest.
    /// An entry that had to make room is answered too.
    pub(crate) fn entry(
        &mut self,
        key: K,
        make: impl FnOnce() -> V,
    ) -> (&mut V, Option<Box<(K, V)>>) {
        let mut evicted = None;
        if self.places.len() >= self.entries_max && !self.places.contains_key(&key) {
            // Boxed, because it is moved about in every call and there only rarely.
            evicted = self.take_oldest().map(Box::new);
            self.evicted += 1;
        }
        let place = match self.places.entry(key) {
            Entry::Occupied(found) => *found.get(),
            Entry::Vacant(vacant) => {
                let slot = Slot {
                    entry: Some((key, make())),
                    newer: NOBODY,
                    older: NOBODY,
                };
                let place = match self.free.pop() {
                    Some(place) => {
                        self.slots[place as usize] = slot;
                        place
                    }
                    None => {
                        self.slots.push(slot);
                        (self.slots.len() - 1) as u32
                    }
                };
                vacant.insert(place);
                place
            }
        };
        self.make_newest(place);
        let (_, value) = self.slots[place as usize]
            .entry
            .as_mut()
            .expect("a place in the map always has an entry");
        (value, evicted)
    }

    /// The entry of `key`, without making it newer.
    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let place = *self.places.get(key)?;
        self.slots[place as usize]
            .entry
            .as_mut()
            .map(|(_, value)| value)
    }

    /// Every entry, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.slots
            .iter()
            .filter_map(|slot| slot.entry.as_ref().map(|(key, value)| (key, value)))
    }

    /// Every entry, in no order.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.slots
            .iter_mut()
            .filter_map(|slot| slot.entry.as_mut().map(|(key, value)| (&*key, value)))
    }

    /// Removes the entry of `key`.
    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let place = self.places.remove(key)?;
        self.unlink(place);
        self.free.push(place);
        self.slots[place as usize]
            .entry
            .take()
            .map(|(_, value)| value)
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// How often there was no place so far.
    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }

    /// How many entries had to make room so far.
    pub(crate) fn evicted(&self) -> u64 {
        self.evicted
    }

    fn take_oldest(&mut self) -> Option<(K, V)> {
        let key = self.slots.get(self.oldest as usize)?.entry.as_ref()?.0;
        self.remove(&key).map(|value| (key, value))
    }

    fn make_newest(&mut self, place: u32) {
        if self.newest == place {
            return;
        }
        self.unlink(place);
        let before = std::mem::replace(&mut self.newest, place);
        self.slots[place as usize].older = before;
        match self.slots.get_mut(before as usize) {
            Some(slot) => slot.newer = place,
            None => self.oldest = place,
        }
    }

    fn unlink(&mut self, place: u32) {
        let slot = &mut self.slots[place as usize];
        let newer = std::mem::replace(&mut slot.newer, NOBODY);
        let older = std::mem::replace(&mut slot.older, NOBODY);
        match self.slots.get_mut(newer as usize) {
            Some(slot) => slot.older = older,
            None if self.newest == place => self.newest = older,
            None => {}
        }
        match self.slots.get_mut(older as usize) {
            Some(slot) => slot.newer = newer,
            None if self.oldest == place => self.oldest = newer,
            None => {}
        }
    }
}

/// Multiplies and folds; for keys that no outsider can choose.
#[derive(Debug, Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.write_u64(u64::from(value));
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(23) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_isize(&mut self, value: isize) {
        self.write_u64(value as u64);
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_entry_used_longest_ago_makes_room() {
        let mut table = Table::new(3);
        for key in [1, 2, 3] {
            table.entry(key, || key * 10);
        }
        table.entry(1, || 0);
        let (value, evicted) = table.entry(4, || 40);
        assert_eq!((*value, evicted), (40, Some(Box::new((2, 20)))));
        assert_eq!(table.evicted(), 1);
        assert_eq!(table.get_mut(&1), Some(&mut 10));
    }

    #[test]
    fn a_hundred_thousand_keys_keep_the_bound() {
        let mut table = Table::new(1_000);
        for key in 0..100_000u32 {
            table.entry(key, || [0u8; 64]);
        }
        assert_eq!(table.len(), 1_000);
        assert_eq!(table.slots.len(), 1_000);
        assert_eq!(table.evicted(), 99_000);
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_list_in_order_of_use(
            steps in prop::collection::vec((0u8..12, any::<bool>()), 0..200),
        ) {
            let mut table = Table::new(5);
            let mut list: Vec<u8> = Vec::new();
            for (key, is_use) in steps {
                let had = list.contains(&key);
                list.retain(|other| *other != key);
                if is_use {
                    let evicted = table.entry(key, || key).1;
                    list.push(key);
                    let expected = (list.len() > 5).then(|| list.remove(0));
                    prop_assert_eq!(evicted.map(|evicted| evicted.0), expected);
                } else {
                    prop_assert_eq!(table.remove(&key).is_some(), had);
                }
                prop_assert_eq!(table.len(), list.len());
                let mut keys: Vec<u8> = table.iter().map(|(key, _)| *key).collect();
                let mut expected = list.clone();
                keys.sort_unstable();
                expected.sort_unstable();
                prop_assert_eq!(keys, expected);
            }
        }
    }
}

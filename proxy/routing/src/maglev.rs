//! The same endpoint for the same client, on every worker and node: Maglev hashing.
//!
//! Every endpoint has its own permutation of the table's slots, made from its address alone. They
//! take turns; each takes the next free slot of its permutation. So all get almost equally many
//! slots, and when one goes, few slots but its own change hands.
//!
//! The table has 65,537 slots whatever the number of endpoints. A size that followed the number
//! would change with it, and with the size every permutation: all clients would move when one
//! endpoint goes. That is 64 KiB for up to 256 endpoints, 128 KiB beyond, built once per set of
//! endpoints in a few milliseconds at most, and only for Services that ask for it.

use crate::hash::{endpoint_hash, mix};
use std::net::SocketAddr;

/// A consistent-hash table over a backend's endpoints.
#[derive(Debug)]
pub struct Maglev {
    slots: Slots,
}

/// The endpoint (its place in the list) of each slot, in as few bytes as it takes.
#[derive(Debug)]
enum Slots {
    /// Up to 256 endpoints.
    Few(Box<[u8]>),
    /// More.
    Many(Box<[u16]>),
}

/// Slots of every table: a prime, so that every step walks through all of them.
const SIZE: u64 = 65_537;
const OFFSET_KEY: u64 = 0x8f0c_76d9_1a0b_5e27;
const STEP_KEY: u64 = 0x3c79_ac49_2ba7_b653;

/// Where an endpoint's permutation stands.
struct Walk {
    place: u16,
    at: u64,
    step: u64,
}

impl Maglev {
    /// The table of these endpoints. The order matters only for the numbers it answers; those
    /// beyond 65,536 get no slots.
    pub fn new(endpoints: impl IntoIterator<Item = SocketAddr>) -> Self {
        let mut walks: Vec<Walk> = (0..=u16::MAX)
            .zip(endpoints)
            .map(|(place, address)| Walk {
                place,
                at: endpoint_hash(address, OFFSET_KEY) % SIZE,
                step: endpoint_hash(address, STEP_KEY) % (SIZE - 1) + 1,
            })
            .collect();
        walks.sort_by_key(|walk| (walk.at, walk.step));
        let slots = fill(&mut walks);
        let few: Result<Box<[u8]>, _> = slots.iter().map(|place| u8::try_from(*place)).collect();
        Self {
            slots: few.map_or_else(|_| Slots::Many(slots), Slots::Few),
        }
    }

    /// The endpoint (its place in the list) for a client's hash; `None` for an empty table.
    pub fn pick(&self, hash: u64) -> Option<usize> {
        self.slots.get((mix(hash) % SIZE) as usize)
    }

    /// All slots from the client's own on: whom to ask when the first is out of service.
    pub(crate) fn probe(&self, hash: u64) -> impl Iterator<Item = usize> {
        let start = mix(hash) % SIZE;
        (0..SIZE).filter_map(move |far| self.slots.get(((start + far) % SIZE) as usize))
    }
}

impl Slots {
    fn get(&self, slot: usize) -> Option<usize> {
        match self {
            Self::Few(slots) => slots.get(slot).map(|place| usize::from(*place)),
            Self::Many(slots) => slots.get(slot).map(|place| usize::from(*place)),
        }
    }
}

/// Lets the endpoints take turns until every slot is taken.
fn fill(walks: &mut [Walk]) -> Box<[u16]> {
    if walks.is_empty() {
        return Box::default();
    }
    let mut slots: Vec<Option<u16>> = vec![None; SIZE as usize];
    let mut free = SIZE;
    while free > 0 {
        for walk in walks
            .iter_mut()
            .take(usize::try_from(free).unwrap_or(usize::MAX))
        {
            // The step is no multiple of the prime size, so a free slot is always met.
            while slots[walk.at as usize].is_some() {
                walk.at = (walk.at + walk.step) % SIZE;
            }
            slots[walk.at as usize] = Some(walk.place);
            free -= 1;
        }
    }
    slots.into_iter().flatten().collect()
}

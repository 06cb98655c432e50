//! Baselines: what is normal for a key, learnt from traffic, never from the anomaly, and kept over
//! restarts.

mod cells; // counters of one to four bytes
mod file; // the state file: written whole, read with suspicion
mod rotation; // slots and generations of time
mod sketch; // quantiles in bounded memory

use std::collections::HashMap;

pub(crate) use file::{encode, load, save};
pub(crate) use file::{put_number, take_number};
pub use rotation::Pace;
pub(crate) use rotation::{Rotation, Slot};
pub(crate) use sketch::{Sketch, quantile};

/// What was learnt about one key, in the form that survives a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    /// The key by names: `slow_response/HTTPRoute/shop/cart/0/GET`.
    pub(crate) key: String,
    /// Over how long it was learnt, nanoseconds.
    pub(crate) learnt_ns: u64,
    /// The younger and the older generation, each as its kind of slot writes itself.
    pub(crate) generations: [Vec<u8>; 2],
}

/// What an earlier run had learnt and nobody has asked for yet.
#[derive(Debug, Default)]
pub(crate) struct Restored {
    by_key: HashMap<String, Stored>,
    since_ns: Option<u64>,
}

impl Restored {
    /// Those of `stored` whose key starts with `prefix`, at most `keys_max`.
    pub(crate) fn new(stored: &[Stored], prefix: &str, keys_max: usize) -> Self {
        let ours = stored
            .iter()
            .filter(|entry| entry.key.starts_with(prefix))
            .take(keys_max);
        let by_key = ours
            .map(|entry| (entry.key.clone(), entry.clone()))
            .collect();
        Self {
            by_key,
            since_ns: None,
        }
    }

    /// The baseline of a key that is seen for the first time; `name` is asked only where there is
    /// something to be found.
    pub(crate) fn adopt<S: Slot>(
        &mut self,
        now_ns: u64,
        name: impl FnOnce() -> Option<String>,
    ) -> Rotation<S> {
        if self.by_key.is_empty() {
            return Rotation::new(now_ns);
        }
        match name().and_then(|name| self.by_key.remove(&name)) {
            Some(stored) => Rotation::restored(now_ns, &stored),
            None => Rotation::new(now_ns),
        }
    }

    /// What is still waiting, to be kept for the next start.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &Stored> {
        self.by_key.values()
    }

    /// Forgets what nobody asked for within `age_ns`.
    pub(crate) fn expire(&mut self, now_ns: u64, age_ns: u64) {
        let since_ns = *self.since_ns.get_or_insert(now_ns);
        if !self.by_key.is_empty() && now_ns.saturating_sub(since_ns) > age_ns {
            self.by_key = HashMap::new();
        }
    }
}

//! The same endpoint for the same client, on every worker and node.

/// A consistent-hash table over a backend's endpoints.
#[derive(Debug)]
pub struct Maglev {
    slots: Vec<u16>,
}

impl Maglev {
    /// The endpoint (its index) for a client's hash; `None` for an empty table.
    pub fn pick(&self, hash: u64) -> Option<usize> {
        let size = u64::try_from(self.slots.len())
            .ok()
            .filter(|size| *size > 0)?;
        self.slots
            .get(usize::try_from(hash % size).ok()?)
            .map(|slot| usize::from(*slot))
    }
}

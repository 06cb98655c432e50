//! How many events were lost lately: with any, what was not seen proves nothing.

/// Counts are kept for between one and two times this long, nanoseconds.
const HALF_NS: u64 = 10_000_000_000;

/// Losses of the last ten to twenty seconds, and in all.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Losses {
    now: u64,
    before: u64,
    turned_ns: u64,
    /// Since the start.
    pub(crate) total: u64,
}

impl Losses {
    /// `count` events were lost.
    pub(crate) fn add(&mut self, count: u64) {
        self.now = self.now.saturating_add(count);
        self.total = self.total.saturating_add(count);
    }

    /// Time has passed.
    pub(crate) fn tick(&mut self, now_ns: u64) {
        if now_ns.saturating_sub(self.turned_ns) >= HALF_NS {
            self.before = std::mem::take(&mut self.now);
            self.turned_ns = now_ns;
        }
    }

    /// Lost lately.
    pub(crate) fn recent(&self) -> u64 {
        self.now.saturating_add(self.before)
    }
}

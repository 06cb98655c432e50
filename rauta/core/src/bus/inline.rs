//! Subscribers called on the pipeline thread. A panic in one is caught, counted, and switches it
//! off for a back-off that doubles with each panic; the events meanwhile count as its own drops,
//! and it is told of them when it is switched on again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rauta_schemas::Event;

use super::Subscriber;
use super::pipeline::Reader;
use super::stats::Counters;
use super::tally::PerFamily;
use crate::clock::Now;

/// The back-off after the first panic, and after a quiet stretch; it doubles with each panic.
const BACKOFF_FIRST_NS: u64 = 1_000_000_000;
/// The longest back-off, and how long a subscriber must do well to be trusted again.
const BACKOFF_MAX_NS: u64 = 60_000_000_000;

pub(super) struct Inline {
    subscriber: Box<dyn Subscriber>,
    counters: Arc<Counters>,
    /// Lost while it was off: it is told when it is on again.
    owed: PerFamily,
    /// Off until this moment; `None` = on.
    off_until_ns: Option<u64>,
    backoff_ns: u64,
    last_panic_ns: u64,
}

impl Inline {
    pub(super) fn new(subscriber: Box<dyn Subscriber>, counters: Arc<Counters>) -> Self {
        Self {
            subscriber,
            counters,
            owed: PerFamily::default(),
            off_until_ns: None,
            backoff_ns: BACKOFF_FIRST_NS,
            last_panic_ns: 0,
        }
    }

    /// Is it on, if need be again?
    fn is_on(&mut self, now: Now) -> bool {
        match self.off_until_ns {
            None => true,
            Some(until) if now.monotonic_ns < until => false,
            Some(_) => self.switch_on(now),
        }
    }

    fn switch_on(&mut self, now: Now) -> bool {
        self.off_until_ns = None;
        self.counters.is_disabled.store(false, Ordering::Relaxed);
        let owed = std::mem::take(&mut self.owed);
        self.tell(&owed, now)
    }

    fn tell(&mut self, lost: &PerFamily, now: Now) -> bool {
        lost.present()
            .all(|(family, count)| self.guarded(now, |s| s.on_dropped(family, count)))
    }

    /// Calls the subscriber; `false` = it panicked and is off now.
    fn guarded(&mut self, now: Now, call: impl FnOnce(&mut dyn Subscriber)) -> bool {
        let subscriber = self.subscriber.as_mut();
        // Its state may be broken after a panic. That is its own affair: nobody else sees it.
        let result = catch_unwind(AssertUnwindSafe(|| call(subscriber)));
        if result.is_err() {
            self.switch_off(now);
        }
        result.is_ok()
    }

    fn switch_off(&mut self, now: Now) {
        let now_ns = now.monotonic_ns;
        let panics = self.counters.panics.load(Ordering::Relaxed);
        let is_trusted =
            panics == 0 || now_ns.saturating_sub(self.last_panic_ns) > 2 * BACKOFF_MAX_NS;
        self.backoff_ns = if is_trusted {
            BACKOFF_FIRST_NS
        } else {
            (self.backoff_ns * 2).min(BACKOFF_MAX_NS)
        };
        self.last_panic_ns = now_ns;
        self.off_until_ns = Some(now_ns + self.backoff_ns);
        self.counters.panics.store(panics + 1, Ordering::Relaxed);
        self.counters.is_disabled.store(true, Ordering::Relaxed);
    }
}

impl Reader for Inline {
    fn event(&mut self, event: &Event, now: Now) {
        let family = event.family();
        if self.is_on(now) && self.guarded(now, |s| s.on_event(event)) {
            self.counters.delivered.0.add(family, 1);
        } else {
            self.counters.dropped.add(family, 1);
            self.owed[family] += 1;
        }
    }

    fn lost(&mut self, lost: &PerFamily, now: Now) {
        if self.is_on(now) {
            self.tell(lost, now);
        } else {
            self.owed += *lost;
        }
    }

    fn tick(&mut self, now: Now) {
        if self.is_on(now) {
            self.guarded(now, |s| s.on_tick(now));
        }
    }

    fn stop(&mut self, now: Now) {
        // The last chance to hand over what it holds: the back-off is cut short.
        if self.off_until_ns.is_none() || self.switch_on(now) {
            self.guarded(now, |s| s.on_stop(now));
        }
    }
}

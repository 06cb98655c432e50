//! What was published, delivered and dropped, for metrics and for the proof that nothing is lost
//! in silence.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rauta_schemas::{Event, Families, Family};
use tokio::sync::mpsc::WeakSender;

use super::tally::{Padded, PerFamily, Tally};

/// All counters of a bus.
#[derive(Clone, Debug)]
pub struct BusStats {
    /// Per lane; closed lanes are summed up by name.
    pub lanes: Vec<LaneStats>,
    /// Per subscriber, in the order they were attached.
    pub subscribers: Vec<SubscriberStats>,
    /// Anomalies handed to [`super::Bus::emit`].
    pub anomalies_emitted: u64,
    /// Per reader of anomalies; those of one name are summed up.
    pub anomalies: Vec<AnomalyStats>,
}

/// One lane's counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneStats {
    /// The name its publisher was opened with.
    pub name: String,
    /// Events handed to the publisher, dropped ones included.
    pub published: PerFamily,
    /// Of these, dropped because the lane was full or the pipeline had ended.
    pub dropped: PerFamily,
    /// Of these, still in the lane.
    pub queued: PerFamily,
}

/// One subscriber's counters; families that it does not read stay 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriberStats {
    /// Its name.
    pub name: &'static str,
    /// Which families it reads.
    pub families: Families,
    /// Events that passed before it was attached.
    pub before: PerFamily,
    /// Events that it took: calls that returned, or events put into its queue.
    pub delivered: PerFamily,
    /// Its own drops: queue full or given up, or switched off after a panic.
    pub dropped: PerFamily,
    /// Delivered to its queue and not read yet; 0 for those called inline.
    pub queued: usize,
    /// How often it panicked.
    pub panics: u64,
    /// Is it switched off after a panic?
    pub is_disabled: bool,
}

/// One reader of anomalies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnomalyStats {
    /// The name given at subscription.
    pub name: &'static str,
    /// Anomalies put into its queue.
    pub delivered: u64,
    /// Anomalies dropped because its queue was full.
    pub dropped: u64,
    /// In its queue now.
    pub queued: usize,
}

impl BusStats {
    /// Events handed to publishers, over all lanes.
    pub fn published(&self) -> PerFamily {
        self.over_lanes(|lane| lane.published)
    }

    /// Events dropped at lanes.
    pub fn lane_dropped(&self) -> PerFamily {
        self.over_lanes(|lane| lane.dropped)
    }

    /// Events in lanes now.
    pub fn lane_queued(&self) -> PerFamily {
        self.over_lanes(|lane| lane.queued)
    }

    /// The first subscriber of this name.
    pub fn subscriber(&self, name: &str) -> Option<&SubscriberStats> {
        self.subscribers.iter().find(|s| s.name == name)
    }

    /// For each family that `subscriber` reads: published events that none of the counters, nor a
    /// lane, accounts for. All 0 when the bus stands still; that is the bus's promise.
    pub fn unaccounted(&self, subscriber: &SubscriberStats) -> PerFamily {
        let known = subscriber.before
            + subscriber.delivered
            + subscriber.dropped
            + self.lane_dropped()
            + self.lane_queued();
        let published = self.published();
        let mut open = PerFamily::default();
        for family in Family::ALL {
            if subscriber.families.contains(family) {
                // Too many is as wrong as too few.
                open[family] = published[family].abs_diff(known[family]);
            }
        }
        open
    }

    fn over_lanes(&self, part: impl Fn(&LaneStats) -> PerFamily) -> PerFamily {
        let parts = self.lanes.iter().map(part);
        parts.fold(PerFamily::default(), |sum, part| sum + part)
    }
}

impl LaneStats {
    pub(super) fn add(&mut self, other: &Self) {
        self.published += other.published;
        self.dropped += other.dropped;
        self.queued += other.queued;
    }
}

/// One subscriber's counters, written by the pipeline thread.
#[derive(Debug)]
pub(super) struct Counters {
    name: &'static str,
    families: Families,
    before: PerFamily,
    pub(super) delivered: Padded<Tally>,
    pub(super) dropped: Tally,
    pub(super) panics: AtomicU64,
    pub(super) is_disabled: AtomicBool,
    pub(super) queue: OnceLock<WeakSender<Event>>,
}

impl Counters {
    /// `passed` = what the pipeline has handed on so far.
    pub(super) fn new(name: &'static str, families: Families, passed: &PerFamily) -> Self {
        let mut before = PerFamily::default();
        for (family, count) in passed.present().filter(|(f, _)| families.contains(*f)) {
            before[family] = count;
        }
        Self {
            name,
            families,
            before,
            delivered: Padded::default(),
            dropped: Tally::default(),
            panics: AtomicU64::new(0),
            is_disabled: AtomicBool::new(false),
            queue: OnceLock::new(),
        }
    }

    pub(super) fn stats(&self) -> SubscriberStats {
        let queue = self.queue.get().and_then(WeakSender::upgrade);
        SubscriberStats {
            name: self.name,
            families: self.families,
            before: self.before,
            delivered: self.delivered.0.read(),
            dropped: self.dropped.read(),
            queued: queue.map_or(0, |queue| queue.max_capacity() - queue.capacity()),
            panics: self.panics.load(Ordering::Relaxed),
            is_disabled: self.is_disabled.load(Ordering::Relaxed),
        }
    }
}

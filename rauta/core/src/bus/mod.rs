//! The bus: events from the threads that make them to those that read them.
//!
//! ```text
//! worker 0 ─Publisher─► lane (8,192 slots) ─┐                    ┌► Subscriber (inline call)
//! worker 1 ─Publisher─► lane ───────────────┼► Pipeline thread ──┼► Subscriber
//! observer ─Publisher─► lane ───────────────┘   polls all lanes  └► Subscription (queue) ► task
//!                            drop point 1: lane full       drop point 2: queue full, or disabled
//! anyone ──Bus::emit(anomaly)──► every AnomalySubscription (queue; drop and count when full)
//! ```
//!
//! Publishing never waits, takes no lock and wakes nobody: it moves one slot into a lane that only
//! this thread writes. The pipeline thread polls; between polls an event waits at most for the
//! poll interval. What does not fit is dropped, newest first, and counted where it happens, so
//! that for each subscriber and family, once the lanes are empty:
//!
//! published = before it was attached + delivered + dropped at the lanes + dropped at itself.
//!
//! Order is kept within a lane, not between lanes. A lane of the default size takes 1.5 MiB.

mod anomalies; // anomalies to everyone who asked
mod details; // the way back of what does not fit a slot
mod inline; // subscribers called on the pipeline thread, and their panics
mod lane; // one bounded single-producer queue per producing thread
mod pipeline; // the thread that reads all lanes
mod queue; // subscribers with a bounded queue of their own
mod registry; // what the handles share
mod stats; // what was published, delivered and dropped
mod tally; // counters with a single writer

#[cfg(test)]
mod tests;

use std::sync::Arc;

use rauta_schemas::{Event, Families, Family, ObserverEvent};

pub use self::anomalies::AnomalySubscription;
pub use self::lane::Publisher;
pub use self::pipeline::Pipeline;
pub use self::queue::Subscription;
pub use self::stats::{AnomalyStats, BusStats, LaneStats, SubscriberStats};
pub use self::tally::PerFamily;

use self::registry::Registry;
use crate::clock::Now;

/// How the bus is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusConfig {
    /// Slots of each lane; values outside 1 to [`BusConfig::LANE_SLOTS_MAX`] count as the nearest
    /// of the two.
    pub lane_slots: usize,
}

impl BusConfig {
    /// The most memory a lane takes, bytes.
    pub const LANE_BYTES_MAX: usize = 2 * 1024 * 1024;
    /// The most slots a lane can have.
    pub const LANE_SLOTS_MAX: usize = Self::LANE_BYTES_MAX / size_of::<Event>();
    /// The default: the pipeline may stand still for 40 ms at 200,000 events/s from one thread.
    pub const LANE_SLOTS_DEFAULT: usize = 8192;
}

const _: () = assert!(BusConfig::LANE_SLOTS_DEFAULT <= BusConfig::LANE_SLOTS_MAX);

impl Default for BusConfig {
    fn default() -> Self {
        Self {
            lane_slots: Self::LANE_SLOTS_DEFAULT,
        }
    }
}

/// A handle of the bus, for any thread.
#[derive(Clone, Debug)]
pub struct Bus {
    registry: Arc<Registry>,
}

impl Bus {
    /// A bus, and the pipeline that has to run for events to arrive anywhere.
    pub fn new(config: BusConfig) -> (Self, Pipeline) {
        let registry = Arc::new(Registry::new(
            config.lane_slots.clamp(1, BusConfig::LANE_SLOTS_MAX),
        ));
        let bus = Self {
            registry: Arc::clone(&registry),
        };
        (bus, Pipeline::new(registry))
    }

    /// Opens a lane for the calling thread, or for the one the publisher is moved to. Possible at
    /// any time; lanes of one name are summed up once they are closed. When the pipeline has
    /// ended, all that is published is dropped and counted.
    pub fn publisher(&self, name: &str) -> Publisher {
        self.registry.open_lane(name)
    }

    /// Hands an anomaly to every subscription, in the order of the calls. Never waits for a
    /// reader: where a queue is full, the anomaly is dropped for that reader and counted.
    pub fn emit(&self, anomaly: Arc<ObserverEvent>) {
        self.registry.anomalies.emit(&anomaly);
    }

    /// Asks for all anomalies from now on, through a queue of `capacity` (at least 1).
    pub fn anomalies(&self, name: &'static str, capacity: usize) -> AnomalySubscription {
        self.registry.anomalies.subscribe(name, capacity)
    }

    /// All counters now. Exact when no thread publishes and the pipeline stands still; otherwise
    /// each counter is right for some moment during the call.
    pub fn stats(&self) -> BusStats {
        self.registry.stats()
    }
}

/// Reads events on the pipeline thread: detectors, metrics, the access log. A call must return
/// soon; what can take long belongs behind a [`Subscription`].
///
/// A panic in any call costs the event at hand (counted as dropped) and switches the subscriber
/// off for a while; the others do not notice.
pub trait Subscriber: Send {
    /// A short, stable name for metrics and logs.
    fn name(&self) -> &'static str;
    /// Which families it reads; asked once, when it is attached.
    fn families(&self) -> Families;
    /// An event of one of its families.
    fn on_event(&mut self, event: &Event);
    /// `count` events of one of its families were lost since the last call for that family.
    fn on_dropped(&mut self, family: Family, count: u64);
    /// Called about ten times a second.
    fn on_tick(&mut self, now: Now);
    /// Called once, after the last event. The default does nothing.
    fn on_stop(&mut self, now: Now) {
        let _ = now;
    }
}

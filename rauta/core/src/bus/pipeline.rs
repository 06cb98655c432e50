//! The pipeline: one thread that reads all lanes and hands each event to all subscribers.
//!
//! It polls, because a wake-up would cost the producing thread far more than the publish itself.
//! Between polls it rests for [`POLL`], except while some lane fills fast.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rauta_schemas::{Event, Families};

use super::Subscriber;
use super::inline::Inline;
use super::lane::LaneReader;
use super::queue::{Queue, Subscription};
use super::registry::Registry;
use super::stats::Counters;
use super::tally::PerFamily;
use crate::clock::{self, Now};

/// The rest between two polls. A thread that publishes 200,000 events/s fills 800 of its 8,192
/// slots meanwhile; a quarter of a lane is the mark for reading on without a rest.
const POLL: Duration = Duration::from_millis(4);
/// How often subscribers are ticked.
const TICK_NS: u64 = 100_000_000;
/// How many passes are made at most for what is published while the pipeline stops.
const LAST_PASSES: usize = 64;

/// Who is handed events: called inline, or behind a queue.
pub(super) trait Reader: Send {
    fn event(&mut self, event: &Event, now: Now);
    /// Events of its families were lost at lanes.
    fn lost(&mut self, lost: &PerFamily, now: Now);
    fn tick(&mut self, now: Now);
    fn stop(&mut self, now: Now);
}

struct Attached {
    families: Families,
    reader: Box<dyn Reader>,
}

/// The reading half of a bus; it belongs to one thread. When it is dropped, all that is published
/// later is dropped and counted, and the queues of anomalies end.
pub struct Pipeline {
    registry: Arc<Registry>,
    lanes: Vec<LaneReader>,
    readers: Vec<Attached>,
    /// Everything handed on so far.
    passed: PerFamily,
    next_tick_ns: u64,
    /// Did the last pass find a lane that fills fast?
    is_pressed: bool,
}

impl Pipeline {
    pub(super) fn new(registry: Arc<Registry>) -> Self {
        Self {
            registry,
            lanes: Vec::new(),
            readers: Vec::new(),
            passed: PerFamily::default(),
            next_tick_ns: 0,
            is_pressed: false,
        }
    }

    /// Adds a subscriber that is called on the pipeline's thread, after those added earlier.
    pub fn attach(&mut self, subscriber: Box<dyn Subscriber>) {
        let families = subscriber.families();
        let counters = self.counters(subscriber.name(), families);
        let reader = Box::new(Inline::new(subscriber, counters));
        self.readers.push(Attached { families, reader });
    }

    /// Adds a subscriber that reads copies from a queue of `capacity` events (at least 1).
    pub fn subscribe(
        &mut self,
        name: &'static str,
        families: Families,
        capacity: usize,
    ) -> Subscription {
        let counters = self.counters(name, families);
        let (queue, subscription) = Queue::open(capacity, counters);
        let reader = Box::new(queue);
        self.readers.push(Attached { families, reader });
        subscription
    }

    fn counters(&self, name: &'static str, families: Families) -> Arc<Counters> {
        let counters = Arc::new(Counters::new(name, families, &self.passed));
        self.registry.add_subscriber(Arc::clone(&counters));
        counters
    }

    /// One pass: hands on what is in the lanes now, and ticks when it is time by `now`. Answers
    /// how many events it took. [`Pipeline::run`] calls it; tests call it with a time of theirs.
    pub fn turn(&mut self, now: Now) -> usize {
        self.lanes.append(&mut self.registry.arrivals());
        self.is_pressed = false;
        let Self {
            lanes,
            readers,
            passed,
            is_pressed,
            ..
        } = self;
        let mut taken = PerFamily::default();
        lanes.retain_mut(|lane| {
            let pass = lane.pass(|events| hand_on(readers, events, now));
            tell_losses(readers, &pass.lost, now);
            *is_pressed |= pass.is_pressed;
            taken += pass.taken;
            if pass.is_over {
                self.registry.close_lane(lane.lane());
            }
            !pass.is_over
        });
        *passed += taken;
        if now.monotonic_ns >= self.next_tick_ns {
            self.next_tick_ns = now.monotonic_ns + TICK_NS;
            for attached in readers {
                attached.reader.tick(now);
            }
        }
        usize::try_from(taken.sum()).unwrap_or(usize::MAX)
    }

    /// Reads until `stop` answers true, then hands on everything published before that, stops the
    /// subscribers and returns. Blocks the thread; `stop` is asked about every 4 ms.
    pub fn run(mut self, stop: impl Fn() -> bool) {
        loop {
            let is_last = stop();
            self.turn(clock::now());
            if is_last {
                break;
            }
            if !self.is_pressed {
                std::thread::park_timeout(POLL);
            }
        }
        // What subscribers and late threads published meanwhile; bounded, should someone go on.
        let mut passes = 0;
        while self.turn(clock::now()) > 0 && passes < LAST_PASSES {
            passes += 1;
        }
        let now = clock::now();
        for attached in &mut self.readers {
            attached.reader.stop(now);
        }
    }
}

fn hand_on(readers: &mut [Attached], events: &[Event], now: Now) {
    for attached in readers {
        for event in events {
            if attached.families.contains(event.family()) {
                attached.reader.event(event, now);
            }
        }
    }
}

fn tell_losses(readers: &mut [Attached], lost: &PerFamily, now: Now) {
    if lost.sum() == 0 {
        return;
    }
    for attached in readers {
        let mut own = PerFamily::default();
        for (family, count) in lost
            .present()
            .filter(|(f, _)| attached.families.contains(*f))
        {
            own[family] = count;
        }
        attached.reader.lost(&own, now);
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.registry.shut();
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline")
            .field("lanes", &self.lanes)
            .field("readers", &self.readers.len())
            .finish_non_exhaustive()
    }
}

//! A lane: one bounded queue from one producing thread to the pipeline.
//!
//! Publishing costs the move of a slot (192 bytes), two counters on lines that only this thread
//! writes, and now and then a look at how far the pipeline has come. The pipeline takes what was
//! there when it looked, in batches, so that slots come free early.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rauta_schemas::{Event, HttpDetail};
use rtrb::{Consumer, Producer, PushError, RingBuffer};

use super::details::{self, Returns, Spares};
use super::stats::LaneStats;
use super::tally::{Padded, PerFamily, Tally};

/// How many events are handed on before their slots are given back.
const BATCH: usize = 256;

/// What both ends and the statistics share.
#[derive(Debug)]
pub(super) struct Lane {
    name: Box<str>,
    producer: Padded<ProducerSide>,
    reader: Padded<ReaderSide>,
}

/// Written by the producing thread (but for `is_shut`, which changes once in a lifetime).
#[derive(Debug, Default)]
struct ProducerSide {
    published: Tally,
    dropped: Tally,
    /// The publisher is gone; nothing comes any more.
    is_closed: AtomicBool,
    /// The pipeline is gone; nothing is taken any more.
    is_shut: AtomicBool,
}

/// Written by the pipeline thread.
#[derive(Debug, Default)]
struct ReaderSide {
    taken: Tally,
}

impl Lane {
    /// A lane's two ends.
    pub(super) fn open(name: &str, slots: usize) -> (Publisher, LaneReader) {
        let (producer, consumer) = RingBuffer::new(slots);
        let (returns, spares) = details::channel();
        let lane = Arc::new(Self {
            name: name.into(),
            producer: Padded::default(),
            reader: Padded::default(),
        });
        let publisher = Publisher {
            producer: RefCell::new(producer),
            spares: RefCell::new(spares),
            lane: Arc::clone(&lane),
        };
        let reader = LaneReader {
            consumer,
            returns,
            lane,
            losses_told: PerFamily::default(),
        };
        (publisher, reader)
    }

    /// Says that nothing will be taken any more.
    pub(super) fn shut(&self) {
        self.producer.0.is_shut.store(true, Ordering::Release);
    }

    pub(super) fn stats(&self) -> LaneStats {
        let producer = &self.producer.0;
        let is_shut = producer.is_shut.load(Ordering::Acquire);
        let taken = self.reader.0.taken.read();
        let dropped = producer.dropped.read();
        let published = producer.published.read();
        LaneStats {
            name: self.name.to_string(),
            published,
            // What was pushed while the pipeline ended is in the ring for good: lost, too.
            dropped: if is_shut {
                published.less(&taken)
            } else {
                dropped
            },
            queued: if is_shut {
                PerFamily::default()
            } else {
                published.less(&taken).less(&dropped)
            },
        }
    }
}

/// The producing end of a lane. It can be moved to its thread, but not shared between threads;
/// parts of one thread share it as an `Rc`.
pub struct Publisher {
    producer: RefCell<Producer<Event>>,
    spares: RefCell<Spares>,
    lane: Arc<Lane>,
}

impl Publisher {
    /// Puts an event into the lane. Never waits and wakes nobody; when the lane is full, or the
    /// pipeline has ended, the event is dropped and counted.
    pub fn publish(&self, event: Event) {
        let family = event.family();
        let side = &self.lane.producer.0;
        side.published.add(family, 1);
        if side.is_shut.load(Ordering::Relaxed) {
            side.dropped.add(family, 1);
            return;
        }
        if let Err(PushError::Full(_event)) = self.producer.borrow_mut().push(event) {
            side.dropped.add(family, 1);
        }
    }

    /// An empty detail to fill for the next event: one that has come back from the pipeline, with
    /// the memory it had, or a new one.
    pub fn detail(&self) -> Box<HttpDetail> {
        self.spares.borrow_mut().next()
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher")
            .field("lane", &self.lane.name)
            .finish_non_exhaustive()
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.lane
            .producer
            .0
            .is_closed
            .store(true, Ordering::Release);
    }
}

/// The pipeline's end of a lane.
#[derive(Debug)]
pub(super) struct LaneReader {
    consumer: Consumer<Event>,
    returns: Returns,
    lane: Arc<Lane>,
    /// Of the lane's drops, those that the subscribers know of.
    losses_told: PerFamily,
}

/// What one pass over a lane found.
#[derive(Debug)]
pub(super) struct Pass {
    pub(super) taken: PerFamily,
    /// Newly lost at the lane.
    pub(super) lost: PerFamily,
    /// Does the lane fill fast enough to be read again at once?
    pub(super) is_pressed: bool,
    /// Is the publisher gone and everything read?
    pub(super) is_over: bool,
}

impl LaneReader {
    pub(super) fn lane(&self) -> &Arc<Lane> {
        &self.lane
    }

    /// Hands on what is in the lane now, in slices.
    pub(super) fn pass(&mut self, mut hand_on: impl FnMut(&[Event])) -> Pass {
        // First of all: a closed lane gets nothing new after this.
        let is_over = self.lane.producer.0.is_closed.load(Ordering::Acquire);
        let found = self.consumer.slots();
        let mut taken = PerFamily::default();
        let mut left = found;
        while left > 0
            && let Ok(mut chunk) = self.consumer.read_chunk(left.min(BATCH))
        {
            let (front, back) = chunk.as_mut_slices();
            let mut has_details = false;
            for event in front.iter().chain(&*back) {
                taken[event.family()] += 1;
                has_details |= event.detail().is_some();
            }
            hand_on(front);
            hand_on(back);
            if has_details {
                self.returns.take_from(front);
                self.returns.take_from(back);
            }
            left -= chunk.len();
            chunk.commit_all();
        }
        self.lane.reader.0.taken.add_all(&taken);
        let dropped = self.lane.producer.0.dropped.read();
        let lost = dropped.less(&self.losses_told);
        self.losses_told = dropped;
        Pass {
            taken,
            lost,
            is_pressed: found * 4 >= self.consumer.buffer().capacity(),
            is_over,
        }
    }
}

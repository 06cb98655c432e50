//! The way back of details: from the pipeline to the thread that filled them.
//!
//! A detail is the one part of an event that lives on the heap, made for chosen exchanges only.
//! Returned, it is filled again with the memory it has, so that neither the box nor its texts are
//! allocated on one thread and freed on another for each exchange.

use rauta_schemas::{Event, HttpDetail};
use rtrb::{Consumer, Producer, RingBuffer};

/// How many details wait on the way back, enough for 64,000 exchanges a second; those beyond are
/// freed. With texts of 4 KiB each, a mebibyte a lane.
const SPARE_MAX: usize = 256;

/// The ends of a lane's way back: the pipeline's and the publisher's.
pub(super) fn channel() -> (Returns, Spares) {
    let (producer, consumer) = RingBuffer::new(SPARE_MAX);
    (Returns(producer), Spares(consumer))
}

/// Where the pipeline puts details.
#[derive(Debug)]
pub(super) struct Returns(Producer<Box<HttpDetail>>);

impl Returns {
    /// Takes the details out of events that nobody reads any more.
    pub(super) fn take_from(&mut self, events: &mut [Event]) {
        for event in events {
            if let Some(detail) = event.take_detail()
                && self.0.push(detail).is_err()
            {
                // The way is full: what is left goes with its event.
                return;
            }
        }
    }
}

/// Where the publisher finds them.
#[derive(Debug)]
pub(super) struct Spares(Consumer<Box<HttpDetail>>);

impl Spares {
    /// An empty detail, used before or new.
    pub(super) fn next(&mut self) -> Box<HttpDetail> {
        match self.0.pop() {
            Ok(mut detail) => {
                detail.clear();
                detail
            }
            Err(_empty) => Box::default(),
        }
    }
}

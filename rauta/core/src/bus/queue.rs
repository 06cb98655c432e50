//! Subscribers with a bounded queue of their own: for what waits on the network or a disk.

use std::sync::Arc;

use rauta_schemas::Event;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::pipeline::Reader;
use super::stats::Counters;
use super::tally::{PerFamily, Tally};
use crate::clock::Now;

/// The reading end of a subscriber's queue. Events that find it full are dropped, newest first,
/// and counted.
#[derive(Debug)]
pub struct Subscription {
    receiver: Receiver<Event>,
    losses: Arc<Losses>,
    losses_told: PerFamily,
}

/// What was lost on the way to a queue, at the lanes or at the queue itself.
#[derive(Debug, Default)]
struct Losses(Tally);

impl Subscription {
    /// The next event, if there is one now.
    pub fn try_recv(&mut self) -> Option<Event> {
        self.receiver.try_recv().ok()
    }

    /// Waits for the next event; `None` when the pipeline has ended and the queue is empty.
    pub async fn recv(&mut self) -> Option<Event> {
        self.receiver.recv().await
    }

    /// [`Subscription::recv`] for a thread without a runtime.
    pub fn recv_blocking(&mut self) -> Option<Event> {
        self.receiver.blocking_recv()
    }

    /// How many events of its families were lost since the last call, wherever that was.
    pub fn newly_lost(&mut self) -> PerFamily {
        let losses = self.losses.0.read();
        let new = losses.less(&self.losses_told);
        self.losses_told = losses;
        new
    }
}

/// The pipeline's end of the queue.
#[derive(Debug)]
pub(super) struct Queue {
    sender: Sender<Event>,
    counters: Arc<Counters>,
    losses: Arc<Losses>,
}

impl Queue {
    pub(super) fn open(capacity: usize, counters: Arc<Counters>) -> (Self, Subscription) {
        let (sender, receiver) = channel(capacity.max(1));
        counters.queue.get_or_init(|| sender.downgrade());
        let losses = Arc::new(Losses::default());
        let subscription = Subscription {
            receiver,
            losses: Arc::clone(&losses),
            losses_told: PerFamily::default(),
        };
        let queue = Self {
            sender,
            counters,
            losses,
        };
        (queue, subscription)
    }
}

impl Reader for Queue {
    fn event(&mut self, event: &Event, _now: Now) {
        let family = event.family();
        // The place first: a full queue spares the copy.
        match self.sender.try_reserve() {
            Ok(place) => {
                place.send(event.clone());
                self.counters.delivered.0.add(family, 1);
            }
            Err(_full_or_closed) => {
                self.counters.dropped.add(family, 1);
                self.losses.0.add(family, 1);
            }
        }
    }

    fn lost(&mut self, lost: &PerFamily, _now: Now) {
        self.losses.0.add_all(lost);
    }

    fn tick(&mut self, _now: Now) {}

    fn stop(&mut self, _now: Now) {}
}

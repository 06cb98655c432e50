//! Anomalies to everyone who asked. They are rare, so a short lock is fine; a reader that does not
//! keep up loses the newest ones and nobody waits for it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rauta_schemas::ObserverEvent;
use tokio::sync::mpsc::{Receiver, Sender, channel, error::TrySendError};

use super::registry::lock;
use super::stats::AnomalyStats;

/// One reader's queue of anomalies.
#[derive(Debug)]
pub struct AnomalySubscription {
    receiver: Receiver<Arc<ObserverEvent>>,
}

impl AnomalySubscription {
    /// Waits for the next anomaly; `None` when the pipeline has ended and the queue is empty.
    pub async fn recv(&mut self) -> Option<Arc<ObserverEvent>> {
        self.receiver.recv().await
    }

    /// [`AnomalySubscription::recv`] for a thread without a runtime.
    pub fn recv_blocking(&mut self) -> Option<Arc<ObserverEvent>> {
        self.receiver.blocking_recv()
    }

    /// The next anomaly, if there is one now.
    pub fn try_recv(&mut self) -> Option<Arc<ObserverEvent>> {
        self.receiver.try_recv().ok()
    }
}

/// All readers of anomalies.
#[derive(Debug, Default)]
pub(super) struct Anomalies {
    readers: Mutex<Readers>,
    emitted: AtomicU64,
}

#[derive(Debug, Default)]
struct Readers {
    /// The queues that are open; one whose reader has gone is removed at the next anomaly.
    queues: Vec<Queue>,
    /// One entry a name, kept for good.
    counters: Vec<Counters>,
    is_closed: bool,
}

#[derive(Debug)]
struct Queue {
    sender: Sender<Arc<ObserverEvent>>,
    /// Where its counters are.
    counters: usize,
}

#[derive(Debug)]
struct Counters {
    name: &'static str,
    delivered: u64,
    dropped: u64,
}

impl Anomalies {
    pub(super) fn subscribe(&self, name: &'static str, capacity: usize) -> AnomalySubscription {
        let (sender, receiver) = channel(capacity.max(1));
        let mut readers = lock(&self.readers);
        let known = readers.counters.iter().position(|c| c.name == name);
        let counters = known.unwrap_or_else(|| {
            readers.counters.push(Counters {
                name,
                delivered: 0,
                dropped: 0,
            });
            readers.counters.len() - 1
        });
        if !readers.is_closed {
            readers.queues.push(Queue { sender, counters });
        }
        AnomalySubscription { receiver }
    }

    pub(super) fn emit(&self, anomaly: &Arc<ObserverEvent>) {
        let mut readers = lock(&self.readers);
        self.emitted.fetch_add(1, Ordering::Relaxed);
        let Readers {
            queues, counters, ..
        } = &mut *readers;
        queues.retain(|queue| {
            let counters = &mut counters[queue.counters];
            match queue.sender.try_send(Arc::clone(anomaly)) {
                Ok(()) => counters.delivered += 1,
                Err(TrySendError::Full(_)) => counters.dropped += 1,
                Err(TrySendError::Closed(_)) => return false,
            }
            true
        });
    }

    /// No more anomalies come: readers see the end after what is in their queues.
    pub(super) fn close(&self) {
        let mut readers = lock(&self.readers);
        readers.is_closed = true;
        readers.queues.clear();
    }

    pub(super) fn emitted(&self) -> u64 {
        self.emitted.load(Ordering::Relaxed)
    }

    pub(super) fn stats(&self) -> Vec<AnomalyStats> {
        let readers = lock(&self.readers);
        let numbered = readers.counters.iter().enumerate();
        let stats = numbered.map(|(index, counters)| {
            let queues = readers.queues.iter().filter(|q| q.counters == index);
            AnomalyStats {
                name: counters.name,
                delivered: counters.delivered,
                dropped: counters.dropped,
                queued: queues
                    .map(|q| q.sender.max_capacity() - q.sender.capacity())
                    .sum(),
            }
        });
        stats.collect()
    }
}

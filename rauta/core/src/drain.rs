//! Stopping: stop accepting, finish what is in flight, end.
//!
//! ```text
//! DrainTrigger ──signal(mode)──► DrainWatch (one clone in each part that has work to finish)
//!      ▲                              │
//!      └────── all clones dropped ────┘   = drained
//! ```
//!
//! A part holds its watch for as long as it has work in flight and drops it when it is done. The
//! mode only ever rises: a graceful drain can be turned into an immediate one. What a part does
//! about either is its own business, and so is the wait before the signal.

use std::time::Duration;

use tokio::sync::watch;

/// How to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// Accept nothing new, finish what is in flight.
    Graceful,
    /// End now, in flight or not.
    Immediate,
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Every part finished.
    Complete,
    /// The deadline came first.
    TimedOut {
        /// How many watches were still held.
        watches: usize,
    },
}

/// A new trigger and the first watch of it.
pub fn channel() -> (DrainTrigger, DrainWatch) {
    let (sender, receiver) = watch::channel(None);
    (DrainTrigger { sender }, DrainWatch { receiver })
}

/// Starts the drain and learns of its end.
#[derive(Debug)]
pub struct DrainTrigger {
    sender: watch::Sender<Option<Mode>>,
}

impl DrainTrigger {
    /// Asks every part to stop, without waiting. A mode below the one asked for earlier changes
    /// nothing.
    pub fn signal(&self, mode: Mode) {
        self.sender.send_if_modified(|current| {
            let rises = Some(mode) > *current;
            if rises {
                *current = Some(mode);
            }
            rises
        });
    }

    /// Asks every part to stop and waits until all watches are dropped, at most for `deadline`.
    /// May be called again, with a higher mode or more time.
    pub async fn drain(&self, mode: Mode, deadline: Duration) -> Drained {
        self.signal(mode);
        match tokio::time::timeout(deadline, self.sender.closed()).await {
            Ok(()) => Drained::Complete,
            Err(_elapsed) => match self.sender.receiver_count() {
                0 => Drained::Complete,
                watches => Drained::TimedOut { watches },
            },
        }
    }

    /// Another watch of this trigger.
    pub fn watch(&self) -> DrainWatch {
        DrainWatch {
            receiver: self.sender.subscribe(),
        }
    }
}

/// One part's view of the drain; the drain waits until every clone is dropped.
#[derive(Clone, Debug)]
pub struct DrainWatch {
    receiver: watch::Receiver<Option<Mode>>,
}

impl DrainWatch {
    /// What has been asked for so far.
    pub fn mode(&self) -> Option<Mode> {
        *self.receiver.borrow()
    }

    /// Waits for the drain; answers at once when it was asked for earlier. Without a trigger
    /// nobody can ask, and the wait does not end.
    pub async fn signaled(&self) -> Mode {
        self.reached(Mode::Graceful).await
    }

    /// Waits for a drain that ends even what is in flight.
    pub async fn immediate(&self) {
        self.reached(Mode::Immediate).await;
    }

    async fn reached(&self, mode: Mode) -> Mode {
        let mut receiver = self.receiver.clone();
        let asked = receiver.wait_for(|current| *current >= Some(mode)).await;
        match asked.map(|current| *current) {
            Ok(Some(mode)) => mode,
            // The trigger is gone without having asked.
            Ok(None) | Err(_) => {
                drop(receiver);
                std::future::pending().await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn a_drain_is_complete_when_every_watch_is_dropped() {
        let (trigger, watch) = channel();
        let (finish, finished) = tokio::sync::oneshot::channel::<()>();
        let worker = tokio::spawn({
            let watch = watch.clone();
            async move {
                let mode = watch.signaled().await;
                finished.await.expect("the test says when");
                mode
            }
        });
        drop(watch);
        let drain = tokio::spawn(async move { trigger.drain(Mode::Graceful, DEADLINE).await });
        tokio::task::yield_now().await;
        assert!(!drain.is_finished());
        finish.send(()).expect("the worker waits for it");
        assert_eq!(worker.await.expect("no panic"), Mode::Graceful);
        assert_eq!(drain.await.expect("no panic"), Drained::Complete);
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_ends_the_wait_and_names_what_is_left() {
        let (trigger, watch) = channel();
        let held = [watch.clone(), watch];
        let start = tokio::time::Instant::now();
        let drained = trigger.drain(Mode::Graceful, DEADLINE).await;
        assert_eq!(drained, Drained::TimedOut { watches: 2 });
        assert_eq!(start.elapsed(), DEADLINE);
        drop(held);
        let drained = trigger.drain(Mode::Immediate, DEADLINE).await;
        assert_eq!(drained, Drained::Complete);
    }

    #[tokio::test(start_paused = true)]
    async fn the_mode_rises_and_never_falls() {
        let (trigger, watch) = channel();
        assert_eq!(watch.mode(), None);
        trigger.signal(Mode::Graceful);
        assert_eq!(watch.signaled().await, Mode::Graceful);
        let immediate = tokio::spawn({
            let watch = watch.clone();
            async move { watch.immediate().await }
        });
        tokio::task::yield_now().await;
        assert!(!immediate.is_finished());
        trigger.signal(Mode::Immediate);
        immediate.await.expect("no panic");
        trigger.signal(Mode::Graceful);
        assert_eq!(watch.signaled().await, Mode::Immediate);
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_came_late_still_learns_of_the_drain() {
        let (trigger, first) = channel();
        trigger.signal(Mode::Graceful);
        drop(first);
        let late = trigger.watch();
        assert_eq!(late.signaled().await, Mode::Graceful);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_trigger_nobody_can_ask() {
        let (trigger, watch) = channel();
        drop(trigger);
        let waited = tokio::time::timeout(DEADLINE, watch.signaled()).await;
        assert!(waited.is_err());
    }
}

//! What a worker looks over ten times a second: each connection's deadline, and the exchanges that
//! are open for long. A deadline is a number in a cell, so that a request which meets all of its
//! own sets and forgets them for nothing; no timer is made per request.

use crate::record::Record;
use rauta_core::clock::Now;
use rauta_schemas::{Event, HttpProgressEvent};
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

/// How often the worker looks: the precision of every deadline here.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// The longest interval between two progress events of one exchange.
const PROGRESS_NS_MAX: u64 = 10_000_000_000;

/// One task under watch: a connection or an HTTP/2 stream.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    deadline_ms: Cell<Option<u64>>,
    expired: Cell<bool>,
    waker: RefCell<Option<Waker>>,
    /// The exchange that the task carries, if any.
    pub(crate) record: RefCell<Option<Record>>,
    next_progress_ns: Cell<u64>,
    /// Was the exchange reported as waiting for its answer?
    is_said_to_wait: Cell<bool>,
}

impl Watched {
    /// Names the task to wake at the deadline. It must be the only one that polls.
    pub(crate) fn set_waker(&self, waker: &Waker) {
        *self.waker.borrow_mut() = Some(waker.clone());
    }

    /// Sets the deadline, on the worker's clock.
    pub(crate) fn arm(&self, deadline_ms: u64) {
        self.deadline_ms.set(Some(deadline_ms));
        self.expired.set(false);
    }

    /// Takes the deadline away.
    pub(crate) fn disarm(&self) {
        self.deadline_ms.set(None);
        self.expired.set(false);
    }

    /// Has the deadline passed?
    pub(crate) fn is_expired(&self) -> bool {
        self.expired.get()
    }

    /// The future's result, or `late` where the deadline that is armed passes first.
    pub(crate) async fn until_expired<T, E>(
        &self,
        late: E,
        future: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let mut late = Some(late);
        let mut future = pin!(future);
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Pending if self.is_expired() => match late.take() {
                Some(late) => Poll::Ready(Err(late)),
                None => Poll::Pending,
            },
            polled => polled,
        })
        .await
    }

    /// A new exchange begins: its first progress event is due at the age that detectors expect.
    pub(crate) fn begin(&self, record: Record) {
        let first = HttpProgressEvent::FIRST_AFTER_MS * 1_000_000;
        self.next_progress_ns.set(record.start_ns() + first);
        self.is_said_to_wait.set(false);
        *self.record.borrow_mut() = Some(record);
    }

    fn look(&self, now: Now, publish: &impl Fn(Event)) {
        let now_ms = now.monotonic_ns / 1_000_000;
        if self
            .deadline_ms
            .get()
            .is_some_and(|deadline| deadline <= now_ms)
        {
            self.deadline_ms.set(None);
            self.expired.set(true);
            if let Some(waker) = &*self.waker.borrow() {
                waker.wake_by_ref();
            }
        }
        // What was said to wait and no longer does is told at once: until then it looks hanging.
        if let Some(record) = &*self.record.borrow()
            && (self.next_progress_ns.get() <= now.monotonic_ns
                || self.is_said_to_wait.get() && record.is_answered())
        {
            self.is_said_to_wait.set(!record.is_answered());
            let age_ns = now.monotonic_ns.saturating_sub(record.start_ns());
            self.next_progress_ns
                .set(now.monotonic_ns + age_ns.min(PROGRESS_NS_MAX));
            publish(Event::HttpProgress(record.progress(age_ns)));
        }
    }
}

/// Everything of one worker that is under watch.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    all: RefCell<Vec<Rc<Watched>>>,
}

impl Watch {
    /// A new entry; it leaves the watch when the caller drops it.
    pub(crate) fn enter(&self) -> Rc<Watched> {
        let watched = Rc::new(Watched::default());
        self.all.borrow_mut().push(Rc::clone(&watched));
        watched
    }

    /// Wakes every task, because something changed that concerns them all.
    pub(crate) fn wake_all(&self) {
        for watched in self.all.borrow().iter() {
            if let Some(waker) = &*watched.waker.borrow() {
                waker.wake_by_ref();
            }
        }
    }

    /// Looks everything over: wakes what is past its deadline, publishes what is open for long.
    pub(crate) fn tick(&self, now: Now, publish: impl Fn(Event)) {
        self.all.borrow_mut().retain(|watched| {
            let is_alive = Rc::strong_count(watched) > 1;
            if is_alive {
                watched.look(now, &publish);
            }
            is_alive
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rauta_schemas::Timings;

    fn at(ms: u64) -> Now {
        Now {
            monotonic_ns: ms * 1_000_000,
            wall_ns: 0,
        }
    }

    #[test]
    fn a_deadline_expires_once_and_only_when_it_is_due() {
        let watch = Watch::default();
        let watched = watch.enter();
        watched.arm(1_000);
        watch.tick(at(999), |_| ());
        assert!(!watched.is_expired());
        watch.tick(at(1_000), |_| ());
        assert!(watched.is_expired());
        watched.disarm();
        watch.tick(at(2_000), |_| ());
        assert!(!watched.is_expired());
    }

    #[test]
    fn what_is_dropped_leaves_the_watch() {
        let watch = Watch::default();
        let (kept, dropped) = (watch.enter(), watch.enter());
        drop(dropped);
        watch.tick(at(1), |_| ());
        assert_eq!(watch.all.borrow().len(), 1);
        drop(kept);
    }

    #[test]
    fn the_answer_of_an_exchange_that_was_said_to_wait_is_reported_at_the_next_look() {
        let watch = Watch::default();
        let watched = watch.enter();
        watched.begin(Record::for_test(at(0)));
        let said = RefCell::new(Vec::new());
        for tick in 0..=16 {
            if tick == 5
                && let Some(record) = &mut *watched.record.borrow_mut()
            {
                record.answer_for_test(450_000);
            }
            watch.tick(at(tick * 100), |event| {
                if let Event::HttpProgress(progress) = event {
                    let is_answered = progress.timings.first_byte_us != Timings::UNSET;
                    said.borrow_mut()
                        .push((progress.age_ns / 1_000_000, is_answered));
                }
            });
        }
        let expected = [
            (100, false),
            (200, false),
            (400, false),
            (500, true),
            (1_000, true),
        ];
        assert_eq!(*said.borrow(), expected);
    }

    #[test]
    fn an_open_exchange_is_reported_at_growing_intervals() {
        let watch = Watch::default();
        let watched = watch.enter();
        watched.begin(Record::for_test(at(0)));
        let ages = RefCell::new(Vec::new());
        for tick in 0..=64 {
            watch.tick(at(tick * 100), |event| {
                if let Event::HttpProgress(progress) = event {
                    ages.borrow_mut().push(progress.age_ns / 1_000_000);
                }
            });
        }
        assert_eq!(*ages.borrow(), [100, 200, 400, 800, 1600, 3200, 6400]);
    }
}

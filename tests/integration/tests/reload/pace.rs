//! Fixed rates: when each request is meant to be sent, whatever became of the ones before it.
//!
//! Latency counts from the moment a request was due, so that a gateway that stops for a while is
//! charged with every request that had to wait, also with those that a slow client sent late.

use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Requests that one connection may be behind; more count as never sent.
const BEHIND_MAX: usize = 10_000;

/// This moment.
#[expect(
    clippy::disallowed_methods,
    reason = "the program under test runs in real time, and so does its load"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Requests at a fixed rate, sent by several connections in turns.
#[derive(Debug)]
pub(crate) struct Lane {
    every: Duration,
    connections: Vec<mpsc::Sender<Instant>>,
    next: u32,
}

impl Lane {
    /// A lane and, for each of its connections, the moments at which that is to send.
    pub(crate) fn new(
        each_second: u32,
        connections: usize,
    ) -> (Self, Vec<mpsc::Receiver<Instant>>) {
        let (connections, due) = (0..connections).map(|_| mpsc::channel(BEHIND_MAX)).unzip();
        let lane = Self {
            every: Duration::from_secs(1) / each_second,
            connections,
            next: 0,
        };
        (lane, due)
    }

    fn due(&self, start: Instant) -> Instant {
        start + self.every * self.next
    }

    /// Whether the connection took it.
    fn tell(&mut self, due: Instant) -> bool {
        let turn = self.next as usize % self.connections.len();
        self.next += 1;
        self.connections[turn].try_send(due).is_ok()
    }
}

/// Tells all lanes' connections when to send, on a thread of its own.
#[derive(Debug)]
pub(crate) struct Pace {
    stop: SyncSender<()>,
    thread: JoinHandle<usize>,
}

impl Pace {
    pub(crate) fn start(mut lanes: Vec<Lane>) -> Self {
        let (stop, stopped) = sync_channel(0);
        let thread = std::thread::spawn(move || {
            let start = now();
            let mut untaken = 0;
            while let Some(lane) = lanes.iter_mut().min_by_key(|lane| lane.due(start)) {
                let due = lane.due(start);
                // More exact than a runtime's timer.
                let left = due.saturating_duration_since(now());
                if stopped.recv_timeout(left) != Err(RecvTimeoutError::Timeout) {
                    break;
                }
                untaken += usize::from(!lane.tell(due));
            }
            untaken
        });
        Self { stop, thread }
    }

    /// Tells nothing more; the connections end when they have done what they were told.
    ///
    /// # Panics
    /// When there were requests that no connection could take.
    pub(crate) fn stop(self) {
        drop(self.stop);
        assert_eq!(self.thread.join().ok(), Some(0), "requests never sent");
    }
}

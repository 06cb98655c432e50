//! What one worker thread owns, and every request on it uses: the routing it serves, its pool, its
//! balancing state, its lane of events and its counters. Nothing here is shared with another
//! worker, so nothing is locked.

mod run; // the thread: messages, accepting, the tick

pub(crate) use run::{Message, Started, start};

use crate::buffers::Buffers;
use crate::config::Config;
use crate::date::Date;
use crate::tls::Tls;
use crate::totals::WorkerTotals;
use crate::upstream::{Connections, Pool};
use crate::watch::Watch;
use rauta_core::bus::Publisher;
use rauta_core::clock::{self, Now};
use rauta_http1::Headers;
use rauta_routing::{Balancer, Port, Snapshot};
use rauta_schemas::ConnectionId;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// A bound address, numbered by the control side; a number is never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PortNumber(pub(crate) u32);

/// The snapshot that a worker serves, with its ports by number, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Routing {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) ports: Vec<(PortNumber, Arc<Port>)>,
    pub(crate) tls: Arc<Tls>,
}

impl Routing {
    /// The port as this snapshot has it; `None` once it was taken out.
    pub(crate) fn port(&self, number: PortNumber) -> Option<&Port> {
        let at = self
            .ports
            .binary_search_by_key(&number, |(number, _)| *number)
            .ok()?;
        self.ports.get(at).map(|(_, port)| &**port)
    }
}

/// One worker's own state.
pub(crate) struct Worker {
    /// Its number, also the thread's part of connection ids.
    pub(crate) number: u16,
    pub(crate) config: Config,
    pub(crate) publisher: Publisher,
    pub(crate) totals: Arc<WorkerTotals>,
    pub(crate) balancer: RefCell<Balancer>,
    pub(crate) buffers: Buffers,
    pub(crate) pool: Pool,
    pub(crate) http2: Connections,
    pub(crate) watch: Watch,
    pub(crate) random: RefCell<fastrand::Rng>,
    pub(crate) retries: crate::retry::Budget,
    /// Copies of requests in flight.
    pub(crate) mirrors: Cell<usize>,
    /// TLS handshakes with clients in progress.
    pub(crate) handshakes: Cell<usize>,
    routing: RefCell<Rc<Routing>>,
    now_ms: Cell<u64>,
    /// What wall time is ahead of `CLOCK_MONOTONIC`, as of the last tick.
    wall_ahead_ns: Cell<u64>,
    date: Date,
    connections: Cell<u64>,
    open: Cell<usize>,
    draining: Cell<bool>,
    all_closed: Notify,
}

impl Worker {
    pub(crate) fn new(
        number: u16,
        config: Config,
        publisher: Publisher,
        totals: Arc<WorkerTotals>,
    ) -> Self {
        let now = clock::now();
        let balancer = RefCell::new(Balancer::new(usize::from(number), config.workers));
        Self {
            number,
            config,
            publisher,
            totals,
            balancer,
            buffers: Buffers::default(),
            pool: Pool::default(),
            http2: Connections::default(),
            watch: Watch::default(),
            random: RefCell::new(fastrand::Rng::new()),
            retries: crate::retry::Budget::default(),
            mirrors: Cell::new(0),
            handshakes: Cell::new(0),
            routing: RefCell::default(),
            now_ms: Cell::new(now.monotonic_ns / 1_000_000),
            wall_ahead_ns: Cell::new(ahead_ns(now)),
            date: Date::new(),
            connections: Cell::new(0),
            open: Cell::new(0),
            draining: Cell::new(false),
            all_closed: Notify::new(),
        }
    }

    /// The routing of this moment; a request asks once.
    pub(crate) fn routing(&self) -> Rc<Routing> {
        Rc::clone(&self.routing.borrow())
    }

    /// A coarse clock, milliseconds of `CLOCK_MONOTONIC`, for deadlines: at most a tick late.
    pub(crate) fn now_ms(&self) -> u64 {
        self.now_ms.get()
    }

    /// The moment `after` from now on the coarse clock.
    pub(crate) fn deadline(&self, after: Duration) -> u64 {
        self.now_ms() + u64::try_from(after.as_millis()).unwrap_or(u64::MAX / 2)
    }

    /// This moment, which sets the coarse clock, too. Between two ticks wall time passes as
    /// `CLOCK_MONOTONIC` does, so that one clock is read and not two.
    pub(crate) fn read_clock(&self) -> Now {
        let monotonic_ns = clock::monotonic_ns();
        self.now_ms.set(monotonic_ns / 1_000_000);
        Now {
            monotonic_ns,
            wall_ns: monotonic_ns.wrapping_add(self.wall_ahead_ns.get()),
        }
    }

    /// Reads both clocks: wall time may have been set.
    fn read_clocks(&self) -> Now {
        self.wall_ahead_ns.set(ahead_ns(clock::now()));
        self.read_clock()
    }

    /// Says when a response was made, where it does not say so itself.
    pub(crate) fn stamp(&self, headers: &mut Headers) {
        let now_ns = self.now_ms() * 1_000_000;
        let wall_ns = now_ns.wrapping_add(self.wall_ahead_ns.get());
        self.date.stamp(wall_ns, headers);
    }

    /// Has the worker been asked to stop?
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// Are more requests in flight than the limit allows?
    pub(crate) fn is_overloaded(&self) -> bool {
        self.totals.in_flight.get() > self.config.limits.in_flight_per_worker as u64
    }

    /// Counts a new connection in; `None` at the limit.
    pub(crate) fn admit(self: &Rc<Self>) -> Option<Admitted> {
        if self.open.get() >= self.config.limits.connections_per_worker {
            return None;
        }
        self.open.set(self.open.get() + 1);
        self.totals.open.add(1);
        Some(Admitted {
            worker: Rc::clone(self),
        })
    }

    /// The next connection's id.
    pub(crate) fn next_connection(&self) -> ConnectionId {
        let count = self.connections.get() + 1;
        self.connections.set(count);
        ConnectionId::new(self.number, count)
    }

    fn swap(&self, routing: Routing) {
        self.balancer.borrow_mut().retain(&routing.snapshot);
        *self.routing.borrow_mut() = Rc::new(routing);
    }

    fn drain(&self) {
        self.draining.set(true);
        // Idle connections learn that their patience has become shorter.
        self.watch.wake_all();
        if self.open.get() == 0 {
            self.all_closed.notify_one();
        }
    }
}

/// What wall time is ahead of the monotonic clock; a difference below zero wraps, and back.
fn ahead_ns(now: Now) -> u64 {
    now.wall_ns.wrapping_sub(now.monotonic_ns)
}

/// A connection that counts as open until this is dropped.
pub(crate) struct Admitted {
    worker: Rc<Worker>,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.worker.totals.open.decrease();
        let open = self.worker.open.get() - 1;
        self.worker.open.set(open);
        if open == 0 && self.worker.is_draining() {
            self.worker.all_closed.notify_one();
        }
    }
}

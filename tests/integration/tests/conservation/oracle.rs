//! What clients and backends wrote down, by the number in each path.

use super::plan::Kind;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// What a client saw of its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) kind: Kind,
    /// The status that came; 0: none.
    pub(crate) status: u16,
    /// Bytes of the body that came.
    pub(crate) body: usize,
    /// Did all of it come that the head announced?
    pub(crate) is_complete: bool,
    /// What was wrong with it, where the client itself can tell.
    pub(crate) complaint: Option<String>,
}

/// A client that waits for its request to reach a backend.
#[derive(Debug)]
struct Waiting {
    arrived: oneshot::Sender<()>,
    go_on: oneshot::Receiver<()>,
}

/// Both transcripts.
#[derive(Debug)]
pub(crate) struct Oracle {
    /// How often the backends saw each request, by endpoint.
    sightings: Vec<[AtomicU8; 2]>,
    seen: Mutex<Vec<Option<Seen>>>,
    waiting: Mutex<HashMap<usize, Waiting>>,
}

impl Oracle {
    /// For requests numbered from 0 to `count`.
    pub(crate) fn new(count: usize) -> Self {
        Self {
            sightings: (0..count).map(|_| Default::default()).collect(),
            seen: Mutex::new(vec![None; count]),
            waiting: Mutex::default(),
        }
    }

    /// How many requests there are.
    pub(crate) fn count(&self) -> usize {
        self.sightings.len()
    }

    /// A backend saw this request; answers how often one had before.
    pub(crate) fn saw(&self, id: usize, place: usize) -> u8 {
        let Some(places) = self.sightings.get(id) else {
            return 0;
        };
        let other = places[1 - place].load(Ordering::SeqCst);
        places[place].fetch_add(1, Ordering::SeqCst) + other
    }

    /// How often each endpoint saw the request.
    pub(crate) fn sightings(&self, id: usize) -> [u8; 2] {
        let places = self.sightings.get(id);
        places.map_or([0; 2], |p| [0, 1].map(|at| p[at].load(Ordering::SeqCst)))
    }

    /// A client writes down what it saw.
    pub(crate) fn record(&self, id: usize, seen: Seen) {
        if let Some(place) = lock(&self.seen).get_mut(id) {
            *place = Some(seen);
        }
    }

    /// What all clients saw, by number.
    pub(crate) fn transcript(&self) -> Vec<Option<Seen>> {
        lock(&self.seen).clone()
    }

    /// A client will wait until its request has reached a backend, and then tell that to go on.
    pub(crate) fn wait_for_arrival(
        &self,
        id: usize,
    ) -> (oneshot::Receiver<()>, oneshot::Sender<()>) {
        let (arrived, has_arrived) = oneshot::channel();
        let (tell, go_on) = oneshot::channel();
        lock(&self.waiting).insert(id, Waiting { arrived, go_on });
        (has_arrived, tell)
    }

    /// A backend tells the client that its request has arrived, where it waits for that.
    pub(crate) fn tell_client(&self, id: usize) {
        if let Some(waiting) = lock(&self.waiting).remove(&id) {
            // The client may have given up.
            waiting.arrived.send(()).ok();
        }
    }

    /// The same, and waits until the client says to go on.
    pub(crate) async fn await_client(&self, id: usize) {
        let waiting = lock(&self.waiting).remove(&id);
        if let Some(Waiting { arrived, go_on }) = waiting {
            arrived.send(()).ok();
            go_on.await.ok();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

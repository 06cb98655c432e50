//! What the handles of a bus share: the lanes that are open, what is left of those that were, and
//! everyone's counters. Locked to open and close lanes and to read statistics, never to publish.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::anomalies::Anomalies;
use super::lane::{Lane, LaneReader, Publisher};
use super::stats::{BusStats, Counters, LaneStats};

#[derive(Debug)]
pub(super) struct Registry {
    lane_slots: usize,
    lanes: Mutex<Lanes>,
    /// Are there lanes that the pipeline has not fetched? Spares it the lock.
    has_arrivals: AtomicBool,
    subscribers: Mutex<Vec<Arc<Counters>>>,
    pub(super) anomalies: Anomalies,
}

#[derive(Debug, Default)]
struct Lanes {
    /// Opened, but not fetched by the pipeline.
    arriving: Vec<LaneReader>,
    open: Vec<Arc<Lane>>,
    /// Sums over closed lanes, one entry a name.
    closed: Vec<LaneStats>,
    /// Has the pipeline ended?
    is_shut: bool,
}

impl Registry {
    pub(super) fn new(lane_slots: usize) -> Self {
        Self {
            lane_slots,
            lanes: Mutex::default(),
            has_arrivals: AtomicBool::new(false),
            subscribers: Mutex::default(),
            anomalies: Anomalies::default(),
        }
    }

    pub(super) fn open_lane(&self, name: &str) -> Publisher {
        let (publisher, reader) = Lane::open(name, self.lane_slots);
        let mut lanes = lock(&self.lanes);
        lanes.open.push(Arc::clone(reader.lane()));
        if lanes.is_shut {
            reader.lane().shut();
        } else {
            lanes.arriving.push(reader);
            self.has_arrivals.store(true, Ordering::Release);
        }
        publisher
    }

    /// The lanes opened since the last call.
    pub(super) fn arrivals(&self) -> Vec<LaneReader> {
        if !self.has_arrivals.swap(false, Ordering::Acquire) {
            return Vec::new();
        }
        std::mem::take(&mut lock(&self.lanes).arriving)
    }

    /// Keeps a closed lane's counters and forgets the lane.
    pub(super) fn close_lane(&self, lane: &Arc<Lane>) {
        let mut lanes = lock(&self.lanes);
        lanes.open.retain(|open| !Arc::ptr_eq(open, lane));
        let last = lane.stats();
        match lanes.closed.iter_mut().find(|sum| sum.name == last.name) {
            Some(sum) => sum.add(&last),
            None => lanes.closed.push(last),
        }
    }

    /// The pipeline has ended: nothing is taken any more, and no more anomalies come.
    pub(super) fn shut(&self) {
        let mut lanes = lock(&self.lanes);
        lanes.is_shut = true;
        lanes.arriving.clear();
        for lane in &lanes.open {
            lane.shut();
        }
        drop(lanes);
        self.anomalies.close();
    }

    pub(super) fn add_subscriber(&self, counters: Arc<Counters>) {
        lock(&self.subscribers).push(counters);
    }

    pub(super) fn stats(&self) -> BusStats {
        let lanes = lock(&self.lanes);
        let open = lanes.open.iter().map(|lane| lane.stats());
        let lanes = lanes.closed.iter().cloned().chain(open).collect();
        let subscribers = lock(&self.subscribers);
        BusStats {
            lanes,
            subscribers: subscribers.iter().map(|c| c.stats()).collect(),
            anomalies_emitted: self.anomalies.emitted(),
            anomalies: self.anomalies.stats(),
        }
    }
}

/// A panic elsewhere leaves these tables whole: every change is one push or one removal.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Which backend of a rule and which endpoint of a backend takes a request, and what one worker
//! remembers for it.
//!
//! The state is the worker's own, so nothing is shared between cores: weights are exact per
//! worker, and open requests are this worker's. What failures teach is shared, in
//! [`crate::EndpointHealth`].

mod endpoint;
mod weights;

pub use endpoint::EndpointChoice;

use crate::hash::IdMap;
use crate::{Backend, Endpoint, Rule, Snapshot};
use rauta_schemas::{EndpointId, RuleId};
use std::collections::HashSet;
use std::sync::Arc;
use weights::Position;

/// One worker's balancing state. Lives as long as the worker: swaps do not reset it.
#[derive(Debug)]
pub struct Balancer {
    worker: u32,
    workers: u32,
    /// Open requests per endpoint, this worker's own.
    open: IdMap<EndpointId, u32>,
    /// Where each rule's round robin stands; only of rules with a real choice.
    positions: IdMap<RuleId, Position>,
}

impl Balancer {
    /// The balancer of worker number `worker` of `workers`. Each starts its round robins at
    /// another offset, so that few requests spread over many workers are still shared out.
    pub fn new(worker: usize, workers: usize) -> Self {
        let workers = u32::try_from(workers).unwrap_or(u32::MAX).max(1);
        Self {
            worker: u32::try_from(worker).unwrap_or(0) % workers,
            workers,
            open: IdMap::default(),
            positions: IdMap::default(),
        }
    }

    /// The place in `rule.backends` that takes the next request; `None` where no weight is
    /// positive. Smooth weighted round robin: in each cycle of requests every backend gets exactly
    /// its share, spread evenly. The place may hold an invalid target: its share is to be
    /// answered 500.
    pub fn pick_backend(&mut self, rule: &Rule) -> Option<usize> {
        let mut positive = rule
            .backends
            .iter()
            .enumerate()
            .filter(|(_, b)| b.weight > 0);
        let (first, _) = positive.next()?;
        if positive.next().is_none() {
            return Some(first);
        }
        let (worker, workers) = (self.worker, self.workers);
        self.positions
            .entry(rule.id())
            .or_insert_with(|| Position::new(&rule.backends, worker, workers))
            .next(&rule.backends)
    }

    /// The endpoint of `backend` that takes an attempt; `None` only where it has no endpoints.
    ///
    /// Without affinity the less busy of two random ones, with affinity the client's own. Both
    /// prefer endpoints that are neither ejected nor tried, and refuse none: where all are
    /// ejected, one is chosen all the same.
    pub fn pick_endpoint<'b>(
        &self,
        backend: &'b Backend,
        choice: &EndpointChoice<'_>,
    ) -> Option<&'b Arc<Endpoint>> {
        endpoint::pick(backend, choice, |id| self.open_requests(id))
    }

    /// A request to the endpoint begins.
    pub fn open(&mut self, id: EndpointId) {
        *self.open.entry(id).or_default() += 1;
    }

    /// A request to the endpoint, begun with [`Balancer::open`], is over.
    pub fn close(&mut self, id: EndpointId) {
        if let Some(count) = self.open.get_mut(&id) {
            *count = count.saturating_sub(1);
        }
    }

    /// How many requests to the endpoint this worker has open.
    pub fn open_requests(&self, id: EndpointId) -> u32 {
        self.open.get(&id).copied().unwrap_or(0)
    }

    /// Forgets what only earlier snapshots named; call it after each swap. Endpoints with open
    /// requests are kept until those are over.
    pub fn retain(&mut self, snapshot: &Snapshot) {
        self.open.retain(|_, count| *count > 0);
        if !self.positions.is_empty() {
            let live: HashSet<RuleId, crate::hash::IdHash> =
                snapshot.rules().map(|rule| rule.id()).collect();
            self.positions.retain(|id, _| live.contains(id));
        }
    }
}

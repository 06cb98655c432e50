//! Which endpoint takes an attempt.

use crate::{Affinity, Backend, Endpoint, Maglev};
use rauta_schemas::EndpointId;
use std::sync::Arc;

/// What the choice of an endpoint depends on, beside the backend and the open requests.
#[derive(Clone, Copy, Debug)]
pub struct EndpointChoice<'a> {
    /// [`crate::client_ip_hash`] of the client's address; read with [`Affinity::ClientIp`] only.
    pub client_ip_hash: u64,
    /// Endpoints that earlier attempts of this request went to.
    pub tried: &'a [EndpointId],
    /// Monotonic milliseconds, on the clock of [`crate::EndpointHealth`].
    pub now_ms: u64,
    /// Two random numbers; read without affinity only.
    pub random: [u64; 2],
}

/// How fit an endpoint is for an attempt; the least is best. A healthy one that was tried (it
/// answered, if badly) comes before one that does not even accept connections.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Fitness {
    ejected: bool,
    tried: bool,
}

const FIT: Fitness = Fitness {
    ejected: false,
    tried: false,
};

impl EndpointChoice<'_> {
    fn fitness(&self, endpoint: &Endpoint) -> Fitness {
        Fitness {
            ejected: endpoint.health.is_ejected(self.now_ms),
            tried: self.tried.contains(&endpoint.id()),
        }
    }
}

pub(super) fn pick<'b>(
    backend: &'b Backend,
    choice: &EndpointChoice<'_>,
    open: impl Fn(EndpointId) -> u32,
) -> Option<&'b Arc<Endpoint>> {
    let endpoints = backend.endpoints.as_slice();
    match (endpoints, backend.affinity) {
        ([] | [_], _) => endpoints.first(),
        (_, Affinity::None) => less_busy_of_two(endpoints, choice, open),
        (_, Affinity::ClientIp) => sticky(backend, choice),
    }
}

fn less_busy_of_two<'b>(
    endpoints: &'b [Arc<Endpoint>],
    choice: &EndpointChoice<'_>,
    open: impl Fn(EndpointId) -> u32,
) -> Option<&'b Arc<Endpoint>> {
    let first = scaled(choice.random[0], endpoints.len());
    // One of the others: every pair is equally likely.
    let second = (first + 1 + scaled(choice.random[1], endpoints.len() - 1)) % endpoints.len();
    let cost = |endpoint: &Endpoint| (choice.fitness(endpoint), open(endpoint.id()));
    let (a, b) = (&endpoints[first], &endpoints[second]);
    let (cost_a, cost_b) = (cost(a), cost(b));
    let (best, best_cost) = if cost_b < cost_a {
        (b, cost_b)
    } else {
        (a, cost_a)
    };
    if best_cost.0 == FIT {
        return Some(best);
    }
    // Neither is fit: look at all, from a random one on, so that equals share the load.
    let (head, tail) = endpoints.split_at(first);
    tail.iter()
        .chain(head)
        .min_by_key(|endpoint| cost(endpoint))
}

fn sticky<'b>(backend: &'b Backend, choice: &EndpointChoice<'_>) -> Option<&'b Arc<Endpoint>> {
    let endpoints = backend.endpoints.as_slice();
    let table = backend
        .maglev
        .get_or_init(|| Maglev::new(endpoints.iter().map(|endpoint| endpoint.address)));
    let own = endpoints.get(table.pick(choice.client_ip_hash)?)?;
    if choice.fitness(own) == FIT {
        return Some(own);
    }
    let best = endpoints
        .iter()
        .map(|endpoint| choice.fitness(endpoint))
        .min()?;
    // The next probes of this client's: they spread one endpoint's clients over all the others.
    table
        .probe(choice.client_ip_hash)
        .filter_map(|place| endpoints.get(place))
        .find(|endpoint| choice.fitness(endpoint) == best)
        .or(Some(own))
}

/// A number below `count`, evenly for an evenly random `random`.
fn scaled(random: u64, count: usize) -> usize {
    ((u128::from(random) * count as u128) >> 64) as usize
}

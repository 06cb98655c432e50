//! Which endpoint is at fault: hits and exchanges per endpoint over the last seconds.

use crate::chance;
use rauta_schemas::EndpointId;

/// How many endpoints of a key are told apart; those beyond count together.
const ENDPOINTS_MAX: usize = 16;
/// Counts are kept for between one and two times this long, nanoseconds.
const HALF_NS: u64 = 5_000_000_000;
/// The share of all hits that one endpoint must have to be named.
const SHARE_MIN: f64 = 0.8;
/// So many hits on one endpoint would be rarer than this if all endpoints were alike.
const CHANCE_MAX: f64 = 0.01;
/// An endpoint that was not seen for so long is gone, nanoseconds.
const PEER_FOR_NS: u64 = 600_000_000_000;

/// Has a key more than one endpoint? Known before anything looks wrong.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Peers {
    last: EndpointId,
    /// When another endpoint than `last` was last seen.
    other_ns: Option<u64>,
}

impl Peers {
    /// An exchange went to `endpoint`.
    pub(crate) fn note(&mut self, now_ns: u64, endpoint: EndpointId) {
        if endpoint != self.last && endpoint.is_some() {
            if self.last.is_some() {
                self.other_ns = Some(now_ns);
            }
            self.last = endpoint;
        }
    }

    /// Was only one endpoint seen lately?
    pub(crate) fn is_alone(&self, now_ns: u64) -> bool {
        self.other_ns
            .is_none_or(|at_ns| now_ns.saturating_sub(at_ns) > PEER_FOR_NS)
    }
}

/// Hits and exchanges per endpoint.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    endpoints: Vec<PerEndpoint>,
    turned_ns: u64,
}

#[derive(Clone, Debug)]
struct PerEndpoint {
    endpoint: EndpointId,
    /// Exchanges that are as they should be, and those that are not.
    now: [u32; 2],
    before: [u32; 2],
}

/// Who is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Culprit {
    /// One endpoint, while others do well or there are no others.
    One(EndpointId),
    /// Several, or none.
    Several,
    /// Too little was seen to tell one from several.
    Unclear,
}

impl Tally {
    /// Counts one exchange.
    pub(crate) fn record(&mut self, now_ns: u64, endpoint: EndpointId, is_hit: bool) {
        self.turn(now_ns);
        let place = self
            .endpoints
            .iter()
            .position(|entry| entry.endpoint == endpoint);
        let entry = match place {
            Some(place) => &mut self.endpoints[place],
            None => {
                let is_full = self.endpoints.len() + 1 >= ENDPOINTS_MAX;
                let endpoint = if is_full { EndpointId::NONE } else { endpoint };
                if !is_full || self.endpoints.last().is_none_or(|e| e.endpoint != endpoint) {
                    self.endpoints.push(PerEndpoint {
                        endpoint,
                        now: [0; 2],
                        before: [0; 2],
                    });
                }
                let last = self.endpoints.len() - 1;
                &mut self.endpoints[last]
            }
        };
        let count = &mut entry.now[usize::from(is_hit)];
        *count = count.saturating_add(1);
    }

    /// Which endpoint is at fault, if these are the hits' endpoints. `is_alone`: is there no other
    /// endpoint?
    pub(crate) fn culprit(
        &self,
        hits: impl Iterator<Item = EndpointId>,
        is_alone: bool,
    ) -> Culprit {
        let mut counts: Vec<(EndpointId, u64)> = Vec::new();
        let mut all = 0;
        for endpoint in hits {
            all += 1;
            match counts.iter_mut().find(|(it, _)| *it == endpoint) {
                Some((_, count)) => *count += 1,
                None => counts.push((endpoint, 1)),
            }
        }
        let Some((worst, hits)) = counts.into_iter().max_by_key(|(_, count)| *count) else {
            return Culprit::Unclear;
        };
        if !worst.is_some() || (hits as f64) < SHARE_MIN * all as f64 {
            return Culprit::Several;
        }
        if is_alone {
            return Culprit::One(worst);
        }
        // If all were alike, hits would fall on this one by its share of the exchanges. Those that
        // went well tell the share; the hits themselves would make it seem larger.
        let known = || self.endpoints.iter().filter(|e| e.endpoint.is_some());
        let good: u64 = known().map(PerEndpoint::good).sum();
        let own: u64 = known()
            .filter(|e| e.endpoint == worst)
            .map(PerEndpoint::good)
            .sum();
        let endpoints = known().count().max(2) as f64;
        let share = (own as f64 + 1.0) / (good as f64 + endpoints);
        if chance::at_least(hits, all, share) < CHANCE_MAX {
            Culprit::One(worst)
        } else {
            Culprit::Unclear
        }
    }

    fn turn(&mut self, now_ns: u64) {
        let age_ns = now_ns.saturating_sub(self.turned_ns);
        if age_ns < HALF_NS {
            return;
        }
        for entry in &mut self.endpoints {
            entry.before = if age_ns < 2 * HALF_NS {
                entry.now
            } else {
                [0; 2]
            };
            entry.now = [0; 2];
        }
        self.endpoints.retain(|entry| entry.before != [0; 2]);
        self.turned_ns = now_ns;
    }
}

impl PerEndpoint {
    fn good(&self) -> u64 {
        u64::from(self.now[0]) + u64::from(self.before[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tally of (endpoint, hits, good ones).
    fn check(seen: &[(u32, u32, u32)], is_alone: bool, expected: Culprit) {
        let mut tally = Tally::default();
        let mut hits = Vec::new();
        for (endpoint, bad, good) in seen {
            let endpoint = EndpointId::from(*endpoint);
            for n in 0..bad + good {
                tally.record(1, endpoint, n < *bad);
            }
            hits.extend((0..*bad).map(|_| endpoint));
        }
        assert_eq!(
            tally.culprit(hits.into_iter(), is_alone),
            expected,
            "{seen:?}"
        );
    }

    #[test]
    fn an_endpoint_is_named_when_the_others_do_well() {
        let first = Culprit::One(EndpointId::from(1));
        check(&[(1, 3, 0)], true, first);
        check(&[(1, 3, 0)], false, Culprit::Unclear);
        check(&[(1, 30, 0)], false, first);
        check(&[(1, 3, 1), (2, 0, 10)], false, first);
        check(&[(1, 30, 0), (2, 1, 30)], false, first);
        check(&[(1, 2, 1), (2, 1, 2)], false, Culprit::Several);
        check(&[(1, 1, 1), (2, 0, 1)], false, Culprit::Unclear);
        check(&[(1, 0, 5), (2, 0, 5)], false, Culprit::Unclear);
        check(&[(0, 9, 0), (2, 0, 5)], false, Culprit::Several);
        check(&[], false, Culprit::Unclear);
    }

    #[test]
    fn three_hits_of_three_endpoints_are_no_proof_against_one() {
        check(&[(1, 3, 1), (2, 0, 1), (3, 0, 1)], false, Culprit::Unclear);
    }

    #[test]
    fn old_counts_are_forgotten_and_many_endpoints_bounded() {
        let mut tally = Tally::default();
        for n in 0..1_000 {
            tally.record(1, EndpointId::from(n + 1), true);
        }
        assert_eq!(tally.endpoints.len(), ENDPOINTS_MAX);
        tally.record(u64::MAX, EndpointId::from(7), true);
        assert_eq!(tally.endpoints.len(), 1);
    }

    #[test]
    fn a_key_is_alone_until_another_endpoint_is_seen_and_when_it_is_long_gone() {
        let mut peers = Peers::default();
        assert!(peers.is_alone(0));
        for (second, endpoint) in [(0, 1), (1, 1), (2, 0), (3, 1)] {
            peers.note(second * 1_000_000_000, EndpointId::from(endpoint));
        }
        assert!(peers.is_alone(4_000_000_000));
        peers.note(5_000_000_000, EndpointId::from(2));
        assert!(!peers.is_alone(6_000_000_000));
        assert!(peers.is_alone(6_000_000_000 + PEER_FOR_NS));
    }
}

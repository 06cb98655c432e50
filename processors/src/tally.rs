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
const CHANCE_MAX: f64 = 0.05;

/// Hits and exchanges per endpoint.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    endpoints: Vec<PerEndpoint>,
    turned_ns: u64,
}

#[derive(Clone, Debug)]
struct PerEndpoint {
    endpoint: EndpointId,
    now: [u32; 2],
    before: [u32; 2],
}

/// Who is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Culprit {
    /// One endpoint, while others do well or there are no others.
    One(EndpointId),
    /// Several.
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
        entry.now[0] = entry.now[0].saturating_add(u32::from(is_hit));
        entry.now[1] = entry.now[1].saturating_add(1);
    }

    /// Who is at fault by what was seen lately.
    pub(crate) fn culprit(&self) -> Culprit {
        let sum = |place: usize| -> u64 {
            self.endpoints
                .iter()
                .map(|e| u64::from(e.now[place]) + u64::from(e.before[place]))
                .sum()
        };
        let (hits, total) = (sum(0), sum(1));
        let Some(worst) = self
            .endpoints
            .iter()
            .max_by_key(|e| e.hits())
            .filter(|e| e.hits() > 0)
        else {
            return Culprit::Unclear;
        };
        if worst.total() == total {
            return Culprit::One(worst.endpoint);
        }
        if (worst.hits() as f64) < SHARE_MIN * hits as f64 {
            return Culprit::Several;
        }
        // If all were alike, hits would fall on this one by its share of the exchanges.
        let share = worst.total() as f64 / total as f64;
        if chance::at_least(worst.hits(), hits, share) < CHANCE_MAX {
            Culprit::One(worst.endpoint)
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
        self.endpoints.retain(|entry| entry.before[1] > 0);
        self.turned_ns = now_ns;
    }
}

impl PerEndpoint {
    fn hits(&self) -> u64 {
        u64::from(self.now[0]) + u64::from(self.before[0])
    }

    fn total(&self) -> u64 {
        u64::from(self.now[1]) + u64::from(self.before[1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tally of (endpoint, hits, good ones).
    fn check(seen: &[(u32, u32, u32)], expected: Culprit) {
        let mut tally = Tally::default();
        for (endpoint, hits, good) in seen {
            for n in 0..hits + good {
                tally.record(1, EndpointId::from(*endpoint), n < *hits);
            }
        }
        assert_eq!(tally.culprit(), expected, "{seen:?}");
    }

    #[test]
    fn an_endpoint_is_named_when_the_others_do_well() {
        let first = Culprit::One(EndpointId::from(1));
        check(&[(1, 3, 0)], first);
        check(&[(1, 3, 1), (2, 0, 10)], first);
        check(&[(1, 30, 0), (2, 1, 30)], first);
        check(&[(1, 2, 1), (2, 1, 2)], Culprit::Several);
        check(&[(1, 1, 1), (2, 0, 1)], Culprit::Unclear);
        check(&[(1, 0, 5), (2, 0, 5)], Culprit::Unclear);
        check(&[], Culprit::Unclear);
    }

    #[test]
    fn old_counts_are_forgotten_and_many_endpoints_bounded() {
        let mut tally = Tally::default();
        for n in 0..1_000 {
            tally.record(1, EndpointId::from(n + 1), true);
        }
        assert_eq!(tally.endpoints.len(), ENDPOINTS_MAX);
        tally.record(u64::MAX, EndpointId::from(7), true);
        assert_eq!(tally.culprit(), Culprit::One(EndpointId::from(7)));
    }
}

//! What a detector gathers about one key while something looks wrong, and only then: recent hits,
//! samples, who is at fault, and the incident once there is one.

use crate::incident::Incident;
use crate::tally::{Culprit, Tally};
use rauta_core::clock::Now;
use rauta_schemas::{EndpointId, Identity, Reason, SAMPLES_MAX, SampleExchange, Side};
use std::collections::VecDeque;

/// How many hits are remembered for the median, the beginning and the blame.
const HITS_MAX: usize = 64;
/// How long one waits for a clear picture of the endpoints before saying what was found anyway.
const UNCLEAR_FOR_NS: u64 = 300_000_000;
/// A reason stands for all where this share of the hits has it.
const AGREED_SHARE: f64 = 0.8;

/// One exchange that is beyond the threshold, or failed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hit {
    /// When.
    pub(crate) at: Now,
    /// How slow, microseconds; 0 where slowness is not the point.
    pub(crate) micros: u64,
    /// Listener, rule, backend, endpoint.
    pub(crate) identity: Identity,
    /// Who is at fault.
    pub(crate) side: Side,
    /// Why.
    pub(crate) reason: Reason,
}

/// Who is at fault, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Blame {
    /// The gateway or the backend.
    pub(crate) side: Side,
    /// Why, where the hits agree.
    pub(crate) reason: Reason,
    /// Listener, rule and backend, with the endpoint only where it alone is at fault.
    pub(crate) identity: Identity,
    /// Was too little seen to tell one endpoint from several?
    is_unclear: bool,
}

/// What was gathered about one key.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    hits: VecDeque<Hit>,
    samples: VecDeque<SampleExchange>,
    tally: Tally,
    suspected_ns: Option<u64>,
    /// The incident, once there is one.
    pub(crate) incident: Option<Incident>,
}

impl Evidence {
    /// An exchange that is as it should be.
    pub(crate) fn good(&mut self, at: Now, endpoint: EndpointId) {
        self.tally.record(at.monotonic_ns, endpoint, false);
    }

    /// An exchange that is not; `sample` is made only where there is room for it.
    pub(crate) fn hit(&mut self, hit: Hit, sample: impl FnOnce() -> SampleExchange) {
        self.tally
            .record(hit.at.monotonic_ns, hit.identity.endpoint, true);
        if self.hits.len() == HITS_MAX {
            self.hits.pop_front();
        }
        self.hits.push_back(hit);
        // Before an incident the newest are kept, in it the first ones: they show how it began.
        if self.samples.len() < SAMPLES_MAX {
            self.samples.push_back(sample());
        } else if self.incident.is_none() {
            self.samples.pop_front();
            self.samples.push_back(sample());
        }
        if let Some(incident) = &mut self.incident {
            incident.count_one(hit.at.wall_ns);
        }
    }

    /// The numbers show an anomaly: from now on one waits for what else must be known.
    pub(crate) fn suspect(&mut self, now: Now) {
        self.suspected_ns.get_or_insert(now.monotonic_ns);
    }

    /// Is it time to say what was found, or would a moment more tell which endpoint it is?
    pub(crate) fn is_ripe(&self, now: Now, blame: &Blame) -> bool {
        let since_ns = self.suspected_ns.unwrap_or(now.monotonic_ns);
        !blame.is_unclear || now.monotonic_ns.saturating_sub(since_ns) >= UNCLEAR_FOR_NS
    }

    /// Did the numbers show an anomaly, and was nothing said yet?
    pub(crate) fn is_suspected(&self) -> bool {
        self.suspected_ns.is_some() && self.incident.is_none()
    }

    /// The numbers no longer show an anomaly.
    pub(crate) fn calm(&mut self) {
        self.suspected_ns = None;
    }

    /// Is there nothing worth keeping: no incident and no hit for `quiet_ns`?
    pub(crate) fn is_over(&self, now: Now, quiet_ns: u64) -> bool {
        let last_ns = self.hits.back().map_or(0, |hit| hit.at.monotonic_ns);
        self.incident.is_none() && now.monotonic_ns.saturating_sub(last_ns) > quiet_ns
    }

    /// The first remembered hit of the last `span_ns`, wall time.
    pub(crate) fn first_wall_ns(&self, now: Now, span_ns: u64) -> u64 {
        let from_ns = now.monotonic_ns.saturating_sub(span_ns);
        let first = self.hits.iter().find(|hit| hit.at.monotonic_ns >= from_ns);
        first.map_or(now.wall_ns, |hit| hit.at.wall_ns)
    }

    /// The median of the remembered hits, microseconds.
    pub(crate) fn median_us(&self) -> u64 {
        let mut micros: Vec<u64> = self.hits.iter().map(|hit| hit.micros).collect();
        micros.sort_unstable();
        micros.get(micros.len() / 2).copied().unwrap_or(0)
    }

    /// Who is at fault by the hits of the last `span_ns`, or by the last ones where those are
    /// older. `is_alone`: has the key no other endpoint? Hits of before the fault, and the few that
    /// are always there, must not hide whose fault it is: the side with more of them is judged
    /// alone.
    pub(crate) fn blame(&self, now: Now, span_ns: u64, is_alone: bool) -> Blame {
        let from_ns = now.monotonic_ns.saturating_sub(span_ns);
        let is_recent = |hit: &&Hit| hit.at.monotonic_ns >= from_ns;
        let recent = self.hits.iter().rev().take_while(is_recent).count().max(1);
        let recent = || self.hits.iter().rev().take(recent);
        let gateways = recent().filter(|hit| hit.side == Side::Gateway).count();
        let is_gateway = gateways * 2 > recent().count();
        let ours: Vec<&Hit> = recent()
            .filter(|hit| (hit.side == Side::Gateway) == is_gateway)
            .collect();
        let agreed = |count: usize| count as f64 >= AGREED_SHARE * ours.len() as f64;
        let newest = ours.first();
        let reason = newest.map_or(Reason::None, |hit| hit.reason);
        let is_agreed = agreed(ours.iter().filter(|hit| hit.reason == reason).count());
        let endpoints = ours.iter().map(|hit| hit.identity.endpoint);
        let culprit = self.tally.culprit(endpoints, is_alone);
        let endpoint = match culprit {
            Culprit::One(endpoint) => endpoint,
            Culprit::Several | Culprit::Unclear => EndpointId::NONE,
        };
        let identity = newest.map_or(Identity::default(), |hit| hit.identity);
        Blame {
            side: if is_gateway {
                Side::Gateway
            } else {
                Side::Backend
            },
            reason: if is_agreed { reason } else { Reason::None },
            identity: Identity {
                endpoint,
                ..identity
            },
            is_unclear: culprit == Culprit::Unclear,
        }
    }

    /// The samples gathered since they were last taken.
    pub(crate) fn take_samples(&mut self) -> Vec<SampleExchange> {
        self.samples.drain(..).collect()
    }
}

//! What a detector gathers about one key while something looks wrong, and only then: recent hits,
//! samples, who is at fault, and the incident once there is one.

use crate::incident::Incident;
use crate::tally::{Culprit, Tally};
use rauta_core::clock::Now;
use rauta_schemas::{EndpointId, Identity, Reason, SAMPLES_MAX, SampleExchange, Side};
use std::collections::VecDeque;

/// How many hits are remembered for the median and the beginning.
const HITS_MAX: usize = 64;
/// How long one waits for a clear picture of the endpoints before saying what was found anyway.
const UNCLEAR_FOR_NS: u64 = 300_000_000;

/// One exchange that is beyond the threshold, or failed.
#[derive(Debug)]
pub(crate) struct Hit<'a> {
    /// When.
    pub(crate) at: Now,
    /// How slow, microseconds; 0 where slowness is not the point.
    pub(crate) micros: u64,
    /// Listener, rule, backend, endpoint.
    pub(crate) identity: &'a Identity,
    /// Who is at fault.
    pub(crate) side: Side,
    /// Why.
    pub(crate) reason: Reason,
}

/// What was gathered about one key.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    hits: VecDeque<(Now, u64)>,
    samples: VecDeque<SampleExchange>,
    tally: Tally,
    /// Which configuration the last hit met.
    pub(crate) identity: Identity,
    reason: Option<Reason>,
    sides: [u32; 2],
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
    pub(crate) fn hit(&mut self, hit: &Hit<'_>, sample: impl FnOnce() -> SampleExchange) {
        self.tally
            .record(hit.at.monotonic_ns, hit.identity.endpoint, true);
        self.identity = *hit.identity;
        if self.hits.is_empty() {
            self.reason = Some(hit.reason);
        } else if self.reason != Some(hit.reason) {
            self.reason = None;
        }
        if self.hits.len() == HITS_MAX {
            self.hits.pop_front();
        }
        self.hits.push_back((hit.at, hit.micros));
        let side = usize::from(hit.side == Side::Gateway);
        self.sides[side] = self.sides[side].saturating_add(1);
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

    /// The criterion is met. Is it time to say so, or would a moment more tell which endpoint it
    /// is?
    pub(crate) fn is_ripe(&mut self, now: Now) -> bool {
        let since_ns = *self.suspected_ns.get_or_insert(now.monotonic_ns);
        self.tally.culprit() != Culprit::Unclear
            || now.monotonic_ns.saturating_sub(since_ns) >= UNCLEAR_FOR_NS
    }

    /// Was the criterion met, and nothing said yet?
    pub(crate) fn is_suspected(&self) -> bool {
        self.suspected_ns.is_some() && self.incident.is_none()
    }

    /// The criterion is no longer met.
    pub(crate) fn calm(&mut self) {
        self.suspected_ns = None;
    }

    /// Is there nothing worth keeping: no incident and no hit for `quiet_ns`?
    pub(crate) fn is_over(&self, now: Now, quiet_ns: u64) -> bool {
        let last_ns = self.hits.back().map_or(0, |(at, _)| at.monotonic_ns);
        self.incident.is_none() && now.monotonic_ns.saturating_sub(last_ns) > quiet_ns
    }

    /// The first remembered hit of the last `span_ns`, wall time.
    pub(crate) fn first_wall_ns(&self, now: Now, span_ns: u64) -> u64 {
        let from_ns = now.monotonic_ns.saturating_sub(span_ns);
        let first = self.hits.iter().find(|(at, _)| at.monotonic_ns >= from_ns);
        first.map_or(now.wall_ns, |(at, _)| at.wall_ns)
    }

    /// The median of the remembered hits, microseconds.
    pub(crate) fn median_us(&self) -> u64 {
        let mut micros: Vec<u64> = self.hits.iter().map(|(_, micros)| *micros).collect();
        micros.sort_unstable();
        micros.get(micros.len() / 2).copied().unwrap_or(0)
    }

    /// Listener, rule and backend, with the endpoint only where it alone is at fault.
    pub(crate) fn blamed(&self) -> Identity {
        let endpoint = match self.tally.culprit() {
            Culprit::One(endpoint) => endpoint,
            Culprit::Several | Culprit::Unclear => EndpointId::NONE,
        };
        Identity {
            endpoint,
            ..self.identity
        }
    }

    /// Why, where all hits agree.
    pub(crate) fn reason(&self) -> Reason {
        self.reason.unwrap_or(Reason::None)
    }

    /// The side that failed more often: the gateway or the backend.
    pub(crate) fn side(&self) -> Side {
        if self.sides[1] > self.sides[0] {
            Side::Gateway
        } else {
            Side::Backend
        }
    }

    /// The samples gathered since they were last taken.
    pub(crate) fn take_samples(&mut self) -> Vec<SampleExchange> {
        self.samples.drain(..).collect()
    }
}

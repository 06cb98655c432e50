//! One probe and its failures in a row.

use crate::config::Occurrences;
use crate::evidence::{Evidence, Hit};
use crate::finding::{About, Finding, Findings, NO_FAILURES};
use crate::incident::{Due, Incident};
use crate::processor::Scene;
use crate::sample;
use rauta_core::clock::Now;
use rauta_schemas::{
    AnomalyKind, EndpointId, HttpResponseEvent, Identity, InlineText, Observed, Phase, Severity,
    Side, Unit,
};

/// So many failures in a row are a warning.
const WARNING_AFTER: u32 = 2;
/// And so many an error.
const ERROR_AFTER: u32 = 3;
/// How many endpoints are told apart; further ones count for the probe alone.
const ENDPOINTS_MAX: usize = 16;
/// A row that was not added to for so long is over, nanoseconds.
const ROW_FOR_NS: u64 = 300_000_000_000;

/// Failures in a row.
#[derive(Clone, Copy, Debug, Default)]
struct Row {
    failures: u32,
    last_ns: u64,
    /// Were answers lost since it began?
    is_doubtful: bool,
}

impl Row {
    fn add(&mut self, is_failure: bool, now_ns: u64) {
        if !is_failure || now_ns.saturating_sub(self.last_ns) > ROW_FOR_NS {
            *self = Self::default();
        }
        self.failures = self.failures.saturating_add(u32::from(is_failure));
        self.last_ns = now_ns;
    }

    /// How bad it is. A row that may have been broken by a lost answer needs one failure more.
    fn severity(&self) -> Option<Severity> {
        let certain = self.failures.saturating_sub(u32::from(self.is_doubtful));
        if certain >= ERROR_AFTER {
            Some(Severity::Error)
        } else {
            (certain >= WARNING_AFTER).then_some(Severity::Warning)
        }
    }
}

/// What is known about one probe.
#[derive(Debug)]
pub(super) struct Probe {
    about: About,
    path: String,
    all: Row,
    by_endpoint: Vec<(EndpointId, Row)>,
    /// The endpoint of the failures of `all`, where it is the same for all of them.
    failing: Option<EndpointId>,
    /// Which configuration the last failure met.
    identity: Identity,
    evidence: Evidence,
}

impl Probe {
    pub(super) fn new(about: About, path: &InlineText<40>) -> Self {
        Self {
            about,
            path: path.as_str().to_owned(),
            all: Row::default(),
            by_endpoint: Vec::new(),
            failing: None,
            identity: Identity::default(),
            evidence: Evidence::default(),
        }
    }

    /// Counts one probe.
    pub(super) fn answered(
        &mut self,
        event: &HttpResponseEvent,
        scene: &Scene<'_>,
        lost: u64,
        out: &mut Findings,
    ) {
        let is_failure = !(200..400).contains(&event.status);
        let now_ns = scene.now.monotonic_ns;
        let endpoint = event.identity.endpoint;
        self.failing = match self.failing {
            Some(other) if is_failure && self.all.failures > 0 && other != endpoint => None,
            None if is_failure && self.all.failures > 0 => None,
            _ => Some(endpoint),
        };
        self.all.add(is_failure, now_ns);
        self.count_for_endpoint(endpoint, is_failure, now_ns);
        if !is_failure {
            if self.severity().is_none() && !self.is_firing() {
                self.evidence = Evidence::default();
            }
            return;
        }
        self.identity = event.identity;
        // Whoever cuts a probe off did so because no answer came.
        let side = if event.side == Side::Gateway {
            Side::Gateway
        } else {
            Side::Backend
        };
        let hit = Hit {
            at: scene.now,
            micros: 0,
            identity: event.identity,
            side,
            reason: event.reason,
        };
        self.evidence.hit(hit, || sample::of_response(event, scene));
        self.judge(scene.now, lost, out);
    }

    /// An answer may have been lost.
    pub(super) fn doubt(&mut self) {
        self.all.is_doubtful = true;
        for (_, row) in &mut self.by_endpoint {
            row.is_doubtful = true;
        }
    }

    pub(super) fn is_firing(&self) -> bool {
        self.evidence.incident.is_some()
    }

    /// Time has passed: says what is due.
    pub(super) fn tick(&mut self, now: Now, rules: &Occurrences, lost: u64, out: &mut Findings) {
        self.by_endpoint
            .retain(|(_, row)| now.monotonic_ns.saturating_sub(row.last_ns) <= ROW_FOR_NS);
        let is_stale = now.monotonic_ns.saturating_sub(self.all.last_ns) > ROW_FOR_NS;
        let is_on = self.severity().is_some() && !is_stale;
        let Some(incident) = &mut self.evidence.incident else {
            return;
        };
        match incident.due(now, is_on, rules) {
            Due::Nothing => {}
            Due::Repeat => out.extend(self.finding(Phase::Firing, lost)),
            Due::Clear | Due::Forget => self.clear(now, out),
        }
    }

    /// Says that the anomaly, if there is one, is over.
    pub(super) fn clear(&mut self, _: Now, out: &mut Findings) {
        out.extend(self.finding(Phase::Cleared, 0));
        self.evidence = Evidence::default();
    }

    fn count_for_endpoint(&mut self, endpoint: EndpointId, is_failure: bool, now_ns: u64) {
        let place = self
            .by_endpoint
            .iter()
            .position(|(other, _)| *other == endpoint);
        match place {
            Some(place) => self.by_endpoint[place].1.add(is_failure, now_ns),
            None if endpoint.is_some() && self.by_endpoint.len() < ENDPOINTS_MAX => {
                let mut row = Row::default();
                row.add(is_failure, now_ns);
                self.by_endpoint.push((endpoint, row));
            }
            None => {}
        }
    }

    /// The worst row: the probe's own, or an endpoint's.
    fn worst(&self) -> (Row, Identity) {
        let identity = self.identity;
        let all = Identity {
            endpoint: self.failing.unwrap_or(EndpointId::NONE),
            ..identity
        };
        let endpoint = self.by_endpoint.iter().max_by_key(|(_, row)| row.failures);
        match endpoint {
            Some((endpoint, row)) if row.failures > self.all.failures => (
                *row,
                Identity {
                    endpoint: *endpoint,
                    ..identity
                },
            ),
            _ => (self.all, all),
        }
    }

    fn severity(&self) -> Option<Severity> {
        self.worst().0.severity()
    }

    fn judge(&mut self, now: Now, lost: u64, out: &mut Findings) {
        let Some(severity) = self.severity() else {
            return;
        };
        let failures = self.worst().0.failures;
        match &mut self.evidence.incident {
            // It got worse: that is said at once.
            Some(incident) if incident.severity < severity => incident.severity = severity,
            Some(_) => return,
            None => {
                let first_ns = self.evidence.first_wall_ns(now, ROW_FOR_NS);
                let incident = Incident::open(now, first_ns, u64::from(failures), severity);
                self.evidence.incident = Some(incident);
            }
        }
        out.extend(self.finding(Phase::Firing, lost));
    }

    fn finding(&mut self, phase: Phase, lost: u64) -> Option<Finding> {
        let incident = self.evidence.incident.clone()?;
        let (row, identity) = self.worst();
        let blame = self.evidence.blame(Now::default(), u64::MAX, false);
        let first_ns = incident.first_wall_ns;
        let last_ns = incident.last_wall_ns.max(first_ns);
        Some(Finding {
            kind: AnomalyKind::ProbeFailed,
            phase,
            severity: incident.severity,
            about: self.about,
            aspect: self.path.clone(),
            first_ns,
            last_ns,
            window_ns: last_ns - first_ns,
            count: incident.count,
            side: blame.side,
            reason: blame.reason,
            identity,
            method: None,
            baseline: Some(NO_FAILURES),
            observed: Observed {
                value: f64::from(row.failures),
                unit: Unit::Count,
                threshold: f64::from(WARNING_AFTER),
                affected: u64::from(row.failures),
                open: 0,
                total: incident.count,
                chance: None,
                lost,
            },
            samples: self.evidence.take_samples(),
        })
    }
}

//! One endpoint that the data plane gives no requests for a while.

use crate::config::Occurrences;
use crate::finding::{About, Finding, Findings, NO_FAILURES};
use crate::incident::{Due, Incident};
use rauta_core::clock::Now;
use rauta_schemas::{AnomalyKind, EndpointEvent, Identity, Observed, Phase, Severity, Side, Unit};

/// An ejection whose end was never told is over when its back-off and this have passed, ns.
const UNTOLD_FOR_NS: u64 = 10_000_000_000;

/// An ejected endpoint.
#[derive(Debug)]
pub(super) struct Ejection {
    event: EndpointEvent,
    incident: Option<Incident>,
    /// Until when it gets no requests, `CLOCK_MONOTONIC`, nanoseconds.
    until_ns: u64,
    is_recovered: bool,
}

impl Ejection {
    pub(super) fn new(event: &EndpointEvent) -> Self {
        Self {
            event: event.clone(),
            incident: None,
            until_ns: 0,
            is_recovered: false,
        }
    }

    /// It was ejected, perhaps again.
    pub(super) fn ejected(
        &mut self,
        event: &EndpointEvent,
        now: Now,
        lost: u64,
        out: &mut Findings,
    ) {
        self.event = event.clone();
        self.is_recovered = false;
        let backoff_ns = u64::from(event.backoff_ms) * 1_000_000;
        self.until_ns = now
            .monotonic_ns
            .saturating_add(backoff_ns)
            .saturating_add(UNTOLD_FOR_NS);
        match &mut self.incident {
            Some(incident) => incident.count_one(event.wall_ns),
            None => {
                self.incident = Some(Incident::open(now, event.wall_ns, 1, Severity::Warning));
                out.extend(self.finding(Phase::Firing, lost));
            }
        }
    }

    /// A connection succeeded again.
    pub(super) fn recovered(&mut self) {
        self.is_recovered = true;
    }

    /// Time has passed: says what is due. Is it over?
    pub(super) fn tick(
        &mut self,
        now: Now,
        rules: &Occurrences,
        lost: u64,
        out: &mut Findings,
    ) -> bool {
        let is_on = !self.is_recovered && now.monotonic_ns < self.until_ns;
        let Some(incident) = &mut self.incident else {
            return true;
        };
        match incident.due(now, is_on, rules) {
            Due::Nothing => false,
            Due::Repeat => {
                out.extend(self.finding(Phase::Firing, lost));
                false
            }
            Due::Clear | Due::Forget => {
                self.clear(now, out);
                true
            }
        }
    }

    /// Says that it is over.
    pub(super) fn clear(&mut self, _: Now, out: &mut Findings) {
        out.extend(self.finding(Phase::Cleared, 0));
        self.incident = None;
    }

    fn finding(&self, phase: Phase, lost: u64) -> Option<Finding> {
        let incident = self.incident.as_ref()?;
        let event = &self.event;
        Some(Finding {
            kind: AnomalyKind::EndpointEjected,
            phase,
            severity: incident.severity,
            about: About::Endpoint(event.endpoint),
            aspect: String::new(),
            first_ns: incident.first_wall_ns,
            last_ns: incident.last_wall_ns.max(incident.first_wall_ns),
            window_ns: u64::from(event.backoff_ms) * 1_000_000,
            count: incident.count,
            side: Side::Backend,
            reason: event.reason,
            identity: Identity {
                backend: event.backend,
                endpoint: event.endpoint,
                ..Identity::default()
            },
            method: None,
            baseline: Some(NO_FAILURES),
            observed: Observed {
                value: f64::from(event.failures),
                unit: Unit::Count,
                threshold: 1.0,
                affected: u64::from(event.failures),
                open: 0,
                total: u64::from(event.failures),
                chance: None,
                lost,
            },
            samples: Vec::new(),
        })
    }
}

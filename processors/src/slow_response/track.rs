//! What is known about one rule and method.

use super::Key;
use super::bursts::{Bursts, HANGING_MIN};
use super::limit::{self, Limit, QUANTILE, Verdict};
use crate::baseline::{Pace, Rotation, Sketch};
use crate::config::Occurrences;
use crate::evidence::{Evidence, Hit};
use crate::finding::{Finding, Findings};
use crate::incident::{Due, Incident};
use crate::tally::Peers;
use crate::tracks::Tracked;
use crate::window::{Counts, WINDOW_NS, Window};
use rauta_core::clock::Now;
use rauta_schemas::{AnomalyKind, Baseline, Observed, Phase, SampleExchange, Severity, Side, Unit};

/// Baseline, window and, where something is over the limit, the evidence.
#[derive(Debug)]
pub(super) struct Track {
    key: Key,
    pub(super) rotation: Rotation<Sketch>,
    pub(super) limit: Option<Limit>,
    window: Window,
    /// Open exchanges that are overdue now.
    pub(super) open: u32,
    /// Those of them that became overdue before the window began.
    pub(super) open_before: u32,
    /// Those of them that hang.
    pub(super) hanging: u32,
    /// Late answers told apart in time.
    pub(super) bursts: Bursts,
    peers: Peers,
    evidence: Option<Box<Evidence>>,
}

// Every rule and method with traffic has one, beside its sketches.
const _: () = assert!(size_of::<Track>() <= 640);

impl Tracked for Track {
    type Slot = Sketch;

    fn rotation(&self) -> &Rotation<Sketch> {
        &self.rotation
    }

    fn is_firing(&self) -> bool {
        self.evidence
            .as_ref()
            .is_some_and(|evidence| evidence.incident.is_some())
    }

    fn used_ns(&self) -> u64 {
        self.window.newest_ns()
    }
}

impl Track {
    pub(super) fn new(key: Key, rotation: Rotation<Sketch>, now_ns: u64, pace: &Pace) -> Self {
        Self {
            key,
            limit: Limit::of(&rotation, now_ns, pace),
            rotation,
            window: Window::new(now_ns),
            open: 0,
            open_before: 0,
            hanging: 0,
            bursts: Bursts::default(),
            peers: Peers::default(),
            evidence: None,
        }
    }

    /// Ends slots that are over.
    pub(super) fn advance(&mut self, now_ns: u64, pace: &Pace) {
        if self.rotation.advance(now_ns, pace) {
            self.limit = Limit::of(&self.rotation, now_ns, pace);
        }
    }

    /// Is something over the limit, or was it lately?
    pub(super) fn is_suspect(&self) -> bool {
        self.evidence.is_some()
    }

    /// Counts an exchange within the limit.
    pub(super) fn good(&mut self, hit: &Hit) {
        self.peers.note(hit.at.monotonic_ns, hit.identity.endpoint);
        self.window.record(hit.at.monotonic_ns, None, self.rate());
        if let Some(evidence) = &mut self.evidence {
            evidence.good(hit.at, hit.identity.endpoint);
        }
    }

    /// Counts an exchange over the limit.
    pub(super) fn over(&mut self, hit: Hit, sample: impl FnOnce() -> SampleExchange) {
        self.peers.note(hit.at.monotonic_ns, hit.identity.endpoint);
        self.window
            .record(hit.at.monotonic_ns, Some(0), self.rate());
        self.evidence.get_or_insert_default().hit(hit, sample);
    }

    /// Says that an anomaly began, if that is what the numbers say.
    pub(super) fn judge(&mut self, now: Now, lost: u64, out: &mut Findings) {
        if self.is_firing() {
            return;
        }
        let is_hanging = self.hanging >= HANGING_MIN;
        let open_before = self.open_before();
        let verdict = limit::judge(&self.window, open_before, is_hanging);
        let Some(evidence) = &mut self.evidence else {
            return;
        };
        let Some(verdict) = verdict else {
            evidence.calm();
            return;
        };
        evidence.suspect(now);
        let is_apart = self.bursts.are_close(now.monotonic_ns) || {
            let mut whole = self.window.sum(0);
            whole.add(open_before);
            limit::is_apart(self.bursts.within(now.monotonic_ns, WINDOW_NS), &whole)
        };
        let is_alone = self.peers.is_alone(now.monotonic_ns);
        let blame = evidence.blame(now, verdict.span_ns, is_alone);
        if !(is_hanging || is_apart) || !evidence.is_ripe(now, &blame) {
            return;
        }
        let first_ns = evidence.first_wall_ns(now, verdict.span_ns);
        let severity = severity(self.open, verdict.counts.hits);
        let count = u64::from(verdict.counts.hits);
        evidence.incident = Some(Incident::open(now, first_ns, count, severity));
        // What was seen since the fault began is not normal.
        self.rotation.discard();
        out.extend(self.finding(Phase::Firing, Some(verdict), now, lost));
    }

    /// Time has passed: says what is due.
    pub(super) fn tick(&mut self, now: Now, rules: &Occurrences, lost: u64, out: &mut Findings) {
        self.window.advance(now.monotonic_ns);
        let is_on = limit::is_still_on(&self.window, self.open_before());
        let Some(evidence) = &mut self.evidence else {
            return;
        };
        let Some(incident) = &mut evidence.incident else {
            if evidence.is_over(now, WINDOW_NS) && self.open == 0 {
                self.evidence = None;
                self.bursts.clear();
            } else if evidence.is_suspected() || self.open > 0 {
                self.judge(now, lost, out);
            }
            return;
        };
        let due = incident.due(now, is_on, rules);
        incident.severity = incident
            .severity
            .max(severity(self.open, self.window.sum(0).hits));
        self.rotation.discard();
        match due {
            Due::Nothing => {}
            Due::Repeat => out.extend(self.finding(Phase::Firing, None, now, lost)),
            Due::Clear | Due::Forget => {
                self.clear(now, lost, out);
                if due == Due::Forget {
                    self.rotation = Rotation::new(now.monotonic_ns);
                    self.limit = None;
                }
            }
        }
    }

    /// Says that the anomaly, if there is one, is over.
    pub(super) fn clear(&mut self, now: Now, lost: u64, out: &mut Findings) {
        out.extend(self.finding(Phase::Cleared, None, now, lost));
        if let Some(evidence) = &mut self.evidence {
            evidence.incident = None;
            evidence.calm();
        }
    }

    fn rate(&self) -> f64 {
        self.limit.map_or(0.0, |limit| limit.rate)
    }

    fn open_before(&self) -> Counts {
        let expected = self.rate() * f64::from(self.open_before);
        Counts {
            total: self.open_before,
            hits: self.open_before,
            expected: expected as f32,
        }
    }

    fn finding(
        &mut self,
        phase: Phase,
        verdict: Option<Verdict>,
        now: Now,
        lost: u64,
    ) -> Option<Finding> {
        let limit = self.limit;
        let is_alone = self.peers.is_alone(now.monotonic_ns);
        let evidence = self.evidence.as_mut()?;
        let incident = evidence.incident.clone()?;
        let verdict = verdict.unwrap_or_else(|| {
            let counts = self.window.sum(0);
            Verdict {
                counts,
                span_ns: WINDOW_NS,
                chance: limit::chance_of(&counts),
            }
        });
        let baseline = limit.map(|limit| Baseline {
            value: millis(limit.p99_us),
            quantile: Some(QUANTILE),
            samples: limit.samples,
            window_ns: self.rotation.learnt_ns(now.monotonic_ns),
            is_learnt: true,
        });
        let observed = Observed {
            value: millis(evidence.median_us()),
            unit: Unit::Ms,
            threshold: limit.map_or(0.0, |limit| millis(limit.micros)),
            affected: u64::from(verdict.counts.hits),
            open: u64::from(self.open),
            total: u64::from(verdict.counts.total),
            chance: Some(verdict.chance),
            lost,
        };
        let blame = evidence.blame(now, verdict.span_ns, is_alone);
        Some(Finding {
            kind: AnomalyKind::SlowResponse,
            phase,
            severity: incident.severity,
            about: self.key.about,
            aspect: self.key.method.label().to_owned(),
            first_ns: incident.first_wall_ns,
            last_ns: incident.last_wall_ns.max(incident.first_wall_ns),
            window_ns: verdict.span_ns,
            count: incident.count,
            side: Side::Backend,
            reason: blame.reason,
            identity: blame.identity,
            method: Some(self.key.method),
            baseline,
            observed,
            samples: evidence.take_samples(),
        })
    }
}

/// A backend that does not answer at all is worse than one that answers late.
fn severity(open: u32, over: u32) -> Severity {
    if open > 0 && open >= over {
        Severity::Error
    } else {
        Severity::Warning
    }
}

fn millis(micros: u64) -> f64 {
    micros as f64 / 1_000.0
}

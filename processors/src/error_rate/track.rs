//! What is known about the failures of one rule.

use super::Maker;
use crate::baseline::{Pace, Rotation, Slot, put_number, take_number};
use crate::chance;
use crate::config::Occurrences;
use crate::evidence::{Evidence, Hit};
use crate::finding::{About, Finding, Findings};
use crate::incident::{Due, Incident};
use crate::window::{Counts, SPANS, STEP_NS, WINDOW_NS, Window};
use rauta_core::clock::Now;
use rauta_schemas::{
    AnomalyKind, Baseline, EndpointId, Observed, Phase, SampleExchange, Severity, Unit,
};

/// How many exchanges must have failed.
const FAILED_MIN: u32 = 10;
/// The share of failures must be higher than this.
const SHARE_MIN: f64 = 0.05;
/// And higher than the baseline's by this factor.
const SHARE_FACTOR: f64 = 3.0;
/// With a baseline, so many failures must be less likely than this by chance.
const CHANCE_MAX: f64 = 1e-6;
/// In a span shorter than the window there must be no doubt: it is looked at more often.
const CHANCE_MAX_SHORT: f64 = 1e-9;
/// An anomaly goes on while the share is higher than this part of the threshold.
const CALM_FACTOR: f64 = 0.5;

/// Failures and exchanges of a slot.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Failures {
    failed: u64,
    total: u64,
}

impl Slot for Failures {
    fn merge(&mut self, other: &Self) {
        self.failed = self.failed.saturating_add(other.failed);
        self.total = self.total.saturating_add(other.total);
    }

    fn samples(&self) -> u64 {
        self.total
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        put_number(bytes, self.failed);
        put_number(bytes, self.total);
    }

    fn read(mut bytes: &[u8]) -> Option<Self> {
        let failed = take_number(&mut bytes)?;
        let total = take_number(&mut bytes)?;
        // Bounded, so that sums of both generations cannot overflow.
        (bytes.is_empty() && failed <= total && total <= u64::MAX / 4)
            .then_some(Self { failed, total })
    }
}

/// What was judged.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Verdict {
    counts: Counts,
    span_ns: u64,
    chance: Option<f64>,
}

/// What is normal.
#[derive(Clone, Copy, Debug)]
struct Normal {
    share: f64,
    /// The share, estimated from above.
    share_max: f64,
    samples: u64,
}

/// Baseline, windows and, where something failed, the evidence.
#[derive(Debug)]
pub(super) struct Track {
    about: About,
    pub(super) rotation: Rotation<Failures>,
    normal: Option<Normal>,
    /// Failures by maker; only the backend's window counts every exchange.
    windows: [Window; Maker::ALL.len()],
    evidence: [Option<Box<Evidence>>; Maker::ALL.len()],
}

impl Track {
    pub(super) fn new(about: About, rotation: Rotation<Failures>, now_ns: u64) -> Self {
        Self {
            about,
            rotation,
            normal: None,
            windows: [Window::new(now_ns), Window::new(now_ns)],
            evidence: [None, None],
        }
    }

    /// Ends slots that are over.
    pub(super) fn advance(&mut self, now_ns: u64, pace: &Pace) {
        let is_changed = self.rotation.advance(now_ns, pace);
        let samples = self.rotation.samples();
        if (is_changed || self.normal.is_none()) && samples >= pace.samples_min {
            let (young, old) = self.rotation.learnt();
            let failed = (young.failed + old.failed) as f64;
            let total = samples as f64;
            self.normal = Some(Normal {
                share: failed / total,
                share_max: ((failed + 1.0 + 2.0 * failed.sqrt()) / total).min(1.0),
                samples,
            });
        }
    }

    /// Counts an exchange.
    pub(super) fn count(&mut self, now_ns: u64, failure: Option<Maker>) {
        let [backend, gateway] = &mut self.windows;
        backend.record(now_ns, failure == Some(Maker::Backend), 0.0);
        // Both windows stay at the same step, so that one's total serves both.
        gateway.advance(now_ns);
        if failure == Some(Maker::Gateway) {
            gateway.record(now_ns, true, 0.0);
        }
        if !self.is_firing() {
            let slot = self.rotation.current();
            slot.failed += u64::from(failure.is_some());
            slot.total += 1;
        }
    }

    /// An exchange that did not fail, as evidence for where others did.
    pub(super) fn good(&mut self, at: Now, endpoint: EndpointId) {
        for evidence in self.evidence.iter_mut().flatten() {
            evidence.good(at, endpoint);
        }
    }

    /// An exchange that failed, as evidence.
    pub(super) fn failed(
        &mut self,
        maker: Maker,
        hit: &Hit<'_>,
        sample: impl FnOnce() -> SampleExchange,
    ) {
        self.evidence[maker as usize]
            .get_or_insert_default()
            .hit(hit, sample);
    }

    pub(super) fn is_firing(&self) -> bool {
        self.evidence
            .iter()
            .flatten()
            .any(|evidence| evidence.incident.is_some())
    }

    /// Has something failed lately?
    pub(super) fn is_suspect(&self) -> bool {
        self.evidence.iter().any(Option::is_some)
    }

    /// Says that an anomaly began, if that is what the numbers say.
    pub(super) fn judge(&mut self, now: Now, lost: u64, out: &mut Findings) {
        let spans = Maker::ALL.map(|maker| self.spans(maker));
        let mut verdicts = [self.verdict(&spans[0]), self.verdict(&spans[1])];
        if verdicts == [None, None] && !self.is_firing() {
            // Neither suffices alone: the larger part stands for both.
            let mut both = spans[0];
            for (sum, other) in both.iter_mut().zip(spans[1]) {
                sum.hits = sum.hits.saturating_add(other.hits);
            }
            let [backend, gateway] = spans.map(|spans| spans[SPANS.len() - 1].hits);
            let larger = if backend >= gateway {
                Maker::Backend
            } else {
                Maker::Gateway
            };
            verdicts[larger as usize] = self.verdict(&both);
        }
        for (maker, verdict) in Maker::ALL.into_iter().zip(verdicts) {
            self.open(maker, verdict, now, lost, out);
        }
    }

    /// Time has passed: says what is due.
    pub(super) fn tick(&mut self, now: Now, rules: &Occurrences, lost: u64, out: &mut Findings) {
        for window in &mut self.windows {
            window.advance(now.monotonic_ns);
        }
        if self
            .evidence
            .iter()
            .flatten()
            .any(|evidence| evidence.is_suspected())
        {
            self.judge(now, lost, out);
        }
        if self.is_firing() {
            self.rotation.discard();
        }
        let calm = self.threshold() * CALM_FACTOR;
        for maker in Maker::ALL {
            let counts = self.spans(maker)[SPANS.len() - 1];
            let Some(evidence) = &mut self.evidence[maker as usize] else {
                continue;
            };
            let Some(incident) = &mut evidence.incident else {
                if evidence.is_over(now, WINDOW_NS) {
                    self.evidence[maker as usize] = None;
                }
                continue;
            };
            let is_on = counts.hits > 0 && share(&counts) > calm;
            let due = incident.due(now, is_on, rules);
            let verdict = Verdict {
                counts,
                span_ns: WINDOW_NS,
                chance: None,
            };
            match due {
                Due::Nothing => {}
                Due::Repeat => {
                    out.extend(self.finding(maker, Phase::Firing, verdict, now, lost));
                }
                Due::Clear => self.clear_one(maker, now, lost, out),
                Due::Forget => {
                    self.clear_one(maker, now, lost, out);
                    self.rotation = Rotation::new(now.monotonic_ns);
                    self.normal = None;
                }
            }
        }
    }

    /// Says that the anomalies, if there are any, are over.
    pub(super) fn clear(&mut self, now: Now, lost: u64, out: &mut Findings) {
        for maker in Maker::ALL {
            self.clear_one(maker, now, lost, out);
        }
    }

    fn clear_one(&mut self, maker: Maker, now: Now, lost: u64, out: &mut Findings) {
        let counts = self.spans(maker)[SPANS.len() - 1];
        let verdict = Verdict {
            counts,
            span_ns: WINDOW_NS,
            chance: None,
        };
        out.extend(self.finding(maker, Phase::Cleared, verdict, now, lost));
        if let Some(evidence) = &mut self.evidence[maker as usize] {
            evidence.incident = None;
            evidence.calm();
        }
    }

    /// A maker's failures among all exchanges, over each span.
    fn spans(&self, maker: Maker) -> [Counts; SPANS.len()] {
        let all = self.windows[Maker::Backend as usize].spans();
        let mut spans = self.windows[maker as usize].spans();
        for (span, all) in spans.iter_mut().zip(all) {
            span.total = all.total;
        }
        spans
    }

    fn threshold(&self) -> f64 {
        self.normal.map_or(SHARE_MIN, |normal| {
            SHARE_MIN.max(SHARE_FACTOR * normal.share)
        })
    }

    /// Do the counts show an anomaly? The shortest span that does is answered.
    fn verdict(&self, spans: &[Counts; SPANS.len()]) -> Option<Verdict> {
        let threshold = self.threshold();
        spans.iter().zip(SPANS).find_map(|(counts, steps)| {
            if counts.hits < FAILED_MIN || share(counts) <= threshold {
                return None;
            }
            let span_ns = steps as u64 * STEP_NS;
            let is_whole = span_ns == WINDOW_NS;
            // Without a baseline the whole window is judged by the definition alone; for a shorter
            // span the worst baseline that would not raise the threshold is taken.
            let normal = match self.normal {
                Some(normal) => normal.share_max,
                None if is_whole => {
                    return Some(Verdict {
                        counts: *counts,
                        span_ns,
                        chance: None,
                    });
                }
                None => SHARE_MIN / SHARE_FACTOR,
            };
            let (hits, total) = (u64::from(counts.hits), u64::from(counts.total));
            let chance = chance::at_least(hits, total, normal);
            let chance_max = if is_whole {
                CHANCE_MAX
            } else {
                CHANCE_MAX_SHORT
            };
            let chance_said = Some(chance);
            (chance < chance_max).then_some(Verdict {
                counts: *counts,
                span_ns,
                chance: chance_said,
            })
        })
    }

    fn open(
        &mut self,
        maker: Maker,
        verdict: Option<Verdict>,
        now: Now,
        lost: u64,
        out: &mut Findings,
    ) {
        let Some(evidence) = &mut self.evidence[maker as usize] else {
            return;
        };
        if evidence.incident.is_some() {
            return;
        }
        let Some(verdict) = verdict else {
            evidence.calm();
            return;
        };
        if !evidence.is_ripe(now) {
            return;
        }
        let first_ns = evidence.first_wall_ns(now, verdict.span_ns);
        let count = u64::from(verdict.counts.hits);
        evidence.incident = Some(Incident::open(now, first_ns, count, Severity::Error));
        self.rotation.discard();
        out.extend(self.finding(maker, Phase::Firing, verdict, now, lost));
    }

    fn finding(
        &mut self,
        maker: Maker,
        phase: Phase,
        verdict: Verdict,
        now: Now,
        lost: u64,
    ) -> Option<Finding> {
        let threshold = self.threshold();
        let evidence = self.evidence[maker as usize].as_mut()?;
        let incident = evidence.incident.clone()?;
        let baseline = self.normal.map(|normal| Baseline {
            value: normal.share,
            quantile: None,
            samples: normal.samples,
            window_ns: self.rotation.learnt_ns(now.monotonic_ns),
            is_learnt: true,
        });
        let observed = Observed {
            value: share(&verdict.counts),
            unit: Unit::Ratio,
            threshold,
            affected: u64::from(verdict.counts.hits),
            open: 0,
            total: u64::from(verdict.counts.total),
            chance: verdict.chance,
            lost,
        };
        Some(Finding {
            kind: AnomalyKind::ErrorSpike,
            phase,
            severity: incident.severity,
            about: self.about,
            aspect: maker.label().to_owned(),
            first_ns: incident.first_wall_ns,
            last_ns: incident.last_wall_ns.max(incident.first_wall_ns),
            window_ns: verdict.span_ns,
            count: incident.count,
            side: evidence.side(),
            reason: evidence.reason(),
            identity: evidence.blamed(),
            method: None,
            baseline,
            observed,
            samples: evidence.take_samples(),
        })
    }
}

fn share(counts: &Counts) -> f64 {
    f64::from(counts.hits) / f64::from(counts.total.max(1))
}

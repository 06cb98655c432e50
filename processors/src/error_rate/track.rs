//! What is known about the failures of one rule.

use super::Maker;
use crate::baseline::{Pace, Rotation, Slot, put_number, take_number};
use crate::chance;
use crate::config::Occurrences;
use crate::evidence::{Evidence, Hit};
use crate::finding::{About, Finding, Findings};
use crate::incident::{Due, Incident};
use crate::tally::Peers;
use crate::tracks::Tracked;
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

/// Failures by maker, and exchanges, of a slot.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Failures {
    failed: [u64; Maker::ALL.len()],
    total: u64,
}

impl Slot for Failures {
    fn merge(&mut self, other: &Self) {
        for (sum, failed) in self.failed.iter_mut().zip(other.failed) {
            *sum = sum.saturating_add(failed);
        }
        self.total = self.total.saturating_add(other.total);
    }

    fn samples(&self) -> u64 {
        self.total
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        for failed in self.failed {
            put_number(bytes, failed);
        }
        put_number(bytes, self.total);
    }

    fn read(mut bytes: &[u8]) -> Option<Self> {
        let failed = [take_number(&mut bytes)?, take_number(&mut bytes)?];
        let total = take_number(&mut bytes)?;
        // Bounded, so that sums of both generations cannot overflow.
        let is_whole = bytes.is_empty() && total <= u64::MAX / 4;
        let sum = failed[0].checked_add(failed[1])?;
        (is_whole && sum <= total).then_some(Self { failed, total })
    }
}

/// What was judged.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Verdict {
    counts: Counts,
    span_ns: u64,
    chance: Option<f64>,
    normal: Share,
}

/// What is normal.
#[derive(Clone, Copy, Debug)]
struct Normal {
    makers: [Share; Maker::ALL.len()],
    both: Share,
}

/// A normal share of failures.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Share {
    value: f64,
    /// The share, estimated from above.
    max: f64,
    samples: u64,
    is_learnt: bool,
}

impl Share {
    /// While nothing is known: the worst that does not raise the threshold.
    const UNKNOWN: Self = Self {
        value: SHARE_MIN / SHARE_FACTOR,
        max: SHARE_MIN / SHARE_FACTOR,
        samples: 0,
        is_learnt: false,
    };

    fn of(failed: u64, samples: u64) -> Self {
        let (failed, total) = (failed as f64, samples as f64);
        Self {
            value: failed / total,
            max: ((failed + 1.0 + 2.0 * failed.sqrt()) / total).min(1.0),
            samples,
            is_learnt: true,
        }
    }

    fn threshold(&self) -> f64 {
        SHARE_MIN.max(SHARE_FACTOR * self.value)
    }
}

impl Normal {
    const UNKNOWN: Self = Self {
        makers: [Share::UNKNOWN; Maker::ALL.len()],
        both: Share::UNKNOWN,
    };

    fn of(rotation: &Rotation<Failures>) -> Self {
        let (young, old) = rotation.learnt();
        let samples = rotation.samples();
        let failed =
            |maker: Maker| young.failed[maker as usize].saturating_add(old.failed[maker as usize]);
        let makers = Maker::ALL.map(failed);
        Self {
            makers: makers.map(|failed| Share::of(failed, samples)),
            both: Share::of(makers[0].saturating_add(makers[1]), samples),
        }
    }
}

/// Baseline, windows and, where something failed, the evidence.
#[derive(Debug)]
pub(super) struct Track {
    about: About,
    pub(super) rotation: Rotation<Failures>,
    /// Did the baseline learn from enough exchanges?
    is_known: bool,
    peers: Peers,
    /// Failures by maker.
    window: Window<{ Maker::ALL.len() }>,
    evidence: [Option<Box<Evidence>>; Maker::ALL.len()],
}

// Every rule with traffic has one.
const _: () = assert!(size_of::<Track>() <= 560);

impl Tracked for Track {
    type Slot = Failures;

    fn rotation(&self) -> &Rotation<Failures> {
        &self.rotation
    }

    fn is_firing(&self) -> bool {
        self.evidence
            .iter()
            .flatten()
            .any(|evidence| evidence.incident.is_some())
    }

    fn used_ns(&self) -> u64 {
        self.window.newest_ns()
    }
}

impl Track {
    pub(super) fn new(about: About, rotation: Rotation<Failures>, now_ns: u64) -> Self {
        Self {
            about,
            rotation,
            is_known: false,
            peers: Peers::default(),
            window: Window::new(now_ns),
            evidence: [None, None],
        }
    }

    /// Ends slots that are over.
    pub(super) fn advance(&mut self, now_ns: u64, pace: &Pace) {
        self.rotation.advance(now_ns, pace);
        self.is_known = self.rotation.samples() >= pace.samples_min.max(1);
    }

    /// What is normal by the baseline.
    fn normal(&self) -> Normal {
        if self.is_known {
            Normal::of(&self.rotation)
        } else {
            Normal::UNKNOWN
        }
    }

    /// Counts an exchange.
    pub(super) fn count(&mut self, now_ns: u64, failure: Option<Maker>) {
        let kind = failure.map(|maker| maker as usize);
        self.window.record(now_ns, kind, 0.0);
        if !self.is_firing() {
            let slot = self.rotation.current();
            if let Some(maker) = failure {
                slot.failed[maker as usize] += 1;
            }
            slot.total += 1;
        }
    }

    /// An exchange that did not fail, as evidence for where others did.
    pub(super) fn good(&mut self, at: Now, endpoint: EndpointId) {
        self.peers.note(at.monotonic_ns, endpoint);
        for evidence in self.evidence.iter_mut().flatten() {
            evidence.good(at, endpoint);
        }
    }

    /// An exchange that failed, as evidence.
    pub(super) fn failed(
        &mut self,
        maker: Maker,
        hit: Hit,
        sample: impl FnOnce() -> SampleExchange,
    ) {
        self.peers.note(hit.at.monotonic_ns, hit.identity.endpoint);
        self.evidence[maker as usize]
            .get_or_insert_default()
            .hit(hit, sample);
    }

    /// Has something failed lately?
    pub(super) fn is_suspect(&self) -> bool {
        self.evidence.iter().any(Option::is_some)
    }

    /// Says that an anomaly began, if that is what the numbers say.
    pub(super) fn judge(&mut self, now: Now, lost: u64, out: &mut Findings) {
        let spans = Maker::ALL.map(|maker| self.spans(maker));
        let Normal {
            makers,
            both: normal,
        } = self.normal();
        let mut verdicts = [verdict(&spans[0], makers[0]), verdict(&spans[1], makers[1])];
        if verdicts == [None, None] && !self.is_firing() {
            // Neither suffices alone: the one that grew more stands for both.
            let mut both = spans[0];
            for (sum, other) in both.iter_mut().zip(spans[1]) {
                sum.hits = sum.hits.saturating_add(other.hits);
            }
            let grown = |maker: Maker| {
                let counts = spans[maker as usize][SPANS.len() - 1];
                let expected = makers[maker as usize].value * f64::from(counts.total);
                f64::from(counts.hits) - expected
            };
            let larger = if grown(Maker::Backend) >= grown(Maker::Gateway) {
                Maker::Backend
            } else {
                Maker::Gateway
            };
            verdicts[larger as usize] = verdict(&both, normal);
        }
        for (maker, verdict) in Maker::ALL.into_iter().zip(verdicts) {
            self.open(maker, verdict, now, lost, out);
        }
    }

    /// Time has passed: says what is due.
    pub(super) fn tick(&mut self, now: Now, rules: &Occurrences, lost: u64, out: &mut Findings) {
        self.window.advance(now.monotonic_ns);
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
        let Normal { makers, .. } = self.normal();
        for maker in Maker::ALL {
            let normal = makers[maker as usize];
            let calm = normal.threshold() * CALM_FACTOR;
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
            let verdict = Verdict::of_window(counts, normal);
            match due {
                Due::Nothing => {}
                Due::Repeat => {
                    out.extend(self.finding(maker, Phase::Firing, verdict, now, lost));
                }
                Due::Clear => self.clear_one(maker, now, lost, out),
                Due::Forget => {
                    self.clear_one(maker, now, lost, out);
                    self.rotation = Rotation::new(now.monotonic_ns);
                    self.is_known = false;
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
        let verdict = Verdict::of_window(counts, self.normal().makers[maker as usize]);
        out.extend(self.finding(maker, Phase::Cleared, verdict, now, lost));
        if let Some(evidence) = &mut self.evidence[maker as usize] {
            evidence.incident = None;
            evidence.calm();
        }
    }

    /// A maker's failures among all exchanges, over each span.
    fn spans(&self, maker: Maker) -> [Counts; SPANS.len()] {
        self.window.spans(maker as usize)
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
        evidence.suspect(now);
        let is_alone = self.peers.is_alone(now.monotonic_ns);
        let blame = evidence.blame(now, verdict.span_ns, is_alone);
        if !evidence.is_ripe(now, &blame) {
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
        let is_alone = self.peers.is_alone(now.monotonic_ns);
        let evidence = self.evidence[maker as usize].as_mut()?;
        let incident = evidence.incident.clone()?;
        let normal = verdict.normal;
        let learnt_ns = self.rotation.learnt_ns(now.monotonic_ns);
        let baseline = Some(Baseline {
            value: normal.value,
            quantile: None,
            samples: normal.samples,
            window_ns: if normal.is_learnt { learnt_ns } else { 0 },
            is_learnt: normal.is_learnt,
        });
        let blame = evidence.blame(now, verdict.span_ns, is_alone);
        let observed = Observed {
            value: share(&verdict.counts),
            unit: Unit::Ratio,
            threshold: normal.threshold(),
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
            side: blame.side,
            reason: blame.reason,
            identity: blame.identity,
            method: None,
            baseline,
            observed,
            samples: evidence.take_samples(),
        })
    }
}

impl Verdict {
    /// What the whole window shows, without a judgement.
    const fn of_window(counts: Counts, normal: Share) -> Self {
        Self {
            counts,
            span_ns: WINDOW_NS,
            chance: None,
            normal,
        }
    }
}

/// Do the counts show an anomaly? The shortest span that does is answered.
fn verdict(spans: &[Counts; SPANS.len()], normal: Share) -> Option<Verdict> {
    spans.iter().zip(SPANS).find_map(|(counts, steps)| {
        if counts.hits < FAILED_MIN || share(counts) <= normal.threshold() {
            return None;
        }
        let span_ns = steps as u64 * STEP_NS;
        let is_whole = span_ns == WINDOW_NS;
        let found = Verdict {
            span_ns,
            ..Verdict::of_window(*counts, normal)
        };
        if is_whole && !normal.is_learnt {
            // Without a baseline the whole window is judged by the definition alone.
            return Some(found);
        }
        let (hits, total) = (u64::from(counts.hits), u64::from(counts.total));
        let chance = chance::at_least(hits, total, normal.max);
        let chance_max = if is_whole {
            CHANCE_MAX
        } else {
            CHANCE_MAX_SHORT
        };
        let chance_said = Some(chance);
        (chance < chance_max).then_some(Verdict {
            chance: chance_said,
            ..found
        })
    })
}

fn share(counts: &Counts) -> f64 {
    f64::from(counts.hits) / f64::from(counts.total.max(1))
}

//! What is slow for one key, by its baseline.

use crate::baseline::{Pace, Rotation, Sketch, quantile};
use crate::chance;
use crate::window::{Counts, SPANS, STEP_NS, Window};

/// How many answers must be over the limit.
const OVER_MIN: u32 = 3;
/// The limit is this many times the baseline's 99th percentile.
const LIMIT_FACTOR: u64 = 2;
/// The limit is never lower, microseconds.
const LIMIT_MIN_US: u64 = 5_000;
/// So many must be less likely than this by chance.
const CHANCE_MAX: f64 = 1e-9;
/// In the judged span more than one in so many answers must be over the limit: on a busy route the
/// first moments of a new endpoint are unlikely enough, and no fault. Exchanges that hang count
/// whatever their share.
const ONE_IN_MAX: u32 = 50;
/// A key is judged once it is so many times as old as its 99th percentile: before, only the quick
/// ones of its answers can have ended.
const AGE_FACTOR: u64 = 10;
/// While so many are less likely than this, an anomaly goes on.
const CHANCE_CALM: f64 = 1e-3;
/// The quantile that stands for the baseline.
pub(super) const QUANTILE: f64 = 0.99;

/// The limit and how often it is exceeded when all is well.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Limit {
    /// Longer is slow, microseconds.
    pub(super) micros: u64,
    /// The baseline's 99th percentile, microseconds.
    pub(super) p99_us: u64,
    /// How many exchanges the baseline was learnt from.
    pub(super) samples: u64,
    /// The share of exchanges over the limit by the baseline, estimated from above.
    pub(super) rate: f64,
}

impl Limit {
    /// The limit by a baseline; `None` while it has too few samples.
    pub(super) fn of(rotation: &Rotation<Sketch>, now_ns: u64, pace: &Pace) -> Option<Self> {
        let samples = rotation.samples();
        if samples < pace.samples_min {
            return None;
        }
        let (young, old) = rotation.learnt();
        let p99_us = quantile(&[young, old], QUANTILE)?;
        let age_us = rotation.age_ns(now_ns) / 1_000;
        if p99_us.saturating_mul(AGE_FACTOR) > age_us {
            return None;
        }
        let micros = p99_us.saturating_mul(LIMIT_FACTOR).max(LIMIT_MIN_US);
        let over = (young.count_above(micros) + old.count_above(micros)) as f64;
        // What was seen so often may in truth be more frequent: two standard deviations, and one
        // for what was never seen.
        let over = over + 1.0 + 2.0 * over.sqrt();
        let rate = (over / samples as f64).min(1.0);
        Some(Self {
            micros,
            p99_us,
            samples,
            rate,
        })
    }
}

/// So many times in ten seconds may a machine stall.
const STALLS: u64 = 3;
/// Late answers beside those of stalls must be less likely than this by chance.
const CHANCE_BESIDE_STALLS: f64 = 0.01;

/// The criterion is met, by these numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Verdict {
    /// What was seen in the span.
    pub(super) counts: Counts,
    /// The span that was judged, nanoseconds.
    pub(super) span_ns: u64,
    /// How likely that is by chance.
    pub(super) chance: f64,
}

/// Judges the shortest span that shows an anomaly; `open_before` exchanges became overdue before
/// the window began and are still open; `is_hanging`: do exchanges hang?
pub(super) fn judge(window: &Window, open_before: Counts, is_hanging: bool) -> Option<Verdict> {
    let mut spans = window.spans(0);
    spans[SPANS.len() - 1].add(open_before);
    spans.iter().zip(SPANS).find_map(|(counts, steps)| {
        let is_common = counts.hits.saturating_mul(ONE_IN_MAX) > counts.total;
        if counts.hits < OVER_MIN || !(is_common || is_hanging) {
            return None;
        }
        let chance = chance_of(counts);
        let span_ns = steps as u64 * STEP_NS;
        (chance < CHANCE_MAX).then_some(Verdict {
            counts: *counts,
            span_ns,
            chance,
        })
    })
}

/// Do so many bursts in the whole window, which counted so many exchanges, tell a fault from a
/// machine that stalled? Late answers, one for each burst, that are as common and as unlikely do;
/// and those beyond the stalls that are allowed for, where they are not there anyway.
pub(super) fn is_apart(bursts: usize, counts: &Counts) -> bool {
    let (bursts, total) = (bursts as u64, u64::from(counts.total));
    let chance = |hits| chance::at_least(hits, total, counts.expected_rate());
    let is_common = bursts * u64::from(ONE_IN_MAX) > total;
    bursts >= u64::from(OVER_MIN) && is_common && chance(bursts) < CHANCE_MAX
        || bursts > STALLS && chance(bursts - STALLS) < CHANCE_BESIDE_STALLS
}

/// Is there still more over the limit than the baseline explains?
pub(super) fn is_still_on(window: &Window, open_before: Counts) -> bool {
    let mut counts = window.sum(0);
    counts.add(open_before);
    counts.hits > 0 && chance_of(&counts) < CHANCE_CALM
}

/// How likely so many hits are by chance.
pub(super) fn chance_of(counts: &Counts) -> f64 {
    chance::at_least(
        u64::from(counts.hits),
        u64::from(counts.total),
        counts.expected_rate(),
    )
}

//! When a fault first meets the definition of its anomaly: the definitions of `docs/detection.md`
//! again, slowly and exactly, on all that happened, with nothing of the code under test.

use crate::fault::{Effect, Fault};
use crate::stage::{Ending, Exchange, SECOND};
use rauta_schemas::AnomalyKind;

/// What happened in one exchange.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    route: usize,
    endpoint: usize,
    end_ns: u64,
    /// Since when its backend was waited for, and for how long, microseconds.
    wait: Option<(u64, u64)>,
    is_failure: bool,
    /// May a baseline learn from it?
    is_normal: bool,
}

const WINDOW_NS: u64 = 10 * SECOND;

impl Seen {
    /// `is_calm`: is no fault going on?
    pub(crate) fn new(exchange: &Exchange, is_calm: bool) -> Self {
        let is_failure = if exchange.is_probe {
            !(200..400).contains(&exchange.status) || matches!(exchange.ending, Ending::Left(_))
        } else {
            exchange.is_failure()
        };
        let is_measured = !exchange.is_streaming && !exchange.is_probe;
        let wait = exchange.wait_ns().filter(|_| is_measured);
        Self {
            route: exchange.route,
            endpoint: exchange.endpoint,
            end_ns: exchange.end_ns(),
            wait: wait.map(|(from_ns, until_ns)| (from_ns, (until_ns - from_ns) / 1_000)),
            is_failure,
            is_normal: is_calm,
        }
    }

    pub(crate) fn end_ns(&self) -> u64 {
        self.end_ns
    }

    /// When it counts, and whether as late.
    fn lateness(&self, limit_us: u64) -> Option<(u64, bool)> {
        let (from_ns, wait_us) = self.wait?;
        Some(if wait_us > limit_us {
            (from_ns + limit_us * 1_000, true)
        } else {
            (self.end_ns, false)
        })
    }
}

/// All that happened on the route of a fault: what its definition is judged by.
pub(crate) struct Case<'a> {
    fault: &'a Fault,
    /// What a baseline may have learnt from.
    before: Vec<&'a Seen>,
    /// From ten seconds before the fault to ten seconds after its last exchange.
    around: Vec<&'a Seen>,
}

/// What the rule knows of the normal: its limit, microseconds, and how many exchanges it learnt
/// from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Learnt {
    pub(crate) limit_us: u64,
    pub(crate) samples: u64,
}

impl<'a> Case<'a> {
    /// `seen` is in the order of ends; the fault's last exchange ended at `last_ns`.
    pub(crate) fn new(fault: &'a Fault, seen: &'a [Seen], last_ns: u64) -> Self {
        let ours = seen.iter().filter(|seen| seen.route == fault.route);
        let before: Vec<&Seen> = ours
            .clone()
            .filter(|seen| seen.is_normal && seen.end_ns < fault.start_ns)
            .collect();
        // Ten minutes, or 5,000 exchanges where those are more, without the last minute.
        let known = before.partition_point(|seen| seen.end_ns + 60 * SECOND < fault.start_ns);
        let recent = before.partition_point(|seen| seen.end_ns + 660 * SECOND < fault.start_ns);
        let range = fault.start_ns.saturating_sub(WINDOW_NS)..last_ns + WINDOW_NS;
        Self {
            fault,
            before: before[recent.min(known.saturating_sub(5_000))..known].to_vec(),
            around: ours.filter(|seen| range.contains(&seen.end_ns)).collect(),
        }
    }

    /// The first moment at which the bare definition is met; `None` where it never is.
    pub(crate) fn met_ns(&self) -> Option<u64> {
        match self.fault.effect.truth()?.0 {
            AnomalyKind::SlowResponse => self.slow_ns(self.learnt()?, 0.0),
            AnomalyKind::ErrorSpike => self.failing_ns(1.0),
            AnomalyKind::ProbeFailed | AnomalyKind::EndpointEjected => self.row_ns(),
        }
    }

    /// The same by what the rule itself had learnt, with all that it asks for in numbers.
    pub(crate) fn rule_met_ns(&self, learnt: Learnt) -> Option<u64> {
        match self.fault.effect.truth()?.0 {
            AnomalyKind::SlowResponse => {
                let is_hang = self.fault.effect == Effect::Hang;
                self.slow_ns(learnt, if is_hang { 0.0 } else { 0.02 })
            }
            AnomalyKind::ErrorSpike => self.failing_ns(1e-6),
            AnomalyKind::ProbeFailed | AnomalyKind::EndpointEjected => self.row_ns(),
        }
    }

    fn normal_waits(&self) -> Vec<u64> {
        let mut waits: Vec<u64> = self
            .before
            .iter()
            .filter(|seen| !seen.is_failure)
            .filter_map(|seen| Some(seen.wait?.1))
            .collect();
        waits.sort_unstable();
        waits
    }

    fn learnt(&self) -> Option<Learnt> {
        let waits = self.normal_waits();
        (waits.len() >= 100).then(|| Learnt {
            limit_us: (2 * waits[waits.len() - 1 - waits.len() / 100]).max(5_000),
            samples: waits.len() as u64,
        })
    }

    /// At least three late answers within ten seconds, more than a share of all, which would come
    /// by chance less than once in a billion.
    fn slow_ns(&self, learnt: Learnt, share_min: f64) -> Option<u64> {
        let limit_us = learnt.limit_us;
        let normal = self.normal_waits();
        let above = normal.len() - normal.partition_point(|wait_us| *wait_us <= limit_us);
        let samples = learnt.samples as f64;
        let over = above as f64 / normal.len().max(1) as f64 * samples;
        // How often the baseline exceeds its limit, estimated from above.
        let rate = ((over + 1.0 + 2.0 * over.sqrt()) / samples).min(1.0);
        let around = self.around.iter();
        let mut counted: Vec<_> = around.filter_map(|seen| seen.lateness(limit_us)).collect();
        counted.sort_unstable();
        windows(&counted).find_map(|(at_ns, is_late, late, all)| {
            let is_met = is_late && at_ns >= self.fault.start_ns && late >= 3;
            let is_met = is_met && late as f64 > share_min * all as f64;
            (is_met && tail(late, all, rate) < 1e-9).then_some(at_ns)
        })
    }

    /// At least ten failures within ten seconds, more than 5 % and three times the baseline's
    /// share, and less likely than `chance_max`.
    fn failing_ns(&self, chance_max: f64) -> Option<u64> {
        let failed = self.before.iter().filter(|seen| seen.is_failure).count() as f64;
        let all = self.before.len().max(1) as f64;
        let threshold = (3.0 * failed / all).max(0.05);
        let rate = ((failed + 1.0 + 2.0 * failed.sqrt()) / all).min(1.0);
        let around = self.around.iter();
        let counted: Vec<_> = around.map(|seen| (seen.end_ns, seen.is_failure)).collect();
        windows(&counted).find_map(|(at_ns, is_failure, failed, all)| {
            let is_met = is_failure && at_ns >= self.fault.start_ns && failed >= 10;
            let is_met = is_met && failed as f64 > threshold * all as f64;
            (is_met && tail(failed, all, rate) < chance_max).then_some(at_ns)
        })
    }

    /// Two failed probes in a row: of all, or of one endpoint's.
    fn row_ns(&self) -> Option<u64> {
        let mut rows = [0; 16];
        let mut all = 0;
        let later = self.around.iter();
        for seen in later.filter(|seen| seen.end_ns >= self.fault.start_ns) {
            let row = &mut rows[seen.endpoint];
            (all, *row) = if seen.is_failure {
                (all + 1, *row + 1)
            } else {
                (0, 0)
            };
            if all >= 2 || *row >= 2 {
                return Some(seen.end_ns);
            }
        }
        None
    }
}

/// For each moment: the moment, whether it hits, and the hits and all moments of the ten seconds
/// that end with it.
fn windows(counted: &[(u64, bool)]) -> impl Iterator<Item = (u64, bool, usize, usize)> + '_ {
    let (mut oldest, mut hits) = (0, 0);
    counted.iter().enumerate().map(move |(n, (at_ns, is_hit))| {
        hits += usize::from(*is_hit);
        while counted[oldest].0 + WINDOW_NS <= *at_ns {
            hits -= usize::from(counted[oldest].1);
            oldest += 1;
        }
        (*at_ns, *is_hit, hits, n + 1 - oldest)
    })
}

/// The chance of `hits` or more of `trials`, each with `rate`: the terms, one after the other.
fn tail(hits: usize, trials: usize, rate: f64) -> f64 {
    if rate >= 1.0 || (hits as f64) <= rate * trials as f64 {
        return 1.0;
    }
    let ln_choose: f64 = (0..hits)
        .map(|i| ((trials - i) as f64 / (hits - i) as f64).ln())
        .sum();
    let first = ln_choose + hits as f64 * rate.ln() + (trials - hits) as f64 * (1.0 - rate).ln();
    let mut term = first.exp();
    let mut sum = 0.0;
    for i in hits..=trials {
        sum += term;
        term *= (trials - i) as f64 / (i + 1) as f64 * rate / (1.0 - rate);
        if term < sum * 1e-9 {
            break;
        }
    }
    sum
}

//! When a fault first meets the definition of its anomaly: the definitions of `docs/detection.md`
//! again, slowly and exactly, on all that happened, with nothing of the code under test.

use crate::fault::Fault;
use crate::stage::{Ending, Exchange, MS, SECOND};
use rauta_schemas::AnomalyKind;
use std::collections::VecDeque;

/// Who answers when an exchange fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Maker {
    Backend,
    Gateway,
}

/// What happened in one exchange.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    route: usize,
    endpoint: usize,
    end_ns: u64,
    /// Since when its backend was waited for, and for how long, microseconds.
    wait: Option<(u64, u64)>,
    failure: Option<Maker>,
    /// May a baseline learn from it?
    is_normal: bool,
}

const WINDOW_NS: u64 = 10 * SECOND;
/// The rule estimates how often something happens when all is well in its own way: its criterion is
/// met beyond doubt where the chance is this part of what it asks for.
const NO_DOUBT: f64 = 0.1;
/// Late answers so close behind the first of them are one burst.
const BURST_NS: u64 = 150 * MS;
/// What waits for so long hangs.
const HANG_NS: u64 = 400 * MS;

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
            failure: is_failure.then_some(match exchange.ending {
                Ending::Gateway(_) | Ending::TimedOut(_) | Ending::Refused => Maker::Gateway,
                Ending::Answered | Ending::Cut | Ending::Left(_) => Maker::Backend,
            }),
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

/// What the rule knows of the normal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Learnt {
    /// Above it an answer is late, microseconds.
    pub(crate) limit_us: u64,
    /// How many exchanges the normal was learnt from.
    pub(crate) samples: u64,
}

/// How often something happens when all is well, estimated from above by how often it did.
fn rate_max(hits: f64, samples: u64) -> f64 {
    ((hits + 1.0 + 2.0 * hits.sqrt()) / samples.max(1) as f64).min(1.0)
}

/// What happens on the time line of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    /// An exchange counts, late or not.
    Counted(bool),
    /// A late answer came, or was found to hang.
    Noticed,
    /// An exchange has waited for so long that it hangs; and it no longer does.
    Hangs,
    HangsNoMore,
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
            AnomalyKind::SlowResponse => self.slow_ns(&self.learnt_limit()?, false),
            AnomalyKind::ErrorSpike => self.failing_ns(self.before.len() as u64, 1.0),
            AnomalyKind::ProbeFailed | AnomalyKind::EndpointEjected => self.row_ns(),
        }
    }

    /// The same by what the rule itself had learnt, with all that it asks for.
    pub(crate) fn rule_met_ns(&self, learnt: &Learnt) -> Option<u64> {
        match self.fault.effect.truth()?.0 {
            AnomalyKind::SlowResponse => self.slow_ns(learnt, true),
            AnomalyKind::ErrorSpike => self.failing_ns(learnt.samples, 1e-6 * NO_DOUBT),
            AnomalyKind::ProbeFailed | AnomalyKind::EndpointEjected => self.row_ns(),
        }
    }

    fn normal_waits(&self) -> Vec<u64> {
        let mut waits: Vec<u64> = self
            .before
            .iter()
            .filter(|seen| seen.failure.is_none())
            .filter_map(|seen| Some(seen.wait?.1))
            .collect();
        waits.sort_unstable();
        waits
    }

    fn learnt_limit(&self) -> Option<Learnt> {
        let waits = self.normal_waits();
        (waits.len() >= 100).then(|| Learnt {
            limit_us: (2 * waits[waits.len() - 1 - waits.len() / 100]).max(5_000),
            samples: waits.len() as u64,
        })
    }

    /// At least three late answers within ten seconds that would come by chance less than once in
    /// a billion. `is_whole`: the rule also asks for more than 2 % of all, and for moments apart:
    /// four in two seconds, three or more that are as common and as unlikely, or in ten seconds
    /// some that are unlikely beside three; or for three exchanges that hang at one time.
    fn slow_ns(&self, learnt: &Learnt, is_whole: bool) -> Option<u64> {
        let limit_us = learnt.limit_us;
        let normal = self.normal_waits();
        let above = normal.len() - normal.partition_point(|wait_us| *wait_us <= limit_us);
        let above = above as f64 / normal.len().max(1) as f64;
        let rate = rate_max(above * learnt.samples as f64, learnt.samples);
        let chance_max = if is_whole { 1e-9 * NO_DOUBT } else { 1e-9 };
        let (mut counted, mut bursts) = (Recent::default(), Vec::new());
        let mut hanging = 0;
        self.moments(limit_us)
            .into_iter()
            .find_map(|(at_ns, moment)| {
                match moment {
                    Moment::Counted(is_late) => counted.add(at_ns, is_late),
                    Moment::Noticed => {
                        let last = bursts.last().copied();
                        if last.is_none_or(|last_ns| at_ns >= last_ns + BURST_NS) {
                            bursts.push(at_ns);
                        }
                    }
                    Moment::Hangs => hanging += 1,
                    Moment::HangsNoMore => hanging -= 1,
                }
                let (late, all) = counted.within(at_ns);
                let is_unlikely = |hits: usize| hits >= 3 && tail(hits, all, rate) < chance_max;
                if at_ns < self.fault.start_ns || !is_unlikely(late) {
                    return None;
                }
                let since = |span_ns: u64| {
                    let latest = bursts.iter().rev();
                    latest
                        .take_while(|burst_ns| **burst_ns + span_ns >= at_ns)
                        .count()
                };
                let (apart, close) = (since(WINDOW_NS), since(2 * SECOND));
                let is_common = late as f64 > 0.02 * all as f64;
                let is_few = apart as f64 > 0.02 * all as f64 && is_unlikely(apart);
                let is_beside = apart > 3 && tail(apart - 3, all, rate) < 0.01 * NO_DOUBT;
                let is_rule = is_common && (close >= 4 || is_beside || is_few) || hanging >= 3;
                (!is_whole || is_rule).then_some(at_ns)
            })
    }

    /// All that happens around the fault, in order.
    fn moments(&self, limit_us: u64) -> Vec<(u64, Moment)> {
        let mut moments = Vec::new();
        for seen in &self.around {
            let Some((at_ns, is_late)) = seen.lateness(limit_us) else {
                continue;
            };
            moments.push((at_ns, Moment::Counted(is_late)));
            let hangs_ns = seen
                .wait
                .map_or(0, |(from_ns, _)| from_ns + HANG_NS)
                .max(at_ns);
            let answered_ns = seen.wait.map_or(0, |(from_ns, us)| from_ns + us * 1_000);
            if is_late {
                moments.push((hangs_ns.min(answered_ns), Moment::Noticed));
            }
            if is_late && hangs_ns < answered_ns {
                moments.push((hangs_ns, Moment::Hangs));
                moments.push((answered_ns, Moment::HangsNoMore));
            }
        }
        moments.sort_unstable();
        moments
    }

    /// At least ten failures within ten seconds, more than 5 % and three times the normal share,
    /// and less likely than `chance_max` by what was learnt from `samples`: the backend's, RAUTA's
    /// own, or all of them.
    fn failing_ns(&self, samples: u64, chance_max: f64) -> Option<u64> {
        let makers = [Some(Maker::Backend), Some(Maker::Gateway), None];
        let first = makers.map(|maker| self.failing_of_ns(maker, samples, chance_max));
        first.into_iter().flatten().min()
    }

    fn failing_of_ns(&self, maker: Option<Maker>, samples: u64, chance_max: f64) -> Option<u64> {
        let is_ours = |seen: &&&Seen| {
            seen.failure
                .is_some_and(|by| maker.is_none_or(|maker| maker == by))
        };
        let failed = self.before.iter().filter(is_ours).count() as f64;
        let share = failed / self.before.len().max(1) as f64;
        let rate = rate_max(share * samples as f64, samples);
        let mut counted = Recent::default();
        self.around.iter().find_map(|seen| {
            counted.add(seen.end_ns, is_ours(&seen));
            let (failed, all) = counted.within(seen.end_ns);
            let is_met = is_ours(&seen) && seen.end_ns >= self.fault.start_ns && failed >= 10;
            let is_met = is_met && failed as f64 > (3.0 * share).max(0.05) * all as f64;
            (is_met && tail(failed, all, rate) < chance_max).then_some(seen.end_ns)
        })
    }

    /// Two failed probes in a row: of all, or of one endpoint's.
    fn row_ns(&self) -> Option<u64> {
        let mut rows = [0; 16];
        let mut all = 0;
        let later = self.around.iter();
        for seen in later.filter(|seen| seen.end_ns >= self.fault.start_ns) {
            let row = &mut rows[seen.endpoint];
            (all, *row) = if seen.failure.is_some() {
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

/// What counted in the last ten seconds.
#[derive(Default)]
struct Recent {
    counted: VecDeque<(u64, bool)>,
    hits: usize,
}

impl Recent {
    fn add(&mut self, at_ns: u64, is_hit: bool) {
        self.counted.push_back((at_ns, is_hit));
        self.hits += usize::from(is_hit);
    }

    /// The hits, and all.
    fn within(&mut self, now_ns: u64) -> (usize, usize) {
        while let Some((_, is_hit)) = self
            .counted
            .pop_front_if(|(at_ns, _)| *at_ns + WINDOW_NS <= now_ns)
        {
            self.hits -= usize::from(is_hit);
        }
        (self.hits, self.counted.len())
    }
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

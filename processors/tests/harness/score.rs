//! Plays a shape and compares what was said with what was inflicted.

use crate::corpus::Shape;
use crate::fault::{Effect, Fault, schedule};
use crate::model::Traffic;
use crate::oracle::{Case, Learnt, Seen};
use crate::stage::{Found, MS, SECOND, Stage};
use fastrand::Rng;
use rauta_processors::Config;
use rauta_schemas::{AnomalyKind, ObserverEvent, Phase};
use std::collections::HashSet;

/// An anomaly found so long after a fault's last exchange still belongs to it: its window is ten
/// seconds.
const AFTER_NS: u64 = 10 * SECOND;

/// How a shape (or several) went.
#[derive(Clone, Debug, Default)]
pub(crate) struct Score {
    pub(crate) exchanges: u64,
    /// Faults that met the definition of their anomaly.
    pub(crate) faults: usize,
    /// Those of them that were found.
    pub(crate) found: usize,
    /// Faults that were too small or too short to meet it.
    pub(crate) too_small: usize,
    /// Anomalies that began.
    pub(crate) alarms: usize,
    /// Alarms within a fault that named the side and the endpoint at fault, and no other.
    pub(crate) blamed: usize,
    pub(crate) false_alarms: Vec<String>,
    pub(crate) missed: Vec<String>,
    pub(crate) misblamed: Vec<String>,
    pub(crate) late: Vec<String>,
    /// From the moment at which the rule was met, milliseconds.
    pub(crate) delays_ms: Vec<u64>,
    /// From the moment at which the bare definition was met, milliseconds.
    pub(crate) bare_delays_ms: Vec<u64>,
}

impl Score {
    pub(crate) fn precision(&self) -> f64 {
        1.0 - self.false_alarms.len() as f64 / self.alarms.max(1) as f64
    }

    pub(crate) fn recall(&self) -> f64 {
        if self.faults == 0 {
            return 1.0;
        }
        self.found as f64 / self.faults as f64
    }

    /// The share of true alarms that named the right side and endpoint.
    pub(crate) fn blame(&self) -> f64 {
        let right = self.alarms - self.false_alarms.len();
        if right == 0 {
            return 1.0;
        }
        self.blamed as f64 / right as f64
    }

    /// The share of those found that were found within a second.
    pub(crate) fn quick(&self) -> f64 {
        1.0 - self.late.len() as f64 / self.delays_ms.len().max(1) as f64
    }

    /// The delay at a quantile, milliseconds.
    pub(crate) fn delay_ms(&self, quantile: f64) -> u64 {
        at_quantile(&self.delays_ms, quantile)
    }

    /// The same from the bare definition on.
    pub(crate) fn bare_delay_ms(&self, quantile: f64) -> u64 {
        at_quantile(&self.bare_delays_ms, quantile)
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.exchanges += other.exchanges;
        self.faults += other.faults;
        self.found += other.found;
        self.too_small += other.too_small;
        self.alarms += other.alarms;
        self.blamed += other.blamed;
        self.false_alarms.extend(other.false_alarms);
        self.missed.extend(other.missed);
        self.misblamed.extend(other.misblamed);
        self.late.extend(other.late);
        self.delays_ms.extend(other.delays_ms);
        self.bare_delays_ms.extend(other.bare_delays_ms);
    }
}

fn at_quantile(delays_ms: &[u64], quantile: f64) -> u64 {
    let mut sorted = delays_ms.to_vec();
    sorted.sort_unstable();
    let place = (quantile * sorted.len().saturating_sub(1) as f64).ceil() as usize;
    sorted.get(place).copied().unwrap_or(0)
}

/// A fault, and what came of it.
struct Inflicted {
    fault: Fault,
    /// When the last exchange that suffered it ended.
    last_ns: u64,
    met_ns: Option<u64>,
    is_found: bool,
}

/// Plays a shape with faults.
pub(crate) fn play(shape: &Shape, seed: u64) -> Score {
    let mut rng = Rng::with_seed(seed);
    let (faults, end_ns) = schedule(shape, &mut rng);
    let mut traffic = Traffic::new(shape.model, end_ns, &mut rng);
    let mut stage = stage(shape);
    let begin = |fault: Fault| Inflicted {
        fault,
        last_ns: fault.end_ns,
        met_ns: None,
        is_found: false,
    };
    let mut inflicted: Vec<_> = faults.into_iter().map(begin).collect();
    let mut seen = Vec::new();
    let (mut now_ns, mut active) = (0, 0);
    loop {
        now_ns = traffic.next_ns(now_ns, &mut rng);
        if now_ns >= end_ns {
            break;
        }
        let mut exchange = traffic.exchange(now_ns, &mut rng);
        while inflicted
            .get(active)
            .is_some_and(|it| it.fault.end_ns <= now_ns)
        {
            active += 1;
        }
        let current = inflicted
            .get_mut(active)
            .filter(|it| it.fault.start_ns <= now_ns);
        let is_calm = current.is_none();
        if let Some(current) = current
            && current.fault.inflict(&mut exchange, &mut rng)
        {
            // What hangs ends when the fault does: the origin is restarted.
            if current.fault.effect == Effect::Hang {
                exchange.backend_us = (current.fault.end_ns - now_ns) / 1_000;
            }
            current.last_ns = current.last_ns.max(exchange.end_ns());
        }
        seen.push(Seen::new(&exchange, is_calm));
        stage.begin(exchange);
    }
    stage.run_to(end_ns);
    // What nobody told the detectors cannot meet a definition.
    let is_told = |number: u64| !stage.unseen.contains(&number);
    let told = (1..).zip(&seen).filter(|(number, _)| is_told(*number));
    let mut told: Vec<Seen> = told.map(|(_, seen)| *seen).collect();
    told.sort_by_key(Seen::end_ns);
    for it in &mut inflicted {
        it.met_ns = Case::new(&it.fault, &told, it.last_ns).met_ns();
    }
    Score {
        exchanges: seen.len() as u64,
        ..judge(shape, inflicted, &told, &stage.found)
    }
}

/// Plays a shape for so long without any fault: every alarm is a false one.
pub(crate) fn play_faultless(shape: &Shape, seed: u64, end_ns: u64) -> Score {
    let mut rng = Rng::with_seed(seed);
    let mut traffic = Traffic::new(shape.model, end_ns, &mut rng);
    let mut stage = stage(shape);
    let (mut now_ns, mut exchanges) = (0, 0);
    loop {
        now_ns = traffic.next_ns(now_ns, &mut rng);
        if now_ns >= end_ns {
            break;
        }
        exchanges += 1;
        stage.begin(traffic.exchange(now_ns, &mut rng));
    }
    stage.run_to(end_ns);
    Score {
        exchanges,
        ..judge(shape, Vec::new(), &[], &stage.found)
    }
}

fn stage(shape: &Shape) -> Stage {
    let endpoints = vec![Traffic::endpoints(&shape.model); shape.model.routes];
    let mut stage = Stage::new(&Config::default(), &endpoints);
    stage.loss = shape.loss;
    stage
}

fn judge(shape: &Shape, mut inflicted: Vec<Inflicted>, told: &[Seen], found: &[Found]) -> Score {
    let mut score = Score::default();
    let mut open = HashSet::new();
    for alarm in found {
        let event = &alarm.event;
        if event.phase == Phase::Cleared {
            open.remove(&event.key);
            continue;
        }
        if !open.insert(event.key.clone()) {
            continue;
        }
        score.alarms += 1;
        let text = || {
            let at_s = alarm.at_ns as f64 / SECOND as f64;
            let (key, observed, baseline) = (&event.key, &event.observed, &event.baseline);
            format!("{key} at {at_s:.1} s: {observed:?} {baseline:?}")
        };
        let Some(it) = inflicted.iter_mut().rev().find(|it| it.is_cause_of(alarm)) else {
            score.false_alarms.push(text());
            continue;
        };
        if !std::mem::replace(&mut it.is_found, true)
            && let Some(met_ns) = it.met_ns
        {
            let bare_ns = alarm.at_ns.saturating_sub(met_ns);
            score.bare_delays_ms.push(bare_ns / MS);
            let delay_ns = it.delay_ns(alarm, told);
            score.delays_ms.push(delay_ns / MS);
            if delay_ns >= SECOND {
                let (fault, delay_ms) = (&it.fault, delay_ns / MS);
                score
                    .late
                    .push(format!("{fault:?}: {delay_ms} ms, {}", text()));
            }
        }
        if is_blame_right(shape, &it.fault, event) {
            score.blamed += 1;
        } else {
            let (side, endpoint) = (event.side, &event.subject.endpoint);
            score
                .misblamed
                .push(format!("{:?}: {side:?} {endpoint:?}", it.fault));
        }
    }
    let real = inflicted
        .iter()
        .filter(|it| it.fault.effect.truth().is_some());
    for it in real {
        match it.met_ns {
            None => score.too_small += 1,
            Some(met_ns) => {
                score.faults += 1;
                score.found += usize::from(it.is_found);
                if !it.is_found {
                    let met_s = (met_ns - it.fault.start_ns) as f64 / SECOND as f64;
                    let fault = &it.fault;
                    score
                        .missed
                        .push(format!("{fault:?} met after {met_s:.1} s"));
                }
            }
        }
    }
    score
}

impl Inflicted {
    /// From the moment at which the rule's definition was met, by the baseline that the alarm
    /// states.
    fn delay_ns(&self, alarm: &Found, told: &[Seen]) -> u64 {
        let event = &alarm.event;
        let learnt = Learnt {
            limit_us: (event.observed.threshold * 1_000.0) as u64,
            samples: event.baseline.as_ref().map_or(1, |it| it.samples.max(1)),
        };
        let case = Case::new(&self.fault, told, self.last_ns);
        let met_ns = case.rule_met_ns(&learnt).unwrap_or(alarm.at_ns);
        alarm.at_ns.saturating_sub(met_ns)
    }

    fn is_cause_of(&self, alarm: &Found) -> bool {
        let event = &alarm.event;
        let rule = event.subject.rule.as_ref();
        let is_route = rule.is_some_and(|it| *it.route == format!("route-{}", self.fault.route));
        let is_kind = self
            .fault
            .effect
            .truth()
            .is_some_and(|(kind, _)| kind == event.kind);
        let is_time = (self.fault.start_ns..self.last_ns + AFTER_NS).contains(&alarm.at_ns);
        is_kind && is_route && is_time
    }
}

/// Are side and endpoint right? Where several endpoints are at fault, none may be named.
fn is_blame_right(shape: &Shape, fault: &Fault, event: &ObserverEvent) -> bool {
    let side = fault.effect.truth().map(|(_, side)| side);
    let only = (shape.model.endpoints == 1).then_some(0);
    let expected = match fault.effect {
        Effect::GatewayErrors => None,
        _ => fault.endpoint.or(only),
    };
    let named = event.subject.endpoint.as_ref();
    let is_endpoint = match expected {
        Some(n) => named.is_some_and(|it| it.address == format!("10.0.{}.{n}:8080", fault.route)),
        None => named.is_none(),
    };
    let is_maker = event.kind != AnomalyKind::ErrorSpike
        || event.key.ends_with(match fault.effect {
            Effect::GatewayErrors | Effect::Refused => "/gateway",
            _ => "/backend",
        });
    side == Some(event.side) && is_endpoint && is_maker
}

//! Plays a shape and compares what was said with what was inflicted.

use crate::corpus::Shape;
use crate::model::{Effect, Fault};
use crate::stage::{Found, MS, SECOND, Stage};
use fastrand::Rng;
use rauta_processors::Config;
use rauta_schemas::Phase;
use std::collections::HashSet;

/// An anomaly found so long after a fault's end still belongs to it: its window is ten seconds.
const AFTER_NS: u64 = 10 * SECOND;

/// How a shape (or several) went.
#[derive(Clone, Debug, Default)]
pub(crate) struct Score {
    pub(crate) exchanges: u64,
    pub(crate) faults: usize,
    pub(crate) found: usize,
    /// Anomalies that began.
    pub(crate) alarms: usize,
    pub(crate) false_alarms: Vec<String>,
    pub(crate) missed: Vec<String>,
    /// Alarms that named an endpoint that is not at fault.
    pub(crate) wrong_endpoints: usize,
    /// From the moment the anomaly's definition was met, milliseconds.
    pub(crate) delays_ms: Vec<u64>,
}

impl Score {
    /// Precision and recall of at least 0.95, nearly every fault found within a second, and no
    /// blameless endpoint named.
    pub(crate) fn is_within_limits(&self) -> bool {
        self.precision() >= 0.95
            && self.recall() >= 0.95
            && self.delay_ms(0.95) <= 1_000
            && self.wrong_endpoints * 20 <= self.alarms
    }

    pub(crate) fn precision(&self) -> f64 {
        1.0 - self.false_alarms.len() as f64 / self.alarms.max(1) as f64
    }

    pub(crate) fn recall(&self) -> f64 {
        self.found as f64 / self.faults.max(1) as f64
    }

    /// The delay at a quantile, milliseconds.
    pub(crate) fn delay_ms(&self, quantile: f64) -> u64 {
        let mut delays = self.delays_ms.clone();
        delays.sort_unstable();
        let place = (quantile * delays.len().saturating_sub(1) as f64).round() as usize;
        delays.get(place).copied().unwrap_or(0)
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.exchanges += other.exchanges;
        self.faults += other.faults;
        self.found += other.found;
        self.alarms += other.alarms;
        self.false_alarms.extend(other.false_alarms);
        self.missed.extend(other.missed);
        self.wrong_endpoints += other.wrong_endpoints;
        self.delays_ms.extend(other.delays_ms);
    }
}

/// When faulty exchanges showed: the moments their ends were due, or for hanging ones their starts.
struct Inflicted {
    fault: Fault,
    moments_ns: Vec<u64>,
}

/// Plays a shape until `end_ns`.
pub(crate) fn play(shape: &Shape, seed: u64, end_ns: u64) -> Score {
    let mut rng = Rng::with_seed(seed);
    let mut stage = Stage::new(&Config::default(), &[shape.model.endpoints]);
    stage.lose_one_in = shape.lose_one_in;
    let begin = |fault| Inflicted {
        fault,
        moments_ns: Vec::new(),
    };
    let mut inflicted: Vec<Inflicted> = shape.faults().into_iter().map(begin).collect();
    let mut now_ns = 0;
    let mut exchanges = 0;
    loop {
        now_ns = shape.model.next_ns(now_ns, &mut rng);
        if now_ns >= end_ns {
            break;
        }
        let active = inflicted
            .iter_mut()
            .find(|i| (i.fault.start_ns..i.fault.end_ns).contains(&now_ns));
        let fault = active.as_ref().map(|i| i.fault);
        let (mut exchange, is_faulty) = shape.model.exchange(now_ns, fault.as_ref(), &mut rng);
        if let Some(active) = active.filter(|_| is_faulty) {
            // What hangs ends when the fault does: the origin is restarted.
            let rest_us = (active.fault.end_ns - now_ns) / 1_000;
            let is_hang = exchange.backend_us > rest_us;
            exchange.backend_us = exchange.backend_us.min(rest_us);
            active
                .moments_ns
                .push(if is_hang { now_ns } else { exchange.end_ns() });
        }
        stage.begin(exchange);
        exchanges += 1;
    }
    stage.run_to(end_ns);
    Score {
        exchanges,
        ..judge(&inflicted, &stage.found, shape.model.rate)
    }
}

fn judge(inflicted: &[Inflicted], found: &[Found], rate: f64) -> Score {
    let mut score = Score {
        faults: inflicted.len(),
        ..Score::default()
    };
    let mut open = HashSet::new();
    let mut is_found = vec![false; inflicted.len()];
    for alarm in found {
        let key = alarm.event.key.clone();
        if alarm.event.phase == Phase::Cleared {
            open.remove(&key);
            continue;
        }
        if !open.insert(key) {
            continue;
        }
        score.alarms += 1;
        let place = inflicted.iter().position(|i| {
            i.fault.kind() == alarm.event.kind
                && (i.fault.start_ns..i.fault.end_ns + AFTER_NS).contains(&alarm.at_ns)
        });
        let Some(place) = place else {
            let event = &alarm.event;
            score.false_alarms.push(format!(
                "{} at {} s: {:?} {:?}",
                event.key,
                alarm.at_ns / SECOND,
                event.observed,
                event.baseline,
            ));
            continue;
        };
        let Inflicted { fault, moments_ns } = &inflicted[place];
        if !std::mem::replace(&mut is_found[place], true) {
            score.found += 1;
            let met_ns = met_ns(fault, moments_ns, rate, alarm);
            score
                .delays_ms
                .push(alarm.at_ns.saturating_sub(met_ns) / MS);
        }
        let named = alarm.event.subject.endpoint.as_ref();
        if let (Some(endpoint), Some(named)) = (fault.endpoint, named) {
            let is_right = named.address == format!("10.0.0.{endpoint}:8080");
            score.wrong_endpoints += usize::from(!is_right);
        }
    }
    let missed = inflicted
        .iter()
        .zip(is_found)
        .filter(|(_, is_found)| !is_found);
    score.missed = missed.map(|(i, _)| format!("{:?}", i.fault)).collect();
    score
}

/// When the definition was met: by the third slow answer, three overdue requests, the tenth error,
/// the second failed probe.
fn met_ns(fault: &Fault, moments_ns: &[u64], rate: f64, alarm: &Found) -> u64 {
    let mut moments_ns = moments_ns.to_vec();
    if fault.effect == Effect::Hang {
        let overdue_ns = (alarm.event.observed.threshold * MS as f64) as u64;
        moments_ns
            .iter_mut()
            .for_each(|moment_ns| *moment_ns += overdue_ns);
    }
    moments_ns.sort_unstable();
    moments_ns
        .get(fault.needed(rate) - 1)
        .copied()
        .unwrap_or(fault.start_ns)
}

/// The head of the table.
pub(crate) fn header() -> String {
    format!(
        "{:<26} {:>10} {:>6} {:>6} {:>9} {:>7} {:>9} {:>9} {:>9} {:>6}",
        "shape",
        "exchanges",
        "faults",
        "alarms",
        "precision",
        "recall",
        "p50 ms",
        "p95 ms",
        "max ms",
        "wrong"
    )
}

/// A row of the table.
pub(crate) fn row(name: &str, score: &Score) -> String {
    format!(
        "{:<26} {:>10} {:>6} {:>6} {:>9.3} {:>7.3} {:>9} {:>9} {:>9} {:>6}",
        name,
        score.exchanges,
        score.faults,
        score.alarms,
        score.precision(),
        score.recall(),
        score.delay_ms(0.5),
        score.delay_ms(0.95),
        score.delay_ms(1.0),
        score.wrong_endpoints,
    )
}

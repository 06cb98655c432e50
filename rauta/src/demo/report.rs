//! The demo's result: a table for people, one object for machines.

use super::client::{Exchange, Sent};
use super::plan::{Fault, FaultKind};
use rauta_core::bus::BusStats;
use rauta_schemas::Family;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

/// A fault must be found within this time.
const DETECTION_MAX: Duration = Duration::from_millis(1_000);
/// A slow answer is twice as long as normal ones; the least that counts, as for the detector.
const SLOW_FACTOR: u32 = 2;
const SLOW_MIN: Duration = Duration::from_millis(5);

/// One fault's line.
#[derive(Debug)]
struct Line {
    kind: FaultKind,
    injected: Duration,
    /// From the moment the fault could be known to its detection; `None`: never detected.
    after: Option<Duration>,
    names_origin: bool,
}

/// Everything the demo found out.
#[derive(Debug)]
pub(super) struct Report {
    requests: u64,
    broken: u64,
    request_events: u64,
    response_events: u64,
    request_events_dropped: u64,
    response_events_dropped: u64,
    false_alarms: u64,
    lines: Vec<Line>,
}

impl Report {
    /// Judges what clients, tally and bus saw.
    pub(super) fn new(
        sent: &Sent,
        tally: &super::Tally,
        stats: &BusStats,
        faults: &[Fault],
        false_alarms: u64,
        start: Instant,
    ) -> Self {
        let dropped = stats.lane_dropped();
        let lines = faults
            .iter()
            .map(|fault| line(fault, sent, start))
            .collect();
        Self {
            requests: sent.len() as u64,
            broken: sent
                .iter()
                .filter(|exchange| exchange.status.is_none())
                .count() as u64,
            request_events: tally.requests.load(Ordering::Relaxed),
            response_events: tally.responses.load(Ordering::Relaxed),
            request_events_dropped: dropped[Family::HttpRequest],
            response_events_dropped: dropped[Family::HttpResponse],
            false_alarms,
            lines,
        }
    }

    /// Was each fault found in time, nothing else alarmed, and every request accounted for?
    pub(super) fn is_ok(&self) -> bool {
        let is_found = |line: &Line| line.after.is_some_and(|after| after <= DETECTION_MAX);
        self.lines.len() == FaultKind::ALL.len()
            && self
                .lines
                .iter()
                .all(|line| is_found(line) && line.names_origin)
            && self.false_alarms == 0
            && self.broken == 0
            && self.requests == self.request_events + self.request_events_dropped
            && self.requests == self.response_events + self.response_events_dropped
    }

    /// One object for machines.
    pub(super) fn json(&self) -> Value {
        let faults = self.lines.iter().map(|line| {
            json!({
                "kind": line.kind.label(),
                "injected_at_ms": line.injected.as_millis() as u64,
                "detected_after_ms": line.after.map(|after| after.as_millis() as u64),
            })
        });
        json!({
            "requests": self.requests,
            "request_events": self.request_events,
            "response_events": self.response_events,
            "request_events_dropped": self.request_events_dropped,
            "response_events_dropped": self.response_events_dropped,
            "faults": faults.collect::<Vec<_>>(),
            "false_alarms": self.false_alarms,
            "ok": self.is_ok(),
        })
    }

    /// A table for people.
    pub(super) fn table(&self) -> String {
        let mut table = format!(
            "\n{:<15} {:<10} {:>9} {:>12}  evidence\n",
            "fault", "service", "injected", "found after"
        );
        for line in &self.lines {
            let after = line
                .after
                .map_or("never".into(), |after| format!("{} ms", after.as_millis()));
            let evidence = if line.names_origin {
                "names the origin"
            } else {
                "does not name the origin"
            };
            table.push_str(&format!(
                "{:<15} {:<10} {:>7.1} s {after:>12}  {evidence}\n",
                line.kind.label(),
                line.kind.service(),
                line.injected.as_secs_f64(),
            ));
        }
        table.push_str(&format!(
            "\n{} requests = {} request events + {} dropped = {} response events + {} dropped\n\
             false alarms: {} · broken connections: {}\n{}\n",
            self.requests,
            self.request_events,
            self.request_events_dropped,
            self.response_events,
            self.response_events_dropped,
            self.false_alarms,
            self.broken,
            if self.is_ok() { "ok" } else { "NOT ok" },
        ));
        table
    }
}

fn line(fault: &Fault, sent: &Sent, start: Instant) -> Line {
    let kind = fault.planned.kind;
    let own = sent.iter().filter(|exchange| exchange.kind == kind);
    let known = match kind {
        FaultKind::Slow => first_slow(own.clone(), fault.injected, start),
        FaultKind::Hang => third_overdue(own.clone(), fault.injected, start),
        FaultKind::Errors => nth_failure(
            own.filter(|exchange| !exchange.is_probe),
            10,
            fault.injected,
            start,
        ),
        FaultKind::Probe => nth_failure(
            own.filter(|exchange| exchange.is_probe),
            2,
            fault.injected,
            start,
        ),
    };
    let after = fault
        .detected
        .zip(known)
        // Open requests count too, so a fault may be found before its first answer is there.
        .map(|(detected, known)| detected.saturating_sub(known));
    Line {
        kind,
        injected: fault.injected,
        after,
        names_origin: fault.names_origin,
    }
}

/// When the first slow answer was there.
fn first_slow<'a>(
    own: impl Iterator<Item = &'a Exchange> + Clone,
    injected: Duration,
    start: Instant,
) -> Option<Duration> {
    let limit = limit(own.clone(), injected, start);
    own.filter(|exchange| exchange.answered - exchange.sent > limit)
        .map(|exchange| exchange.answered - start)
        .find(|answered| *answered > injected)
}

/// When the third open request was older than what is normal.
fn third_overdue<'a>(
    own: impl Iterator<Item = &'a Exchange> + Clone,
    injected: Duration,
    start: Instant,
) -> Option<Duration> {
    let limit = limit(own.clone(), injected, start);
    let mut overdue: Vec<_> = own
        .filter(|exchange| exchange.answered - exchange.sent > limit)
        .map(|exchange| exchange.sent - start + limit)
        .filter(|overdue| *overdue > injected)
        .collect();
    overdue.sort_unstable();
    overdue.get(2).copied()
}

/// When the `n`-th failed answer was there.
fn nth_failure<'a>(
    own: impl Iterator<Item = &'a Exchange>,
    n: usize,
    injected: Duration,
    start: Instant,
) -> Option<Duration> {
    own.filter(|exchange| {
        exchange
            .status
            .is_some_and(|status| status.is_server_error())
    })
    .map(|exchange| exchange.answered - start)
    .filter(|answered| *answered > injected)
    .nth(n - 1)
}

/// Twice the 99th percentile of what the client measured before the fault.
fn limit<'a>(
    own: impl Iterator<Item = &'a Exchange>,
    injected: Duration,
    start: Instant,
) -> Duration {
    let mut before: Vec<_> = own
        .filter(|exchange| exchange.answered - start < injected)
        .map(|exchange| exchange.answered - exchange.sent)
        .collect();
    before.sort_unstable();
    let p99 = before
        .get(before.len() * 99 / 100)
        .copied()
        .unwrap_or_default();
    (p99 * SLOW_FACTOR).max(SLOW_MIN)
}

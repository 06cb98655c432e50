//! Which faults come when, and whether an anomaly is one of them.

use rauta_schemas::{AnomalyKind, ObserverEvent, Phase};
use std::net::SocketAddr;
use std::time::Duration;

/// A clear, or a repeat, of a fault may come this long after its end: a detector's window of 10 s
/// and its all-clear.
const AFTERMATH: Duration = Duration::from_secs(13);

/// The four faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaultKind {
    /// Every answer takes a quarter of a second longer.
    Slow,
    /// No answer at all.
    Hang,
    /// Every answer is 500.
    Errors,
    /// The health path answers 503, everything else is well.
    Probe,
}

impl FaultKind {
    pub(super) const ALL: [Self; 4] = [Self::Slow, Self::Hang, Self::Errors, Self::Probe];

    /// The name in the report.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Slow => "slow_response",
            Self::Hang => "hang",
            Self::Errors => "error_spike",
            Self::Probe => "probe_failed",
        }
    }

    /// The Service whose origin has the fault; also its route's name.
    pub(super) const fn service(self) -> &'static str {
        match self {
            Self::Slow => "checkout",
            Self::Hang => "search",
            Self::Errors => "cart",
            Self::Probe => "catalog",
        }
    }

    /// The path its traffic asks for.
    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Slow => "/checkout",
            Self::Hang => "/search",
            Self::Errors => "/cart",
            Self::Probe => "/catalog",
        }
    }

    pub(super) const fn index(self) -> usize {
        self as usize
    }

    /// The anomaly that says it.
    const fn anomaly(self) -> AnomalyKind {
        match self {
            Self::Slow | Self::Hang => AnomalyKind::SlowResponse,
            Self::Errors => AnomalyKind::ErrorSpike,
            Self::Probe => AnomalyKind::ProbeFailed,
        }
    }
}

/// A fault and its time, from the demo's start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Planned {
    pub(super) kind: FaultKind,
    pub(super) from: Duration,
    pub(super) to: Duration,
}

/// All faults, in order, with quiet time before, between and after.
#[derive(Debug)]
pub(super) struct Schedule {
    pub(super) length: Duration,
    pub(super) faults: [Planned; 4],
}

impl Schedule {
    /// The first 30 % of the time are for learning, the faults take turns in the rest.
    pub(super) fn new(length: Duration) -> Self {
        let fault = |index: u32| Planned {
            kind: FaultKind::ALL[index as usize],
            from: length * (30 + 17 * index) / 100,
            to: length * (40 + 17 * index) / 100,
        };
        Self {
            length,
            faults: [fault(0), fault(1), fault(2), fault(3)],
        }
    }
}

/// A fault that was injected and what was said of it.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) planned: Planned,
    /// Its origin.
    pub(super) origin: SocketAddr,
    /// When it began, from the demo's start.
    pub(super) injected: Duration,
    /// When it was first detected, from the demo's start.
    pub(super) detected: Option<Duration>,
    /// Did the evidence name its origin?
    pub(super) names_origin: bool,
}

impl Fault {
    pub(super) fn new(planned: Planned, origin: SocketAddr, injected: Duration) -> Self {
        Self {
            planned,
            origin,
            injected,
            detected: None,
            names_origin: false,
        }
    }

    fn explains(&self, anomaly: &ObserverEvent, at: Duration) -> bool {
        let route = anomaly
            .subject
            .rule
            .as_ref()
            .map(|rule| rule.route.as_str());
        anomaly.kind == self.planned.kind.anomaly()
            && route == Some(self.planned.kind.service())
            && at < self.planned.to + AFTERMATH
    }
}

/// What an anomaly turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A fault, for the first time.
    Detected,
    /// A fault, again.
    Repeated,
    /// A fault's end.
    Cleared,
    /// Nothing that was injected.
    FalseAlarm,
}

/// Finds the fault that explains `anomaly`, and notes its detection.
pub(super) fn judge(anomaly: &ObserverEvent, faults: &mut [Fault], at: Duration) -> Verdict {
    let Some(fault) = faults.iter_mut().find(|fault| fault.explains(anomaly, at)) else {
        return Verdict::FalseAlarm;
    };
    if anomaly.phase == Phase::Cleared {
        return Verdict::Cleared;
    }
    if fault.detected.is_some() {
        return Verdict::Repeated;
    }
    fault.detected = Some(at);
    let origin = fault.origin.to_string();
    let named = anomaly
        .subject
        .endpoint
        .as_ref()
        .map(|endpoint| &endpoint.address);
    fault.names_origin = named == Some(&origin);
    Verdict::Detected
}

/// One line about an anomaly, for people.
pub(super) fn describe(anomaly: &ObserverEvent) -> String {
    let subject = &anomaly.subject;
    let route = subject.rule.as_ref().map_or("-", |rule| &*rule.route);
    let endpoint = subject
        .endpoint
        .as_ref()
        .map_or("several endpoints", |name| &*name.address);
    let observed = &anomaly.observed;
    let unit = observed.unit.label();
    let mut line = format!(
        "{} {} on {route} at {endpoint}: {:.1} {unit} against a limit of {:.1} {unit}, {} of {} exchanges",
        anomaly.kind.label(),
        anomaly.phase.label(),
        observed.value,
        observed.threshold,
        observed.affected,
        observed.total,
    );
    if observed.open > 0 {
        line.push_str(&format!(" ({} still open)", observed.open));
    }
    line.push_str(&format!("; at fault: {}", anomaly.side.label()));
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_never_overlap_and_leave_time_to_learn() {
        for seconds in [15, 30, 600] {
            let schedule = Schedule::new(Duration::from_secs(seconds));
            let mut before = schedule.length * 30 / 100;
            for fault in schedule.faults {
                assert!(fault.from >= before && fault.to > fault.from, "{fault:?}");
                before = fault.to;
            }
            assert!(
                schedule.length - before >= Duration::from_secs(1),
                "{schedule:?}"
            );
        }
    }
}

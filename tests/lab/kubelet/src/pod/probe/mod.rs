//! Probes: when each is asked, what counts, and what a run of answers means.
//!
//! ```text
//! container starts ─► startup ──succeeds──► liveness  ──fails──► the container is killed
//!                        │                  readiness ─────────► ready or not
//!                        └──fails──► the container is killed
//! ```

mod ask; // one question to a program
mod counter; // what a run of answers means
mod grpc; // the health service of gRPC
mod web; // HTTP and HTTPS

use std::time::Duration;

use k8s_openapi::api::core::v1::Probe;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

pub(super) use ask::{Failure, Target, command, page};
use counter::{Counter, Thresholds};

/// What a probe is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Liveness,
    Readiness,
    Startup,
}

impl Purpose {
    /// The word in events.
    pub(super) fn word(self) -> &'static str {
        match self {
            Purpose::Liveness => "Liveness",
            Purpose::Readiness => "Readiness",
            Purpose::Startup => "Startup",
        }
    }
}

/// What a probe has to say to the container's owner.
#[derive(Debug)]
pub(super) enum Finding {
    /// One question had no good answer: worth an event.
    Unhealthy(Purpose, Failure),
    /// Enough answers in a row say so: it is healthy, or not.
    Verdict(Purpose, bool),
}

impl Finding {
    /// Which probe found it.
    pub(super) fn purpose(&self) -> Purpose {
        match self {
            Finding::Unhealthy(purpose, _) | Finding::Verdict(purpose, _) => *purpose,
        }
    }
}

/// Asks until the task is dropped, or, for a purpose whose verdict is final, until it is said.
pub(super) async fn watch(
    purpose: Purpose,
    probe: Probe,
    target: Target,
    container_started: Instant,
    findings: mpsc::Sender<Finding>,
) {
    let ask = || ask::ask(&probe, &target);
    let timing = Timing::of(&probe);
    rounds(purpose, timing, ask, container_started, findings).await;
}

async fn rounds<A>(
    purpose: Purpose,
    timing: Timing,
    mut ask: impl FnMut() -> A,
    container_started: Instant,
    findings: mpsc::Sender<Finding>,
) where
    A: Future<Output = Result<(), Failure>>,
{
    sleep_until(container_started + timing.initial_delay).await;
    let mut ticks = interval_at(Instant::now(), timing.period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut counter = Counter::new(timing.thresholds);
    loop {
        ticks.tick().await;
        let answer = tokio::time::timeout(timing.timeout, ask()).await;
        let answer = answer.unwrap_or_else(|_elapsed| {
            let reason = format!("probe timed out after {:?}", timing.timeout);
            Err(Failure::Bad(reason))
        });
        let verdict = match &answer {
            Ok(()) => counter.count(true),
            Err(Failure::Bad(_)) => counter.count(false),
            Err(Failure::Unasked(_)) => None,
        };
        let unhealthy = answer.err().map(|why| Finding::Unhealthy(purpose, why));
        let verdict_said = verdict.map(|verdict| Finding::Verdict(purpose, verdict));
        for finding in unhealthy.into_iter().chain(verdict_said) {
            if findings.send(finding).await.is_err() {
                return;
            }
        }
        let is_final = match purpose {
            Purpose::Startup => verdict.is_some(),
            Purpose::Liveness => verdict == Some(false),
            Purpose::Readiness => false,
        };
        if is_final {
            return;
        }
    }
}

/// A probe's numbers, with Kubernetes' defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Timing {
    initial_delay: Duration,
    period: Duration,
    timeout: Duration,
    thresholds: Thresholds,
}

impl Timing {
    fn of(probe: &Probe) -> Self {
        let seconds = |value: Option<i32>, default: u64| {
            let value = value.and_then(|v| u64::try_from(v).ok()).filter(|v| *v > 0);
            Duration::from_secs(value.unwrap_or(default))
        };
        let times = |value: Option<i32>, default: u32| {
            let value = value.and_then(|v| u32::try_from(v).ok()).filter(|v| *v > 0);
            value.unwrap_or(default)
        };
        Timing {
            initial_delay: seconds(probe.initial_delay_seconds, 0),
            period: seconds(probe.period_seconds, 10),
            timeout: seconds(probe.timeout_seconds, 1),
            thresholds: Thresholds {
                success: times(probe.success_threshold, 1),
                failure: times(probe.failure_threshold, 3),
            },
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

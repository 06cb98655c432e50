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

pub(super) use ask::{Target, command, http_get};
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
    /// One answer was bad: worth an event.
    Unhealthy(Purpose, String),
    /// Enough answers in a row say so: it is healthy, or not.
    Verdict(Purpose, bool),
}

/// Asks until the task is dropped, or, for a purpose whose verdict is final, until it is said.
pub(super) async fn watch(
    purpose: Purpose,
    probe: Probe,
    target: Target,
    container_started: Instant,
    findings: mpsc::Sender<Finding>,
) {
    let timing = Timing::of(&probe);
    sleep_until(container_started + timing.initial_delay).await;
    let mut ticks = interval_at(Instant::now(), timing.period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut counter = Counter::new(timing.thresholds);
    loop {
        ticks.tick().await;
        let answer = tokio::time::timeout(timing.timeout, ask::ask(&probe, &target)).await;
        let answer = answer
            .unwrap_or_else(|_elapsed| Err(format!("probe timed out after {:?}", timing.timeout)));
        let verdict = counter.count(answer.is_ok());
        if let Err(reason) = answer {
            let told = findings.send(Finding::Unhealthy(purpose, reason)).await;
            if told.is_err() {
                return;
            }
        }
        let Some(verdict) = verdict else { continue };
        if findings
            .send(Finding::Verdict(purpose, verdict))
            .await
            .is_err()
        {
            return;
        }
        let is_final = match purpose {
            Purpose::Startup => true,
            Purpose::Liveness => !verdict,
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
mod tests {
    use super::*;
    use std::net::IpAddr;

    #[test]
    fn what_a_probe_leaves_out_has_kubernetes_defaults() {
        let timing = Timing::of(&Probe::default());
        assert_eq!(timing.initial_delay, Duration::ZERO);
        assert_eq!(timing.period, Duration::from_secs(10));
        assert_eq!(timing.timeout, Duration::from_secs(1));
        assert_eq!(
            (timing.thresholds.success, timing.thresholds.failure),
            (1, 3)
        );
    }

    #[tokio::test]
    async fn a_port_that_refuses_is_unhealthy_and_then_dead() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("bound").port();
        drop(free);
        let probe = serde_json::json!({
            "tcpSocket": { "port": port }, "periodSeconds": 1, "failureThreshold": 1,
        });
        let probe: Probe = serde_json::from_value(probe).expect("a probe");
        let target = Target::for_tests(IpAddr::from([127, 0, 0, 1]));
        let (findings, mut found) = mpsc::channel(4);
        watch(Purpose::Liveness, probe, target, Instant::now(), findings).await;
        assert!(matches!(
            found.recv().await,
            Some(Finding::Unhealthy(Purpose::Liveness, _))
        ));
        assert!(matches!(
            found.recv().await,
            Some(Finding::Verdict(Purpose::Liveness, false))
        ));
    }
}

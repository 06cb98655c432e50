//! Stands beside a program that runs: asks its probes, and ends it when it must end.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, Probe};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::context::Context;
use super::listening;
use super::probe::{self, Finding, Purpose, Target};
use super::process::Process;
use super::terminate::{self, Deadline};
use crate::events::Severity;

/// Findings that wait; a probe that is ahead waits too.
const FINDINGS: usize = 16;

/// One program while it runs.
pub(super) struct Supervision<'a> {
    context: &'a Context,
    container: &'a Container,
    target: Target,
    started_at: Instant,
    findings: mpsc::Sender<Finding>,
    /// Ended with this.
    probes: JoinSet<()>,
}

/// Answers the exit code when the program has ended, by itself or not.
pub(super) async fn supervise(
    context: &Context,
    container: &Container,
    process: &mut Process,
    target: Target,
) -> i32 {
    let (findings, mut found) = mpsc::channel(FINDINGS);
    let mut supervision = Supervision {
        context,
        container,
        target,
        started_at: Instant::now(),
        findings,
        probes: JoinSet::new(),
    };
    supervision.begin();
    let deadline = loop {
        tokio::select! {
            code = process.wait() => return code,
            () = stopped(&context.stop) => break supervision.ended_with_pod(),
            Some(finding) = found.recv() => if let Some(purpose) = supervision.take(finding) {
                break supervision.killed_by(purpose);
            },
        }
    };
    let target = supervision.target.clone();
    let ending = end(context, container, process, &target, deadline);
    tokio::pin!(ending);
    loop {
        tokio::select! {
            code = &mut ending => return code,
            // Traffic may go on for a while: readiness still counts, and nothing else.
            Some(finding) = found.recv() => if finding.purpose() == Purpose::Readiness {
                supervision.take(finding);
            },
        }
    }
}

/// Ends a program that did not get as far as its probes; answers its exit code.
pub(super) async fn end_early(
    context: &Context,
    container: &Container,
    process: &mut Process,
    target: &Target,
) -> i32 {
    let grace = Duration::from_secs(u64::try_from(context.grace_seconds()).unwrap_or_default());
    let deadline = Deadline::at(Instant::now() + grace, context.stop.clone());
    end(context, container, process, target, deadline).await
}

async fn end(
    context: &Context,
    container: &Container,
    process: &mut Process,
    target: &Target,
    deadline: Deadline,
) -> i32 {
    let complain = || {
        let kind = (Severity::Warning, "FailedPreStopHook");
        context.tell(Some(&container.name), kind, "PreStopHook failed");
    };
    terminate::end(container, process, target, deadline, complain).await
}

/// Answers when the pod has to stop.
pub(super) async fn stopped(stop: &watch::Receiver<Option<Instant>>) {
    let mut stop = stop.clone();
    // A closed channel means that the pod's worker is gone.
    drop(stop.wait_for(Option::is_some).await);
}

impl Supervision<'_> {
    fn begin(&mut self) {
        match self.container.startup_probe.clone() {
            Some(probe) => self.watch(Purpose::Startup, probe),
            None => self.has_started(),
        }
    }

    fn has_started(&mut self) {
        self.context
            .record
            .update_container(&self.container.name, |c| c.started = true);
        if let Some(probe) = self.container.liveness_probe.clone() {
            self.watch(Purpose::Liveness, probe);
        }
        match self.container.readiness_probe.clone() {
            Some(probe) => self.watch(Purpose::Readiness, probe),
            None => self.wait_for_ports(),
        }
    }

    fn watch(&mut self, purpose: Purpose, probe: Probe) {
        let (target, findings) = (self.target.clone(), self.findings.clone());
        self.probes.spawn(probe::watch(
            purpose,
            probe,
            target,
            self.started_at,
            findings,
        ));
    }

    fn wait_for_ports(&mut self) {
        let (target, findings) = (self.target.clone(), self.findings.clone());
        self.probes.spawn(async move {
            listening::wait(target.pid, &target.ports).await;
            // Nobody listens any more when the program has ended.
            drop(
                findings
                    .send(Finding::Verdict(Purpose::Readiness, true))
                    .await,
            );
        });
    }

    /// Notes a finding; answers the probe for which the program has to be killed.
    fn take(&mut self, finding: Finding) -> Option<Purpose> {
        let name = &self.container.name;
        match finding {
            Finding::Unhealthy(purpose, why) => {
                let message = format!("{} probe {why}", purpose.word());
                self.context
                    .tell(Some(name), (Severity::Warning, "Unhealthy"), message);
                None
            }
            Finding::Verdict(Purpose::Readiness, is_ready) => {
                self.context
                    .record
                    .update_container(name, |c| c.ready = is_ready);
                None
            }
            Finding::Verdict(Purpose::Startup, true) => {
                self.has_started();
                None
            }
            Finding::Verdict(Purpose::Liveness, true) => None,
            Finding::Verdict(purpose, false) => Some(purpose),
        }
    }

    /// A program that ends with its pod has the pod's own grace.
    fn ended_with_pod(&self) -> Deadline {
        let name = &self.container.name;
        let message = format!("Stopping container {name}");
        self.context
            .tell(Some(name), (Severity::Normal, "Killing"), message);
        Deadline::of_pod(self.context.stop.clone())
    }

    /// A program that is killed for a probe has the probe's own grace, or the pod's.
    fn killed_by(&self, purpose: Purpose) -> Deadline {
        let probe = match purpose {
            Purpose::Startup => self.container.startup_probe.as_ref(),
            Purpose::Liveness | Purpose::Readiness => self.container.liveness_probe.as_ref(),
        };
        let own = probe.and_then(|probe| probe.termination_grace_period_seconds);
        let seconds = own.unwrap_or_else(|| self.context.grace_seconds());
        let grace = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
        let word = purpose.word().to_lowercase();
        let name = &self.container.name;
        let message = format!("Container {name} failed {word} probe, will be restarted");
        self.context
            .tell(Some(name), (Severity::Normal, "Killing"), message);
        Deadline::at(Instant::now() + grace, self.context.stop.clone())
    }
}

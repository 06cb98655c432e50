//! The end of a container: its hook, SIGTERM, and SIGKILL when the grace is over.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, LifecycleHandler};
use rustix::process::Signal;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::probe::{self, Failure, Target};
use super::process::Process;

/// What a program has after SIGTERM, even if its hook has used all of the grace.
const GRACE_MIN: Duration = Duration::from_secs(2);

/// When a program has to be gone: a moment of its own, or the pod's, which may come nearer.
#[derive(Debug, Clone)]
pub(super) struct Deadline {
    own: Option<Instant>,
    pod: watch::Receiver<Option<Instant>>,
}

impl Deadline {
    /// The pod's end.
    pub(super) fn of_pod(pod: watch::Receiver<Option<Instant>>) -> Self {
        Deadline { own: None, pod }
    }

    /// `at`, or the pod's end if that comes first.
    pub(super) fn at(at: Instant, pod: watch::Receiver<Option<Instant>>) -> Self {
        Deadline { own: Some(at), pod }
    }

    /// Answers when it is over, and not before `earliest`.
    async fn over(&mut self, earliest: Instant) {
        loop {
            let pod = *self.pod.borrow_and_update();
            let at = match (self.own, pod) {
                (Some(own), Some(pod)) => Some(own.min(pod)),
                (own, pod) => own.or(pod),
            };
            let Some(at) = at else {
                if self.pod.changed().await.is_err() {
                    return;
                }
                continue;
            };
            tokio::select! {
                () = sleep_until(at.max(earliest)) => return,
                // A closed channel means that the pod's worker is gone: nothing to wait for.
                seen = self.pod.changed() => if seen.is_err() { return },
            }
        }
    }
}

/// Ends a program; answers its exit code. `complain` is called when its hook failed: why is not for
/// an event, which more people may read than the hook's output.
pub(super) async fn end(
    container: &Container,
    process: &mut Process,
    target: &Target,
    mut deadline: Deadline,
    complain: impl FnOnce(),
) -> i32 {
    let lifecycle = container.lifecycle.as_ref();
    if let Some(hook) = lifecycle.and_then(|lifecycle| lifecycle.pre_stop.as_ref()) {
        tokio::select! {
            code = process.wait() => return code,
            done = run_hook(hook, target) => if let Err(why) = done {
                tracing::info!(container = container.name, why = %why, "its preStop hook");
                complain();
            },
            () = deadline.over(Instant::now()) => {}
        }
    }
    let named = lifecycle.and_then(|lifecycle| lifecycle.stop_signal.as_deref());
    process.signal(signal(named));
    tokio::select! {
        code = process.wait() => return code,
        () = deadline.over(Instant::now() + GRACE_MIN) => {}
    }
    process.signal(Signal::KILL);
    process.wait().await
}

/// Runs a hook to its end. A page is asked for; what its status says does not matter.
pub(super) async fn run_hook(hook: &LifecycleHandler, target: &Target) -> Result<(), Failure> {
    if let Some(exec) = &hook.exec {
        return probe::command(exec, target).await;
    }
    if let Some(get) = &hook.http_get {
        return probe::page(get, target).await.map(drop);
    }
    if let Some(pause) = &hook.sleep {
        let seconds = u64::try_from(pause.seconds).unwrap_or_default();
        sleep(Duration::from_secs(seconds)).await;
    }
    Ok(())
}

fn signal(name: Option<&str>) -> Signal {
    match name {
        Some("SIGHUP") => Signal::HUP,
        Some("SIGINT") => Signal::INT,
        Some("SIGKILL") => Signal::KILL,
        Some("SIGQUIT") => Signal::QUIT,
        Some("SIGUSR1") => Signal::USR1,
        Some("SIGUSR2") => Signal::USR2,
        _ => Signal::TERM,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_deadline_follows_the_pods_when_it_comes_nearer() {
        let start = Instant::now();
        let (pod, seen) = watch::channel(None);
        let mut deadline = Deadline::at(start + Duration::from_secs(30), seen);
        let over = deadline.over(start);
        let nearer = async {
            sleep(Duration::from_secs(1)).await;
            pod.send_replace(Some(start + Duration::from_secs(5)));
            std::future::pending::<()>().await;
        };
        tokio::select! { () = over => {}, () = nearer => {} }
        assert_eq!(start.elapsed(), Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn a_program_has_a_moment_after_its_signal_in_any_case() {
        let start = Instant::now();
        let (_pod, seen) = watch::channel(Some(start));
        Deadline::of_pod(seen).over(start + GRACE_MIN).await;
        assert_eq!(start.elapsed(), GRACE_MIN);
    }
}

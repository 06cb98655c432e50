//! One pod, from the moment it is bound to the Node until its object is gone.
//!
//! ```text
//! volumes ─► sandbox ─► init containers ─► containers ──┬─► all ended ─► Succeeded or Failed
//!                                                       │
//!      deletion, deadline, the kubelet's own end ───────┴─► hooks, SIGTERM, SIGKILL
//!                                                             └─► last status, then the object
//! ```

mod container; // the life of one container
mod context; // what the tasks of a pod share
mod downward; // what a pod may learn of itself
mod env; // a container's environment
mod expand; // $(NAME)
mod files; // /etc/hosts and the like
mod last_words; // what a container says of its end
mod life; // from volumes to the last exit
mod listening; // whether declared ports are open
mod probe; // startup, liveness, readiness
mod process; // launchers and programs
mod quantity; // amounts of resources
mod record; // what is known of the pod
mod report; // how the API server gets to know it
mod restart; // whether and when again
mod sandbox; // namespaces, network, files
mod security; // users, groups, capabilities
mod spec; // what a launcher is asked for
mod status; // the status, computed
mod supervise; // beside a program that runs
mod terminate; // how a container ends
mod token; // service-account tokens
mod volumes; // what is mounted

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, Preconditions};
use kube::{Api, ResourceExt};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

pub(crate) use downward::Facts;

use self::life::Life;
use self::record::PodRecord;
use self::report::Report;
use crate::kubelet::Kubelet;
use crate::logs::Owner;

/// A pod as the API server showed it last.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) pod: Arc<Pod>,
    /// The object does not exist any more.
    pub(crate) is_gone: bool,
}

/// How long the last status of a pod is tried to be written.
const LAST_STATUS_MAX: Duration = Duration::from_secs(5);
/// Between two tries to delete an object.
const RETRY: Duration = Duration::from_millis(500);

/// Runs a pod to the end of its object, or of the kubelet.
pub(crate) async fn run(
    kubelet: Arc<Kubelet>,
    mut seen: watch::Receiver<Seen>,
    mut shutdown: watch::Receiver<Option<Instant>>,
) {
    let pod = seen.borrow().pod.clone();
    if !is_over(&pod) && pod.metadata.deletion_timestamp.is_none() {
        live(&kubelet, &pod, &mut seen, &mut shutdown).await;
    }
    let is_ending = |seen: &Seen| seen.is_gone || seen.pod.metadata.deletion_timestamp.is_some();
    tokio::select! {
        // A closed channel: the kubelet ends, and the object stays.
        ending = seen.wait_for(is_ending) => if ending.is_err() { return },
        () = asked(&mut shutdown) => return,
    }
    if !seen.borrow().is_gone {
        tokio::select! {
            () = delete(&kubelet, &pod) => {}
            () = asked(&mut shutdown) => return,
        }
    }
    kubelet.logs.forget(&Owner::of(&pod, ""));
}

/// Whether a pod has a container of this name, of whatever kind.
pub(crate) fn has_container(pod: &Pod, name: &str) -> bool {
    let mut containers = pod.spec.iter().flat_map(downward::all_containers);
    containers.any(|container| container.name == name)
}

fn is_over(pod: &Pod) -> bool {
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

async fn asked(shutdown: &mut watch::Receiver<Option<Instant>>) {
    // A closed channel means that the kubelet is gone.
    drop(shutdown.wait_for(Option::is_some).await);
}

/// From the first status to the last.
async fn live(
    kubelet: &Arc<Kubelet>,
    pod: &Arc<Pod>,
    seen: &mut watch::Receiver<Seen>,
    shutdown: &mut watch::Receiver<Option<Instant>>,
) {
    let record = Arc::new(PodRecord::new(pod));
    let (stop, stopping) = watch::channel(None);
    let (newest, pods) = watch::channel(pod.clone());
    let mut report = Report::new(kubelet.client.clone(), pod, kubelet.args.node_ip.clone());
    let life = Life {
        kubelet: kubelet.clone(),
        pods: pods.clone(),
        record: record.clone(),
        stop: stopping,
    };
    let listen = Listen {
        record: &record,
        newest: &newest,
        stop: &stop,
    };
    tokio::select! {
        () = life.live() => {}
        () = report.run(&record, pods) => {}
        () = listen.run(seen, shutdown) => {}
    }
    if !seen.borrow().is_gone && shutdown.borrow().is_none() {
        let pod = newest.borrow().clone();
        report.finish(&record, &pod, LAST_STATUS_MAX).await;
    }
}

/// Passes on what happens to the pod from outside.
struct Listen<'a> {
    record: &'a PodRecord,
    newest: &'a watch::Sender<Arc<Pod>>,
    stop: &'a watch::Sender<Option<Instant>>,
}

impl Listen<'_> {
    /// Does not end: who waits for it waits for something else first.
    async fn run(
        &self,
        seen: &mut watch::Receiver<Seen>,
        shutdown: &mut watch::Receiver<Option<Instant>>,
    ) {
        let first = Instant::now();
        loop {
            let now = seen.borrow_and_update().clone();
            self.newest.send_replace(now.pod.clone());
            if let Some(grace) = grace(&now) {
                self.stop_at(Instant::now() + grace);
            }
            let deadline = self.deadline(&now.pod, first);
            tokio::select! {
                changed = seen.changed() => if changed.is_err() {
                    return std::future::pending().await;
                },
                () = asked(shutdown), if shutdown.borrow().is_none() => {
                    let at = shutdown.borrow().unwrap_or_else(Instant::now);
                    self.stop_at(at);
                }
                () = sleep_until(deadline.unwrap_or(first)), if deadline.is_some() => {
                    self.fail_for_deadline(&now.pod);
                }
            }
        }
    }

    /// The pod ends at `at`, or earlier if that was said before.
    fn stop_at(&self, at: Instant) {
        self.stop.send_if_modified(|stop| {
            let is_nearer = stop.is_none_or(|before| at < before);
            if is_nearer {
                *stop = Some(at);
            }
            is_nearer
        });
    }

    /// When the pod has been active for too long; `None` if that does not matter (any more).
    fn deadline(&self, pod: &Pod, first: Instant) -> Option<Instant> {
        let seconds = pod.spec.as_ref()?.active_deadline_seconds?;
        let limit = Duration::from_secs(u64::try_from(seconds).ok()?);
        self.stop.borrow().is_none().then(|| first + limit)
    }

    fn fail_for_deadline(&self, pod: &Pod) {
        let message = "Pod was active on the node longer than the specified deadline".to_owned();
        self.record
            .update(|snapshot| snapshot.failure = Some(("DeadlineExceeded", message)));
        let grace = u64::try_from(context::grace_seconds(pod)).unwrap_or_default();
        self.stop_at(Instant::now() + Duration::from_secs(grace));
    }
}

/// What is left to a pod that has to end; `None` if it may stay.
fn grace(seen: &Seen) -> Option<Duration> {
    let metadata = &seen.pod.metadata;
    let own = context::grace_seconds(&seen.pod);
    let seconds = match (&metadata.deletion_timestamp, seen.is_gone) {
        (Some(_), _) => metadata.deletion_grace_period_seconds.unwrap_or(own),
        (None, true) => own,
        (None, false) => return None,
    };
    Some(Duration::from_secs(
        u64::try_from(seconds).unwrap_or_default(),
    ))
}

/// Deletes the object of a pod of which nothing runs any more.
async fn delete(kubelet: &Kubelet, pod: &Pod) {
    let api: Api<Pod> =
        Api::namespaced(kubelet.client.clone(), &pod.namespace().unwrap_or_default());
    let params = DeleteParams {
        grace_period_seconds: Some(0),
        preconditions: Some(Preconditions {
            uid: pod.uid(),
            ..Preconditions::default()
        }),
        ..DeleteParams::default()
    };
    let name = pod.name_any();
    loop {
        match api.delete(&name, &params).await {
            Ok(_) => return,
            Err(kube::Error::Api(why)) if why.is_not_found() || why.is_conflict() => return,
            Err(error) => {
                tracing::warn!(pod = name, error = %error, "its object was not deleted");
                sleep(RETRY).await;
            }
        }
    }
}

//! What happens in a pod, in order: volumes, sandbox, init containers, containers, the end.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, Pod};
use kube::ResourceExt;
use nix::mount::{MntFlags, umount2};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::container::{self, End};
use super::context::{Context, Surroundings};
use super::record::{PodRecord, Role, State, role};
use super::sandbox::Sandbox;
use super::supervise::stopped;
use super::volumes::Volumes;
use crate::events::Severity;
use crate::kubelet::Kubelet;

/// Between two tries to make what a pod needs.
const RETRY: Duration = Duration::from_millis(500);
/// How often an attempt that fails is told as an event.
const TELL_EVERY: u32 = 20;

/// A pod that is to run.
pub(super) struct Life {
    pub(super) kubelet: Arc<Kubelet>,
    pub(super) pods: watch::Receiver<Arc<Pod>>,
    pub(super) record: Arc<PodRecord>,
    pub(super) stop: watch::Receiver<Option<Instant>>,
}

impl Life {
    /// Answers when nothing of the pod is left on the node but its logs.
    pub(super) async fn live(&self) {
        let pod = self.pods.borrow().clone();
        let folder = self.kubelet.folders.pod(&pod.uid().unwrap_or_default());
        let made = tokio::select! {
            made = self.make(&pod, &folder) => Some(made),
            () = stopped(&self.stop) => None,
        };
        if let Some((mut volumes, sandbox)) = made {
            let context = self.context(&volumes, &sandbox, &folder);
            tokio::select! {
                () = run_all(&context) => {}
                () = self.keep_fresh(&mut volumes) => {}
            }
            sandbox.remove().await;
        }
        self.record.update(|snapshot| snapshot.has_sandbox = false);
        mark_unstarted(&self.record);
        remove_folder(&folder);
    }

    async fn make(&self, pod: &Arc<Pod>, folder: &Path) -> (Volumes, Sandbox) {
        let mut volumes = Volumes::new(
            self.kubelet.client.clone(),
            self.kubelet.facts(pod.clone(), Vec::new()),
            folder.join("volumes"),
        );
        let mut tries = 0;
        while let Err(failure) = volumes.set_up().await {
            self.failed(pod, "FailedMount", failure.to_string(), &mut tries)
                .await;
        }
        let mut tries = 0;
        let sandbox = loop {
            match Sandbox::create(&self.kubelet, pod, folder).await {
                Ok(sandbox) => break sandbox,
                Err(error) => {
                    let text = format!("Failed to create pod sandbox: {error:#}");
                    self.failed(pod, "FailedCreatePodSandBox", text, &mut tries)
                        .await;
                }
            }
        };
        let ips = sandbox.ips(&self.kubelet);
        volumes.has_addresses(ips.clone());
        // Fields of the pod that were not known before: its addresses.
        if let Err(failure) = volumes.refresh(pod).await {
            tracing::warn!(pod = pod.name_any(), error = %failure, "a volume was not refreshed");
        }
        self.record.update(|snapshot| {
            snapshot.pod_ips = ips;
            snapshot.has_sandbox = true;
        });
        (volumes, sandbox)
    }

    async fn failed(&self, pod: &Pod, reason: &'static str, text: String, tries: &mut u32) {
        if tries.is_multiple_of(TELL_EVERY) {
            self.kubelet
                .events
                .tell(pod, None, (Severity::Warning, reason), text);
        }
        *tries += 1;
        sleep(RETRY).await;
    }

    fn context(&self, volumes: &Volumes, sandbox: &Sandbox, folder: &Path) -> Context {
        Context {
            kubelet: self.kubelet.clone(),
            pods: self.pods.clone(),
            record: self.record.clone(),
            stop: self.stop.clone(),
            surroundings: Arc::new(Surroundings {
                sandbox_pid: sandbox.pid(),
                ips: sandbox.ips(&self.kubelet),
                etc: sandbox.etc.clone(),
                folder: folder.to_owned(),
                volumes: volumes.sources(),
            }),
        }
    }

    /// Looks at what the volumes show again and again; does not end.
    async fn keep_fresh(&self, volumes: &mut Volumes) {
        let mut looks = interval(self.kubelet.args.volume_refresh);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        looks.tick().await;
        loop {
            looks.tick().await;
            let pod = self.pods.borrow().clone();
            if let Err(failure) = volumes.refresh(&pod).await {
                // The files stay as they are, as with the real kubelet.
                tracing::debug!(pod = pod.name_any(), error = %failure, "a volume is stale");
            }
        }
    }
}

/// Runs all containers in their order, until all are over.
async fn run_all(context: &Context) {
    let spec = context.pod().spec.clone().unwrap_or_default();
    let mut sidecars = JoinSet::new();
    let (end_sidecars, sidecar_stop) = watch::channel(None);
    let beside = Context {
        stop: sidecar_stop,
        ..context.clone()
    };
    let main = async {
        for init in spec.init_containers.iter().flatten() {
            if role(init, &spec) == Role::Sidecar {
                let (beside, init) = (beside.clone(), init.clone());
                let name = init.name.clone();
                sidecars.spawn(async move { container::run(&beside, &init).await });
                if !wait_until_started(context, &name).await {
                    return;
                }
            } else if container::run(context, init).await != End::Succeeded {
                return;
            }
        }
        begin_mains(context);
        run_side_by_side(context, &spec.containers).await;
    };
    main.await;
    // What runs beside the others ends after them, within what is left of the pod's grace.
    let grace = Duration::from_secs(u64::try_from(context.grace_seconds()).unwrap_or_default());
    let end = context
        .stop
        .borrow()
        .unwrap_or_else(|| Instant::now() + grace);
    end_sidecars.send_replace(Some(end));
    sidecars.join_all().await;
}

async fn run_side_by_side(context: &Context, containers: &[Container]) {
    let mut running = JoinSet::new();
    for container in containers {
        let (context, container) = (context.clone(), container.clone());
        running.spawn(async move { container::run(&context, &container).await });
    }
    running.join_all().await;
}

/// Answers whether it has; `false` if the pod stops first.
async fn wait_until_started(context: &Context, name: &str) -> bool {
    let mut looks = interval(Duration::from_millis(20));
    loop {
        tokio::select! {
            () = stopped(&context.stop) => return false,
            _ = looks.tick() => {}
        }
        let snapshot = context.record.snapshot();
        if snapshot
            .containers
            .iter()
            .any(|c| c.name == name && c.started)
        {
            return true;
        }
    }
}

/// Says of the main containers that it is their turn now.
fn begin_mains(context: &Context) {
    context.record.update(|snapshot| {
        for container in snapshot
            .containers
            .iter_mut()
            .filter(|c| c.role == Role::Main)
        {
            container.state = State::Waiting {
                reason: "ContainerCreating",
                message: None,
            };
        }
    });
}

/// A pod that ends with containers that never ran has nothing more to say of them.
fn mark_unstarted(record: &PodRecord) {
    record.update(|snapshot| {
        for container in &mut snapshot.containers {
            container.ready = false;
            container.started = false;
        }
    });
}

/// Unmounts what was mounted for the pod, and removes its files.
fn remove_folder(folder: &Path) {
    let volumes = fs::read_dir(folder.join("volumes"));
    for volume in volumes.into_iter().flatten().flatten() {
        // Most volumes are no mounts; the folder's removal tells if one stayed.
        if umount2(&volume.path(), MntFlags::MNT_DETACH).is_ok() {
            tracing::debug!(volume = %volume.path().display(), "unmounted");
        }
    }
    if folder.exists()
        && let Err(error) = fs::remove_dir_all(folder)
    {
        tracing::warn!(folder = %folder.display(), error = %error, "a pod's folder stays");
    }
}

//! What is known of a running pod: written by the tasks of its containers, read by the one that
//! reports its status.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use k8s_openapi::api::core::v1::{Container, ContainerStatus, Pod, PodSpec};
use k8s_openapi::jiff::Timestamp;
use tokio::sync::Notify;

use super::downward::all_containers;

/// What a container is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Runs to its end before the next one starts.
    Init,
    /// An init container that is restarted always: runs beside the others.
    Sidecar,
    /// One of `containers`.
    Main,
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Terminated {
    pub(crate) exit_code: i32,
    pub(crate) reason: &'static str,
    pub(crate) message: Option<String>,
    pub(crate) started_at: Timestamp,
    pub(crate) finished_at: Timestamp,
    pub(crate) container_id: Option<String>,
}

/// Where a container is in its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    Waiting {
        reason: &'static str,
        message: Option<String>,
    },
    Running {
        since: Timestamp,
    },
    Terminated(Terminated),
}

/// What is known of one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ContainerRecord {
    pub(crate) name: String,
    pub(crate) image: String,
    pub(crate) role: Role,
    pub(crate) state: State,
    /// How it ended the time before.
    pub(crate) last: Option<Terminated>,
    pub(crate) restarts: i32,
    /// Its startup probe has succeeded, or it has none and runs.
    pub(crate) started: bool,
    /// Its readiness probe succeeds, or it has none and is started.
    pub(crate) ready: bool,
    pub(crate) id: Option<String>,
}

/// All of it at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub(crate) containers: Vec<ContainerRecord>,
    pub(crate) pod_ips: Vec<IpAddr>,
    /// The pod's namespaces and network are there.
    pub(crate) has_sandbox: bool,
    /// Why the pod failed as a whole, if it did: reason and message.
    pub(crate) failure: Option<(&'static str, String)>,
}

/// What is known of one pod.
#[derive(Debug)]
pub(crate) struct PodRecord {
    snapshot: Mutex<Snapshot>,
    changed: Notify,
}

impl PodRecord {
    /// A pod of which nothing runs yet. Counts of restarts go on from what the API server knows.
    pub(crate) fn new(pod: &Pod) -> Self {
        let spec = pod.spec.clone().unwrap_or_default();
        let before = |name: &str| {
            let status = pod.status.as_ref()?;
            let statuses = status.init_container_statuses.iter().flatten();
            let mut statuses = statuses.chain(status.container_statuses.iter().flatten());
            statuses.find(|status| status.name == name)
        };
        let containers = all_containers(&spec)
            .map(|container| record(container, &spec, before(&container.name)))
            .collect();
        PodRecord {
            snapshot: Mutex::new(Snapshot {
                containers,
                ..Snapshot::default()
            }),
            changed: Notify::new(),
        }
    }

    /// What is known now.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.lock().clone()
    }

    /// Changes what is known of the pod.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Snapshot)) {
        change(&mut self.lock());
        self.changed.notify_one();
    }

    /// Changes what is known of a container.
    pub(crate) fn update_container(&self, name: &str, change: impl FnOnce(&mut ContainerRecord)) {
        self.update(|snapshot| {
            let found = snapshot.containers.iter_mut().find(|c| c.name == name);
            if let Some(container) = found {
                change(container);
            }
        });
    }

    /// Answers after the next change, or at once if there was one since the last answer.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Snapshot> {
        // Plain data: a panic of another task leaves nothing half done in it.
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a container of `spec` is for.
pub(crate) fn role(container: &Container, spec: &PodSpec) -> Role {
    let is_init = spec
        .init_containers
        .iter()
        .flatten()
        .any(|c| c.name == container.name);
    match (is_init, container.restart_policy.as_deref()) {
        (true, Some("Always")) => Role::Sidecar,
        (true, _) => Role::Init,
        (false, _) => Role::Main,
    }
}

fn record(
    container: &Container,
    spec: &PodSpec,
    before: Option<&ContainerStatus>,
) -> ContainerRecord {
    let waits_for_others = spec
        .init_containers
        .as_ref()
        .is_some_and(|list| !list.is_empty());
    let reason = if waits_for_others {
        "PodInitializing"
    } else {
        "ContainerCreating"
    };
    ContainerRecord {
        name: container.name.clone(),
        image: container.image.clone().unwrap_or_default(),
        role: role(container, spec),
        state: State::Waiting {
            reason,
            message: None,
        },
        last: None,
        // It ran under a kubelet before this one: that was another time.
        restarts: before.map_or(0, |status| {
            status.restart_count + i32::from(status.container_id.is_some())
        }),
        started: false,
        ready: false,
        id: None,
    }
}

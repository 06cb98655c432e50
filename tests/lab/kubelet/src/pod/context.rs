//! What the tasks of one pod share.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use tokio::sync::watch;
use tokio::time::Instant;

use super::downward::Facts;
use super::record::PodRecord;
use crate::events::Severity;
use crate::kubelet::Kubelet;

/// What a container needs of its pod.
#[derive(Clone)]
pub(super) struct Context {
    pub(super) kubelet: Arc<Kubelet>,
    /// The newest version of the object.
    pub(super) pods: watch::Receiver<Arc<Pod>>,
    pub(super) record: Arc<PodRecord>,
    /// When the pod has to be gone, once that is known.
    pub(super) stop: watch::Receiver<Option<Instant>>,
    pub(super) surroundings: Arc<Surroundings>,
}

/// What was made for the pod before its containers.
pub(super) struct Surroundings {
    pub(super) sandbox_pid: u32,
    pub(super) ips: Vec<IpAddr>,
    /// Its files for `/etc`.
    pub(super) etc: PathBuf,
    /// Its own folder.
    pub(super) folder: PathBuf,
    pub(super) volumes: BTreeMap<String, PathBuf>,
}

impl Surroundings {
    /// The address at which the pod is asked.
    pub(super) fn ip(&self) -> IpAddr {
        self.ips
            .first()
            .copied()
            .unwrap_or(IpAddr::from([127, 0, 0, 1]))
    }
}

/// Kubernetes' own default for `terminationGracePeriodSeconds`.
const GRACE_SECONDS: i64 = 30;

impl Context {
    /// The object as it was last seen.
    pub(super) fn pod(&self) -> Arc<Pod> {
        self.pods.borrow().clone()
    }

    /// What is known of the pod.
    pub(super) fn facts(&self) -> Facts {
        self.kubelet
            .facts(self.pod(), self.surroundings.ips.clone())
    }

    /// Tells of the pod, or of one of its containers.
    pub(super) fn tell(
        &self,
        container: Option<&str>,
        kind: (Severity, &'static str),
        message: impl Into<String>,
    ) {
        self.kubelet
            .events
            .tell(&self.pod(), container, kind, message);
    }

    /// What the pod's programs have to end by themselves.
    pub(super) fn grace_seconds(&self) -> i64 {
        grace_seconds(&self.pod())
    }
}

/// What a pod's programs have to end by themselves.
pub(super) fn grace_seconds(pod: &Pod) -> i64 {
    let spec = pod.spec.as_ref();
    spec.and_then(|spec| spec.termination_grace_period_seconds)
        .unwrap_or(GRACE_SECONDS)
}

//! What all parts of a kubelet share.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Client, ResourceExt};

use crate::args::Args;
use crate::events::Events;
use crate::folders::Folders;
use crate::images::{self, Images};
use crate::logs::Logs;
use crate::machine::Machine;
use crate::network::Addresses;
use crate::pod::Facts;

/// One kubelet.
pub(crate) struct Kubelet {
    pub(crate) args: Args,
    pub(crate) client: Client,
    pub(crate) machine: Machine,
    pub(crate) folders: Folders,
    pub(crate) events: Events,
    pub(crate) logs: Logs,
    addresses: Mutex<Addresses>,
    node_uid: OnceLock<String>,
    /// The newest pod of each namespace and name: whose logs are meant.
    pods: Mutex<HashMap<(String, String), Arc<Pod>>>,
}

impl Kubelet {
    pub(crate) fn new(args: Args, client: Client, events: Events) -> Self {
        let folders = Folders::new(&args.root);
        Kubelet {
            machine: Machine::read(),
            logs: Logs::new(folders.logs()),
            addresses: Mutex::new(Addresses::new(args.pod_cidr.clone())),
            node_uid: OnceLock::new(),
            pods: Mutex::new(HashMap::new()),
            args,
            client,
            folders,
            events,
        }
    }

    /// The image table as it is now: it may be edited while the kubelet runs.
    pub(crate) fn images(&self) -> Result<Images, images::Error> {
        match &self.args.images {
            Some(path) => Images::load(path),
            None => Ok(Images::default()),
        }
    }

    /// The addresses of pods.
    pub(crate) fn addresses(&self) -> MutexGuard<'_, Addresses> {
        // Plain data: a panic elsewhere leaves nothing half done in it.
        self.addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// A pod and what this node knows of it.
    pub(crate) fn facts(&self, pod: Arc<Pod>, pod_ips: Vec<IpAddr>) -> Facts {
        Facts {
            pod,
            machine: self.machine.clone(),
            host_ips: self.args.node_ip.clone(),
            pod_ips,
            api_server: (self.args.api_server_address, self.args.api_server_port),
        }
    }

    /// Notes the UID of the Node, once.
    pub(crate) fn is_registered(&self, uid: String) {
        drop(self.node_uid.set(uid));
    }

    /// What the Node's Lease says whom it belongs to.
    pub(crate) fn node_owner_reference(&self) -> Option<OwnerReference> {
        Some(OwnerReference {
            api_version: "v1".to_owned(),
            kind: "Node".to_owned(),
            name: self.args.node_name.clone(),
            uid: self.node_uid.get()?.clone(),
            ..OwnerReference::default()
        })
    }

    /// Notes a pod that was seen.
    pub(crate) fn note(&self, pod: Arc<Pod>) {
        self.lock_pods().insert(key(&pod), pod);
    }

    /// Forgets a pod that is gone, unless its name belongs to another one already.
    pub(crate) fn forget(&self, pod: &Pod) {
        let mut pods = self.lock_pods();
        let key = key(pod);
        if pods.get(&key).is_some_and(|noted| noted.uid() == pod.uid()) {
            pods.remove(&key);
        }
    }

    /// The pod of a name.
    pub(crate) fn pod(&self, namespace: &str, name: &str) -> Option<Arc<Pod>> {
        let key = (namespace.to_owned(), name.to_owned());
        self.lock_pods().get(&key).cloned()
    }

    fn lock_pods(&self) -> MutexGuard<'_, HashMap<(String, String), Arc<Pod>>> {
        self.pods.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(pod: &Pod) -> (String, String) {
    (pod.namespace().unwrap_or_default(), pod.name_any())
}

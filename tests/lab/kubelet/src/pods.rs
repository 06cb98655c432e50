//! The pods that are bound to the Node: watched, and each given to a worker of its own.

use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, ResourceExt};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::kubelet::Kubelet;
use crate::pod::{self, Seen};

/// A pod's worker. It stays noted when it is done, until the object is gone, so that the object's
/// last changes do not start the pod again.
struct Worker {
    seen: watch::Sender<Seen>,
    task: JoinHandle<()>,
}

/// All workers of a Node, by their pod's UID.
pub(crate) struct Workers {
    kubelet: Arc<Kubelet>,
    shutdown: watch::Receiver<Option<Instant>>,
    workers: HashMap<String, Worker>,
    /// While a list is read: what has been in it.
    listed: Option<HashSet<String>>,
}

impl Workers {
    pub(crate) fn new(kubelet: Arc<Kubelet>, shutdown: watch::Receiver<Option<Instant>>) -> Self {
        Workers {
            kubelet,
            shutdown,
            workers: HashMap::new(),
            listed: None,
        }
    }

    /// Watches until the future is dropped.
    pub(crate) async fn watch(&mut self) {
        let api: Api<Pod> = Api::all(self.kubelet.client.clone());
        let selector = format!("spec.nodeName={}", self.kubelet.args.node_name);
        let config = watcher::Config::default().fields(&selector);
        let mut events = pin!(watcher(api, config).default_backoff());
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => self.take(event),
                Err(error) => tracing::warn!(error = %error, "pods are not watched for a while"),
            }
        }
    }

    /// Waits until all workers are done, for `limit` at most; answers how many are not.
    pub(crate) async fn finish(self, limit: Duration) -> usize {
        let end = Instant::now() + limit;
        let mut left = 0;
        for worker in self.workers.into_values() {
            let done = tokio::time::timeout_at(end, worker.task).await;
            left += usize::from(done.is_err());
        }
        left
    }

    fn take(&mut self, event: Event<Pod>) {
        match event {
            Event::Init => self.listed = Some(HashSet::new()),
            Event::InitApply(pod) => {
                if let Some(listed) = &mut self.listed {
                    listed.insert(pod.uid().unwrap_or_default());
                }
                self.seen(pod);
            }
            Event::InitDone => {
                let listed = self.listed.take().unwrap_or_default();
                let gone = self.workers.keys().filter(|uid| !listed.contains(*uid));
                for uid in gone.cloned().collect::<Vec<_>>() {
                    self.gone(&uid);
                }
            }
            Event::Apply(pod) => self.seen(pod),
            Event::Delete(pod) => {
                let uid = pod.uid().unwrap_or_default();
                self.gone(&uid);
            }
        }
    }

    fn seen(&mut self, pod: Pod) {
        let uid = pod.uid().unwrap_or_default();
        let pod = Arc::new(pod);
        self.kubelet.note(pod.clone());
        let seen = Seen {
            pod,
            is_gone: false,
        };
        if let Some(worker) = self.workers.get(&uid) {
            worker.seen.send_replace(seen);
            return;
        }
        let (sender, receiver) = watch::channel(seen);
        let run = pod::run(self.kubelet.clone(), receiver, self.shutdown.clone());
        let worker = Worker {
            seen: sender,
            task: tokio::spawn(run),
        };
        self.workers.insert(uid, worker);
    }

    fn gone(&mut self, uid: &str) {
        if let Some(worker) = self.workers.get(uid) {
            worker.seen.send_modify(|seen| seen.is_gone = true);
            self.kubelet.forget(&worker.seen.borrow().pod);
        }
        self.workers
            .retain(|_, worker| !worker.task.is_finished() || !worker.seen.borrow().is_gone);
    }
}

//! Events: what `kubectl describe` tells of a pod. The same thing again raises a count.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference, Pod};
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;
use tokio::sync::mpsc;

use crate::clock;

/// Events that wait to be written; more are dropped and counted.
const QUEUE: usize = 512;
/// Events whose counts are remembered.
const REMEMBERED_MAX: usize = 1024;

/// Whether somebody should worry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    Normal,
    Warning,
}

/// Something that happened to a pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Happening {
    namespace: String,
    pod: String,
    uid: String,
    /// The container's place in the pod's specification, if it is about one.
    field_path: Option<String>,
    severity: Severity,
    reason: &'static str,
    message: String,
}

/// Where events are handed in. Never waits.
#[derive(Debug)]
pub(crate) struct Events {
    queue: mpsc::Sender<Happening>,
    dropped: AtomicU64,
}

impl Events {
    /// The way in, and the task that writes.
    pub(crate) fn new(client: Client, node: String) -> (Self, impl Future<Output = ()>) {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let events = Events {
            queue,
            dropped: AtomicU64::new(0),
        };
        (events, write(client, node, waiting))
    }

    /// Tells of a pod, or of one of its containers.
    pub(crate) fn tell(
        &self,
        pod: &Pod,
        container: Option<&str>,
        (severity, reason): (Severity, &'static str),
        message: impl Into<String>,
    ) {
        let happening = Happening {
            namespace: pod.namespace().unwrap_or_default(),
            pod: pod.name_any(),
            uid: pod.uid().unwrap_or_default(),
            field_path: container.map(|name| field_path(pod, name)),
            severity,
            reason,
            message: message.into(),
        };
        if self.queue.try_send(happening).is_err() {
            let dropped = self.dropped.fetch_add(1, Ordering::Relaxed) + 1;
            tracing::warn!(dropped, "an event was dropped: the API server is behind");
        }
    }
}

fn field_path(pod: &Pod, container: &str) -> String {
    let is_init = pod
        .spec
        .iter()
        .flat_map(|spec| spec.init_containers.iter().flatten());
    let list = match is_init.into_iter().any(|init| init.name == container) {
        true => "initContainers",
        false => "containers",
    };
    format!("spec.{list}{{{container}}}")
}

/// What is remembered of an event that was written.
struct Written {
    name: String,
    count: i32,
}

async fn write(client: Client, node: String, mut waiting: mpsc::Receiver<Happening>) {
    let mut written: BTreeMap<Happening, Written> = BTreeMap::new();
    while let Some(happening) = waiting.recv().await {
        let api: Api<Event> = Api::namespaced(client.clone(), &happening.namespace);
        if let Err(error) = write_one(&api, &node, &mut written, happening).await {
            // A namespace that ends takes no events any more.
            tracing::debug!(error = %error, "an event was not written");
        }
    }
}

async fn write_one(
    api: &Api<Event>,
    node: &str,
    written: &mut BTreeMap<Happening, Written>,
    happening: Happening,
) -> kube::Result<()> {
    if let Some(before) = written.get_mut(&happening) {
        before.count += 1;
        let patch = json!({ "count": before.count, "lastTimestamp": clock::time() });
        let patch = Patch::Merge(&patch);
        let patched = api
            .patch(&before.name, &PatchParams::default(), &patch)
            .await;
        return patched.map(drop);
    }
    let event = event(node, &happening);
    let name = event.name_any();
    api.create(&PostParams::default(), &event).await?;
    if written.len() >= REMEMBERED_MAX {
        written.clear();
    }
    written.insert(happening, Written { name, count: 1 });
    Ok(())
}

fn event(node: &str, happening: &Happening) -> Event {
    let component = "kubelet".to_owned();
    Event {
        metadata: ObjectMeta {
            name: Some(format!("{}.{:016x}", happening.pod, fastrand::u64(..))),
            namespace: Some(happening.namespace.clone()),
            ..ObjectMeta::default()
        },
        involved_object: ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            namespace: Some(happening.namespace.clone()),
            name: Some(happening.pod.clone()),
            uid: Some(happening.uid.clone()),
            field_path: happening.field_path.clone(),
            ..ObjectReference::default()
        },
        type_: Some(format!("{:?}", happening.severity)),
        reason: Some(happening.reason.to_owned()),
        message: Some(happening.message.clone()),
        count: Some(1),
        first_timestamp: Some(clock::time()),
        last_timestamp: Some(clock::time()),
        source: Some(EventSource {
            component: Some(component.clone()),
            host: Some(node.to_owned()),
        }),
        reporting_component: Some(component),
        reporting_instance: Some(node.to_owned()),
        ..Event::default()
    }
}

//! Writes a pod's status whenever it says something new, until the API server has it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, PodStatus};
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::sleep;

use super::record::PodRecord;
use super::status;
use crate::clock;

/// Between two tries to write a status while the API server does not take it.
const RETRY: Duration = Duration::from_millis(500);

/// The way of a pod's status to the API server.
pub(crate) struct Report {
    api: Api<Pod>,
    host_ips: Vec<IpAddr>,
    written: PodStatus,
}

/// What became of a write.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Written,
    /// The pod is gone, or another one has its name.
    Gone,
    Failed,
}

impl Report {
    /// For a pod of which `pod.status` is the last that the API server knows.
    pub(crate) fn new(client: Client, pod: &Pod, host_ips: Vec<IpAddr>) -> Self {
        let namespace = pod.namespace().unwrap_or_default();
        Report {
            api: Api::namespaced(client, &namespace),
            host_ips,
            written: pod.status.clone().unwrap_or_default(),
        }
    }

    /// Writes each change until the task is dropped.
    pub(crate) async fn run(&mut self, record: &PodRecord, mut pods: watch::Receiver<Arc<Pod>>) {
        loop {
            let pod = pods.borrow_and_update().clone();
            if self.write(record, &pod).await == Outcome::Failed {
                sleep(RETRY).await;
                continue;
            }
            tokio::select! {
                () = record.changed() => {}
                seen = pods.changed() => if seen.is_err() { return },
            }
        }
    }

    /// Writes the last word, within `limit`.
    pub(crate) async fn finish(&mut self, record: &PodRecord, pod: &Pod, limit: Duration) {
        let write = async {
            while self.write(record, pod).await == Outcome::Failed {
                sleep(RETRY).await;
            }
        };
        if tokio::time::timeout(limit, write).await.is_err() {
            tracing::warn!(pod = pod.name_any(), "its last status was not written");
        }
    }

    async fn write(&mut self, record: &PodRecord, pod: &Pod) -> Outcome {
        let snapshot = record.snapshot();
        let now = clock::time();
        let status = status::status(pod, &snapshot, &self.host_ips, &self.written, &now);
        if status == self.written {
            return Outcome::Written;
        }
        let patch = patch(pod, &status);
        let patch = Patch::Strategic(&patch);
        let name = pod.name_any();
        let params = PatchParams::default();
        match self.api.patch_status(&name, &params, &patch).await {
            Ok(_) => {
                self.written = status;
                Outcome::Written
            }
            Err(kube::Error::Api(why)) if why.is_not_found() || why.is_conflict() => Outcome::Gone,
            Err(error) => {
                tracing::warn!(pod = name, error = %error, "its status was not written");
                Outcome::Failed
            }
        }
    }
}

/// A strategic merge: conditions of others stay; what a condition no longer says is removed, and
/// addresses are replaced: a pod of a kubelet before this one had others.
fn patch(pod: &Pod, status: &PodStatus) -> Value {
    let mut status = serde_json::to_value(status).unwrap_or_default();
    let conditions = status.get_mut("conditions").and_then(Value::as_array_mut);
    for condition in conditions.into_iter().flatten() {
        if let Some(fields) = condition.as_object_mut() {
            for field in ["reason", "message"] {
                fields.entry(field).or_insert(Value::Null);
            }
        }
    }
    if let Some(fields) = status.as_object_mut() {
        fields.entry("podIP").or_insert(Value::Null);
        for field in ["podIPs", "hostIPs"] {
            match fields.entry(field).or_insert(Value::Null) {
                Value::Array(addresses) => addresses.push(json!({ "$patch": "replace" })),
                absent => *absent = Value::Null,
            }
        }
    }
    json!({ "metadata": { "uid": pod.metadata.uid }, "status": status })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_replaced_and_conditions_merged() {
        let status = json!({
            "podIP": "10.1.0.2",
            "podIPs": [{ "ip": "10.1.0.2" }],
            "conditions": [{ "type": "Ready", "status": "True" }],
        });
        let status: PodStatus = serde_json::from_value(status).expect("a status");
        let patch = patch(&Pod::default(), &status);
        let replaced = json!([{ "ip": "10.1.0.2" }, { "$patch": "replace" }]);
        assert_eq!(patch["status"]["podIPs"], replaced);
        assert_eq!(patch["status"]["conditions"][0]["reason"], Value::Null);
    }

    #[test]
    fn a_pod_without_addresses_loses_those_of_the_kubelet_before() {
        let patch = patch(&Pod::default(), &PodStatus::default());
        for field in ["podIP", "podIPs"] {
            let fields = patch["status"].as_object().expect("an object");
            assert_eq!(fields.get(field), Some(&Value::Null), "{field}");
        }
    }
}

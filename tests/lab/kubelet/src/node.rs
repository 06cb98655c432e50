//! The Node object: registered at the start, its status repeated as a heartbeat.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    DaemonEndpoint, Node, NodeAddress, NodeCondition, NodeDaemonEndpoints, NodeSpec, NodeStatus,
    NodeSystemInfo,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior};

use crate::args::Args;
use crate::clock;
use crate::kubelet::Kubelet;
use crate::machine::Machine;

/// Pods that a node takes.
const PODS_MAX: u32 = 110;
/// What `kubectl get nodes` shows: the release that this kubelet behaves like.
const VERSION: &str = "v1.36.3-rauta-lab";

/// Registers the Node, or takes the one that is there over; answers its UID.
pub(crate) async fn register(kubelet: &Kubelet) -> kube::Result<String> {
    let nodes: Api<Node> = Api::all(kubelet.client.clone());
    let wanted = node(&kubelet.args, &kubelet.machine, &clock::time());
    let name = &kubelet.args.node_name;
    let there = match nodes.create(&PostParams::default(), &wanted).await {
        Err(kube::Error::Api(status)) if status.is_already_exists() => {
            let labels = json!({ "metadata": { "labels": wanted.metadata.labels } });
            let patch = Patch::Strategic(&labels);
            nodes.patch(name, &PatchParams::default(), &patch).await?
        }
        other => other?,
    };
    report(kubelet, &nodes, true).await?;
    Ok(there.uid().unwrap_or_default())
}

/// Looks at the Node until the task is dropped, and repeats its status when it was not repeated for
/// a while, or when somebody gave the Node up meanwhile.
pub(crate) async fn beat(kubelet: &Kubelet) {
    let nodes: Api<Node> = Api::all(kubelet.client.clone());
    let look = kubelet.args.lease_duration / 4;
    let mut looks = tokio::time::interval(look);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut repeated = Instant::now();
    loop {
        looks.tick().await;
        let is_due = repeated.elapsed() >= kubelet.args.heartbeat;
        let limit = kubelet.args.heartbeat;
        match tokio::time::timeout(limit, report(kubelet, &nodes, is_due)).await {
            Ok(Ok(true)) => repeated = Instant::now(),
            Ok(Ok(false)) => {}
            Ok(Err(error)) => tracing::warn!(error = %error, "the Node's status was not written"),
            Err(_elapsed) => tracing::warn!("the Node's status was not written in time"),
        }
    }
}

/// Writes the status if it `is_due`, or says something else than the Node does; answers whether it
/// was written.
async fn report(kubelet: &Kubelet, nodes: &Api<Node>, is_due: bool) -> kube::Result<bool> {
    let name = &kubelet.args.node_name;
    let current = nodes.get(name).await?;
    let before = current
        .status
        .and_then(|s| s.conditions)
        .unwrap_or_default();
    let mut status = status(&kubelet.args, &kubelet.machine, &clock::time());
    let conditions = status.conditions.get_or_insert_default();
    if !is_due && says_the_same(conditions, &before) {
        return Ok(false);
    }
    keep_transitions(conditions, &before);
    let patch = Patch::Strategic(patch(&status));
    nodes
        .patch_status(name, &PatchParams::default(), &patch)
        .await?;
    Ok(true)
}

/// What merges into the status that is there: conditions of others stay. Addresses are merged by
/// their type, which two families share: they are replaced.
fn patch(status: &NodeStatus) -> Value {
    let mut patch = json!({ "status": status });
    if let Some(addresses) = patch["status"]["addresses"].as_array_mut() {
        addresses.push(json!({ "$patch": "replace" }));
    }
    patch
}

fn says_the_same(conditions: &[NodeCondition], before: &[NodeCondition]) -> bool {
    conditions.iter().all(|condition| {
        let same = |b: &NodeCondition| b.type_ == condition.type_ && b.status == condition.status;
        before.iter().any(same)
    })
}

/// A condition that says what it said before has not changed since then.
fn keep_transitions(conditions: &mut [NodeCondition], before: &[NodeCondition]) {
    for condition in conditions {
        let same = before
            .iter()
            .find(|b| b.type_ == condition.type_ && b.status == condition.status);
        if let Some(at) = same.and_then(|b| b.last_transition_time.clone()) {
            condition.last_transition_time = Some(at);
        }
    }
}

fn node(args: &Args, machine: &Machine, now: &Time) -> Node {
    let fixed = [
        ("kubernetes.io/hostname", args.node_name.as_str()),
        ("kubernetes.io/os", "linux"),
        ("kubernetes.io/arch", Machine::architecture()),
    ];
    let fixed = fixed.map(|(key, value)| (key.to_owned(), value.to_owned()));
    Node {
        metadata: ObjectMeta {
            name: Some(args.node_name.clone()),
            labels: Some(fixed.into_iter().chain(args.labels.clone()).collect()),
            ..ObjectMeta::default()
        },
        spec: Some(NodeSpec::default()),
        status: Some(status(args, machine, now)),
    }
}

fn status(args: &Args, machine: &Machine, now: &Time) -> NodeStatus {
    let resources = resources(machine);
    NodeStatus {
        addresses: Some(addresses(args)),
        allocatable: Some(resources.clone()),
        capacity: Some(resources),
        conditions: Some(conditions(now)),
        daemon_endpoints: Some(NodeDaemonEndpoints {
            kubelet_endpoint: Some(DaemonEndpoint {
                port: i32::from(args.port),
            }),
        }),
        node_info: Some(NodeSystemInfo {
            architecture: Machine::architecture().to_owned(),
            boot_id: machine.boot_id.clone(),
            container_runtime_version: format!("rauta-lab://{}", env!("CARGO_PKG_VERSION")),
            kernel_version: machine.kernel.clone(),
            kubelet_version: VERSION.to_owned(),
            machine_id: args.node_name.clone(),
            operating_system: "linux".to_owned(),
            os_image: machine.os_image.clone(),
            system_uuid: args.node_name.clone(),
            ..NodeSystemInfo::default()
        }),
        ..NodeStatus::default()
    }
}

fn addresses(args: &Args) -> Vec<NodeAddress> {
    let address = |type_: &str, address: String| NodeAddress {
        address,
        type_: type_.to_owned(),
    };
    let ips = args
        .node_ip
        .iter()
        .map(|ip| address("InternalIP", ip.to_string()));
    ips.chain([address("Hostname", args.node_name.clone())])
        .collect()
}

fn resources(machine: &Machine) -> BTreeMap<String, Quantity> {
    let quantities = [
        ("cpu", machine.cpus.to_string()),
        ("memory", format!("{}Ki", machine.memory_bytes / 1024)),
        ("ephemeral-storage", "20Gi".to_owned()),
        ("pods", PODS_MAX.to_string()),
    ];
    let quantities = quantities.map(|(name, amount)| (name.to_owned(), Quantity(amount)));
    quantities.into_iter().collect()
}

fn conditions(now: &Time) -> Vec<NodeCondition> {
    let condition = |type_: &str, status: &str, reason: &str, message: &str| NodeCondition {
        last_heartbeat_time: Some(now.clone()),
        last_transition_time: Some(now.clone()),
        message: Some(message.to_owned()),
        reason: Some(reason.to_owned()),
        status: status.to_owned(),
        type_: type_.to_owned(),
    };
    vec![
        condition(
            "MemoryPressure",
            "False",
            "KubeletHasSufficientMemory",
            "kubelet has sufficient memory available",
        ),
        condition(
            "DiskPressure",
            "False",
            "KubeletHasNoDiskPressure",
            "kubelet has no disk pressure",
        ),
        condition(
            "PIDPressure",
            "False",
            "KubeletHasSufficientPID",
            "kubelet has sufficient PID available",
        ),
        condition(
            "Ready",
            "True",
            "KubeletReady",
            "kubelet is posting ready status",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::jiff::Timestamp;

    fn at(second: i64) -> Time {
        Time(Timestamp::from_second(second).expect("in range"))
    }

    #[test]
    fn a_node_that_somebody_gave_up_is_reported_at_once() {
        let mut before = conditions(&at(100));
        assert!(says_the_same(&conditions(&at(200)), &before));
        before[3].status = "Unknown".to_owned();
        assert!(!says_the_same(&conditions(&at(200)), &before));
        assert!(!says_the_same(&conditions(&at(200)), &[]));
    }

    #[test]
    fn addresses_of_two_families_are_not_merged_into_one() {
        let address = |address: &str| NodeAddress {
            address: address.to_owned(),
            type_: "InternalIP".to_owned(),
        };
        let patch = patch(&NodeStatus {
            addresses: Some(vec![address("10.0.0.1"), address("fd00::1")]),
            ..NodeStatus::default()
        });
        assert_eq!(
            patch["status"]["addresses"],
            json!([
                { "address": "10.0.0.1", "type": "InternalIP" },
                { "address": "fd00::1", "type": "InternalIP" },
                { "$patch": "replace" },
            ])
        );
    }

    #[test]
    fn a_condition_keeps_its_transition_while_it_says_the_same() {
        let before = conditions(&at(100));
        let mut now = conditions(&at(200));
        now[3].status = "False".to_owned();
        keep_transitions(&mut now, &before);
        assert_eq!(now[0].last_transition_time, Some(at(100)));
        assert_eq!(now[0].last_heartbeat_time, Some(at(200)));
        assert_eq!(now[3].last_transition_time, Some(at(200)));
    }
}

//! The Node's heartbeat: its Lease in `kube-node-lease`, renewed four times per duration.

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::Api;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::json;
use tokio::time::MissedTickBehavior;

use crate::clock;
use crate::kubelet::Kubelet;

const NAMESPACE: &str = "kube-node-lease";

/// Renews the Lease until the task is dropped.
pub(crate) async fn renew(kubelet: &Kubelet) {
    let leases: Api<Lease> = Api::namespaced(kubelet.client.clone(), NAMESPACE);
    let mut ticks = tokio::time::interval(kubelet.args.lease_duration / 4);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let limit = kubelet.args.lease_duration / 2;
        match tokio::time::timeout(limit, renew_once(kubelet, &leases)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(error = %error, "the Lease was not renewed"),
            Err(_elapsed) => tracing::warn!("the Lease was not renewed in time"),
        }
    }
}

async fn renew_once(kubelet: &Kubelet, leases: &Api<Lease>) -> kube::Result<()> {
    let name = &kubelet.args.node_name;
    let seconds = i32::try_from(kubelet.args.lease_duration.as_secs()).unwrap_or(i32::MAX);
    let renewal = json!({ "spec": {
        "holderIdentity": name,
        "leaseDurationSeconds": seconds,
        "renewTime": clock::micro_time(),
    }});
    let patch = Patch::Merge(&renewal);
    match leases.patch(name, &PatchParams::default(), &patch).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => {}
        other => return other.map(drop),
    }
    let lease = Lease {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            owner_references: kubelet.node_owner_reference().map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        spec: Some(LeaseSpec {
            holder_identity: Some(name.clone()),
            lease_duration_seconds: Some(seconds),
            renew_time: Some(clock::micro_time()),
            ..LeaseSpec::default()
        }),
    };
    leases
        .create(&PostParams::default(), &lease)
        .await
        .map(drop)
}

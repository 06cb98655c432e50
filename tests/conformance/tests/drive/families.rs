//! A cluster of both families: pods have IPv4 and IPv6, and answer at both.

use crate::stage::{Stage, node, pod};
use crate::talk;
use anyhow::{Context, ensure};
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::{Api, ResourceExt};
use serde_json::json;
use std::collections::BTreeSet;
use std::net::IpAddr;

const NS: &str = "families";

pub(crate) async fn a_pod_has_an_address_of_each_family_and_answers_at_both(
    stage: &Stage,
) -> anyhow::Result<()> {
    stage.namespace(NS).await?;
    let nodes: Api<Node> = Api::all(stage.client.clone());
    let nodes = nodes.list(&Default::default()).await?.items;
    for (index, node) in nodes.iter().enumerate() {
        let field = |name: &str, path: &str| json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}});
        let web = json!({
            "name": "web",
            "image": stage.image,
            // What it says of itself in its answers.
            "env": [field("POD_NAME", "metadata.name"), field("SERVICE_NAME", "status.podIPs")],
            "ports": [{"containerPort": 3000}],
        });
        let mut web = pod(NS, &format!("web-{index}"), &[web]);
        web["metadata"]["labels"] = json!({"app": "web"});
        web["spec"]["nodeName"] = node.name_any().into();
        stage.apply(&web).await?;
    }
    let service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": NS},
        "spec": {
            "selector": {"app": "web"},
            "ports": [{"port": 80, "targetPort": 3000}],
            "ipFamilyPolicy": "RequireDualStack",
        },
    });
    stage.apply(&service).await?;
    let pods = stage.ready(NS, nodes.len(), 20).await?;
    for pod in &pods {
        let addresses = both(pod).with_context(|| pod.name_any())?;
        shown(stage, pod, &addresses).await?;
        let known = format!("{},{}", addresses[0], addresses[1]);
        for address in addresses {
            let told = talk::http(address, "/").await?;
            ensure!(told["pod"] == pod.name_any(), "{address} is {told}");
            ensure!(told["service"] == known, "its environment says {told}");
        }
    }
    let sixth: BTreeSet<IpAddr> = pods
        .iter()
        .filter_map(|pod| both(pod).ok()?.pop())
        .collect();
    endpoints(stage, &sixth).await?;
    asked_from_everywhere(stage, &pods, &sixth).await
}

/// A pod's addresses, IPv4 first, and its node's.
fn both(pod: &Pod) -> anyhow::Result<Vec<IpAddr>> {
    let status = pod.status.clone().unwrap_or_default();
    let pods = status.pod_ips.into_iter().flatten().map(|ip| ip.ip);
    let nodes = status.host_ips.into_iter().flatten().map(|ip| ip.ip);
    let parse = |ips: &mut dyn Iterator<Item = String>| -> Result<Vec<IpAddr>, _> {
        ips.map(|ip| ip.parse()).collect()
    };
    let (pods, nodes) = (parse(&mut { pods })?, parse(&mut { nodes })?);
    for ips in [&pods, &nodes] {
        ensure!(
            matches!(ips[..], [IpAddr::V4(_), IpAddr::V6(_)]),
            "its addresses are {pods:?}, its node's {nodes:?}"
        );
    }
    let first = status.pod_ip.unwrap_or_default();
    ensure!(first == pods[0].to_string(), "its first address is {first}");
    Ok(pods)
}

async fn shown(stage: &Stage, pod: &Pod, addresses: &[IpAddr]) -> anyhow::Result<()> {
    let name = pod.name_any();
    let described = stage
        .kubectl(&format!("-n {NS} describe pod {name}"))
        .await?;
    for address in addresses {
        let address = address.to_string();
        let mut lines = described.lines();
        ensure!(
            lines.any(|line| line.split_whitespace().eq(["IP:", &address])),
            "{address} is not in {described}"
        );
    }
    Ok(())
}

/// The Service's EndpointSlices have the pods' addresses of IPv6.
async fn endpoints(stage: &Stage, sixth: &BTreeSet<IpAddr>) -> anyhow::Result<()> {
    let complete = |slices: &[&EndpointSlice]| {
        let slices = slices.iter().filter(|slice| slice.address_type == "IPv6");
        let endpoints = slices.flat_map(|slice| slice.endpoints.iter());
        let addresses = endpoints.flat_map(|endpoint| endpoint.addresses.iter());
        let found: BTreeSet<IpAddr> = addresses.filter_map(|a| a.parse().ok()).collect();
        found == *sixth
    };
    let what = "the Service has endpoints of IPv6";
    stage
        .until(stage.all(NS), 20, what, complete)
        .await
        .map(drop)
}

/// Each node and a pod on each node reach each pod at its IPv6 address.
async fn asked_from_everywhere(
    stage: &Stage,
    pods: &[Pod],
    sixth: &BTreeSet<IpAddr>,
) -> anyhow::Result<()> {
    let asked: Vec<String> = sixth
        .iter()
        .map(|ip| format!("curl -sfg --max-time 5 -o /dev/null http://[{ip}]:3000/"))
        .collect();
    let ask = asked.join(" && ");
    for (index, there) in pods.iter().enumerate() {
        for host_network in [false, true] {
            let command = json!(["sh", "-c", ask]);
            let ask = json!({"name": "ask", "image": stage.image, "command": command});
            let mut asker = pod(NS, &format!("ask-{index}-{host_network}"), &[ask]);
            asker["spec"]["nodeName"] = node(there).into();
            asker["spec"]["hostNetwork"] = host_network.into();
            asker["spec"]["restartPolicy"] = "Never".into();
            stage.apply(&asker).await?;
        }
    }
    let phase = |pod: &Pod| pod.status.as_ref().and_then(|status| status.phase.clone());
    let over = |pods: &[&Pod]| {
        let mut askers = pods.iter().filter(|pod| pod.name_any().starts_with("ask"));
        askers.all(|pod| matches!(phase(pod).as_deref(), Some("Succeeded" | "Failed")))
    };
    let all = stage
        .until(stage.all(NS), 20, "everybody has asked", over)
        .await?;
    let failed = all
        .iter()
        .find(|pod| phase(pod).as_deref() == Some("Failed"));
    ensure!(
        failed.is_none(),
        "{} cannot reach {sixth:?}",
        failed.map(ResourceExt::name_any).unwrap_or_default()
    );
    Ok(())
}

//! What becomes of pods when a node is cordoned, drained, or lost.

use crate::stage::{Stage, condition, node};
use anyhow::{Context, ensure};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{Api, ResourceExt};
use rustix::process::{Pid, Signal, kill_process};

const NS: &str = "nodes";
/// The node that things happen to.
const LOST: &str = "node-2";

pub(crate) async fn a_drained_node_has_no_pods_until_it_is_uncordoned(
    stage: &Stage,
) -> anyhow::Result<()> {
    stage.namespace(NS).await?;
    stage.apply(&spread(stage)).await?;
    let pods = stage.ready(NS, 4, 30).await?;
    let there = on(&pods, LOST);
    ensure!(there > 0, "the pods are not spread over the nodes");

    stage.kubectl(&format!("cordon {LOST}")).await?;
    let shown = stage.kubectl(&format!("get node {LOST}")).await?;
    ensure!(
        shown.contains("Ready,SchedulingDisabled"),
        "kubectl shows {shown}"
    );
    stage
        .kubectl("-n nodes scale deployment web --replicas=6")
        .await?;
    let pods = stage.ready(NS, 6, 30).await?;
    ensure!(
        on(&pods, LOST) == there,
        "a cordoned node got a pod, or lost one"
    );

    stage
        .kubectl(&format!(
            "drain {LOST} --ignore-daemonsets --force --timeout=60s"
        ))
        .await?;
    let pods = stage.ready(NS, 6, 30).await?;
    ensure!(on(&pods, LOST) == 0, "a drained node has pods");

    stage.kubectl(&format!("uncordon {LOST}")).await?;
    stage
        .kubectl("-n nodes rollout restart deployment web")
        .await?;
    stage
        .kubectl("-n nodes rollout status deployment web --timeout=60s")
        .await?;
    let pods = stage.ready(NS, 6, 40).await?;
    ensure!(on(&pods, LOST) > 0, "an uncordoned node gets no pods");
    Ok(())
}

pub(crate) async fn a_node_that_stops_renewing_loses_its_pods_and_comes_back(
    stage: &Stage,
) -> anyhow::Result<()> {
    let kubelet = Stopped::stop(kubelet(stage)?)?;
    let nodes: Api<Node> = Api::all(stage.client.clone());
    let is = |status: &'static str| {
        move |nodes: &[&Node]| {
            let lost = nodes.iter().find(|node| node.name_any() == LOST);
            lost.is_some_and(|node| ready(node) == Some(status))
        }
    };
    stage
        .until(nodes.clone(), 30, "the node is Unknown", is("Unknown"))
        .await?;
    let moved = |pods: &[&Pod]| {
        let elsewhere = pods.iter().filter(|pod| node(pod) != LOST);
        elsewhere
            .filter(|pod| condition(pod, "Ready") == Some("True"))
            .count()
            == 6
            && pods.iter().filter(|pod| node(pod) == LOST).all(|pod| {
                // Nobody is there to say that they ended.
                pod.metadata.deletion_timestamp.is_some() && condition(pod, "Ready") != Some("True")
            })
    };
    let pods = stage
        .until(stage.all(NS), 60, "its pods are elsewhere", moved)
        .await?;
    ensure!(
        on(&pods, LOST) > 0,
        "pods ended although their kubelet does not answer"
    );
    let shown = stage.kubectl(&format!("describe node {LOST}")).await?;
    ensure!(
        shown.contains("node.kubernetes.io/unreachable:NoExecute"),
        "it shows {shown}"
    );

    drop(kubelet);
    stage
        .until(nodes, 30, "the node is Ready again", is("True"))
        .await?;
    let pods = stage.ready(NS, 6, 60).await?;
    ensure!(on(&pods, LOST) == 0, "its old pods are there still");
    Ok(())
}

/// A Deployment whose pods spread over the nodes.
fn spread(stage: &Stage) -> serde_json::Value {
    let mut echo = stage.echo("web", 4, &[]);
    echo["metadata"]["namespace"] = NS.into();
    echo["spec"]["template"]["spec"]["topologySpreadConstraints"] = serde_json::json!([{
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {"app": "web"}},
    }]);
    echo
}

/// How many pods are on a node.
fn on(pods: &[Pod], name: &str) -> usize {
    pods.iter().filter(|pod| node(pod) == name).count()
}

/// A node's Ready.
fn ready(node: &Node) -> Option<&str> {
    let conditions = node.status.as_ref()?.conditions.as_ref()?;
    let ready = conditions
        .iter()
        .find(|condition| condition.type_ == "Ready")?;
    Some(&ready.status)
}

/// The process of the node's kubelet.
fn kubelet(stage: &Stage) -> anyhow::Result<Pid> {
    let lab = stage.cluster.lab().context("this is no lab")?;
    let parts = rauta_lab::status(lab)?.parts;
    let mut kubelets = parts
        .iter()
        .filter(|(name, ..)| name.ends_with(&format!(" of {LOST}")));
    let (_, id, _) = kubelets
        .next()
        .with_context(|| format!("no kubelet in {parts:?}"))?;
    Pid::from_raw(*id).context("no process id")
}

/// A process that stands still until this is dropped.
struct Stopped(Pid);

impl Stopped {
    fn stop(process: Pid) -> anyhow::Result<Self> {
        kill_process(process, Signal::STOP)?;
        Ok(Self(process))
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        kill_process(self.0, Signal::CONT).ok();
    }
}

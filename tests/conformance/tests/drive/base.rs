//! The suite's base manifests: its 23 backend pods become Ready and answer.

use crate::stage::{Stage, ip, is_ready};
use crate::talk;
use anyhow::{Context, ensure};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt};
use serde_json::json;
use std::net::SocketAddr;
use tokio::time::Instant;

/// How long the pods may take, in seconds.
const LIMIT: u64 = 20;

const INFRA: &str = "gateway-conformance-infra";
const APP: &str = "gateway-conformance-app-backend";
const NAMESPACES: [&str; 3] = [INFRA, APP, "gateway-conformance-web-backend"];

/// The Secrets that the pods mount. The suite makes them after the manifests, and so does this.
const SECRETS: [(&str, &str); 3] = [
    (INFRA, "tls-checks-certificate"),
    (INFRA, "tls-passthrough-checks-certificate"),
    (APP, "tls-passthrough-checks-certificate"),
];

pub(crate) async fn the_base_manifests_become_ready_and_answer(
    stage: &Stage,
) -> anyhow::Result<()> {
    let manifests = std::fs::read_to_string(&stage.programs.base)?;
    let manifests = manifests.replace("{GATEWAY_CLASS_NAME}", "gateway-conformance");
    let count = replicas(&manifests);
    ensure!(count > 20, "the base manifests have {count} pods");
    let begun = Instant::now();
    stage.cluster.apply(&manifests).await?;
    for (namespace, name) in SECRETS {
        stage.apply(&secret(namespace, name)?).await?;
    }
    let in_base = |pod: &Pod| {
        let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
        NAMESPACES.contains(&namespace)
    };
    let all_ready = |pods: &[&Pod]| {
        let ready = pods
            .iter()
            .filter(|pod| in_base(pod) && is_ready(pod))
            .count();
        ready == count
    };
    let pods: Api<Pod> = Api::all(stage.client.clone());
    let pods = stage
        .until(pods, LIMIT, "all base pods are Ready", all_ready)
        .await?;
    let seconds = begun.elapsed().as_secs_f64();
    println!("{count} base pods Ready after {seconds:.1} s");
    ensure!(
        seconds <= f64::from(u32::try_from(LIMIT)?),
        "they took {seconds:.1} s"
    );
    for pod in pods.iter().filter(|pod| in_base(pod)) {
        answers(pod).await.with_context(|| pod.name_any())?;
    }
    stage
        .kubectl(&format!(
            "delete namespace --wait=false {}",
            NAMESPACES.join(" ")
        ))
        .await?;
    Ok(())
}

/// One request of the kind that a pod serves.
async fn answers(pod: &Pod) -> anyhow::Result<()> {
    let ip = ip(pod)?;
    // Its environment says what the one program of all of them is.
    let serves = |mode: &str| {
        let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
        let mut env = containers.flat_map(|container| container.env.iter().flatten());
        env.any(|variable| variable.name == mode)
    };
    if serves("TCP_ECHO_SERVER") {
        let line = talk::first_line(SocketAddr::new(ip, 3000)).await?;
        ensure!(line.contains("TCP Server"), "its first line is {line:?}");
        return Ok(());
    }
    if serves("GRPC_ECHO_SERVER") {
        return talk::speaks_http2(SocketAddr::new(ip, 3000)).await;
    }
    let told = match serves("UDP_ECHO_SERVER") {
        true => talk::udp(SocketAddr::new(ip, 8080)).await?,
        false => talk::http(ip, "/").await?,
    };
    ensure!(told["pod"] == pod.name_any(), "it says {told}");
    ensure!(
        told["namespace"] == pod.metadata.namespace.as_deref().unwrap_or_default(),
        "{told}"
    );
    Ok(())
}

/// How many pods the manifests ask for.
fn replicas(manifests: &str) -> usize {
    let deployments = manifests
        .lines()
        .filter(|line| *line == "kind: Deployment")
        .count();
    let counts = manifests
        .lines()
        .filter_map(|line| line.strip_prefix("  replicas: "));
    let counts: Vec<usize> = counts
        .filter_map(|count| count.trim().parse().ok())
        .collect();
    // One that says nothing has one.
    deployments - counts.len() + counts.iter().sum::<usize>()
}

/// A certificate of nobody's and its key.
pub(crate) fn secret(namespace: &str, name: &str) -> anyhow::Result<serde_json::Value> {
    let made = rcgen::generate_simple_self_signed(["abc.example.com".to_owned()])?;
    let encode = |text: String| BASE64_STANDARD.encode(text);
    Ok(json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {"name": name, "namespace": namespace},
        "data": {
            "tls.crt": encode(made.cert.pem()),
            "tls.key": encode(made.signing_key.serialize_pem()),
        },
    }))
}

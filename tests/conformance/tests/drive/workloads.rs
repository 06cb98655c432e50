//! What becomes of a Deployment: an update, its undoing, a pod that is never ready, one that dies.

use crate::stage::{Stage, condition, ip, is_ready};
use crate::talk;
use anyhow::{Context, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use serde_json::{Value, json};

/// Adds a readiness probe of a path of the echo server.
fn probe(mut deployment: Value, path: &str) -> Value {
    deployment["spec"]["template"]["spec"]["containers"][0]["readinessProbe"] = json!({
        "httpGet": {"path": path, "port": 3000},
        "periodSeconds": 1,
        "failureThreshold": 1,
    });
    deployment
}

fn in_namespace(mut object: Value, namespace: &str) -> Value {
    object["metadata"]["namespace"] = Value::from(namespace);
    object
}

pub(crate) async fn a_rolling_update_keeps_every_replica_available(
    stage: &Stage,
) -> anyhow::Result<()> {
    const NS: &str = "rolling";
    stage.namespace(NS).await?;
    let version = |service: &str| {
        let mut echo = probe(
            stage.echo("web", 3, &[("SERVICE_NAME", service)]),
            "/health",
        );
        echo["spec"]["strategy"] = json!({"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}});
        in_namespace(echo, NS)
    };
    stage.apply(&version("one")).await?;
    stage
        .kubectl("-n rolling rollout status deployment/web --timeout=30s")
        .await?;
    let before = stage.ready(NS, 3, 10).await?;
    serves(&before, "one").await?;

    stage.apply(&version("two")).await?;
    let (_, lowest) = tokio::try_join!(
        stage.kubectl("-n rolling rollout status deployment/web --timeout=60s"),
        lowest_available(stage, NS),
    )?;
    ensure!(
        lowest >= 3,
        "only {lowest} of 3 replicas were available on the way"
    );
    let after = stage.ready(NS, 3, 40).await?;
    serves(&after, "two").await?;
    for pod in &before {
        talk::silent((ip(pod)?, 3000).into(), 10).await?;
    }
    let history = stage
        .kubectl("-n rolling rollout history deployment/web")
        .await?;
    ensure!(history.contains("\n2 "), "the history is {history}");

    stage
        .kubectl("-n rolling rollout undo deployment/web")
        .await?;
    stage
        .kubectl("-n rolling rollout status deployment/web --timeout=60s")
        .await?;
    serves(&stage.ready(NS, 3, 40).await?, "one").await
}

/// The lowest number of available replicas until the update is through.
async fn lowest_available(stage: &Stage, namespace: &str) -> anyhow::Result<i32> {
    let lowest = std::cell::Cell::new(i32::MAX);
    let is_through = |deployments: &[&Deployment]| {
        let Some(status) = deployments.first().and_then(|d| d.status.as_ref()) else {
            return false;
        };
        lowest.set(
            lowest
                .get()
                .min(status.available_replicas.unwrap_or_default()),
        );
        status.observed_generation == deployments[0].metadata.generation
            && status.updated_replicas == Some(3)
            && status.replicas == Some(3)
    };
    stage
        .until(
            stage.all(namespace),
            60,
            "the update is through",
            is_through,
        )
        .await?;
    Ok(lowest.get())
}

/// Each pod answers for itself as a service of that name.
async fn serves(pods: &[Pod], service: &str) -> anyhow::Result<()> {
    for pod in pods {
        let told = talk::http(ip(pod)?, "/").await?;
        ensure!(told["service"] == service, "a pod of {service} says {told}");
    }
    Ok(())
}

pub(crate) async fn a_pod_that_is_not_ready_gets_no_traffic_and_is_not_restarted(
    stage: &Stage,
) -> anyhow::Result<()> {
    const NS: &str = "unready";
    stage.namespace(NS).await?;
    let service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": NS},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 3000}]},
    });
    stage.apply(&service).await?;
    let version = |path: &str| in_namespace(probe(stage.echo("web", 1, &[]), path), NS);
    stage.apply(&version("/status/503")).await?;
    let refuses = "-n unready rollout status deployment/web --timeout=4s";
    stage.kubectl_refuses(refuses, "timed out").await?;
    let runs = |pods: &[&Pod]| {
        let [pod] = pods else { return false };
        let running = container(pod).is_some_and(|container| container.started == Some(true));
        running && condition(pod, "Ready") == Some("False")
    };
    let pods = stage
        .until(stage.all(NS), 10, "the pod runs and is not Ready", runs)
        .await?;
    endpoints(stage, NS, &[false]).await?;
    let restarts = container(&pods[0]).map(|container| container.restart_count);
    ensure!(restarts == Some(0), "it was restarted: {restarts:?}");
    // It is there all the same.
    talk::http(ip(&pods[0])?, "/").await?;
    let events = stage
        .kubectl("-n unready get events --field-selector reason=Unhealthy")
        .await?;
    ensure!(
        events.contains("Readiness probe failed"),
        "the events are {events:?}"
    );

    stage.apply(&version("/health")).await?;
    stage
        .kubectl("-n unready rollout status deployment/web --timeout=30s")
        .await?;
    stage.ready(NS, 1, 40).await?;
    endpoints(stage, NS, &[true]).await
}

/// Waits until a namespace's endpoints are ready and not as listed.
async fn endpoints(stage: &Stage, namespace: &str, ready: &[bool]) -> anyhow::Result<()> {
    let are_so = |slices: &[&EndpointSlice]| {
        let endpoints = slices.iter().flat_map(|slice| slice.endpoints.iter());
        let found: Vec<bool> = endpoints
            .map(|endpoint| endpoint.conditions.as_ref().and_then(|c| c.ready) == Some(true))
            .collect();
        found == ready
    };
    let what = format!("its endpoints are ready: {ready:?}");
    stage
        .until(stage.all(namespace), 20, &what, are_so)
        .await
        .map(drop)
}

pub(crate) async fn a_container_that_dies_is_restarted_with_back_off(
    stage: &Stage,
) -> anyhow::Result<()> {
    const NS: &str = "crash";
    stage.namespace(NS).await?;
    // No port has this number: the server ends itself.
    let echo = stage.echo("web", 1, &[("HTTP_PORT", "99999")]);
    stage.apply(&in_namespace(echo, NS)).await?;
    let loops = |pods: &[&Pod]| {
        pods.first()
            .and_then(|pod| container(pod))
            .is_some_and(|container| {
                let waiting = container
                    .state
                    .as_ref()
                    .and_then(|state| state.waiting.as_ref());
                let reason = waiting.and_then(|waiting| waiting.reason.as_deref());
                container.restart_count >= 1 && reason == Some("CrashLoopBackOff")
            })
    };
    let pods = stage
        .until(stage.all(NS), 60, "it is in CrashLoopBackOff", loops)
        .await?;
    let pod = &pods[0];
    let container = container(pod).context("no container status")?;
    let last = container
        .last_state
        .as_ref()
        .and_then(|state| state.terminated.as_ref());
    let last = last.context("its last state does not say how it ended")?;
    ensure!(last.exit_code == 2, "it ended with {}", last.exit_code);
    ensure!(
        last.reason.as_deref() == Some("Error"),
        "for the reason {:?}",
        last.reason
    );
    ensure!(!is_ready(pod) && !container.ready, "it counts as ready");
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    ensure!(phase == Some("Running"), "its phase is {phase:?}");
    let said = stage
        .kubectl("-n crash logs deployment/web --previous")
        .await?;
    ensure!(
        said.contains("Failed to start listening"),
        "it said {said:?}"
    );
    let shown = stage.kubectl("-n crash get pods").await?;
    ensure!(shown.contains("CrashLoopBackOff"), "kubectl shows {shown}");
    stage
        .kubectl("delete namespace crash --wait --timeout=60s")
        .await
        .map(drop)
}

/// The status of a pod's only container.
fn container(pod: &Pod) -> Option<&ContainerStatus> {
    pod.status.as_ref()?.container_statuses.as_ref()?.first()
}

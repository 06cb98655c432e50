//! A container's runs, one behind the other: what their logs and events tell.

use crate::stage::{Stage, container, pod};
use anyhow::{Context, ensure};
use k8s_openapi::api::core::v1::Pod;
use serde_json::json;
use std::time::Duration;

const NS: &str = "runs";

/// The first run is killed for its liveness, the second ends by itself, the third stays.
const SCRIPT: &str = "\
    echo x >> /runs/all; run=$(wc -l < /runs/all); echo \"run $run\"; \
    trap 'echo \"end $run\"; exit 1' TERM; \
    if [ $run = 2 ]; then echo \"end $run\"; exit 1; fi; \
    if [ $run = 3 ]; then touch /tmp/alive; fi; \
    sleep infinity & wait";

pub(crate) async fn logs_and_events_tell_of_each_run(stage: &Stage) -> anyhow::Result<()> {
    stage.namespace(NS).await?;
    let container = json!({
        "name": "web",
        "image": stage.image,
        "command": ["sh", "-c", SCRIPT],
        "livenessProbe": {
            "exec": {"command": ["test", "-f", "/tmp/alive"]},
            "initialDelaySeconds": 5,
            "periodSeconds": 1,
            "failureThreshold": 1,
            "terminationGracePeriodSeconds": 5,
        },
        "volumeMounts": [{"name": "runs", "mountPath": "/runs"}],
    });
    let mut runs = pod(NS, "web", &[container]);
    runs["spec"]["volumes"] = json!([{"name": "runs", "emptyDir": {}}]);
    stage.apply(&runs).await?;
    let not_yet = "previous terminated container \"web\" in pod \"web\" not found";

    await_run(stage, 0).await?;
    stage
        .kubectl_refuses(&format!("-n {NS} logs web --previous"), not_yet)
        .await?;
    // It ends with the run that it follows.
    let follow = format!("-n {NS} logs -f web");
    let followed = stage.kubectl(&follow);
    let followed = tokio::time::timeout(Duration::from_secs(20), followed).await;
    let followed = followed.context("kubectl logs -f does not end with the container")??;
    ensure!(followed == "run 1\nend 1\n", "it told {followed:?}");

    await_run(stage, 2).await?;
    for (line, expected) in [("logs web", "run 3\n"), ("logs web -p", "run 2\nend 2\n")] {
        let told = stage.kubectl(&format!("-n {NS} {line}")).await?;
        ensure!(told == expected, "{line} told {told:?}");
    }
    described(stage).await?;
    // A volume of its own would keep its node from being drained.
    let delete = format!("-n {NS} delete pod web --wait --timeout=20s");
    stage.kubectl(&delete).await.map(drop)
}

/// Waits until the container runs after that many restarts.
async fn await_run(stage: &Stage, restarts: i32) -> anyhow::Result<()> {
    let runs = |pods: &[&Pod]| {
        let web = pods.first().and_then(|pod| container(pod, "web"));
        web.is_some_and(|web| {
            let state = web.state.as_ref();
            web.restart_count == restarts && state.is_some_and(|state| state.running.is_some())
        })
    };
    let what = format!("it runs after {restarts} restarts");
    stage.until(stage.all(NS), 20, &what, runs).await.map(drop)
}

/// The events that a person looks for.
async fn described(stage: &Stage) -> anyhow::Result<()> {
    let web = ("web", Some("web"));
    // The last of them: events are written behind what happens.
    let back_off = (
        "BackOff",
        "Back-off restarting failed container web in pod web_runs(",
    );
    stage.told(NS, web, back_off).await?;
    let described = stage.kubectl(&format!("-n {NS} describe pod web")).await?;
    let (_, events) = described.split_once("Events:").context("no events")?;
    for (reason, message) in [
        ("Scheduled", "Successfully assigned runs/web to node-"),
        ("Pulled", "already present on machine"),
        ("Created", "Container created"),
        ("Started", "Container started"),
        ("Unhealthy", "Liveness probe failed:"),
        (
            "Killing",
            "Container web failed liveness probe, will be restarted",
        ),
        ("BackOff", "Back-off restarting failed container web"),
    ] {
        let mut lines = events.lines();
        ensure!(
            lines.any(|line| line.contains(reason) && line.contains(message)),
            "{reason} {message:?} is not in {events}"
        );
    }
    Ok(())
}

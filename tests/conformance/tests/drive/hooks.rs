//! Hooks around a container's life: behind its start, and before its end.

use crate::stage::{Stage, container, pod};
use anyhow::{Context, ensure};
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};
use std::path::Path;
use tokio::time::Instant;

const NS: &str = "hooks";
/// What the pod's containers have to end, in seconds.
const GRACE: u32 = 4;

/// A container that writes into the file of its name what happens to it.
fn witness(stage: &Stage, name: &str, lifecycle: &Value) -> Value {
    let script =
        format!("trap 'echo signal >> /witness/{name}; exit 0' TERM; sleep infinity & wait");
    json!({
        "name": name,
        "image": stage.image,
        "command": ["sh", "-c", script],
        "lifecycle": lifecycle,
        "securityContext": {"runAsUser": 0},
        "volumeMounts": [{"name": "witness", "mountPath": "/witness"}],
    })
}

/// A hook that runs a line.
fn exec(line: &str) -> Value {
    json!({"exec": {"command": ["sh", "-c", line]}})
}

pub(crate) async fn hooks_run_beside_the_program_and_before_its_end(
    stage: &Stage,
) -> anyhow::Result<()> {
    stage.namespace(NS).await?;
    let folder = tempfile::tempdir()?;
    stage.apply(&hooked(stage, folder.path())).await?;
    let mut refused = witness(stage, "refused", &json!({"postStart": exec("exit 3")}));
    refused["volumeMounts"] = json!([]);
    let mut refused = pod(NS, "refused", &[refused]);
    refused["spec"]["restartPolicy"] = "Never".into();
    stage.apply(&refused).await?;

    let name = |pod: &Pod| pod.metadata.name.clone().unwrap_or_default();
    let there = |pods: &[&Pod]| {
        let ready = pods.iter().find(|pod| name(pod) == "hooked");
        let ended = pods.iter().find(|pod| name(pod) == "refused");
        let ended = ended.and_then(|pod| container(pod, "refused")?.state.clone());
        ready.is_some_and(|pod| crate::stage::is_ready(pod))
            && ended.is_some_and(|state| state.terminated.is_some())
    };
    let what = "one runs, the other has ended for its hook";
    stage.until(stage.all(NS), 20, what, there).await?;
    let of = ("refused", Some("refused"));
    let failed = ("FailedPostStartHook", "PostStartHook failed");
    stage.told(NS, of, failed).await?;

    let begun = Instant::now();
    stage
        .kubectl("-n hooks delete pod hooked --wait --timeout=30s")
        .await?;
    let seconds = begun.elapsed().as_secs();
    ensure!(
        (u64::from(GRACE)..12).contains(&seconds),
        "its end took {seconds} s"
    );
    let of = ("hooked", Some("fails"));
    stage
        .told(NS, of, ("FailedPreStopHook", "PreStopHook failed"))
        .await?;
    let of = ("hooked", Some("told"));
    stage
        .told(NS, of, ("Killing", "Stopping container told"))
        .await?;
    remembered(folder.path())
}

fn hooked(stage: &Stage, folder: &Path) -> Value {
    let told = json!({
        "postStart": exec("echo after >> /witness/told"),
        "preStop": exec("echo before >> /witness/told; sleep 1; echo done >> /witness/told"),
    });
    let nap = json!({"preStop": {"sleep": {"seconds": 1}}});
    // A hook that fails and one that is not done in time end as all others do.
    let fails = json!({"preStop": exec("echo before >> /witness/fails; exit 3")});
    let slow = json!({"preStop": exec("echo before >> /witness/slow; exec sleep 60")});
    let mut page = witness(
        stage,
        "page",
        &json!({"preStop": {"httpGet": {"port": "web", "path": "/last-words"}}}),
    );
    page["command"] = json!(["sh", "-c", "exec /echo-basic >> /witness/page 2>&1"]);
    page["ports"] = json!([{"name": "web", "containerPort": 3000}]);
    let containers = [
        witness(stage, "told", &told),
        witness(stage, "nap", &nap),
        witness(stage, "fails", &fails),
        witness(stage, "slow", &slow),
        page,
    ];
    let mut pod = pod(NS, "hooked", &containers);
    pod["spec"]["terminationGracePeriodSeconds"] = GRACE.into();
    pod["spec"]["volumes"] = json!([{
        "name": "witness",
        "hostPath": {"path": folder, "type": "Directory"},
    }]);
    pod
}

/// What the containers wrote, in order.
fn remembered(folder: &Path) -> anyhow::Result<()> {
    let written = |name: &str| {
        let text = std::fs::read_to_string(folder.join(name));
        text.with_context(|| format!("{name} has written nothing"))
    };
    for (name, expected) in [
        ("told", "after\nbefore\ndone\nsignal\n"),
        ("nap", "signal\n"),
        ("fails", "before\nsignal\n"),
        ("slow", "before\nsignal\n"),
    ] {
        let text = written(name)?;
        ensure!(text == expected, "{name} has written {text:?}");
    }
    let page = written("page")?;
    ensure!(page.contains("/last-words"), "nobody asked: {page}");
    Ok(())
}

//! Parts of the node's own file system in pods.

use crate::stage::{Stage, container, pod, shell};
use anyhow::ensure;
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};
use std::path::Path;

const NS: &str = "parts";

/// A pod with one part of the node at `/part`, which runs a line.
fn with_part(stage: &Stage, name: &str, (path, kind): (&Path, &str), line: &str) -> Value {
    let mut container = shell(stage, name, line);
    container["volumeMounts"] = json!([{"name": "part", "mountPath": "/part"}]);
    container["securityContext"] = json!({"runAsUser": 0});
    let mut pod = pod(NS, name, &[container]);
    pod["spec"]["volumes"] = json!([{"name": "part", "hostPath": {"path": path, "type": kind}}]);
    pod
}

pub(crate) async fn a_part_of_the_node_is_seen_if_it_is_what_the_pod_says(
    stage: &Stage,
) -> anyhow::Result<()> {
    stage.namespace(NS).await?;
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("folder"))?;
    std::fs::write(path("file"), "of the node\n")?;
    std::fs::write(path("wrong"), "")?;
    let write = "echo of the pod > /part/written";
    let pods = [
        ("folder", "folder", "Directory", write),
        ("made", "made/anew", "DirectoryOrCreate", write),
        ("unsaid", "unsaid", "", write),
        ("file", "file", "File", "cat /part"),
        ("wrong", "wrong", "Directory", write),
        ("wrong-file", "folder", "File", write),
    ];
    for (name, part, kind, line) in pods {
        let part = path(part);
        stage
            .apply(&with_part(stage, name, (&part, kind), line))
            .await?;
    }
    let runs = |pods: &[&Pod], name: &str| {
        let of = pods.iter().find_map(|pod| container(pod, name));
        of.is_some_and(|container| container.ready)
    };
    let good = ["folder", "made", "unsaid", "file"];
    let all = |pods: &[&Pod]| good.iter().all(|name| runs(pods, name));
    stage
        .until(stage.all(NS), 20, "who has its part runs", all)
        .await?;
    for (name, part, what) in [
        ("wrong", "wrong", "a directory"),
        ("wrong-file", "folder", "a file"),
    ] {
        let says = format!(
            "MountVolume.SetUp failed for volume \"part\" : hostPath type check failed: \
             {} is not {what}",
            path(part).display()
        );
        stage.told(NS, (name, None), ("FailedMount", &says)).await?;
        let reason = "jsonpath={.status.phase}{.status.containerStatuses[0].state.waiting.reason}";
        let reason = stage
            .kubectl(&format!("-n {NS} get pod {name} -o {reason}"))
            .await?;
        ensure!(reason == "PendingContainerCreating", "{name} is {reason}");
    }
    // It is tried again until it is right.
    std::fs::remove_file(path("wrong"))?;
    std::fs::create_dir(path("wrong"))?;
    let mended = |pods: &[&Pod]| runs(pods, "wrong");
    stage
        .until(stage.all(NS), 20, "who gets its part runs", mended)
        .await?;

    for part in ["folder", "made/anew", "unsaid", "wrong"] {
        let text = std::fs::read_to_string(path(part).join("written"))?;
        ensure!(text == "of the pod\n", "{part} holds {text:?}");
    }
    let said = stage.kubectl(&format!("-n {NS} logs file")).await?;
    ensure!(said == "of the node\n", "it read {said:?}");
    stage
        .kubectl(&format!("-n {NS} delete pods --all --wait --timeout=30s"))
        .await?;
    ensure!(
        path("file").is_file(),
        "a part of the node went with its pod"
    );
    Ok(())
}

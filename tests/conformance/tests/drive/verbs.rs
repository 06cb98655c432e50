//! What a person does with kubectl: look, follow a log, delete, throw a namespace away.

use crate::stage::{Stage, ip};
use crate::talk;
use anyhow::{Context, ensure};
use kube::ResourceExt;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

pub(crate) async fn kubectl_shows_follows_and_deletes(stage: &Stage) -> anyhow::Result<()> {
    const NS: &str = "verbs";
    stage.namespace(NS).await?;
    let mut echo = stage.echo("web", 2, &[]);
    echo["metadata"]["namespace"] = NS.into();
    stage.apply(&echo).await?;
    stage
        .kubectl("-n verbs wait deployment/web --for=condition=Available --timeout=30s")
        .await?;
    let pods = stage.ready(NS, 2, 20).await?;
    let (name, address) = (pods[0].name_any(), ip(&pods[0])?);

    let shown = stage.kubectl("-n verbs get pods -o wide").await?;
    let line = shown
        .lines()
        .find(|line| line.starts_with(&name))
        .context("no such pod")?;
    let words: Vec<&str> = line.split_whitespace().collect();
    ensure!(
        words[1..4] == ["1/1", "Running", "0"],
        "kubectl shows {line}"
    );
    ensure!(
        words.contains(&address.to_string().as_str()),
        "kubectl shows {line}"
    );

    let described = stage
        .kubectl(&format!("-n verbs describe pod {name}"))
        .await?;
    for words in [
        "Successfully assigned",
        "Started",
        "QoS Class:",
        "echo-basic",
    ] {
        ensure!(
            described.contains(words),
            "describe lacks {words:?}: {described}"
        );
    }
    let node = stage.kubectl("describe nodes").await?;
    ensure!(
        node.contains("KubeletReady") && node.contains(&name),
        "describe: {node}"
    );

    follows(stage, &name, address).await?;

    stage
        .kubectl(&format!("-n verbs delete pod {name} --wait --timeout=60s"))
        .await?;
    let get = format!("-n verbs get pod {name}");
    stage.kubectl_refuses(&get, "NotFound").await?;
    talk::silent((address, 3000).into(), 1).await?;
    // Its Deployment puts another in its place.
    let again = stage.ready(NS, 2, 30).await?;
    ensure!(
        again.iter().all(|pod| pod.name_any() != name),
        "{name} is back"
    );
    Ok(())
}

/// A log is told while it is written, from the moment that was asked for, and ends with its pod.
async fn follows(stage: &Stage, name: &str, address: std::net::IpAddr) -> anyhow::Result<()> {
    talk::http(address, "/said-before").await?;
    let all = stage.kubectl(&format!("-n verbs logs {name}")).await?;
    ensure!(all.contains("/said-before"), "the log is {all:?}");
    let mut follow = Command::new(stage.cluster.kubectl_program())
        .args(["-n", "verbs", "logs", "-f", "--tail=0", name])
        .env("KUBECONFIG", stage.cluster.kubeconfig())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut lines = BufReader::new(follow.stdout.take().context("no output")?).lines();
    // Asked again and again, because nothing tells when kubectl has begun to listen.
    let mut ask = tokio::time::interval(Duration::from_millis(200));
    let hears = async {
        loop {
            tokio::select! {
                _ = ask.tick() => drop(talk::http(address, "/said-now").await?),
                line = lines.next_line() => {
                    let line = line?.context("the log ended")?;
                    ensure!(!line.contains("/said-before"), "it told an old line: {line}");
                    if line.contains("/said-now") {
                        return Ok(());
                    }
                }
            }
        }
    };
    let heard = tokio::time::timeout(Duration::from_secs(20), hears).await;
    heard.context("kubectl logs -f tells nothing within 20 s")??;
    follow.kill().await?;
    Ok(())
}

pub(crate) async fn a_deleted_namespace_takes_everything_with_it(
    stage: &Stage,
) -> anyhow::Result<()> {
    const NS: &str = "fleeting";
    stage.namespace(NS).await?;
    let mut echo = stage.echo("web", 2, &[]);
    echo["metadata"]["namespace"] = NS.into();
    stage.apply(&echo).await?;
    stage
        .kubectl("-n fleeting create configmap some --from-literal=key=value")
        .await?;
    stage
        .kubectl("-n fleeting expose deployment web --port=80 --target-port=3000")
        .await?;
    let pods = stage.ready(NS, 2, 30).await?;
    stage
        .kubectl("delete namespace fleeting --wait --timeout=60s")
        .await?;
    stage
        .kubectl_refuses("get namespace fleeting", "NotFound")
        .await?;
    let kinds = "get pods,services,configmaps,deployments,replicasets,endpointslices";
    let left = stage
        .kubectl(&format!("-n fleeting {kinds} -o name"))
        .await?;
    ensure!(left.is_empty(), "left: {left}");
    for pod in &pods {
        talk::silent((ip(pod)?, 3000).into(), 1).await?;
    }
    Ok(())
}

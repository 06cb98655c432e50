//! In which order a lab's parts start, and what is awaited between them.

use super::parts::Start;
use super::report::Report;
use crate::control_plane::{self, ETCD, Launch};
use crate::record::Record;
use crate::wait::until;
use anyhow::{Context, ensure};
use k8s_openapi::api::core::v1::{Node, ServiceAccount};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, timeout};

/// Nothing here takes this long; only a failure, or a machine that is busy beyond use, does.
const LIMIT: Duration = Duration::from_secs(60);

/// One question to the API server.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// Starts everything in order, and gives back the way to the API server.
pub(crate) async fn bring_up(
    record: &Record,
    starts: Sender<Start>,
    report: &Report,
) -> anyhow::Result<Client> {
    let begun = Instant::now();
    let told = |what: &str| {
        let took = begun.elapsed().as_secs_f64();
        report.told(&format!("{what} ({took:.1} s)"));
    };
    let start = async |launch: Launch, node| {
        let start = Start { launch, node };
        starts.send(start).await.context("the supervisor is gone")
    };
    start(
        control_plane::etcd(record, &record.folder().join("etcd"))?,
        None,
    )
    .await?;
    until("etcd", LIMIT, async || Ok(TcpStream::connect(ETCD).await?)).await?;
    told("etcd listens");

    start(control_plane::api_server(record)?, None).await?;
    let client = client(record).await?;
    until("the API server", LIMIT, async || ready(&client).await).await?;
    told("the API server is ready");

    start(control_plane::controllers(record)?, None).await?;
    start(control_plane::scheduler(record)?, None).await?;
    for (index, node) in record.nodes().iter().enumerate() {
        if let Some(launch) = control_plane::kubelet(record, node) {
            start(launch, Some(index)).await?;
        }
    }
    // Without it no pod is admitted; it is the last thing that the controllers make.
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "default");
    until("the service account `default`", LIMIT, async || {
        Ok(accounts.get("default").await?)
    })
    .await?;
    told("the controllers are at work");

    if record.settings.kubelet.is_some() {
        let nodes: Api<Node> = Api::all(client.clone());
        for node in record.nodes() {
            let what = format!("{} (log: {})", node.name, record.log(&node.name).display());
            until(&what, LIMIT, async || {
                is_ready(&nodes.get(&node.name).await?)
            })
            .await?;
        }
        told("the nodes are ready");
    }
    Ok(client)
}

async fn client(record: &Record) -> anyhow::Result<Client> {
    let kubeconfig = Kubeconfig::read_from(record.kubeconfig())?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

async fn ready(client: &Client) -> anyhow::Result<()> {
    let question = http::Request::get("/readyz").body(Vec::new())?;
    let answer = timeout(ANSWER_LIMIT, client.request_text(question)).await??;
    ensure!(answer == "ok", "it says: {answer}");
    Ok(())
}

fn is_ready(node: &Node) -> anyhow::Result<()> {
    let status = node.status.as_ref();
    let conditions = status.and_then(|status| status.conditions.as_ref());
    let mut conditions = conditions.into_iter().flatten();
    let ready = conditions.find(|condition| condition.type_ == "Ready");
    let ready = ready.context("it has no condition Ready")?;
    ensure!(ready.status == "True", "Ready is {}", ready.status);
    Ok(())
}

//! What every scene stands on: the lab's API, kubectl, and the one way to wait.

use anyhow::{Context, ensure};
use futures_util::TryStreamExt;
use k8s_openapi::api::core::v1::{ContainerStatus, Event as Told, Pod};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, Resource, ResourceExt};
use rauta_conformance::cluster::Cluster;
use rauta_conformance::programs::Programs;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::IpAddr;
use std::time::Duration;

/// The image of the server of gRPC's health service.
pub(crate) const HEALTH: &str = "lab.example/health";

/// The lab as a scene sees it.
pub(crate) struct Stage {
    pub(crate) cluster: Cluster,
    pub(crate) client: Client,
    pub(crate) programs: Programs,
    /// The image of the suite's own backends.
    pub(crate) image: String,
}

impl Stage {
    pub(crate) async fn new(cluster: Cluster, programs: Programs) -> anyhow::Result<Self> {
        let (client, image) = (cluster.client().await?, programs.echo_image()?);
        // Which of the tags does not matter.
        let image = format!("{image}:lab");
        Ok(Self {
            cluster,
            client,
            programs,
            image,
        })
    }

    /// Runs kubectl with the words of a line.
    pub(crate) async fn kubectl(&self, line: &str) -> anyhow::Result<String> {
        self.cluster.kubectl(line.split_whitespace()).await
    }

    /// Runs kubectl, and demands that it fails with these words.
    pub(crate) async fn kubectl_refuses(&self, line: &str, words: &str) -> anyhow::Result<()> {
        match self.kubectl(line).await {
            Ok(said) => anyhow::bail!("kubectl {line} should have failed and said: {said}"),
            Err(error) => {
                let error = format!("{error:#}");
                ensure!(
                    error.contains(words),
                    "kubectl {line}: {error:?} lacks {words:?}"
                );
                Ok(())
            }
        }
    }

    pub(crate) async fn apply(&self, object: &Value) -> anyhow::Result<()> {
        self.cluster.apply(&object.to_string()).await.map(drop)
    }

    pub(crate) async fn namespace(&self, name: &str) -> anyhow::Result<()> {
        let metadata = json!({"name": name});
        self.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}))
            .await
    }

    pub(crate) fn all<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Watches objects until something holds for all of them together, at most `limit` seconds.
    pub(crate) async fn until<K>(
        &self,
        api: Api<K>,
        limit: u64,
        what: &str,
        holds: impl Fn(&[&K]) -> bool,
    ) -> anyhow::Result<Vec<K>>
    where
        K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
    {
        let mut seen = BTreeMap::new();
        let watching = watch(api, &mut seen, holds);
        match tokio::time::timeout(Duration::from_secs(limit), watching).await {
            Ok(done) => done?,
            Err(_) => anyhow::bail!("not within {limit} s: {what}; {}", shown(&seen)),
        }
        Ok(seen.into_values().collect())
    }

    /// Waits until a namespace has that many pods, all of them Ready and none on its way out.
    pub(crate) async fn ready(
        &self,
        namespace: &str,
        count: usize,
        limit: u64,
    ) -> anyhow::Result<Vec<Pod>> {
        let what = format!("{count} pods of {namespace} are Ready");
        let holds = |pods: &[&Pod]| pods.len() == count && pods.iter().all(|pod| is_ready(pod));
        self.until(self.all(namespace), limit, &what, holds).await
    }

    /// Waits until an event tells something of an object: its reason, and what its message begins
    /// with. Of a container if that is named.
    pub(crate) async fn told(
        &self,
        namespace: &str,
        (object, container): (&str, Option<&str>),
        (reason, words): (&str, &str),
    ) -> anyhow::Result<()> {
        let path = container.map(|name| format!("spec.containers{{{name}}}"));
        let is_it = |event: &&&Told| {
            let of = &event.involved_object;
            let message = event.message.as_deref().unwrap_or_default();
            of.name.as_deref() == Some(object)
                && (path.is_none() || of.field_path == path)
                && event.reason.as_deref() == Some(reason)
                && message.starts_with(words)
        };
        let what = format!(
            "{reason} of {object} {}: {words}",
            container.unwrap_or_default()
        );
        let holds = |events: &[&Told]| events.iter().any(|event| is_it(&event));
        self.until(self.all(namespace), 20, &what, holds)
            .await
            .map(drop)
    }

    /// A Deployment of the suite's echo server.
    pub(crate) fn echo(&self, name: &str, replicas: u32, env: &[(&str, &str)]) -> Value {
        let env: Vec<Value> = env
            .iter()
            .map(|(name, value)| json!({"name": name, "value": value}))
            .collect();
        let labels = json!({"app": name});
        json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {"containers": [{"name": name, "image": self.image, "env": env}]},
                },
            },
        })
    }
}

/// A container of the suite's image that runs a script instead, and then idles until it is told to
/// end.
pub(crate) fn shell(stage: &Stage, name: &str, script: &str) -> Value {
    let script = format!("trap 'exit 0' TERM; {script}; sleep infinity & wait");
    json!({"name": name, "image": stage.image, "command": ["sh", "-c", script]})
}

/// A pod of such containers, or others.
pub(crate) fn pod(namespace: &str, name: &str, containers: &[Value]) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {"containers": containers, "terminationGracePeriodSeconds": 1},
    })
}

/// What is known of a pod's container.
pub(crate) fn container<'a>(pod: &'a Pod, name: &str) -> Option<&'a ContainerStatus> {
    let mut all = pod.status.as_ref()?.container_statuses.iter().flatten();
    all.find(|container| container.name == name)
}

async fn watch<K>(
    api: Api<K>,
    seen: &mut BTreeMap<String, K>,
    holds: impl Fn(&[&K]) -> bool,
) -> anyhow::Result<()>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let mut stream =
        std::pin::pin!(watcher::watcher(api, watcher::Config::default()).default_backoff());
    let mut whole = false;
    loop {
        // An error is one that the watch mends by beginning anew.
        let Ok(event) = stream.try_next().await else {
            continue;
        };
        match event.context("a watch ended")? {
            Event::Init => seen.clear(),
            Event::InitApply(object) | Event::Apply(object) => {
                seen.insert(key(&object), object);
            }
            Event::Delete(object) => {
                seen.remove(&key(&object));
            }
            Event::InitDone => whole = true,
        }
        if whole && holds(&seen.values().collect::<Vec<_>>()) {
            return Ok(());
        }
    }
}

fn key(object: &impl Resource) -> String {
    let metadata = object.meta();
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    format!("{}/{}", text(&metadata.namespace), text(&metadata.name))
}

/// The names of objects, for a message.
fn shown<K>(seen: &BTreeMap<String, K>) -> String {
    let names: Vec<&str> = seen.keys().map(String::as_str).collect();
    format!("there are {}: {}", names.len(), names.join(", "))
}

/// Whether a pod is Ready and stays.
pub(crate) fn is_ready(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_none() && condition(pod, "Ready") == Some("True")
}

/// The status of a pod's condition.
pub(crate) fn condition<'a>(pod: &'a Pod, name: &str) -> Option<&'a str> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let condition = conditions
        .iter()
        .find(|condition| condition.type_ == name)?;
    Some(&condition.status)
}

/// A pod's address.
pub(crate) fn ip(pod: &Pod) -> anyhow::Result<IpAddr> {
    let ip = pod
        .status
        .as_ref()
        .and_then(|status| status.pod_ip.as_deref());
    let ip = ip.with_context(|| format!("pod {} has no address", pod.name_any()))?;
    Ok(ip.parse()?)
}

/// The node that a pod runs on.
pub(crate) fn node(pod: &Pod) -> &str {
    pod.spec
        .as_ref()
        .and_then(|spec| spec.node_name.as_deref())
        .unwrap_or_default()
}

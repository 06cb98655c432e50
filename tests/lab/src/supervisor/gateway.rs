//! Which nodes get the Gateway pool's connections: those whose own gateway pod is ready.
//!
//! This is what a load balancer in front of a cluster does with its health checks. A lab that
//! was not told which pods serve Gateways spreads over all nodes.

use crate::network;
use crate::record::{GatewayPods, Node, Record};
use futures_util::TryStreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::Write;

/// Follows the gateway pods for as long as the lab lives.
pub(crate) async fn follow(record: &Record, client: Client) -> anyhow::Result<Infallible> {
    let nodes = record.nodes();
    let Some(pods) = &record.settings.gateway else {
        network::spread(&record.addresses, &nodes.iter().collect::<Vec<_>>())?;
        return std::future::pending().await;
    };
    network::spread(&record.addresses, &[])?;
    watch(record, &nodes, pods, client).await
}

async fn watch(
    record: &Record,
    nodes: &[Node],
    GatewayPods {
        namespace,
        selector,
    }: &GatewayPods,
    client: Client,
) -> anyhow::Result<Infallible> {
    let pods: Api<Pod> = Api::namespaced(client, namespace);
    let asked = watcher::Config::default().labels(selector);
    let mut events = Box::pin(watcher(pods, asked).default_backoff());
    let mut ready = Ready::default();
    let mut spread = Vec::new();
    loop {
        match events.try_next().await {
            Ok(Some(event)) => ready.take(event),
            Ok(None) => std::future::pending().await,
            // The API server may be down; the watch goes on by itself when it is back.
            Err(error) => {
                writeln!(
                    std::io::stderr(),
                    "the gateway pods cannot be watched: {error}"
                )
                .ok();
                continue;
            }
        }
        let serving: Vec<&Node> = nodes.iter().filter(|node| ready.serves(node)).collect();
        let names: Vec<String> = serving.iter().map(|node| node.name.clone()).collect();
        if !ready.is_listing && names != spread {
            writeln!(std::io::stderr(), "the pool goes to {names:?}").ok();
            network::spread(&record.addresses, &serving)?;
            spread = names;
        }
    }
}

/// The ready gateway pods, by name, with their nodes.
#[derive(Debug, Default)]
struct Ready {
    pods: BTreeMap<String, String>,
    is_listing: bool,
}

impl Ready {
    fn take(&mut self, event: watcher::Event<Pod>) {
        match event {
            watcher::Event::Init => {
                self.pods.clear();
                self.is_listing = true;
            }
            watcher::Event::InitDone => self.is_listing = false,
            watcher::Event::Apply(pod) | watcher::Event::InitApply(pod) => {
                let name = pod.name_any();
                match node_if_ready(&pod) {
                    Some(node) => self.pods.insert(name, node),
                    None => self.pods.remove(&name),
                };
            }
            watcher::Event::Delete(pod) => {
                self.pods.remove(&pod.name_any());
            }
        }
    }

    fn serves(&self, node: &Node) -> bool {
        self.pods.values().any(|name| *name == node.name)
    }
}

/// The node of a pod that is ready and not about to go.
fn node_if_ready(pod: &Pod) -> Option<String> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let is_ready = conditions
        .iter()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True");
    let is_going = pod.metadata.deletion_timestamp.is_some();
    let node = pod.spec.as_ref()?.node_name.clone();
    node.filter(|_| is_ready && !is_going)
}

#[cfg(test)]
mod tests {
    use super::Ready;
    use crate::record::Node;
    use k8s_openapi::api::core::v1::Pod;
    use kube::runtime::watcher::Event;
    use serde_json::json;

    fn pod(name: &str, node: &str, ready: &str) -> Pod {
        let pod = json!({
            "metadata": {"name": name},
            "spec": {"nodeName": node, "containers": []},
            "status": {"conditions": [{"type": "Ready", "status": ready}]},
        });
        serde_json::from_value(pod).expect("a pod")
    }

    fn serves(ready: &Ready, node: &str) -> bool {
        ready.serves(&Node {
            name: node.to_owned(),
            addresses: Vec::new(),
            pods: Vec::new(),
        })
    }

    #[test]
    fn a_node_serves_while_one_of_its_gateways_is_ready() {
        let mut ready = Ready::default();
        ready.take(Event::Apply(pod("old", "node-1", "True")));
        ready.take(Event::Apply(pod("new", "node-1", "False")));
        assert!(serves(&ready, "node-1") && !serves(&ready, "node-2"));
        ready.take(Event::Apply(pod("new", "node-1", "True")));
        ready.take(Event::Delete(pod("old", "node-1", "True")));
        assert!(serves(&ready, "node-1"));
        ready.take(Event::Apply(pod("new", "node-1", "False")));
        assert!(!serves(&ready, "node-1"));
    }

    #[test]
    fn a_pod_that_is_about_to_go_serves_no_more() {
        let mut going = pod("old", "node-1", "True");
        let time = serde_json::from_value(json!("2026-01-01T00:00:00Z")).expect("a time");
        going.metadata.deletion_timestamp = Some(time);
        let mut ready = Ready::default();
        ready.take(Event::Apply(pod("old", "node-1", "True")));
        ready.take(Event::Apply(going));
        assert!(!serves(&ready, "node-1"));
    }
}

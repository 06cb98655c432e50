//! What a pod may learn of itself: `fieldRef` and `resourceFieldRef`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Container, Pod, ResourceFieldSelector};
use kube::ResourceExt;

use super::quantity;
use crate::machine::Machine;

/// A pod, and what its node knows of it.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub(crate) pod: Arc<Pod>,
    pub(crate) machine: Machine,
    pub(crate) host_ips: Vec<IpAddr>,
    pub(crate) pod_ips: Vec<IpAddr>,
    /// Where pods find the API server.
    pub(crate) api_server: (IpAddr, u16),
}

impl Facts {
    /// The value of a field, such as `metadata.name` or `metadata.labels['app']`.
    pub(super) fn field(&self, path: &str) -> Result<String, String> {
        if let Some((map, key)) = subscript(path) {
            let map = match map {
                "metadata.labels" => self.pod.labels(),
                "metadata.annotations" => self.pod.annotations(),
                _ => return Err(format!("fieldPath {path:?} is not supported")),
            };
            return Ok(map.get(key).cloned().unwrap_or_default());
        }
        let spec = self.pod.spec.as_ref();
        let value = match path {
            "metadata.name" => self.pod.name_any(),
            "metadata.namespace" => self.pod.namespace().unwrap_or_default(),
            "metadata.uid" => self.pod.uid().unwrap_or_default(),
            "metadata.labels" => lines(self.pod.labels()),
            "metadata.annotations" => lines(self.pod.annotations()),
            "spec.nodeName" => spec.and_then(|s| s.node_name.clone()).unwrap_or_default(),
            "spec.serviceAccountName" => self.service_account(),
            "status.hostIP" => first(&self.host_ips),
            "status.hostIPs" => joined(&self.host_ips),
            "status.podIP" => first(&self.pod_ips),
            "status.podIPs" => joined(&self.pod_ips),
            _ => return Err(format!("fieldPath {path:?} is not supported")),
        };
        Ok(value)
    }

    /// What a container may use or asks for; without a limit, what the node has.
    pub(super) fn resource(
        &self,
        container: &str,
        selector: &ResourceFieldSelector,
    ) -> Result<String, String> {
        let name = selector.container_name.as_deref().unwrap_or(container);
        let path = &selector.resource;
        let containers = self.pod.spec.iter().flat_map(all_containers);
        let container = containers.into_iter().find(|c| c.name == name);
        let container = container.ok_or_else(|| format!("container {name:?} does not exist"))?;
        let amount = self
            .amount(container, path)
            .ok_or_else(|| format!("resource {path:?} is not supported"))?;
        let divisor = selector.divisor.as_ref().map_or("0", |d| d.0.as_str());
        quantity::divided(&amount, divisor)
            .map(|times| times.to_string())
            .ok_or_else(|| format!("resource {path}: {amount:?} is no amount"))
    }

    fn amount(&self, container: &Container, path: &str) -> Option<String> {
        let (list, resource) = path.split_once('.')?;
        let resources = container.resources.clone().unwrap_or_default();
        let limits = resources.limits.unwrap_or_default();
        let requests = resources.requests.unwrap_or_default();
        let written = match list {
            "limits" => limits.get(resource),
            "requests" => requests.get(resource).or(limits.get(resource)),
            _ => return None,
        };
        match (written, list, resource) {
            (Some(amount), _, _) => Some(amount.0.clone()),
            (None, "limits", "cpu") => Some(self.machine.cpus.to_string()),
            (None, "limits", "memory") => Some(self.machine.memory_bytes.to_string()),
            (None, _, "cpu" | "memory" | "ephemeral-storage") => Some("0".to_owned()),
            (None, _, _) => None,
        }
    }

    /// The name of the pod's service account.
    pub(super) fn service_account(&self) -> String {
        let spec = self.pod.spec.as_ref();
        let name = spec.and_then(|spec| spec.service_account_name.clone());
        name.unwrap_or_else(|| "default".to_owned())
    }
}

/// All containers of a specification, in the order in which they start.
pub(crate) fn all_containers(
    spec: &k8s_openapi::api::core::v1::PodSpec,
) -> impl Iterator<Item = &Container> {
    spec.init_containers
        .iter()
        .flatten()
        .chain(&spec.containers)
}

/// `map['key']` as map and key.
fn subscript(path: &str) -> Option<(&str, &str)> {
    let (map, rest) = path.split_once("['")?;
    Some((map, rest.strip_suffix("']")?))
}

/// Labels or annotations as a file shows them.
fn lines(map: &BTreeMap<String, String>) -> String {
    let lines: Vec<String> = map
        .iter()
        .map(|(key, value)| format!("{key}={value:?}"))
        .collect();
    lines.join("\n")
}

fn first(ips: &[IpAddr]) -> String {
    ips.first().map(IpAddr::to_string).unwrap_or_default()
}

fn joined(ips: &[IpAddr]) -> String {
    let ips: Vec<String> = ips.iter().map(IpAddr::to_string).collect();
    ips.join(",")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// A pod from its JSON, with addresses.
    pub(in crate::pod) fn facts(pod: Value) -> Facts {
        Facts {
            pod: Arc::new(serde_json::from_value(pod).expect("a pod")),
            machine: Machine {
                cpus: 2,
                memory_bytes: 1 << 30,
                kernel: String::new(),
                os_image: String::new(),
                boot_id: String::new(),
            },
            host_ips: vec![IpAddr::from([10, 0, 0, 1])],
            pod_ips: vec![
                IpAddr::from([10, 1, 0, 2]),
                "fd00::2".parse().expect("an address"),
            ],
            api_server: (IpAddr::from([10, 0, 0, 9]), 6443),
        }
    }

    #[test]
    fn fields_of_pod_node_and_addresses_are_known() {
        let facts = facts(json!({
            "metadata": { "name": "p", "namespace": "n", "uid": "u",
                          "labels": { "app": "x", "tier": "a\"b" } },
            "spec": { "containers": [], "nodeName": "node-1" },
        }));
        let check = |path: &str, expected: &str| {
            assert_eq!(facts.field(path).as_deref(), Ok(expected), "{path}");
        };
        check("metadata.name", "p");
        check("metadata.namespace", "n");
        check("metadata.uid", "u");
        check("metadata.labels", "app=\"x\"\ntier=\"a\\\"b\"");
        check("metadata.labels['app']", "x");
        check("metadata.annotations['none']", "");
        check("spec.nodeName", "node-1");
        check("spec.serviceAccountName", "default");
        check("status.hostIP", "10.0.0.1");
        check("status.podIPs", "10.1.0.2,fd00::2");
        assert!(facts.field("spec.containers").is_err());
    }

    #[test]
    fn resources_fall_back_to_what_the_node_has() {
        let facts = facts(json!({ "spec": { "containers": [
            { "name": "c", "resources": { "limits": { "memory": "64Mi" } } },
        ] } }));
        let check = |resource: &str, divisor: &str, expected: &str| {
            let selector = serde_json::from_value(json!({
                "resource": resource, "divisor": divisor,
            }));
            let selector = selector.expect("a selector");
            assert_eq!(
                facts.resource("c", &selector).as_deref(),
                Ok(expected),
                "{resource}"
            );
        };
        check("limits.memory", "1Mi", "64");
        check("requests.memory", "1Mi", "64");
        check("limits.cpu", "1", "2");
        check("requests.cpu", "1m", "0");
    }
}

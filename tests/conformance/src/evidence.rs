//! What is kept and shown of a failure: the objects' statuses and the gateway's log lines.

use crate::cluster::Cluster;
use crate::progress::Test;
use crate::run::Plan;
use crate::witness::Witness;
use std::collections::BTreeSet;

/// Where the log lines begin.
const LOG: &str = "log of the gateway:";

/// A failure's evidence as text: statuses, then log lines.
#[derive(Debug)]
pub struct Evidence(String);

impl Evidence {
    /// The text with only the last `lines` log lines.
    #[must_use]
    pub fn shortened(&self, lines: usize) -> String {
        let Some((statuses, log)) = self.0.split_once(LOG) else {
            return self.0.clone();
        };
        let log: Vec<&str> = log.trim().lines().collect();
        let left_out = log.len().saturating_sub(lines);
        let mut text = format!("{statuses}{LOG}");
        if left_out > 0 {
            text.push_str(&format!(" ({left_out} lines left out)"));
        }
        for line in &log[left_out..] {
            text.push_str("\n  ");
            text.push_str(line);
        }
        text
    }
}

/// Gathers what a failed test leaves, and keeps it with the test's output in a file of its own.
///
/// # Errors
/// The file cannot be written.
pub async fn of(
    plan: &Plan,
    cluster: &Cluster,
    witness: &Witness,
    name: &str,
    test: &Test,
) -> anyhow::Result<Evidence> {
    let log = log(plan, cluster, &test.began).await;
    let statuses = witness.statuses(&test.output);
    keep(plan, name, &test.output, format!("{statuses}{LOG}\n{log}")).await
}

/// Gathers what a failed setup leaves.
///
/// # Errors
/// The file cannot be written.
pub async fn of_setup(
    plan: &Plan,
    cluster: &Cluster,
    witness: &Witness,
) -> anyhow::Result<Evidence> {
    let pods = cluster
        .kubectl(["get", "pods", "-A", "-o", "wide"])
        .await
        .unwrap_or_default();
    let log = log(plan, cluster, "").await;
    let statuses = witness.statuses("");
    keep(plan, "setup", "", format!("{statuses}{pods}\n{LOG}\n{log}")).await
}

async fn keep(plan: &Plan, name: &str, output: &str, text: String) -> anyhow::Result<Evidence> {
    let folder = plan.folder.join("failures");
    tokio::fs::create_dir_all(&folder).await?;
    tokio::fs::write(
        folder.join(format!("{name}.txt")),
        format!("{output}\n{text}"),
    )
    .await?;
    Ok(Evidence(text))
}

/// The log lines of the implementation's pods since a time; why there are none.
async fn log(plan: &Plan, cluster: &Cluster, since: &str) -> String {
    let Some(manifests) = &plan.manifests else {
        return "no implementation was started".to_owned();
    };
    let get = ["get", "-R", "-o", "json", "-f"]
        .map(Into::into)
        .into_iter();
    let objects = cluster
        .kubectl(get.chain([manifests.clone().into_os_string()]))
        .await;
    let namespaces = match objects {
        Ok(objects) => workload_namespaces(&objects),
        Err(error) => return format!("{error:#}"),
    };
    let mut text = String::new();
    for namespace in namespaces {
        let pods = cluster
            .kubectl(["get", "pods", "-n", &namespace, "-o", "name"])
            .await;
        for pod in pods.unwrap_or_default().lines() {
            let mut logs = vec![
                "logs",
                "-n",
                &namespace,
                pod,
                "--all-containers",
                "--prefix",
            ];
            let since = format!("--since-time={since}");
            if since.len() > "--since-time=".len() {
                logs.push(&since);
            }
            let lines = cluster.kubectl(logs).await;
            text.push_str(&lines.unwrap_or_else(|error| format!("{pod}: {error:#}\n")));
        }
    }
    text
}

/// The namespaces in which manifests start pods.
fn workload_namespaces(objects: &str) -> BTreeSet<String> {
    let objects: serde_json::Value = serde_json::from_str(objects).unwrap_or_default();
    let none = Vec::new();
    let items = objects["items"].as_array().unwrap_or(&none);
    let workloads = ["DaemonSet", "Deployment", "StatefulSet", "Pod"];
    items
        .iter()
        .filter(|item| {
            item["kind"]
                .as_str()
                .is_some_and(|kind| workloads.contains(&kind))
        })
        .filter_map(|item| Some(item["metadata"]["namespace"].as_str()?.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Evidence, workload_namespaces};
    use serde_json::json;

    #[test]
    fn only_the_last_lines_of_the_log_are_shown() {
        let evidence = Evidence("Gateway a\nlog of the gateway:\none\ntwo\nthree\n".to_owned());
        assert_eq!(
            evidence.shortened(2),
            "Gateway a\nlog of the gateway: (1 lines left out)\n  two\n  three"
        );
    }

    #[test]
    fn the_gateway_is_where_its_manifests_start_pods() {
        let objects = json!({"items": [
            {"kind": "DaemonSet", "metadata": {"name": "rauta", "namespace": "rauta-system"}},
            {"kind": "ConfigMap", "metadata": {"name": "rauta", "namespace": "elsewhere"}},
        ]});
        let found = workload_namespaces(&objects.to_string());
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["rauta-system"]);
    }
}

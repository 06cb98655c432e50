//! Remembers the status that each object had last, because a failed test has already deleted its
//! objects when its failure is heard.

use crate::status;
use anyhow::Context;
use futures_util::TryStreamExt;
use kube::api::{Api, DynamicObject};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event};
use kube::{Client, Discovery, discovery::ApiResource};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::JoinSet;

/// The groups whose objects are remembered.
const GROUPS: [&str; 2] = ["gateway.networking.k8s.io", "gateway.networking.x-k8s.io"];

/// Kind and name, as the suite names an object when it creates it, and namespace.
type Key = (String, String, String);

/// The objects that were seen, by kind, name and namespace, as they were last.
#[derive(Debug, Default)]
pub struct Seen(BTreeMap<Key, Value>);

/// Watches all of the API's objects for as long as it lives.
pub struct Witness {
    seen: Arc<Mutex<Seen>>,
    /// Aborted when this is dropped.
    _watches: JoinSet<()>,
}

impl Witness {
    /// Begins to watch each kind that the cluster has of the Gateway API.
    ///
    /// # Errors
    /// The API server does not answer.
    pub async fn start(client: &Client) -> anyhow::Result<Self> {
        let discovery = Discovery::new(client.clone())
            .filter(&GROUPS)
            .run()
            .await
            .context("the API server does not tell its kinds")?;
        let seen = Arc::<Mutex<Seen>>::default();
        let mut watches = JoinSet::new();
        for (resource, _) in discovery.groups().flat_map(|g| g.recommended_resources()) {
            watches.spawn(watch(client.clone(), resource, Arc::clone(&seen)));
        }
        Ok(Self {
            seen,
            _watches: watches,
        })
    }

    /// What is known of the objects that a test's output names, and of the Gateways beside them;
    /// of all objects if it names none.
    #[must_use]
    pub fn statuses(&self, output: &str) -> String {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.statuses(&named(output))
    }
}

/// Keeps what a watch tells, and watches again when it ends.
async fn watch(client: Client, resource: ApiResource, seen: Arc<Mutex<Seen>>) {
    let objects: Api<DynamicObject> = Api::all_with(client, &resource);
    let stream = watcher::watcher(objects, watcher::Config::default());
    let keep = |event| {
        let (Event::Apply(object) | Event::InitApply(object)) = event else {
            return;
        };
        let Ok(mut value) = serde_json::to_value::<DynamicObject>(object) else {
            return;
        };
        value["kind"] = Value::from(resource.kind.as_str());
        seen.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .keep(value);
    };
    let mut stream = std::pin::pin!(stream.default_backoff());
    // An error is one that the watch mends by beginning anew.
    loop {
        match stream.try_next().await {
            Ok(Some(event)) => keep(event),
            Ok(None) => return,
            Err(_) => {}
        }
    }
}

/// Kind and name of each object that a test's output says it made or changed.
fn named(output: &str) -> BTreeSet<(String, String)> {
    let object = |line: &str| {
        let (_, object) = line
            .split_once(": Creating ")
            .or(line.split_once(": Updating "))?;
        let (name, kind) = object.trim().split_once(' ')?;
        Some((kind.to_owned(), name.to_owned()))
    };
    output.lines().filter_map(object).collect()
}

impl Seen {
    fn keep(&mut self, object: Value) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let metadata = &object["metadata"];
        let key = (
            text(&object["kind"]),
            text(&metadata["name"]),
            text(&metadata["namespace"]),
        );
        self.0.insert(key, object);
    }

    fn statuses(&self, named: &BTreeSet<(String, String)>) -> String {
        let is_named = |(kind, name, _): &Key| named.contains(&(kind.clone(), name.clone()));
        let namespaces: BTreeSet<&str> = self
            .0
            .keys()
            .filter(|key| is_named(key))
            .map(|(_, _, namespace)| namespace.as_str())
            .collect();
        let mut text = String::new();
        for (key, object) in &self.0 {
            let (kind, _, namespace) = key;
            let beside = kind == "Gateway" && namespaces.contains(namespace.as_str());
            if !(named.is_empty() || is_named(key) || beside) {
                continue;
            }
            text.push_str(&status::title(object));
            text.push('\n');
            for line in status::lines(object) {
                text.push_str("  ");
                text.push_str(&line);
                text.push('\n');
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::{Seen, named};
    use serde_json::json;

    fn seen() -> Seen {
        let mut seen = Seen::default();
        for (kind, name, namespace) in [
            ("Gateway", "same-namespace", "infra"),
            ("Gateway", "elsewhere", "web"),
            ("HTTPRoute", "mine", "infra"),
            ("HTTPRoute", "another", "infra"),
        ] {
            let metadata = json!({"name": name, "namespace": namespace});
            seen.keep(json!({"kind": kind, "metadata": metadata, "status": {"of": name}}));
        }
        seen
    }

    #[test]
    fn a_failed_test_shows_its_own_objects_and_the_gateways_beside_them() {
        let output = "    apply.go:289: 2026-11-21T16:00:00.1Z: Creating mine HTTPRoute\n";
        assert_eq!(
            seen().statuses(&named(output)),
            "Gateway infra/same-namespace\n  of=same-namespace\nHTTPRoute infra/mine\n  of=mine\n"
        );
    }

    #[test]
    fn without_a_named_object_all_are_shown() {
        assert_eq!(seen().statuses(&named("")).lines().count(), 8);
    }
}

//! Secrets and ConfigMaps that pods name: read one by one, as a Node may.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, Client};
use thiserror::Error;

/// What a pod may take data from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    ConfigMap,
    Secret,
}

impl Kind {
    /// The word that the real kubelet's messages use for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Kind::ConfigMap => "configmap",
            Kind::Secret => "secret",
        }
    }
}

/// An object of the pod's namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reference {
    pub(crate) kind: Kind,
    pub(crate) name: String,
}

impl Reference {
    pub(crate) fn new(kind: Kind, name: &str) -> Self {
        Reference {
            kind,
            name: name.to_owned(),
        }
    }
}

/// An object's keys and values.
pub(crate) type Payload = BTreeMap<String, Vec<u8>>;

/// What was read: every reference is a key, an object that does not exist has no payload.
pub(crate) type Objects = BTreeMap<Reference, Option<Payload>>;

/// The payload of an object that exists, for tests.
#[cfg(test)]
pub(crate) fn payload_of(pairs: &[(&str, &str)]) -> Option<Payload> {
    let pairs = pairs.iter();
    let owned = pairs.map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()));
    Some(owned.collect())
}

/// An object could not be read: it may exist or not.
#[derive(Debug, Error)]
#[error("{} {namespace:?}/{name:?} cannot be read: {}", kind.word(), said(source))]
pub(crate) struct Unreadable {
    kind: Kind,
    namespace: String,
    name: String,
    source: Box<kube::Error>,
}

/// What the API server said; what else went wrong if it said nothing.
fn said(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}

/// Reads all that `references` name.
pub(crate) async fn read(
    client: &Client,
    namespace: &str,
    references: BTreeSet<Reference>,
) -> Result<Objects, Unreadable> {
    let mut objects = Objects::new();
    for reference in references {
        let read = match reference.kind {
            Kind::ConfigMap => config_map(client, namespace, &reference.name).await,
            Kind::Secret => secret(client, namespace, &reference.name).await,
        };
        let payload = read.map_err(|error| Unreadable {
            kind: reference.kind,
            namespace: namespace.to_owned(),
            name: reference.name.clone(),
            source: Box::new(error),
        })?;
        objects.insert(reference, payload);
    }
    Ok(objects)
}

async fn config_map(client: &Client, namespace: &str, name: &str) -> kube::Result<Option<Payload>> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let Some(object) = api.get_opt(name).await? else {
        return Ok(None);
    };
    let texts = object.data.unwrap_or_default().into_iter();
    let texts = texts.map(|(key, value)| (key, value.into_bytes()));
    let bytes = object.binary_data.unwrap_or_default().into_iter();
    let bytes = bytes.map(|(key, value)| (key, value.0));
    Ok(Some(texts.chain(bytes).collect()))
}

async fn secret(client: &Client, namespace: &str, name: &str) -> kube::Result<Option<Payload>> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let Some(object) = api.get_opt(name).await? else {
        return Ok(None);
    };
    let bytes = object.data.unwrap_or_default().into_iter();
    Ok(Some(bytes.map(|(key, value)| (key, value.0)).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

    #[test]
    fn a_refusal_is_told_in_the_api_servers_words_alone() {
        let status = Status::failure("no relationship found", "Forbidden").with_code(403);
        let error = Unreadable {
            kind: Kind::Secret,
            namespace: "ns".to_owned(),
            name: "key".to_owned(),
            source: Box::new(kube::Error::Api(Box::new(status))),
        };
        assert_eq!(
            error.to_string(),
            "secret \"ns\"/\"key\" cannot be read: no relationship found"
        );
    }
}

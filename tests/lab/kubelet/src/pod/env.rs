//! A container's environment, out of all the places that may add to it.
//!
//! Later ones win: the image, `envFrom` in its order, `env` in its order. A value may name
//! variables of `env` before it, and those of the API server. What the pod does not say itself is
//! added at the end: where the API server is, the host name, a path.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Container, EnvFromSource, EnvVar, EnvVarSource};

use super::downward::Facts;
use super::expand::expand;
use crate::objects::{Kind, Objects, Payload, Reference};

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The objects that a container's environment needs.
pub(super) fn references(container: &Container) -> BTreeSet<Reference> {
    let mut references = BTreeSet::new();
    for source in container.env_from.iter().flatten() {
        references.extend(whole_object(source).map(|(reference, _)| reference));
    }
    let variables = container.env.iter().flatten();
    for source in variables.filter_map(|variable| variable.value_from.as_ref()) {
        references.extend(one_key(source).map(|(reference, _, _)| reference));
    }
    references
}

/// The environment in a stable order, or why it cannot be made.
pub(super) fn environment(
    container: &Container,
    image: &BTreeMap<String, String>,
    facts: &Facts,
    objects: &Objects,
) -> Result<BTreeMap<String, String>, String> {
    let (host, port) = facts.api_server;
    let service = api_server(&host.to_string(), port);
    let mut declared = BTreeMap::new();
    for source in container.env_from.iter().flatten() {
        declared.extend(all_keys(source, objects)?);
    }
    for variable in container.env.iter().flatten() {
        let value = match &variable.value_from {
            None => {
                let text = variable.value.as_deref().unwrap_or_default();
                let known = |name: &str| declared.get(name).or(service.get(name)).cloned();
                Some(expand(text, known))
            }
            Some(source) => one_value(variable, source, container, facts, objects)?,
        };
        if let Some(value) = value {
            declared.insert(variable.name.clone(), value);
        }
    }
    let mut all = BTreeMap::from([("PATH".to_owned(), PATH.to_owned())]);
    all.extend(image.clone());
    all.insert("HOSTNAME".to_owned(), hostname(facts));
    all.extend(service);
    all.extend(declared);
    Ok(all)
}

/// The pod's host name.
pub(super) fn hostname(facts: &Facts) -> String {
    let spec = facts.pod.spec.as_ref();
    let node = spec.and_then(|spec| spec.node_name.clone());
    let wanted = match spec.and_then(|spec| spec.host_network) {
        Some(true) => node,
        _ => spec.and_then(|spec| spec.hostname.clone()),
    };
    let name = wanted
        .filter(|name| !name.is_empty())
        .or(facts.pod.metadata.name.clone());
    let mut name = name.unwrap_or_default();
    // The kernel takes 64 bytes; Kubernetes cuts at 63 and leaves no separator at the end.
    name.truncate(63);
    name.trim_end_matches(['-', '.']).to_owned()
}

/// What every pod is told of the API server, in the words of a Service `kubernetes`.
fn api_server(host: &str, port: u16) -> BTreeMap<String, String> {
    let bracketed = match host.contains(':') {
        true => format!("[{host}]"),
        false => host.to_owned(),
    };
    let url = format!("tcp://{bracketed}:{port}");
    let prefix = format!("KUBERNETES_PORT_{port}_TCP");
    let variables = [
        ("KUBERNETES_SERVICE_HOST".to_owned(), host.to_owned()),
        ("KUBERNETES_SERVICE_PORT".to_owned(), port.to_string()),
        ("KUBERNETES_SERVICE_PORT_HTTPS".to_owned(), port.to_string()),
        ("KUBERNETES_PORT".to_owned(), url.clone()),
        (prefix.clone(), url),
        (format!("{prefix}_PROTO"), "tcp".to_owned()),
        (format!("{prefix}_PORT"), port.to_string()),
        (format!("{prefix}_ADDR"), host.to_owned()),
    ];
    variables.into_iter().collect()
}

/// The object of an `envFrom`, and whether it may be missing.
fn whole_object(source: &EnvFromSource) -> Option<(Reference, bool)> {
    if let Some(of) = &source.config_map_ref {
        let reference = Reference::new(Kind::ConfigMap, &of.name);
        return Some((reference, of.optional.unwrap_or(false)));
    }
    let of = source.secret_ref.as_ref()?;
    Some((
        Reference::new(Kind::Secret, &of.name),
        of.optional.unwrap_or(false),
    ))
}

/// The object and key of a `valueFrom`, and whether they may be missing.
fn one_key(source: &EnvVarSource) -> Option<(Reference, &str, bool)> {
    if let Some(of) = &source.config_map_key_ref {
        let reference = Reference::new(Kind::ConfigMap, &of.name);
        return Some((reference, &of.key, of.optional.unwrap_or(false)));
    }
    let of = source.secret_key_ref.as_ref()?;
    let reference = Reference::new(Kind::Secret, &of.name);
    Some((reference, &of.key, of.optional.unwrap_or(false)))
}

fn payload<'a>(
    objects: &'a Objects,
    reference: &Reference,
    optional: bool,
) -> Result<Option<&'a Payload>, String> {
    match objects.get(reference).and_then(Option::as_ref) {
        Some(payload) => Ok(Some(payload)),
        None if optional => Ok(None),
        None => Err(format!(
            "{} {:?} not found",
            reference.kind.word(),
            reference.name
        )),
    }
}

fn all_keys(source: &EnvFromSource, objects: &Objects) -> Result<Vec<(String, String)>, String> {
    let Some((reference, optional)) = whole_object(source) else {
        return Ok(Vec::new());
    };
    let prefix = source.prefix.as_deref().unwrap_or_default();
    let payload = payload(objects, &reference, optional)?;
    let pairs = payload.into_iter().flatten().map(|(key, value)| {
        let value = String::from_utf8_lossy(value).into_owned();
        (format!("{prefix}{key}"), value)
    });
    Ok(pairs.filter(|(name, _)| is_name(name)).collect())
}

/// What `envFrom` may set: no program could read a name with `=` in it.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && b != b'=')
}

fn one_value(
    variable: &EnvVar,
    source: &EnvVarSource,
    container: &Container,
    facts: &Facts,
    objects: &Objects,
) -> Result<Option<String>, String> {
    if let Some(field) = &source.field_ref {
        return facts.field(&field.field_path).map(Some);
    }
    if let Some(resource) = &source.resource_field_ref {
        return facts.resource(&container.name, resource).map(Some);
    }
    let Some((reference, key, optional)) = one_key(source) else {
        return Err(format!(
            "env {}: its valueFrom is not supported",
            variable.name
        ));
    };
    let value = payload(objects, &reference, optional)?.and_then(|payload| payload.get(key));
    match value {
        Some(value) => Ok(Some(String::from_utf8_lossy(value).into_owned())),
        None if optional => Ok(None),
        None => Err(format!(
            "couldn't find key {key} in {} {}/{}",
            reference.kind.word(),
            facts.field("metadata.namespace")?,
            reference.name
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::super::downward::tests::facts;
    use super::*;
    use crate::objects::payload_of;
    use serde_json::{Value, json};

    fn objects() -> Objects {
        Objects::from([
            (
                Reference::new(Kind::ConfigMap, "map"),
                payload_of(&[("a", "1"), ("b", "2")]),
            ),
            (
                Reference::new(Kind::Secret, "secret"),
                payload_of(&[("key", "hidden")]),
            ),
            (Reference::new(Kind::Secret, "absent"), None),
        ])
    }

    fn environment_of(container: Value) -> Result<BTreeMap<String, String>, String> {
        let container: Container = serde_json::from_value(container).expect("a container");
        let facts = facts(json!({
            "metadata": { "name": "pod-1", "namespace": "n" },
            "spec": { "containers": [] },
        }));
        let image = BTreeMap::from([("MODE".to_owned(), "image".to_owned())]);
        environment(&container, &image, &facts, &objects())
    }

    #[test]
    fn later_sources_win_and_values_see_what_stands_before_them() {
        let env = environment_of(json!({
            "name": "c",
            "envFrom": [
                { "configMapRef": { "name": "map" } },
                { "prefix": "S_", "secretRef": { "name": "secret" } },
                { "secretRef": { "name": "absent", "optional": true } },
            ],
            "env": [
                { "name": "b", "value": "own" },
                { "name": "POD", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } },
                { "name": "BOTH", "value": "$(a)-$(b)-$(POD)-$(LATER)-$(KUBERNETES_SERVICE_HOST)" },
                { "name": "LATER", "value": "x" },
                { "name": "KEY",
                  "valueFrom": { "secretKeyRef": { "name": "secret", "key": "key" } } },
                { "name": "NONE", "valueFrom": {
                    "secretKeyRef": { "name": "absent", "key": "k", "optional": true } } },
            ],
        }))
        .expect("an environment");
        let check = |name: &str, expected: Option<&str>| {
            assert_eq!(env.get(name).map(String::as_str), expected, "{name}");
        };
        check("a", Some("1"));
        check("b", Some("own"));
        check("S_key", Some("hidden"));
        check("BOTH", Some("1-own-pod-1-$(LATER)-10.0.0.9"));
        check("KEY", Some("hidden"));
        check("NONE", None);
        check("MODE", Some("image"));
        check("HOSTNAME", Some("pod-1"));
        check("KUBERNETES_SERVICE_PORT", Some("6443"));
        check("KUBERNETES_PORT_6443_TCP_ADDR", Some("10.0.0.9"));
        check("PATH", Some(PATH));
    }

    #[test]
    fn what_is_missing_is_named() {
        let check = |from: Value, expected: &str| {
            let container = json!({ "name": "c", "env": [{ "name": "V", "valueFrom": from }] });
            assert_eq!(environment_of(container), Err(expected.to_owned()));
        };
        check(
            json!({ "secretKeyRef": { "name": "absent", "key": "k" } }),
            "secret \"absent\" not found",
        );
        check(
            json!({ "configMapKeyRef": { "name": "map", "key": "k" } }),
            "couldn't find key k in configmap n/map",
        );
    }

    #[test]
    fn a_long_name_is_cut_to_a_host_name() {
        let name = format!("{}-tail", "a".repeat(62));
        let facts = facts(json!({ "metadata": { "name": name }, "spec": { "containers": [] } }));
        assert_eq!(hostname(&facts), "a".repeat(62));
    }
}

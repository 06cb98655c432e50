//! Who a container runs as, out of its own, the pod's and the image's word.

use k8s_openapi::api::core::v1::{Container, PodSecurityContext, PodSpec, SecurityContext};

use crate::launch::spec::Identity;

/// What container runtimes leave a container that does not say otherwise.
const DEFAULT_CAPABILITIES: &[&str] = &[
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

/// User, groups and rights of a container; `image` holds the image's user and group.
pub(super) fn identity(
    spec: &PodSpec,
    container: &Container,
    image: (u32, u32),
) -> Result<Identity, String> {
    let pod = spec.security_context.clone().unwrap_or_default();
    let own = container.security_context.clone().unwrap_or_default();
    let user = own.run_as_user.or(pod.run_as_user).map(id).transpose()?;
    let group = own.run_as_group.or(pod.run_as_group).map(id).transpose()?;
    let non_root = own.run_as_non_root.or(pod.run_as_non_root).unwrap_or(false);
    let resolved = user.unwrap_or(image.0);
    if non_root && resolved == 0 {
        return Err(format!(
            "container has runAsNonRoot and would run as root (container: {}): set runAsUser, or \
             the image's user",
            container.name
        ));
    }
    // An image's group belongs to its user: another user has root's, as runtimes do it.
    let image_group = if user.is_none_or(|user| user == image.0) {
        image.1
    } else {
        0
    };
    let group = group.unwrap_or(image_group);
    Ok(Identity {
        user: resolved,
        group,
        groups: groups(&pod, group)?,
        capabilities: capabilities(&own),
        no_new_privileges: own.allow_privilege_escalation == Some(false),
    })
}

/// The pod's group for volumes.
pub(super) fn fs_group(spec: &PodSpec) -> Option<u32> {
    let group = spec.security_context.as_ref()?.fs_group?;
    id(group).ok()
}

fn id(number: i64) -> Result<u32, String> {
    u32::try_from(number).map_err(|_| format!("{number} is no user or group id"))
}

fn groups(pod: &PodSecurityContext, group: u32) -> Result<Vec<u32>, String> {
    let mut groups = vec![group];
    let further = pod
        .supplemental_groups
        .iter()
        .flatten()
        .chain(&pod.fs_group);
    for further in further {
        groups.push(id(*further)?);
    }
    groups.sort_unstable();
    groups.dedup();
    Ok(groups)
}

fn capabilities(own: &SecurityContext) -> Vec<String> {
    let every = || {
        caps::all()
            .into_iter()
            .map(|capability| capability.to_string())
    };
    if own.privileged == Some(true) {
        return every().collect();
    }
    let lists = own.capabilities.clone().unwrap_or_default();
    let (add, drop) = (
        lists.add.unwrap_or_default(),
        lists.drop.unwrap_or_default(),
    );
    let is_all = |name: &String| name.eq_ignore_ascii_case("ALL");
    let mut kept: Vec<String> = match (add.iter().any(is_all), drop.iter().any(is_all)) {
        (true, _) => every().collect(),
        (false, true) => Vec::new(),
        (false, false) => DEFAULT_CAPABILITIES
            .iter()
            .map(|&name| name.to_owned())
            .collect(),
    };
    kept.extend(
        add.iter()
            .filter(|name| !is_all(name))
            .map(|name| full_name(name)),
    );
    // A name in both lists is dropped, unless all were dropped and this one given back.
    if !drop.iter().any(is_all) {
        let dropped: Vec<String> = drop.iter().map(|name| full_name(name)).collect();
        kept.retain(|name| !dropped.contains(name));
    }
    kept.sort();
    kept.dedup();
    kept
}

fn full_name(name: &str) -> String {
    caps::to_canonical(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn identity_of(pod: Value, own: Value) -> Result<Identity, String> {
        let spec = json!({ "containers": [], "securityContext": pod });
        let container = json!({ "name": "c", "securityContext": own });
        identity(
            &serde_json::from_value(spec).expect("a pod"),
            &serde_json::from_value(container).expect("a container"),
            (0, 0),
        )
    }

    #[test]
    fn the_containers_word_wins_over_the_pods_over_the_images() {
        let got = identity_of(
            json!({ "runAsUser": 1, "runAsGroup": 2, "fsGroup": 3, "supplementalGroups": [4, 2] }),
            json!({ "runAsUser": 5, "allowPrivilegeEscalation": false }),
        );
        let got = got.expect("an identity");
        assert_eq!((got.user, got.group), (5, 2));
        assert_eq!(got.groups, [2, 3, 4]);
        assert!(got.no_new_privileges);
    }

    #[test]
    fn root_is_refused_where_the_pod_forbids_it() {
        assert!(identity_of(json!({ "runAsNonRoot": true }), json!({})).is_err());
        assert!(identity_of(json!({ "runAsNonRoot": true }), json!({ "runAsUser": 9 })).is_ok());
    }

    #[test]
    fn capabilities_are_the_runtimes_default_with_what_is_added_and_dropped() {
        let check = |lists: Value, expected: &[&str]| {
            let got = identity_of(json!({}), json!({ "capabilities": lists }));
            assert_eq!(got.expect("an identity").capabilities, expected);
        };
        check(json!({}), DEFAULT_CAPABILITIES);
        check(json!({ "drop": ["ALL"] }), &[]);
        check(
            json!({ "drop": ["ALL"], "add": ["NET_BIND_SERVICE", "BPF"] }),
            &["CAP_BPF", "CAP_NET_BIND_SERVICE"],
        );
        check(
            json!({ "drop": ["NET_RAW", "MKNOD"] }),
            &DEFAULT_CAPABILITIES
                .iter()
                .copied()
                .filter(|name| !["CAP_NET_RAW", "CAP_MKNOD"].contains(name))
                .collect::<Vec<_>>(),
        );
    }
}

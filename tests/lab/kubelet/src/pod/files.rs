//! The text files that every container finds in `/etc`. Pure.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::{Pod, PodSpec};
use kube::ResourceExt;

use super::downward::Facts;
use super::env::hostname;

/// `/etc/hosts`: this host, the pod's own name, the pod's aliases.
pub(super) fn hosts(facts: &Facts) -> String {
    let mut text = "# Kubernetes-managed hosts file.\n\
                    127.0.0.1\tlocalhost\n\
                    ::1\tlocalhost ip6-localhost ip6-loopback\n\
                    fe00::0\tip6-localnet\n\
                    fe00::0\tip6-mcastprefix\n\
                    fe00::1\tip6-allnodes\n\
                    fe00::2\tip6-allrouters\n"
        .to_owned();
    let name = hostname(facts);
    let spec = facts.pod.spec.as_ref();
    let subdomain = spec.and_then(|spec| spec.subdomain.as_ref());
    let names = match subdomain {
        Some(subdomain) => {
            let namespace = facts.pod.namespace().unwrap_or_default();
            format!("{name}.{subdomain}.{namespace}.svc.cluster.local\t{name}")
        }
        None => name,
    };
    for ip in &facts.pod_ips {
        text += &format!("{ip}\t{names}\n");
    }
    let aliases = spec
        .iter()
        .flat_map(|spec| spec.host_aliases.iter().flatten());
    for alias in aliases {
        let names = alias.hostnames.clone().unwrap_or_default().join("\t");
        text += &format!("{}\t{names}\n", alias.ip);
    }
    text
}

/// `/etc/resolv.conf`. Without name servers the machine's own are not used either: a name does not
/// resolve, at once.
pub(super) fn resolv_conf(pod: &Pod, cluster_dns: &[IpAddr]) -> String {
    let spec = pod.spec.clone().unwrap_or_default();
    let mut servers: Vec<String> = Vec::new();
    let mut searches: Vec<String> = Vec::new();
    let mut options: Vec<String> = Vec::new();
    if is_cluster_first(&spec) {
        let namespace = pod.namespace().unwrap_or_default();
        servers.extend(cluster_dns.iter().map(IpAddr::to_string));
        searches.push(format!("{namespace}.svc.cluster.local"));
        searches.extend(["svc.cluster.local".to_owned(), "cluster.local".to_owned()]);
        options.push("ndots:5".to_owned());
    }
    let config = spec.dns_config.unwrap_or_default();
    servers.extend(config.nameservers.unwrap_or_default());
    searches.extend(config.searches.unwrap_or_default());
    for option in config.options.unwrap_or_default() {
        let name = option.name.unwrap_or_default();
        options.retain(|o| o.split(':').next() != Some(name.as_str()));
        options.push(match option.value {
            Some(value) => format!("{name}:{value}"),
            None => name,
        });
    }
    let mut text = String::new();
    if !searches.is_empty() {
        text += &format!("search {}\n", searches.join(" "));
    }
    for server in servers {
        text += &format!("nameserver {server}\n");
    }
    if !options.is_empty() {
        text += &format!("options {}\n", options.join(" "));
    }
    text
}

fn is_cluster_first(spec: &PodSpec) -> bool {
    match spec.dns_policy.as_deref() {
        Some("ClusterFirstWithHostNet") => true,
        None | Some("ClusterFirst") => spec.host_network != Some(true),
        Some(_) => false,
    }
}

/// `/etc/passwd`, `/etc/group` and `/etc/nsswitch.conf` of an image that knows root and one more.
pub(super) fn accounts(user: u32, group: u32) -> Vec<(String, String)> {
    let mut passwd = "root:x:0:0:root:/root:/bin/sh\n\
                      nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
        .to_owned();
    let mut groups = "root:x:0:\nnogroup:x:65534:\n".to_owned();
    if ![0, 65534].contains(&user) {
        passwd += &format!("user:x:{user}:{group}:user:/:/bin/sh\n");
    }
    if ![0, 65534].contains(&group) {
        groups += &format!("group:x:{group}:\n");
    }
    let names = "passwd: files\ngroup: files\nhosts: files dns\n".to_owned();
    vec![
        ("/etc/passwd".to_owned(), passwd),
        ("/etc/group".to_owned(), groups),
        ("/etc/nsswitch.conf".to_owned(), names),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::downward::tests::facts;
    use super::*;
    use serde_json::json;

    #[test]
    fn hosts_has_the_pods_names_and_aliases() {
        let text = hosts(&facts(json!({
            "metadata": { "name": "p", "namespace": "n" },
            "spec": {
                "containers": [], "subdomain": "s",
                "hostAliases": [{ "ip": "10.9.9.9", "hostnames": ["a", "b"] }],
            },
        })));
        let last: Vec<&str> = text.lines().rev().take(3).collect();
        assert_eq!(
            last,
            [
                "10.9.9.9\ta\tb",
                "fd00::2\tp.s.n.svc.cluster.local\tp",
                "10.1.0.2\tp.s.n.svc.cluster.local\tp",
            ]
        );
    }

    #[test]
    fn resolv_conf_follows_the_policy() {
        let check = |spec: serde_json::Value, expected: &str| {
            let mut spec = spec;
            spec["containers"] = json!([]);
            let pod = json!({ "metadata": { "namespace": "n" }, "spec": spec });
            let pod = serde_json::from_value(pod).expect("a pod");
            let dns = [IpAddr::from([10, 0, 0, 10])];
            assert_eq!(resolv_conf(&pod, &dns), expected);
        };
        check(
            json!({}),
            "search n.svc.cluster.local svc.cluster.local cluster.local\n\
             nameserver 10.0.0.10\noptions ndots:5\n",
        );
        check(json!({ "hostNetwork": true }), "");
        check(
            json!({ "dnsPolicy": "None", "dnsConfig": {
                "nameservers": ["10.0.0.7"], "searches": ["x"],
                "options": [{ "name": "ndots", "value": "2" }, { "name": "edns0" }],
            } }),
            "search x\nnameserver 10.0.0.7\noptions ndots:2 edns0\n",
        );
    }
}

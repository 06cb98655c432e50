//! The command lines of the control plane's parts. Nothing is started here.

use crate::certificates::Certificates;
use crate::kubeconfig::{self, API_PORT};
use crate::programs::program;
use crate::record::{Node, Record};
use ipnet::IpNet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The port of every kubelet.
const KUBELET_PORT: u16 = 10250;

/// etcd, on the lab's loopback.
pub(crate) const ETCD: &str = "127.0.0.1:2379";

/// A program with its arguments, and a name for people.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
}

impl Launch {
    fn new(name: &str, program: PathBuf) -> Self {
        Self {
            name: name.to_owned(),
            program,
            arguments: Vec::new(),
        }
    }

    /// `--name=value`.
    fn with(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        let mut argument = OsString::from(format!("--{name}="));
        argument.push(value);
        self.arguments.push(argument);
        self
    }

    fn with_all(self, arguments: &[(&str, &str)]) -> Self {
        let add = |launch: Self, (name, value): &(&str, &str)| launch.with(name, value);
        arguments.iter().fold(self, add)
    }
}

/// Addresses or ranges, as the parts want them: the first family first.
fn joined<T: ToString>(all: impl IntoIterator<Item = T>) -> String {
    let all: Vec<String> = all.into_iter().map(|one| one.to_string()).collect();
    all.join(",")
}

fn networks(all: &[IpNet]) -> String {
    joined(all.iter().map(IpNet::trunc))
}

/// etcd, with its data in a folder that is gone with the lab.
pub(crate) fn etcd(record: &Record, data: &Path) -> anyhow::Result<Launch> {
    let keys = Certificates::of(record);
    let own = format!("https://{ETCD}");
    let peers = "https://127.0.0.1:2380";
    Ok(Launch::new("etcd", program("etcd")?)
        .with("data-dir", data)
        .with_all(&[
            ("name", "lab"),
            ("listen-client-urls", &own),
            ("advertise-client-urls", &own),
            ("listen-peer-urls", peers),
            ("initial-advertise-peer-urls", peers),
            ("initial-cluster", &format!("lab={peers}")),
            // The data outlives nothing: what a power cut would cost does not matter.
            ("unsafe-no-fsync", "true"),
            ("client-cert-auth", "true"),
            ("peer-client-cert-auth", "true"),
            ("log-level", "warn"),
        ])
        .with("cert-file", keys.certificate("etcd"))
        .with("key-file", keys.key("etcd"))
        .with("trusted-ca-file", keys.certificate("etcd-ca"))
        .with("peer-cert-file", keys.certificate("etcd"))
        .with("peer-key-file", keys.key("etcd"))
        .with("peer-trusted-ca-file", keys.certificate("etcd-ca")))
}

/// The API server, on the lab's address on the bridge.
pub(crate) fn api_server(record: &Record) -> anyhow::Result<Launch> {
    let keys = Certificates::of(record);
    let address = record.addresses.api_server().to_string();
    let services = networks(&record.addresses.services());
    Ok(Launch::new("kube-apiserver", program("kube-apiserver")?)
        .with_all(&[
            ("advertise-address", &address),
            ("bind-address", &address),
            ("secure-port", &API_PORT.to_string()),
            ("service-cluster-ip-range", &services),
            ("authorization-mode", "Node,RBAC"),
            ("enable-admission-plugins", "NodeRestriction"),
            ("allow-privileged", "true"),
            ("etcd-servers", &format!("https://{ETCD}")),
            (
                "service-account-issuer",
                "https://kubernetes.default.svc.cluster.local",
            ),
            ("kubelet-preferred-address-types", "InternalIP"),
            ("requestheader-allowed-names", "front-proxy-client"),
            ("requestheader-username-headers", "X-Remote-User"),
            ("requestheader-group-headers", "X-Remote-Group"),
            ("requestheader-extra-headers-prefix", "X-Remote-Extra-"),
            // See DEVIATIONS: pods leave a lost node within seconds.
            ("default-not-ready-toleration-seconds", "5"),
            ("default-unreachable-toleration-seconds", "5"),
        ])
        .with("tls-cert-file", keys.certificate("kube-apiserver"))
        .with("tls-private-key-file", keys.key("kube-apiserver"))
        .with("client-ca-file", keys.certificate("ca"))
        .with("etcd-cafile", keys.certificate("etcd-ca"))
        .with("etcd-certfile", keys.certificate("etcd-client"))
        .with("etcd-keyfile", keys.key("etcd-client"))
        .with(
            "service-account-signing-key-file",
            keys.key("service-accounts"),
        )
        .with("service-account-key-file", keys.verifier())
        .with("kubelet-certificate-authority", keys.certificate("ca"))
        .with(
            "kubelet-client-certificate",
            keys.certificate("kubelet-client"),
        )
        .with("kubelet-client-key", keys.key("kubelet-client"))
        .with(
            "requestheader-client-ca-file",
            keys.certificate("front-proxy-ca"),
        )
        .with("proxy-client-cert-file", keys.certificate("front-proxy"))
        .with("proxy-client-key-file", keys.key("front-proxy")))
}

/// What the two others that call the API server have in common.
fn caller(record: &Record, name: &str) -> anyhow::Result<Launch> {
    let keys = Certificates::of(record);
    let kubeconfig = kubeconfig::path(record, name);
    Ok(Launch::new(name, program(name)?)
        .with("kubeconfig", &kubeconfig)
        .with("authentication-kubeconfig", &kubeconfig)
        .with("authorization-kubeconfig", &kubeconfig)
        .with("tls-cert-file", keys.certificate(name))
        .with("tls-private-key-file", keys.key(name))
        .with("client-ca-file", keys.certificate("ca"))
        .with("bind-address", "127.0.0.1")
        .with("leader-elect", "false"))
}

/// The controllers. Pod ranges are the lab's own business, so none are handed out.
pub(crate) fn controllers(record: &Record) -> anyhow::Result<Launch> {
    let keys = Certificates::of(record);
    let services = networks(&record.addresses.services());
    Ok(caller(record, "kube-controller-manager")?
        .with("root-ca-file", keys.certificate("ca"))
        .with("cluster-signing-cert-file", keys.certificate("ca"))
        .with("cluster-signing-key-file", keys.key("ca"))
        .with(
            "service-account-private-key-file",
            keys.key("service-accounts"),
        )
        .with_all(&[
            ("use-service-account-credentials", "true"),
            ("allocate-node-cidrs", "false"),
            ("service-cluster-ip-range", &services),
            // See DEVIATIONS: a node that stops renewing is noticed within seconds.
            ("node-monitor-grace-period", "8s"),
            ("node-monitor-period", "1s"),
            ("node-eviction-rate", "1"),
        ]))
}

/// The scheduler.
pub(crate) fn scheduler(record: &Record) -> anyhow::Result<Launch> {
    caller(record, "kube-scheduler")
}

/// A node's kubelet, for those labs that have one.
pub(crate) fn kubelet(record: &Record, node: &Node) -> Option<Launch> {
    let program = record.settings.kubelet.clone()?;
    let keys = Certificates::of(record);
    let name = &node.name;
    let address = record.addresses.api_server().to_string();
    let mut launch = Launch::new(name, program);
    let mut pair = |name: &str, value: OsString| {
        launch.arguments.push(name.into());
        launch.arguments.push(value);
    };
    pair("--node-name", name.into());
    pair("--kubeconfig", kubeconfig::path(record, name).into());
    pair(
        "--node-ip",
        joined(node.addresses.iter().map(IpNet::addr)).into(),
    );
    pair("--pod-cidr", networks(&node.pods).into());
    if let Some(images) = &record.settings.images {
        pair("--images", images.into());
    }
    pair("--root", record.node_folder(name).into());
    pair("--port", KUBELET_PORT.to_string().into());
    pair("--tls-key", keys.key(name).into());
    pair("--tls-cert", keys.certificate(name).into());
    pair("--client-ca", keys.certificate("ca").into());
    pair("--api-server-address", address.into());
    pair("--api-server-port", API_PORT.to_string().into());
    // See DEVIATIONS: renewed every 2 s, because the controllers wait only 8 s for it. A node that
    // was lost says that it is back with its next report.
    pair("--lease-duration", "8s".into());
    pair("--heartbeat", "5s".into());
    pair("--back-off", "1s".into());
    pair("--back-off-max", "30s".into());
    Some(launch)
}

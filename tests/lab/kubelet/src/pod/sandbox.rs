//! A pod's surroundings: its namespaces, network and files in `/etc`, there before the first
//! container and until after the last.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use k8s_openapi::api::core::v1::Pod;

use super::downward::Facts;
use super::env::hostname;
use super::files;
use super::process::Pause;
use crate::kubelet::Kubelet;
use crate::launch::spec::PauseSpec;
use crate::network::{self, POD_SYSCTLS, POD_SYSCTLS_V6, PodAddresses};

/// The surroundings. Dropped, they end too, a little later.
pub(super) struct Sandbox {
    pause: Pause,
    network: Option<Network>,
    /// The files for `/etc`.
    pub(super) etc: PathBuf,
}

/// A pod's own link and addresses; dropped, the addresses are free again.
struct Network {
    kubelet: Arc<Kubelet>,
    link: String,
    addresses: PodAddresses,
}

impl Drop for Network {
    fn drop(&mut self) {
        self.kubelet.addresses().give_back(&self.addresses);
    }
}

impl Sandbox {
    /// Makes it under `folder`.
    pub(super) async fn create(
        kubelet: &Arc<Kubelet>,
        pod: &Arc<Pod>,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let spec = pod.spec.clone().unwrap_or_default();
        let own_network = spec.host_network != Some(true);
        let facts = kubelet.facts(pod.clone(), Vec::new());
        let pause = Pause::start(&PauseSpec {
            hostname: hostname(&facts),
            own_network,
            sysctls: sysctls(pod, own_network),
        })
        .await?;
        let network = match own_network {
            true => Some(connect(kubelet, pause.pid).await?),
            false => None,
        };
        let mut sandbox = Sandbox {
            pause,
            network,
            etc: folder.join("etc"),
        };
        let ips = sandbox.ips(kubelet);
        sandbox.write_files(&kubelet.facts(pod.clone(), ips), &kubelet.args.cluster_dns)?;
        Ok(sandbox)
    }

    /// The pod's addresses: its own, or the node's.
    pub(super) fn ips(&self, kubelet: &Kubelet) -> Vec<IpAddr> {
        match &self.network {
            Some(network) => network.addresses.ips.clone(),
            None => kubelet.args.node_ip.clone(),
        }
    }

    /// The process that holds the namespaces.
    pub(super) fn pid(&self) -> u32 {
        self.pause.pid
    }

    /// Takes it away.
    pub(super) async fn remove(self) {
        if let Some(network) = &self.network {
            network::disconnect(&network.link).await;
        }
        self.pause.end().await;
    }

    fn write_files(&mut self, facts: &Facts, cluster_dns: &[IpAddr]) -> anyhow::Result<()> {
        let texts = [
            ("hosts", files::hosts(facts)),
            ("hostname", format!("{}\n", hostname(facts))),
            ("resolv.conf", files::resolv_conf(&facts.pod, cluster_dns)),
        ];
        fs::create_dir_all(&self.etc).context("the pod's files")?;
        for (name, text) in texts {
            fs::write(self.etc.join(name), text).with_context(|| name.to_owned())?;
        }
        Ok(())
    }
}

async fn connect(kubelet: &Arc<Kubelet>, pid: u32) -> anyhow::Result<Network> {
    let addresses = kubelet.addresses().take();
    let addresses = addresses.ok_or_else(|| anyhow!("no address of the node's range is free"))?;
    let network = Network {
        kubelet: kubelet.clone(),
        link: format!("pod{:08x}", fastrand::u32(..)),
        addresses,
    };
    network::connect(pid, &network.link, &network.addresses).await?;
    Ok(network)
}

/// What container runtimes set, and then what the pod asks for.
fn sysctls(pod: &Pod, own_network: bool) -> Vec<(String, String)> {
    let v6 = Path::new("/proc/sys/net/ipv6").exists();
    let fixed = POD_SYSCTLS
        .iter()
        .chain(POD_SYSCTLS_V6.iter().filter(|_| v6));
    let mut all: Vec<(String, String)> = match own_network {
        true => fixed
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        false => Vec::new(),
    };
    let context = pod
        .spec
        .as_ref()
        .and_then(|spec| spec.security_context.as_ref());
    let asked = context
        .iter()
        .flat_map(|context| context.sysctls.iter().flatten());
    all.extend(asked.map(|sysctl| (sysctl.name.clone(), sysctl.value.clone())));
    all
}

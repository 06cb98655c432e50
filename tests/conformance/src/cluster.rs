//! The cluster that the suite runs against: a lab of its own, or one that is there.

use crate::programs::Programs;
use anyhow::{Context, ensure};
use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};
use rauta_lab::{GatewayPods, Process, Record, Settings};
use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// An address of documents, which no pool has.
const NOWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// What a lab of this crate is made of.
#[derive(Debug)]
pub struct Lab<'a> {
    /// Its name.
    pub name: &'a str,
    /// A program whose `supervise` is the lab's first process.
    pub supervisor: &'a Path,
    /// The program that is each node's kubelet.
    pub kubelet: &'a Path,
    /// Whether it has IPv6 beside IPv4.
    pub ipv6: bool,
    /// The pods that serve Gateways: a node has the pool's traffic while one of its own is ready.
    pub gateway: Option<GatewayPods>,
}

/// A cluster, and kubectl on it.
#[derive(Debug, Clone)]
pub struct Cluster {
    kubeconfig: PathBuf,
    kubectl: PathBuf,
    lab: Option<Record>,
}

impl Cluster {
    /// Brings up a lab of two nodes, its supervisor and its kubelets being these programs.
    ///
    /// # Errors
    /// What a lab needs and this machine lacks.
    pub async fn start(
        lab: &Lab<'_>,
        images: &Path,
        told: &mut dyn FnMut(&str),
    ) -> anyhow::Result<Self> {
        let settings = Settings {
            name: lab.name.to_owned(),
            nodes: 2,
            ipv6: lab.ipv6,
            kubelet: Some(lab.kubelet.to_owned()),
            images: Some(images.to_owned()),
            gateway: lab.gateway.clone(),
            // Should this program be killed, the next lab-down ends its lab.
            owner: Process::of(std::process::id()),
        };
        let record = rauta_lab::up(lab.supervisor, settings, told).await?;
        Ok(Self {
            kubeconfig: record.kubeconfig(),
            kubectl: rauta_lab::program("kubectl")?,
            lab: Some(record),
        })
    }

    /// Takes the lab down, if this is one, and proves it gone.
    ///
    /// # Errors
    /// What of it would not go.
    pub async fn stop(self, told: &mut dyn FnMut(&str)) -> anyhow::Result<()> {
        match self.lab {
            Some(lab) => rauta_lab::down(&lab.settings.name, told).await,
            None => Ok(()),
        }
    }

    /// The cluster that a kubeconfig leads to.
    #[must_use]
    pub fn existing(kubeconfig: PathBuf, kubectl: PathBuf) -> Self {
        Self {
            kubeconfig,
            kubectl,
            lab: None,
        }
    }

    /// How to reach it.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The program that speaks to it for people.
    #[must_use]
    pub fn kubectl_program(&self) -> &Path {
        &self.kubectl
    }

    /// The lab, if it is one.
    #[must_use]
    pub fn lab(&self) -> Option<&Record> {
        self.lab.as_ref()
    }

    /// An address that a Gateway may ask for, and one that it cannot have, where they are known.
    #[must_use]
    pub fn addresses(&self) -> Option<[IpAddr; 2]> {
        let pool = *self.lab.as_ref()?.addresses.pool().first()?;
        // The pool hands out its first addresses first.
        Some([pool.hosts().last()?, NOWHERE])
    }

    /// A client of its API server.
    ///
    /// # Errors
    /// The kubeconfig cannot be used.
    pub async fn client(&self) -> anyhow::Result<Client> {
        let kubeconfig = Kubeconfig::read_from(&self.kubeconfig)?;
        let options = KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await?;
        Ok(Client::try_from(config)?)
    }

    /// Runs kubectl and tells what it printed.
    ///
    /// # Errors
    /// What kubectl complains of.
    pub async fn kubectl<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
    ) -> anyhow::Result<String> {
        self.kubectl_with("", arguments).await
    }

    /// Applies objects.
    ///
    /// # Errors
    /// What kubectl complains of.
    pub async fn apply(&self, objects: &str) -> anyhow::Result<String> {
        self.kubectl_with(objects, ["apply", "--server-side", "-f", "-"])
            .await
    }

    /// Installs the CRDs of a channel, and waits until they are served.
    ///
    /// # Errors
    /// What kubectl complains of.
    pub async fn install_api(&self, programs: &Programs, channel: &str) -> anyhow::Result<()> {
        let mut apply = vec!["apply".into(), "--server-side".into()];
        for file in programs.channel(channel)? {
            apply.extend(["-f".into(), file.into_os_string()]);
        }
        self.kubectl(apply).await?;
        let established = "wait crd --all --for=condition=Established --timeout=60s";
        self.kubectl(established.split(' ')).await.map(drop)
    }

    async fn kubectl_with<A: AsRef<OsStr>>(
        &self,
        input: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> anyhow::Result<String> {
        let mut child = Command::new(&self.kubectl)
            .args(arguments)
            .env("KUBECONFIG", &self.kubeconfig)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} cannot be started", self.kubectl.display()))?;
        let mut stdin = child.stdin.take().context("no input")?;
        stdin.write_all(input.as_bytes()).await?;
        drop(stdin);
        let output = child.wait_with_output().await?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "kubectl: {}", said.trim());
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
